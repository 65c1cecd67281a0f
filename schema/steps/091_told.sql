-- Texts of the program are stored as data: the JSON of a template and its values, which each reader is told in his language.
-- Columns that only we change have that in place of the sentence. What is sealed or never rewritten keeps its sentence, and
-- has the text beside it. tx.review_told has the texts of the open reviews, as tx.review has their words.
ALTER TABLE review ADD COLUMN told TEXT;
ALTER TABLE review ADD COLUMN evidence_told TEXT;
ALTER TABLE review ADD COLUMN figures_told TEXT;
ALTER TABLE tx ADD COLUMN review_told TEXT;
ALTER TABLE tx_event ADD COLUMN told TEXT;
ALTER TABLE set_aside ADD COLUMN told TEXT;
ALTER TABLE position ADD COLUMN told TEXT;
DROP TRIGGER position_stays;
DROP TRIGGER message_problem_goes;
DROP TRIGGER webhook_given_up_stays;
DROP TRIGGER securing_ends_once;
DROP TRIGGER tx_event_reason_goes;
DROP TRIGGER set_aside_stays;
DROP TRIGGER review_resolves_once;
DROP TRIGGER review_opens;
DROP TRIGGER review_resolves;
-- converts: old_texts
UPDATE tx SET review_told = (SELECT '{"joined":[' || group_concat(told, ',') || ']}' FROM (
    SELECT told FROM review WHERE tx_id = tx.id AND resolved_at IS NULL ORDER BY id)) WHERE review IS NOT NULL;
CREATE TRIGGER review_opens AFTER INSERT ON review WHEN NEW.resolved_at IS NULL BEGIN
    UPDATE tx SET review = (SELECT group_concat(words, '; ') FROM (
        SELECT words FROM review WHERE tx_id = NEW.tx_id AND resolved_at IS NULL ORDER BY id)),
        review_told = (SELECT '{"joined":[' || group_concat(told, ',') || ']}' FROM (
        SELECT told FROM review WHERE tx_id = NEW.tx_id AND resolved_at IS NULL ORDER BY id)) WHERE id = NEW.tx_id;
END;
CREATE TRIGGER review_resolves AFTER UPDATE OF resolved_at ON review BEGIN
    UPDATE tx SET review = (SELECT group_concat(words, '; ') FROM (
        SELECT words FROM review WHERE tx_id = NEW.tx_id AND resolved_at IS NULL ORDER BY id)),
        review_told = (SELECT '{"joined":[' || group_concat(told, ',') || ']}' FROM (
        SELECT told FROM review WHERE tx_id = NEW.tx_id AND resolved_at IS NULL ORDER BY id)) WHERE id = NEW.tx_id;
END;
CREATE TRIGGER review_resolves_once BEFORE UPDATE ON review
    WHEN (OLD.resolved_at IS NOT NULL AND (NEW.resolved_at IS NOT OLD.resolved_at
        OR (NEW.reason IS NOT OLD.reason AND NEW.reason IS NOT '')
        OR NEW.resolved_by IS NOT OLD.resolved_by OR NEW.resolution IS NOT OLD.resolution))
    OR NEW.id IS NOT OLD.id OR NEW.tx_id IS NOT OLD.tx_id OR NEW.code IS NOT OLD.code
    OR NEW.words IS NOT OLD.words OR NEW.figures IS NOT OLD.figures OR NEW.evidence IS NOT OLD.evidence
    OR NEW.told IS NOT OLD.told OR NEW.evidence_told IS NOT OLD.evidence_told
    OR NEW.figures_told IS NOT OLD.figures_told
    OR NEW.opened_at IS NOT OLD.opened_at OR NEW.tx_event_id IS NOT OLD.tx_event_id
    OR (NEW.resolved_at IS NOT NULL AND (NEW.resolved_by IS NULL OR NEW.resolution IS NULL)) BEGIN
    SELECT RAISE(ABORT, 'a review is opened and resolved once');
END;
CREATE TRIGGER tx_event_reason_goes BEFORE UPDATE OF reason, told ON tx_event
WHEN NEW.reason <> '' OR NEW.told IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER set_aside_stays BEFORE UPDATE OF id, cp_id, session_id, received_at, action, message_id, payload, digest,
    reason, told ON set_aside BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER position_stays BEFORE UPDATE ON position BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER message_problem_goes BEFORE UPDATE OF problem ON message
WHEN NEW.problem IS NOT NULL AND (OLD.sent_at IS NOT NULL OR OLD.given_up_at IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;
CREATE TRIGGER webhook_given_up_stays BEFORE UPDATE ON webhook_given_up BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER securing_ends_once BEFORE UPDATE ON securing WHEN OLD.result IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;
