"""ChangeConfiguration, GetConfiguration, ClearCache, DataTransfer (§5.3, §5.8, §5.4, §5.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from levity_trio.simulator.charger import notifications, presence, registration
from levity_trio.simulator.charger.state import State
from levity_trio.wire.payloads import call, call_result

VENDOR: Final = "levity-trio"
"""The only known vendorId of DataTransfer; its data are echoed."""


def change_configuration(
    charger: State, request: call.ChangeConfiguration, at: float
) -> call_result.ChangeConfiguration:
    """§5.3: store a value. New intervals and a new AuthorizationKey take effect at once."""
    status = charger.configuration.change(request.key, request.value)
    follow = _FOLLOWED.get(request.key.casefold())
    if status == "Accepted" and follow is not None:
        follow(charger, at)
    return call_result.ChangeConfiguration(status=status)


def get_configuration(charger: State, request: call.GetConfiguration, at: float) -> call_result.GetConfiguration:
    """§5.8: return the requested keys, or all."""
    del at
    known, unknown = charger.configuration.read(request.key)
    return call_result.GetConfiguration(configuration_key=known, unknown_key=unknown or None)


def clear_cache(charger: State, request: call.ClearCache, at: float) -> call_result.ClearCache:
    """§5.4."""
    del request, at
    return call_result.ClearCache(status=charger.tags.clear_cache())


def data_transfer(charger: State, request: call.DataTransfer, at: float) -> call_result.DataTransfer:
    """§5.6: echo the data of our own vendorId; any other is unknown."""
    del charger, at
    if request.vendor_id != VENDOR:
        return call_result.DataTransfer(status="UnknownVendorId")
    return call_result.DataTransfer(status="Accepted", data=request.data)


def _sample_anew(charger: State, at: float) -> None:
    for connector in charger.connectors:
        if connector.transaction is not None:
            notifications.plan_samples(charger, connector, connector.transaction, at)


def _reconnect(charger: State, at: float) -> None:
    """Reconnect with the new password after the response (whitepaper A01)."""
    charger.agenda.plan(at, partial(presence.disconnect, charger, "close"))


_FOLLOWED: Final[Mapping[str, Callable[[State, float], None]]] = {
    "authorizationkey": _reconnect,
    "clockaligneddatainterval": notifications.plan_aligned,
    "heartbeatinterval": registration.plan_heartbeat,
    "metervaluesampleinterval": _sample_anew,
}
