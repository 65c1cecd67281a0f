-- Transactions: charging sessions as they are now, what happened to each, their readings, the
-- doubts about their figures, and the chargers that are hidden for lack of them.


-- A transaction as it is now. Derived from its tx_events and readings; the judge gives it its
-- figure. id is the transactionId that its charger was told.
-- The skew of the charger's clock at start and stop gives the duration by that clock.
CREATE TABLE tx (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER,
    session_id INTEGER NOT NULL REFERENCES session (id),
    id_tag TEXT,
    verdict TEXT NOT NULL,  -- what its start was answered: Accepted, Blocked and so on
    status TEXT NOT NULL DEFAULT 'Active',  -- Active or Completed
    -- For bills and for people: corrected if the clock is known to be wrong, as stop_time.
    start_time TEXT NOT NULL,
    sent_start_time TEXT,
    start_skew_seconds INTEGER,  -- how far the charger's clock was ahead of ours
    stop_time TEXT,
    sent_stop_time TEXT,
    meter_start INTEGER,
    meter_stop INTEGER,
    energy_delivered INTEGER,  -- its figure
    energy_method TEXT,  -- how the figure was found
    confidence TEXT,  -- certain or doubtful
    review TEXT,  -- the words of its open reviews
    stop_reason TEXT,
    stop_id_tag TEXT,
    stopped_by TEXT,  -- charger, joined, system or import
    suspended_at TEXT,
    reservation_id INTEGER,
    unbilled_wh INTEGER,
    last_reading_at TEXT,
    last_register_wh INTEGER,
    previous_register_wh INTEGER,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    -- By the charger's own clock, uncorrected: it orders the charger's messages. NULL: imported.
    own_start_time TEXT,
    own_stop_time TEXT,
    stop_skew_seconds INTEGER,
    stop_received_at TEXT,
    sent_meter_start TEXT,  -- a register as sent, if it was no whole number
    sent_meter_stop TEXT,
    told_id INTEGER,  -- in its stop, if its start is unknown: later messages name it
    ahead_reading_at TEXT,  -- the newest reading of a time after its receipt; never the last one
    -- The registers on which the figure is based: later facts between them change nothing.
    billed_from_wh INTEGER,
    billed_until_wh INTEGER,
    rules INTEGER,  -- the version of the rules that judged it
    judged_at TEXT,
    judge_after TEXT,  -- when it is judged again, because of later facts
    counted_wh INTEGER NOT NULL DEFAULT 0,  -- what the counters of delivered energy have of it
    verdict_expiry TEXT,  -- what its start was told beside the verdict
    verdict_parent TEXT,
    is_asked INTEGER NOT NULL DEFAULT 0,  -- 1: the outside authorizer is still being asked
    -- The card without white space around it (as Python defines that) and in ASCII lower case:
    -- it begins with the normal form of the card.
    folded_tag TEXT GENERATED ALWAYS AS (
        lower(trim(id_tag, char(
            9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 133, 160, 5760,
            8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199, 8200, 8201, 8202,
            8232, 8233, 8239, 8287, 12288
        )))
    ) VIRTUAL,
    imported_id INTEGER,  -- of the row in the other system
    -- The oldest reading before the start with a register above it: the readings' clock is behind.
    early_reading_at TEXT,
    -- By how much the clocks of start and stop were behind ours; start_time and stop_time have it.
    start_behind_seconds INTEGER NOT NULL DEFAULT 0,
    stop_behind_seconds INTEGER NOT NULL DEFAULT 0,
    -- 1: the times as sent may be right all the same, or when its energy flowed is not known. Both
    -- prices count until a person decides.
    is_clock_unsure INTEGER NOT NULL DEFAULT 0,
    -- 1: a judgement of a neighbour, which changed what this one goes by, led to the one that is
    -- due. 0: a fact of its own did.
    judge_steps INTEGER NOT NULL DEFAULT 0,
    free_at TEXT,  -- since when its connector is Available without a sign of it, by our clock
    -- Why it may not charge, beside the verdict: space, chargers, spent or month.
    verdict_reason TEXT,
    review_told TEXT,  -- the texts of its open reviews
    -- 1: a person confirmed it though its times are not sure: where its tariff has a price for
    -- that, quarters do not count.
    is_at_fallback INTEGER NOT NULL DEFAULT 0,
    -- Since when its register does not rise evenly: it fell or leapt. Its energy so far is the
    -- judge's then.
    uneven_at TEXT
) STRICT;
-- Is this start a repetition?
CREATE INDEX tx_repeat ON tx (cp_id, conn_id, id_tag, sent_start_time, meter_start);
CREATE INDEX tx_open ON tx (cp_id) WHERE status = 'Active';
CREATE INDEX tx_connector ON tx (cp_id, conn_id, own_start_time);
-- Transactions received since a time, whatever the charger's clock.
CREATE INDEX tx_received ON tx (cp_id, conn_id, created_at);
CREATE INDEX tx_stop ON tx (cp_id, sent_stop_time) WHERE sent_stop_time IS NOT NULL;
CREATE INDEX tx_judge_after ON tx (judge_after) WHERE judge_after IS NOT NULL;
-- A page of a list, newest first, by each filter and each pair of them, without reading the rows
-- that it skips. No index has the status, so the end of a transaction changes none of these; those
-- that are not open are found as "not in tx_open". Nearly all are on connector 1, which tx_by_time
-- finds.
CREATE INDEX tx_by_time ON tx (start_time, cp_id, conn_id, id_tag);
CREATE INDEX tx_by_charger ON tx (cp_id, start_time, conn_id, id_tag);
CREATE INDEX tx_by_tag ON tx (id_tag, start_time, cp_id, conn_id);
CREATE INDEX tx_by_connector ON tx (conn_id, start_time, cp_id, id_tag) WHERE conn_id <> 1;
CREATE INDEX tx_doubtful ON tx (start_time, cp_id, conn_id, id_tag) WHERE review IS NOT NULL;
CREATE INDEX tx_by_folded_tag ON tx (folded_tag, id_tag);
CREATE UNIQUE INDEX tx_imported ON tx (cp_id, imported_id, start_time)
    WHERE imported_id IS NOT NULL;
