"""The state of the central system that all connections share: the open connections, the commands
that have not ended, and whether this server drains.

The newest connection of a charger wins. Cleaning up compares sessions by identity, so the end of an
older connection never touches the state of a newer one. All mutable state of connections is in
`_visitors`, `_sessions` and `_turns`.

Who waits for a command, and the secrets that are never stored, are in memory only.

A server is drained before its stop. A proxy learns of it first, from /healthz. Then no new chargers
are admitted, and those that are here are told one after the other to connect again: then other
servers of the site have them.

What other servers of the site have stored, this server learns before its own next write is
answered. A fact is passed to all parts of this server that follow facts in memory. A charger that
has connected to another server is no longer served here. A command that was asked for at another
server is sent here if its charger is connected here.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import count
from typing import Any, Final, Protocol

import trio

from levity_trio.access.admission import Admission
from levity_trio.access.registration import Decision, Mode, Registrations
from levity_trio.access.tags import Index, Policy, Verdict
from levity_trio.charger.budget import Budget
from levity_trio.charger.doors import MOST_CHARGERS_WAITING, Doors, Failures, TurnedAway, Turns
from levity_trio.charger.stream import CloseCode, Tls
from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.events import (
    CallAnswered,
    CallFailed,
    CertificateRevoked,
    ChargerConnected,
    ChargerDisconnected,
    ChargerRefused,
    Event,
    PasswordChanged,
    TransactionStarted,
)
from levity_trio.events.stored import read_fact
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import Hooks, Load
from levity_trio.records import record
from levity_trio.store.engine.database import News
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.chargers.chargers import STOPPING, Command, sessions_elsewhere
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.transactions.costs import policy_of
from levity_trio.store.upkeep.following import LiveConfig
from levity_trio.store.writes.chargers.commands import Unfinished
from levity_trio.store.writes.chargers.security import BY_CHARGER, ENDED
from levity_trio.store.writes.chargers.sessions import REPLACED

UNSETTLED: Final = ("gone", "expired", "cancelled")
"""The states of commands that end without the task that sends."""
REMEMBERED: Final = 1_000
"""The given-up commands that are remembered: as many as may be stored at once. Older ones were
cancelled since."""


@record(kw_only=False)
class CommandResult:
    """How a command ended; `state` as in the table `command`, `answer` the payload of the
    CALLRESULT.

    `stored` is its row, if it was read with the end.
    """

    state: str
    answer: Any = None
    error_code: str | None = None
    error_description: str | None = None
    stored: Command | None = None


@dataclass(eq=False, slots=True)
class WaitingCommand:
    """A command that has not ended. `payload` is as asked for, with its secrets; None: as
    stored."""

    charger: str
    payload: dict[str, Any] | None = None
    deadline_at: str | None = None
    result: CommandResult | None = None
    ended: trio.Event = field(default_factory=trio.Event)

    def end(self, result: CommandResult | None) -> None:
        """Wake all who wait. Without a result, they read it."""
        self.result = result
        self.ended.set()


class Pending:
    """The commands of all chargers that have not ended, by message id, which is known before the
    row."""

    def __init__(self) -> None:
        self._by_message: dict[str, WaitingCommand] = {}
        self._message_of: dict[int, str] = {}
        self._of_charger: defaultdict[str, set[str]] = defaultdict(set)
        self._given_up: dict[str, None] = {}
        """Message ids, in the order in which they were given up."""
        self._early: dict[int, CommandResult] = {}
        """Ends of commands whose id is not noted yet."""

    def __len__(self) -> int:
        return len(self._by_message)

    def load(self, commands: Iterable[Unfinished]) -> None:
        """Add the stored commands that are not known yet: an earlier run, or another server, has
        queued them."""
        for command in commands:
            message_id = command.message_id
            if message_id not in self._by_message and message_id not in self._given_up:
                self.add(
                    message_id, WaitingCommand(command.charger, deadline_at=command.deadline_at)
                )
                self.name(message_id, command.id)

    def add(self, message_id: str, waiting: WaitingCommand) -> None:
        """Add a command before its row is stored."""
        self._by_message[message_id] = waiting
        self._of_charger[waiting.charger].add(message_id)

    def name(self, message_id: str, command: int) -> None:
        """Note the id of a command, unless it has ended already."""
        if message_id in self._by_message:
            self._message_of[command] = message_id
        if (result := self._early.pop(command, None)) is not None:
            self.end(command, message_id, result)

    def give_up(self, message_id: str) -> None:
        """Remove a command whose asker was told that nothing was done: stored all the same, it must
        not be sent."""
        self.discard(message_id)
        self._given_up[message_id] = None
        while len(self._given_up) > REMEMBERED:
            del self._given_up[next(iter(self._given_up))]

    def is_given_up(self, message_id: str) -> bool:
        """Whether the asker of a command was told that nothing was done."""
        return message_id in self._given_up

    def discard(self, message_id: str) -> WaitingCommand | None:
        """Remove a command, and return it if it was there: it has ended, or was not stored."""
        waiting = self._by_message.pop(message_id, None)
        if waiting is not None:
            self._of_charger[waiting.charger].discard(message_id)
        return waiting

    def find(self, command: int) -> WaitingCommand | None:
        """Return a command that has not ended, None if it has, or was never asked for."""
        return self._by_message.get(self._message_of.get(command, ""))

    def payload(self, message_id: str) -> dict[str, Any] | None:
        """Return the payload with its secrets, None if the stored one has none."""
        waiting = self._by_message.get(message_id)
        return None if waiting is None else waiting.payload

    def with_secrets(self, charger: str) -> Collection[str]:
        """Return the message ids of a charger's commands whose secrets are known here."""
        ids = self._of_charger.get(charger, ())
        return [key for key in ids if self._by_message[key].payload is not None]

    def has_due(self, at: str) -> bool:
        """Whether the deadline of a command has passed; it may have been sent before."""
        deadlines = (waiting.deadline_at for waiting in self._by_message.values())
        return any(deadline is not None and deadline <= at for deadline in deadlines)

    def count(self, charger: str) -> int:
        """Return the number of commands of one charger."""
        return len(self._of_charger.get(charger, ()))

    def settle(self, command: int) -> None:
        """End a command that another server has sent and stored."""
        if (message_id := self._message_of.get(command)) is not None:
            self.end(command, message_id, None)

    def end(self, command: int, message_id: str, result: CommandResult | None) -> None:
        """Wake those who wait for a command, and forget it."""
        self._message_of.pop(command, None)
        if (waiting := self.discard(message_id)) is not None:
            waiting.end(result)

    def observe(self, event: Event) -> None:
        """End a command that was not settled: its connection ended, its deadline passed, or it was
        cancelled."""
        if not isinstance(event, CallFailed) or event.state not in UNSETTLED:
            return
        result = CommandResult(event.state, error_code=event.error_code)
        if (message_id := self._message_of.get(event.command)) is not None:
            self.end(event.command, message_id, result)
        elif len(self._by_message) > len(self._message_of):
            # Perhaps it is one that is just being stored, of which only the message id is known.
            self._early[event.command] = result


