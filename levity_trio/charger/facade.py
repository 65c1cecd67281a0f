"""The chargers, for plugins, the API and the command line: which are known, and what they are
asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Any, Final, NamedTuple, TypeVar

import orjson
import trio

from levity_trio.access.registration import Status, objection
from levity_trio.charger.central import Central, CommandResult, Draining, WaitingCommand
from levity_trio.charger.websocket import CloseCode
from levity_trio.events import Event, Fact
from levity_trio.plugins.base import LinkState
from levity_trio.store.cases.transaction import SYSTEM
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.engine.writer import surviving
from levity_trio.store.writes.chargers import commands, registration
from levity_trio.store.writes.chargers.commands import (
    CallMessage,
    CommandDraft,
    IdempotentRequest,
    NewCommand,
    Repeatable,
)
from levity_trio.store.writes.chargers.files import NewUrl
from levity_trio.store.writes.chargers.registration import DecidedBy
from levity_trio.told import Told
from levity_trio.wire.dispatch import new_message_id
from levity_trio.wire.errors import (
    CallFailed,
    CallQueueFull,
    CallRefused,
    CallTimedOut,
    ChargerGone,
    NotConnected,
    NotRegistered,
    Refused,
)
from levity_trio.wire.payloads import read_result, write_payload
from levity_trio.wire.secrets import masked_value
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
