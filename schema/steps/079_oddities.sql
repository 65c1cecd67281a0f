-- What is odd about a charger though it breaks no rule, and of which its owner was told: comes_and_goes (figure:
-- connections of a day), measures_nothing (figure: sessions), or meter_exchanged (the register went from `earlier` to
-- `figure`, in Wh). One row for each connector (0: the charger itself) and cause, which is gone when that is over.
-- serves: 77
CREATE TABLE oddity (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,
    cause TEXT NOT NULL CHECK (cause IN ('comes_and_goes', 'measures_nothing', 'meter_exchanged')),
    figure INTEGER NOT NULL,
    earlier INTEGER NOT NULL DEFAULT 0,
    since TEXT NOT NULL,
    last_at TEXT NOT NULL,
    PRIMARY KEY (cp_id, conn_id, cause)
) STRICT;