ALIVE_SECONDS: Final = 10.0
"""A replaced connection counts as alive if its last byte was at most this old."""
HOLD_SECONDS: Final = 60.0
"""How long a connection that replaced another client's is served before it may be replaced
itself."""


class Sender(Protocol):
    """The task of a session that sends its commands."""

    def wake(self) -> None:
        """Look for commands: one was stored."""

    async def ask(self, action: str, payload: dict[str, Any], seconds: float) -> CommandResult:
        """Send a CALL that is not stored, and return what came of it in so many seconds. Raises
        ChargerGone."""


class RegisteredSession(Protocol):
    """A session, as the registry and the façade see it."""

    charger: str
    visitor: Visitor
    boot_due: float
    """When it is asked to boot if no BootNotification has come, by trio's clock; inf if never."""

    @property
    def commands(self) -> Sender:
        """The task that sends the charger its commands."""

    async def prepare_for_commands(self) -> None:
        """Wait for the charger's first message, but not for ever, and begin the session's row.
        Raises ChargerGone, NoRoom, StoreUnavailable."""

    @property
    def answers_pings(self) -> bool:
        """Whether the charger answers our pings."""

    @property
    def has_spoken(self) -> bool:
        """Whether the charger sent a valid message."""

    @property
    def has_begun(self) -> bool:
        """Whether the session has a row."""

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last byte from the charger."""

    def end(self, code: int, reason: str) -> None:
        """End the session with this close code and reason."""


class Visitor:
    """The peer of a connection, from its first byte. Cancelling `scope` ends the connection, also
    during its handshake.

    `charger` is the identity that it has shown to be its own, as far as that is required of it. It
    counts towards --max-connections from its admission until it is dismissed.
    """

    __slots__ = (
        "_rival_serial",
        "_serial",
        "address",
        "charger",
        "fingerprint",
        "has_compared",
        "held_until",
        "hurry",
        "is_admitted",
        "is_tls",
        "proof",
        "scope",
    )

    def __init__(self, scope: trio.CancelScope, address: str, hurry: Callable[[], None]) -> None:
        self.scope = scope
        self.address = address
        self.hurry = hurry
        """Shortens the wait for a frame that is half sent, which `scope` does not end."""
        self.charger: str | None = None
        self.has_compared = False
        """Whether its password was compared with one that takes long."""
        self.is_admitted = False
        self.is_tls = False
        self.fingerprint: str | None = None
        """SHA-256 of its client certificate, in hexadecimal."""
        self.proof: Admission | None = None
        """How it was let in."""
        self.held_until = -math.inf
        """Until this time of trio's clock no other connection may replace it."""
        self._serial: str | None = None
        """The serial number of its last boot."""
        self._rival_serial: str | None = None
        """That of the connection which it replaced, if that was alive."""

    @property
    def is_shaking_hands(self) -> bool:
        """Whether it is not admitted yet and not cancelled."""
        return not self.is_admitted and not self.scope.cancel_called

    def replace(self, before: RegisteredSession) -> None:
        """Replace a session. A session that is alive at another address belongs to another
        client."""
        if before.has_spoken and before.silent_seconds <= ALIVE_SECONDS:
            self._rival_serial = before.visitor._serial
            if before.visitor.address != self.address:
                self._hold()
        # It counts no more, although its goodbye may take a while.
        before.visitor.is_admitted = False
        before.end(CloseCode.NORMAL, REPLACED)

    def identify(self, serial: str | None) -> None:
        """Note the serial number of a boot. If it differs from the replaced session's, that was
        another client."""
        self._serial = serial
        if serial is not None and self._rival_serial not in (None, serial):
            self._hold()

    def _hold(self) -> None:
        self.held_until = trio.current_time() + HOLD_SECONDS


