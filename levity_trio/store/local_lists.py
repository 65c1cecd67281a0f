"""The local lists as stored: what is known of a charger's list, what it should be, and the difference.

Used by writes, which decide, and by reads, which show.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from levity_trio.access.local_lists import BEGIN, END, Content, Known, Listed, Place, Sent, Wanted, entry
from levity_trio.store.connectors import Rows
from levity_trio.wire.times import stamp

_UPKEEP: Final = (
    "SELECT version, revision, upto_rank, upto_id, highest_version, is_verified, told_at, limits_asked_at,"
    " sent_version, sent_revision, sent_upto_rank, sent_upto_id, failures, failing_since, retry_at, problem, paused_at"
    " FROM local_list_upkeep WHERE cp_id = ?"
)
_LIMIT: Final = "SELECT value, is_known FROM configuration WHERE cp_id = ? AND key = ? ORDER BY id DESC LIMIT 1"
_COLUMNS: Final = "tag, rank, id, id_tag, status, expires_at, parent_id_tag, first_revision, revision"
_AT_CHARGER: Final = (
    "(SELECT tag, CASE is_refused WHEN 1 THEN 1 ELSE rank END AS rank, id, id_tag, CASE WHEN is_refused = 1"
    " AND status = 'Accepted' THEN 'Invalid' ELSE status END AS status, expires_at, parent_id_tag, first_revision,"
    " CASE WHEN listed_refusal.revision > listed_tag.revision THEN listed_refusal.revision"
    " ELSE listed_tag.revision END AS revision"
    " FROM listed_tag LEFT JOIN listed_refusal ON cp_id = ? AND listed_id = id) AS listed_tag"
)
_BETWEEN: Final = "status IS NOT NULL AND (rank, id) > (?, ?) AND (rank, id) <= (?, ?)"
LONGEST_LIMIT: Final = 9
"""Digits of a limit; a charger that tells a longer number has none that matters."""


class Limits(NamedTuple):
    """How many entries a charger takes in one message and in all, None if it has not told; and whether it was asked."""

    at_once: int | None
    in_all: int | None
    are_told: bool


class Part(NamedTuple):
    """Entries of one message by tag, and what the charger has after it."""

    entries: dict[str, Any]
    content: Content
    is_full: bool


def known(rows: Rows, charger: str) -> Known | None:
    """Return what is known of the list of a charger, None if it was never looked after."""
    kept = rows(_UPKEEP, (charger,))
    if not kept:
        return None
    version, *content, highest, is_verified, told_at, limits_asked_at = kept[0][:8]
    sent_version, *sent, failures, failing_since, retry_at, problem, paused_at = kept[0][8:]
    return Known(
        version=version,
        content=_content(*content),
        highest=highest,
        is_verified=bool(is_verified),
        told_at=_moment(told_at),
        limits_asked_at=_moment(limits_asked_at),
        sent=None if sent_version is None else Sent(sent_version, Content(sent[0], Place(*sent[1:]))),
        failures=failures,
        failing_since=_moment(failing_since),
        retry_at=_moment(retry_at),
        problem=problem,
        is_paused=paused_at is not None,
    )


def _content(revision: int | None, rank: int, tag: int) -> Content | None:
    return None if revision is None else Content(revision, Place(rank, tag))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def columns(known: Known) -> dict[str, object]:
    """Return what is known as the columns of the table."""
    content, sent = known.content, known.sent
    return {
        "version": known.version,
        "revision": content and content.revision,
        "upto_rank": content and content.upto.rank,
        "upto_id": content and content.upto.tag,
        "highest_version": known.highest,
        "is_verified": known.is_verified,
        "told_at": known.told_at and stamp(known.told_at),
        "limits_asked_at": known.limits_asked_at and stamp(known.limits_asked_at),
        "sent_version": sent and sent.version,
        "sent_revision": sent and sent.content.revision,
        "sent_upto_rank": sent and sent.content.upto.rank,
        "sent_upto_id": sent and sent.content.upto.tag,
        "failures": known.failures,
        "failing_since": known.failing_since and stamp(known.failing_since),
        "retry_at": known.retry_at and stamp(known.retry_at),
        "problem": known.problem,
    }


def limits(rows: Rows, charger: str) -> Limits:
    """Return the limits that a charger has told."""
    at_once, in_all = (rows(_LIMIT, (charger, key)) for key in ("SendLocalListMaxLength", "LocalAuthListMaxLength"))
    return Limits(_number(at_once), _number(in_all), bool(at_once or in_all))


def _number(found: Sequence[tuple[Any, ...]]) -> int | None:
    text = (found[0][0] or "").strip() if found and found[0][1] else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST_LIMIT else None


def booted_at(rows: Rows, charger: str) -> datetime | None:
    """Return when a charger last booted."""
    found = rows("SELECT received_at FROM boot WHERE cp_id = ? ORDER BY received_at DESC LIMIT 1", (charger,))
    return _moment(found[0][0]) if found else None


class Source:
    """The tags as one charger should list them: Invalid where they may not charge there, and then behind all others."""

    def __init__(self, rows: Rows, charger: str) -> None:
        self._rows = rows
        refuses = bool(rows("SELECT 1 FROM listed_refusal WHERE cp_id = ? LIMIT 1", (charger,)))
        self._from = _AT_CHARGER if refuses else "listed_tag"
        self._values: tuple[object, ...] = (charger,) if refuses else ()

    def __call__(self, columns: str, rest: str = "", values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return columns of the tags; `rest` follows the source in the statement."""
        sql = f"SELECT {columns} FROM {self._from} {rest}"  # noqa: S608 - our own words
        return self._rows(sql, (*self._values, *values))

    def changed(self, revision: int, most: int) -> int:
        """Count the tags that have changed since a revision, at most so many."""
        some = f"SELECT 1 FROM {self._from} WHERE revision > ? LIMIT ?"  # noqa: S608 - our own words
        found = self._rows(f"SELECT count(*) FROM ({some}) AS one", (*self._values, revision, most))  # noqa: S608
        return int(found[0][0])


