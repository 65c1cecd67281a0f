"""Registers that roll over, stand still or are shared between connectors; and starts that overlap."""

from __future__ import annotations

from random import Random
from typing import Final

from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.outbox import Payload
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.charger.transaction import Transaction
from levity_trio.simulator.ledger import SHARED_METER, START
from levity_trio.simulator.model.meter import shown_wh
from levity_trio.simulator.quirks.base import Quirk
from levity_trio.simulator.quirks.registers import Misreads, of_living, shown_at

WIDTHS: Final = (2**16, 10**6, 2**31, 2**32)
LEFT_WH: Final = (5_000, 40_000)
"""Energy until the first roll-over, in Wh."""
READINGS_STILL: Final = (2, 5)
READINGS_UNTIL_STILL: Final = (1, 4)
LOOKS_BACK: Final = (0.2, 0.8)
_KEPT_STARTS: Final = 8
"""Only the last start can await its response; the others are spare."""


class RegisterRollsOver(Quirk):
    __slots__ = ("_left_wh", "_width")
    name = "register-rolls-over"
    does = "has a register of 16, 31 or 32 bits, or of six digits, which rolls over to 0"
    seen_in = "a HomeMatic meter with 23 bits (ioBroker.sourceanalytix#594); no report of a charger yet"

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._width = random.choice(WIDTHS)
        self._left_wh = random.randint(*LEFT_WH)

    def shown(self, charger: State, connector: Connector, wh: int, at: float) -> int:
        del connector, at
        return (wh - charger.spec.register_wh - self._left_wh) % self._width


class RegisterStandsStill(Misreads):
    __slots__ = ("_still",)
    name = "register-stands-still"
    does = "repeats a register for two to five readings while it reports power, and then catches up"
    seen_in = "no report yet; plausible for chargers that read their meter at longer intervals"

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._still: dict[int, tuple[int, int]] = {}
        """By transaction: the register to report, and for how many more readings."""

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        reported_wh, left = self._still.get(transaction.local_id, (0, 0))
        if left:
            self.misread(charger, transaction, at, reported_wh)
            self._turns.again(transaction, self.random.randint(*READINGS_UNTIL_STILL) if left == 1 else 0)
        elif self._turns.is_due(charger, transaction, self.random.randint(*READINGS_UNTIL_STILL)):
            reported_wh, left = shown_at(charger, transaction, at), self.random.randint(*READINGS_STILL) + 1
        self._still = {**of_living(charger, self._still), transaction.local_id: (reported_wh, max(0, left - 1))}


class SharedMeter(Quirk):
    __slots__ = ()
    name = "shared-meter"
    does = "has one meter for all its connectors: each reports the energy of all, but its own power"
    seen_in = "no report yet; plausible for double chargers with one meter for both sockets"

    def shown(self, charger: State, connector: Connector, wh: int, at: float) -> int:
        others = [other for other in charger.connectors[1:] if other is not connector]
        for other in others:
            other.meter.advance(at)
        if connector.transaction is not None and any(other.transaction is not None for other in others):
            _note(connector.transaction)
        return wh + sum(shown_wh(other.meter.register_wh) - charger.spec.register_wh for other in others)


def _note(transaction: Transaction) -> None:
    if SHARED_METER not in transaction.entry.lies:
        transaction.entry.lies.append(SHARED_METER)


class StartsOverlap(Quirk):
    __slots__ = ("_before", "_starts")
    name = "starts-overlap"
    does = "sends, as every second meterStart, a register from within the previous transaction"
    seen_in = "Heidelberg Energy Control, whose register falls back after a power cut (wbec#106, wbec#132)"

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._before: dict[int, int] = {}
        """By connector: the register at the start of its last transaction."""
        self._starts: dict[int, int] = {}
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
