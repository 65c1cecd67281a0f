-- The energy of a day or a month: of the transactions that ended in it, without reading their rows. And their list, in the
-- order in which they ended.
CREATE INDEX tx_ended ON tx (stop_time, cp_id, energy_delivered, confidence) WHERE stop_time IS NOT NULL;
