"""Kinds of charge points and cars that differ from the specification, or only from what one
expects.

Each comes from public reports or from a data sheet; none of them is a charge point of one maker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from tests.load.foreign.charge_point import LEAST_A, Car, Make

HOUR: Final = 3600.0


@dataclass(frozen=True)
class Kind:
    """A make of charge points, and the cars that stand at them."""

    make: Make = field(default_factory=Make)
    lines: int = 3
    """Of the car."""
    wakes_seconds: float = 3.0
    begins: float = LEAST_A
    least: float = LEAST_A
    pauses: tuple[float, float] | None = None
    """Of the car; see `Car`."""
    entered: float = 16.0
    """Its greatest current, as an electrician entered it."""
    safe: float = 0.0
    """Its safe limit, as an electrician entered it."""
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

    @property
    def unavoidable(self) -> float:
        """What it cannot be told not to take while it draws: all if it ignores its limits, or what
        it takes beyond the least limit."""
        if not self.obeys:
            return math.inf
        beyond = self.make.gain * LEAST_A + self.make.offset - LEAST_A
        return max(self.make.lowest, beyond)

    @property
    def part(self) -> float:
        """The part of the time in which its car draws when it is offered something."""
        draws, pauses = self.pauses or (1.0, 0.0)
        return draws / (draws + pauses)

    def honest(self) -> Kind:
        """Return a charge point in its place that is honest, with a car that takes what it gets."""
        return Kind(
            lines=self.lines,
            wakes_seconds=self.wakes_seconds,
            connectors=self.connectors,
            rotation=self.rotation,
            is_wired_unknown=self.is_wired_unknown,
        )

    def car(self, wants_wh: float = 20_000.0) -> Car:
        """Return a car that comes to it."""
        return Car(
            lines=self.lines,
            most=self.make.most,
            least=self.least,
            begins=self.begins,
            pauses=self.pauses,
            wants_wh=wants_wh,
            wakes_seconds=self.wakes_seconds,
        )


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
    "current of L1 only": Kind(Make(tells=("L1 only",))),
    "current of L1, and register": Kind(Make(tells=("register", "L1 only"))),
    "zeros for L2 and L3": Kind(Make(tells=("register", "L1 and zeros"))),
    "begins at 8 A": Kind(begins=8.0),
    "begins at 10 A": Kind(begins=10.0),
    "needs 10 A": Kind(begins=10.0, least=10.0),
    "pauses by itself": Kind(pauses=(180.0, 120.0)),
    "mA without a unit": Kind(Make(tells=("register", "mA without a unit"))),
    "39.8 A, entered with 20": Kind(
        Make(most=39.8, obeys_seconds=0.0), lines=1, entered=20.0, obeys=False
    ),
    "sum of currents": Kind(Make(tells=("register", "sum of currents"))),
    "sum of currents alone": Kind(Make(tells=("sum of currents",))),
    "follows after 90 s": Kind(Make(follows_seconds=90.0)),
    "readings stick while paused": Kind(Make(sticks=True)),
    "kW without a unit": Kind(Make(tells=("register", "kW without a unit"))),
    "one limit for two connectors": Kind(Make(has_one_limit=True), connectors=2),
    "restarts at each profile": Kind(Make(restarts=True), safe=6.0),
    "restarts at each, and forgets": Kind(Make(restarts=True, forgets=True), safe=6.0, obeys=False),
    "answers after 45 s": Kind(Make(answers_after=45.0)),
    "levels 0 to 4 of 5": Kind(Make(most_level=5, takes_level=4)),
    "level 0 only": Kind(Make(takes_level=0)),
    "Current,Power, takes W": Kind(Make(units=("W",), told_units=("A", "W"))),
    "one period, no duration": Kind(Make(most_periods=1, takes_durations=False)),
    "no duration": Kind(Make(takes_durations=False)),
    "lacks the last of each range": Kind(
        Make(lacks_last=True, most_periods=2, most_profiles=4, most_level=5, takes_level=5)
    ),
    "forgets its highest level": Kind(
        Make(forgets_highest=True, most_level=8, takes_level=8, reboots_each=HOUR / 2)
    ),
    "no start offline": Kind(Make(starts_offline=False)),
    "W, lines unknown": Kind(Make(units=("W",), tells=("register", "power"))),
    "W, lines unknown, one line": Kind(Make(units=("W",), tells=("register", "power")), lines=1),
    "W, divided over three lines": Kind(
        Make(units=("W",), tells=("register", "power"), lines_of_watts=3)
    ),
    "W, readings each 60 s": Kind(Make(units=("W",), tells=("register", "power"), tells_each=60)),
}
"""The 16-bit meter is a kind of house, not of charge point: `Evening.meter`."""

WHAT_WE_DO: Final = {
    "total power only": (
        "Its power is booked as if it were on one line, at most with its limit. It disobeys only "
        "if that is too much for all its lines."
    ),
    "register only": "How fast its register rises is its power.",
    "W only": (
        "It is told watts for one line, with numberPhases, until readings show its lines: so no "
        "line carries more than is booked."
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
        "A car that ended right after it was lowered gets what it had. One that has not drawn yet "
        "is offered 8 A after a minute and 10 A after two; `least`, or a trial, saves it that."
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
    "current of L1 only": (
        "Lines of which nothing is told are unknown, and booked with what L1 has."
    ),
    "current of L1, and register": (
        "Lines of which nothing is told are unknown. Its register says on how many it draws."
    ),
    "zeros for L2 and L3": (
        "A car is on one line only if its register, or its voltages, say so too."
    ),
    "begins at 8 A": (
        "A car that has not drawn yet is offered 8 A after a minute and 10 A after two."
    ),
    "begins at 10 A": "The same. After a pause it is offered what it began with.",
    "needs 10 A": "The same. It waits where there is less.",
    "pauses by itself": "Within its turn, its least current is kept for five minutes.",
    "mA without a unit": (
        "A current above 80 A is no reading. It counts as untold, and that is told once."
    ),
    "39.8 A, entered with 20": (
        "It is booked with what it draws, and its owner is told that it was entered with less."
    ),
    "sum of currents": (
        "A current without a phase is that of all lines together. It is booked as if it were on "
        "one; it disobeys only if that is too much for all of them."
    ),
    "sum of currents alone": "The same.",
    "follows after 90 s": (
        "What it draws meanwhile is booked. To disobey takes two witnesses, or five minutes."
    ),
    "readings stick while paused": "Its register stands still, so it disobeys not.",
    "kW without a unit": (
        "Its register says three times more and more, so the register counts, and both are told."
    ),
    "one limit for two connectors": (
        "Two that never drew together have one limit, and charge by turns."
    ),
    "restarts at each profile": (
        "After three such boots in an hour it gets one fixed limit, once, and then nothing for a "
        "day. Its owner is told."
    ),
    "restarts at each, and forgets": (
        "The same. It is booked with its maximum, as no limit survives its boot."
    ),
    "answers after 45 s": (
        "Its answer is waited for; until then the higher of both limits is booked."
    ),
    "levels 0 to 4 of 5": "Its first profile stands one level below the highest that it tells.",
    "level 0 only": "A refused profile is sent again at level 0.",
    "Current,Power, takes W": "A refused profile is sent again in the other unit.",
    "one period, no duration": "A refused profile is sent again with `validTo`.",
    "no duration": "The same.",
    "lacks the last of each range": (
        "A refused profile is sent again with one period, and below its highest level."
    ),
    "forgets its highest level": (
        "No profile of ours stands at the highest level, so all survive a power cut."
    ),
    "no start offline": "A trial passes the step in which its link is cut.",
    "W, lines unknown": (
        "It is told watts for one line first, and for three once it was seen on its lines."
    ),
    "W, lines unknown, one line": "The same.",
    "W, divided over three lines": (
        "The same. If it divides them and gives nothing, it is told watts for three lines."
    ),
    "W, readings each 60 s": "The same.",
    "16-bit meter": (
        "Above three times the limit of its circuit, a meter of the house counts as silent."
    ),
}
"""With each kind, and with a meter of the house: for the manual."""
