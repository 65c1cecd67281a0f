-- A card that a charger reads in another way than others do, and what a household is without a card.
ALTER TABLE tag ADD COLUMN same_as TEXT;
ALTER TABLE tag ADD COLUMN is_phone INTEGER NOT NULL DEFAULT 0 CHECK (is_phone IN (0, 1));
DROP TRIGGER tag_stays;
CREATE TRIGGER tag_stays
BEFORE UPDATE OF id, id_tag, status, expires_at, parent_id_tag, max_transactions, created_at,
    created_by, is_phone ON tag
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE INDEX tag_same ON tag (same_as) WHERE ended_at IS NULL AND same_as IS NOT NULL;

-- Which charger took the place of a retired one.
ALTER TABLE cp ADD COLUMN replaced_by TEXT REFERENCES cp (id);
