"""One charger's connection to a backend: the copy registers there as the charger, and then tells
what is stored, one message at a time.

    teller   registers, tells what is still unsaid, beats; one CALL at a time
    reader   passes answers to the teller, and answers what the backend asks
    pinger   finds out that the connection is lost

What became of a message is committed before the next one is told. So after a crash of either side
only that message is told again whose answer was not stored. A backend may send as many bytes as its
answers need, and some more; one that sends without end is left alone for a while.
"""

from __future__ import annotations

import ssl
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from math import inf
from typing import Any, Final, TypeVar
from urllib.parse import quote
from uuid import uuid4

import trio

from levity_trio.backends.asked import answer_to
from levity_trio.backends.messages import NotTold, told_of
from levity_trio.backends.parts import CopyParts
from levity_trio.groups import innermost
from levity_trio.log.output import get_logger
from levity_trio.outgoing.addresses import check_address
from levity_trio.outgoing.websocket import (
    GONE,
    LineStream,
    WebSocketConnection,
    context_of,
    open_websocket,
    parse_address,
    printable,
    shared_context,
    why,
)
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.reads.site.receivers import (
    CopiedCharger,
    Fresh,
    Unsaid,
    boot_of,
    known_keys,
    lost_readings,
    newest_readings,
    number_in,
    position,
    statuses_of,
    unsaid,
)
from levity_trio.store.writes.site import receivers as writes
from levity_trio.store.writes.site.receivers import CopyOutcome
from levity_trio.told import Quantity, Told
from levity_trio.wire.errors import Refused
from levity_trio.wire.frames import (
    UNREADABLE,
    Call,
    CallError,
    CallResult,
    Malformed,
    Response,
    call_text,
    decoded,
    error_text,
    parse_frame,
    result_text,
)
from levity_trio.wire.handshake import COPIED_BY
from levity_trio.wire.times import stamp

ANSWER_SECONDS: Final = 30.0
PAUSE_SECONDS, FLOOD_PAUSE_SECONDS = 10.0, 300.0
HEARTBEAT_SECONDS, PING_SECONDS, LOOK_SECONDS = 300, 60, 30.0
REGISTER_SECONDS, SHORTEST_REGISTER_SECONDS, LONGEST_REGISTER_SECONDS = 60, 10, 86_400
PACE_SECONDS, ASKED_SECONDS = 0.15, 0.25
"""Between two messages of a charger that is behind, and two that a backend asks, so that neither
side has much to do."""
BEHIND: Final = timedelta(minutes=10)
"""A backend that is further behind is told the newest statuses first."""
MOST_CUTS: Final = 3
"""How often in a row an answer may be cut off before its session waits alone."""
NOT_NOW: Final = frozenset({"InternalError", "GenericError"})
"""Codes of errors of the backend itself. Any other one says that it never takes the message."""
LONGEST_ANSWER: Final = 500
SPARE_BYTES, BYTES_A_CALL, BYTES_A_SECOND = 65_536, 4_096, 512
T = TypeVar("T")
log = get_logger("system")


class _Silent(Exception):
    """A backend does not answer; its connection is given up."""


class _Held(Exception):
    """The session of a message waits; nothing more is told of it now."""


class _MeteredStream(LineStream):
    """A stream that breaks when more is received than calls allow."""

    is_flood = False
    _left = float(SPARE_BYTES)
    _counted_at = inf

    def allow_answer(self) -> None:
        """Let the backend answer one more call."""
        self._left += BYTES_A_CALL

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await super().receive_some(max_bytes)
        now = trio.current_time()
        earned = max(now - self._counted_at, 0.0) * BYTES_A_SECOND
        self._left = min(self._left + earned, SPARE_BYTES) - len(data)
        self._counted_at = now
        if self._left < 0:
            self.is_flood = True
            raise trio.BrokenResourceError
        return data


