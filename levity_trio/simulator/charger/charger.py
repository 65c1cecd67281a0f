"""One charger, without any input or output of its own: what it is told goes in by calls, what it says is fetched.

Nothing here waits. The shell (levity_trio.simulator.link) lets time pass with `advance`, fetches `next_call`, and
brings answers and the central system's calls; `at` is always the simulated seconds since the simulation began. So any
order of events can be tried in a test without a clock, a socket or a task.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from levity_trio.simulator.charger import charging, circumstances, presence, registration, speaking, telling
from levity_trio.simulator.charger.agenda import Agenda, Entry
from levity_trio.simulator.charger.clock import ChargerClock
from levity_trio.simulator.charger.configuration import Configuration
from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.effects import Effect, Hang
from levity_trio.simulator.charger.mail import Mail, Then
from levity_trio.simulator.charger.memory import Memory
from levity_trio.simulator.charger.operations.firmware import Progress
from levity_trio.simulator.charger.operations.table import obey
from levity_trio.simulator.charger.operations.uploads import Deliveries
from levity_trio.simulator.charger.profiles import Profiles
from levity_trio.simulator.charger.reservations import Reservations
from levity_trio.simulator.charger.speaking import Answer, Outgoing, Tally
from levity_trio.simulator.charger.spec import ChargerSpec
from levity_trio.simulator.charger.tags import Tags
from levity_trio.simulator.charger.transaction import Transaction
from levity_trio.simulator.ledger import Entry as LedgerEntry
from levity_trio.simulator.model.meter import Meter, Supply
from levity_trio.simulator.model.states import Status
from levity_trio.simulator.model.vehicle import Vehicle
from levity_trio.simulator.quirks.base import Quirks
from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.times import wire_time


class Charger:
    """One charger; see levity_trio.simulator.charger for its parts."""

    __slots__ = (
        *("agenda", "aligned", "clock", "configuration", "connectors", "deliveries"),
        *("expiry", "firmware", "frames", "heartbeat", "is_linked"),
        *("is_offline", "is_on", "ledger", "mail", "memory", "on_news", "present", "profiles"),
        *("questions", "quirks", "registration", "reservations", "retry", "spec", "start_up", "tags", "tally"),
        *("transactions", "_effects"),
    )

    def __init__(
        self,
        spec: ChargerSpec,
        memory: Memory | None = None,
        quirks: Quirks | None = None,
        clock_slack_seconds: float = 1.0,
    ) -> None:
        self.spec = spec
        self.memory = memory or Memory.fresh(spec)
        self.quirks = quirks or Quirks()
        self.clock = ChargerClock(clock_slack_seconds)
        self.agenda = Agenda()
        self.mail = Mail(self.memory)
        self.configuration = Configuration(self.memory.configuration, spec.connectors, _factory(spec))
        self.tags = Tags(self.memory, self.configuration)
        self.reservations = Reservations(self.memory.reservations, spec.connectors)
        self.profiles = Profiles(
            self.memory.profiles,
            phases=spec.phases,
            max_periods=self.configuration.integer("ChargingScheduleMaxPeriods"),
            max_stack_level=self.configuration.integer("ChargeProfileMaxStackLevel"),
            max_installed=self.configuration.integer("MaxChargingProfilesInstalled"),
        )
        supply = Supply(spec.power_type, spec.phases, spec.max_current_a, spec.max_power_w)
        self.connectors = [
            Connector(number, Meter(supply, register)) for number, register in enumerate(self.memory.registers)
        ]
        self.transactions: dict[int, Transaction] = {}
        self.ledger: list[LedgerEntry] = []
        self.firmware = Progress()
        self.deliveries = Deliveries()
        self.tally = Tally()
        self.frames: deque[tuple[float, str, str]] | None = None
        """The last frames, where somebody wants to see them: moment, `send` or `recv`, text."""
        self.present = 0.0
        """The moment up to which it has lived; it never goes back."""
        self.is_on = self.is_linked = self.is_offline = False
        self.registration: str | None = None
        self.questions = 0
        """Answers that decide what happens next: until they have come, time stands still here."""
        self.start_up: Entry | None = None
        self.retry: Entry | None = None
        """The next BootNotification."""
        self.heartbeat: Entry | None = None
        self.aligned: Entry | None = None
        self.expiry: Entry | None = None
        self.on_news: Callable[[], None] = _nothing
        self._effects: list[Effect] = []

    def __repr__(self) -> str:
        return f"<Charger {self.spec.id} on={self.is_on} linked={self.is_linked} {self.connectors}>"

    # Power and connection

    def power_on(self, at: float) -> None:
        """Start up."""
        presence.power_on(self, self.reach(at))
        self.on_news()

    def power_off(self, at: float, reason: str = presence.POWER_LOSS) -> None:
        """Lose power."""
        presence.power_off(self, reason, self.reach(at))
        self.on_news()

    def fail(self, at: float, *, keeps_sessions: bool) -> None:
        """Lose power without a last word; what was charging goes on afterwards, or is forgotten."""
        presence.fail(self, self.reach(at), keeps_sessions=keeps_sessions)
        self.on_news()

    def restart(self, at: float, reason: str) -> None:
        """Go down in order and come up again; `reason` is for the stops of what is charging (§5.14)."""
        presence.restart(self, reason, self.reach(at))
        self.on_news()

    def connected(self, at: float) -> None:
        """There is a connection."""
        presence.connected(self, self.reach(at))
        self.on_news()

    def disconnected(self, at: float) -> None:
        """The connection is gone."""
        presence.disconnected(self, at)
        self.on_news()

    def drop_asks(self, at: float) -> None:
        """Say nothing of what was to be asked: the central system wants to hear nothing now (§4.2)."""
        for ask in self.mail.drop_asks():
            ask.then(None, at)

    def go_offline(self, at: float) -> None:
        """Stay away from the network until `go_online`."""
        self.is_offline = True
        presence.hang_up(self, "drop", self.reach(at))

    def reconnect(self, at: float) -> None:
        """Close the connection in order, for another one."""
        presence.hang_up(self, "close", at)

    def go_online(self, at: float) -> None:
        del at
        self.is_offline = False
        self.on_news()

    @property
    def wants_link(self) -> bool:
        return self.is_on and not self.is_offline

    @property
    def may_tell(self) -> bool:
        """Connected and accepted: it may say what it likes (§4.2)."""
        return self.is_linked and self.registration == registration.ACCEPTED

    # Time

    def timestamp(self, at: float) -> str:
        """What it says of a moment; what it does goes by its clock, whatever it says."""
        return wire_time(self.quirks.clock(self.clock.read(at)))

    @property
    def next_due(self) -> float | None:
        """When it has to be woken; None while it waits for an answer that decides, or has nothing to do."""
        if self.questions:
            return None
        due = self.agenda.next_due
        held = self.mail.held_until if self.may_tell and not self.mail.is_busy else None
        return min((moment for moment in (due, held) if moment is not None), default=None)

    def advance(self, at: float) -> None:
        """Do all that is due, in its order."""
        while not self.questions and (due := self.agenda.next_due) is not None and due <= at:
            self._do_next()
        self.reach(at)

    def reach(self, at: float) -> float:
        """Do what was due before something happens; gives the moment at which it happens to this charger.

        That is `at`, unless time stands still for it, or it has lived longer already.
        """
        while not self.questions and (due := self.agenda.next_due) is not None and due < at:
            self._do_next()
        if not self.questions:
            self.present = max(self.present, at)
        return self.present

    def _do_next(self) -> None:
        if (next_thing := self.agenda.pop()) is not None:
            due, action = next_thing
            self.present = max(self.present, due)
            action(self.present)

    # What it says

    @property
    def has_work(self) -> bool:
        """Something for its shell: a call that waits for its turn, an effect."""
        return bool(self._effects) or (self.is_linked and self.mail.is_waiting)

    def next_call(self, at: float) -> Outgoing | None:
        """What to send now, if anything; one call is under way at a time."""
        return speaking.next_call(self, at)

    def settle(self, outgoing: Outgoing, answer: Answer, at: float) -> None:
        """The answer to a call; None where none came in time."""
        self.reach(at)
        speaking.settle(self, outgoing, answer, at)
        self.on_news()

    def tell(self, request: Any, then: Then | None = None, *, is_asked_for: bool = False) -> bool:
        """Say something, if there is somebody to hear it, else give False; before it is accepted a charger says only
        what it is asked for (§4.2).
        """
        may_tell = self.may_tell or (is_asked_for and self.is_linked)
        if may_tell:
            self.mail.ask(request, then or _ignore)
        return may_tell

    # What it is asked

    def answer(self, action: str, payload: object, at: float) -> dict[str, Any]:
        """Obey a call of the central system; gives the payload of the result. Raises Refused."""
        if not self.is_on:
            raise Refused(ErrorCode.INTERNAL_ERROR, "the charger is going down")
        self.tally.served += 1
        result = obey(self, action, payload, self.reach(at))
        self.on_news()
        return result

    def do(self, effect: Effect) -> None:
        """Have something done by the shell."""
        self._effects.append(effect)
        self.on_news()

    def hang(self, kind: str, seconds: float = 0.0) -> None:
        """Do something to the connection."""
        self.do(Hang(kind, seconds))

    def take_effects(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    # People

    def connector(self, number: int) -> Connector:
        """Raises Impossible where the charger has no such connector."""
        if not 1 <= number < len(self.connectors):
            raise charging.Impossible(f"{self.spec.id}: there is no connector {number}")
        return self.connectors[number]

    def plug(self, number: int, vehicle: Vehicle, at: float) -> None:
        """Plug a vehicle in. Raises Impossible."""
        charging.plug(self, self.connector(number), vehicle, self.reach(at))
        self.on_news()

    def unplug(self, number: int, at: float) -> None:
        """Take the cable out. Raises Impossible."""
        charging.unplug(self, self.connector(number), self.reach(at))
        self.on_news()

    def present_tag(self, number: int, tag: str, at: float) -> None:
        """Hold a tag to the reader. Raises Impossible."""
        charging.present_tag(self, self.connector(number), tag, self.reach(at))
        self.on_news()

    def start(self, number: int, tag: str, at: float) -> None:
        """Begin a transaction without asking anybody; a vehicle must be there. Raises Impossible."""
        connector, at = self.connector(number), self.reach(at)
        if not (connector.meter.is_plugged and charging.takes_starts(self, connector)):
            raise charging.Impossible(f"{self.spec.id}: connector {number} is {connector.status}; plug a vehicle in")
        charging.begin(self, connector, tag, self.tags.parent(tag), at)
        self.on_news()

    def stop(self, number: int, at: float, reason: str = charging.LOCAL) -> None:
        """End the transaction of a connector. Raises Impossible."""
        charging.end(self, self.connector(number), reason, self.reach(at))
        self.on_news()

    def fault(self, number: int, error_code: str, at: float) -> None:
        """Let a connector fail, or with 0 the charger itself. Raises Impossible."""
        circumstances.fault(self, self._place(number), error_code, self.reach(at))

    def clear_fault(self, number: int, at: float) -> None:
        circumstances.clear_fault(self, self._place(number), self.reach(at))

    def set_status(self, number: int, status: str, at: float) -> None:
        """Bring a connector into a status. Raises IllegalMove or Impossible."""
        known = {one.value: one for one in Status}
        if status not in known:
            raise charging.Impossible(f"{status} is no status; give one of {', '.join(known)}")
        circumstances.set_status(self, self._place(number), known[status], self.reach(at))

    # What quirks do to registers

    def reset_register(self, number: int, at: float) -> None:
        """The register begins again at 0."""
        connector = self.connectors[number]
        true_wh, _ = telling.registers(self, connector, at)
        self.memory.offsets[number] = -true_wh

    def swap_meters(self, register_wh: int, at: float) -> None:
        """An electrician puts in other meters, which show this."""
        for connector in self.connectors[1:]:
            true_wh, _ = telling.registers(self, connector, at)
            self.memory.offsets[connector.number] = register_wh - true_wh
        self.memory.meters += 1

    def leap_register(self, number: int, wh: int) -> None:
        """The register leaps, and stays there."""
        self.memory.offsets[number] += wh

    # What its parts tell each other

    def on_status(self, connector: Connector, status: Status, at: float) -> None:
        """A reservation does not outlive a fault or an unavailability (§5.13)."""
        is_out = status in (Status.FAULTED, Status.UNAVAILABLE)
        if is_out and self.reservations.end_on(connector.number):
            self.settle_reservations(at)

    def settle_reservations(self, at: float) -> None:
        """Let the statuses follow the reservations."""
        circumstances.settle_reservations(self, at)

    def may_use(self, connector: Connector, tag: str, parent: str | None, at: float) -> bool:
        """Whether no reservation stands against it."""
        free = sum(one is connector or one.status is Status.AVAILABLE for one in self.connectors[1:])
        return self.reservations.may_start(connector.number, tag, parent, self.clock.read(at), free=free)

    def _place(self, number: int) -> Connector:
        return self.connectors[0] if number == 0 else self.connector(number)


def _nothing() -> None:
    """Nobody carries news yet."""


def _ignore(answer: Any, at: float) -> None:
    """For answers that change nothing."""


def _factory(spec: ChargerSpec) -> dict[str, str]:
    """What the installer set; a shared nothing for most."""
    if not spec.security_profile and spec.password is None:
        return {}
    return {"SecurityProfile": str(spec.security_profile), "AuthorizationKey": spec.password or ""}
