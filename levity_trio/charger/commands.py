"""Sends the commands of one charger: one CALL in flight, the others in their rows, in order.

A command was stored before it comes here, by `Chargers.submit`. This task of the session takes the
oldest row, marks it as sent, sends it, and stores what came of it; whoever asked may have left. The
response is added to the row, however late: an Accepted after the time-out still means that the car
charges. Some chargers fail when called before their first message, so the first CALL waits for that
message.

A ChangeConfiguration of AuthorizationKey brings a new password. It is stored before its CALL
leaves, and opens the door beside the one before, until the charger's answer or its next connection
shows which of them it has (store/writes/chargers/credentials.py).

A limit of load management is no row: `ask` sends it as soon as the CALL in flight has its answer,
and waits for no database.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol

import orjson
import trio

from levity_trio.access import passwords
from levity_trio.access.passwords import AUTHORIZATION_KEY, GENERATED, GIVEN
from levity_trio.charger import doors
from levity_trio.charger.central import Central, CommandResult
from levity_trio.charger.websocket import ConnectionClosed
from levity_trio.events import CallEnded
from levity_trio.operations.answers import status_of
from levity_trio.store.engine.faults import DatabaseDamaged
from levity_trio.store.engine.writer import persist
from levity_trio.store.reads.chargers.charger_facts import Command
from levity_trio.store.writes.chargers import commands, credentials
from levity_trio.store.writes.chargers.commands import CommandEnd, TakenCommand
from levity_trio.store.writes.origin import Origin
from levity_trio.wire.dispatch import CallsUnderWay, OpenCall, new_message_id
from levity_trio.wire.errors import ChargerGone, NoRoom
from levity_trio.wire.frames import CallError, Response, call_text
from levity_trio.wire.secrets import MASK, masked_fragment, masked_value
from levity_trio.wire.times import stamp

FIRST_MESSAGE_SECONDS: Final = 10.0
ROTATE: Final = {"key": AUTHORIZATION_KEY, "value": MASK}
"""The payload that asks for a new password: it is made when its CALL is about to leave, and nobody
else knows it. So such a command may wait for a charger, and survives a restart."""


class CommandSession(Protocol):
    """What CommandSender needs of its session."""

    charger: str

    async def begin(self) -> Origin:
        """Insert the session's row, if it has none. Raises NoRoom, StoreUnavailable."""

    def origin(self) -> Origin:
        """Return the origin of a row that is written now."""

    async def send(self, text: str, message_id: str, action: str) -> None:
        """Send one frame: the CALL with this id and action. Raises ConnectionClosed."""

    def set_heartbeat_interval(self, seconds: int) -> None:
        """Use this heartbeat interval, in seconds, which the charger was sent or has reported."""


