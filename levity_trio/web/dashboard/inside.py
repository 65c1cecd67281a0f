"""Requests of the API from inside the process, on behalf of whoever reads a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import orjson
import trio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from levity_trio.locale import said
from levity_trio.records import record
from levity_trio.refusals import plain_words
from levity_trio.web.api.endpoints import Caller
from levity_trio.web.api.serving import CALLER, HAS_PLACE
from levity_trio.web.dashboard.fields import label_of
from levity_trio.web.dashboard.saying import in_words, sentence, with_commas

JSON: Final = "application/json"
WHOLE_BODY: Final = "body"
"""As the field of a problem: none of them alone."""
WHOLE: Final[Mapping[str, str]] = {"version": "3.0", "spec_version": "2.4"}
"""For an answer that is taken whole: nobody need listen for its client to leave."""


class Refused(Exception):
    """The API refused a request: its problem document."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(str(document.get("detail", "")))
        self.status = status
        self.document = document

    @property
    def code(self) -> str:
        return str(self.document.get("code", ""))

    @property
    def field(self) -> str:
        """The field that the problem is about, "" if it is about none."""
        return str(self.document.get("field", ""))

    @property
    def told(self) -> str:
        """What the API says about it, without the name of the field."""
        return str(self).removeprefix(f"{self.field}: ")

    @property
    def words(self) -> str:
        """What to do about it, in plain words, without the name of the field."""
        return in_words(with_commas(said(plain_words(self.told))))

    @property
    def labelled(self) -> str:
        """What to do about it, with the field in words."""
        return self.words if self.field in ("", WHOLE_BODY) else f"{label_of(self.field)}: {self.words}"

    @property
    def sentence(self) -> str:
        """What to do about it, with the field in words, as a sentence."""
        return sentence(self.labelled)


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

    @property
    def content(self) -> Any:
        """The JSON of the body, None if it is empty. Raises Refused."""
        content = orjson.loads(self.body) if self.body else None
        if self.status >= HTTPStatus.BAD_REQUEST:
            raise Refused(self.status, content or {})
        return content

    async def take(self, message: Message) -> None:
        """Take a part of the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")


async def ask(app: ASGIApp, caller: Caller, question: Question) -> Reply:
    """Return what the API answers. An exception of the API is one of the page's."""
    reply = Reply()
    await hand_on(app, caller, question, reply.take)
    return reply


async def hand_on(app: ASGIApp, caller: Caller, question: Question, send: Send) -> None:
    """Send what the API answers, part by part: a file."""
    await app(_scope(caller, question), question.receive or _body(question.body), send)


def _scope(caller: Caller, question: Question) -> Scope:
    parameters = {name: _text(value) for name, value in question.query.items() if value not in (None, "")}
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
        "client": (caller.address, 0),
        "server": None,
        CALLER: caller,
        HAS_PLACE: question.has_place,
    }


def _text(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _body(body: bytes) -> Receive:
    """Return what yields a body, and after it nothing: a streamed answer waits meanwhile for its client to leave."""
    parts = iter((body,))

    async def receive() -> Message:
        for part in parts:
            return {"type": "http.request", "body": part, "more_body": False}
        return await trio.sleep_forever()

    return receive
