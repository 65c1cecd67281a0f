-- Lists of sessions read the book alone. So each session stands in it from its beginning on, with what lists show by: triggers
-- keep that as the session has it. One that could not be booked yet is 'not booked'.
ALTER TABLE booked ADD COLUMN conn_id INTEGER;
ALTER TABLE booked ADD COLUMN id_tag TEXT;
ALTER TABLE booked ADD COLUMN is_open INTEGER NOT NULL DEFAULT 0 CHECK (is_open IN (0, 1));
ALTER TABLE booked ADD COLUMN energy_wh INTEGER;
ALTER TABLE booked ADD COLUMN is_in_review INTEGER NOT NULL DEFAULT 0 CHECK (is_in_review IN (0, 1));
ALTER TABLE booked ADD COLUMN is_in_doubt INTEGER NOT NULL DEFAULT 0 CHECK (is_in_doubt IN (0, 1));
ALTER TABLE booked ADD COLUMN is_imported INTEGER NOT NULL DEFAULT 0 CHECK (is_imported IN (0, 1));
INSERT INTO booked (tx_id, cp_id, conn_id, id_tag, started_at, ended_at, ground, is_outside, state, price, is_open, energy_wh,
    is_in_review, is_in_doubt, is_imported)
    SELECT id, cp_id, conn_id, id_tag, start_time, stop_time, 'nobody', 0, 'not booked', 'none',
    CASE status WHEN 'Active' THEN 1 ELSE 0 END, energy_delivered, CASE WHEN review IS NULL THEN 0 ELSE 1 END,
    CASE WHEN review IS NOT NULL OR judge_after IS NOT NULL OR coalesce(confidence, '') = 'doubtful' THEN 1 ELSE 0 END,
    CASE WHEN imported_id IS NULL THEN 0 ELSE 1 END FROM tx WHERE id NOT IN (SELECT tx_id FROM booked);
CREATE TRIGGER tx_stands_in_the_book AFTER INSERT ON tx BEGIN
    INSERT INTO booked (tx_id, cp_id, conn_id, id_tag, started_at, ended_at, ground, is_outside, state, price, is_open, energy_wh,
        is_in_review, is_in_doubt, is_imported)
        VALUES (NEW.id, NEW.cp_id, NEW.conn_id, NEW.id_tag, NEW.start_time, NEW.stop_time, 'nobody', 0, 'not booked', 'none',
        CASE NEW.status WHEN 'Active' THEN 1 ELSE 0 END, NEW.energy_delivered, CASE WHEN NEW.review IS NULL THEN 0 ELSE 1 END,
        CASE WHEN NEW.review IS NOT NULL OR NEW.judge_after IS NOT NULL OR coalesce(NEW.confidence, '') = 'doubtful' THEN 1
        ELSE 0 END, CASE WHEN NEW.imported_id IS NULL THEN 0 ELSE 1 END);
END;
CREATE TRIGGER tx_stays_in_the_book AFTER UPDATE OF conn_id, id_tag, status, energy_delivered, review, judge_after, confidence ON tx
BEGIN
    UPDATE booked SET conn_id = NEW.conn_id, id_tag = NEW.id_tag, is_open = CASE NEW.status WHEN 'Active' THEN 1 ELSE 0 END,
        energy_wh = NEW.energy_delivered, is_in_review = CASE WHEN NEW.review IS NULL THEN 0 ELSE 1 END, is_in_doubt =
        CASE WHEN NEW.review IS NOT NULL OR NEW.judge_after IS NOT NULL OR coalesce(NEW.confidence, '') = 'doubtful' THEN 1
        ELSE 0 END WHERE tx_id = NEW.id;
END;
CREATE INDEX booked_by_start ON booked (started_at, tx_id);
CREATE INDEX booked_by_end ON booked (ended_at, tx_id);
CREATE INDEX booked_of_charger ON booked (cp_id, started_at, tx_id);
CREATE INDEX booked_of_tag ON booked (id_tag, started_at, tx_id);
CREATE INDEX booked_of_nobody ON booked (key, started_at, tx_id) WHERE account_id IS NULL;
CREATE INDEX booked_in_review ON booked (started_at, tx_id) WHERE is_in_review = 1;
CREATE INDEX booked_open ON booked (started_at, tx_id) WHERE is_open = 1;
