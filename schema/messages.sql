-- Messages: what people are told, and what other programs are told over webhooks,
-- MQTT and OCPP.


-- Whom messages reach: an owner or a caretaker, or a driver of a household. Written by an operator,
-- or by the driver.
CREATE TABLE recipient (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    who TEXT NOT NULL CHECK (who IN ('owner', 'caretaker', 'driver')),
    user_id INTEGER REFERENCES "user" (id),  -- of one who logs in
    account_id INTEGER REFERENCES account (id),
    -- what the owner calls him; NULL with the address after what is personal was deleted
    name TEXT,
    language TEXT,
    mail TEXT,
    mail_problem TEXT,  -- why a mail server refused the address for ever, a text of the program
    mail_problem_at TEXT,
    -- of push, encrypted; erased with the end; NULL: no push
    topic TEXT CHECK (substr(topic, 1, 7) = 'sealed:'),
    topic_shown_at TEXT,  -- NULL: nobody has seen it yet, so a phone must scan it
    kinds TEXT NOT NULL CHECK (json_type(kinds) = 'array'),  -- of messages that he chose, in JSON
    -- after which a charger counts as away for him
    away_minutes INTEGER NOT NULL CHECK (away_minutes > 0),
    quiet_from TEXT,  -- a local time, HH:MM
    quiet_until TEXT,
    with_names INTEGER NOT NULL CHECK (with_names IN (0, 1)),
    -- 1: each closed statement by mail
    gets_statements INTEGER NOT NULL CHECK (gets_statements IN (0, 1)),
    added_at TEXT NOT NULL,
    added_by TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT,
    -- 1: it stands for a household, and its address is that of the household
    is_household INTEGER NOT NULL DEFAULT 0 CHECK (is_household IN (0, 1)),
    CHECK ((who = 'driver') = (account_id IS NOT NULL)),
    CHECK ((quiet_from IS NULL) = (quiet_until IS NULL))
) STRICT;
CREATE INDEX recipient_of_account ON recipient (account_id);

-- Messages refer to it. It ends once.
CREATE TRIGGER recipient_is_kept BEFORE DELETE ON recipient
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER recipient_is_ended_once BEFORE UPDATE OF ended_at, ended_by ON recipient
WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;
CREATE TRIGGER recipient_stays
BEFORE UPDATE OF id, who, user_id, account_id, added_at, added_by, is_household ON recipient
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- How far facts were turned into messages, one row. Written with each round.
CREATE TABLE message_cursor (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL,  -- the id of the last event that was looked at
    round INTEGER NOT NULL,  -- how often, so that two servers never do it at once
    digest_on TEXT  -- the local day of the last digest
) STRICT;


-- What begins and ends and wants a person: one dead switch is one cause, not twenty. Written by a
-- round of messages.
CREATE TABLE cause (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    parts TEXT NOT NULL,  -- chargers and connectors with their times, in JSON
    words TEXT,  -- what lasts, a text of the program
    began_at TEXT NOT NULL,
    found_at TEXT NOT NULL,
    calm_since TEXT,  -- nothing of it has lasted since; a little later it is over
    ended_at TEXT
) STRICT;
CREATE INDEX cause_open ON cause (kind) WHERE ended_at IS NULL;