-- Those of one charger, in the order of their ends.
CREATE INDEX tx_by_end ON tx (cp_id, stop_time, start_time);
-- The energy of a day or a month, without reading the rows.
CREATE INDEX tx_ended ON tx (stop_time, cp_id, energy_delivered, confidence)
    WHERE stop_time IS NOT NULL;

-- A bill rests on it, and its id may still be in a charger.
CREATE TRIGGER tx_is_kept BEFORE DELETE ON tx
BEGIN SELECT RAISE(ABORT, 'a transaction is never deleted'); END;

-- No completed transaction is without a figure, a method, a confidence and times, whatever the code
-- does.
CREATE TRIGGER tx_is_possible_at_first BEFORE INSERT ON tx
WHEN NEW.status NOT IN ('Active', 'Completed')
    OR (NEW.own_start_time IS NULL) IS NOT (NEW.stopped_by IS 'import')
    OR (NEW.imported_id IS NOT NULL) IS NOT (NEW.stopped_by IS 'import')
    OR (NEW.energy_method IS 'imported') IS NOT (NEW.stopped_by IS 'import')
    OR (NEW.stopped_by IS 'import' AND NEW.status <> 'Completed')
    OR (NEW.status = 'Completed' AND (NEW.energy_delivered IS NULL OR NEW.energy_method IS NULL
        OR NEW.confidence IS NULL OR NEW.stop_time IS NULL OR NEW.stopped_by IS NULL))
    OR NEW.energy_delivered < 0
    OR NEW.confidence NOT IN ('certain', 'doubtful')
    OR NEW.energy_method NOT IN ('register', 'segments', 'session readings', 'rollover', 'scaled',
        'corrected', 'imported')
    OR NEW.stopped_by NOT IN ('charger', 'joined', 'system', 'import')
    OR NEW.start_time NOT GLOB
      '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.stop_time NOT GLOB
      '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_start_time NOT GLOB
      '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_stop_time NOT GLOB
      '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
