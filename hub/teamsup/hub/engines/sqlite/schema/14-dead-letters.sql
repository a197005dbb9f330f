-- Dead letters are few, and pages count them with each look.
CREATE INDEX deliveries_dead ON deliveries (done_at) WHERE state = 'dead';
