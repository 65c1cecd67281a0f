"""Registers that run back, jump or reset.

Which readings are wrong, and by how much, is decided when they are taken (`sampled` is called once for each, in order)
and not when they are sent. So a correct reading precedes each wrong one, and a retried message is the same as the
first. A register changes only after all readings of that moment are recorded, in MeterValues and for the stop.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Final, TypeVar

from levity_trio.simulator.charger import meters
from levity_trio.simulator.charger.outbox import Payload
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.charger.transaction import Transaction
from levity_trio.simulator.quirks.base import Quirk
from levity_trio.simulator.quirks.readings import with_registers

JUMP_WH: Final = (20_000, 60_000)
READINGS_UNTIL_LOSS: Final = (1, 6)
READINGS_UNTIL_SLIP: Final = (2, 6)
"""At least 2, so that a correct reading precedes each wrong one."""

Kept = TypeVar("Kept")


class Turns:
    """A countdown of readings for each transaction, to the one at which the quirk acts."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left: dict[int, int] = {}
        """Remaining readings by local id; 0 if the quirk does not act again."""

    def is_due(self, charger: State, transaction: Transaction, first: int) -> bool:
        """Count one reading, and return whether the quirk acts now. `first` is the length of the first countdown."""
        left = self._left.get(transaction.local_id, first)
        self._left = {**of_living(charger, self._left), transaction.local_id: max(0, left - 1)}
        return left == 1

    def again(self, transaction: Transaction, readings: int) -> None:
        """Act again after this many readings."""
        self._left[transaction.local_id] = readings


class Misreads(Quirk):
    """Reports single readings wrongly, both in MeterValues and in the stop's transactionData."""

    __slots__ = ("_slips", "_turns")

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._turns = Turns()
        self._slips: dict[int, dict[tuple[str, int], int]] = {}
        """The Wh to report, by transaction, and by timestamp and Wh of the correct reading."""

    def misread(self, charger: State, transaction: Transaction, at: float, wh: int) -> None:
        """Report this register in place of the reading taken at this moment."""
        slips = self._slips.get(transaction.local_id, {})
        slips[charger.timestamp(at), shown_at(charger, transaction, at)] = wh
        self._slips = {**of_living(charger, self._slips), transaction.local_id: slips}

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        slips = None if transaction is None else self._slips.get(transaction.local_id)
        if not slips:
            return payload
        return with_registers(action, payload, lambda timestamp, wh: slips.get((timestamp, wh), wh))


class RegisterRunsBack(Misreads):
    __slots__ = ("_before",)
    name = "register-runs-back"
    does = "sends single readings that are lower than the previous one, and correct ones after each"
    seen_in = "meters whose readings go back (lbbrhzn/ocpp#2093, lbbrhzn/ocpp#374)"

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._before: dict[int, int] = {}
        """The last correct reading of each transaction."""

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        before = self._before.get(transaction.local_id, transaction.shown_start_wh)
        if self._turns.is_due(charger, transaction, self.random.randint(*READINGS_UNTIL_SLIP)):
            self.misread(charger, transaction, at, self._lower(transaction, before))
            self._turns.again(transaction, self.random.randint(*READINGS_UNTIL_SLIP))
        shown = shown_at(charger, transaction, at)
        self._before = {**of_living(charger, self._before), transaction.local_id: shown}

    def _lower(self, transaction: Transaction, before: int) -> int:
        """Return an earlier register of this transaction; after a reset, one since the reset."""
        least = transaction.shown_start_wh if before >= transaction.shown_start_wh else 0
        return least + int((before - least) * self.random.uniform(0.0, 0.9))


class RegisterJumps(Misreads):
    __slots__ = ()
    name = "register-jumps"
    does = "has register jumps of 20 to 60 kWh, permanent in some transactions, for a single reading in others"
    seen_in = "Grizzl-E Smart: the first Levity had to correct jumps above 10 kWh"

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        if not self._turns.is_due(charger, transaction, self.random.randint(*READINGS_UNTIL_SLIP)):
            return
        leap_wh = self.random.randint(*JUMP_WH)
        if self.random.random() < 0.5:
            charger.agenda.plan(at, partial(_leap, charger, transaction.connector, leap_wh))
        else:
            self.misread(charger, transaction, at, shown_at(charger, transaction, at) + leap_wh)


class RegisterResets(Quirk):
    __slots__ = ("_turns",)
    name = "register-resets"
    does = "resets its register to 0 during a transaction, right after a reading"
    seen_in = "chargers that reset the register after a fault or boot (lbbrhzn/ocpp#2093, OCPP.Core#33)"

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._turns = Turns()

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        if self._turns.is_due(charger, transaction, self.random.randint(*READINGS_UNTIL_LOSS)):
            charger.agenda.plan(at, partial(meters.reset, charger, transaction.connector))


def _leap(charger: State, connector: int, wh: int, at: float) -> None:
    del at
    meters.leap(charger, connector, wh)


def shown_at(charger: State, transaction: Transaction, at: float) -> int:
    """Return the reported register of its connector."""
    return meters.registers(charger, charger.connectors[transaction.connector], at)[1]


def of_living(charger: State, kept: dict[int, Kept]) -> dict[int, Kept]:
    """Return the entries of transactions that still have messages to send."""
    return {local_id: one for local_id, one in kept.items() if local_id in charger.transactions}
