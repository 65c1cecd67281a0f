-- The language in which a household, or another user, reads pages and papers (NULL: whatever the browser prefers; papers
-- are as the biller's template says). A closed statement keeps the one with which it was closed; '': it was closed before.
-- serves: 58
ALTER TABLE account ADD COLUMN language TEXT;
ALTER TABLE "user" ADD COLUMN language TEXT;
ALTER TABLE statement ADD COLUMN language TEXT;
DROP TRIGGER statement_stays;
UPDATE statement SET language = '' WHERE number IS NOT NULL;
CREATE TRIGGER statement_stays BEFORE UPDATE ON statement WHEN OLD.number IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