class ConnectionRegistry:
    """The connections of this server."""

    def __init__(self) -> None:
        self._visitors: dict[Visitor, None] = {}
        """The open connections, in order of arrival."""
        self._sessions: dict[str, RegisteredSession] = {}
        self._turns: dict[str, trio.CancelScope] = {}
        """The newest handshake that waits until the current connection is no longer held, by
        charger."""
        self.is_ending = False
        """Whether all connections are being ended, because the server stops."""

    def __len__(self) -> int:
        return len(self._visitors)

    def __repr__(self) -> str:
        return f"<ConnectionRegistry {len(self._visitors)} chargers={len(self._sessions)}>"

    @contextmanager
    def enlisted(self, address: str, hurry: Callable[[], None]) -> Iterator[Visitor]:
        """Register a connection, from before its handshake, in a scope that `end_all` cancels."""
        with trio.CancelScope() as scope:
            visitor = Visitor(scope, address, hurry)
            self._visitors[visitor] = None
            # A connection may begin after the listeners have closed.
            if self.is_ending:
                scope.cancel()
            try:
                yield visitor
            finally:
                del self._visitors[visitor]

    def end_all(self) -> None:
        """Cancel every connection's scope, so that each sends its own close frame."""
        self.is_ending = True
        for visitor in self._visitors:
            visitor.scope.cancel()
            visitor.hurry()

    # Limits

    @property
    def unfinished(self) -> int:
        """The number of connections without a session: mostly of handshakes under way."""
        return len(self._visitors) - len(self._sessions)

    def has_room(self, charger: str, most: int) -> bool:
        """Whether this charger fits among at most `most` chargers that are admitted."""
        # Nearly always: so many cannot be more chargers.
        if len(self._visitors) <= most:
            return True
        others = {visitor.charger for visitor in self._visitors if visitor.is_admitted} - {charger}
        return len(others) < most

    def count_strangers(self, address: str, known: Collection[str]) -> int:
        """Count the connections from one address that are not, or not yet, identified as a known
        charger."""
        return sum(
            visitor.address == address and visitor.charger not in known
            for visitor in self._visitors
        )

    def find_stranger(self, known: Collection[str]) -> Visitor | None:
        """Return the admitted stranger that has been silent for the longest time, if there is
        one."""
        strangers = [
            visitor
            for visitor in self._visitors
            if visitor.is_admitted and visitor.charger not in known
        ]
        return max(strangers, key=self._silent_seconds, default=None)

    def dismiss(self, visitor: Visitor, code: int, reason: str) -> None:
        """End an admitted connection; one without a session yet is closed without a close frame."""
        visitor.is_admitted = False
        session = self._session_of(visitor)
        if session is None:
            visitor.scope.cancel()
        else:
            session.end(code, reason)

    def expel(self, code: int, reason: str, *, where: Callable[[Admission], bool]) -> None:
        """End the connections that were let in by a proof which counts no more."""
        for visitor in [*self._visitors]:
            if visitor.is_admitted and visitor.proof is not None and where(visitor.proof):
                self.dismiss(visitor, code, reason)

    def _silent_seconds(self, visitor: Visitor) -> float:
        session = self._session_of(visitor)
        return 0.0 if session is None else session.silent_seconds

    def _session_of(self, visitor: Visitor) -> RegisteredSession | None:
        session = self._sessions.get(visitor.charger or "")
        return session if session is not None and session.visitor is visitor else None

    def find_handshake(self, known: Collection[str], besides: Visitor) -> Visitor | None:
        """Return the oldest handshake that is not, or not yet, identified as a known charger's, if
        there is one.

        It is one of the address with the most of them: who opens many makes room, not who shares
        the server with it.
        """
        strangers = (
            visitor
            for visitor in self._visitors
            if visitor is not besides and visitor.charger not in known
        )
        unfinished = [visitor for visitor in strangers if visitor.is_shaking_hands]
        counts = Counter(visitor.address for visitor in unfinished)
        return max(unfinished, key=lambda visitor: counts[visitor.address], default=None)

    # Two clients with one identity

    def held_seconds(self, charger: str) -> float:
        """Return how long the charger's current connection is still held before another may replace
        it."""
        present = self._sessions.get(charger)
        if present is None or not present.has_spoken:
            return 0.0
        return max(0.0, present.visitor.held_until - trio.current_time())

    async def wait_turn(self, charger: str, seconds: float) -> bool:
        """Wait this long, or until the charger's connection ends; return False if a newer handshake
        waits instead."""
        with trio.CancelScope() as turn:
            before, self._turns[charger] = self._turns.get(charger), turn
            if before is not None:
                before.cancel()
            try:
                await trio.sleep(seconds)
            finally:
                # A newer handshake has put its own scope here, and cancelled this one.
                is_newest = self._turns.get(charger) is turn
                if is_newest:
                    del self._turns[charger]
        return is_newest

    # Current sessions

    def install(self, session: RegisteredSession) -> None:
        """Make this the current session of its charger, and end the one before."""
        before = self._sessions.get(session.charger)
        self._sessions[session.charger] = session
        if before is not None:
            session.visitor.replace(before)

    def displace(self, charger: str) -> None:
        """End a session whose charger has begun a newer one with another server."""
        before = self._sessions.get(charger)
        # A session without a row will be the newer one of the two when it gets its row.
        if before is not None and before.has_begun:
            del self._sessions[charger]
            before.visitor.is_admitted = False
            before.end(CloseCode.NORMAL, REPLACED)

    def remove(self, session: RegisteredSession) -> bool:
        """Remove a session; return whether it was still the current one of its charger."""
        is_current = self._sessions.get(session.charger) is session
        if is_current:
            del self._sessions[session.charger]
            # Nothing is left to wait for.
            if (turn := self._turns.get(session.charger)) is not None:
                turn.cancel()
        return is_current

    def sessions(self) -> Collection[RegisteredSession]:
        """Return the current session of each connected charger."""
        return self._sessions.values()

    def find(self, charger: str) -> RegisteredSession | None:
        """Return the current session of a charger, None while it is not connected."""
        return self._sessions.get(charger)


