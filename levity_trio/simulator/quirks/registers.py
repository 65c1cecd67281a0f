"""Registers that are wrong, or reported wrongly: they run back, jump, reset, roll over, stand still
or are shared.

Which readings are wrong, and by how much, is decided when they are taken (`sampled` is called once
for each, in order) and not when they are sent. So a correct reading precedes each wrong one, and a
retried message is the same as the first. A register changes only after all readings of that moment
are recorded, in MeterValues and for the stop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from levity_trio.simulator.charger import connectors
from levity_trio.simulator.charger.state import Connector, Payload, Quirk, State, Transaction
from levity_trio.simulator.ledger import READINGS, SHARED_METER, START, is_register
from levity_trio.simulator.physics import shown_wh

Sample = dict[str, Any]

JUMP_WH: Final = (20_000, 60_000)
READINGS_UNTIL_LOSS: Final = (1, 6)
READINGS_UNTIL_SLIP: Final = (2, 6)
"""At least 2, so that a correct reading precedes each wrong one."""
Kept = TypeVar("Kept")
WIDTHS: Final = (2**16, 10**6, 2**31, 2**32)
LEFT_WH: Final = (5_000, 40_000)
"""Energy until the first roll-over, in Wh."""
READINGS_STILL: Final = (2, 5)
READINGS_UNTIL_STILL: Final = (1, 4)
LOOKS_BACK: Final = (0.2, 0.8)
INTERVALS: Final = ("1800", "3600", "0")
_KEPT_STARTS: Final = 8
"""Only the last start can await its response; the others are spare."""


def with_values(
    action: str, payload: Payload, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> Payload:
    """Return a copy with `change` applied to each meterValue; the payload itself if it has none."""
    place = READINGS.get(action)
    if place not in payload:
        return payload
    return {**payload, place: [change(value) for value in payload[place]]}


def with_samples(action: str, payload: Payload, change: Callable[[str, Sample], Sample]) -> Payload:
    """Return a copy with `change` applied to each sampledValue; it also gets the timestamp of the
    meterValue."""

    def changed(value: dict[str, Any]) -> dict[str, Any]:
        timestamp = value["timestamp"]
        return {
            **value,
            "sampledValue": [change(timestamp, sample) for sample in value["sampledValue"]],
        }

    return with_values(action, payload, changed)


def with_registers(action: str, payload: Payload, change: Callable[[str, int], int]) -> Payload:
    """Return a copy with `change` applied to each energy register; it gets timestamp and Wh, and
    returns Wh."""

    def changed(timestamp: str, sample: Sample) -> Sample:
        if not is_register(sample):
            return sample
        return {**sample, "value": str(change(timestamp, int(sample["value"])))}

    return with_samples(action, payload, changed)


@dataclass
class TakesTurns(Quirk):
    """Acts at some readings of each transaction: it counts them down from one turn to the next."""

    _left: dict[int, int] = field(default_factory=dict)
    """Remaining readings by local id; 0 if the quirk does not act again."""

    def count_down(self, charger: State, transaction: Transaction, first: tuple[int, int]) -> bool:
        """Count one reading, and return whether the quirk acts now. `first` is the range of the
        first countdown."""
        left = self._left.get(transaction.local_id, self.random.randint(*first))
        remember(charger, self._left, transaction, max(0, left - 1))
        return left == 1


@dataclass
class Misreads(TakesTurns):
    """Reports single readings wrongly, both in MeterValues and in the stop's transactionData."""

    _slips: dict[int, dict[tuple[str, int], int]] = field(default_factory=dict)
    """The Wh to report, by transaction, and by timestamp and Wh of the correct reading."""

    def misread(self, charger: State, transaction: Transaction, at: float, wh: int) -> None:
        """Report this register in place of the reading taken at this moment."""
        slips = self._slips.get(transaction.local_id, {})
        slips[charger.timestamp(at), shown_at(charger, transaction, at)] = wh
        remember(charger, self._slips, transaction, slips)

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        slips = None if transaction is None else self._slips.get(transaction.local_id)
        if not slips:
            return payload
        return with_registers(action, payload, lambda timestamp, wh: slips.get((timestamp, wh), wh))