@lru_cache(maxsize=8)
def _trust(root: str | None, certificate: str | None) -> ssl.SSLContext:
    """Return how a backend is proved, and we to it. A context takes 1 MB, so chargers share one."""
    if root is None and certificate is None:
        return shared_context(None)
    context = context_of(None, [root] if root else [])
    if certificate is not None:
        # Python reads a private key from a file only.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(certificate)
            file.flush()
            context.load_cert_chain(file.name)
    return context


@asynccontextmanager
async def _open(copied: CopiedCharger) -> AsyncIterator[_Talk]:
    """Connect as a charger. Raises one of GONE, perhaps in a group."""
    address, trust = parse_address(copied.url), None
    if address.is_tls:
        trust = await trio.to_thread.run_sync(_trust, copied.root, copied.certificate)
    headers = [(COPIED_BY.encode(), copied.copied_by.encode("ascii", "ignore"))]
    if copied.password is not None:
        proof = b64encode(f"{copied.identity}:{copied.password}".encode())
        headers.append((b"Authorization", b"Basic " + proof))
    path = address.path + quote(copied.identity, safe="")
    stream = _MeteredStream(
        await address.dial(trust=trust, check_peer=check_address), answers_pings=True
    )
    opening = open_websocket(stream, address.authority, path, headers, offers_subprotocol=True)
    async with stream, opening as (socket, _):
        yield _Talk(socket, stream)


async def try_connection(copied: CopiedCharger) -> str | None:
    """Connect once as a charger, and say goodbye; return the problem, None if there was none."""
    problem: str | None = None
    try:
        async with _open(copied):
            pass
    except* GONE as gone:
        problem = why(gone)
    return problem


