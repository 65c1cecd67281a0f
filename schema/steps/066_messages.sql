-- Messages to people: who is told what, what there is to tell, and each message on its way.
-- serves: 65

-- Whom messages reach: an owner or a caretaker (user_id, if it is one who logs in), or a driver of a household. kinds is a
-- JSON list of what they chose. A charger is away for them after away_minutes. quiet_from and quiet_until are local times
-- (HH:MM). topic is encrypted, and erased with the end; NULL: no push. topic_shown_at NULL: nobody has seen this topic yet,
-- so its phone must scan it. mail_problem is why a mail server refused the address for ever. gets_statements: each closed
-- statement by mail. name is what the owner calls it; it and the address are NULL after what is personal was deleted.
CREATE TABLE recipient (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    who TEXT NOT NULL CHECK (who IN ('owner', 'caretaker', 'driver')),
    user_id INTEGER REFERENCES "user" (id),
    account_id INTEGER REFERENCES account (id),
    name TEXT,
    language TEXT,
    mail TEXT,
    mail_problem TEXT,
    mail_problem_at TEXT,
    topic TEXT CHECK (substr(topic, 1, 7) = 'sealed:'),
    topic_shown_at TEXT,
    kinds TEXT NOT NULL CHECK (json_type(kinds) = 'array'),
    away_minutes INTEGER NOT NULL CHECK (away_minutes > 0),
    quiet_from TEXT,
    quiet_until TEXT,
    with_names INTEGER NOT NULL CHECK (with_names IN (0, 1)),
    gets_statements INTEGER NOT NULL CHECK (gets_statements IN (0, 1)),
    added_at TEXT NOT NULL,
    added_by TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT,
    CHECK ((who = 'driver') = (account_id IS NOT NULL)),
    CHECK ((quiet_from IS NULL) = (quiet_until IS NULL))
) STRICT;
CREATE INDEX recipient_of_account ON recipient (account_id);
CREATE TRIGGER recipient_is_kept BEFORE DELETE ON recipient BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER recipient_stays BEFORE UPDATE OF id, who, user_id, account_id, added_at, added_by ON recipient BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER recipient_is_ended_once BEFORE UPDATE OF ended_at, ended_by ON recipient
WHEN OLD.ended_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

-- How far the facts of event were turned into messages, how often that was done (so that two servers never do it at
-- once), and the local day of the last digest.
CREATE TABLE message_cursor (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL,
    round INTEGER NOT NULL,
    digest_on TEXT
) STRICT;

-- What begins and ends and wants a person: one dead switch is one cause, not twenty. parts is a JSON list of its chargers
-- and connectors, and since when and until when each of them is a part. words are English, where what lasts has words of
-- its own. calm_since: nothing of it has lasted since then; a little later, it is over.
CREATE TABLE cause (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    parts TEXT NOT NULL,
    words TEXT,
    began_at TEXT NOT NULL,
    found_at TEXT NOT NULL,
    calm_since TEXT,
    ended_at TEXT
) STRICT;
CREATE INDEX cause_open ON cause (kind) WHERE ended_at IS NULL;
CREATE TRIGGER cause_is_kept BEFORE DELETE ON cause BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER cause_stays BEFORE UPDATE OF id, kind, subject, began_at, found_at ON cause BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER cause_ends_once BEFORE UPDATE OF parts, calm_since, ended_at ON cause
WHEN OLD.ended_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;

-- Each message, of which a recipient gets at most one for a cause and its end, a fact, a day or a statement: message_id is a
-- digest of that. It goes out from not_before on, next at next_at. sending_since is committed before it is sent, sent_at
-- after the answer; a server that died between them sends it again (perhaps_twice). sent_to is the address that it went to.
-- Texts and address are NULL after what is personal was deleted.
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    recipient_id INTEGER NOT NULL REFERENCES recipient (id),
    channel TEXT NOT NULL CHECK (channel IN ('mail', 'push')),
    part TEXT NOT NULL CHECK (part IN ('begin', 'end', 'note', 'digest', 'statement')),
    kind TEXT NOT NULL,
    cause_id INTEGER REFERENCES cause (id),
    event_id INTEGER,
    statement_id INTEGER REFERENCES statement (id),
    subject TEXT,
    body TEXT,
    link TEXT,
    sent_to TEXT,
    created_at TEXT NOT NULL,
    created_by TEXT,
    not_before TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    failing_since TEXT,
    next_at TEXT NOT NULL,
    sending_since TEXT,
    sent_at TEXT,
    perhaps_twice INTEGER NOT NULL DEFAULT 0 CHECK (perhaps_twice IN (0, 1)),
    problem TEXT,
    given_up_at TEXT
) STRICT;
CREATE INDEX message_waiting ON message (next_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX message_of_recipient ON message (recipient_id, id);
CREATE INDEX message_of_cause ON message (cause_id) WHERE cause_id IS NOT NULL;
CREATE INDEX message_of_statement ON message (statement_id) WHERE statement_id IS NOT NULL;
CREATE TRIGGER message_is_kept BEFORE DELETE ON message BEGIN
    SELECT RAISE(ABORT, 'a fact is never deleted');
END;
CREATE TRIGGER message_stays BEFORE UPDATE OF id, message_id, recipient_id, channel, part, kind, cause_id, event_id,
    statement_id, created_at, created_by ON message BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER message_texts_go BEFORE UPDATE OF subject, body, link ON message
WHEN NEW.subject IS NOT NULL OR NEW.body IS NOT NULL OR NEW.link IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is never rewritten');
END;
CREATE TRIGGER message_is_sent_once BEFORE UPDATE OF not_before, attempts, failing_since, next_at, sending_since, sent_at,
    perhaps_twice, problem, given_up_at ON message
WHEN OLD.sent_at IS NOT NULL OR OLD.given_up_at IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a fact is opened and ended once');
END;