NOTICE_SECONDS: Final = 3.0
"""The time in which a proxy finds out: it asks each second, and believes the second answer."""
REFUSED: Final = "This server is about to stop; connect again."

log = get_logger("system")


class Draining:
    """Whether this server is being drained, and over how many seconds its chargers are told so."""

    def __init__(self) -> None:
        self._asked = trio.Event()
        self._seconds = 0.0
        self.is_closed = False
        """Whether no more chargers are admitted."""

    @property
    def is_asked(self) -> bool:
        return self._asked.is_set()

    def ask(self, seconds: float) -> None:
        """Begin to drain the server. Only the first one who asks says over how many seconds."""
        if not self.is_asked:
            self._seconds = seconds
            self._asked.set()

    async def run(self, registry: ConnectionRegistry) -> None:
        """Wait until somebody asks, then close the connections."""
        await self._asked.wait()
        # The proxy must send no new charger here when the first one is told to come back.
        await trio.sleep(min(NOTICE_SECONDS, self._seconds))
        self.is_closed = True
        sessions = list(registry.sessions())
        log.warning(
            "draining: chargers are told to connect again",
            chargers=len(sessions),
            seconds=self._seconds,
        )
        for session in sessions:
            session.end(CloseCode.SERVICE_RESTART, STOPPING)
            await trio.sleep(self._seconds / len(sessions))


