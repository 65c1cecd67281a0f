-- The secrets of webhooks and payment services are encrypted, by a key in a file that no backup contains. digest is that
-- of the key. is_erased: nothing of the file has the texts any more that stood there before (NULL: there were none).
CREATE TABLE secret_key (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    digest TEXT NOT NULL,
    is_erased INTEGER CHECK (is_erased IN (0, 1))
) STRICT;
DROP TRIGGER webhook_secret_stays;
CREATE TRIGGER webhook_secret_is_sealed BEFORE INSERT ON webhook WHEN
    NEW.secret <> '' AND substr(NEW.secret, 1, 7) <> 'sealed:' BEGIN
    SELECT RAISE(ABORT, 'a secret is only stored encrypted');
END;
CREATE TRIGGER webhook_secret_stays_sealed BEFORE UPDATE OF secret ON webhook
WHEN NEW.secret <> '' AND substr(NEW.secret, 1, 7) <> 'sealed:' BEGIN
    SELECT RAISE(ABORT, 'a secret is only stored encrypted');
END;
DROP TRIGGER payment_service_secret_stays;
CREATE TRIGGER payment_service_secret_is_sealed BEFORE INSERT ON payment_service WHEN
    NEW.secret <> '' AND substr(NEW.secret, 1, 7) <> 'sealed:' BEGIN
    SELECT RAISE(ABORT, 'a secret is only stored encrypted');
END;
CREATE TRIGGER payment_service_secret_stays_sealed BEFORE UPDATE OF secret ON payment_service
WHEN NEW.secret <> '' AND substr(NEW.secret, 1, 7) <> 'sealed:' BEGIN
    SELECT RAISE(ABORT, 'a secret is only stored encrypted');
END;