BEGIN
    SELECT RAISE(ABORT,
        'a transaction must have a possible status, figure, method, confidence and times');
END;
CREATE TRIGGER tx_stays_possible
BEFORE UPDATE OF status, energy_delivered, energy_method, confidence, stopped_by, start_time,
    stop_time, own_start_time, own_stop_time, imported_id ON tx
WHEN NEW.status NOT IN ('Active', 'Completed')
    OR (NEW.own_start_time IS NULL) IS NOT (NEW.stopped_by IS 'import')
    OR (NEW.imported_id IS NOT NULL) IS NOT (NEW.stopped_by IS 'import')
    OR (NEW.energy_method IS 'imported') IS NOT (NEW.stopped_by IS 'import')
    OR (NEW.stopped_by IS 'import' AND NEW.status <> 'Completed')
    OR NEW.imported_id IS NOT OLD.imported_id
    OR (NEW.status = 'Completed' AND (NEW.energy_delivered IS NULL OR NEW.energy_method IS NULL
        OR NEW.confidence IS NULL OR NEW.stop_time IS NULL OR NEW.stopped_by IS NULL))
    OR NEW.energy_delivered < 0
    OR NEW.confidence NOT IN ('certain', 'doubtful')
    OR NEW.energy_method NOT IN ('register', 'segments', 'session readings', 'rollover', 'scaled',
        'corrected', 'imported')
    OR NEW.stopped_by NOT IN ('charger', 'joined', 'system', 'import')
    OR NEW.start_time NOT GLOB
      '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.stop_time NOT GLOB
      '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_start_time NOT GLOB
      '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
    OR NEW.own_stop_time NOT GLOB
      '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
BEGIN
    SELECT RAISE(ABORT,
        'a transaction must have a possible status, figure, method, confidence and times');
END;

-- A completed one is billed, and billed anew if anything changes that a bill depends on. Imported
-- ones were billed elsewhere.
CREATE TRIGGER tx_end_is_to_bill AFTER INSERT ON tx
WHEN NEW.status = 'Completed' AND NEW.imported_id IS NULL
BEGIN
    DELETE FROM bill_work WHERE tx_id = NEW.id;
    INSERT INTO bill_work (tx_id) VALUES (NEW.id);
END;
CREATE TRIGGER tx_change_is_to_bill
AFTER UPDATE OF status, stopped_by, start_time, stop_time, energy_delivered, confidence, id_tag,
    review, conn_id, judge_after ON tx
WHEN NEW.imported_id IS NULL AND (NEW.status = 'Completed' OR OLD.status = 'Completed')
BEGIN
    DELETE FROM bill_work WHERE tx_id = NEW.id;
    INSERT INTO bill_work (tx_id) VALUES (NEW.id);
END;

-- Open and imported ones are not in bill_work, which would have them booked.
CREATE TRIGGER tx_is_to_book AFTER INSERT ON tx
WHEN NEW.status <> 'Completed' OR NEW.imported_id IS NOT NULL
BEGIN INSERT INTO to_book (tx_id) VALUES (NEW.id); END;
CREATE TRIGGER tx_change_is_to_book
AFTER UPDATE OF status, start_time, stop_time, id_tag, conn_id ON tx
WHEN NEW.imported_id IS NOT NULL OR (NEW.status <> 'Completed' AND OLD.status <> 'Completed')
BEGIN
    DELETE FROM to_book WHERE tx_id = NEW.id;
    INSERT INTO to_book (tx_id) VALUES (NEW.id);
END;

