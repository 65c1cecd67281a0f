"""The frame log."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import DEFAULT_ROWS, ListPage
from levity_trio.store.reads.site.logged import FrameFilters, LogEntry, frames
from levity_trio.web.api.engine.endpoints import ClientInput, Endpoints, Role, Server, TypedRequest
from levity_trio.web.api.engine.lists import Before, Limit, OfCharger, Since, ago, moment, page

ENDPOINTS: Final = Endpoints("logs")

FILTERED_DAYS: Final = 1
"""How far back a filter looks without `from`: the log has no index but the time."""


class LogsQuery(ClientInput, rename={"since": "from", "before": "to"}):
    """What is asked for.

    - action: Only calls with this action, and the responses to them.
    - direction: Only received, sent, or of connections.
    - message_id: A charger's own with its quotes, as in its frame.
    - text: Only frames that contain it.
    """

    charger: OfCharger = None
    action: str | None = None
    direction: Literal["recv", "send", "connect", "disconnect", "refuse"] | None = None
    message_id: str | None = None
    text: Annotated[str, Meta(max_length=200)] | None = None
    since: Since = None
    before: Before = None
    limit: Limit = DEFAULT_ROWS
    cursor: str | None = None


@ENDPOINTS.get("/api/logs", Role.OPERATOR)
async def list_frames(request: TypedRequest[LogsQuery, None]) -> ListPage[LogEntry]:
    """List the frames exchanged with chargers, the newest first. A filter needs a time, and a page
    may be empty without being the last: go on while there is a next_cursor.
    """
    return await page(request, read_frames, server=request.api, query=request.query)


def read_frames(db: Database, server: Server, query: LogsQuery) -> ListPage[LogEntry]:
    """Return a page of frames. Raises NoPage, Problem."""
    wanted = query.charger, query.action, query.direction, query.message_id, query.text
    since = moment(query.since, "from")
    if since is None and any(wanted):
        since = ago(server, FILTERED_DAYS)
    filters = FrameFilters(*wanted, since, moment(query.before, "to"))
    return frames(db, filters, query.limit, query.cursor)
