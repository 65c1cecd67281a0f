-- A hidden charger is shown while an open transaction has energy. One that only began shows nobody: anybody in the network
-- can send a StartTransaction.
-- serves: 53

-- The transactions to which a stop, or a reading of the register, shows energy.
CREATE VIEW delivered_tx AS SELECT id, cp_id, status FROM tx
    WHERE energy_delivered > 0 OR (last_register_wh > 0 AND last_register_wh <> coalesce(meter_start, -1));

-- The chargers with at most one transaction, to which nothing shows energy.
CREATE VIEW bare_cp AS SELECT id FROM cp
    WHERE NOT EXISTS (SELECT 1 FROM delivered_tx WHERE delivered_tx.cp_id = cp.id)
    AND (SELECT count(*) FROM tx WHERE tx.cp_id = cp.id) < 2;

DROP VIEW hidden_cp;
CREATE VIEW hidden_cp AS SELECT id, retired_on FROM cp WHERE hidden_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM delivered_tx WHERE delivered_tx.cp_id = cp.id AND delivered_tx.status = 'Active');