@dataclass
class RegisterRunsBack(Misreads):
    name = "register-runs-back"
    does = "sends single readings that are lower than the previous one, and correct ones after each"
    seen_in = "meters whose readings go back (lbbrhzn/ocpp#2093, lbbrhzn/ocpp#374)"

    _before: dict[int, int] = field(default_factory=dict)
    """The last correct reading of each transaction."""

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        before = self._before.get(transaction.local_id, transaction.shown_start_wh)
        if self.count_down(charger, transaction, READINGS_UNTIL_SLIP):
            self.misread(charger, transaction, at, self._lower(transaction, before))
            self._left[transaction.local_id] = self.random.randint(*READINGS_UNTIL_SLIP)
        shown = shown_at(charger, transaction, at)
        remember(charger, self._before, transaction, shown)

    def _lower(self, transaction: Transaction, before: int) -> int:
        """Return an earlier register of this transaction; after a reset, one since the reset."""
        least = transaction.shown_start_wh if before >= transaction.shown_start_wh else 0
        return least + int((before - least) * self.random.uniform(0.0, 0.9))


class RegisterJumps(Misreads):
    name = "register-jumps"
    does = (
        "has register jumps of 20 to 60 kWh, permanent in some transactions, for a single reading "
        "in others"
    )
    seen_in = "Grizzl-E Smart: the first Levity had to correct jumps above 10 kWh"

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        if not self.count_down(charger, transaction, READINGS_UNTIL_SLIP):
            return
        leap_wh = self.random.randint(*JUMP_WH)

        def leap(_at: float) -> None:
            charger.memory.offsets[transaction.connector] += leap_wh

        if self.random.random() < 0.5:
            charger.agenda.plan(at, leap)
        else:
            self.misread(charger, transaction, at, shown_at(charger, transaction, at) + leap_wh)


class RegisterResets(TakesTurns):
    name = "register-resets"
    does = "resets its register to 0 during a transaction, right after a reading"
    seen_in = (
        "chargers that reset the register after a fault or boot (lbbrhzn/ocpp#2093, OCPP.Core#33)"
    )

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        if self.count_down(charger, transaction, READINGS_UNTIL_LOSS):
            charger.agenda.plan(
                at, partial(connectors.set_register, charger, transaction.connector, 0)
            )


def shown_at(charger: State, transaction: Transaction, at: float) -> int:
    """Return the reported register of its connector."""
    return connectors.register(charger, charger.connectors[transaction.connector], at)


def remember(charger: State, kept: dict[int, Kept], transaction: Transaction, value: Kept) -> None:
    """Keep a value for a transaction, and forget those of transactions that have no more messages
    to send."""
    for local_id in kept.keys() - charger.transactions.keys():
        del kept[local_id]
    kept[transaction.local_id] = value


@dataclass
class RegisterRollsOver(Quirk):
    name = "register-rolls-over"
    does = "has a register of 16, 31 or 32 bits, or of six digits, which rolls over to 0"
    seen_in = (
        "a HomeMatic meter with 23 bits (ioBroker.sourceanalytix#594); no report of a charger yet"
    )

    def __post_init__(self) -> None:
        self._width = self.random.choice(WIDTHS)
        self._left_wh = self.random.randint(*LEFT_WH)

    def shown(self, charger: State, _connector: Connector, wh: int, _at: float) -> int:
        return (wh - charger.spec.register_wh - self._left_wh) % self._width