-- Lists read the book alone, so each transaction stands there from its beginning, with what they
-- show.
CREATE TRIGGER tx_stands_in_the_book AFTER INSERT ON tx
BEGIN
    INSERT INTO booked (tx_id, cp_id, conn_id, id_tag, started_at, ended_at, ground, is_outside,
        state, price, is_open, energy_wh, is_in_review, is_in_doubt, is_imported)
    VALUES (
        NEW.id, NEW.cp_id, NEW.conn_id, NEW.id_tag, NEW.start_time, NEW.stop_time,
        'nobody', 0, 'not booked', 'none',
        CASE NEW.status WHEN 'Active' THEN 1 ELSE 0 END,
        NEW.energy_delivered,
        CASE WHEN NEW.review IS NULL THEN 0 ELSE 1 END,
        CASE WHEN NEW.review IS NOT NULL OR NEW.judge_after IS NOT NULL
            OR coalesce(NEW.confidence, '') = 'doubtful' THEN 1 ELSE 0 END,
        CASE WHEN NEW.imported_id IS NULL THEN 0 ELSE 1 END
    );
END;
CREATE TRIGGER tx_stays_in_the_book
AFTER UPDATE OF conn_id, id_tag, status, energy_delivered, review, judge_after, confidence ON tx
BEGIN
    UPDATE booked
    SET conn_id = NEW.conn_id,
        id_tag = NEW.id_tag,
        is_open = CASE NEW.status WHEN 'Active' THEN 1 ELSE 0 END,
        energy_wh = NEW.energy_delivered,
        is_in_review = CASE WHEN NEW.review IS NULL THEN 0 ELSE 1 END,
        is_in_doubt = CASE WHEN NEW.review IS NOT NULL OR NEW.judge_after IS NOT NULL
            OR coalesce(NEW.confidence, '') = 'doubtful' THEN 1 ELSE 0 END
    WHERE tx_id = NEW.id;
END;


-- What happened to a transaction, who did it and why. Written with each change of tx. A repetition
-- of the same payload is counted, not added.
CREATE TABLE tx_event (
    id INTEGER PRIMARY KEY,
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    kind TEXT NOT NULL,  -- start, stop, close and so on
    who TEXT NOT NULL,  -- charger, system, or the name of a person
    reason TEXT,
    session_id INTEGER REFERENCES session (id),
    received_at TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    sent_timestamp TEXT,
    message_id TEXT,
    payload TEXT,  -- as received, in JSON
    digest TEXT,  -- of the payload
    count INTEGER NOT NULL DEFAULT 1,
    last_received_at TEXT NOT NULL,
    state TEXT,  -- of the transaction before
    cause TEXT,  -- of the change, as charging/lifecycle.py names it
    told TEXT,  -- the reason as a text of the program
    UNIQUE (tx_id, kind, digest)
) STRICT;

-- It is the proof of each figure.
CREATE TRIGGER tx_event_is_kept BEFORE DELETE ON tx_event
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER tx_event_stays
BEFORE UPDATE OF id, tx_id, kind, who, session_id, received_at, timestamp, sent_timestamp,
    message_id, payload, digest, state, cause ON tx_event
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- A reason may name people, so it may go; nothing else takes its place.
CREATE TRIGGER tx_event_reason_goes BEFORE UPDATE OF reason, told ON tx_event
WHEN NEW.reason <> '' OR NEW.told IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- A reading. Written with MeterValues and the transactionData of a stop; an import brings others.
-- One index only: each further one costs every reading another page.
-- Runs: a charger that load management limits reports each 20 s. Of readings that say the same, the
-- first one is a row as always, and all after it are one more row, which is advanced to each of
-- them and has the values of the last one.
CREATE TABLE meter_val (
    id INTEGER PRIMARY KEY,
    tx_id INTEGER REFERENCES tx (id),  -- NULL: of no transaction
    cp_id TEXT NOT NULL REFERENCES cp (id),
    conn_id INTEGER NOT NULL,  -- of its transaction
    session_id INTEGER NOT NULL REFERENCES session (id),
    received_at TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    sent_timestamp TEXT,
    measurand TEXT NOT NULL,
    value TEXT NOT NULL,
    unit TEXT NOT NULL,
    -- as sent, or the default of OCPP, like unit, location, phase and format
    context TEXT NOT NULL,
    location TEXT NOT NULL,
    phase TEXT NOT NULL,
    format TEXT NOT NULL,
    source TEXT NOT NULL,  -- the message that brought it
    -- the billed register, on one row of its time: the value without phase, or L1's with the sum of
    -- three
    wh INTEGER,
    -- the transactionId as sent; a charger whose start was lost uses a number of its own
    told_id INTEGER,
    imported_id INTEGER,  -- of the row in the other system
    sent_conn_id INTEGER,  -- as sent: some chargers send 0 or 1 for each; NULL in transactionData
    run_since TEXT,  -- of a run: the time of the row that it follows; NULL: a single reading
    run_low TEXT,  -- of a run: the least value, as sent
    run_high TEXT,  -- of a run: the greatest value, as sent
    run_count INTEGER  -- of a run: how many readings it stands for
) STRICT;
CREATE INDEX meter_val_connector ON meter_val (cp_id, conn_id, timestamp);
-- The judge needs the runs of other measurands, of a transaction.
CREATE INDEX meter_val_run ON meter_val (tx_id)
    WHERE run_since IS NOT NULL AND measurand <> 'Energy.Active.Import.Register';

