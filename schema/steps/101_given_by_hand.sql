-- A session that was given to one household by hand and then to another was not billed anew.
-- serves: 99

DELETE FROM bill_work WHERE tx_id IN (SELECT tx_id FROM tx_account);
INSERT INTO bill_work (tx_id)
SELECT tx.id FROM tx JOIN tx_account ON tx_account.tx_id = tx.id
WHERE tx.imported_id IS NULL ORDER BY tx.id;
