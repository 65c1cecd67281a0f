"""How the copies for other backends stand, what is wrong with them (one problem for each cause),
and which of them a household's sessions go to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from levity_trio.access.tags import Policy
from levity_trio.records import record
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups import places
from levity_trio.store.reads.now.present import listed
from levity_trio.told import N_, Day, Told, joined, of_stored
from levity_trio.wire.times import stamp

BEHIND_FOR: Final = timedelta(minutes=30)
"""A backend may be away, or behind, for so long: it is started anew, or its line is."""
REFUSED_FOR: Final = timedelta(days=7)
CERTIFICATE_FOR: Final = timedelta(days=30)
MOST: Final = 1000
"""The most refused messages of a backend that are counted at each look."""


class CopyState(NamedTuple):
    """A charger that is told to a backend. Since `behind_since`, the backend lacks something of it,
    or is not connected."""

    backend: int
    name: str
    certificate_ends_at: str | None
    charger: str
    is_connected: int
    told: int
    problem: str | None
    behind_since: str | None


@record(kw_only=False)
class CopyProblem:
    """What is wrong with a backend. Only problems with the same `subject` are the same one."""

    subject: str
    backend: str
    words: Told
    since: str | None = None
    count: int = 1


_STATES: Final = (
    "SELECT backend_id, name, certificate_ends_at, cp_id, is_connected, told, problem, "
    "CASE WHEN is_connected = 0 AND since < coalesce(behind_since, '9999') THEN since "
    "ELSE behind_since END FROM backend_cp JOIN backend ON backend.id = backend_id "
    "WHERE removed_at IS NULL AND paused_at IS NULL AND ended_at IS NULL ORDER BY name, cp_id"
)
_REFUSED: Final = (
    "SELECT kind, count(*), min(at) FROM (SELECT kind, at FROM backend_refused "
    "WHERE backend_id = ? ORDER BY id DESC LIMIT ?) AS newest "
    "WHERE at >= ? GROUP BY kind UNION ALL SELECT 'waits', count(*), min(since) "
    "FROM backend_waiting WHERE backend_id = ? AND next_at IS NOT NULL AND since <= ? "
    "HAVING count(*) > 0 ORDER BY 1"
)
_COUNTED: Final = (
    "SELECT name, coalesce(sum(refused), 0) FROM backend LEFT JOIN backend_cp "
    "ON backend_id = backend.id WHERE removed_at IS NULL AND paused_at IS NULL GROUP BY name"
)
_WORDS: Final = N_(
    {
        "refused": (
            "{1} message was refused by the backend {2}",
            "{1} messages were refused by the backend {2}",
        ),
        "late": (
            "{1} message came after its session had ended at the backend {2}",
            "{1} messages came after their sessions had ended at the backend {2}",
        ),
        "number": (
            "{1} session got a wrong number from the backend {2}",
            "{1} sessions got wrong numbers from the backend {2}",
        ),
        "waits": (
            "{1} session waits, because the backend {2} does not take it now",
            "{1} sessions wait, because the backend {2} does not take them now",
        ),
    }
)


_ELSEWHERE: Final = (
    "SELECT DISTINCT name, cp_id, ownership.key, CASE WHEN tag_key IS NOT NULL THEN alias "
    "WHEN with_cards = 1 THEN ownership.id_tag ELSE other_cards END "
    # Signed values name the card itself.
    "|| CASE WHEN with_signed > with_cards THEN ' (' || ownership.id_tag || ')' ELSE '' END "
    "FROM ownership CROSS JOIN backend JOIN backend_cp ON backend_cp.backend_id = backend.id "
    "LEFT JOIN backend_card ON backend_card.backend_id = backend.id AND tag_key = ownership.key "
    "WHERE ownership.account_id = ? AND what = 'tag' AND voided_at IS NULL "
    "AND ownership.since <= ? AND coalesce(until, '9999') > ? "
    "AND removed_at IS NULL AND backend_cp.ended_at IS NULL ORDER BY name, ownership.key, cp_id"
)


def states(db: Database) -> list[CopyState]:
    """Return how each copy stands: none that is paused or removed."""
    return [CopyState(*row) for row in db.execute(_STATES).fetchall()]


def refused(db: Database) -> dict[str, int]:
    """Return how many messages each backend has refused so far, or got too late."""
    return dict(db.execute(_COUNTED).fetchall())


def problems(db: Database, now: datetime, names: Mapping[str, str]) -> list[CopyProblem]:
    """Return what is wrong with the backends. `names` are those of the chargers."""
    backends: dict[int, list[CopyState]] = {}
    for state in states(db):
        backends.setdefault(state.backend, []).append(state)

    found: list[CopyProblem] = []
    behind_at = stamp(now - BEHIND_FOR)
    for number, copies in backends.items():
        name, ends_at = copies[0].name, copies[0].certificate_ends_at
        late: dict[str, CopyState] = {}
        for copy in copies:
            if copy.behind_since is not None and copy.behind_since <= behind_at:
                late[names.get(copy.charger, copy.charger)] = copy
        if late:
            first = min(late.values(), key=lambda copy: copy.behind_since or "")
            words = Told("The backend {1} is behind with {2}", name, listed(late))
            if first.problem is not None:
                words = joined(": ", (words, of_stored(first.problem)))
            since = first.behind_since
            found.append(CopyProblem(f"{number} behind", name, words, since, len(late)))

        wanted = number, MOST, stamp(now - REFUSED_FOR), number, behind_at
        for kind, count, first_at in db.execute(_REFUSED, wanted).fetchall():
            one, many = _WORDS[kind]
            words = Told(one, count, name, many=many)
            found.append(CopyProblem(f"{number} {kind}", name, words, first_at, count))

        if ends_at is not None and ends_at < stamp(now + CERTIFICATE_FOR):
            template = N_("Our certificate at the backend {1} expired on {2}")
            if ends_at >= stamp(now):
                template = N_("Our certificate at the backend {1} expires on {2}")
            day = Day(date.fromisoformat(ends_at[:10]))
            found.append(CopyProblem(f"{number} certificate", name, Told(template, name, day)))
    return found


def told_elsewhere(db: Database, account: int, policy: Policy, at: str) -> dict[str, list[str]]:
    """Return the backends that are told of sessions of a household, each with what its cards are
    called there."""
    rows = rows_of(db)
    backends: dict[str, list[str]] = {}
    for backend, charger, card, called in rows(_ELSEWHERE, (account, at, at)):
        # Where its cards are refused, it has no sessions.
        if called is None or places.refusal(rows, policy, card, charger, None, at) is not None:
            continue
        cards = backends.setdefault(backend, [])
        if called not in cards:
            cards.append(called)
    return backends
