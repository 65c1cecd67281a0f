-- A hidden charger is shown while an open transaction has energy. Anybody in the network can send a start alone.
-- serves: 53
CREATE VIEW delivered_tx AS SELECT id, cp_id, status FROM tx
    WHERE energy_delivered > 0 OR (last_register_wh > 0 AND last_register_wh <> coalesce(meter_start, -1));

-- One transaction at most, to which neither a stop nor a reading shows energy.
CREATE VIEW bare_cp AS SELECT id FROM cp
    WHERE NOT EXISTS (SELECT 1 FROM delivered_tx WHERE cp_id = cp.id)
    AND (SELECT count(*) FROM tx WHERE cp_id = cp.id) < 2;

DROP VIEW hidden_cp;
CREATE VIEW hidden_cp AS SELECT id, retired_on FROM cp
    WHERE hidden_at IS NOT NULL AND id NOT IN (SELECT cp_id FROM delivered_tx WHERE status = 'Active');
