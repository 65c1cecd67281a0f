"""Figures: a course of the register since the start, the energy that it shows, and how that was
worked out.

`Figure` is what the charger reported or what would be right in its place, `Candidate` one
explanation of the messages, `Chosen` the figure that counts, with the doubts about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.evidence import Case, View
from levity_trio.records import record

REGISTER: Final = "register"
SEGMENTS: Final = "segments"
SESSION_READINGS: Final = "session readings"
ROLLOVER: Final = "rollover"
SCALED: Final = "scaled"
CORRECTED: Final = "corrected"
"""A person set the figure."""
METHODS: Final = (REGISTER, SEGMENTS, SESSION_READINGS, ROLLOVER, SCALED)


class Chain(NamedTuple):
    """A candidate's course of the register since the start: times in seconds, Wh, and the readings'
    step in Wh."""

    at: Sequence[float]
    wh: Sequence[int]
    digit: int = 1

    @property
    def slack(self) -> int:
        """The error of a rise in Wh: one digit at each of its ends."""
        return self.digit + self.digit

    @property
    def points(self) -> Iterator[tuple[float, int]]:
        """The time of each point, and its energy in Wh."""
        return zip(self.at, self.wh, strict=True)

    def rise_to(self, number: int) -> int:
        """Return the rise of the step that ends at this point, in Wh."""
        return self.wh[number] - self.wh[number - 1]

    def between(self, first: int, last: int) -> tuple[float, int]:
        """Return the time between two points in seconds, and the rise in Wh."""
        return self.at[last] - self.at[first], self.wh[last] - self.wh[first]

    def seconds_to(self, number: int) -> float:
        """Return the time of the step that ends at this point, in seconds; negative if the clock
        was set back."""
        return self.at[number] - self.at[number - 1]


UNKNOWN: Final = Chain((), ())
"""The course of a figure that no register shows as a whole."""


class Figure(NamedTuple):
    """A figure in Wh, how it was worked out, and the range of the register that it is based on, in
    Wh."""

    wh: int
    method: str
    begin: int | None
    end: int | None
    chain: Chain = UNKNOWN
    is_reported: bool = False
    """It is that of the registers as reported."""


def chain_of(case: Case, begin: int, view: View, end: int | None) -> Chain:
    """Return the chain of a lifetime register: start, readings, and stop if there is one."""
    at, wh = [case.begun, *view.at], [begin, *view.wh]
    if end is not None:
        at.append(case.ended)
        wh.append(end)
    if begin:
        wh = [value - begin for value in wh]
    return Chain(at, wh, max(view.digit, case.digit))


def session_chain(case: Case, view: View, end: int | None) -> Chain:
    """Return the chain of readings that count from 0 in each transaction.

    `end` is the energy at the stop, in Wh.
    """
    return chain_of(case, 0, view, end)


def ends_alone(case: Case, energy: int) -> Chain:
    """Return the chain of so much energy in Wh from start to stop, without the readings."""
    return Chain([case.begun, case.ended], [0, energy])


def chain_of_other_counter(case: Case, view: View, energy: int) -> Chain:
    """Return the chain of readings that rise like start and stop, from another base.

    It is so much energy in Wh. What the readings lack of it flowed evenly before the first and
    after the last of them.
    """
    missing = max(0, energy - (view.wh[-1] - view.wh[0]))
    early = max(0.0, view.at[0] - case.begun)
    late = max(0.0, case.ended - view.at[-1])
    first = missing
    if early + late:
        first = round(missing * early / (early + late))
    counted = [wh - view.wh[0] + first for wh in view.wh]
    return session_chain(case, View(view.at, counted, view.digit), energy)


@record(kw_only=False)
class Candidate:
    """One explanation. `begin` and `end` are the range of the register that its figure is based on,
    in Wh."""

    code: Code
    words: str
    method: str
    chain: Chain
    assumptions: int
    begin: int | None
    end: int | None
    is_partial: bool = False
    """Some energy that flowed is missing from its figure, so power may imply more."""
    factor: float = 1
    """The factor that its start and stop lack."""

    @property
    def wh(self) -> int:
        return self.chain.wh[-1]

    @property
    def figure(self) -> Figure:
        return Figure(self.wh, self.method, self.begin, self.end, self.chain)


class Chosen(NamedTuple):
    """The figure that counts, and the doubts about the choice. Without a code, it is the reported
    one."""

    figure: Figure
    code: Code | None = None
    doubts: tuple[Doubt, ...] = ()
    is_sole: bool = False
    is_power_scaled: bool = False
    """Power on another scale confirms it."""
    factor: float = 1


def is_within(start: int, begin: int, end: float, *, is_at_once: bool) -> bool:
    """Whether a transaction starts within the range of another one, or at its start if both ran at
    once. Otherwise the register was set back to it, or counts each transaction."""
    return begin < start < end or (is_at_once and begin == start < end)


def overlap(one: tuple[int, int], other: tuple[int, int], *, is_at_once: bool) -> bool:
    """Whether one of the ranges of two transactions begins within the other."""
    if is_within(one[0], *other, is_at_once=is_at_once):
        return True
    return is_within(other[0], *one, is_at_once=is_at_once)
