"""One charger without I/O: events go in as method calls, and the shell fetches what to send.

Nothing here waits. The shell (levity_trio.simulator.link) advances the time with `advance`, fetches
`next_call`, and passes in responses and the central system's calls. `at` is always in simulated
seconds since the simulation began. A test can therefore try any order of events without a clock, a
socket or a task.
"""

from __future__ import annotations

from typing import Any

from levity_trio.simulator.charger import connectors, station
from levity_trio.simulator.charger.configuration import ACCEPTED
from levity_trio.simulator.charger.operations import force_answer, obey
from levity_trio.simulator.charger.state import (
    NO_ERROR,
    ChargerSpec,
    Connector,
    Effect,
    Frame,
    Impossible,
    Memory,
    Message,
    Outgoing,
    Payload,
    Quirks,
    Request,
    State,
    Then,
    Timer,
    Transaction,
)
from levity_trio.simulator.ledger import START, STOP, Sent
from levity_trio.simulator.physics import Vehicle
from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.frames import CallError, Response
from levity_trio.wire.payloads import CHARGER_ACTIONS, call, read_result, write_payload


def _own_reading(charger: State, connector: Connector, at: float) -> call.MeterValues | None:
    value = connectors.meter_value(
        charger, connector, "MeterValuesSampledData", connectors.TRIGGERED, at
    )
    if value is None:
        return None
    request = call.MeterValues(connector_id=connector.number, meter_value=[value])
    if connector.transaction is not None:
        local_id = str(connector.transaction.local_id)
        request.transaction_id = charger.memory.transaction_ids.get(local_id)
    return request