class CommandSender:
    """The commands of one session, a task of which is `run`; only the session uses `settle` and
    `close`."""

    __slots__ = (
        "_answered",
        "_central",
        "_in_flight",
        "_is_closed",
        "_response",
        "_session",
        "_turn",
        "_under_way",
        "_work",
        "may_be_called",
    )

    def __init__(self, session: CommandSession, central: Central) -> None:
        self._session = session
        self._central = central
        self.may_be_called = trio.Event()
        """Set by the charger's first message, or after FIRST_MESSAGE_SECONDS."""
        self._under_way = CallsUnderWay()
        self._turn = trio.Lock()
        self._in_flight = trio.Lock()
        """Held for a CALL from its sending to its answer."""
        self._is_closed = False
        self._work = trio.Event()
        self._response: Response | None = None
        self._answered: trio.Event | None = None

    async def run(self) -> None:
        """Send this charger's commands until the session ends, whose row the handshake of a known
        charger begins."""
        if self._session.charger in self._central.known:
            with suppress(NoRoom, DatabaseDamaged):
                await persist(self._session.begin)
        if not self._central.pending.count(self._session.charger):
            await self._work.wait()
        await self.wait_for_first_message()
        while True:
            # The session is ending, or the writer has logged it.
            with suppress(NoRoom, DatabaseDamaged):
                await self._send_all()
            await self._work.wait()

    def wake(self) -> None:
        """Look for commands: one was stored."""
        self._work.set()

    async def wait_for_first_message(self) -> None:
        """Wait until the charger may be called. Raises ChargerGone if the session ends first."""
        async with self._turn:
            with trio.move_on_after(FIRST_MESSAGE_SECONDS):
                await self.may_be_called.wait()
            # After the time-out, too: others need not wait once more.
            self.may_be_called.set()
            if self._is_closed:
                raise ChargerGone("the connection ended")

    def close(self) -> None:
        """Fail those who wait for the first message, because the session has ended."""
        self._is_closed = True
        self.may_be_called.set()
        if self._answered is not None:
            self._answered.set()

    async def ask(self, action: str, payload: dict[str, Any], seconds: float) -> CommandResult:
        """Send a CALL that is not stored, before all that are, and return what came of it within
        `seconds`.

        Raises ChargerGone if the session ends first.
        """
        await self.wait_for_first_message()
        async with self._in_flight:
            if self._is_closed:
                raise ChargerGone("the connection ended")
            message_id = new_message_id()
            text = call_text(message_id, action, payload)
            gone = CommandEnd(0, action, "gone")
            end, response = await self._response_to(gone, message_id, text, seconds)
            if response is None and self._is_closed:
                raise ChargerGone("the connection ended")
            return _result(end, response)

    def action_of(self, response: Response) -> str | None:
        """Return the action of the CALL that a response belongs to, None if there is no such CALL.

        Call it before `settle`, which forgets the CALL.
        """
        call = self._under_way.find(response.message_id)
        return call.action if call else None

    def settle(self, response: Response) -> str | None:
        """Match a response of the charger; return the kind of fault if it is late or unexpected,
        else None.

        Such a response is for `store_late`, which waits for the database, as the reader must not.
        """
        fault = self._under_way.settle(response)
        if fault is None:
            self._response = response
            if self._answered is not None:
                self._answered.set()
        return fault

    async def store_late(self, response: Response) -> None:
        """Store a response to a CALL that has expired, or was sent over an earlier connection, or
        by an earlier run.

        One that belongs to no such CALL is ignored. Raises NoRoom, StoreUnavailable.
        """
        find, charger = commands.find_unanswered, self._session.charger
        sent = await self._central.writer.run(find, charger, response.message_id)
        if sent is not None:
            await self._session.begin()
            end = _end(sent.id, sent.action, response, is_late=True)
            self._observe(end, response, 0.0)
            await self._store(end)

    async def _send_all(self) -> None:
        """Send the commands that are stored, the oldest first."""
        pending, config = self._central.pending, self._central.config
        self._work = trio.Event()
        while pending.count(self._session.charger):
            taken = await persist(self._take)
            if taken is None:
                return
            end, response = CommandEnd(taken.id, taken.action, "gone"), None
            if pending.is_given_up(taken.message_id):
                await self._store(replace(end, error_code=commands.GIVEN_UP))
            else:
                async with self._in_flight:
                    seconds = taken.timeout_seconds
                    if seconds is None:
                        seconds = config.response_timeout_seconds
                    text = await self._text(taken)
                    end, response = await self._response_to(end, taken.message_id, text, seconds)
                stored = None
                try:
                    stored = await self._store(end)
                finally:
                    # A charger may leave right after its response, which is stored all the same.
                    result = replace(_result(end, response), stored=stored)
                    pending.end(taken.id, taken.message_id, result)
            self._work = trio.Event()

    async def _take(self) -> TakenCommand | None:
        origin, charger = await self._session.begin(), self._session.charger
        registration = self._central.registrations.status(charger)
        # At once: a newer command is stored after this one.
        known = self._central.pending.with_secrets(charger)
        return await self._central.writer.run(commands.take_whole, origin, registration, known)

    async def _response_to(
        self, end: CommandEnd, message_id: str, text: str, seconds: float
    ) -> tuple[CommandEnd, Response | None]:
        """Send a CALL, wait for its response, and return both how it ended and that; None if none
        came in time.

        `end` is how it ends if the session does. `_in_flight` must be held.
        """
        self._under_way.begin(OpenCall(message_id, end.action))
        self._response = None
        self._answered = answered = trio.Event()
        began = trio.current_time()
        try:
            # If the peer has left, the session is about to end, which ends the wait below.
            with suppress(ConnectionClosed):
                await self._session.send(text, message_id, end.action)
            with trio.move_on_after(seconds):
                await answered.wait()
            response: Response | None = self._response
            if response is not None:
                end = _end(end.command, end.action, response)
            elif not self._is_closed:
                description = f"no answer within {seconds:g} s"
                end = replace(end, state="timed out", error_description=description)
            return end, response
        finally:
            # Also when the session ends; what it leaves unanswered is stored with its end.
            self._under_way.expire()
            self._observe(end, self._response, trio.current_time() - began)

    async def _text(self, taken: TakenCommand) -> str:
        """Return the frame of a command that is about to leave. If it changes the charger's
        password, that is stored before."""
        central = self._central
        payload = central.pending.payload(taken.message_id) or orjson.loads(taken.payload)
        # A raw call may contain anything.
        if taken.action == "ChangeConfiguration" and isinstance(payload, dict):
            key, value = payload.get("key"), payload.get("value")
            is_key = isinstance(key, str) and key.casefold() == AUTHORIZATION_KEY.casefold()
            if is_key and isinstance(value, str):
                is_made = value == MASK
                if is_made:
                    value = passwords.make()
                password = passwords.of_key(value)
                stored = await doors.stretch(
                    passwords.store, password, GENERATED if is_made else GIVEN
                )
                at, by = stamp(central.clock()), f"command {taken.id}"
                expect = credentials.expect_password
                charger = self._session.charger
                await persist(
                    partial(central.writer.run, expect, charger, stored, at, by, taken.id)
                )
                payload = {**payload, "value": value}
        return call_text(taken.message_id, taken.action, payload)

    async def _store(self, end: CommandEnd) -> Command | None:
        settle = partial(self._central.writer.run, commands.settle, self._session.origin(), end)
        settled = await persist(settle)
        if settled.heartbeat_interval is not None:
            self._session.set_heartbeat_interval(settled.heartbeat_interval)
        return settled.command

    def _observe(self, end: CommandEnd, response: Response | None, seconds: float) -> None:
        status = None
        if response is not None and not isinstance(response, CallError):
            status = status_of(response.payload)
        ended = CallEnded(
            charger=self._session.charger,
            action=end.action,
            state=end.state,
            seconds=seconds,
            status=status,
            error_code=end.error_code,
            late=end.is_late,
        )
        self._central.hooks.observe(ended)


def _end(command: int, action: str, response: Response, *, is_late: bool = False) -> CommandEnd:
    if isinstance(response, CallError):
        return CommandEnd(
            command,
            action,
            "error",
            is_late,
            error_code=masked_fragment(response.code),
            error_description=masked_fragment(response.description),
            is_unreadable=response.is_unreadable,
        )
    state = commands.state_for(action, response.payload)
    text = orjson.dumps(masked_value(response.payload)).decode()
    return CommandEnd(command, action, state, is_late, text)


def _result(end: CommandEnd, response: Response | None) -> CommandResult:
    """Return how a CALL ended, for whoever asked."""
    answer = None if response is None or isinstance(response, CallError) else response.payload
    return CommandResult(end.state, answer, end.error_code, end.error_description)
