"""Messages on demand, with a given payload or the charger's own (`levity-trio simulator send`).

They are queued like all messages, but their response changes nothing at the charger, and the ledger does not record
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from levity_trio.simulator.charger import notifications, registration
from levity_trio.simulator.charger.charging import Impossible
from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.outbox import Frame, Payload, Then
from levity_trio.simulator.charger.state import State
from levity_trio.wire.payloads import call, write_payload


def send(charger: State, action: str, payload: Payload | None, connector: Connector, then: Then, at: float) -> None:
    """Send a call; without a payload, the one that the charger itself would send. `then` gets the response frame.

    Raises Impossible without a connection, or if the charger cannot build this message by itself.
    """
    if not charger.is_linked:
        raise Impossible(f"{charger.spec.id} has no connection to the central system")
    frame = _own_frame(charger, action, connector, at) if payload is None else (action, payload)
    charger.outbox.queue(frame, then, is_foreign=True)
    charger.on_change()


def _own_frame(charger: State, action: str, connector: Connector, at: float) -> Frame:
    """Build the frame that the charger would send, with its quirks."""
    build = _BUILDERS.get(action)
    request = None if build is None else build(charger, connector, at)
    if request is None:
        known = ", ".join(_BUILDERS)
        raise Impossible(f"{charger.spec.id} has no {action} of its own to send; give a payload, or one of {known}")
    *_, frame = charger.quirks.frames((action, write_payload(request)), None)
    return frame


def _reading(charger: State, connector: Connector, at: float) -> call.MeterValues | None:
    value = notifications.meter_value(charger, connector, "MeterValuesSampledData", notifications.TRIGGERED, at)
    transaction = connector.transaction
    known = None if transaction is None else charger.memory.transaction_ids.get(str(transaction.local_id))
    if value is None:
        return None
    return call.MeterValues(connector_id=connector.number, meter_value=[value], transaction_id=known)


_BUILDERS: Final[Mapping[str, Callable[[State, Connector, float], Any]]] = {
    "BootNotification": lambda charger, _, _at: registration.introduction(charger),
    "Heartbeat": lambda _, _connector, _at: call.Heartbeat(),
    "MeterValues": _reading,
    "StatusNotification": notifications.status_of,
}
