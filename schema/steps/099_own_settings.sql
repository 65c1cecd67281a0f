-- Mail, push, sign of life and the nightly backup are set in the browser; a household has a mail
-- address.

CREATE TABLE own_setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    CHECK (name NOT IN ('mail', 'ntfy', 'ping-url') OR substr(value, 1, 7) = 'sealed:')
) STRICT;

ALTER TABLE account ADD COLUMN mail TEXT;
UPDATE account SET mail = contact
WHERE contact GLOB '[A-Za-z0-9]*@[A-Za-z0-9]*.[A-Za-z]*[A-Za-z]'
    AND contact NOT GLOB '*[^A-Za-z0-9._%+@-]*'
    AND contact NOT GLOB '*@*@*'
    AND contact NOT GLOB '*..*'
    AND contact NOT GLOB '*.@*';

-- One that stands for its household has no address of its own.
ALTER TABLE recipient ADD COLUMN is_household INTEGER NOT NULL DEFAULT 0
    CHECK (is_household IN (0, 1));
DROP TRIGGER recipient_stays;
CREATE TRIGGER recipient_stays
BEFORE UPDATE OF id, who, user_id, account_id, added_at, added_by, is_household ON recipient
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
