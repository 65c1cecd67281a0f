"""The local authorization list, and reservations (§5.10, §5.15, §5.1, §5.13)."""

from __future__ import annotations

from levity_trio.simulator.charger.power import settle_reservations
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.model.states import Status
from levity_trio.wire.payloads import call, call_result
from levity_trio.wire.times import parse_time

REFUSALS = {Status.FAULTED: "Faulted", Status.UNAVAILABLE: "Unavailable"}
FREE = (Status.AVAILABLE, Status.RESERVED)


def get_local_list_version(
    charger: State, request: call.GetLocalListVersion, at: float
) -> call_result.GetLocalListVersion:
    """§5.10."""
    del request, at
    return call_result.GetLocalListVersion(list_version=charger.tags.version)


def send_local_list(charger: State, request: call.SendLocalList, at: float) -> call_result.SendLocalList:
    """§5.15."""
    del at
    status = charger.tags.update(request.list_version, request.update_type, request.local_authorization_list)
    return call_result.SendLocalList(status=status)


def reserve_now(charger: State, request: call.ReserveNow, at: float) -> call_result.ReserveNow:
    """§5.13: reserve a free connector, or with connector 0 any one."""
    number, expiry = request.connector_id, parse_time(request.expiry_date)
    if expiry is None or expiry <= charger.clock.read(at) or not 0 <= number < len(charger.connectors):
        return call_result.ReserveNow(status="Rejected")
    if (refusal := _refusal(charger, number)) is not None:
        return call_result.ReserveNow(status=refusal)
    free = sum(one.status is Status.AVAILABLE for one in charger.connectors[1:])
    if not charger.reservations.has_room(number, request.reservation_id, charger.clock.read(at), free=free):
        return call_result.ReserveNow(status="Occupied")
    charger.reservations.reserve(
        request.reservation_id, number, expiry, request.id_tag, request.parent_id_tag, charger.clock.read(at)
    )
    settle_reservations(charger, at)
    return call_result.ReserveNow(status="Accepted")


def cancel_reservation(charger: State, request: call.CancelReservation, at: float) -> call_result.CancelReservation:
    """§5.1."""
    if not charger.reservations.cancel(request.reservation_id):
        return call_result.CancelReservation(status="Rejected")
    settle_reservations(charger, at)
    return call_result.CancelReservation(status="Accepted")


def _refusal(charger: State, number: int) -> str | None:
    """Return why a connector cannot be reserved; for connector 0, why none can. None if it can."""
    if charger.connectors[0].is_faulted:
        return "Faulted"
    statuses = [one.status for one in ([charger.connectors[number]] if number else charger.connectors[1:])]
    if any(status in FREE for status in statuses):
        return None
    return REFUSALS.get(statuses[0], "Occupied") if len(set(statuses)) == 1 else "Occupied"
