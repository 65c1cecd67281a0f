-- What a household chose for the electricity of its company car, and whether a meter is calibrated.
ALTER TABLE connector_data ADD COLUMN meter TEXT CHECK (meter IN ('MID', 'calibrated'));
CREATE TABLE car_price (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account (id),
    vehicle_id INTEGER NOT NULL REFERENCES vehicle (id),
    month TEXT NOT NULL CHECK (month GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]'),
    way TEXT NOT NULL CHECK (way IN ('flat', 'bill', 'contract')),
    currency TEXT NOT NULL,
    price TEXT,
    base_fee INTEGER CHECK (base_fee >= 0),
    year_wh INTEGER CHECK (year_wh > 0),
    chosen_at TEXT NOT NULL,
    chosen_by TEXT NOT NULL,
    CHECK ((way = 'bill') = (price IS NULL)),
    CHECK ((base_fee IS NULL) = (year_wh IS NULL))
) STRICT;
CREATE INDEX car_price_of_car ON car_price (account_id, vehicle_id, month, id);
CREATE TRIGGER car_price_is_kept BEFORE DELETE ON car_price
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER car_price_stays BEFORE UPDATE ON car_price
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
