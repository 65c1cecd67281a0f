-- Bounds the growth of permanent tables.

-- Facts of a charger other than transactions and readings, by kind: `facts` is their number on this day (UTC). The first
-- of a day are stored; `counted` is the total number that were only counted. FactsCounted has reported `told` of these,
-- last at told_at.
CREATE TABLE fact_count (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    kind TEXT NOT NULL,
    day TEXT NOT NULL,
    facts INTEGER NOT NULL,
    counted INTEGER NOT NULL DEFAULT 0,
    told INTEGER NOT NULL DEFAULT 0,
    told_at TEXT,
    PRIMARY KEY (cp_id, kind)
) STRICT;

-- Sums of pruned events: their number or Wh, by charger and counter (see levity_trio/store/upkeep/pruning.py).
CREATE TABLE event_sum (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    counter TEXT NOT NULL,
    what TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (cp_id, counter, what)
) STRICT;

-- In events of earlier versions, the energy reported before is missing, so the difference can be computed only while all
-- events of the transaction exist.
INSERT INTO event_sum (cp_id, counter, what, amount)
    WITH step (cp_id, what, wh) AS (
        SELECT cp_id, what, wh - lag(wh, 1, 0) OVER (PARTITION BY what, tx ORDER BY id) FROM (
            SELECT id, cp_id, CASE kind WHEN 'EnergyUnbilled' THEN 'unbilled' ELSE 'delivered' END AS what,
                json_extract(data, '$.transaction') AS tx, coalesce(json_extract(data, '$.energy_wh'), 0) AS wh
            FROM event
            WHERE kind IN ('EnergyUnbilled', 'TransactionClosed', 'TransactionRejudged', 'TransactionStopped')
                AND json_extract(data, '$.before_wh') IS NULL))
    SELECT cp_id, 'told', what, sum(max(wh, 0)) FROM step GROUP BY cp_id, what
    UNION ALL SELECT cp_id, 'taken back', what, sum(max(-wh, 0)) FROM step GROUP BY cp_id, what;
