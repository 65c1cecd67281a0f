"""Charging profiles (§5.16, §5.4, §5.7)."""

from __future__ import annotations

from typing import Any

from levity_trio.simulator.charger.power import settle_all
from levity_trio.simulator.charger.schedules import Limit, Unit
from levity_trio.simulator.charger.spec import AC
from levity_trio.simulator.charger.state import State
from levity_trio.wire.payloads import call, call_result
from levity_trio.wire.times import wire_time


def set_charging_profile(charger: State, request: call.SetChargingProfile, at: float) -> call_result.SetChargingProfile:
    """§5.16: an accepted profile takes effect at once."""
    number = request.connector_id
    if not 0 <= number < len(charger.connectors):
        return call_result.SetChargingProfile(status="Rejected")
    status = install(charger, number, request.cs_charging_profiles, at)
    settle_all(charger, at)
    return call_result.SetChargingProfile(status=status)


def install(charger: State, number: int, profile: dict[str, Any], at: float) -> str:
    """Install a profile for a connector. A TxProfile must match its open transaction."""
    transaction = charger.connectors[number].transaction
    known = None if transaction is None else charger.memory.transaction_ids.get(str(transaction.local_id))
    open_id = transaction.local_id if transaction is not None and known is None else known
    return charger.profiles.install(number, profile, open_id, charger.clock.read(at))


def clear_charging_profile(
    charger: State, request: call.ClearChargingProfile, at: float
) -> call_result.ClearChargingProfile:
    """§5.4."""
    status = charger.profiles.clear(
        request.id, request.connector_id, request.charging_profile_purpose, request.stack_level
    )
    settle_all(charger, at)
    return call_result.ClearChargingProfile(status=status)


def capacity(charger: State) -> Limit:
    """Return the limit of one connector's hardware."""
    spec = charger.spec
    if spec.power_type == AC:
        return Limit(spec.max_current_a, "A", spec.phases)
    return Limit(spec.max_power_w, "W", spec.phases)


def get_composite_schedule(
    charger: State, request: call.GetCompositeSchedule, at: float
) -> call_result.GetCompositeSchedule:
    """§5.7: return the combined limits; Rejected for an unknown connector, or if no profile limits it."""
    number = request.connector_id
    if not 0 <= number < len(charger.connectors):
        return call_result.GetCompositeSchedule(status="Rejected")
    transaction = charger.connectors[number].transaction
    began = None if transaction is None else charger.clock.read(transaction.begun)
    now = charger.clock.read(at)
    unit: Unit = request.charging_rate_unit or ("A" if charger.spec.power_type == AC else "W")
    schedule = charger.profiles.composite(number, now, began, request.duration, unit, capacity(charger))
    if schedule is None:
        return call_result.GetCompositeSchedule(status="Rejected")
    return call_result.GetCompositeSchedule(
        status="Accepted", connector_id=number, schedule_start=wire_time(now), charging_schedule=schedule
    )
