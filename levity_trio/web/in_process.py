"""Requests of the API from inside the process: by pages on behalf of whoever reads them, by
plug-ins as a token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode

import orjson
import trio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from levity_trio.log.output import get_logger
from levity_trio.records import record
from levity_trio.web.api.engine.endpoints import ApiParts, Caller
from levity_trio.web.api.engine.serving import CALLER, HAS_PLACE, Door, Doorway
from levity_trio.web.http.texts import decoded, marking

JSON: Final = "application/json"
WHOLE: Final[Mapping[str, str]] = {"version": "3.0", "spec_version": "2.4"}
"""The ASGI versions for an answer that is taken whole: nobody need listen for its client to
leave."""
NOTHING: Final[Mapping[str, Any]] = {}

log = get_logger("system")


@record
class Question:
    """A request to be asked. `receive` yields its body, if that is streamed."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    receive: Receive | None = None
    asgi: Mapping[str, str] = field(default_factory=lambda: WHOLE)
    """What the server of a streamed answer speaks."""
    has_place: bool = False
    """Whether the page that asks holds a place among the requests at work."""


@dataclass(slots=True)
class Reply:
    """What the API answered."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    mark: str = ""
    """The mark before each text of the body that is there as data."""

    @property
    def content(self) -> Any:
        """The JSON of the body, None if it is empty: that of a problem, if the status is 400 or
        above."""
        if not self.body:
            return None
        content = orjson.loads(self.body)
        if self.mark and self.mark.encode() in self.body:
            return decoded(content, self.mark)
        return content

    async def take(self, message: Message) -> None:
        """Take a part of the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {
                name.decode(): value.decode("latin-1") for name, value in message["headers"]
            }
        else:
            self.body += message.get("body", b"")


async def ask(app: ASGIApp, caller: Caller, question: Question) -> Reply:
    """Return what the API answers. An exception of the API is one of the page's."""
    with marking() as mark:
        reply = Reply(mark=mark)
        await hand_on(app, caller, question, reply.take)
    return reply


async def hand_on(app: ASGIApp, caller: Caller, question: Question, send: Send) -> None:
    """Send what the API answers, part by part: a file."""
    scope = {**_scope(caller.address, question), CALLER: caller}
    await app(scope, _receive(question), send)


def _scope(address: str, question: Question) -> Scope:
    parameters: dict[str, str] = {}
    for name, value in question.query.items():
        if value not in (None, ""):
            text = str(value)
            parameters[name] = text.lower() if isinstance(value, bool) else text
    headers = {"content-type": JSON, **question.headers}
    return {
        "type": "http",
        "asgi": question.asgi,
        "http_version": "1.1",
        "method": question.method,
        "scheme": "http",
        "path": question.path,
        "raw_path": question.path.encode(),
        "root_path": "",
        "query_string": urlencode(parameters).encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": (address, 0),
        "server": None,
        HAS_PLACE: question.has_place,
    }


def _receive(question: Question) -> Receive:
    """Return what yields a body, and after it nothing: a streamed answer waits meanwhile for its
    client to leave."""
    parts = iter((question.body,))

    async def receive() -> Message:
        for part in parts:
            return {"type": "http.request", "body": part, "more_body": False}
        return await trio.sleep_forever()

    return question.receive or receive


# Plug-ins


class ApiOpening:
    """The API, once it is open."""

    def __init__(self) -> None:
        self._done = trio.Event()
        self._inner: tuple[ASGIApp, ApiParts] | None = None

    def finish(self, app: ASGIApp, api: ApiParts) -> None:
        """Let requests reach the API from now on."""
        self._inner = app, api
        self._done.set()

    async def doorway(self, door: Door) -> Doorway:
        """Wait until the API is open, and return what leads into it through a door."""
        await self._done.wait()
        assert self._inner is not None  # noqa: S101 - it is set with the event
        return Doorway(*self._inner, door)


@record
class ApiOfPlugins:
    """The API for plug-ins, which open before it does; see levity_trio.plugins.base.Api."""

    opening: ApiOpening = field(default_factory=ApiOpening)
    address: str = "plug-in"

    def of(self, plugin: str) -> ApiOfPlugins:
        return replace(self, address=f"plug-in {plugin}")

    async def ask(
        self,
        token: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] = NOTHING,
        headers: Mapping[str, str] = NOTHING,
    ) -> Reply:
        sent = b"" if body is None else orjson.dumps(body)
        question = Question(method=method, path=path, query=query, body=sent, headers=headers)
        reply = Reply()
        doorway = await self.opening.doorway(Door(token=token))
        scope = _scope(self.address, question)
        try:
            await doorway(scope, _receive(question), reply.take)
        except Exception:
            # The reply says so: 500.
            log.exception(
                "a request of a plug-in failed", asked_by=self.address, method=method, path=path
            )
        return reply