def wanted(listed: Source, in_all: int | None) -> Wanted:
    """Return the list for a charger with room for `in_all` entries (None: any number)."""
    revision = listed("coalesce(max(revision), 0)")[0][0]
    total = listed("count(*)", "WHERE status IS NOT NULL")[0][0]
    if in_all is None or total <= in_all:
        return Wanted(Content(revision, END), total)
    return Wanted(Content(revision, _place_of(listed, in_all)), in_all, total - in_all)


def changes(listed: Source, have: Content | None, want: Wanted) -> int:
    """Count the tags that have changed since the list of a charger, as far as a full list is not shorter."""
    if have is None or have.revision == want.content.revision:
        return 0
    return listed.changed(have.revision, want.entries + 1)


def behind(listed: Source, have: Content | None, want: Wanted) -> int:
    """Count the tags that a charger does not have as they should be."""
    if have is None:
        return want.entries
    return int(listed("count(*)", f"WHERE {_BETWEEN}", (*have.upto, *want.content.upto))[0][0]) + want.changes


def _place_of(listed: Source, number: int) -> Place:
    """Return the place of the n-th tag."""
    if number == 0:
        return BEGIN
    nth = "WHERE status IS NOT NULL ORDER BY rank, id LIMIT 1 OFFSET ?"
    return Place(*listed("rank, id", nth, (number - 1,))[0])


class _Tag(NamedTuple):
    tag: str
    place: Place
    listed: Listed
    first_revision: int
    revision: int


def _tags(listed: Source, condition: str, *values: object) -> list[_Tag]:
    found = listed(_COLUMNS, f"WHERE {condition}", values)
    return [_Tag(row[0], Place(*row[1:3]), Listed(*row[3:7]), *row[7:]) for row in found]


def full(listed: Source, want: Content, most: int) -> Part:
    """Return the first entries of the whole list."""
    entries: dict[str, Any] = {}
    upto = _extend(listed, BEGIN, want, most, entries)
    return Part(entries, Content(want.revision, upto), is_full=True)


def difference(listed: Source, have: Content, want: Content, most: int) -> Part:
    """Return at most so many of the entries that make the one list out of the other.

    Tags beyond the end of the wanted list go first, to make room; if they are too many, a full list takes their place.
    Then come those that changed, in the order of their changes, and last those that are to be added at its end.
    """
    entries: dict[str, Any] = {}
    upto, revision = min(have.upto, want.upto), have.revision
    beyond = _beyond(listed, have, upto, most + 1)
    if len(beyond) > most:
        return full(listed, want, most)
    entries.update((one.tag, _deleted(one)) for one in beyond)
    if len(entries) < most:
        revision = _change(listed, have, Content(want.revision, upto), most, entries)
    if len(entries) < most and revision == want.revision and upto < want.upto:
        upto = _extend(listed, upto, want, most, entries)
    return Part(entries, Content(revision, upto), is_full=False)


def _beyond(listed: Source, have: Content, end: Place, most: int) -> list[_Tag]:
    """Return tags of the list that are beyond its new end.

    Those that have changed since may have another place now. At best they were where a tag that may charge is.
    """
    if end == have.upto:
        return []
    same = _tags(listed, f"revision <= ? AND {_BETWEEN} LIMIT ?", have.revision, *end, *have.upto, most)
    changed = "revision > ? AND first_revision <= ? AND (0, id) > (?, ?) AND (0, id) <= (?, ?) LIMIT ?"
    return [*same, *_tags(listed, changed, have.revision, have.revision, *end, *have.upto, most)]


def _change(listed: Source, have: Content, want: Content, most: int, entries: dict[str, Any]) -> int:
    """Add the next changes; return the revision up to which they are.

    A tag may have been in the list only if it existed at its revision, and was at best before its end.
    """
    room = most - len(entries)
    tags = _tags(listed, "revision > ? ORDER BY revision LIMIT ?", have.revision, room)
    for tag in tags:
        if tag.listed.status is not None and tag.place <= want.upto:
            entries[tag.tag] = entry(tag.listed)
        elif tag.first_revision <= have.revision and Place(0, tag.place.tag) <= have.upto:
            entries[tag.tag] = _deleted(tag)
    return want.revision if len(tags) < room else tags[-1].revision


def _extend(listed: Source, upto: Place, want: Content, most: int, entries: dict[str, Any]) -> Place:
    """Add tags at the end of the list; return its new end."""
    room = most - len(entries)
    found = _tags(listed, f"{_BETWEEN} ORDER BY rank, id LIMIT ?", *upto, *want.upto, room)
    entries.update({one.tag: entry(one.listed) for one in found})
    return want.upto if len(found) < room else found[-1].place


def _deleted(one: _Tag) -> dict[str, Any]:
    return entry(one.listed._replace(status=None))
