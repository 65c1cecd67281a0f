"""Our CALLs to one charger: one in flight, the others queued. They time out, and fail when the session ends.

Each CALL is stored as a `command` before it is sent, and its response is added to that row, however late: an Accepted
after the time-out still means that the car charges. Some chargers fail when called before their first message, so the
first CALL waits for that message.
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
"""Further CALLs are refused immediately: a caller with so many outstanding does not read the responses."""
FIRST_MESSAGE_SECONDS: Final = 10.0


class CallingSession(Protocol):
    """What Calls needs of its session.

    `may_be_called` is set by the charger's first message, or after FIRST_MESSAGE_SECONDS.
    """

    charger: str
    may_be_called: trio.Event

    async def begin(self) -> Origin:
        """Insert the session's row, if it has none."""

    def origin(self) -> Origin:
        """Return the origin of a row that is written now."""

    async def send(self, text: str, message_id: str, action: str) -> None:
        """Send one frame: the CALL with this id and action. Raises ConnectionClosed."""

    def set_heartbeat_interval(self, seconds: int) -> None:
        """Use this heartbeat interval, in seconds, which the charger was sent or has reported."""


class Calls:
    """The CALLs of one session. Any task may use `call`; only the session uses `settle` and `close`."""

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
        """By command, while the caller keeps a reference."""
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """The number of CALLs queued or in flight."""
        return self._turn.statistics().tasks_waiting + (self._under_way.current is not None)

    async def call(self, request: Any, timeout_seconds: float | None = None) -> Any:
        """Send a request (a dataclass of `ocpp.v16.call`) and return its response (one of `call_result`).

        The time-out, in seconds, runs from sending; None means the configured one.

        Raises:
            CallRefused, CallTimedOut, ChargerGone, CallQueueFull: there is no usable response.
            StoreUnavailable: the command could not be stored and was not sent, or its response could not be stored.
            ValueError: the request is not valid OCPP.
        """
        if self._turn.statistics().tasks_waiting >= QUEUED_CALLS:
            raise CallQueueFull(f"{QUEUED_CALLS} calls are already waiting")
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
        """Return the action of the CALL that a response belongs to, None if there is no such CALL.

        Call it before `settle`, which forgets the CALL.
        """
        call = self._under_way.find(response.message_id)
        return call.action if call else None

    def settle(self, response: Response) -> str | None:
        """Match a response of the charger; return the kind of fault if it is late or unexpected, else None."""
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
            self._observe_end(row, response, 0.0)
            # The reader must not wait, so the write is coalesced. A kill -9 within seconds loses it, which breaks no
            # promise: no caller waits for this response.
            self._writer.coalesce(("late", command), commands.settle, self._session.origin(), row)
        return "late answer"

    def close(self) -> None:
        """Fail the CALL in flight and all queued ones, because the session has ended."""
        self._is_closed = True
        self._wake()
        self._session.may_be_called.set()

    def _wake(self) -> None:
        if self._answered is not None:
            self._answered.set()

    async def _wait_for_first_message(self) -> None:
        """Wait on behalf of the whole queue: the CALL whose turn it is holds the lock, so order and bound are kept."""
        with trio.move_on_after(FIRST_MESSAGE_SECONDS):
            await self._session.may_be_called.wait()
        self._session.may_be_called.set()  # also after the time-out

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
        self._observe_end(row, outcome, trio.current_time() - sent_at)
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
        with suppress(ConnectionClosed):  # the session is about to end and fails this CALL
            await self._session.send(call_text(message_id, action, payload), message_id, action)
        return command

    def _failure(self, command: int, action: str, seconds: float) -> CallFailed:
        """Return the reason why there is no response.

        It is registered before the outcome is stored, because a late response may arrive meanwhile.
        """
        if self._is_closed:
            return ChargerGone()
        failure = self._timed_out[command] = CallTimedOut(f"{action}: no answer within {seconds:g} s")
        return failure

    def _observe_end(self, row: commands.CommandOutcome, outcome: Response | CallFailed, seconds: float) -> None:
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
            raise CallRefused(refused.code, f"its response is malformed: {refused.description}") from refused

    async def _store(self, row: commands.CommandOutcome) -> None:
        interval = await self._writer.run(commands.settle, self._session.origin(), row)
        if interval is not None:
            self._session.set_heartbeat_interval(interval)


def _row(command: int, action: str, outcome: Response | CallFailed, is_late: bool = False) -> commands.CommandOutcome:
    if isinstance(outcome, CallFailed):
        return commands.CommandOutcome(command, action, "timed out" if isinstance(outcome, CallTimedOut) else "gone")
    if isinstance(outcome, CallError):
        code, description = masked_fragment(outcome.code), masked_fragment(outcome.description)
        return commands.CommandOutcome(command, action, "refused", is_late, None, code, description)
    return commands.CommandOutcome(
        command, action, "answered", is_late, orjson.dumps(masked_value(outcome.payload)).decode()
    )