class CopyLink:
    """The copy of one charger for one backend."""

    def __init__(self, parts: CopyParts, copied: CopiedCharger) -> None:
        self.copied = copied
        self._parts = parts
        self._place = copied.backend, copied.charger
        self._scope = self._talking = trio.CancelScope()
        self._ended = trio.Event()
        self._news = trio.Event()
        self._again: list[str] = []
        """What the backend wants to be told again."""
        self._own: dict[str, int] = {}
        """The intervals that the backend set."""
        self._numbers: dict[int, int | None] = {}
        """The numbers that it gave to sessions on this connection."""
        self._held: set[int] = set()
        """The sessions that began to wait since what is told was read."""
        self._unanswered: tuple[Fresh, CopyOutcome] | None = None
        """The message of a session whose answer is awaited, and what became of it if that was cut
        off."""
        self._cuts = 0
        """How many connections have ended so since the last answer to such a message."""
        self._noted: tuple[object, ...] = ()

    def wake(self) -> None:
        """Look at once for what is to be told."""
        self._news.set()

    def end(self) -> None:
        """End the copy, with a goodbye to a backend that is connected."""
        self._talking.cancel()

    async def run(self, before: CopyLink | None) -> None:
        """Tell until `end` is called, from when the copy before this one has ended."""
        with self._scope:
            if before is not None:
                await before._ended.wait()
            while not self._talking.cancel_called:
                self._talking = self._scope
                is_flood = await self._connect()
                if not self._talking.cancel_called:
                    self._talking = self._scope
                    await trio.sleep(FLOOD_PAUSE_SECONDS if is_flood else PAUSE_SECONDS)
        self._ended.set()

    async def _connect(self) -> bool:
        """Connect and tell; return whether the backend sent without end."""
        problem: str | None = None
        talk: _Talk | None = None
        if not self.copied.has_secrets:
            problem = Told("its password or certificate is unknown here; give it again")
            self._note_link(False, problem, None)
            return False
        try:
            async with _open(self.copied) as opened:
                talk = opened
                with trio.CancelScope() as self._talking:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._read, talk)
                        nursery.start_soon(self._ping, talk)
                        await self._tell_all(talk)
        except* GONE as gone:
            problem = why(gone)
        except* _Silent:
            problem = Told("no answer within {1}", Quantity(ANSWER_SECONDS, "s"))
        except* (StoreUnavailable, Unreadable):
            problem = Told("the database could not be read or written")
        except* Exception as group:
            # What nobody foresaw ends this connection, and no other one.
            log.exception("the copy of a charger failed", cp=self.copied.charger)
            problem = type(innermost(group)).__name__
        is_flood = talk is not None and talk.stream.is_flood
        if is_flood:
            problem = Told("it sends more than was asked for")
        self._note_link(False, problem, None)
        return is_flood

    # What is told

    async def _tell_all(self, talk: _Talk) -> None:
        log_id, is_accepted, self._own = await self._look(position, *self._place)
        known, self._numbers, self._again = 0, {}, []
        # A connection may break at any time. What was being told then is told again in its place.
        self._cuts += self._unanswered is not None
        if self._unanswered is not None and self._cuts >= MOST_CUTS:
            with suppress(_Held):
                await self._keep(*self._unanswered)
        if not is_accepted:
            await self._boot(talk)
        is_first = is_accepted
        while True:
            self._news = trio.Event()
            await self._say_again(talk)
            self._held.clear()
            waiting = await self._look(unsaid, self.copied, log_id, known, self._at())
            if waiting.waiting:
                await self._catch_up(talk, waiting)
                known = 0
            since = waiting.messages[0].at if waiting.messages else None
            self._note_link(True, None, since)
            before = self._parts.clock() - BEHIND
            is_behind = since is not None and datetime.fromisoformat(since) < before
            if is_behind and is_first:
                await self._tell_statuses(talk)
            is_first = False
            for message in waiting.messages:
                await self._say_again(talk)
                with suppress(_Held):
                    await self._tell(talk, message)
                if is_behind:
                    # All copies tell at the same moments, so that their commits are one.
                    moment = round(trio.current_time() / PACE_SECONDS)
                    await trio.sleep_until((moment + 1) * PACE_SECONDS)
            log_id = waiting.position
            if waiting.is_all:
                begun = [one.session.id for one in waiting.messages if one.session and one.begins]
                known = max([known, *begun])
                if not waiting.messages:
                    await self._rest(talk)

    async def _rest(self, talk: _Talk) -> None:
        """Wait for news, and show that the copy is alive (§4.6)."""
        beat = self._own.get("HeartbeatInterval", 0) or HEARTBEAT_SECONDS
        due = talk.called_at + beat
        with trio.move_on_at(min(due, trio.current_time() + LOOK_SECONDS)):
            await self._news.wait()
        if trio.current_time() >= due:
            await talk.call("Heartbeat", {})

    async def _boot(self, talk: _Talk) -> None:
        """Boot, and show each connector."""
        sent = await self._look(boot_of, self.copied.charger)
        boot = Fresh(at="", action="BootNotification", payload=sent)
        await self._register(talk, told_of(self.copied, boot, self._parts.card_key))
        await self._tell_statuses(talk)

    async def _register(
        self, talk: _Talk, boot: dict[str, Any], answer: Response | None = None
    ) -> None:
        """Boot until that is accepted; nothing else is told before (§4.2). `answer` is the one to a
        boot that was just told."""
        while True:
            answer = answer or await talk.call("BootNotification", boot)
            fields: dict[str, Any] = answer.payload if isinstance(answer, CallResult) else {}
            status = fields.get("status") or getattr(answer, "code", None)
            interval = fields.get("interval")
            seconds = interval if type(interval) is int and interval > 0 else 0
            is_accepted = status == "Accepted"
            if is_accepted and seconds:
                self._own["HeartbeatInterval"] = seconds
            await self._store(
                writes.note_backend_registration, *self._place, is_accepted, self._own
            )
            if is_accepted:
                return

            said = printable(str(status))
            self._note_link(False, Told("its BootNotification was answered with {1}", said), None)
            pause = min(seconds or REGISTER_SECONDS, LONGEST_REGISTER_SECONDS)
            with trio.move_on_after(max(pause, SHORTEST_REGISTER_SECONDS)):
                while "BootNotification" not in self._again:
                    self._news = trio.Event()
                    await self._news.wait()
            self._again, answer = [], None

    async def _say_again(self, talk: _Talk) -> None:
        """Tell again what the backend asked for."""
        asked, self._again = self._again, []
        for action in asked:
            if action == "StatusNotification":
                await self._tell_statuses(talk)
            elif action == "BootNotification":
                await self._boot(talk)
            elif action == "MeterValues":
                for fresh in await self._look(newest_readings, self.copied):
                    with suppress(NotTold):
                        payload = told_of(self.copied, self._numbered(fresh), self._parts.card_key)
                        await talk.call(action, payload)
            else:
                await talk.call(action, {})

    async def _tell_statuses(self, talk: _Talk) -> None:
        """Tell the newest status of each connector."""
        for status in await self._look(statuses_of, self.copied.charger):
            if status["connectorId"] not in self.copied.without:
                await talk.call("StatusNotification", status)

    async def _catch_up(self, talk: _Talk, others: Unsaid) -> None:
        """Tell all that sessions lack that wait, before what is to be told of others. One waits no
        longer once others have come as far."""
        for session, log_id in others.waiting:
            told_to, is_all = log_id, False
            with suppress(_Held):
                while not is_all:
                    which = told_to, session - 1, self._at(), session
                    lacked = await self._look(unsaid, self.copied, *which)
                    for message in lacked.messages:
                        await self._tell(talk, message)
                    told_to, is_all = lacked.position, lacked.is_all
                if not others.messages:
                    await self._store(writes.release_session, self._place, session, others.position)

    async def _tell(self, talk: _Talk, fresh: Fresh) -> None:
        """Tell a message, and store what became of it. Raises _Held."""
        session, fresh = fresh.session, self._numbered(fresh)
        if session is not None and session.id in self._held:
            raise _Held
        try:
            payload = told_of(self.copied, fresh, self._parts.card_key)
        except NotTold:
            await self._keep(fresh, CopyOutcome(is_told=False))
            return
        if session is not None and session.is_over:
            # It ended there when the server had ended it.
            await self._keep(fresh, CopyOutcome(is_told=False, kind="late", payload=payload))
            return

        if fresh.ends:
            for readings in await self._look(lost_readings, self.copied, fresh.session):
                await self._tell(talk, readings)
        if session is not None:
            cut_off = CopyOutcome(is_told=False, holds=True, payload=payload, answer=UNREADABLE)
            self._unanswered = fresh, cut_off
        answer = await talk.call(fresh.action, payload)
        if fresh.action == "BootNotification" and isinstance(answer, CallResult):
            await self._register(talk, payload, answer)
        await self._keep(fresh, _outcome(fresh, payload, answer))

    def _numbered(self, fresh: Fresh) -> Fresh:
        """Return a message whose session has the number that the backend gave it since."""
        session = fresh.session
        if session is None or session.id not in self._numbers:
            return fresh
        return replace(fresh, session=replace(session, their_id=self._numbers[session.id]))

    async def _keep(self, fresh: Fresh, outcome: CopyOutcome) -> None:
        # It is stored even if the copy ends now; else the next one would tell it again. The writer
        # has a deadline of its own.
        with trio.CancelScope(shield=True):
            await self._store(writes.keep_outcome, self._place, fresh, outcome, self._at())
        self._unanswered = None
        if fresh.session is None:
            return
        if outcome.holds:
            self._held.add(fresh.session.id)
            raise _Held
        self._cuts = 0
        if fresh.begins:
            self._numbers[fresh.session.id] = outcome.their_id

    # What is asked

    async def _read(self, talk: _Talk) -> None:
        while True:
            frame = await talk.receive()
            if isinstance(frame, Call):
                await self._reply(talk, frame)
            elif frame.answer is not None:
                await talk.send(frame.answer)
            # Whoever asks without end gets no more than this, and takes little of this machine.
            await trio.sleep(ASKED_SECONDS)

    async def _reply(self, talk: _Talk, asked: Call) -> None:
        before = dict(self._own)
        try:
            known: dict[str, str | None] = {}
            if asked.action.endswith("Configuration"):
                known = await self._look(known_keys, self.copied.charger)
            result, again = answer_to(asked.action, asked.payload, known, self._own)
        except Refused as refused:
            await talk.send(error_text(asked.raw_id, refused.code, refused.description))
            return
        if self._own != before:
            await self._store(writes.note_backend_registration, *self._place, None, self._own)
        await talk.send(result_text(asked.raw_id, dict(result)))
        if again is not None and again not in self._again:
            self._again.append(again)
            self._news.set()

    async def _ping(self, talk: _Talk) -> None:
        while True:
            await trio.sleep(self._own.get("WebSocketPingInterval", 0) or PING_SECONDS)
            await talk.ping()

    # The store

    def _at(self) -> str:
        return stamp(self._parts.clock())

    async def _look(self, read: Callable[..., T], *values: object) -> T:
        return await self._parts.reader.run(lambda db: read(db, *values))

    async def _store(self, write: Callable[..., None], *values: object) -> None:
        await self._parts.writer.run(write, *values)

    def _note_link(self, is_connected: bool, problem: str | None, since: str | None) -> None:
        """Store soon how the copy is: why it is not connected or waits, and since when it is
        behind."""
        noted = is_connected, problem, since
        if noted == self._noted:
            return
        if problem is not None and noted[:2] != self._noted[:2]:
            name, charger = self.copied.name, self.copied.charger
            log.warning("another backend is not told", backend=name, cp=charger, problem=problem)
        self._noted = noted
        values = *self._place, *noted, self._at()
        self._parts.writer.coalesce(("backend", *self._place), writes.note_backend_link, *values)


