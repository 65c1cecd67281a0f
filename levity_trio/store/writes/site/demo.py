"""What `levity-trio demo` changes in its copy of a history before it is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.places import UsageLimit
from levity_trio.store.writes.load import load
from levity_trio.store.writes.people import messages, tags
from levity_trio.store.writes.people.messages import ReportSubject
from levity_trio.told import stored_in
from levity_trio.wire.times import stamp

ASKED = "My car shows less than the meter. Which of them is right?"
"""What a neighbour wants to know."""
OWN_MONTH_WH = 400_000
"""What the neighbour's household may charge in a month."""
NEAR = 0.85
"""This part of its limit the household that charges most has used."""
TRIED_BEFORE = timedelta(days=8)
EMPLOYER = (
    "INSERT INTO backend (name, url, is_repaired, tells_authorize, with_cards, begins_at, "
    "paused_at, added_at, added_by) VALUES ('Employer', 'wss://ocpp.employer.example/', 0, 0, 0, "
    "?, ?, ?, ?) RETURNING id"
)
"""It was told of a charger, and is paused: there is no such server."""


class Open(NamedTuple):
    """An open transaction."""

    id: int
    id_tag: str


class Resumed(NamedTuple):
    """A history that goes on: what its clock shows at the machine's moment `started`, and for each
    charger the last register, in Wh, and the open transaction."""

    begun: datetime
    started: datetime
    registers: Mapping[str, int]
    open: Mapping[str, Open]


class Shared(NamedTuple):
    """The site of load management as TOML, and the charger with a firmware of which no trial has
    passed. `steps` are those of the trial that the others passed, with what each found; `facts` is
    what it has shown."""

    site: str
    untried: str
    firmware: str
    steps: Mapping[str, str]
    facts: Mapping[str, Any]


class DemoRecipient(NamedTuple):
    """Who gets messages, as what, where, and of which kinds: the first user of a role."""

    role: str
    who: str
    mail: str
    kinds: Sequence[str]


def resume(
    db: UnitOfWork,
    speed: int,
    started: datetime,
    logins: Mapping[str, str],
    told: Sequence[DemoRecipient] = (),
    shared: Shared | None = None,
) -> Resumed:
    """Start the simulated clock again, and log in the first user of each role; `logins` are the
    digests of cookies."""
    clock = "UPDATE simulated_time SET (speed, started_at) = (?, ?) RETURNING begun_at"
    ((begun,),) = db.rows(clock, (speed, stamp(started)))
    for role, digest in logins.items():
        db.execute(
            "INSERT INTO login (digest, user_id, address, browser, made_at, last_used_at)"
            " SELECT ?, min(id), '', 'demo', ?, ? FROM \"user\" WHERE role = ?",
            (digest, begun, begun, role),
        )
    _report(db, begun)
    _limit(db, begun)
    if shared is not None:
        _share(db, shared, datetime.fromisoformat(begun))
    for one in told:
        _tell(db, one, begun)
    last = "SELECT cp_id, coalesce(meter_stop, last_register_wh, meter_start) FROM tx ORDER BY id"
    registers: dict[str, int] = dict(db.rows(last))
    are_open = db.rows("SELECT cp_id, id, id_tag FROM tx WHERE status = 'Active'")
    return Resumed(
        datetime.fromisoformat(begun),
        started,
        registers,
        {charger: Open(*rest) for charger, *rest in are_open},
    )


def _owner(db: UnitOfWork) -> str:
    ((name,),) = db.rows("SELECT name FROM \"user\" WHERE role = 'admin' ORDER BY id LIMIT 1")
    return str(name)


def _share(db: UnitOfWork, shared: Shared, begun: datetime) -> None:
    """Enter the feeder, and limit all chargers. All but one have the firmware of one that has
    passed its trial."""
    at, owner = stamp(begun), _owner(db)
    load.set_site(db, shared.site, at, owner)
    db.execute("UPDATE cp SET firmware_version = ? WHERE id = ?", (shared.firmware, shared.untried))
    chargers = [name for (name,) in db.rows("SELECT id FROM cp ORDER BY id")]
    load.manage(db, chargers, at, owner)
    tried = stamp(begun - TRIED_BEFORE)
    load.note_prepared(db, chargers[0], tried, (None, shared.firmware), (1, None))
    number = load.begin_trial(db, chargers[0], 1, tried, owner)
    steps = [
        {"step": step, "is_passed": True, "words": words} for step, words in shared.steps.items()
    ]
    load.end_trial(db, number, stored_in(steps), "passed", tried, shared.facts)


def _limit(db: UnitOfWork, at: str) -> None:
    """Limit the household of the neighbour who is logged in, and the one that has charged most,
    which is near it."""
    month = f"{at[:7]}-01"
    owner = _owner(db)
    drivers = db.rows(
        "SELECT account_id, ? FROM \"user\" WHERE role = 'driver' ORDER BY id LIMIT 1",
        (OWN_MONTH_WH,),
    )
    most = (
        "SELECT account_id, sum(energy_delivered) FROM tx "
        "JOIN ownership ON ownership.id_tag = tx.id_tag AND what = 'tag' "
        "WHERE start_time >= ? AND review IS NULL "
        "GROUP BY account_id ORDER BY 2 DESC LIMIT 1"
    )
    near = [(account, round(wh / NEAR, -4)) for account, wh in db.rows(most, (month,))]
    for account, wh in (*near, *drivers):
        tags.limit_account(db, account, UsageLimit(month_wh=int(wh)), at, owner)


def _tell(db: UnitOfWork, told: DemoRecipient, at: str) -> None:
    """Let somebody get messages by mail."""
    first = 'SELECT id, name, account_id FROM "user" WHERE role = ? ORDER BY id LIMIT 1'
    for user, name, account in db.rows(first, (told.role,)):
        data = messages.RecipientData(
            who=told.who,
            user=user,
            account=account,
            name=name,
            mail=told.mail,
            kinds=told.kinds,
            with_names=not account,
        )
        messages.add_recipient(db, data, None, SecretKey(None), messages.By(at, name))


def _report(db: UnitOfWork, at: str) -> None:
    """Let the neighbour who is logged in ask about the newest session of the household, and its
    charger be told to an employer."""
    newest = (
        'SELECT account_id, "user".name, tx.id, tx.cp_id, tx.id_tag FROM "user" '
        "JOIN ownership USING (account_id)"
        " JOIN tx ON tx.id_tag = ownership.id_tag WHERE role = 'driver' AND what = 'tag' AND "
        "tx.status = 'Completed'"
        ' ORDER BY "user".id, tx.stop_time DESC LIMIT 1'
    )
    for account, name, transaction, charger, tag in db.rows(newest):
        subject = ReportSubject(transaction=transaction, charger=charger)
        messages.write_report(db, account, subject, ASKED, at, at, name)
        _copy(db, charger, tag, at)


def _copy(db: UnitOfWork, charger: str, tag: str, at: str) -> None:
    """Let a driver's employer have been told of a charger, with an alias of the card."""
    added = stamp(datetime.fromisoformat(at) - TRIED_BEFORE)
    ((number,),) = db.rows(EMPLOYER, (added, at, added, _owner(db)))
    db.execute(
        "INSERT INTO backend_cp (backend_id, cp_id, identity, without, begins_at, log_id, told, "
        "told_at, since) VALUES (?, ?, 'DE-BAUHOF-7', '[]', ?, 0, 1204, ?, ?)",
        (number, charger, added, at, at),
    )
    db.execute("INSERT INTO backend_card VALUES (?, lower(?), 'EMP-4711')", (number, tag))
