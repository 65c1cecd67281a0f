"""The local lists of chargers, for those who watch them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from levity_trio.access.local_lists import ASKER, Known, Line, State, changes, plan
from levity_trio.access.tags import Policy
from levity_trio.records import ForOperators, copied, record
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups import local_lists as stored
from levity_trio.store.lookups.local_lists import Lists
from levity_trio.told import Told
from levity_trio.wire.times import stamp

OFF: Final = "off"
_EXCLUSIVE: Final = (
    "FROM ownership INDEXED BY ownership_exclusive WHERE is_exclusive = 1 AND voided_at IS NULL"
)
_OF_TAGS: Final = "FROM ownership WHERE what = 'tag' AND voided_at IS NULL"
_TURNS: Final = (
    "SELECT min(at) FROM (SELECT min(expires_at) AS at FROM tag INDEXED BY tag_key"  # noqa: S608 - our own words
    " WHERE ended_at IS NULL AND status = 'Accepted' AND expires_at > ?1"
    " UNION ALL SELECT min(until) FROM month_standing WHERE reached_at IS NOT NULL AND until > ?1"
    f" UNION ALL SELECT min(since) {_EXCLUSIVE} AND since > ?1"
    f" UNION ALL SELECT min(until) {_EXCLUSIVE} AND until > ?1"
    f" UNION ALL SELECT min(since) {_OF_TAGS} AND since > ?1"
    f" UNION ALL SELECT min(until) {_OF_TAGS} AND until > ?1) AS turns"
)
_UNDER_WAY: Final = (
    "SELECT 1 FROM command "
    "WHERE cp_id = ? AND state = 'queued' AND (asked_by = ? OR action = 'SendLocalList') "
    "UNION ALL SELECT 1 FROM command "
    "WHERE cp_id = ? AND state = 'sent' AND (asked_by = ? OR action = 'SendLocalList')"
)
_PAUSED: Final = (
    "SELECT paused_at, paused_by, paused_command_id FROM local_list_kept WHERE cp_id = ?"
)


@record
class LocalListStatus:
    """The local list of a charger, as it is kept.

    `state` is up to date, sending, waiting (for the charger), too long (`left_out` tags have no
    room), paused (a list was sent by hand), not supported, failing, or off. `version` is that of
    its list as far as it is known, `entries` is how many tags it should have, `behind` how many of
    them it may not have as they should be.
    """

    charger: str
    state: str
    words: str
    version: int | None
    entries: int
    left_out: int
    behind: int
    told_at: str | None
    failures: int
    failing_since: str | None
    retry_at: str | None
    problem: str | None
    paused_at: str | None
    paused_by: ForOperators[str | None]
    paused_command: int | None


@record
class LeftOutTag:
    """A tag for which a charger's list has no room."""

    id_tag: str
    status: str


def next_turn(db: Database, at: str) -> str | None:
    """Return when time alone changes the lists: a tag expires, or comes to or from an account."""
    ((turn,),) = db.execute(_TURNS, (at,)).fetchall()
    return None if turn is None else str(turn)


def statuses(
    db: Database,
    charger: str | None,
    policy: Policy,
    now: datetime,
    open_lines: Collection[str],
    *,
    is_on: bool,
) -> list[LocalListStatus]:
    """Return how the local lists are, of one charger or of all visible ones."""
    every = "SELECT id FROM cp WHERE id NOT IN (SELECT id FROM hidden_cp) ORDER BY id"
    chargers = [one for (one,) in db.execute(every).fetchall()] if charger is None else [charger]
    rows = rows_of(db)
    lists, found = Lists(rows, policy, stamp(now)), list[LocalListStatus]()
    for one in chargers:
        known, limits = stored.known(rows, one) or Known(), stored.limits(rows, one)
        want = lists.of(one, limits.in_all)
        line = Line(
            is_open=one in open_lines,
            is_busy=bool(rows(_UNDER_WAY, (one, ASKER, one, ASKER))),
            has_told_limits=limits.are_told,
            lacks_profile=limits.lacks_profile,
            booted_at=stored.booted_at(rows, one),
        )
        state = plan(known, want, line, now).state.value if is_on else OFF
        paused_at, paused_by, paused_command = next(iter(rows(_PAUSED, (one,))), [None] * 3)
        times = known.told_at, known.failing_since, known.retry_at if known.failures else None
        told_at, failing_since, retry_at = (at and stamp(at) for at in times)
        status = copied(
            LocalListStatus,
            known,
            charger=one,
            state=state,
            words=_words(state, known, len(want.left_out)),
            entries=len(want.content),
            left_out=len(want.left_out),
            behind=len(changes(known.content or {}, want.content)),
            told_at=told_at,
            failing_since=failing_since,
            retry_at=retry_at,
            paused_at=paused_at,
            paused_by=paused_by,
            paused_command=paused_command,
        )
        found.append(status)
    return found


_WORDS: Final = {
    State.UP_TO_DATE: Told("the charger has the list"),
    State.SENDING: Told("the list is on its way"),
    State.WAITING: Told("the list is sent when the charger is connected and adopted"),
    State.PAUSED: Told("a list was sent by hand; the list is kept again after `local-list resume`"),
    State.NOT_SUPPORTED: Told(
        "the charger keeps no list: without us it knows only the cards of its cache"
    ),
    OFF: Told("local lists are not kept (--local-list off)"),
}


def _words(state: str, known: Known, left_out: int) -> str:
    if state == State.FAILING:
        return Told("the charger does not take the list: {1}", known.problem or "")
    if state == State.TOO_LONG:
        return Told(
            "the charger has no room for {1} card; without us it is unknown to it",
            left_out,
            many="the charger has no room for {1} cards; without us they are unknown to it",
        )
    return _WORDS[state]


def left_out(db: Database, charger: str, policy: Policy, at: str) -> list[LeftOutTag]:
    """Return the tags for which a charger has no room."""
    rows = rows_of(db)
    want = Lists(rows, policy, at).of(charger, stored.limits(rows, charger).in_all)
    return [
        LeftOutTag(id_tag=one["idTag"], status=one["idTagInfo"]["status"]) for one in want.left_out
    ]
