-- An incident is known by what its source calls it, and not also by when it began: a source may move that time.

ALTER TABLE incidents ADD COLUMN stale_at TIMESTAMP; -- when we noticed that its source does not repeat it

-- "FINGERPRINT TIME" of Alertmanager and Grafana becomes "FINGERPRINT": of several that are open the newest stays.
UPDATE incidents SET state = 'resolved', ended_at = strftime('%Y-%m-%d %H:%M:%f', 'now'), muted_by = NULL
WHERE state <> 'resolved'
  AND instr(key, ' ') = 17 AND NOT substr(key, 1, 16) GLOB '*[^0-9a-f]*'
  AND substr(key, 18) GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T*'
  AND id NOT IN (SELECT max(id) FROM incidents WHERE state <> 'resolved' GROUP BY source, substr(key, 1, 16));
UPDATE incidents SET key = substr(key, 1, 16)
WHERE instr(key, ' ') = 17 AND NOT substr(key, 1, 16) GLOB '*[^0-9a-f]*'
  AND substr(key, 18) GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T*';
UPDATE incidents SET muted_by = NULL WHERE muted_by IN (SELECT id FROM incidents WHERE state = 'resolved');
UPDATE incident_conversations SET ended_at = strftime('%Y-%m-%d %H:%M:%f', 'now'), news_due = NULL
WHERE ended_at IS NULL AND first NOT IN (SELECT first FROM incidents WHERE state <> 'resolved');