-- The figures of transactions rest on it.
CREATE TRIGGER meter_val_is_kept BEFORE DELETE ON meter_val
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER meter_val_stays
BEFORE UPDATE OF id, cp_id, conn_id, session_id, measurand, unit, context, location, phase, format,
    source, told_id, imported_id, sent_conn_id, run_since ON meter_val
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- A run only grows, and only while its connector has no later reading.
CREATE TRIGGER meter_val_run_grows
BEFORE UPDATE OF received_at, timestamp, sent_timestamp, value, wh, run_low, run_high, run_count
    ON meter_val
WHEN OLD.run_since IS NULL
    OR NEW.run_count <> OLD.run_count + 1
    OR NEW.timestamp <= OLD.timestamp
    OR NEW.received_at < OLD.received_at
    OR NEW.wh < OLD.wh
    OR (NEW.wh IS NULL) <> (OLD.wh IS NULL)
    OR CAST(NEW.run_low AS REAL) > CAST(OLD.run_low AS REAL)
    OR CAST(NEW.run_high AS REAL) < CAST(OLD.run_high AS REAL)
    OR CAST(NEW.value AS REAL) NOT BETWEEN CAST(NEW.run_low AS REAL) AND CAST(NEW.run_high AS REAL)
    OR NEW.run_count IS NULL OR NEW.run_low IS NULL OR NEW.run_high IS NULL
    OR EXISTS (
        SELECT 1 FROM meter_val AS later
        WHERE later.cp_id = OLD.cp_id AND later.conn_id = OLD.conn_id
            AND later.timestamp > OLD.timestamp AND later.timestamp <> NEW.timestamp
    )
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- To which transaction a reading belonged before it was moved from or to one that has ended, or
-- that is on a statement. Written by a trigger. What a statement rests on is found again by it.
CREATE TABLE moved_reading (
    id INTEGER PRIMARY KEY,
    reading_id INTEGER NOT NULL REFERENCES meter_val (id),
    tx_id INTEGER REFERENCES tx (id)  -- NULL: to none
) STRICT;
CREATE INDEX moved_reading_of_reading ON moved_reading (reading_id, id);
CREATE INDEX moved_reading_of_transaction ON moved_reading (tx_id, id);

-- A seal is compared by it.
CREATE TRIGGER moved_reading_is_kept BEFORE DELETE ON moved_reading
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER moved_reading_stays BEFORE UPDATE ON moved_reading
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER meter_val_moves AFTER UPDATE OF tx_id ON meter_val
WHEN NEW.tx_id IS NOT OLD.tx_id
    AND EXISTS (
        SELECT 1 FROM tx WHERE tx.id IN (OLD.tx_id, NEW.tx_id) AND (tx.status = 'Completed'
            OR EXISTS (SELECT 1 FROM position WHERE position.tx_id = tx.id))
    )
BEGIN INSERT INTO moved_reading (reading_id, tx_id) VALUES (NEW.id, OLD.tx_id); END;


