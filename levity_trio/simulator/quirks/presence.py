"""Misleading boots and statuses, and sparse readings."""

from __future__ import annotations

from random import Random
from typing import Final

from levity_trio.simulator.charger.registration import boot
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.model.states import Status
from levity_trio.simulator.quirks.base import Quirk
from levity_trio.simulator.quirks.moments import NowAndThen
from levity_trio.wire.payloads import call

HOUR: Final = 3600.0
INTERVALS: Final = ("1800", "3600", "0")


class BootsAgain(NowAndThen):
    __slots__ = ()
    name = "boots-again"
    does = "repeats BootNotification every 1 to 6 hours, on the same connection and during transactions"
    seen_in = "Metron Duo, every 10 s (dallmann-consulting/OCPP.Core#31)"
    pause_seconds = (1 * HOUR, 6 * HOUR)

    def misbehave(self, charger: State, at: float) -> None:
        del at
        boot(charger)


class AvailableAfterBoot(Quirk):
    __slots__ = ()
    name = "available-after-boot"
    does = "reports each connector as Available after a boot, and then its true status"
    seen_in = "MicroOcpp after a power cut (MicroOcpp#174), chargestation-one (road-labs/chargestation-one#177)"

    def accepted(self, charger: State, at: float) -> None:
        for connector in charger.connectors[1:]:
            request = call.StatusNotification(
                connector_id=connector.number,
                error_code="NoError",
                status=Status.AVAILABLE.value,
                timestamp=charger.timestamp(at),
            )
            charger.send_if_allowed(request)
            if connector.transaction is not None:
                connector.transaction.entry.lies.append("Available while it charged")


class SparseReadings(Quirk):
    __slots__ = ("_interval",)
    name = "sparse-readings"
    does = "sends a reading every half hour, every hour or never, whatever interval was configured before"
    seen_in = "go-eCharger, which accepts an interval but sends nothing (goecharger/go-eCharger-API-v2#240)"

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._interval = random.choice(INTERVALS)

    def power_on(self, charger: State, at: float) -> None:
        del at
        charger.configuration.change("MeterValueSampleInterval", self._interval)
