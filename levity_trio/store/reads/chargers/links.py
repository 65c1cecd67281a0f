"""Links: the connections of chargers, here and at other servers, and how much of the time a charger
was connected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

from levity_trio.charging.lifecycle import Cause
from levity_trio.charging.sent.evidence import seconds
from levity_trio.records import ForOperators, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import ListPage, WantedPage
from levity_trio.store.reads.shapes import Shape
from levity_trio.told import N_
from levity_trio.wire.times import shifted_stamp

ABNORMAL: Final = 1006
"""The close code of a connection that ended without one (RFC 6455 §7.4.1)."""
SERVER_ENDED: Final = Cause.SERVER_ENDED.value
"""The server ended without closing its sessions (kill -9, power loss), at an unknown time."""
STOPPING: Final = N_("the server is stopping")
OWN_REASONS: Final = N_(
    (
        *("the server ended", STOPPING, "replaced by a newer connection"),
        *(
            "the connection failed",
            "the database cannot be written",
            "this server was silent for too long",
        ),
        *("this charger is refused", "a trial of load management cuts this link for a few minutes"),
    )
)
"""Why this server ended connections. Another reason is the charger's."""
NO_OUTAGES: Final = (SERVER_ENDED, Cause.STOP_UNREADABLE.value)
"""Causes of a suspension other than the charger's absence."""


@record
class Link:
    """A connection. `is_end_known` is False if the server died first: it ended at some time before
    `ended_at`."""

    id: int
    charger: str
    remote_address: ForOperators[str | None]
    target: str
    subprotocol: str | None
    connected_at: str
    ended_at: str | None
    is_end_known: bool
    close_code: int | None
    close_reason: str | None
    is_clock_trusted: bool


@record
class Uptime:
    """How long a charger was connected between two times, in seconds.

    `unknown_seconds` of it lie in connections that ended at an unknown time, because the server
    died first. `share` is that of the time since the charger has been known.
    """

    charger: str
    since: str
    until: str
    links: int
    connected_seconds: int
    unknown_seconds: int
    share: float | None


_LINK: Final = Shape(
    Link, is_end_known=f"close_reason IS NOT '{SERVER_ENDED}'", is_clock_trusted="clock_trusted"
).with_own(OWN_REASONS, "close_reason")
_WITHIN: Final = (
    "SELECT connected_at, coalesce(ended_at, ?2), close_reason IS ?3 FROM session"
    " WHERE cp_id = ?1 AND connected_at < ?2 AND imported_from IS NULL ORDER BY id DESC"
)


def links(db: Database, charger: str | None, wanted: WantedPage) -> ListPage[Link]:
    """Return a page of connections, the newest first. Raises NoPage."""
    return _LINK.page(db, "session", charger, wanted, "imported_from IS NULL")


def uptimes(db: Database, charger: str | None, since: str, until: str) -> list[Uptime]:
    """Return how long a charger, or each visible one, was connected between two times. Connections
    may overlap."""
    which = "id NOT IN (SELECT id FROM hidden_cp)" if charger is None else "id = ?"
    known = db.execute(
        f"SELECT id, created_at FROM cp WHERE {which} ORDER BY id",  # noqa: S608 - our own words
        () if charger is None else (charger,),
    ).fetchall()
    found: list[Uptime] = []
    long_before = shifted_stamp(since, timedelta(days=-1))
    for one, created_at in known:
        # One that was replaced may end after the one that replaced it, but not a day later.
        links: list[tuple[str, str, int]] = []
        for begun, ended, is_unknown in db.execute(_WITHIN, (one, until, SERVER_ENDED)):
            if ended > since:
                links.append((max(begun, since), min(ended, until), is_unknown))
            elif ended < long_before:
                break
        connected = _covered((begun, ended) for begun, ended, _ in links)
        unknown = _covered((begun, ended) for begun, ended, is_unknown in links if is_unknown)
        span = seconds(until) - seconds(max(since, created_at))
        uptime = Uptime(
            charger=one,
            since=since,
            until=until,
            links=len(links),
            connected_seconds=round(connected),
            unknown_seconds=round(unknown),
            share=min(1.0, round(connected / span, 6)) if span > 0 else None,
        )
        found.append(uptime)
    return found


def _covered(spans: Iterable[tuple[str, str]]) -> float:
    """Return the seconds that lie in at least one of these spans."""
    covered, reached = 0.0, 0.0
    for begun, ended in sorted((seconds(begun), seconds(ended)) for begun, ended in spans):
        covered += max(0.0, ended - max(begun, reached))
        reached = max(reached, ended)
    return covered


_ELSEWHERE: Final = (
    "SELECT cp.id, session.id FROM cp "
    "JOIN session ON session.id = cp.session_id "
    "JOIN run ON run.id = session.run_id "
    "WHERE cp.is_connected = 1 AND session.ended_at IS NULL AND run.server <> ? "
    "ORDER BY cp.id"
)


def sessions_elsewhere(db: Database, server: str) -> Mapping[str, int]:
    """Return the sessions of chargers that are connected to servers other than this one, by
    charger."""
    return dict(db.execute(_ELSEWHERE, (server,)).fetchall())
