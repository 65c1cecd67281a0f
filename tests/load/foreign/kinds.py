"""Kinds of charge points and cars that differ from the specification, or only from what one
expects.

Each comes from public reports or from a data sheet; none of them is a charge point of one maker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tests.load.foreign.charge_point import Make

HOUR: Final = 3600.0


@dataclass(frozen=True)
class Kind:
    """A make of charge points, and the cars that stand at them."""

    make: Make = field(default_factory=Make)
    lines: int = 3
    """Of the car."""
    wakes_seconds: float = 3.0
    connectors: int = 1
    rotation: str = "RST"
    """Which line of the feeder its first, second and third line hang at."""
    is_wired_unknown: bool = False
    """Nobody has told the server the rotation."""
    obeys: bool = True
    """It keeps its limits, so nobody may accuse it."""

    @property
    def can_pause(self) -> bool:
        """Whether its cars can be told to take nothing."""
        return self.obeys and self.make.lowest == 0


HONEST: Final = Kind()
KINDS: Final = {
    "total power only": Kind(Make(tells=("register", "power"))),
    "register only": Kind(Make(tells=("register",))),
    "W only": Kind(Make(units=("W",))),
    "W on one line": Kind(Make(units=("W",), lines_of_watts=1), lines=1),
    "Relative only": Kind(Make(kinds=("Relative",))),
    "refuses 0 A": Kind(Make(lowest=6.0)),
    "stuck status": Kind(Make(stuck_status="SuspendedEVSE")),
    "+5 %": Kind(Make(gain=1.05, offset=0.9)),
    "one period": Kind(Make(most_periods=1)),
    "wakes after 4 min": Kind(wakes_seconds=240.0),
    "clock set back": Kind(Make(clock_set=(600.0, -HOUR))),
    "two connectors": Kind(connectors=2),
    "one phase rotated": Kind(lines=1, rotation="TRS", is_wired_unknown=True),
    "minChargingRate": Kind(Make(pauses_below=8.0)),
    "ignores limits below 7 A": Kind(Make(floor=7.0), obeys=False),
    "ignores after 10 min": Kind(Make(obeys_seconds=600.0), obeys=False),
    "forgets at reboot": Kind(Make(forgets=True, reboots_each=2.5 * HOUR)),
    "restarts each hour": Kind(Make(reboots_each=HOUR)),
    "no TxDefaultProfile": Kind(Make(purposes=("ChargePointMaxProfile", "TxProfile"))),
    "ten profiles at most": Kind(Make(most_profiles=10)),
    "answers after 25 s": Kind(Make(answers_after=25.0)),
    "says SuspendedEVSE, delivers": Kind(
        Make(obeys_seconds=0.0, stuck_status="SuspendedEVSE"), obeys=False
    ),
}
"""The 16-bit meter is a kind of house, not of charge point: `Evening.meter`."""

WHAT_WE_DO: Final = {
    "total power only": (
        "Its power is booked as if it were on one line, at most with its limit. It disobeys only "
        "if that is too much for all its lines."
    ),
    "register only": "How fast its register rises is its power.",
    "W only": (
        "It is told watts for three lines, with numberPhases. What they would be on one line is "
        "booked on each, until readings show its lines."
    ),
    "W on one line": "The same: its watts are booked where they flow.",
    "Relative only": "A refused Absolute profile is followed at once by a Relative one.",
    "refuses 0 A": "It is told 6 A instead, and booked with that.",
    "stuck status": "A reading that is newer than the status counts.",
    "+5 %": "What it was measured above its limit is booked, too.",
    "one period": "Its limits end by themselves, over a default with its safe limit.",
    "wakes after 4 min": "It has five minutes to begin, and its turn is longer by what it needed.",
    "clock set back": "Three readings show it; its lease is sent again by that clock.",
    "two connectors": "Each has a lease of its own, and both are booked.",
    "one phase rotated": (
        "All three phases are booked until somebody enters its rotation; the meter shows which it "
        "seems to be."
    ),
    "minChargingRate": (
        "A car that ended right after it was lowered gets what it had. One whose charger gives "
        "nothing with 6 A is offered 8 and 10 A, each after five minutes; `least`, or a trial, "
        "saves it that."
    ),
    "ignores limits below 7 A": (
        "It is told in each way. If it obeys in none, what it takes is kept for it."
    ),
    "ignores after 10 min": (
        "It is told in each way. If it obeys in none, what it takes is kept for it."
    ),
    "forgets at reboot": "After each boot it gets its default and its limit again.",
    "restarts each hour": (
        "After each boot it gets its default and its limit again; its lease is booked meanwhile."
    ),
    "no TxDefaultProfile": "The refused default is followed at once by a ChargePointMaxProfile.",
    "ten profiles at most": "It gets two for each connector, and those of others are removed.",
    "answers after 25 s": (
        "Its answer is waited for; until then the higher of both limits is booked."
    ),
    "says SuspendedEVSE, delivers": (
        "A reading that is newer than the status counts. What it takes is kept for it."
    ),
    "16-bit meter": (
        "Above three times the limit of its circuit, a meter of the house counts as silent."
    ),
}
"""With each kind, and with a meter of the house: for the manual."""
