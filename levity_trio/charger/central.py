"""The state of the central system that all connections share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import count
from typing import Final

import trio

from levity_trio.access.registration import Decision, Mode, Registrations
from levity_trio.access.tags import Index, Policy, Verdict
from levity_trio.charger.budget import Budget
from levity_trio.charger.doors import Doors
from levity_trio.charger.draining import Draining
from levity_trio.charger.failures import Failures
from levity_trio.charger.pending import Pending
from levity_trio.charger.registry import ConnectionRegistry
from levity_trio.charger.tls import Tls
from levity_trio.charger.turned_away import TurnedAway
from levity_trio.charger.turns import MOST_CHARGERS_WAITING, Turns
from levity_trio.charger.websocket import CloseCode
from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.events import (
    CertificateRevoked,
    ChargerConnected,
    ChargerRefused,
    Event,
    PasswordChanged,
)
from levity_trio.plugins.base import Hooks, Load
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.transactions.costs import policy_of
from levity_trio.store.upkeep.following import LiveConfig
from levity_trio.store.writes.chargers.security import BY_CHARGER, ENDED

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
