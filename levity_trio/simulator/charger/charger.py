"""One charger without I/O: events go in as method calls, and the shell fetches what to send.

Nothing here waits. The shell (levity_trio.simulator.link) advances the time with `advance`, fetches `next_call`, and
passes in responses and the central system's calls. `at` is always in simulated seconds since the simulation began. A
test can therefore try any order of events without a clock, a socket or a task.
"""

from __future__ import annotations

from typing import Any

from levity_trio.simulator.charger import calls, charging, circumstances, demand, meters, presence, registration
from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.effects import Effect
from levity_trio.simulator.charger.memory import Memory
from levity_trio.simulator.charger.operations.table import force_answer, obey
from levity_trio.simulator.charger.outbox import Outgoing, Payload, Then
from levity_trio.simulator.charger.spec import ChargerSpec
from levity_trio.simulator.charger.state import Habits, State
from levity_trio.simulator.model.vehicle import Vehicle
from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.frames import Response


class Charger(State):
    """A charger's state, and the outside events as methods. Each first runs the actions that were due before it."""

    __slots__ = ()

    def __init__(
        self,
        spec: ChargerSpec,
        memory: Memory | None = None,
        quirks: Habits | None = None,
        clock_slack_seconds: float = 1.0,
    ) -> None:
        super().__init__(spec, memory or Memory.fresh(spec), quirks or Habits(), clock_slack_seconds)

    # Power and connection

    def power_on(self, at: float) -> None:
        presence.power_on(self, at)

    def power_off(self, at: float, reason: str = presence.POWER_LOSS) -> None:
        presence.power_off(self, at, reason)

    def fail(self, at: float, *, keeps_sessions: bool) -> None:
        """Lose power without stopping transactions. They continue after power-on, or are forgotten."""
        presence.fail(self, at, keeps_sessions=keeps_sessions)

    def restart(self, at: float, reason: str) -> None:
        """Shut down in order and start again; `reason` is that of the StopTransactions (§5.14)."""
        presence.restart(self, at, reason)

    def connected(self, at: float) -> None:
        registration.connected(self, at)

    def disconnected(self, at: float) -> None:
        presence.disconnected(self, at)

    def go_offline(self, at: float) -> None:
        """Stay away from the network until `go_online`."""
        self.is_offline = True
        presence.disconnect(self, "drop", self.agenda.reach(at))

    def go_online(self, at: float) -> None:
        del at
        self.is_offline = False
        self.on_change()

    # Time

    @property
    def next_due(self) -> float | None:
        """When the charger must be woken; None if it waits for a response or nothing is planned."""
        if self.agenda.is_held:
            return None
        due = self.agenda.next_due
        held = self.outbox.held_until if self.may_send and not self.outbox.is_busy else None
        return min((moment for moment in (due, held) if moment is not None), default=None)

    def advance(self, at: float) -> None:
        """Run all actions that are due, in order."""
        self.agenda.advance(at)

    # Outgoing calls

    @property
    def has_work(self) -> bool:
        """Whether there is something for the shell: a call to send, or an effect."""
        return bool(self.effects) or (self.is_linked and self.outbox.is_waiting)

    def next_call(self, at: float) -> Outgoing | None:
        """Return the call to send now, if any. One call at a time awaits its response."""
        return calls.next_call(self, at)

    def settle(self, outgoing: Outgoing, answer: Response | None, at: float) -> None:
        """Take the response to a call; None if none came in time."""
        self.agenda.reach(at)
        calls.settle(self, outgoing, answer, at)
        self.on_change()

    def take_effects(self) -> list[Effect]:
        effects, self.effects = self.effects, []
        return effects

    # Incoming calls

    def execute(self, action: str, payload: object, at: float) -> dict[str, Any]:
        """Execute a call of the central system and return the payload of the CALLRESULT. Raises Refused."""
        if not self.is_on:
            raise Refused(ErrorCode.INTERNAL_ERROR, "the charger is going down")
        self.served += 1
        result = obey(self, action, payload, self.agenda.reach(at))
        self.on_change()
        return result

    # People

    def connector(self, number: int) -> Connector:
        """Raises Impossible if the charger has no such connector."""
        if not 1 <= number < len(self.connectors):
            raise charging.Impossible(f"{self.spec.id}: there is no connector {number}")
        return self.connectors[number]

    def plug(self, number: int, vehicle: Vehicle, at: float) -> None:
        """Raises Impossible."""
        charging.plug(self, self.connector(number), vehicle, self.agenda.reach(at))
        self.on_change()

    def unplug(self, number: int, at: float) -> None:
        """Raises Impossible."""
        charging.unplug(self, self.connector(number), self.agenda.reach(at))
        self.on_change()

    def present_tag(self, number: int, tag: str, at: float) -> None:
        """Hold a tag to the reader. Raises Impossible."""
        charging.present_tag(self, self.connector(number), tag, self.agenda.reach(at))
        self.on_change()

    def start(self, number: int, tag: str, at: float) -> None:
        """Begin a transaction without authorisation; a vehicle must be plugged in. Raises Impossible."""
        charging.start(self, self.connector(number), tag, self.agenda.reach(at))
        self.on_change()

    def stop(self, number: int, at: float, reason: str = charging.LOCAL) -> None:
        """End the transaction of a connector. Raises Impossible."""
        charging.end(self, self.connector(number), reason, self.agenda.reach(at))
        self.on_change()

    def fault(self, number: int, error_code: str, at: float) -> None:
        """Set a fault on a connector, or on the charger itself (0). Raises Impossible."""
        circumstances.fault(self, self._place(number), error_code, self.agenda.reach(at))

    def clear_fault(self, number: int, at: float) -> None:
        circumstances.clear_fault(self, self._place(number), self.agenda.reach(at))

    def set_status(self, number: int, status: str, at: float) -> None:
        """Raises IllegalMove or Impossible."""
        circumstances.set_status(self, self._place(number), status, self.agenda.reach(at))

    # Tests of a central system

    def send(self, action: str, payload: Payload | None, number: int, then: Then, at: float) -> None:
        """Send a message on demand; `then` gets the response frame. Raises Impossible."""
        demand.send(self, action, payload, self._place(number), then, self.agenda.reach(at))

    def force_answer(self, action: str, status: str | None, at: float) -> None:
        """Respond to this action with a fixed status; None restores normal responses. Raises Impossible."""
        self.agenda.reach(at)
        force_answer(self, action, status)

    def set_register(self, number: int, wh: int, at: float) -> None:
        """Set the register that a connector reports, in Wh. Raises Impossible."""
        meters.set_register(self, self.connector(number).number, wh, self.agenda.reach(at))

    def _place(self, number: int) -> Connector:
        return self.connectors[0] if number == 0 else self.connector(number)
