"""The chargers, for plugins, the API and the command line: which are known, what they are asked,
and how that is sent: one CALL in flight, the others in their rows, in order.

`Chargers.submit` stores a command. A task of the charger's session takes the oldest row, marks it
as sent, sends it, and stores what came of it; whoever asked may have left. The response is added to
the row, however late: an Accepted after the time-out still means that the car charges. Some
chargers fail when called before their first message, so the first CALL waits for that message.

A ChangeConfiguration of AuthorizationKey brings a new password. It is stored before its CALL
leaves, and opens the door beside the one before, until the charger's answer or its next connection
shows which of them it has (store/writes/chargers/security.py).

A limit of load management is no row: `ask` sends it as soon as the CALL in flight has its answer,
and waits for no database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from math import inf
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import orjson
import trio

from levity_trio.access import passwords
from levity_trio.access.passwords import AUTHORIZATION_KEY, GENERATED, GIVEN
from levity_trio.access.registration import Status, objection
from levity_trio.charger import doors
from levity_trio.charger.central import Central, CommandResult, Draining, WaitingCommand
from levity_trio.charger.stream import CloseCode, ConnectionClosed
from levity_trio.events import CallEnded, Event, Fact
from levity_trio.operations.answers import status_of
from levity_trio.plugins.base import LinkState
from levity_trio.store.cases.transaction import SYSTEM
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.faults import DatabaseDamaged, StoreUnavailable
from levity_trio.store.engine.writer import persist, surviving
from levity_trio.store.reads.chargers.chargers import Command
from levity_trio.store.writes.chargers import commands, registration, security
from levity_trio.store.writes.chargers.commands import (
    CallMessage,
    CommandDraft,
    CommandEnd,
    IdempotentRequest,
    NewCommand,
    Repeatable,
    TakenCommand,
)
from levity_trio.store.writes.chargers.files import NewUrl
from levity_trio.store.writes.chargers.registration import DecidedBy
from levity_trio.store.writes.origin import Origin
from levity_trio.told import Told
from levity_trio.wire.dispatch import CallsUnderWay, OpenCall, new_message_id
from levity_trio.wire.errors import (
    CallFailed,
    CallQueueFull,
    CallRefused,
    CallTimedOut,
    ChargerGone,
    NoRoom,
    NotConnected,
    NotRegistered,
    Refused,
)
from levity_trio.wire.frames import CallError, Response, call_text
from levity_trio.wire.payloads import read_result, write_payload
from levity_trio.wire.secrets import MASK, masked_fragment, masked_value
from levity_trio.wire.times import stamp

T = TypeVar("T")
WAITING_FACTS: Final = 256
"""The room of one subscriber. It is cut off when it is full."""
BOOT: Final = {"requestedMessage": "BootNotification"}


class UnknownCharger(ValueError):
    """There is no charger of this identity."""


class RegistrationResult(NamedTuple):
    """What a decision about a charger did; `boot` is the command that asks it to boot."""

    is_changed: bool
    boot: int | None = None


class Chargers:
    """The façade of all chargers."""

    def __init__(self, central: Central) -> None:
        self._central = central

    def known(self) -> Collection[str]:
        """Return the identities of the known chargers that are served: not hidden, waiting or
        refused."""
        status = self._central.registrations.status
        return [charger for charger in self._central.known if status(charger) is Status.ACCEPTED]

    def links(self) -> Sequence[LinkState]:
        """Return the connected chargers. Call it on the event loop only."""
        links: list[LinkState] = []
        for session in self._central.registry.sessions():
            charger, silent_seconds = session.charger, session.silent_seconds
            waiting = self._central.pending.count(charger)
            links.append(LinkState(charger, silent_seconds, session.answers_pings, waiting))
        return links

    @property
    def draining(self) -> Draining:
        """Whether this server is being drained."""
        return self._central.draining

    @property
    def are_sent_away(self) -> bool:
        """Whether all chargers lose their connections, because the server stops."""
        return self._central.registry.is_ending

    def connected(self) -> Collection[str]:
        """Return the chargers that are connected, to this server or to another one of the site."""
        here = {session.charger for session in self._central.registry.sessions()}
        return here | self._central.elsewhere.keys()

    def is_connected(self, charger: str) -> bool:
        """Whether the charger is connected, to this server or to another one of the site."""
        session = self._central.registry.find(charger)
        return session is not None or charger in self._central.elsewhere

    async def submit(
        self,
        charger: str,
        action: str,
        payload: Mapping[str, Any],
        *,
        asked_by: str,
        timeout_seconds: float | None = None,
        deadline_seconds: float | None = None,
        repeatable: Repeatable | None = None,
        url: NewUrl | None = None,
    ) -> int:
        """Store a command and return its id; the charger's session sends it, whether the asker
        stays or not.

        `payload` is that of the CALL, with the names of OCPP; it is not validated.
        `timeout_seconds` is the longest wait for the response after sending (None:
        --response-timeout), `deadline_seconds` that for a charger that is away (None: it must be
        connected). With a key that the same asker used for the same request within a day, the id of
        its command is returned, and nothing is sent. `url` is the one in the payload at which the
        charger sends or fetches a file of ours.

        Raises:
            UnknownCharger: no charger of this identity is known or connected.
            NotConnected: the charger is away, and there is no deadline. Nothing was stored.
            NotRegistered: the charger's registration forbids this CALL. Nothing was stored.
            CallQueueFull: too many commands wait for this charger.
            KeyReused: the key was used for another command.
            StoreUnavailable: the command was not stored in time, and is not sent. (Another server
                to which the charger is connected may be faster than its cancelling.)
        """
        masked, now = masked_value(payload), self._central.clock()
        deadline_at = None
        if deadline_seconds is not None:
            deadline_at = stamp(now + timedelta(seconds=deadline_seconds))
        new = NewCommand(
            charger=charger,
            action=action,
            payload=orjson.dumps(masked).decode(),
            message_id=new_message_id(),
            requested_at=stamp(now),
            asked_by=asked_by,
            run=self._central.run,
            timeout_seconds=timeout_seconds,
            deadline_at=deadline_at,
            is_masked=masked != payload,
            repeatable=repeatable,
            url=url,
        )
        # A repeated request gets the first answer, whatever has become of the charger since.
        if repeatable is not None:
            repeated = await self.repeated(charger, asked_by, repeatable)
            if repeated is not None:
                return repeated
        if words := self.objection(charger, action):
            raise NotRegistered(Told("{1} was not sent to {2}: {3}", action, charger, words))
        await self._check(charger, can_wait=deadline_seconds is not None, is_masked=new.is_masked)
        # The secrets of the payload are kept in memory only.
        whole = dict(payload) if new.is_masked else None
        return await self._store(new, WaitingCommand(charger, whole, deadline_at))

    async def repeated(self, charger: str, asked_by: str, repeatable: Repeatable) -> int | None:
        """Return the command that the same request stored within a day, if there is one.

        Raises KeyReused, StoreUnavailable.
        """
        asking = IdempotentRequest(charger, asked_by, stamp(self._central.clock()), repeatable)
        return await self._central.writer.run(commands.find_repeated, asking)

    async def submit_decided(
        self,
        charger: str,
        decide: Callable[[UnitOfWork], tuple[CallMessage | None, T]],
        *,
        asked_by: str,
    ) -> T:
        """Store the command that a write decides to send, if any, in its own transaction; return
        what it returns.

        Raises:
            TooMany: too many commands wait for this charger. The write was undone.
            StoreUnavailable: the write was not done.
        """
        pending, now = self._central.pending, stamp(self._central.clock())
        draft = CommandDraft(charger, new_message_id(), now, asked_by, self._central.run)
        pending.add(draft.message_id, WaitingCommand(charger))
        command = None
        try:
            # The shield ends as in `_store`.
            with trio.CancelScope(shield=True):
                command, result = await self._central.writer.run(
                    commands.queue_decided, draft, decide
                )
        except StoreUnavailable:
            self._give_up(charger, draft.message_id)
            raise
        finally:
            if command is None:
                pending.discard(draft.message_id)
        if command is not None:
            self._announce(charger, draft.message_id, command)
        return result

    async def ask(
        self, charger: str, action: str, payload: dict[str, Any], *, seconds: float
    ) -> CommandResult:
        """Send a CALL that is not stored, before all that wait, and return what came of it within
        `seconds`.

        Raises NotConnected if the charger is not connected to this server, ChargerGone if its
        connection ends first.
        """
        session = self._central.registry.find(charger)
        if session is None:
            raise NotConnected(Told("{1} is not connected to this server", charger))
        return await session.commands.ask(action, payload, seconds)

    def cut(self, charger: str, seconds: float) -> None:
        """End the connection of a charger, and admit it no more for so long."""
        self._central.held_off[charger] = trio.current_time() + seconds
        session = self._central.registry.find(charger)
        if session is not None:
            reason = "a trial of load management cuts this link for a few minutes"
            session.end(CloseCode.TRY_AGAIN_LATER, reason)

    async def wait(self, command: int) -> CommandResult:
        """Wait until a command has ended; any number of tasks may wait. Raises LookupError,
        StoreUnavailable."""
        waiting = self._central.pending.find(command)
        if waiting is None:
            return await self._ended(command)
        await waiting.ended.wait()
        return waiting.result or await self._ended(command)

    async def cancel(self, command: int) -> bool:
        """Cancel a command that is still queued; return False if it is not. Raises
        StoreUnavailable."""
        now = stamp(self._central.clock())
        return await self._central.writer.run(commands.cancel, command, now)

    @asynccontextmanager
    async def events(self) -> AsyncIterator[trio.MemoryReceiveChannel[Fact]]:
        """Yield a channel of the facts that are committed from now on. It ends if its reader is too
        slow."""
        sender, facts = trio.open_memory_channel[Fact](WAITING_FACTS)

        def pass_on(event: Event) -> None:
            if isinstance(event, Fact):
                try:
                    sender.send_nowait(event)
                except (trio.WouldBlock, trio.ClosedResourceError, trio.BrokenResourceError):
                    # Its reader is too slow, and must not miss a fact without noticing.
                    sender.close()

        with self._central.hooks.listening(pass_on), sender, facts:
            yield facts

    def is_served(self, charger: str) -> bool:
        """Whether the charger is connected and neither waits to be adopted nor is refused."""
        return (
            self.is_connected(charger)
            and self._central.registrations.status(charger) is Status.ACCEPTED
        )

    def objection(self, charger: str, action: str) -> str | None:
        """Return why the charger's registration forbids a CALL, None if it does not."""
        return objection(self._central.registrations.status(charger), action)

    async def adopt(
        self, charger: str, decided: DecidedBy, seen: str | None = None
    ) -> RegistrationResult:
        """Register a charger. If it waited or was refused and is connected, it is asked to boot.

        `seen` is its registration when the person looked. Raises UnknownCharger, Otherwise,
        StoreUnavailable.
        """
        before = self._central.registrations.status(charger)
        is_changed = await self._central.writer.run(registration.adopt, charger, decided, seen)
        return RegistrationResult(is_changed, await self._ask_to_boot(charger, before, decided.by))

    async def adopt_all(self, decided: DecidedBy) -> list[str]:
        """Adopt every newcomer with a transaction; return their identities. Raises
        StoreUnavailable."""
        before = self._central.registrations.newcomer_status
        adopted = await self._central.writer.run(registration.adopt_all, decided)
        for charger in adopted:
            await self._ask_to_boot(charger, before, decided.by)
        return adopted

    async def refuse(
        self, charger: str, decided: DecidedBy, seen: str | None = None
    ) -> RegistrationResult:
        """Refuse a charger. Its connection ends if refused chargers may not connect (--registration
        closed).

        `seen` is its registration when the person looked. Raises UnknownCharger, Otherwise,
        StoreUnavailable.
        """
        is_changed = await self._central.writer.run(registration.refuse, charger, decided, seen)
        # After a change, its event has ended the connection already.
        if not is_changed:
            self._central.end_refused(charger)
        return RegistrationResult(is_changed)

    async def _ask_to_boot(self, charger: str, before: Status, asked_by: str) -> int | None:
        """Ask a charger that was not served until now to boot, and return the id of the command.

        One that cannot be asked boots by itself, after the interval that it was told.
        """
        return None if before is Status.ACCEPTED else await self.ask_to_boot(charger, asked_by)

    async def ask_to_boot(self, charger: str, asked_by: str) -> int | None:
        """Ask a charger to boot, and return the id of the command, None if it cannot be asked
        now."""
        try:
            return await self.submit(charger, "TriggerMessage", BOOT, asked_by=asked_by)
        except (CallFailed, StoreUnavailable):
            return None

    async def _check(self, charger: str, *, can_wait: bool, is_masked: bool) -> None:
        session = self._central.registry.find(charger)
        is_elsewhere = session is None and charger in self._central.elsewhere
        if session is not None and charger not in self._central.known:
            await session.prepare_for_commands()
        elif charger not in self._central.known:
            raise UnknownCharger(charger)
        elif is_elsewhere and is_masked:
            words = Told(
                "{1} is connected to another server, and a secret is not stored; ask that server",
                charger,
            )
            raise NotConnected(words)
        elif session is None and not is_elsewhere and not can_wait:
            raise NotConnected(Told("{1} is not connected", charger))

    async def _store(self, new: NewCommand, waiting: WaitingCommand) -> int:
        """Store a row and return its id. Raises NotConnected, CallQueueFull, StoreUnavailable."""
        pending = self._central.pending
        is_here = self._central.registry.find(new.charger) is not None
        queue = commands.queue if is_here else commands.queue_elsewhere
        # Known before it is stored: it may be sent, and even have ended, before `run` returns.
        pending.add(new.message_id, waiting)
        queued = None
        try:
            # Once handed in, the write is executed, so its asker must stay to learn of it. The
            # shield ends with the writer's own deadline.
            with trio.CancelScope(shield=True):
                queued = await self._central.writer.run(queue, new)
        except commands.Away:
            raise NotConnected(Told("{1} is not connected", new.charger)) from None
        except StoreUnavailable:
            self._give_up(new.charger, new.message_id)
            raise
        finally:
            if queued is None or not queued.is_new:
                pending.discard(new.message_id)
        if queued is None:
            most = commands.QUEUED_COMMANDS
            words = Told("{1} commands are already waiting for {2}", most, new.charger)
            raise CallQueueFull(words)
        self._announce(new.charger, new.message_id, queued.id)
        return queued.id

    def _give_up(self, charger: str, message_id: str) -> None:
        """See to it that a command is not sent that the commit in progress may still store."""
        self._central.pending.give_up(message_id)
        now = stamp(self._central.clock())
        # If too many writes wait, it is ended when its turn comes.
        with suppress(StoreUnavailable):
            self._central.writer.note(commands.cancel_given_up, charger, message_id, now)

    def _announce(self, charger: str, message_id: str, command: int) -> None:
        """Note the id of a command, and have it sent."""
        self._central.pending.name(message_id, command)
        if (session := self._central.registry.find(charger)) is not None:
            session.commands.wake()

    async def _ended(self, command: int) -> CommandResult:
        stored = await self._central.writer.run(commands.read, command)
        if stored is None:
            raise LookupError(command)
        state, text, code, description = stored
        answer: Any = text
        if text is not None:
            # Of an over-long one only the beginning is kept, which is no JSON and stays a text.
            with suppress(orjson.JSONDecodeError):
                answer = orjson.loads(text)
        return CommandResult(state, answer, code, description)


