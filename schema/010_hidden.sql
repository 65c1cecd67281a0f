-- A charger that nobody wants to see any more: a wrong id, a scanner, a trial; or one that was taken down, then with the
-- day. What it did stays. It is shown again when it charges again.
ALTER TABLE cp ADD COLUMN hidden_at TEXT;
ALTER TABLE cp ADD COLUMN retired_on TEXT;

-- Those that are hidden now: a closed transaction that is opened again shows its charger, too.
CREATE VIEW hidden_cp AS SELECT id, retired_on FROM cp WHERE hidden_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id AND tx.status = 'Active');