Authorizer = Callable[[str, str, int | None], Awaitable[Verdict | None]]
"""Takes the tag, the charger and the connector, None where the tag is presented to the charger as a
whole."""

ENDS_AT_ONCE: Final = 25
"""Ends of sessions that wait for the writer at a time. After an outage of the database thousands
have ended, and their chargers, which connect again, must not wait behind all of them."""


@dataclass(slots=True)
class Central:
    """The shared state of all connections.

    `known` are the identities that have a row, `has_charged` those with a transaction: its readings
    belong to a bill, although it may be `bare`; `run` is the id of this run's row, 0 until it has
    begun; then `site` is the name by which other servers know this one.
    """

    config: ServerConfig
    writer: Writer
    clock: Clock
    known: set[str]
    has_charged: set[str]
    clock_trusted: bool
    hooks: Hooks = field(default_factory=Hooks)
    run: int = 0
    site: str = "unknown"
    registry: ConnectionRegistry = field(default_factory=ConnectionRegistry)
    connection_numbers: Iterator[int] = field(default_factory=partial(count, 1))
    """Numbers that identify a connection of this run before it has a row."""
    readings: dict[str, tuple[date, int]] = field(default_factory=dict)
    """The last day with readings, and their number on that day, by charger."""
    ready: trio.Event = field(default_factory=trio.Event)
    """Set when the clock is trusted, or after --clock-wait."""
    elsewhere: dict[str, int] = field(default_factory=dict)
    """The sessions of chargers that are connected to another server of the site, by charger."""
    draining: Draining = field(default_factory=Draining)
    held_off: dict[str, float] = field(default_factory=dict)
    """The chargers that are not admitted before a time of trio's clock, because a trial cuts their
    links."""
    ending: trio.CapacityLimiter = field(
        default_factory=partial(trio.CapacityLimiter, ENDS_AT_ONCE)
    )
    """Limits how many sessions store their end at a time."""
    pending: Pending = field(default_factory=Pending)
    failures: Failures = field(default_factory=Failures)
    """The failed handshakes of late."""
    turns: Turns = field(
        default_factory=partial(Turns, trio.Lock(), MOST_CHARGERS_WAITING, MOST_CHARGERS_WAITING)
    )
    """The turns of handshakes whose password takes long to compare."""
    tls: Tls | None = None
    """How chargers are served by TLS, None without it."""
    doors: Doors = field(init=False)
    turned_away: TurnedAway = field(init=False)
    bare: frozenset[str] = frozenset()
    """Those that had at most one transaction when the server started, to which nothing showed
    energy."""
    decided: dict[str, Decision] = field(default_factory=dict)
    """What a person decided about the registration of a charger, by charger."""
    registrations: Registrations = field(init=False)
    budget: Budget = field(init=False)
    tags: Index = field(init=False)
    authorizer: Authorizer | None = None
    """Asks outside about a tag that nobody added; returns None if no answer came in time."""
    load: Load | None = None
    """Load management, once the server has begun."""
    live: LiveConfig = field(init=False)
    """The configuration with what is set in the browser."""

    def __post_init__(self) -> None:
        self.live = LiveConfig(self.config)
        self.budget = Budget(self.has_charged)
        self.doors = Doors(self.writer)
        self.turned_away = TurnedAway(self.writer, self.clock, self.known)
        mode = Mode(self.config.registration)
        self.registrations = Registrations(
            mode, self.known, self.decided, self.has_charged, self.bare
        )
        self.tags = Index(policy_of(self.config))
        # Each follows the facts in memory, so that no connection asks the database.
        for observe in (
            self.pending.observe,
            self.doors.observe,
            self._expel,
            self.registrations.observe,
            self.tags.observe,
            self._note_here,
        ):
            self.hooks.listen(observe)

    @property
    def policy(self) -> Policy:
        """The settings by which tags are judged."""
        return self.tags.policy

    def _note_here(self, event: Event) -> None:
        """Note that a charger is connected here, and so nowhere else."""
        if isinstance(event, ChargerConnected) and event.charger is not None:
            self.elsewhere.pop(event.charger, None)

    def _expel(self, event: Event) -> None:
        """End the connections of a charger that was refused, here or at another server, and those
        that a revoked certificate, or a password that an operator ended, has opened."""
        if isinstance(event, CertificateRevoked):
            revoked = event.certificate
            reason = "the certificate of this charger was revoked"
            self.registry.expel(
                CloseCode.POLICY_VIOLATION, reason, where=lambda proof: proof.certificate == revoked
            )
        elif isinstance(event, PasswordChanged) and event.state == ENDED and event.by != BY_CHARGER:
            ended = event.credential
            reason = "the password of this charger was changed"
            self.registry.expel(
                CloseCode.POLICY_VIOLATION, reason, where=lambda proof: proof.credential == ended
            )
        elif isinstance(event, ChargerRefused) and event.charger is not None:
            self.end_refused(event.charger)

    def end_refused(self, charger: str) -> None:
        """End the connection of a refused charger, if such chargers may not connect."""
        session = self.registry.find(charger)
        if session is not None and self.registrations.mode is Mode.CLOSED:
            session.end(CloseCode.POLICY_VIOLATION, "this charger is refused")


async def begin_learning(central: Central, reader: Reader) -> None:
    """Learn what other servers have stored since the database was opened, and will store. Raises
    Unreadable."""
    sharing = central.writer.sharing
    if not sharing.is_alone:
        central.elsewhere.update(
            await reader.run(partial(sessions_elsewhere, server=sharing.server))
        )
    sharing.begin_learning(partial(learn, central))


def learn(central: Central, news: News) -> None:
    """Follow what another server has stored."""
    for kind, data in news.facts:
        fact = read_fact(kind, data)
        if fact is None:
            continue
        central.hooks.learn(fact)
        match fact:
            case ChargerConnected(charger=str(charger)):
                central.elsewhere[charger] = fact.session
                central.registry.displace(charger)
            case ChargerDisconnected(charger=str(charger)):
                # It may have connected anew meanwhile.
                if central.elsewhere.get(charger) == fact.session:
                    del central.elsewhere[charger]
            case CallAnswered() | CallFailed():
                central.pending.settle(fact.command)
            case TransactionStarted(charger=str(charger)):
                central.has_charged.add(charger)
    for row in news.commands:
        command = Unfinished(*row)
        central.pending.load([command])
        session = central.registry.find(command.charger)
        if session is not None:
            session.commands.wake()
