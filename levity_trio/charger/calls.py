"""Our CALLs to one charger: one in flight, the others in a queue, matched by id, timed out, failed with the session.

Each is stored as a `command` before it leaves, and its answer with it, however late: an Accepted after the time-out
still means that the car charges. Some chargers break when called before their first message, so that is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

import orjson
import trio

from levity_trio.charger.websocket import ConnectionClosed
from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.events import CallEnded, Event
from levity_trio.store.writer import Writer
from levity_trio.store.writes import commands
from levity_trio.store.writes.origin import Origin
from levity_trio.wire.dispatch import CallsUnderWay, Late, Matched
from levity_trio.wire.errors import CallFailed, CallQueueFull, CallRefused, CallTimedOut, ChargerGone, Refused
from levity_trio.wire.frames import CallError, CallResult, Response, call_text
from levity_trio.wire.payloads import read_result, write_payload
from levity_trio.wire.secrets import masked_fragment, masked_value
from levity_trio.wire.times import stamp

QUEUED_CALLS: Final = 16
"""More are refused at once: whoever asks so much of one charger does not look at its answers."""
FIRST_MESSAGE_SECONDS: Final = 10.0


class CallingSession(Protocol):
    """What calls need of their session. `may_be_called` is set with its first message, or when that was waited for
    long enough."""

    charger: str
    may_be_called: trio.Event

    async def begin(self) -> Origin:
        """Give the session its row, if it has none."""

    def origin(self) -> Origin:
        """Where a row comes from that is written now."""

    async def send(self, text: str, message_id: str, action: str) -> None:
        """Send one frame, the CALL with this id and action. Raises ConnectionClosed."""

    def tell_interval(self, seconds: int) -> None:
        """The charger was told or has reported this heartbeat interval."""


class Calls:
    """The CALLs of one session. `call` may be used from any task; `settle` and `close` are the session's."""

    __slots__ = (
        *("_answered", "_clock", "_config", "_is_closed", "_observe", "_response", "_session", "_timed_out", "_turn"),
        *("_under_way", "_writer"),
    )

    def __init__(
        self,
        session: CallingSession,
        config: ServerConfig,
        writer: Writer,
        clock: Clock,
        observe: Callable[[Event], None],
    ) -> None:
        self._session = session
        self._observe = observe
        self._config = config
        self._writer = writer
        self._clock = clock
        self._under_way = CallsUnderWay()
        self._turn = trio.Lock()
        self._response: Response | None = None
        self._answered: trio.Event | None = None
        self._timed_out: WeakValueDictionary[int, CallTimedOut] = WeakValueDictionary()
        """By command, for as long as somebody keeps it."""
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn, or for their answer."""
        return self._turn.statistics().tasks_waiting + (self._under_way.current is not None)

    async def call(self, request: Any, timeout_seconds: float | None = None) -> Any:
        """Send a request (a dataclass of `ocpp.v16.call`) and give its answer (one of `call_result`).

        The time-out, in seconds, runs from sending; without one the configured one holds.

        Raises:
            CallRefused, CallTimedOut, ChargerGone, CallQueueFull: no answer that could be used.
            StoreUnavailable: the command could not be stored, and was not sent, or its answer could not.
            ValueError: the request is not valid OCPP.
        """
        if self._turn.statistics().tasks_waiting >= QUEUED_CALLS:
            raise CallQueueFull(f"{QUEUED_CALLS} calls wait already")
        requested_at = stamp(self._clock())
        payload = write_payload(request)
        async with self._turn:
            await self._wait_for_first_message()
            if self._is_closed:
                raise ChargerGone
            default = self._config.response_timeout_seconds
            seconds = default if timeout_seconds is None else timeout_seconds
            return await self._exchange(type(request).__name__, payload, requested_at, seconds)

    def action_of(self, response: Response) -> str | None:
        """What an answer that is yet to be settled answers; None where nothing was asked."""
        asked = self._under_way.find(response.message_id)
        return asked.action if asked else None

    def settle(self, response: Response) -> str | None:
        """Take an answer of the charger; gives what was odd about it, if anything."""
        settled = self._under_way.settle(response)
        if isinstance(settled, Matched):
            self._response = response
            self._wake()
            return None
        if not isinstance(settled, Late):
            return "unexpected answer"
        command = settled.call.command
        if command is not None:
            if (timed_out := self._timed_out.get(command)) is not None:
                timed_out.was_answered = True
            row = _row(command, settled.call.action, response, is_late=True)
            self._tell_ended(row, response, 0.0)
            # By the reader, who waits for nothing. A kill -9 in the next seconds loses it: nobody was promised it.
            self._writer.coalesce(("late", command), commands.settle, self._session.origin(), row)
        return "late answer"

    def close(self) -> None:
        """Fail the call in flight and all that wait: the session is over."""
        self._is_closed = True
        self._wake()
        self._session.may_be_called.set()  # nobody waits for that any more

    def _wake(self) -> None:
        if self._answered is not None:
            self._answered.set()

    async def _wait_for_first_message(self) -> None:
        """The call whose turn it is waits for all, so that the queue keeps its order and its bound."""
        with trio.move_on_after(FIRST_MESSAGE_SECONDS):
            await self._session.may_be_called.wait()
        self._session.may_be_called.set()  # or it was waited for long enough

    async def _exchange(self, action: str, payload: dict[str, Any], requested_at: str, seconds: float) -> Any:
        message_id = self._under_way.begin(action)
        self._response, self._answered = None, (answered := trio.Event())
        try:
            command = await self._send(message_id, action, payload, requested_at)
            sent_at = trio.current_time()
            with trio.move_on_after(seconds):
                await answered.wait()
        finally:
            self._under_way.expire()
        received: Response | None = self._response
        outcome = received or self._failure(command, action, seconds)
        row = _row(command, action, outcome)
        self._tell_ended(row, outcome, trio.current_time() - sent_at)
        await self._store(row)
        if isinstance(outcome, CallFailed):
            raise outcome
        return self._read(action, outcome)

    async def _send(self, message_id: str, action: str, payload: dict[str, Any], requested_at: str) -> int:
        origin = await self._session.begin()
        text = orjson.dumps(masked_value(payload)).decode()
        row = commands.Command(action, text, message_id, requested_at)
        command = await self._writer.run(commands.send, origin, row)
        self._under_way.belongs_to(command)
        with suppress(ConnectionClosed):  # then the session is about to end, and this call with it
            await self._session.send(call_text(message_id, action, payload), message_id, action)
        return command

    def _failure(self, command: int, action: str, seconds: float) -> CallFailed:
        """Why there is no answer. It is made before that is stored, since the answer may come meanwhile."""
        if self._is_closed:
            return ChargerGone()
        failure = self._timed_out[command] = CallTimedOut(f"{action}: no answer within {seconds:g} s")
        return failure

    def _tell_ended(self, row: commands.Answer, outcome: Response | CallFailed, seconds: float) -> None:
        status = outcome.payload.get("status") if isinstance(outcome, CallResult) else None
        self._observe(
            CallEnded(
                charger=self._session.charger,
                action=row.action,
                state=row.state,
                seconds=seconds,
                status=status if isinstance(status, str) else None,
                error_code=row.error_code,
                late=row.is_late,
            )
        )

    def _read(self, action: str, response: Response) -> Any:
        if isinstance(response, CallError):
            raise CallRefused(response.code, response.description)
        try:
            return read_result(action, response.payload, strict=self._config.strict).message
        except Refused as refused:
            raise CallRefused(refused.code, f"its answer cannot be read: {refused.description}") from refused

    async def _store(self, row: commands.Answer) -> None:
        interval = await self._writer.run(commands.settle, self._session.origin(), row)
        if interval is not None:
            self._session.tell_interval(interval)


def _row(command: int, action: str, outcome: Response | CallFailed, is_late: bool = False) -> commands.Answer:
    if isinstance(outcome, CallFailed):
        return commands.Answer(command, action, "timed out" if isinstance(outcome, CallTimedOut) else "gone")
    if isinstance(outcome, CallError):
        code, description = masked_fragment(outcome.code), masked_fragment(outcome.description)
        return commands.Answer(command, action, "refused", is_late, None, code, description)
    return commands.Answer(command, action, "answered", is_late, orjson.dumps(masked_value(outcome.payload)).decode())
