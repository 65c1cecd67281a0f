"""The stream of events: every fact as it is committed, and readings as they arrive (server-sent
events)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Final

import trio
from msgspec import Meta

from levity_trio.events import Fact
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import ClientInput, Endpoints, Request, Role, TypedRequest
from levity_trio.web.api.engine.lists import OfCharger
from levity_trio.web.api.engine.problems import busy, invalid
from levity_trio.web.api.engine.serving import EventStream, is_admitted
from levity_trio.web.feed import READING, EventFrame

ENDPOINTS: Final = Endpoints("events")

CLOSE: Final = 0.5
"""How alike a kind is to the one that was meant (difflib)."""
COMMENT_SECONDS: Final = 15.0
COMMENT: Final = b": waiting\n\n"
LONGEST_ID: Final = 18
KINDS: Final = sorted({kind.__name__ for kind in Fact.__subclasses__()})
"""The kinds of facts."""


class EventsQuery(ClientInput):
    charger: OfCharger = None
    kind: Annotated[str, Meta(description="Only of these kinds, separated by commas.")] | None = (
        None
    )


@ENDPOINTS.get("/api/events", Role.VIEWER, "too_many_streams", media_type="text/event-stream")
async def _stream(request: TypedRequest[EventsQuery, None]) -> EventStream:
    """Stream the facts as they are committed (server-sent events); Last-Event-ID resumes"""
    api = request.api
    if request.query.kind is not None:
        check_kinds("kind", request.query.kind.split(","), [*KINDS, READING])
    last = None
    text = request.headers.get("last-event-id")
    if text:
        if not text.isascii() or not text.isdecimal() or len(text) > LONGEST_ID:
            raise invalid("Last-Event-ID", Told("give the id of an event"))
        last = int(text)
    words = Told("all places of event streams are taken (--api-max-streams)")
    full = busy("too_many_streams", words, 10).response()
    return EventStream(partial(_frames, request, last), api.streams, request.caller, full)


def check_kinds(field: str, kinds: Iterable[str], known: Sequence[str]) -> None:
    """Raise the problem of a field that has a kind which is not known, with the names nearest to
    it."""
    of_lower = {name.lower(): name for name in known}
    for kind in kinds:
        if kind in known:
            continue
        nearest = get_close_matches(kind.lower(), of_lower, cutoff=CLOSE)
        hint = Told("see levity-trio help facts")
        if nearest:
            hint = Told("is it {1}?", " or ".join(of_lower[name] for name in nearest))
        shown = kind or Told("an empty text")
        raise invalid(field, Told("{1} is no kind of fact; {2}", shown, hint))


async def _frames(
    request: TypedRequest[EventsQuery, None], last: int | None
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the stream until the reader is too slow, its token or log-in ends, or the
    server stops."""
    feed = request.api.feed
    joined = await feed.join()
    begin = joined.position if last is None else min(last, joined.position)
    try:
        # At once, so that the head is sent.
        yield COMMENT
        async for frame in feed.past(begin, joined.position):
            if _is_wanted(request.query, frame):
                yield _bytes(request, frame)
        while is_admitted(request.api, request.caller):
            live: EventFrame | None = None
            with trio.move_on_after(COMMENT_SECONDS):
                live = await joined.frames.receive()
            if live is None:
                yield COMMENT
            elif _is_wanted(request.query, live):
                yield _bytes(request, live)
    except trio.EndOfChannel:
        # The feed drops a reader that is too slow.
        return
    finally:
        feed.leave(joined)


def _bytes(request: Request, frame: EventFrame) -> bytes:
    return frame.whole if request.sees_all else frame.anonymous


def _is_wanted(query: EventsQuery, frame: EventFrame) -> bool:
    if frame.kind == "gap":
        return True
    is_of_charger = query.charger is None or frame.charger == query.charger
    return is_of_charger and (query.kind is None or frame.kind in query.kind.split(","))