@dataclass
class RegisterStandsStill(Misreads):
    name = "register-stands-still"
    does = "repeats a register for two to five readings while it reports power, and then catches up"
    seen_in = "no report yet; plausible for chargers that read their meter at longer intervals"

    _still: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By transaction: the register to report, and for how many more readings."""

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        reported_wh, left = self._still.get(transaction.local_id, (0, 0))
        if left:
            self.misread(charger, transaction, at, reported_wh)
            self._left[transaction.local_id] = (
                self.random.randint(*READINGS_UNTIL_STILL) if left == 1 else 0
            )
        elif self.count_down(charger, transaction, READINGS_UNTIL_STILL):
            reported_wh, left = (
                shown_at(charger, transaction, at),
                self.random.randint(*READINGS_STILL) + 1,
            )
        remember(charger, self._still, transaction, (reported_wh, max(0, left - 1)))


class SharedMeter(Quirk):
    name = "shared-meter"
    does = "has one meter for all its connectors: each reports the energy of all, but its own power"
    seen_in = "no report yet; plausible for double chargers with one meter for both sockets"

    def shown(self, charger: State, connector: Connector, wh: int, at: float) -> int:
        others = [other for other in charger.connectors[1:] if other is not connector]
        for other in others:
            other.meter.advance(at)
        if connector.transaction is not None and any(
            other.transaction is not None for other in others
        ):
            lies = connector.transaction.entry.lies
            lies += [] if SHARED_METER in lies else [SHARED_METER]
        return wh + sum(
            shown_wh(other.meter.register_wh) - charger.spec.register_wh for other in others
        )


@dataclass
class StartsOverlap(Quirk):
    name = "starts-overlap"
    does = "sends, as every second meterStart, a register from within the previous transaction"
    seen_in = (
        "Heidelberg Energy Control, whose register falls back after a power cut (wbec#106, "
        "wbec#132)"
    )

    _before: dict[int, int] = field(default_factory=dict)
    """By connector: the register at the start of its last transaction."""
    _starts: dict[int, int] = field(default_factory=dict)
    """The reported meterStart by transaction, so that retries repeat it."""

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action != START or transaction is None:
            return payload
        if transaction.local_id not in self._starts:
            kept = [*self._starts.items(), (transaction.local_id, self._reported_wh(transaction))]
            self._starts = dict(kept[-_KEPT_STARTS:])
        return {**payload, "meterStart": self._starts[transaction.local_id]}

    def _reported_wh(self, transaction: Transaction) -> int:
        shown, before = transaction.shown_start_wh, self._before.get(transaction.connector)
        self._before[transaction.connector] = shown
        if before is None or before >= shown:
            return shown
        del self._before[transaction.connector]  # the next one is true
        return before + int((shown - before) * self.random.uniform(*LOOKS_BACK))


@dataclass
class SparseReadings(Quirk):
    name = "sparse-readings"
    does = (
        "sends a reading every half hour, every hour or never, whatever interval was configured "
        "before"
    )
    seen_in = (
        "go-eCharger, which accepts an interval but sends nothing "
        "(goecharger/go-eCharger-API-v2#240)"
    )

    def __post_init__(self) -> None:
        self._interval = self.random.choice(INTERVALS)

    def power_on(self, charger: State, _at: float) -> None:
        charger.configuration.change("MeterValueSampleInterval", self._interval)


class SessionReadings(Quirk):
    name = "session-readings"
    does = (
        "reports its lifetime register in start and stop, but counts each transaction's readings "
        "from 0"
    )
    seen_in = (
        "Grizzl-E Smart, and others that report a transaction's energy as the register "
        "(lbbrhzn/ocpp#919)"
    )

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if transaction is None:
            return payload
        start_wh = transaction.shown_start_wh

        def since_start(_timestamp: str, wh: int) -> int:
            # lower only after a reset, which resets this count too
            return wh - start_wh if wh >= start_wh else wh

        return with_registers(action, payload, since_start)


class KwhAsWh(Quirk):
    name = "kwh-as-wh"
    does = "sends registers in kWh with three decimals, but with the unit Wh"
    seen_in = "OpenEVSE 4.2.2 (OpenEVSE/openevse_esp32_firmware#703)"

    def payload(self, action: str, payload: Payload, _transaction: Transaction | None) -> Payload:

        def mislabelled(_timestamp: str, sample: Sample) -> Sample:
            if not is_register(sample):
                return sample
            kwh, wh = divmod(int(sample["value"]), 1000)
            return {**sample, "value": f"{kwh}.{wh:03}", "unit": "Wh"}

        return with_samples(action, payload, mislabelled)
