"""The stream of events: every fact as it is committed, and readings as they arrive (server-sent events)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import Annotated, Final

import msgspec
import trio

from levity_trio.web.api.access import is_admitted
from levity_trio.web.api.endpoints import Asked, Endpoints, Request, Role
from levity_trio.web.api.problems import busy, invalid
from levity_trio.web.feed import Frame
from levity_trio.web.streaming import EventStream

ENDPOINTS: Final = Endpoints("events")

COMMENT_SECONDS: Final = 15.0
COMMENT: Final = b": waiting\n\n"
LONGEST_ID: Final = 18


class EventsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which events."""

    charger: Annotated[str, msgspec.Meta(description="Only of this charger.")] | None = None
    kind: Annotated[str, msgspec.Meta(description="Only of these kinds, separated by commas.")] | None = None


@ENDPOINTS.get("/api/events", Role.VIEWER, "too_many_streams", media_type="text/event-stream")
async def _stream(asked: Asked[EventsQuery, None]) -> EventStream:
    """Stream the facts as they are committed (server-sent events); Last-Event-ID resumes"""
    words = "all places of event streams are taken (--api-max-streams)"
    full = busy("too_many_streams", words, 10).response()
    return EventStream(partial(_frames, asked, _last_id(asked)), asked.api.streams, full)


def _last_id(asked: Request) -> int | None:
    text = asked.headers.get("last-event-id")
    if text is None or text == "":
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > LONGEST_ID:
        raise invalid("Last-Event-ID", "give the id of an event")
    return int(text)


async def _frames(asked: Asked[EventsQuery, object], last: int | None) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the stream until the reader is too slow, its token or log-in ends, or the server stops."""
    feed = asked.api.feed
    joined = await feed.join()
    try:
        yield COMMENT  # so that the head is sent at once
        async for frame in feed.past(joined.position if last is None else min(last, joined.position), joined.position):
            if _is_wanted(asked.query, frame):
                yield _bytes(asked, frame)
        async for sent in _live(asked, joined.frames):
            yield sent
    finally:
        feed.leave(joined)


async def _live(asked: Asked[EventsQuery, object], frames: trio.MemoryReceiveChannel[Frame]) -> AsyncIterator[bytes]:
    while is_admitted(asked.api, asked.caller):
        frame = None
        try:
            with trio.move_on_after(COMMENT_SECONDS):
                frame = await frames.receive()
        except trio.EndOfChannel:  # too slow
            return
        if frame is None:
            yield COMMENT
        elif _is_wanted(asked.query, frame):
            yield _bytes(asked, frame)


def _bytes(asked: Request, frame: Frame) -> bytes:
    return frame.whole if asked.caller.role >= Role.OPERATOR else frame.anonymous


def _is_wanted(query: EventsQuery, frame: Frame) -> bool:
    if frame.kind == "gap":
        return True
    is_of_charger = query.charger is None or frame.charger == query.charger
    return is_of_charger and (query.kind is None or frame.kind in query.kind.split(","))
