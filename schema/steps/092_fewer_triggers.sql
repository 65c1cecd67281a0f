-- Triggers that are none of their own: one that nothing calls, and two that do what another does.
-- serves: 91

-- A session that was given to a household by hand is given to another one by deleting the row and
-- adding one. No statement of the program changes these columns.
DROP TRIGGER tx_account_change_is_to_bill;

-- The line of a report stays, as the rest of what the report is about.
DROP TRIGGER report_line_stays;
DROP TRIGGER report_stays;
CREATE TRIGGER report_stays
BEFORE UPDATE OF id, account_id, about, tx_id, statement_number, cp_id, id_tag, line, written_at
ON report
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- How a charger proved itself stays, and so does whether its session was imported.
DROP TRIGGER session_import_stays;
DROP TRIGGER session_proof_stays;
CREATE TRIGGER session_origin_stays
BEFORE UPDATE OF profile, credential_id, certificate_id, imported_from ON session
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
