-- The progress of the audit: Fluentd has acknowledged all of `log` up to log_id. Of these frames, `lost` were pruned
-- before they could be sent, and lost_told of them were reported to Fluentd. Without a row, the audit was never enabled.
CREATE TABLE audit_cursor (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    log_id INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    lost_told INTEGER NOT NULL
) STRICT;
