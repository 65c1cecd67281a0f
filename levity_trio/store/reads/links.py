"""Links: the connections of chargers, and for how much of the time a charger was connected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sqlite_utils import Database

from levity_trio.charging.evidence import seconds
from levity_trio.store.reads.pages import Branch, Listing, Page, Wanted, given, read_page
from levity_trio.store.reads.shapes import Shape
from levity_trio.store.writes.sessions import SERVER_ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A connection. `is_end_known` is False if the server died first: it ended at some time before `ended_at`."""

    id: int
    charger: str
    remote_address: str
    target: str
    subprotocol: str | None
    connected_at: str
    ended_at: str | None
    is_end_known: bool
    close_code: int | None
    close_reason: str | None
    is_clock_trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Uptime:
    """How long a charger was connected between two times, in seconds.

    `unknown_seconds` of it lie in connections that ended at an unknown time, because the server died first. `share` is
    that of the time since the charger has been known.
    """

    charger: str
    since: str
    until: str
    links: int
    connected_seconds: int
    unknown_seconds: int
    share: float | None


_LINK: Final = Shape(Link, is_end_known=f"close_reason IS NOT '{SERVER_ENDED}'", is_clock_trusted="clock_trusted")
_WITHIN: Final = (
    "SELECT connected_at, coalesce(ended_at, ?2), close_reason IS ?3 FROM session"
    " WHERE cp_id = ?1 AND connected_at < ?2 ORDER BY id DESC"
)


def links(db: Database, charger: str | None, wanted: Wanted) -> Page[Link]:
    """Return a page of connections, the newest first. Raises NoPage."""
    return read_page(
        db, Listing([Branch("session", given(("cp_id = ?", charger)))]), wanted, _LINK.by_id(db, "session")
    )


def uptime(db: Database, charger: str, since: str, until: str) -> Uptime | None:
    """Return how long a charger was connected between two times; None if it is unknown. Connections may overlap."""
    db.execute("BEGIN")
    for (created_at,) in db.execute("SELECT created_at FROM cp WHERE id = ?", (charger,)).fetchall():
        found = list(_within(db, charger, since, until))
        connected, unknown = (
            _covered((begun, ended) for begun, ended, _ in found),
            _covered((begun, ended) for begun, ended, is_unknown in found if is_unknown),
        )
        span = seconds(until) - seconds(max(since, created_at))
        return Uptime(
            charger=charger,
            since=since,
            until=until,
            links=len(found),
            connected_seconds=round(connected),
            unknown_seconds=round(unknown),
            share=min(1.0, round(connected / span, 6)) if span > 0 else None,
        )
    return None


def _within(db: Database, charger: str, since: str, until: str) -> Iterator[tuple[str, str, bool]]:
    """Yield the connections that touch the time, backwards, cut to it.

    A connection begins after the previous one began, so the first that ended long before is not the last to look at:
    one that was replaced may end later. The table holds few enough to look at all.
    """
    for begun, ended, is_unknown in db.execute(_WITHIN, (charger, until, SERVER_ENDED)).fetchall():
        if ended > since:
            yield max(begun, since), min(ended, until), bool(is_unknown)


def _covered(spans: Iterable[tuple[str, str]]) -> float:
    """Return the seconds that lie in at least one of these spans."""
    covered, reached = 0.0, 0.0
    for begun, ended in sorted((seconds(begun), seconds(ended)) for begun, ended in spans):
        covered += max(0.0, ended - max(begun, reached))
        reached = max(reached, ended)
    return covered
