-- Whether a space is for its household only, in a period: other cards may not charge there.
-- serves: 53
ALTER TABLE ownership ADD COLUMN is_exclusive INTEGER NOT NULL DEFAULT 0 CHECK (is_exclusive IN (0, 1));
DROP TRIGGER ownership_stays;
CREATE TRIGGER ownership_stays BEFORE UPDATE OF id, account_id, what, conn_id, id_tag, vehicle_id, since, given_at,
    given_by, is_exclusive ON ownership BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE INDEX ownership_exclusive ON ownership (key, conn_id) WHERE is_exclusive = 1 AND voided_at IS NULL;
