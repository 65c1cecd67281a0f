-- The newest boot that reported a serial number of the meter is found without a look at all those that reported none.
CREATE INDEX boot_serial ON boot (cp_id, received_at) WHERE meter_serial_number IS NOT NULL;
