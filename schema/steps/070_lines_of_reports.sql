-- Which line of a statement a driver reports that is not a session, such as a base fee: by its number on the paper.
-- serves: 53
ALTER TABLE report ADD COLUMN line INTEGER;
CREATE TRIGGER report_line_stays BEFORE UPDATE OF line ON report BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
