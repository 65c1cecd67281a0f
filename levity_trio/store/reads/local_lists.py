"""The local lists of chargers, for those who watch them, and the tags that are not in the lists as they should be."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from levity_trio.access.local_lists import ASKER, Known, Line, State, plan
from levity_trio.access.places import ACCOUNT, TAG, Card, Places, card, refusal
from levity_trio.access.tags import Policy
from levity_trio.records import record
from levity_trio.store import local_lists as stored
from levity_trio.store import places
from levity_trio.store.connectors import Rows
from levity_trio.store.engine.database import Database
from levity_trio.store.local_lists import Source
from levity_trio.store.reads.pages import Branch, Condition, Listing, ListPage, Wanted, read_page
from levity_trio.store.reads.shapes import Shape, rows_of

OFF: Final = "off"
_NOW: Final = (
    "CASE WHEN tag.status <> 'Accepted' THEN tag.status WHEN tag.expires_at <= ?1 THEN 'Expired'"
    f" WHEN tag.key IN ({places.WITHHELD_KEYS}) THEN 'Blocked' ELSE tag.status END"
)
_CHANGED: Final = (
    "SELECT lower(trim(tag.id_tag)) FROM tag LEFT JOIN listed_tag AS listed"  # noqa: S608 - our own words
    " ON listed.tag = lower(trim(tag.id_tag))"
    " WHERE tag.ended_at IS NULL AND (listed.tag IS NULL OR listed.id_tag <> tag.id_tag"
    f" OR listed.status IS NOT {_NOW} OR listed.expires_at IS NOT tag.expires_at"
    f" OR listed.parent_id_tag IS NOT {places.PARENT})"
)
_REMOVED: Final = (
    "SELECT tag FROM listed_tag WHERE status IS NOT NULL"
    " EXCEPT SELECT lower(trim(id_tag)) FROM tag WHERE ended_at IS NULL"
)
_REFUSED: Final = "SELECT listed_id FROM listed_refusal WHERE cp_id = ? AND is_refused = 1"
_KEPT: Final = "SELECT cp_id, listed_id FROM listed_refusal WHERE is_refused = 1"
_LISTED: Final = (
    "SELECT listed_tag.id, key FROM tag JOIN listed_tag ON listed_tag.tag = lower(trim(tag.id_tag))"
    " WHERE ended_at IS NULL AND listed_tag.status IS NOT NULL"
)
_OWNED: Final = (
    "SELECT key, account_id, since, coalesce(until, '9999') FROM ownership WHERE what = 'tag' AND voided_at IS NULL"
)
_EXCLUSIVE: Final = "FROM ownership INDEXED BY ownership_exclusive WHERE is_exclusive = 1 AND voided_at IS NULL"
_OF_TAGS: Final = "FROM ownership WHERE what = 'tag' AND voided_at IS NULL"
_TURNS: Final = (
    "SELECT min(at) FROM (SELECT min(expires_at) AS at FROM listed_tag"  # noqa: S608 - our own words
    " WHERE status = 'Accepted' AND expires_at IS NOT NULL"
    " UNION ALL SELECT min(until) FROM month_standing WHERE reached_at IS NOT NULL AND until > ?1"
    f" UNION ALL SELECT min(since) {_EXCLUSIVE} AND since > ?1"
    f" UNION ALL SELECT min(until) {_EXCLUSIVE} AND until > ?1"
    f" UNION ALL SELECT min(since) {_OF_TAGS} AND since > ?1"
    f" UNION ALL SELECT min(until) {_OF_TAGS} AND until > ?1) AS turns"
)
_UNDER_WAY: Final = (
    "SELECT 1 FROM command WHERE cp_id = ? AND state = 'queued' AND (asked_by = ? OR action = 'SendLocalList')"
    " UNION ALL SELECT 1 FROM command WHERE cp_id = ? AND state = 'sent' AND (asked_by = ? OR action = 'SendLocalList')"
)
_PAUSED: Final = "SELECT paused_at, paused_by, paused_command_id FROM local_list_upkeep WHERE cp_id = ?"


@record
class LocalListStatus:
    """The local list of a charger, as it is kept.

    `state` is up to date, sending, waiting (for the charger), too long (`left_out` tags have no room), paused (a list
    was sent by hand), not supported, failing, or off. `version` is that of its list as far as it is known, `entries` is
    how many tags it should have, `behind` how many of them it may not have as they should be.
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
    paused_by: str | None
    paused_command: int | None


@record
class LeftOutTag:
    """A tag for which a charger's list has no room."""

    id_tag: str
    status: str


def tags_to_renew(db: Database, at: str) -> list[str]:
    """Return the tags that are listed otherwise than they should be at this time, in lower case."""
    db.execute("BEGIN")
    found = [*sorted(db.execute(_REMOVED)), *sorted(db.execute(_CHANGED, (at,)))]  # first those that make room
    return [tag for (tag,) in found]