-- Why a person should look at a transaction. Written by the judge; resolved once, by the judge
-- because of later facts, or by a person.
CREATE TABLE review (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    code TEXT NOT NULL,  -- of the doubt
    words TEXT NOT NULL,  -- as a sentence of English
    figures TEXT NOT NULL,  -- the Wh of each candidate, in JSON
    evidence TEXT NOT NULL,  -- the two pieces of evidence that disagree, in JSON
    tx_event_id INTEGER REFERENCES tx_event (id),  -- what opened it
    opened_at TEXT NOT NULL,
    resolved_at TEXT,
    resolved_by TEXT,
    resolution TEXT,  -- what was decided: confirmed, corrected and so on
    reason TEXT,
    told TEXT,  -- words, evidence and figures as texts of the program
    evidence_told TEXT,
    figures_told TEXT
) STRICT;
CREATE INDEX review_tx ON review (tx_id);
CREATE UNIQUE INDEX review_open ON review (tx_id, code) WHERE resolved_at IS NULL;
CREATE INDEX review_waiting ON review (opened_at) WHERE resolved_at IS NULL;

-- It says why a figure was changed, or was not.
CREATE TRIGGER review_is_kept BEFORE DELETE ON review
BEGIN SELECT RAISE(ABORT, 'a review is never deleted'); END;

-- tx has the texts of its open reviews, so that a list needs no look at them.
CREATE TRIGGER review_opens AFTER INSERT ON review
WHEN NEW.resolved_at IS NULL
BEGIN
    UPDATE tx
    SET review = (
            SELECT group_concat(words, '; ')
            FROM (
                SELECT words FROM review
                WHERE tx_id = NEW.tx_id AND resolved_at IS NULL
                ORDER BY id
            )
        ),
        review_told = (
            SELECT '{"joined":[' || group_concat(told, ',') || ']}'
            FROM (
                SELECT told FROM review
                WHERE tx_id = NEW.tx_id AND resolved_at IS NULL
                ORDER BY id
            )
        )
    WHERE id = NEW.tx_id;
END;
CREATE TRIGGER review_resolves AFTER UPDATE OF resolved_at ON review
BEGIN
    UPDATE tx
    SET review = (
            SELECT group_concat(words, '; ')
            FROM (
                SELECT words FROM review
                WHERE tx_id = NEW.tx_id AND resolved_at IS NULL
                ORDER BY id
            )
        ),
        review_told = (
            SELECT '{"joined":[' || group_concat(told, ',') || ']}'
            FROM (
                SELECT told FROM review
                WHERE tx_id = NEW.tx_id AND resolved_at IS NULL
                ORDER BY id
            )
        )
    WHERE id = NEW.tx_id;
END;

-- Only its end is written, once; its reason may go, because it may name people.
CREATE TRIGGER review_resolves_once BEFORE UPDATE ON review
WHEN (OLD.resolved_at IS NOT NULL AND (NEW.resolved_at IS NOT OLD.resolved_at
        OR (NEW.reason IS NOT OLD.reason AND NEW.reason IS NOT '')
        OR NEW.resolved_by IS NOT OLD.resolved_by
        OR NEW.resolution IS NOT OLD.resolution))
    OR NEW.id IS NOT OLD.id
    OR NEW.tx_id IS NOT OLD.tx_id
    OR NEW.code IS NOT OLD.code
    OR NEW.words IS NOT OLD.words
    OR NEW.figures IS NOT OLD.figures
    OR NEW.evidence IS NOT OLD.evidence
    OR NEW.told IS NOT OLD.told
    OR NEW.evidence_told IS NOT OLD.evidence_told
    OR NEW.figures_told IS NOT OLD.figures_told
    OR NEW.opened_at IS NOT OLD.opened_at
    OR NEW.tx_event_id IS NOT OLD.tx_event_id
    OR (NEW.resolved_at IS NOT NULL AND (NEW.resolved_by IS NULL OR NEW.resolution IS NULL))
BEGIN SELECT RAISE(ABORT, 'a review is opened and resolved once'); END;


