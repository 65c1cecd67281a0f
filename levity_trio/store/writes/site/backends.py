"""The backends that get a copy of what chargers tell, and how far each one's copy has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from levity_trio.records import record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import DATE, UnitOfWork
from levity_trio.store.reads.site.receivers import LONGEST_PAUSE, Fresh
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.store.writes.stored import RecordTable
from levity_trio.told import Told, stored
from levity_trio.wire.times import shifted_stamp


@record
class BackendData:
    """A backend as an operator wants it. `root` and `certificate` are PEM."""

    name: str
    url: str
    root: str | None
    certificate: str | None
    certificate_ends_at: str | None
    is_repaired: bool
    tells_authorize: bool
    with_cards: bool
    with_signed: bool
    other_cards: str | None


MOST_REFUSED: Final = 200
"""What is kept of a charger in a day; the rest is counted. A backend may refuse all."""
SHORTEST_PAUSE: Final = timedelta(minutes=1)
"""Before a message that was not taken is told again; each later pause is as long as it waited."""
SET_ASIDE_AFTER: Final = timedelta(days=1)


@record(kw_only=False)
class CopyOutcome:
    """What became of a message. Not `is_told`: it is left out, or its answer was cut off.
    `their_id` is the number of a session that begins. Of what is kept (`kind`: refused, late or
    number), `payload` is what was told, and `answer` the error, or the number. If it `holds` its
    session, nothing more is told of that: until it is tried again, or if it was refused, until an
    operator wants that."""

    is_told: bool = True
    holds: bool = False
    their_id: int | None = None
    kind: str | None = None
    payload: Mapping[str, Any] | None = None
    answer: str = ""


class OnlyChecked(Exception):
    """Everything is right, and nothing was stored."""


_BACKEND: Final = RecordTable("backend", BackendData)


def add(
    db: UnitOfWork,
    new: BackendData,
    chargers: Mapping[str, Mapping[str, Any]],
    cards: Mapping[str, str | None],
    begins_at: str | None,
    key: SecretKey,
    at: str,
    by: str,
    *,
    is_only_checked: bool = False,
) -> int:
    """Add a backend with its chargers and the aliases of cards, and return its number; it is told
    what comes from now on, or what came since `begins_at`. Raises ChangeRefused, NoKey,
    OnlyChecked."""
    _check_name(db, new.name)
    made = replace(new, certificate=_sealed(new.certificate, key))
    begins_at = begins_at or at
    number = _BACKEND.add(db, made, begins_at=begins_at, added_at=at, added_by=by)
    for charger, fields in chargers.items():
        put_charger(db, number, charger, fields, key, at)
    for card, alias in cards.items():
        put_card(db, number, card, alias)
    if is_only_checked:
        raise OnlyChecked
    return number


def change(db: UnitOfWork, backend: int, fields: Mapping[str, Any], key: SecretKey) -> None:
    """Change these fields of a backend. Raises ChangeRefused, NoKey."""
    known = _BACKEND.find(db, "id = ? AND removed_at IS NULL", (backend,))
    if known is None:
        raise _unknown(backend)
    if fields.get("name", known.name) != known.name:
        _check_name(db, fields["name"])
    changed = replace(known, **fields)
    if "certificate" in fields:
        changed = replace(changed, certificate=_sealed(changed.certificate, key))
    _BACKEND.change(db, changed, "id = ?", (backend,))


def put_charger(
    db: UnitOfWork,
    backend: int,
    charger: str,
    fields: Mapping[str, Any],
    key: SecretKey,
    at: str,
) -> None:
    """Let a backend be told of a charger, or change how; what is not in `fields` stays. Raises
    ChangeRefused, NoKey."""
    found = db.row(
        "SELECT begins_at, added_at FROM backend WHERE id = ? AND removed_at IS NULL", (backend,)
    )
    if found is None:
        raise _unknown(backend)
    begins_at, added_at = found
    place = backend, charger
    db.execute(
        "INSERT INTO backend_cp (backend_id, cp_id, identity, without, begins_at, ended_at, log_id)"
        " VALUES (?, ?, ?, '[]', ?, ?, 0) ON CONFLICT DO NOTHING",
        (*place, charger, begins_at, at),
    )

    # One that was taken out is told again from where it was, if its backend wants all since a day;
    # else from now on, like one that is new.
    if begins_at == added_at:
        db.execute(
            "UPDATE backend_cp SET begins_at = ?, "
            "log_id = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log'), 0) "
            "WHERE backend_id = ? AND cp_id = ? AND ended_at IS NOT NULL",
            (at, *place),
        )

    new = {"is_accepted": 0, "ended_at": None, **fields}
    if "password" in new:
        new["password"] = _sealed(new["password"], key)
    if "without" in new:
        new["without"] = orjson.dumps(new["without"]).decode()
    columns = ", ".join(f"{name} = ?" for name in new)
    change = f"UPDATE backend_cp SET {columns} WHERE backend_id = ? AND cp_id = ?"  # noqa: S608 - our own names
    db.execute(change, (*new.values(), *place))

    twice = db.row(
        "SELECT identity FROM backend_cp WHERE backend_id = ? AND ended_at IS NULL "
        "GROUP BY identity HAVING count(*) > 1",
        (backend,),
    )
    if twice is not None:
        words = Told("two chargers would be called {1} there; give each its own name", twice[0])
        raise ChangeRefused(RefusalCode.IN_USE, words, "identity")


def end_charger(db: UnitOfWork, backend: int, charger: str, at: str) -> None:
    """Tell a backend of a charger no longer. Raises ChangeRefused."""
    if not db.changed(f"{_END} AND cp_id = ?", (at, backend, charger)):
        raise _missing(Told("charger {1} of which backend {2} is told", charger, backend))


def put_card(db: UnitOfWork, backend: int, card: str, alias: str | None) -> None:
    """Say what a card is called at a backend; `card` is its normal form. Raises ChangeRefused."""
    if not db.row("SELECT 1 FROM backend WHERE id = ? AND removed_at IS NULL", (backend,)):
        raise _unknown(backend)
    db.execute(
        "INSERT INTO backend_card (backend_id, tag_key, alias) VALUES (?, ?, ?) "
        "ON CONFLICT (backend_id, tag_key) DO UPDATE SET alias = excluded.alias",
        (backend, card, alias),
    )


def remove_card(db: UnitOfWork, backend: int, card: str) -> None:
    """Let a card be one of the others. Raises ChangeRefused."""
    gone = "DELETE FROM backend_card WHERE backend_id = ? AND tag_key = ?"
    if not db.changed(gone, (backend, card)):
        raise _missing(Told("alias of the card {1}", card))


def pause(db: UnitOfWork, backend: int, at: str | None) -> None:
    """Tell a backend nothing from now on; with None, all that came meanwhile, and what comes.
    Raises ChangeRefused."""
    paused = "UPDATE backend SET paused_at = ? WHERE id = ? AND removed_at IS NULL"
    if not db.changed(paused, (at, backend)):
        raise _unknown(backend)
    if at is not None:
        ended = "UPDATE backend_cp SET is_connected = 0, since = ?, problem = NULL"
        db.execute(f"{ended} WHERE backend_id = ?", (at, backend))


def remove(db: UnitOfWork, backend: int, at: str, by: str) -> None:
    """Tell a backend nothing for ever; its secrets and aliases are erased. Raises ChangeRefused."""
    removed = (
        "UPDATE backend SET removed_at = ?, removed_by = ?, certificate = NULL "
        "WHERE id = ? AND removed_at IS NULL"
    )
    if not db.changed(removed, (at, by, backend)):
        raise _unknown(backend)
    db.execute(_END, (at, backend))
    db.execute("DELETE FROM backend_card WHERE backend_id = ?", (backend,))


_END: Final = (
    "UPDATE backend_cp SET ended_at = ?, password = NULL, is_connected = 0, problem = NULL, "
    "behind_since = NULL WHERE backend_id = ? AND ended_at IS NULL"
)


def _sealed(secret: str | None, key: SecretKey) -> str | None:
    return None if secret is None else key.sealed(secret)


def _check_name(db: UnitOfWork, name: str) -> None:
    if db.row("SELECT 1 FROM backend WHERE name = ? AND removed_at IS NULL", (name,)):
        words = Told("another backend is called {1}; choose another name", name)
        raise ChangeRefused(RefusalCode.IN_USE, words, "name")


def _unknown(backend: int) -> ChangeRefused:
    return _missing(Told("backend {1} in use", backend))


def _missing(what: str) -> ChangeRefused:
    return ChangeRefused(RefusalCode.NOT_FOUND, Told("there is no {1}", what))


def keep(
    db: UnitOfWork, place: tuple[int, str], fresh: Fresh, outcome: CopyOutcome, at: str
) -> None:
    """Store what became of a message, before the next message of its charger is told. `place` is
    the backend and the charger."""
    session = None if fresh.session is None else fresh.session.id
    kind, answer = outcome.kind, outcome.answer
    if outcome.holds:
        kind = _hold(db, place, session, outcome, at)
    else:
        told = int(outcome.is_told)
        received = fresh.log_id, fresh.log_id, fresh.at
        # What follows in a session that waited is told at once. Others have not come as far.
        waited = f"UPDATE backend_waiting SET {_LOG_ID}, since = ?, next_at = ? {_OF_SESSION}"  # noqa: S608 - ours
        if db.changed(waited, (*received, at, at, place[0], session)):
            received = 0, 0, ""
        db.execute(
            f"UPDATE backend_cp SET {_LOG_ID}, told = told + ?, made = made + ?, "  # noqa: S608 - ours
            f"told_at = CASE WHEN ? = 1 THEN ? ELSE told_at END {_OF_CHARGER}",
            (*received, told, told * int(fresh.is_made), told, at, *place),
        )
        if fresh.begins:
            their_id, backend = outcome.their_id, place[0]
            known = "SELECT 1 FROM backend_tx WHERE backend_id = ? AND their_id = ?"
            if their_id is not None and (their_id <= 0 or db.rows(known, (backend, their_id))):
                kind, answer = "number", str(their_id)
            # Nothing more is told of a session without a number.
            over_at = at if their_id is None else None
            db.execute(
                "INSERT INTO backend_tx (backend_id, tx_id, their_id, started_at, stopped_at) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (backend, session, their_id, at, over_at),
            )
        elif fresh.ends and fresh.session is not None:
            db.execute(
                "UPDATE backend_tx SET is_closed = ?, stopped_at = coalesce(stopped_at, ?) "
                "WHERE backend_id = ? AND tx_id = ?",
                (int(fresh.session.is_closed), at, place[0], session),
            )
        elif fresh.is_made:
            db.execute(
                "UPDATE backend_tx SET made_at = ? WHERE backend_id = ? AND tx_id = ?",
                (fresh.at, place[0], session),
            )
    if kind is not None:
        # What the card is called is erased with the names of its household.
        kept = {name: value for name, value in (outcome.payload or {}).items() if name != "idTag"}
        payload = orjson.dumps(kept).decode()
        refused = "UPDATE backend_cp SET refused = refused + 1 WHERE backend_id = ? AND cp_id = ?"
        db.execute(refused, place)
        db.execute(
            "INSERT INTO backend_refused (backend_id, cp_id, at, kind, action, payload, tx_id, "
            "answer) SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM backend_refused "
            "WHERE backend_id = ? AND cp_id = ? AND at >= ?) < ?",
            (
                *(*place, at, kind, fresh.action, payload, session, answer),
                *(*place, at[DATE], MOST_REFUSED),
            ),
        )


_OF_SESSION: Final = "WHERE backend_id = ? AND tx_id = ?"
_OF_CHARGER: Final = "WHERE backend_id = ? AND cp_id = ?"
_LOG_ID: Final = "log_id = max(log_id, ?), log_at = CASE WHEN ? > log_id THEN ? ELSE log_at END"


def _hold(
    db: UnitOfWork, place: tuple[int, str], session: int | None, outcome: CopyOutcome, at: str
) -> str | None:
    """Let a session wait for a while, or set it aside, if its message was refused or told in vain
    for a day; return the kind of the refusal then."""
    # After an absence of the backend, the day begins anew.
    known = db.row(
        "SELECT since FROM backend_waiting WHERE backend_id = ? AND tx_id = ? AND next_at > ?",
        (place[0], session, shifted_stamp(at, -2 * LONGEST_PAUSE)),
    )
    since = at if known is None else known[0]
    waited = datetime.fromisoformat(at) - datetime.fromisoformat(since)
    pause = min(max(waited, SHORTEST_PAUSE), LONGEST_PAUSE)
    kind = outcome.kind if waited < SET_ASIDE_AFTER else "refused"
    db.execute(
        "INSERT INTO backend_waiting (backend_id, tx_id, log_id, log_at, since, next_at) "
        "SELECT backend_id, ?, log_id, log_at, ?, ? FROM backend_cp "
        "WHERE backend_id = ? AND cp_id = ? ON CONFLICT (backend_id, tx_id) "
        "DO UPDATE SET since = excluded.since, next_at = excluded.next_at",
        (session, since, shifted_stamp(at, pause) if kind is None else None, *place),
    )
    return kind


def release(db: UnitOfWork, place: tuple[int, str], session: int, log_id: int) -> None:
    """Let a session wait no longer, if no more of it was told than of others: up to this frame."""
    db.execute(
        f"UPDATE backend_cp SET log_id = max(log_id, ?), log_at = max(log_at, "  # noqa: S608 - ours
        f"(SELECT log_at FROM backend_waiting {_OF_SESSION})) {_OF_CHARGER}",
        (log_id, place[0], session, *place),
    )
    gone = f"DELETE FROM backend_waiting {_OF_SESSION} AND log_id <= ?"  # noqa: S608 - ours
    db.execute(gone, (place[0], session, log_id))


def tell_again(db: UnitOfWork, backend: int, session: int | None, at: str) -> None:
    """Tell a backend at once of a session that waits or was set aside, or of all. Raises
    ChangeRefused."""
    now = (
        "UPDATE backend_waiting SET since = ?, next_at = ? "
        "WHERE backend_id = ? AND tx_id = coalesce(?, tx_id)"
    )
    if not db.changed(now, (at, at, backend, session)):
        raise _missing(Told("session that waits for backend {1}", backend))


def note_registration(
    db: UnitOfWork, backend: int, charger: str, is_accepted: bool | None, own: Mapping[str, int]
) -> None:
    """Store whether the boot of a charger was accepted (None: as before), and the intervals that
    the backend set."""
    accepted = None if is_accepted is None else int(is_accepted)
    db.execute(
        "UPDATE backend_cp SET is_accepted = coalesce(?, is_accepted), own = ? "
        "WHERE backend_id = ? AND cp_id = ?",
        (accepted, orjson.dumps(own).decode(), backend, charger),
    )


def note_link(
    db: UnitOfWork,
    backend: int,
    charger: str,
    is_connected: bool,
    problem: str | None,
    behind_since: str | None,
    at: str,
) -> None:
    """Store whether a charger is connected to a backend, why it is not or waits, and since when it
    is behind."""
    db.execute(
        "UPDATE backend_cp SET problem = ?, "
        "behind_since = CASE WHEN ? = 1 THEN ? ELSE behind_since END, "
        "since = CASE WHEN is_connected = ? AND since IS NOT NULL THEN since ELSE ? END, "
        "is_connected = ? WHERE backend_id = ? AND cp_id = ?",
        (
            *(None if problem is None else stored(problem), int(is_connected), behind_since),
            *(int(is_connected), at, int(is_connected), backend, charger),
        ),
    )
