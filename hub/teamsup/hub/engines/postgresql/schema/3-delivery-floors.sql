-- While a snapshot is held open, the server keeps the entries of ended deliveries in every index, and each claim would
-- walk over them. Nothing of a recipient is open below the lowest of its rows here, so the walk begins there.
CREATE TABLE delivery_floors (
  recipient TEXT COLLATE "C" NOT NULL,
  rank BIGINT,
  available_at TIMESTAMPTZ(3),
  lease_expires_at TIMESTAMPTZ(3),
  expires_at TIMESTAMPTZ(3)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX delivery_floors_recipient ON delivery_floors (recipient, rank);
