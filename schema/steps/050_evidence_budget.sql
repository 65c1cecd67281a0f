-- Evidence has a budget of bytes.

-- What the site as a whole has used on a day (UTC), by kind: bytes of evidence that is kept in full, messages of strangers.
-- The row `disk` is 1 while the disk runs low.
CREATE TABLE site_count (
    kind TEXT PRIMARY KEY,
    day TEXT NOT NULL,
    amount INTEGER NOT NULL
) STRICT;

-- Each day on which evidence of strangers was deleted: of chargers that never had a transaction and were not adopted. Their
-- rows from before `before` may go, and while the disk runs low those of other messages than Start and Stop from before
-- `others_before`.
CREATE TABLE evidence_pruning (
    day TEXT PRIMARY KEY,
    before TEXT NOT NULL,
    others_before TEXT NOT NULL,
    deleted INTEGER NOT NULL
) STRICT;
CREATE TRIGGER evidence_pruning_is_kept BEFORE DELETE ON evidence_pruning BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER evidence_pruning_counts BEFORE UPDATE ON evidence_pruning
    WHEN NEW.day <> OLD.day OR NEW.before < OLD.before OR NEW.others_before < OLD.others_before OR NEW.deleted < OLD.deleted BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;

CREATE INDEX evidence_cp ON evidence (cp_id, at);
DROP TRIGGER evidence_is_kept;
CREATE TRIGGER evidence_is_kept BEFORE DELETE ON evidence
    WHEN EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = OLD.cp_id)
    OR EXISTS (SELECT 1 FROM cp WHERE cp.id = OLD.cp_id AND registration = 'adopted')
    OR NOT EXISTS (SELECT 1 FROM evidence_pruning WHERE OLD.at < before OR (OLD.at < others_before
        AND coalesce(OLD.action, '') NOT IN ('StartTransaction', 'StopTransaction'))) BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
DROP TRIGGER set_aside_is_kept;
CREATE TRIGGER set_aside_is_kept BEFORE DELETE ON set_aside
    WHEN EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = OLD.cp_id)
    OR EXISTS (SELECT 1 FROM cp WHERE cp.id = OLD.cp_id AND registration = 'adopted')
    OR NOT EXISTS (SELECT 1 FROM evidence_pruning WHERE OLD.received_at < before OR (OLD.received_at < others_before
        AND OLD.action NOT IN ('StartTransaction', 'StopTransaction'))) BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