-- Its messages have gone out. It ends once.
CREATE TRIGGER cause_is_kept BEFORE DELETE ON cause
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER cause_stays BEFORE UPDATE OF id, kind, subject, began_at, found_at ON cause
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER cause_ends_once BEFORE UPDATE OF parts, calm_since, ended_at ON cause
WHEN OLD.ended_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- A message on its way: a recipient gets at most one for a cause and its end, a fact, a day or a
-- statement. Written by a round of messages and by their delivery.
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,  -- a digest of what it is for
    recipient_id INTEGER NOT NULL REFERENCES recipient (id),
    channel TEXT NOT NULL CHECK (channel IN ('mail', 'push')),
    part TEXT NOT NULL CHECK (part IN ('begin', 'end', 'note', 'digest', 'statement',
        'supplement')),
    kind TEXT NOT NULL,
    cause_id INTEGER REFERENCES cause (id),
    event_id INTEGER,  -- of a note: the fact
    statement_id INTEGER REFERENCES statement (id),
    subject TEXT,  -- NULL after what is personal was deleted, like body, link and sent_to
    body TEXT,
    link TEXT,
    sent_to TEXT,  -- the address that it went to
    created_at TEXT NOT NULL,
    created_by TEXT,
    not_before TEXT NOT NULL,  -- when it may go out at first
    attempts INTEGER NOT NULL DEFAULT 0,
    failing_since TEXT,
    next_at TEXT NOT NULL,  -- when it is tried next
    sending_since TEXT,  -- committed before it is sent; a server that dies then sends it again
    sent_at TEXT,  -- after the answer
    perhaps_twice INTEGER NOT NULL DEFAULT 0 CHECK (perhaps_twice IN (0, 1)),
    problem TEXT,  -- a text of the program; it may name the address
    given_up_at TEXT
) STRICT;
CREATE INDEX message_waiting ON message (next_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX message_of_recipient ON message (recipient_id, id);
CREATE INDEX message_of_cause ON message (cause_id) WHERE cause_id IS NOT NULL;
CREATE INDEX message_of_statement ON message (statement_id) WHERE statement_id IS NOT NULL;
-- For the deletion of what is personal.
CREATE INDEX message_with_texts ON message (created_at) WHERE subject IS NOT NULL;

-- It says who was told what.
CREATE TRIGGER message_is_kept BEFORE DELETE ON message
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER message_stays
BEFORE UPDATE OF id, message_id, recipient_id, channel, part, kind, cause_id, event_id,
    statement_id, created_at, created_by ON message
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- Texts are personal: they may go, and no others take their place.
CREATE TRIGGER message_texts_go BEFORE UPDATE OF subject, body, link ON message
WHEN NEW.subject IS NOT NULL OR NEW.body IS NOT NULL OR NEW.link IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;

-- What has gone out is over. The problem may name an address, so it may go.
CREATE TRIGGER message_is_sent_once
BEFORE UPDATE OF not_before, attempts, failing_since, next_at, sending_since, sent_at,
    perhaps_twice, given_up_at ON message
WHEN OLD.sent_at IS NOT NULL OR OLD.given_up_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;
CREATE TRIGGER message_problem_goes BEFORE UPDATE OF problem ON message
WHEN NEW.problem IS NOT NULL AND (OLD.sent_at IS NOT NULL OR OLD.given_up_at IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- A receiver of facts over HTTP. Written by an operator, and by deliveries.
CREATE TABLE webhook (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    url TEXT NOT NULL,  -- its keys are masked
    -- signs the deliveries; behind a space, the whole URL; encrypted; erased with the removal
    secret TEXT NOT NULL,
    kinds TEXT CHECK (json_type(kinds) = 'array'),  -- of facts, in JSON; NULL: all
    cp_id TEXT,  -- NULL: of all chargers
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    -- each fact up to this one was delivered, is not wanted, waits, or was given up
    position INTEGER NOT NULL,
    delivered_at TEXT,
    removed_at TEXT,
    removed_by TEXT
) STRICT;
CREATE UNIQUE INDEX webhook_name ON webhook (name) WHERE removed_at IS NULL;

-- What was given up refers to it. It is removed once.
CREATE TRIGGER webhook_is_kept BEFORE DELETE ON webhook
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER webhook_stays
BEFORE UPDATE OF id, name, url, kinds, cp_id, created_at, created_by ON webhook
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER webhook_is_removed_once BEFORE UPDATE OF removed_at, removed_by ON webhook
WHEN OLD.removed_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;

-- A copy of the database has no secret that can be read.
CREATE TRIGGER webhook_secret_is_sealed BEFORE INSERT ON webhook
WHEN NEW.secret <> '' AND substr(NEW.secret, 1, 7) <> 'sealed:'
BEGIN SELECT RAISE(ABORT, 'a secret is only stored encrypted'); END;
CREATE TRIGGER webhook_secret_stays_sealed BEFORE UPDATE OF secret ON webhook
WHEN NEW.secret <> '' AND substr(NEW.secret, 1, 7) <> 'sealed:'
BEGIN SELECT RAISE(ABORT, 'a secret is only stored encrypted'); END;


-- A charger whose deliveries fail: its facts after position wait, in their order. Written by
-- deliveries; it goes with their success.
CREATE TABLE webhook_waiting (
    webhook_id INTEGER NOT NULL REFERENCES webhook (id),
    cp_id TEXT NOT NULL,  -- '': the facts of no charger
    position INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failing_since TEXT NOT NULL,
    next_at TEXT NOT NULL,
    problem TEXT NOT NULL,  -- a text of the program
    PRIMARY KEY (webhook_id, cp_id)
) STRICT, WITHOUT ROWID;


-- Facts that were never delivered, because deliveries had failed for too long. Written by
-- deliveries.
CREATE TABLE webhook_given_up (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id INTEGER NOT NULL REFERENCES webhook (id),
    cp_id TEXT,
    at TEXT NOT NULL,
    failing_since TEXT NOT NULL,
    first_event INTEGER NOT NULL,
    last_event INTEGER NOT NULL,
    facts INTEGER NOT NULL,
    problem TEXT NOT NULL  -- a text of the program
) STRICT;
CREATE INDEX webhook_given_up_webhook ON webhook_given_up (webhook_id, id);

-- A receiver asks what it lacks.
CREATE TRIGGER webhook_given_up_is_kept BEFORE DELETE ON webhook_given_up
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER webhook_given_up_stays BEFORE UPDATE ON webhook_given_up
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- How far the broker has come with the facts, and whether it can be reached. Written by the plugin;
-- no row: it was never used.
CREATE TABLE mqtt (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- the broker has acknowledged all events up to this id; a replay sets it back
    position INTEGER NOT NULL CHECK (position >= 0),
    moved_at TEXT NOT NULL,  -- when it last moved
    is_connected INTEGER NOT NULL DEFAULT 0 CHECK (is_connected IN (0, 1)),
    since TEXT NOT NULL,  -- when it is connected, or is not
    broker TEXT NOT NULL DEFAULT '',  -- host and port
    problem TEXT  -- why it is not connected or takes no facts, a text of the program
) STRICT;


-- A server outside that gets a copy of what chargers tell: an employer's, a registrar's, evcc.
-- Written by an operator.
CREATE TABLE backend (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    url TEXT NOT NULL,  -- ws:// or wss://, without the identity
    root TEXT,  -- whom it is proved by, in PEM; NULL: the authorities of this machine
    -- our certificate with its private key, in PEM, encrypted; erased with the removal
    certificate TEXT CHECK (substr(certificate, 1, 7) = 'sealed:'),
    certificate_ends_at TEXT,
    -- 1: repaired, with times by the judged clock; 0: as chargers sent it
    is_repaired INTEGER NOT NULL CHECK (is_repaired IN (0, 1)),
    tells_authorize INTEGER NOT NULL CHECK (tells_authorize IN (0, 1)),
    -- 1: the numbers of cards go as they are; 0: aliases go instead
    with_cards INTEGER NOT NULL CHECK (with_cards IN (0, 1)),
    -- the alias of each card that has none of its own; NULL: their sessions are not told
    other_cards TEXT,
    begins_at TEXT NOT NULL,  -- the beginning of a day; as added_at: when each charger was added
    paused_at TEXT,
    added_at TEXT NOT NULL,
    added_by TEXT NOT NULL,
    removed_at TEXT,
    removed_by TEXT,
    -- 1: values that meters signed go there, which may name a card; 0: only with numbers of cards
    with_signed INTEGER NOT NULL DEFAULT 0 CHECK (with_signed IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX backend_name ON backend (name) WHERE removed_at IS NULL;

-- What was told refers to it. It is removed once.
CREATE TRIGGER backend_is_kept BEFORE DELETE ON backend
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER backend_stays BEFORE UPDATE OF id, added_at, added_by ON backend
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;
CREATE TRIGGER backend_is_removed_once BEFORE UPDATE OF removed_at, removed_by ON backend
WHEN OLD.removed_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a fact is opened and ended once'); END;


-- A charger that a backend is told of, and how far that is. Written by an operator, and by the
-- copy.
CREATE TABLE backend_cp (
    backend_id INTEGER NOT NULL REFERENCES backend (id),
    cp_id TEXT NOT NULL REFERENCES cp (id),
    identity TEXT NOT NULL,  -- its name there
    password TEXT CHECK (substr(password, 1, 7) = 'sealed:'),  -- of Basic authentication, encrypted
    without TEXT NOT NULL CHECK (json_type(without) = 'array'),  -- connectors that are not told
    begins_at TEXT NOT NULL,  -- what was received since then is told
    ended_at TEXT,  -- when it was taken out
    log_id INTEGER NOT NULL,  -- each frame up to this one was answered there, or is not told
    log_at TEXT NOT NULL DEFAULT '',  -- when that one was received
    is_accepted INTEGER NOT NULL DEFAULT 0,  -- 1: its boot was accepted
    own TEXT NOT NULL DEFAULT '{}',  -- the intervals that the backend set for the copy, in JSON
    told INTEGER NOT NULL DEFAULT 0,  -- messages that were answered
    made INTEGER NOT NULL DEFAULT 0,  -- of those, how many were made from stored facts
    told_at TEXT,  -- when the last one was answered
    refused INTEGER NOT NULL DEFAULT 0,  -- messages that were refused, late or numbered wrongly
    behind_since TEXT,  -- when the oldest message that waits was received; NULL: none waits
    is_connected INTEGER NOT NULL DEFAULT 0 CHECK (is_connected IN (0, 1)),
    since TEXT,  -- when it is connected, or is not
    problem TEXT,  -- why it is not connected, or waits, a text of the program
    PRIMARY KEY (backend_id, cp_id)
) STRICT, WITHOUT ROWID;


-- A session as a backend knows it. Written by the copy, before the next message of its charger.
CREATE TABLE backend_tx (
    backend_id INTEGER NOT NULL REFERENCES backend (id),
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    their_id INTEGER,  -- its transactionId there; NULL: it was left out, or its start was refused
    made_at TEXT NOT NULL DEFAULT '',  -- when the last of its readings came that was made
    started_at TEXT NOT NULL,  -- when its start was answered
    stopped_at TEXT,  -- when its stop was answered, or nothing more is told of it
    -- 1: it was told as ended by the server; its charger's own stop is late
    is_closed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (backend_id, tx_id)
) STRICT;
CREATE INDEX backend_tx_open ON backend_tx (backend_id) WHERE stopped_at IS NULL OR is_closed = 1;

-- A kill must not tell a session twice.
CREATE TRIGGER backend_tx_is_kept BEFORE DELETE ON backend_tx
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER backend_tx_stays
BEFORE UPDATE OF backend_id, tx_id, their_id, started_at ON backend_tx
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- A session of which a backend is told nothing for now, because it did not take its next message.
-- Written by the copy, and by an operator; it goes when the backend has what it has of others.
CREATE TABLE backend_waiting (
    backend_id INTEGER NOT NULL REFERENCES backend (id),
    tx_id INTEGER NOT NULL REFERENCES tx (id),
    log_id INTEGER NOT NULL,  -- each frame of it up to this one was answered there
    log_at TEXT NOT NULL,  -- when that one was received
    since TEXT NOT NULL,  -- since when its next message was told in vain
    next_at TEXT,  -- when that is told again; NULL: it was set aside, for an operator
    PRIMARY KEY (backend_id, tx_id)
) STRICT, WITHOUT ROWID;


-- What a backend refused, what came after its session had ended there, and numbers of sessions that
-- it must not give. Written by the copy.
CREATE TABLE backend_refused (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    backend_id INTEGER NOT NULL REFERENCES backend (id),
    cp_id TEXT NOT NULL REFERENCES cp (id),
    at TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('refused', 'late', 'number')),
    action TEXT NOT NULL,
    payload TEXT NOT NULL,  -- as it was sent, or would have been, without the card, in JSON
    tx_id INTEGER REFERENCES tx (id),
    answer TEXT NOT NULL  -- code and description of the error, or the number
) STRICT;
CREATE INDEX backend_refused_of ON backend_refused (backend_id, id);
CREATE INDEX backend_refused_day ON backend_refused (backend_id, cp_id, at);

-- It says what is missing there.
CREATE TRIGGER backend_refused_is_kept BEFORE DELETE ON backend_refused
BEGIN SELECT RAISE(ABORT, 'a fact is never deleted'); END;
CREATE TRIGGER backend_refused_stays BEFORE UPDATE ON backend_refused
BEGIN SELECT RAISE(ABORT, 'a fact is never rewritten'); END;


-- What a card is called at a backend. Written by an operator.
CREATE TABLE backend_card (
    backend_id INTEGER NOT NULL REFERENCES backend (id),
    tag_key TEXT NOT NULL,  -- the normal form of the card
    alias TEXT,  -- NULL: its sessions are not told
    PRIMARY KEY (backend_id, tag_key)
) STRICT, WITHOUT ROWID;
