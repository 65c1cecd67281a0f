-- A hidden charger: a wrong identity, a scanner, a trial, or a charger that was removed, with the day of its removal. Its
-- data stays. It is shown again when it charges again.
ALTER TABLE cp ADD COLUMN hidden_at TEXT;
ALTER TABLE cp ADD COLUMN retired_on TEXT;

-- The chargers that are hidden now. A closed transaction that is reopened shows its charger, too.
CREATE VIEW hidden_cp AS SELECT id, retired_on FROM cp WHERE hidden_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id AND tx.status = 'Active');
