-- Which address of this machine a charger dialled last, and which one its printed labels bear; NULL where it is a name, or
-- an address of something before this machine. If the machine loses it, they reach nobody.
-- serves: 53
ALTER TABLE cp ADD COLUMN dialled TEXT;
ALTER TABLE cp ADD COLUMN labelled TEXT;
ALTER TABLE cp ADD COLUMN labels INTEGER NOT NULL DEFAULT 0;