class Charger(State):
    """A charger's state, and the outside events as methods. Each first runs the actions that were
    due before it."""

    def __init__(
        self,
        spec: ChargerSpec,
        memory: Memory | None = None,
        quirks: Quirks | None = None,
        clock_slack_seconds: float = 1.0,
    ) -> None:
        super().__init__(
            spec, memory or Memory.fresh(spec), quirks or Quirks(), clock_slack_seconds
        )

    # Power and connection

    power_on = station.power_on
    power_off = station.power_off
    fail = station.fail

    def connected(self, at: float) -> None:
        """Take note of a new connection. BootNotification comes first, unless one was accepted
        since power-on."""
        at = self.agenda.reach(at)
        if not self.wants_link:  # it is no longer wanted
            self.act_on_connection("drop")
            return
        self.is_linked = True
        if self.registration == ACCEPTED:
            connectors.report_changes(self, at)
        elif self.registration is None or not self.agenda.has_timer(Timer.BOOT):
            # else the interval runs (§4.2)
            station.boot(self)
        self.on_change()

    disconnected = station.disconnected

    def go_offline(self, at: float) -> None:
        """Stay away from the network until `go_online`."""
        self.is_offline = True
        station.disconnect(self, "drop", self.agenda.reach(at))

    def go_online(self, _at: float) -> None:
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
        self.agenda.advance(at)

    # Outgoing calls

    @property
    def has_work(self) -> bool:
        """Whether there is something for the shell: a call to send, or an effect."""
        return bool(self.effects) or (self.is_linked and self.outbox.is_waiting)

    def next_call(self, at: float) -> Outgoing | None:
        """Return the call to send now, if any. One call at a time awaits its response (OCPP-J 1.6
        §4.1.1)."""
        item = self.outbox.next(at, may_send=self.may_send) if self.is_linked else None
        if item is None:
            return None
        self.tally.sent += 1
        outgoing = self.outbox.under_way = Outgoing(self._frames_of(item), item)
        if isinstance(item, Message) and (sent := self._record_of(item)) is not None:
            first, *others = [
                payload for action, payload in outgoing.frames if action == sent.action
            ]
            sent.leave(first, at, *others)
        return outgoing

    def settle(self, outgoing: Outgoing, answer: Response | None, at: float) -> None:
        """Take the response to a call; None if none came in time. One to a call lost with its
        connection is ignored."""
        self.agenda.reach(at)
        if self.outbox.close(outgoing):
            item, understood = outgoing.item, self._understood(outgoing.frames[-1][0], answer)
            if isinstance(item, Request):
                item.then(answer if item.is_foreign else understood, at)
            elif understood is not None:
                self._acknowledge(item, understood, at)
            else:
                self._fail(item, at)
        self.on_change()

    def _frames_of(self, item: Request | Message) -> list[Frame]:
        if isinstance(item, Request):
            frame = item.action, item.payload
            return [frame] if item.is_foreign else self.quirks.frames(frame, None)
        payload = item.payload
        if item.local_id is not None and item.action != START:
            payload = {**payload, "transactionId": self.id_to_send(item.local_id)}
        return self.quirks.frames((item.action, payload), self._transaction_of(item))

    def _understood(self, action: str, answer: Response | None) -> Any:
        """Count a response, and return its message; None without a usable one."""
        if answer is None:
            self.tally.unanswered += 1
        elif isinstance(answer, CallError):
            self.tally.refused += 1
        else:
            try:
                understood = read_result(
                    action, answer.payload, strict=True, accepted=CHARGER_ACTIONS
                ).message
            except Refused:
                self.tally.unreadable += 1
            else:
                self.tally.answered += 1
                return understood
        return None

    def _acknowledge(self, message: Message, answer: Any, at: float) -> None:
        if (sent := self._record_of(message)) is not None:
            sent.answered = at
        self.outbox.answered(message)
        tag, info = message.payload.get("idTag"), getattr(answer, "id_tag_info", None)
        if tag and info:  # of a start or a stop; a charger learns from both (§3.5.1)
            self.tags.learn(tag, info)
        if message.action == START:
            self.memory.transaction_ids[str(message.local_id)] = answer.transaction_id
            if (transaction := self._transaction_of(message)) is not None:
                connectors.started(self, transaction, answer, self.agenda.present)
        self._forget(message)

    def _fail(self, message: Message, at: float) -> None:
        """Try a message again later, or discard it (§3.7.1). A lost start or stop is a lost
        bill."""
        attempts = self.configuration.integer("TransactionMessageAttempts")
        interval = self.configuration.integer("TransactionMessageRetryInterval")
        if not self.outbox.failed(message, at, attempts, interval):
            return
        self.tally.discarded += 1
        if (sent := self._record_of(message)) is not None:
            sent.is_thrown_away = True
        self._forget(message)

    def _forget(self, message: Message) -> None:
        """Forget a transaction after its last message."""
        if message.local_id is None:
            return
        transaction = self._transaction_of(message)
        if transaction is not None:
            transaction.under_way.pop(id(message), None)
        if transaction.is_over if transaction is not None else message.action == STOP:
            connectors.forget(self, message.local_id)

    def _record_of(self, message: Message) -> Sent | None:
        """Return the ledger's record of a message; None for one from before a restart of the
        simulator."""
        transaction = self._transaction_of(message)
        return None if transaction is None else transaction.under_way.get(id(message))

    def _transaction_of(self, message: Message) -> Transaction | None:
        return None if message.local_id is None else self.transactions.get(message.local_id)

    def take_effects(self) -> list[Effect]:
        effects, self.effects = self.effects, []
        return effects

    # Incoming calls

    def execute(self, action: str, payload: object, at: float) -> dict[str, Any]:
        """Execute a call of the central system and return the payload of the CALLRESULT. Raises
        Refused."""
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
            raise Impossible(f"{self.spec.id}: there is no connector {number}")
        return self.connectors[number]

    def plug(self, number: int, vehicle: Vehicle, at: float) -> None:
        """Plug a vehicle in. Raises Impossible if the connector is occupied."""
        connector, at = self.connector(number), self.agenda.reach(at)
        if connector.meter.is_plugged:
            raise Impossible(
                f"{self.spec.id}: a vehicle is already plugged into connector {number}"
            )
        connector.meter.plug(vehicle, at)
        if connector.transaction is None and connector.tag is not None:
            connectors.begin(self, connector, *connector.tag, at)
        else:
            connectors.settle(self, connector, at)
        self.on_change()

    def unplug(self, number: int, at: float) -> None:
        """Unplug the cable. Raises Impossible if there is none."""
        connector, at = self.connector(number), self.agenda.reach(at)
        if not connector.meter.is_plugged:
            raise Impossible(f"{self.spec.id}: nothing is plugged into connector {number}")
        connector.meter.unplug(at)
        connector.is_finishing = connector.is_paused_by_vehicle = False
        if self.is_on:  # else `resume` does it after power-on
            connectors.end_unplugged(self, connector, at)
        connectors.settle(self, connector, at)
        self.on_change()

    def present_tag(self, number: int, tag: str, at: float) -> None:
        """Hold a tag to the reader. Raises Impossible."""
        connectors.present_tag(self, self.connector(number), tag, self.agenda.reach(at))
        self.on_change()

    def start(self, number: int, tag: str, at: float) -> None:
        """Begin a transaction without authorisation. Raises Impossible without a vehicle, or if no
        start is allowed."""
        connector, at = self.connector(number), self.agenda.reach(at)
        if not (connector.meter.is_plugged and connectors.takes_starts(self, connector)):
            raise Impossible(
                f"{self.spec.id}: connector {number} is {connector.status};"
                " a start needs power and a vehicle, and no transaction, fault or Unavailable"
            )
        connectors.begin(self, connector, tag, self.tags.parent(tag), at)
        self.on_change()

    def stop(self, number: int, at: float, reason: str = connectors.LOCAL) -> None:
        """End the transaction of a connector. Raises Impossible."""
        connectors.end(self, self.connector(number), reason, self.agenda.reach(at))
        self.on_change()

    def fault(self, number: int, error_code: str, at: float) -> None:
        """Set a fault on a connector, or on the charger itself (0). Raises Impossible."""
        connectors.fault(self, self._place(number), error_code, self.agenda.reach(at))

    def clear_fault(self, number: int, at: float) -> None:
        """Clear a fault; the connector takes the status that it has without one."""
        connector, at = self._place(number), self.agenda.reach(at)
        connector.error_code = NO_ERROR
        connectors.settle(self, connector, at)
        self.on_change()

    def set_status(self, number: int, status: str, at: float) -> None:
        """Raises IllegalMove or Impossible."""
        connectors.set_status(self, self._place(number), status, self.agenda.reach(at))

    # Tests of a central system

    def send(
        self, action: str, payload: Payload | None, number: int, then: Then, at: float
    ) -> None:
        """Send a message on demand, by default the one that the charger itself would send
        (`simulator send`).

        It is queued like all messages, but its response changes nothing at the charger, and the
        ledger does not record it. `then` gets the response frame. Raises Impossible without a
        connection, or if the charger cannot build this message by itself.
        """
        connector, at = self._place(number), self.agenda.reach(at)
        if not self.is_linked:
            raise Impossible(f"{self.spec.id} has no connection to the central system")
        if payload is None:
            request: Any = None
            match action:
                case "BootNotification":
                    request = station.introduction(self)
                case "Heartbeat":
                    request = call.Heartbeat()
                case "MeterValues":
                    request = _own_reading(self, connector, at)
                case "StatusNotification":
                    request = connectors.status_of(self, connector, at)
            if request is None:
                raise Impossible(
                    f"{self.spec.id} has no {action} of its own to send; give a payload, or one of "
                    "BootNotification, Heartbeat, MeterValues, StatusNotification"
                )
            *_, (action, payload) = self.quirks.frames((action, write_payload(request)), None)
        self.outbox.queue((action, payload), then, is_foreign=True)
        self.on_change()

    def force_answer(self, action: str, status: str | None, at: float) -> None:
        """Respond to this action with a fixed status; None restores normal responses. Raises
        Impossible."""
        self.agenda.reach(at)
        force_answer(self, action, status)

    def set_register(self, number: int, wh: int, at: float) -> None:
        """Set the register that a connector reports, in Wh. Raises Impossible."""
        connectors.set_register(self, self.connector(number).number, wh, self.agenda.reach(at))

    def _place(self, number: int) -> Connector:
        return self.connectors[0] if number == 0 else self.connector(number)