def _outcome(fresh: Fresh, payload: dict[str, Any], answer: Response) -> CopyOutcome:
    """Return what is stored of a message that was answered."""
    if isinstance(answer, CallError):
        said = printable(f"{answer.code}: {answer.description}", LONGEST_ANSWER)
        is_cut = answer.is_damaged or answer.is_unreadable
        is_not_now = fresh.session is not None and (is_cut or answer.code in NOT_NOW)
        # Without one reading, a session goes on.
        holds = is_not_now or fresh.begins or fresh.ends
        kind = None if is_not_now else "refused"
        return CopyOutcome(holds=holds, kind=kind, payload=payload, answer=said)
    if not fresh.begins:
        return CopyOutcome()
    number = number_in(answer.payload, "transactionId")
    if number is not None:
        return CopyOutcome(their_id=number, payload=payload)
    # Nothing more can be told of the session.
    said = printable(str(answer.payload.get("transactionId")), LONGEST_ANSWER)
    return CopyOutcome(kind="number", payload=payload, answer=said)


class _Talk:
    """An open connection: one call at a time."""

    def __init__(self, socket: WebSocketConnection, stream: _MeteredStream) -> None:
        self._socket = socket
        self.stream = stream
        self._awaited: str | None = None
        self.called_at = trio.current_time()
        self._answer_sender, self._answers = trio.open_memory_channel[Response](1)

    async def call(self, action: str, payload: dict[str, Any]) -> Response:
        """Tell the backend something and return its answer. Raises _Silent."""
        self.stream.allow_answer()
        self._awaited = str(uuid4())
        self.called_at = trio.current_time()
        await self._socket.send_message(call_text(self._awaited, action, payload))
        with trio.move_on_after(ANSWER_SECONDS):
            return await self._answers.receive()
        raise _Silent

    async def receive(self) -> Call | Malformed:
        """Return the next frame that is no answer; the one that is awaited goes to its call."""
        while True:
            text, _ = decoded(await self._socket.get_message())
            frame = parse_frame(text)
            if isinstance(frame, Call | Malformed):
                return frame
            if frame.message_id == self._awaited:
                self._awaited = None
                self._answer_sender.send_nowait(frame)

    async def send(self, text: str) -> None:
        await self._socket.send_message(text)

    async def ping(self) -> None:
        """Wait until the backend answers a ping. Raises _Silent."""
        with trio.move_on_after(ANSWER_SECONDS):
            await self._socket.ping()
            return
        raise _Silent
