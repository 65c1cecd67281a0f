-- How far the audit has come: Fluentd has acknowledged all of `log` up to log_id. Of that, `lost` frames had been pruned
-- before they could be sent; Fluentd has been told of lost_told of them. Without a row the audit was never switched on.
CREATE TABLE audit_cursor (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    log_id INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    lost_told INTEGER NOT NULL
) STRICT;
