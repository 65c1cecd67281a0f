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
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import quote
from uuid import uuid4

import trio

from levity_trio.backends.asked import answer_to
from levity_trio.backends.messages import LeftOut, told_of
from levity_trio.backends.parts import CopyParts
from levity_trio.groups import innermost
from levity_trio.log.output import get_logger
from levity_trio.outgoing.websocket import (
    GONE,
    LineStream,
    WebSocketConnection,
    context_of,
    open_websocket,
    parse_address,
    shared_context,
    why,
)
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.reads.site.copying import (
    CopiedCharger,
    Fresh,
    boot_of,
    known_keys,
    lost_readings,
    position,
    statuses_of,
    unsaid,
)
from levity_trio.store.writes.site import backends as writes
from levity_trio.store.writes.site.backends import CopyOutcome
from levity_trio.told import Quantity, Told
from levity_trio.wire.errors import Refused
from levity_trio.wire.frames import (
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
from levity_trio.wire.times import stamp

ANSWER_SECONDS: Final = 30.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, FLOOD_PAUSE_SECONDS = 5.0, 60.0, 300.0
HEARTBEAT_SECONDS, PING_SECONDS, LOOK_SECONDS = 300, 60, 30.0
REGISTER_SECONDS, SHORTEST_REGISTER_SECONDS = 60, 10
PACE_SECONDS: Final = 0.1
"""Between two messages of a charger that is behind, so that neither side has much to do."""
BEHIND: Final = timedelta(minutes=10)
"""A backend that is further behind is told the newest statuses first."""
ATTEMPTS, RETRY_SECONDS = 3, 60
"""How often a message of a session is told that is answered with an error, and the pause after the
first time, which grows by as much (TransactionMessageAttempts and …RetryInterval, §3.7.1)."""
OF_SESSIONS: Final = frozenset({"StartTransaction", "MeterValues", "StopTransaction"})
LONGEST_ANSWER, LONGEST_NUMBER = 500, 16
SPARE_BYTES, BYTES_A_CALL, BYTES_A_SECOND = 65_536, 4_096, 512
T = TypeVar("T")
log = get_logger("system")


class _Flood(trio.BrokenResourceError):
    """A backend sends more than anybody asked for."""


class _Silent(Exception):
    """A backend does not answer; its connection is given up."""


class _Metered(trio.abc.Stream):
    """A stream that breaks when more is received than calls allow."""

    def __init__(self, transport: trio.abc.Stream) -> None:
        self._transport = transport
        self._left = float(SPARE_BYTES)
        self._counted_at = trio.current_time()

    def allow_answer(self) -> None:
        """Let the backend answer one more call."""
        self._left += BYTES_A_CALL

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._transport.receive_some(max_bytes)
        now = trio.current_time()
        earned = (now - self._counted_at) * BYTES_A_SECOND
        self._left = min(self._left + earned, SPARE_BYTES) - len(data)
        self._counted_at = now
        if self._left < 0:
            raise _Flood(Told("it sends more than was asked for"))
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._transport.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._transport.aclose()


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
async def _open(copied: CopiedCharger) -> AsyncIterator[tuple[WebSocketConnection, _Metered]]:
    """Connect as a charger. Raises one of GONE, perhaps in a group."""
    target = copied.target
    address = parse_address(target.url)
    trust = None
    if address.is_tls:
        trust = await trio.to_thread.run_sync(_trust, target.root, target.certificate)
    headers: list[tuple[bytes, bytes]] = []
    if copied.password is not None:
        proof = b64encode(f"{copied.identity}:{copied.password}".encode())
        headers.append((b"Authorization", b"Basic " + proof))
    path = address.path + quote(copied.identity, safe="")
    metered = _Metered(await address.dial(trust=trust))
    async with LineStream(metered, answers_pings=True) as stream:
        opening = open_websocket(stream, address.authority, path, headers, offers_subprotocol=True)
        async with opening as (socket, _):
            yield socket, metered


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
    """The copy of one charger for one backend. `scope` ends it."""

    def __init__(self, parts: CopyParts, copied: CopiedCharger) -> None:
        self.scope = trio.CancelScope()
        self.copied = copied
        self._parts = parts
        self._place = copied.target.id, copied.charger
        self._news = trio.Event()
        self._again: list[str] = []
        """What the backend wants to be told again."""
        self._own: dict[str, int] = {}
        """The intervals that the backend set."""
        self._numbers: dict[int, int | None] = {}
        """The numbers that it gave to sessions on this connection."""
        self._log_id = self._known = 0
        self._noted: tuple[object, ...] = ()

    def wake(self) -> None:
        """Look at once for what is to be told."""
        self._news.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        name, charger, pause = self.copied.target.name, self.copied.charger, FIRST_PAUSE_SECONDS
        with self.scope:
            while True:
                began = trio.current_time()
                problem, is_flood = await self._connect()
                log.warning("backend not connected", backend=name, cp=charger, problem=problem)
                self._note_link(False, problem, None)
                if trio.current_time() - began > LONGEST_PAUSE_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
                await trio.sleep(FLOOD_PAUSE_SECONDS if is_flood else pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _connect(self) -> tuple[str, bool]:
        """Connect and tell; return why that ended, and whether the backend sent without end."""
        problem, is_flood = "", False
        if not self.copied.has_secrets:
            return Told("its password or certificate is unknown here; give it again"), False
        try:
            async with _open(self.copied) as (socket, metered), trio.open_nursery() as nursery:
                talk = _Talk(socket, metered)
                nursery.start_soon(self._read, talk)
                nursery.start_soon(self._ping, talk)
                await self._tell_all(talk)
        except* GONE as gone:
            problem, is_flood = why(gone), gone.subgroup(_Flood) is not None
        except* _Silent:
            problem = Told("no answer within {1}", Quantity(ANSWER_SECONDS, "s"))
        except* (StoreUnavailable, Unreadable):
            problem = Told("the database could not be read or written")
        except* Exception as group:
            # What nobody foresaw ends this connection, and no other one.
            log.exception("the copy of a charger failed", cp=self.copied.charger)
            problem = type(innermost(group)).__name__
        return problem, is_flood

    # What is told

    async def _tell_all(self, talk: _Talk) -> None:
        place = await self._look(position, *self._place)
        self._log_id, self._own, attempts = place.log_id, place.own, place.attempts
        self._known, self._numbers, self._again = 0, {}, []
        has_told_statuses = not place.is_accepted
        if not place.is_accepted:
            await self._register(talk)
        while True:
            self._news = trio.Event()
            await self._say_again(talk)
            waiting = await self._look(unsaid, self.copied, self._log_id, self._known)
            since = waiting.messages[0].at if waiting.messages else None
            self._note_link(True, None, since)
            is_behind = since is not None and self._is_long_ago(since)
            if is_behind and not has_told_statuses:
                has_told_statuses = True
                await self._tell_statuses(talk)
            for message in waiting.messages:
                await self._say_again(talk)
                await self._tell(talk, message, attempts)
                attempts = 0
                if is_behind:
                    await trio.sleep(PACE_SECONDS)
            self._log_id = max(self._log_id, waiting.position)
            if waiting.is_all:
                begun = [one.session.id for one in waiting.messages if one.session and one.begins]
                self._known = max([self._known, *begun])
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

    async def _register(self, talk: _Talk) -> None:
        """Boot until that is accepted; nothing else is told before (§4.2)."""
        while True:
            boot = Fresh("", "BootNotification", await self._look(boot_of, self.copied.charger))
            payload = told_of(self.copied, boot, self._parts.card_key)
            seconds, problem = await self._note_boot(await talk.call("BootNotification", payload))
            if seconds is None:
                await self._tell_statuses(talk)
                return
            self._note_link(True, problem, None)
            with trio.move_on_after(seconds):
                while "BootNotification" not in self._again:
                    self._news = trio.Event()
                    await self._news.wait()
            self._again = []

    async def _note_boot(self, answer: Response) -> tuple[float | None, str]:
        """Note the answer to a boot; return the seconds to wait before the next try, None if it was
        accepted, and the problem."""
        payload: dict[str, Any] = answer.payload if isinstance(answer, CallResult) else {}
        status = str(payload.get("status") if isinstance(answer, CallResult) else answer.code)
        is_accepted, interval = status == "Accepted", payload.get("interval")
        seconds = interval if isinstance(interval, int) and interval > 0 else 0
        if is_accepted and seconds:
            self._own["HeartbeatInterval"] = seconds
        await self._store(writes.note_registration, *self._place, is_accepted, self._own)
        if is_accepted:
            return None, ""
        pause = max(seconds or REGISTER_SECONDS, SHORTEST_REGISTER_SECONDS)
        return pause, Told("its BootNotification was answered with {1}", status)

    async def _say_again(self, talk: _Talk) -> None:
        """Tell again what the backend asked for."""
        while self._again:
            action = self._again.pop()
            if action == "StatusNotification":
                await self._tell_statuses(talk)
            elif action == "BootNotification":
                await self._register(talk)
            else:
                await talk.call(action, {})

    async def _tell_statuses(self, talk: _Talk) -> None:
        """Tell the newest status of each connector."""
        for status in await self._look(statuses_of, self.copied.charger):
            if status["connectorId"] not in self.copied.without:
                await talk.call("StatusNotification", status)

    async def _tell(self, talk: _Talk, fresh: Fresh, attempts: int) -> None:
        """Tell a message, and store what became of it."""
        session = fresh.session
        if session is not None:
            their_id = self._numbers.get(session.id, session.their_id)
            fresh = replace(fresh, session=replace(session, their_id=their_id))
        outcome = self._outcome(fresh)
        try:
            payload = told_of(self.copied, fresh, self._parts.card_key)
        except LeftOut:
            await self._keep(replace(outcome, is_told=False))
            return

        if fresh.ends and session is not None:
            if session.told_until is not None:
                # It ended there when the server had ended it.
                late = replace(outcome, is_told=False, kind="late", payload=payload)
                await self._keep(late)
                return
            await self._tell_lost_readings(talk, fresh)
        answer = await talk.call(fresh.action, payload)
        while isinstance(answer, CallError) and fresh.action in OF_SESSIONS:
            attempts += 1
            if attempts >= ATTEMPTS:
                break
            await self._store(writes.try_again, *self._place)
            await trio.sleep(attempts * RETRY_SECONDS)
            answer = await talk.call(fresh.action, payload)
        outcome = _with_refusal(outcome, payload, answer)
        if fresh.begins and isinstance(answer, CallResult):
            number = str(answer.payload.get("transactionId"))  # some send it as text
            is_number = number.lstrip("-").isdecimal() and len(number) < LONGEST_NUMBER
            if is_number:
                outcome = replace(outcome, their_id=int(number), payload=payload)
            else:
                # Nothing more can be told of the session.
                outcome = replace(outcome, kind="number", payload=payload, answer=number)
        await self._keep(outcome)

    async def _tell_lost_readings(self, talk: _Talk, stop: Fresh) -> None:
        """Tell the readings of a session that are stored, but whose frames are not."""
        lost = await self._look(lost_readings, self.copied.target.id, stop.session)
        for payload in lost:
            readings = Fresh(stop.at, "MeterValues", payload, stop.session)
            told = told_of(self.copied, readings, self._parts.card_key)
            answer = await talk.call("MeterValues", told)
            outcome = replace(self._outcome(readings), is_made=True)
            await self._keep(_with_refusal(outcome, told, answer))

    def _outcome(self, fresh: Fresh) -> CopyOutcome:
        """Return what is stored of a message that was told."""
        session = fresh.session
        return CopyOutcome(
            backend=self.copied.target.id,
            charger=self.copied.charger,
            log_id=fresh.log_id,
            is_made=fresh.payload is None,
            transaction=None if session is None else session.id,
            begins=fresh.begins,
            is_reading=fresh.action == "MeterValues",
            ends=fresh.ends,
            is_closed=fresh.ends and session is not None and session.is_closed,
            action=fresh.action,
        )

    async def _keep(self, outcome: CopyOutcome) -> None:
        await self._store(writes.keep, replace(outcome, at=stamp(self._parts.clock())))
        if outcome.begins and outcome.transaction is not None:
            self._numbers[outcome.transaction] = outcome.their_id

    # What is asked

    async def _read(self, talk: _Talk) -> None:
        while True:
            frame = await talk.receive()
            if isinstance(frame, Call):
                await self._reply(talk, frame)
            elif frame.answer is not None:
                await talk.send(frame.answer)

    async def _reply(self, talk: _Talk, asked: Call) -> None:
        before = dict(self._own)
        try:
            known = await self._look(known_keys, self.copied.charger)
            result, again = answer_to(asked.action, asked.payload, known, self._own)
        except Refused as refused:
            await talk.send(error_text(asked.raw_id, refused.code, refused.description))
            return
        if self._own != before:
            await self._store(writes.note_registration, *self._place, None, self._own)
        await talk.send(result_text(asked.raw_id, dict(result)))
        if again is not None and again not in self._again:
            self._again.append(again)
            self._news.set()

    async def _ping(self, talk: _Talk) -> None:
        while True:
            await trio.sleep(self._own.get("WebSocketPingInterval", 0) or PING_SECONDS)
            await talk.ping()

    # The store

    def _is_long_ago(self, at: str) -> bool:
        return self._parts.clock() - datetime.fromisoformat(at) > BEHIND

    async def _look(self, read: Callable[..., T], *values: object) -> T:
        return await self._parts.reader.run(lambda db: read(db, *values))

    async def _store(self, write: Callable[..., None], *values: object) -> None:
        await self._parts.writer.run(write, *values)

    def _note_link(self, is_connected: bool, problem: str | None, behind_since: str | None) -> None:
        """Store soon how the copy is, for those who look at it."""
        noted = is_connected, problem, behind_since
        if noted == self._noted:
            return
        self._noted = noted
        values = *self._place, *noted, stamp(self._parts.clock())
        self._parts.writer.coalesce(("backend", *self._place), writes.note_link, *values)


def _with_refusal(outcome: CopyOutcome, payload: dict[str, Any], answer: Response) -> CopyOutcome:
    """Return what is stored of a message, with the error with which it was answered."""
    if isinstance(answer, CallResult):
        return outcome
    said = f"{answer.code}: {answer.description}"[:LONGEST_ANSWER]
    return replace(outcome, kind="refused", payload=payload, answer=said)


class _Talk:
    """An open connection: one call at a time."""

    def __init__(self, socket: WebSocketConnection, metered: _Metered) -> None:
        self._socket = socket
        self._metered = metered
        self._awaited: str | None = None
        self.called_at = trio.current_time()
        self._answer_sender, self._answers = trio.open_memory_channel[Response](1)

    async def call(self, action: str, payload: dict[str, Any]) -> Response:
        """Tell the backend something and return its answer. Raises _Silent."""
        self._metered.allow_answer()
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