def refusals_to_renew(db: Database, policy: Policy, at: str) -> list[tuple[str, int]]:
    """Return the tags, by their rows in the lists, that are listed at a charger as if they might charge there and may
    not, or the other way round."""
    db.execute("BEGIN")
    rows = rows_of(db)
    return sorted({*rows(_KEPT, ())} ^ {*_refused(rows, policy, at)})


def _refused(rows: Rows, policy: Policy, at: str) -> Iterator[tuple[str, int]]:
    """Yield which tags may charge nowhere at which chargers."""
    known = Places()
    known.load(places.spaces(rows), places.connectors(rows), places.limits(rows))
    if known.are_for_all:
        return
    now, given = dict[str, int](), set[str]()
    for key, account, since, until in rows(_OWNED, ()):
        given.add(key)
        if since <= at < until:
            now[key] = account
    cards = [
        (number, _card(known, key, now.get(key), is_given=key in given))
        for number, key in rows(_LISTED, ())
        if not policy.is_own(key)
    ]
    for (charger,) in rows("SELECT id FROM cp", ()):
        accounts = known.admitted(charger, None, at)
        yield from ((charger, number) for number, one in cards if refusal(one, charger, accounts) is not None)


def _card(known: Places, key: str, account: int | None, *, is_given: bool) -> Card:
    own, of_account = known.limit(TAG, key), known.limit(ACCOUNT, account)
    return card(account, own, of_account, is_known=True, is_given=is_given)


def next_turn(db: Database, at: str) -> str | None:
    """Return when time alone changes the lists: a tag expires, or comes to or from an account."""
    ((turn,),) = db.execute(_TURNS, (at,)).fetchall()
    return None if turn is None else str(turn)


def statuses(
    db: Database, charger: str | None, now: datetime, open_lines: Collection[str], *, is_on: bool
) -> list[LocalListStatus]:
    """Return how the local lists are, of one charger or of all visible ones."""
    db.execute("BEGIN")
    every = "SELECT id FROM cp WHERE id NOT IN (SELECT id FROM hidden_cp) ORDER BY id"
    chargers = [one for (one,) in db.execute(every).fetchall()] if charger is None else [charger]
    return [_status(rows_of(db), one, now, is_open=one in open_lines, is_on=is_on) for one in chargers]


def _status(rows: Rows, charger: str, now: datetime, *, is_open: bool, is_on: bool) -> LocalListStatus:
    known, limits, listed = stored.known(rows, charger) or Known(), stored.limits(rows, charger), Source(rows, charger)
    want = stored.wanted(listed, limits.in_all)
    want = replace(want, changes=stored.changes(listed, known.content, want))
    line = Line(
        is_open=is_open,
        is_busy=bool(rows(_UNDER_WAY, (charger, ASKER, charger, ASKER))),
        has_told_limits=limits.are_told,
        booted_at=stored.booted_at(rows, charger),
    )
    state = plan(known, want, line, now).state.value if is_on else OFF
    columns = stored.columns(known)
    paused_at, paused_by, paused_command = next(iter(rows(_PAUSED, (charger,))), (None, None, None))
    return LocalListStatus(
        charger=charger,
        state=state,
        words=_words(state, known, want.left_out),
        version=known.version,
        entries=want.entries,
        left_out=want.left_out,
        behind=stored.behind(listed, known.content, want),
        told_at=_text(columns["told_at"]),
        failures=known.failures,
        failing_since=_text(columns["failing_since"]),
        retry_at=_text(columns["retry_at"]) if known.failures else None,
        problem=known.problem,
        paused_at=paused_at,
        paused_by=paused_by,
        paused_command=paused_command,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


_WORDS: Final = {
    State.UP_TO_DATE: "the charger has the list",
    State.SENDING: "the list is on its way",
    State.WAITING: "the list is sent when the charger is connected and adopted",
    State.PAUSED: "a list was sent by hand; the list is kept again after `local-list resume`",
    State.NOT_SUPPORTED: "the charger keeps no list: without us it knows only the tags of its cache",
    OFF: "local lists are not kept (--local-list off)",
}


def _words(state: str, known: Known, left_out: int) -> str:
    if state == State.FAILING:
        return f"the charger does not take the list: {known.problem}"
    if state == State.TOO_LONG:
        return f"the charger has no room for {left_out} tags; without us they are unknown to it"
    return _WORDS[state]


_LEFT_OUT: Final = Shape(LeftOutTag)


def left_out(db: Database, charger: str, wanted: Wanted) -> ListPage[LeftOutTag]:
    """Return a page of the tags for which a charger has no room. Raises NoPage."""
    db.execute("BEGIN")
    rows = rows_of(db)
    end = stored.wanted(Source(rows, charger), stored.limits(rows, charger).in_all).content.upto
    rank = f"CASE WHEN id IN ({_REFUSED}) THEN 1 ELSE rank END"
    branch = Branch("listed_tag", [Condition(f"status IS NOT NULL AND ({rank}, id) > (?, ?)", (charger, *end))])
    listing = Listing([branch], order=("rank", "id"), is_newest_first=False)
    return read_page(db, listing, wanted, _LEFT_OUT.by_id(db, "listed_tag"))
