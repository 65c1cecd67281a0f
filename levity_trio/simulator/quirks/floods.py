"""More concurrent calls than OCPP-J allows (§4.1.1: one CALL at a time)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from levity_trio.simulator.charger.outbox import Frame
from levity_trio.simulator.quirks.base import Quirk
from levity_trio.simulator.quirks.transactions import Repeats

HEARTBEAT: Final = "Heartbeat"
BOOT: Final = "BootNotification"


class TwoCalls(Quirk):
    __slots__ = ()
    name = "two-calls"
    does = "sends a Heartbeat before each call, and waits for the response to the call only"
    seen_in = "chargers with two calls in flight (mobilityhouse/ocpp#130, evcc#26837)"

    def ahead(self, frame: Frame) -> Sequence[Frame]:
        return () if frame[0] in (HEARTBEAT, BOOT) else ((HEARTBEAT, {}),)


class StatusFlood(Repeats):
    __slots__ = ()
    name = "status-flood"
    does = "sends each StatusNotification twenty times in a row"
    seen_in = "chargers that flood the central system (lbbrhzn/ocpp#337, steve#848)"
    action = "StatusNotification"
    times = 20
