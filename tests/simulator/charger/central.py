"""A small central system in memory, and the shell of one charger. Events happen at the second that
a test gives.

It accepts boots, assigns transaction ids and validates strictly: a charger that violates a schema
fails its test. A test can make it refuse, stay silent or disconnect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import (
    ChargerSpec,
    ConnectionEffect,
    Download,
    Effect,
    Memory,
    Outgoing,
    Upload,
)
from levity_trio.simulator.physics import Vehicle
from levity_trio.wire.frames import CallError, CallResult, Response
from levity_trio.wire.payloads import read_request
from levity_trio.wire.times import wire_time

# when the simulation begins, by the central system's clock
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANSWER_SECONDS = 30.0
FIRST_ID = 1001
CAR = Vehicle(name="car", battery_wh=60_000, max_ac_w=7_360, soc=0.5)
CAR_W = 7_360
ENERGY = "Energy.Active.Import.Register"
MANY_STEPS = 200_000
Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """One call of the charger."""

    at: float
    action: str
    payload: Payload


@dataclass(slots=True)
class Central:
    """A central system and its only charger. Time passes in `run` only; `ask` takes effect at
    once."""

    charger: Charger
    at: float = 0.0
    registration: str = "Accepted"
    interval: int = 86_400
    """The interval of heartbeats, or until the next boot, in seconds."""
    is_away: bool = False
    silent: set[str] = field(default_factory=set)
    """Actions that get no response."""
    refused: set[str] = field(default_factory=set)
    """Actions that get a CALLERROR."""
    tags: dict[str, Payload] = field(default_factory=dict)
    """The idTagInfo by tag; all others are Accepted."""
    files: dict[str, bytes] = field(default_factory=dict)
    """The files that can be downloaded."""
    clock: datetime = NOON
    log: list[Said] = field(default_factory=list)
    sent: list[Outgoing] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    connection_effects: list[tuple[float, str]] = field(default_factory=list)
    fetched: list[tuple[float, str]] = field(default_factory=list)
    ids: dict[tuple[Any, ...], int] = field(default_factory=dict)
    """Transactions by the values that a retried start shares with the first."""
    waiting: tuple[Outgoing, float] | None = None
    """The call without a response, and until when the charger waits for it."""

    # Time

    def run(self, until: float) -> None:
        """Advance the time, stopping at each moment at which something is due."""
        for _ in range(MANY_STEPS):
            self.settle()
            due = [
                moment for moment in (self.charger.next_due, self._patience) if moment is not None
            ]
            if not due or min(due) > until:
                self.at = until
                self.charger.advance(until)
                self.settle()
                return
            self.at = max(self.at, *[min(due)])
            self.charger.advance(self.at)
            self._lose_patience()
        raise AssertionError(f"time stands still at {self.at}")

    def settle(self) -> None:
        """Process all that happens without time passing."""
        for _ in range(MANY_STEPS):
            if not (self._carry_out() or self._connect() or self._listen()):
                return
        raise AssertionError(f"no end at {self.at}")

    def then(self, at: float, what: Callable[..., None], *args: object) -> None:
        """Do something to the charger at that second, and process the immediate effects."""
        self.run(at)
        what(*args, at)
        self.settle()

    def ask(self, action: str, **payload: Any) -> Payload:
        """Send a call to the charger, and process its immediate effects. Raises Refused."""
        answer = self.charger.execute(action, payload, self.at)
        self.charger.advance(self.at)
        self.run(self.at)
        return answer

    def go(self, is_away: bool) -> None:
        """Disconnect or reconnect."""
        self.is_away = is_away
        if is_away and self.charger.is_linked:
            self._cut()
        self.settle()

    # What the charger sent

    def said(self, action: str) -> list[Payload]:
        return [one.payload for one in self.log if one.action == action]

    def moments(self, action: str) -> list[float]:
        return [one.at for one in self.log if one.action == action]

    @property
    def actions(self) -> list[str]:
        return [one.action for one in self.log]

    def statuses(self, connector: int = 1) -> list[str]:
        """The reported statuses of a connector, in order."""
        return [
            one["status"]
            for one in self.said("StatusNotification")
            if one["connectorId"] == connector
        ]

    def forget(self) -> None:
        """Forget what the charger has sent so far."""
        self.log.clear()

    # The shell

    @property
    def _patience(self) -> float | None:
        return None if self.waiting is None else self.waiting[1]

    def _lose_patience(self) -> None:
        if self.waiting is not None and self.waiting[1] <= self.at:
            outgoing, self.waiting = self.waiting[0], None
            self.charger.settle(outgoing, None, self.at)

    def _cut(self) -> None:
        self.waiting = None
        self.charger.disconnected(self.at)

    def _connect(self) -> bool:
        if self.is_away or self.charger.is_linked or not self.charger.wants_link:
            return False
        self.charger.connected(self.at)
        return True

    def _carry_out(self) -> bool:
        effects = self.charger.take_effects()
        for effect in effects:
            self._carry(effect)
        return bool(effects)

    def _carry(self, effect: Effect) -> None:
        if isinstance(effect, ConnectionEffect):
            self.connection_effects.append((self.at, effect.kind))
            self._cut()
        elif isinstance(effect, Download):
            self.fetched.append((self.at, effect.url))
            effect.then(self.files.get(effect.url), self.at)
        elif isinstance(effect, Upload):
            self.uploads.append(effect)
            effect.then(self.files.get(effect.url), self.at)

    def _listen(self) -> bool:
        outgoing = self.charger.next_call(self.at)
        if outgoing is None:
            return False
        assert self.waiting is None, "one call at a time (OCPP-J §4.1.1)"
        action, payload = outgoing.frames[-1]
        read_request(action, payload, strict=True)
        self.sent.append(outgoing)
        self.log.append(Said(self.at, action, payload))
        if action in self.silent:
            self.waiting = outgoing, self.at + ANSWER_SECONDS
        else:
            self.charger.settle(outgoing, self._answer(action, payload), self.at)
        return True

    # Responses

    def _answer(self, action: str, payload: Payload) -> Response | None:
        if action in self.refused:
            return CallError("1", "InternalError", "", {})
        answers: dict[str, Callable[[Payload], Payload]] = {
            "BootNotification": self._boot,
            "Heartbeat": lambda _: {"currentTime": self._now},
            "Authorize": lambda asked: {"idTagInfo": self._judge(asked["idTag"])},
            "StartTransaction": self._start,
            "StopTransaction": self._stop,
            "DataTransfer": lambda _: {"status": "Accepted"},
            "SignCertificate": lambda _: {"status": "Accepted"},
        }
        return CallResult("1", answers[action](payload) if action in answers else {})

    @property
    def _now(self) -> str:
        return wire_time(self.clock + timedelta(seconds=self.at))

    def _boot(self, _: Payload) -> Payload:
        return {"status": self.registration, "currentTime": self._now, "interval": self.interval}

    def _judge(self, tag: str) -> Payload:
        return self.tags.get(tag, {"status": "Accepted"})

    def _start(self, asked: Payload) -> Payload:
        same = tuple(asked[name] for name in ("connectorId", "idTag", "timestamp", "meterStart"))
        number = self.ids.setdefault(same, FIRST_ID + len(self.ids))
        return {"transactionId": number, "idTagInfo": self._judge(asked["idTag"])}

    def _stop(self, asked: Payload) -> Payload:
        return {"idTagInfo": self._judge(asked["idTag"])} if "idTag" in asked else {}


def made(
    memory: Memory | None = None,
    *,
    connectors: int = 1,
    keys: dict[str, str] | None = None,
    **spec: Any,
) -> Central:
    """A central system and a charger without power; `keys` are configuration keys set
    beforehand."""
    charger = Charger(ChargerSpec(id="CP", connectors=connectors, **spec), memory)
    for key, value in (keys or {}).items():
        assert charger.configuration.change(key, value) in ("Accepted", "RebootRequired"), key
    return Central(charger)


def running(**how: Any) -> Central:
    """The same with power, connected and accepted; the messages so far are forgotten."""
    central = made(**how)
    central.then(0.0, central.charger.power_on)
    central.forget()
    return central


def charging(**how: Any) -> Central:
    """The same with a transaction since second 0: CAR at connector 1, begun by TAG."""
    central = running(**how)
    central.then(0.0, central.charger.plug, 1, CAR)
    central.then(0.0, central.charger.present_tag, 1, "TAG")
    return central


def energies(values: list[Payload]) -> list[str]:
    """The energy registers in meterValue or transactionData."""
    return [
        one["value"]
        for value in values
        for one in value["sampledValue"]
        if one["measurand"] == ENERGY
    ]


def stamp(at: float) -> str:
    """A simulated second as a timestamp of the central system's clock."""
    return wire_time(NOON + timedelta(seconds=at))
