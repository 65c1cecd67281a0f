-- A month is computed when it is looked at or closed. So there are no statements without a number, and no steps of a draft.
DELETE FROM position WHERE statement_id IN (SELECT id FROM statement WHERE number IS NULL);
DELETE FROM statement WHERE number IS NULL;
DROP INDEX statement_of_draft;
ALTER TABLE statement DROP COLUMN draft_id;
DROP TABLE draft;
