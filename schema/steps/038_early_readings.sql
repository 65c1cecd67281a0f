-- The oldest reading of a transaction with a time before its start and a register above it: the clock of its readings is
-- behind that of its start.
ALTER TABLE tx ADD COLUMN early_reading_at TEXT;
