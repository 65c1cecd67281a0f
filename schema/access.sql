-- Access: which chargers may connect and how they prove who they are; which cards may charge,
-- where, and how much.


-- What a person decided about a charger; the newest decision counts, a newcomer has none. Written
-- by an operator.
CREATE TABLE registration (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    decision TEXT NOT NULL CHECK (decision IN ('adopted', 'refused')),
    decided_at TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX registration_cp ON registration (cp_id, id);

-- It says who let a charger in.
CREATE TRIGGER registration_is_kept BEFORE DELETE ON registration
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER registration_stays BEFORE UPDATE ON registration
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- Whoever was turned away: a row for each identity, or for each address that named none, with the
-- newest reason. Written at the handshake, for the owner; it goes after a day, and there are at
-- most 50.
CREATE TABLE turned_away (
    subject TEXT PRIMARY KEY,  -- the identity, or the address
    identity TEXT,
    remote_address TEXT NOT NULL,
    kind TEXT NOT NULL,  -- of the refusal
    reason TEXT NOT NULL,  -- a text of the program
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL
) STRICT;


-- The security profile that is required of a charger: the highest that it connected with, until an
-- operator sets another. Written at its connection, or by an operator.
CREATE TABLE security (
    cp_id TEXT PRIMARY KEY REFERENCES cp (id),
    profile INTEGER NOT NULL DEFAULT 0 CHECK (profile BETWEEN 0 AND 3),
    profile_at TEXT,
    profile_by TEXT,
    -- lets it in once below that, until readmit_until
    readmit_profile INTEGER CHECK (readmit_profile BETWEEN 0 AND 3),
    readmit_until TEXT,
    readmit_by TEXT,
    CHECK ((readmit_profile IS NULL) = (readmit_until IS NULL))
) STRICT;


-- A password of a charger, never itself. Written by an operator or with its generation; until it is
-- confirmed, the one before is open, too.
CREATE TABLE credential (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    -- generated: by SHA-256; given: somebody chose it, by scrypt
    kind TEXT NOT NULL CHECK (kind IN ('generated', 'given')),
    salt TEXT NOT NULL,
    digest TEXT NOT NULL,
    -- the ChangeConfiguration that brings it to the charger
    command_id INTEGER REFERENCES command (id),
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    confirmed_at TEXT,  -- when the charger first used it
    ended_at TEXT,
    end_reason TEXT
) STRICT;
CREATE INDEX credential_open ON credential (cp_id) WHERE ended_at IS NULL;
CREATE INDEX credential_cp ON credential (cp_id, id);
CREATE UNIQUE INDEX credential_command ON credential (command_id) WHERE command_id IS NOT NULL;

-- Sessions refer to it. It is confirmed once, and ended once.
CREATE TRIGGER credential_is_kept BEFORE DELETE ON credential
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER credential_stays
BEFORE UPDATE OF id, cp_id, kind, salt, digest, command_id, created_at, created_by ON credential
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER credential_ends_once BEFORE UPDATE ON credential
WHEN OLD.ended_at IS NOT NULL
    OR (OLD.confirmed_at IS NOT NULL AND NEW.confirmed_at IS NOT OLD.confirmed_at)
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- A client certificate, for one charger whatever identity a URL claims. Written when it is issued.
CREATE TABLE certificate (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    serial TEXT NOT NULL,
    fingerprint TEXT NOT NULL UNIQUE,  -- by which it is found at the handshake
    subject TEXT NOT NULL,
    pem TEXT NOT NULL,
    not_before TEXT NOT NULL,
    not_after TEXT NOT NULL,
    issued_at TEXT NOT NULL,
    issued_by TEXT NOT NULL,
    revoked_at TEXT,
    revoked_by TEXT,
    reason TEXT
) STRICT;
CREATE INDEX certificate_cp ON certificate (cp_id, id);

-- Sessions refer to it. It is revoked once, for ever.
CREATE TRIGGER certificate_is_kept BEFORE DELETE ON certificate
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER certificate_stays
BEFORE UPDATE OF id, cp_id, serial, fingerprint, subject, pem, not_before, not_after, issued_at,
    issued_by ON certificate
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER certificate_is_revoked_once
BEFORE UPDATE OF revoked_at, revoked_by, reason ON certificate
WHEN OLD.revoked_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a certificate is revoked once'); END;


-- Each SignCertificate of a charger. Written by the session; its result when the charger has
-- answered.
CREATE TABLE certificate_request (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    session_id INTEGER NOT NULL REFERENCES session (id),
    received_at TEXT NOT NULL,
    csr TEXT NOT NULL,
    key_digest TEXT,  -- of its public key
    reason TEXT,  -- ours, if it was rejected from the beginning
    certificate_id INTEGER REFERENCES certificate (id),
    command_id INTEGER REFERENCES command (id),  -- the last CertificateSigned of so many attempts
    attempts INTEGER NOT NULL DEFAULT 0,
    ended_at TEXT,
    -- refused: by the charger; superseded: by a newer request; rejected: by us
    result TEXT CHECK (result IN ('installed', 'refused', 'undelivered', 'superseded', 'rejected')),
    CHECK ((ended_at IS NULL) = (result IS NULL))
) STRICT;
CREATE INDEX certificate_request_cp ON certificate_request (cp_id, id);
CREATE INDEX certificate_request_key ON certificate_request (key_digest);
CREATE UNIQUE INDEX certificate_request_open ON certificate_request (cp_id) WHERE result IS NULL;
CREATE INDEX certificate_request_installed ON certificate_request (cp_id, id)
    WHERE result = 'installed';
CREATE INDEX certificate_request_certificate ON certificate_request (certificate_id);

-- It says why a certificate was issued. It ends once.
CREATE TRIGGER certificate_request_is_kept BEFORE DELETE ON certificate_request
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER certificate_request_stays
BEFORE UPDATE OF id, cp_id, session_id, received_at, csr, key_digest, reason ON certificate_request
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER certificate_request_ends_once BEFORE UPDATE ON certificate_request
WHEN OLD.result IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a request is opened and ended once'); END;


-- A name (CN) that an operator lets the requests of a charger have, beside those with its serial
-- number. Written by the operator.
CREATE TABLE certificate_name (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    name TEXT NOT NULL,
    -- the rejected one that he saw
    request_id INTEGER NOT NULL REFERENCES certificate_request (id),
    allowed_at TEXT NOT NULL,
    allowed_by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX certificate_name_of ON certificate_name (cp_id, name);

-- It says who allowed the name.
CREATE TRIGGER certificate_name_is_kept BEFORE DELETE ON certificate_name
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER certificate_name_stays BEFORE UPDATE ON certificate_name
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- A security profile that an operator wants for a charger, with the steps to it. Written by the
-- operator, and by the work on it.
CREATE TABLE securing (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cp_id TEXT NOT NULL REFERENCES cp (id),
    profile INTEGER NOT NULL CHECK (profile IN (1, 2, 3)),
    steps TEXT NOT NULL CHECK (json_type(steps) = 'array'),
    organization TEXT,  -- the CpoName
    address_key TEXT,  -- the vendor's own setting for our address
    address TEXT,
    asked_at TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    problem TEXT,  -- why it stands still now, a text of the program
    ended_at TEXT,
    ended_by TEXT,
    result TEXT CHECK (result IN ('done', 'replaced', 'cancelled')),  -- replaced: by a newer one
    CHECK ((ended_at IS NULL) = (result IS NULL))
) STRICT;
CREATE UNIQUE INDEX securing_open ON securing (cp_id) WHERE result IS NULL;
CREATE INDEX securing_cp ON securing (cp_id, id);

-- It says who wanted which profile. It ends once.
CREATE TRIGGER securing_is_kept BEFORE DELETE ON securing
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER securing_stays
BEFORE UPDATE OF id, cp_id, profile, steps, organization, address_key, address, asked_at, asked_by
ON securing
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER securing_ends_once BEFORE UPDATE ON securing
WHEN OLD.result IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- A command of a step of securing, each attempt. Written before the command is sent.
CREATE TABLE securing_step (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    securing_id INTEGER NOT NULL REFERENCES securing (id),
    step TEXT NOT NULL,
    command_id INTEGER NOT NULL REFERENCES command (id),
    at TEXT NOT NULL
) STRICT;
CREATE INDEX securing_step_of ON securing_step (securing_id, id);

-- After a restart it says which steps were taken.
CREATE TRIGGER securing_step_is_kept BEFORE DELETE ON securing_step
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER securing_step_stays BEFORE UPDATE ON securing_step
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- A card, for the time in which it was as it stands here: a change ends the row and adds one. So
-- its name and group of any day are known. Written by an operator or an import.
CREATE TABLE tag (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,  -- the normal form of id_tag, which --tag-strip may change
    id_tag TEXT NOT NULL,
    name TEXT,
    status TEXT NOT NULL CHECK (status IN ('Accepted', 'Blocked')),
    expires_at TEXT,
    parent_id_tag TEXT,  -- its group
    max_transactions INTEGER CHECK (max_transactions > 0),  -- at once; NULL: any number
    notes TEXT,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT,
    same_as TEXT,  -- the key of the card that a charger reads so, as somebody confirmed
    -- 1: no card, but as what a household charges that starts by phone
    is_phone INTEGER NOT NULL DEFAULT 0 CHECK (is_phone IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX tag_key ON tag (key) WHERE ended_at IS NULL;
CREATE INDEX tag_period ON tag (key, id);
CREATE INDEX tag_same ON tag (same_as) WHERE ended_at IS NULL AND same_as IS NOT NULL;

-- Sessions are explained by the card as it was then. A period ends once.
CREATE TRIGGER tag_is_kept BEFORE DELETE ON tag
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER tag_ends_once BEFORE UPDATE OF ended_at, ended_by ON tag
WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;

-- Names and notes are personal: they may go, and nothing else takes their place.
CREATE TRIGGER tag_texts_go BEFORE UPDATE OF name, notes ON tag
WHEN (NEW.name IS NOT NULL AND NEW.name IS NOT OLD.name)
    OR (NEW.notes IS NOT NULL AND NEW.notes IS NOT OLD.notes)
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- All else stays as it was.
CREATE TRIGGER tag_stays
BEFORE UPDATE OF id, id_tag, status, expires_at, parent_id_tag, max_transactions, created_at,
    created_by, is_phone ON tag
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- An unknown card that waits for an operator (--unknown-tags ask): the last ones of each charger.
-- Written when it is refused.
CREATE TABLE asked_tag (
    key TEXT PRIMARY KEY,  -- its normal form
    id_tag TEXT NOT NULL,
    cp_id TEXT NOT NULL,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX asked_tag_cp ON asked_tag (cp_id, last_at);


-- A card that was last refused at a charger, because of whose space it is or where the card may
-- charge. Written with the refusal.
CREATE TABLE refused_card (
    cp_id TEXT NOT NULL REFERENCES cp (id),
    key TEXT NOT NULL,
    conn_id INTEGER NOT NULL,  -- 0: at none of its connectors
    id_tag TEXT NOT NULL,
    reason TEXT NOT NULL,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (cp_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX refused_card_last ON refused_card (last_at);


-- What is known of the local list of a charger (--local-list on). Written by the task that keeps it
-- there.
CREATE TABLE local_list_kept (
    cp_id TEXT PRIMARY KEY REFERENCES cp (id),
    version INTEGER,
    -- its entries as they were sent, by cards in lower case, in JSON; NULL: not known
    content TEXT,
    highest_version INTEGER NOT NULL DEFAULT 0,  -- that it ever had
    is_verified INTEGER NOT NULL DEFAULT 0,  -- 1: the charger told this version since then
    told_at TEXT,  -- when it told its version
    limits_asked_at TEXT,
    sent_version INTEGER,  -- what it has if the last message arrived, whose answer is not known
    sent_content TEXT,
    failures INTEGER NOT NULL DEFAULT 0,
    failing_since TEXT,
    retry_at TEXT,
    problem TEXT,  -- a text of the program
    command_id INTEGER NOT NULL DEFAULT 0,  -- the last one that was looked at
    paused_at TEXT,  -- when a list was sent by hand
    paused_by TEXT,
    paused_command_id INTEGER REFERENCES command (id),
    CHECK ((sent_version IS NULL) = (sent_content IS NULL))
) STRICT, WITHOUT ROWID;


-- What holds for a card or a household since then: where it may charge, and how much in a month.
-- The newest row counts. Written by an operator.
CREATE TABLE usage_limit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    what TEXT NOT NULL CHECK (what IN ('tag', 'account')),
    -- the normal form of a card, which --tag-strip may change, or the id of an account
    key TEXT NOT NULL,
    id_tag TEXT,
    chargers TEXT,  -- in JSON; NULL: at all
    -- 1: also at spaces that are for another household only
    is_everywhere INTEGER NOT NULL CHECK (is_everywhere IN (0, 1)),
    -- NULL: as much as it likes, like month_amount in minor units
    month_wh INTEGER CHECK (month_wh > 0),
    month_amount INTEGER CHECK (month_amount > 0),
    since TEXT NOT NULL,
    set_by TEXT NOT NULL,
    CHECK ((what = 'tag') = (id_tag IS NOT NULL))
) STRICT;
CREATE INDEX usage_limit_of ON usage_limit (what, key, id);

-- It says what held when a card was refused.
CREATE TRIGGER usage_limit_is_kept BEFORE DELETE ON usage_limit
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER usage_limit_stays
BEFORE UPDATE OF id, what, id_tag, chargers, is_everywhere, month_wh, month_amount, since, set_by
ON usage_limit
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- What a transaction of a household or card with a limit of a month has used, which ended in this
-- month or is open. Derived beside the writer.
CREATE TABLE month_use (
    tx_id INTEGER PRIMARY KEY REFERENCES tx (id),
    account_id INTEGER REFERENCES account (id),
    key TEXT,  -- the normal form of its card
    ended_at TEXT,  -- NULL: it is open
    wh INTEGER NOT NULL CHECK (wh >= 0),
    -- in millionths of a minor unit, with tax, which is rounded once for the month
    amount INTEGER NOT NULL,
    stop_asked_at TEXT  -- when its charger was last asked to stop it
) STRICT;
CREATE INDEX month_use_of_account ON month_use (account_id, ended_at, wh, amount);
CREATE INDEX month_use_of_tag ON month_use (key, ended_at, wh, amount);


-- How a card or a household with a limit of a month stands in this month. Derived with month_use.
CREATE TABLE month_standing (
    what TEXT NOT NULL CHECK (what IN ('tag', 'account')),
    key TEXT NOT NULL,  -- like that of usage_limit
    since TEXT NOT NULL,
    until TEXT NOT NULL,
    wh INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    warned_at TEXT,  -- when its household was warned
    reached_at TEXT,
    PRIMARY KEY (what, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX month_standing_reached ON month_standing (what, key, until)
    WHERE reached_at IS NOT NULL;
