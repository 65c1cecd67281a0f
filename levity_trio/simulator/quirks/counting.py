"""Registers that count correctly but are reported wrongly."""

from __future__ import annotations

from levity_trio.simulator.charger.outbox import Payload
from levity_trio.simulator.charger.transaction import Transaction
from levity_trio.simulator.ledger import is_register
from levity_trio.simulator.quirks.base import Quirk
from levity_trio.simulator.quirks.handshake import NoPings, NoSubprotocol
from levity_trio.simulator.quirks.readings import Sample, with_registers, with_samples


class SessionReadings(Quirk):
    __slots__ = ()
    name = "session-readings"
    does = "reports its lifetime register in start and stop, but counts each transaction's readings from 0"
    seen_in = "Grizzl-E Smart, and others that report a transaction's energy as the register (lbbrhzn/ocpp#919)"

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if transaction is None:
            return payload
        start_wh = transaction.shown_start_wh

        def since_start(timestamp: str, wh: int) -> int:
            del timestamp
            return wh - start_wh if wh >= start_wh else wh  # lower only after a reset, which resets this count too

        return with_registers(action, payload, since_start)


class KwhAsWh(Quirk):
    __slots__ = ()
    name = "kwh-as-wh"
    does = "sends registers in kWh with three decimals, but with the unit Wh"
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
    does = "behaves as a Grizzl-E Smart: no-subprotocol, session-readings and no-pings combined"
    seen_in = "Grizzl-E Smart (lbbrhzn/ocpp#442, lbbrhzn/ocpp#176)"
