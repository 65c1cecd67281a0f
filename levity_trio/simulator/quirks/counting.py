"""Registers that count rightly, and are told in another way than they should be."""

from __future__ import annotations

from levity_trio.simulator.charger.mail import Payload
from levity_trio.simulator.charger.transaction import Transaction
from levity_trio.simulator.ledger import is_register
from levity_trio.simulator.quirks.base import Quirk
from levity_trio.simulator.quirks.handshake import NoPings, NoSubprotocol
from levity_trio.simulator.quirks.readings import Sample, with_registers, with_samples


class SessionReadings(Quirk):
    __slots__ = ()
    name = "session-readings"
    does = "tells its lifetime register in start and stop, and counts from 0 in the readings of each session"
    seen_in = "Grizzl-E Smart, and others that tell the session's energy as the register (lbbrhzn/ocpp#919)"

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if transaction is None:
            return payload
        start_wh = transaction.shown_start_wh

        def since_start(timestamp: str, wh: int) -> int:
            del timestamp
            return wh - start_wh if wh >= start_wh else wh  # below it only after a reset, which resets the session too

        return with_registers(action, payload, since_start)


class KwhAsWh(Quirk):
    __slots__ = ()
    name = "kwh-as-wh"
    does = "tells its readings in kWh with three decimals, and says that the unit is Wh"
    seen_in = "OpenEVSE 4.2.2 (OpenEVSE/openevse_esp32_firmware#703)"

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        del transaction

        def mislabelled(timestamp: str, sample: Sample) -> Sample:
            del timestamp
            if not is_register(sample):
                return sample
            kwh, wh = divmod(int(sample["value"]), 1000)
            return {**sample, "value": f"{kwh}.{wh:03}", "unit": "Wh"}

        return with_samples(action, payload, mislabelled)


class GrizzlE(SessionReadings, NoSubprotocol, NoPings):
    __slots__ = ()
    name = "grizzl-e"
    does = "is a Grizzl-E Smart: no-subprotocol, session-readings and no-pings in one"
    seen_in = "Grizzl-E Smart (lbbrhzn/ocpp#442, lbbrhzn/ocpp#176)"
