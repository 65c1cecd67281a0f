-- What keeps permanent tables from growing without bound.

-- Facts of a charger other than transactions and readings, by kind: `facts` of them came on this day (UTC); the first of a
-- day are kept, `counted` is how many ever were only counted. FactsCounted has told of `told` of these, last at told_at.
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

-- What was counted in events that are gone: `amount` of them, or of Wh, by charger and counter (levity_trio/store/event_sums.py).
CREATE TABLE event_sum (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    counter TEXT NOT NULL,
    what TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (cp_id, counter, what)
) STRICT;

-- Earlier versions did not say in an event how much had been told of its transaction before, so that its step can be found
-- only as long as all events of the transaction are there.
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