@dataclass(eq=False, slots=True)
class ConnectedCharger:
    """A connected charger, as passed to a plugin's `accompany`."""

    charger: str
    asked_by: str
    chargers: Chargers
    strict: bool

    async def call(self, request: Any, timeout_seconds: float | None = None) -> Any:
        """Send a request (a dataclass of `ocpp.v16.call`) and return its response (one of
        `call_result`).

        The time-out, in seconds, runs from sending; None means the configured one.

        Raises:
            CallRefused, CallTimedOut, ChargerGone, CallQueueFull: there is no usable response.
            StoreUnavailable: the command could not be stored and was not sent.
            ValueError: the request is not valid OCPP.
        """
        action, payload = type(request).__name__, write_payload(request)
        command = await self.chargers.submit(
            self.charger, action, payload, asked_by=self.asked_by, timeout_seconds=timeout_seconds
        )
        result = await self.chargers.wait(command)
        match result.state:
            case "error":
                raise CallRefused(result.error_code or "", result.error_description or "")
            case "timed out":
                raise CallTimedOut(f"{action}: {result.error_description}")
            case "gone" | "expired" | "cancelled":
                raise ChargerGone(f"{action}: {result.state}")
        try:
            return read_result(action, result.answer, strict=self.strict).message
        except Refused as refused:
            description = f"its response is malformed: {refused.description}"
            raise CallRefused(refused.code, description) from refused

    def objection(self, action: str) -> str | None:
        """Return why the charger's registration forbids a CALL, None if it does not."""
        return self.chargers.objection(self.charger, action)


async def keep_deadlines(central: Central, seconds: float) -> None:
    """End queued commands when their deadline has passed, and ask chargers whose boot did not come
    to boot, looking every so many seconds; it writes only then."""
    while True:
        await trio.sleep(seconds)
        for session in [*central.registry.sessions()]:
            if session.boot_due <= trio.current_time():
                session.boot_due = inf
                with surviving("a charger could not be asked to boot", cp=session.charger):
                    await Chargers(central).ask_to_boot(session.charger, SYSTEM)
        now = stamp(central.clock())
        if central.pending.has_due(now):
            with surviving("commands past their deadline could not be ended"):
                await central.writer.run(commands.expire, now)


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
        status = self._central.registrations.status(charger)
        # At once: a newer command is stored after this one.
        known = self._central.pending.with_secrets(charger)
        return await self._central.writer.run(commands.take_whole, origin, status, known)

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
                expect = security.expect_password
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