-- What the signed values of a transaction prove. Derived from its readings of format SignedData and
-- the keys of its meter, beside the writer; a transaction without such readings has no row.
CREATE TABLE signed_check (
    tx_id INTEGER PRIMARY KEY REFERENCES tx (id),
    -- proven: its energy. doubtful: they contradict it, or their signature is wrong. unproven: they
    -- cannot be checked, or do not suffice
    state TEXT NOT NULL CHECK (state IN ('proven', 'doubtful', 'unproven')),
    told TEXT NOT NULL,  -- why, as a text of the program
    wh INTEGER,  -- the signed difference; NULL: none
    digit_wh INTEGER,  -- one unit of its last digit
    key TEXT,  -- the fingerprint of the key that fits; NULL: none does
    is_owners INTEGER NOT NULL CHECK (is_owners IN (0, 1)),  -- 0: the charger told the key
    is_timed INTEGER NOT NULL CHECK (is_timed IN (0, 1)),  -- 1: its times are proven, too
    first_page INTEGER,  -- the pagination of its records
    last_page INTEGER,
    checked_at TEXT NOT NULL
) STRICT;
CREATE INDEX signed_check_pages ON signed_check (key, last_page) WHERE key IS NOT NULL;


-- How far `signed_check` is. Written with it, one row.
CREATE TABLE signed_work (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL  -- the newest of bill_work that it knows
) STRICT;


-- The energy of a transaction by the quarter of an hour, for pictures: a row for each day of UTC
-- that it touches. Derived from registers beside the writer; kept for two years.
CREATE TABLE power (
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    day INTEGER NOT NULL,  -- counted from 1970-01-01
    -- its first quarter of this day, 0 to 95
    since INTEGER NOT NULL CHECK (since BETWEEN 0 AND 95),
    -- the Wh of each quarter from there on, in JSON; null: not known when it flowed
    wh TEXT NOT NULL,
    PRIMARY KEY (tx_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX power_of_day ON power (day);


-- How far `power` is. Written with it, one row.
CREATE TABLE power_work (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL  -- the newest of bill_work that it knows
) STRICT;


-- The energy of an ended transaction by the quarter of an hour, as bills divide it. Derived beside
-- the writer, while something is billed or shared by the quarter.
CREATE TABLE tx_quarter (
    tx_id INTEGER PRIMARY KEY REFERENCES tx (id),
    revision INTEGER NOT NULL,  -- of bill_work, from which it was computed
    first INTEGER NOT NULL,  -- its first quarter
    last INTEGER NOT NULL,
    wh TEXT NOT NULL,  -- the Wh of each, in JSON
    divided TEXT NOT NULL,  -- which of them no readings show, in JSON
    split TEXT NOT NULL  -- by what it was divided, as billing/statement.py names it
) STRICT;
CREATE INDEX tx_quarter_time ON tx_quarter (last, first);


-- How far `tx_quarter` is. Written with it, one row.
CREATE TABLE tx_quarter_work (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL  -- the newest of bill_work that it knows
) STRICT;


-- Sessions that energy flowed in, as their figure or their registers show.
CREATE VIEW delivered_tx AS
SELECT id, cp_id, status
FROM tx
WHERE energy_delivered > 0
    OR (last_register_wh > 0 AND last_register_wh <> coalesce(meter_start, -1));


-- Chargers with one transaction at most, to which neither a stop nor a reading shows energy.
CREATE VIEW bare_cp AS
SELECT id
FROM cp
WHERE NOT EXISTS (SELECT 1 FROM delivered_tx WHERE cp_id = cp.id)
    AND (SELECT count(*) FROM tx WHERE cp_id = cp.id) < 2;


-- Chargers that are hidden now. One is shown while energy flows: anybody in the network can send a
-- start alone.
CREATE VIEW hidden_cp AS
SELECT id, retired_on
FROM cp
WHERE hidden_at IS NOT NULL
    AND id NOT IN (SELECT cp_id FROM delivered_tx WHERE status = 'Active');
