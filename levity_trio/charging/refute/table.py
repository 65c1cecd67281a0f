"""The table of refutations: every question that is asked about a figure, in the order of the
manual.

A refutation is a question about the reported figure, and what is found if it is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import Enum
from functools import wraps
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.refute import ending, impossible, measured, neighbours, scales, stale
from levity_trio.charging.refute.bounds import Bounds, Evidence, Finding
from levity_trio.charging.refute.figure import impossible_step, reported
from levity_trio.charging.refute.neighbours import overlaps
from levity_trio.charging.refute.shared import shared
from levity_trio.charging.reviews import Code, Doubt, energy_text, in_wh, minutes
from levity_trio.charging.sent.evidence import Case
from levity_trio.charging.sent.figures import Chain, Figure
from levity_trio.charging.sent.power import HOUR
from levity_trio.told import Quantity, Told, joined


class Group(Enum):
    """What is wrong, as the owner reads it. The manual lists the groups in this order."""

    IMPOSSIBLE = "The register is impossible"
    NEIGHBOURS = "It does not fit the sessions before and after"
    MEASURED = "Something else measured a very different amount"
    SHARED = "It includes another connector's energy"
    ENDING = "The end is unclear"
    NAMES = "The stop had no transaction id, or another session's"
    NUMBERS = "A number could not be read"


class Weight(Enum):
    """What becomes of a figure if a refutation holds."""

    CONTRADICTS = "the reported figure is wrong: another one is proposed"
    QUESTIONS = "the figure may be too high: it is proposed, or a lower one that something supports"
    LACKS = (
        "energy may be missing: the figure is proposed, or with what is missing if power shows it"
    )
    ADDS = "any figure is in doubt, the proposed one, too"


Find = Callable[[Case, Bounds, Figure], Evidence | Finding | None]


class Refutation(NamedTuple):
    """One entry of the table: what it asks, and the sentence in a review if the figure is in doubt.

    Without `words`, each finding has its own, with numbers. It is asked only if the case has what
    it `needs`.
    """

    group: Group
    weight: Weight
    code: Code
    find: Find
    question: str
    words: str = ""
    needs: str = ""

    @property
    def name(self) -> str:
        return self.find.__name__

    def __call__(self, case: Case, bounds: Bounds, figure: Figure) -> Finding | None:
        against = self.find(case, bounds, figure)
        if against is None or isinstance(against, Finding):
            return against
        return Finding(against)

    def doubt(self, finding: Finding) -> Doubt:
        words = finding.words or self.words
        return Doubt(finding.code or self.code, words, finding.evidence, finding.figures)


def _by_bounds(find: Callable[[Bounds, Chain], Evidence | None]) -> Find:
    """Ask about the course of a figure, whatever its times are."""

    @wraps(find)
    def ask(_case: Case, bounds: Bounds, figure: Figure) -> Evidence | None:
        return find(bounds, figure.chain)

    return ask


def _in_time(find: Callable[[Case, Bounds, Chain], Evidence | None]) -> Find:
    """Ask about the course of a figure, if its times are known."""

    @wraps(find)
    def ask(case: Case, bounds: Bounds, figure: Figure) -> Evidence | None:
        return find(case, bounds, figure.chain) if case.is_in_order else None

    return ask


def too_much(_case: Case, bounds: Bounds, figure: Figure) -> Evidence | None:
    return bounds.too_much(figure.wh)


def garbled(case: Case, _bounds: Bounds, figure: Figure) -> Evidence | None:
    return joined("; ", case.garbled), Told("{1} without it", in_wh(figure.wh))


def power_in_kilowatts(case: Case, _bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict with a power that no car charges with, if the figure agrees with a
    thousand times as much."""
    power = case.power
    if not 0 < power.most < tolerances.LEAST_CHARGING_W:
        return None
    most_w = (1 + tolerances.VARYING_SHARE) * power.most
    if figure.wh <= most_w * case.longest / HOUR + case.slack:
        return None
    if len(power.at) < tolerances.SEVERAL or undoubted(with_power(case, 1000)) is None:
        return None
    return energy_text(figure.wh), Told("at most {1}", Quantity(power.most, "W"))


def clock_stood_still(case: Case, _bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict of start and stop of one time with the times of receipt, if the figure
    would be in doubt had each message been sent when it happened, by the meter that was in place
    then."""
    if case.is_timed:
        return None
    lasted = case.received_seconds
    live = replace(case, is_timed=True, longest=lasted, begin_of_new_meter=None)
    bounds = Bounds(live)
    by_receipt = reported(live, bounds)
    if by_receipt is None or by_receipt.wh != figure.wh:
        return None
    refuted = refute(live, bounds, by_receipt)
    if refuted.contradiction is None and not refuted.questions:
        return None
    return energy_text(figure.wh), Told("received within {1}", minutes(lasted))


_IMPOSSIBLE, _NEIGHBOURS, _MEASURED, _ENDING = (
    Group.IMPOSSIBLE,
    Group.NEIGHBOURS,
    Group.MEASURED,
    Group.ENDING,
)
_CONTRADICTS, _QUESTIONS, _LACKS, _ADDS = (
    Weight.CONTRADICTS,
    Weight.QUESTIONS,
    Weight.LACKS,
    Weight.ADDS,
)

REFUTATIONS: Final = (
    Refutation(
        *(_IMPOSSIBLE, _CONTRADICTS, Code.REGISTER_LEAPT, impossible_step),
        (
            "Did the register fall, or rise in one step faster than this charger can deliver, by "
            "any source of readings?"
        ),
        Told("the register made an implausible step"),
    ),
    Refutation(
        *(_IMPOSSIBLE, _CONTRADICTS, Code.TOO_FAST, too_much),
        "Is it more energy than any charger of this kind delivers in the time?",
        Told("more energy than possible in the time"),
    ),
    Refutation(
        *(_IMPOSSIBLE, _QUESTIONS, Code.POWER_DISAGREES, _in_time(impossible.faster_at_an_end)),
        (
            "Did it rise faster than steady power allows, just after the start or just before the "
            "stop?"
        ),
        Told("the register rose faster than the power allows"),
        needs="power",
    ),
    Refutation(
        *(_IMPOSSIBLE, _QUESTIONS, Code.POWER_DISAGREES, _in_time(impossible.far_faster_at_an_end)),
        "Did it rise far faster just after the start, or just before the stop, than otherwise?",
        Told("the register rose far faster at one end than otherwise"),
    ),
    Refutation(
        *(_IMPOSSIBLE, _QUESTIONS, Code.TOO_FAST, _in_time(impossible.faster_than_usual)),
        "Did it rise faster than this charger, or any AC charger, is known to deliver?",
        Told("faster than this charger, or any AC charger, is known to deliver"),
    ),
    Refutation(
        *(_NEIGHBOURS, _CONTRADICTS, Code.START_GARBLED, neighbours.below_previous_start),
        (
            "Is its start not above the previous start, though its other registers go on from the "
            "previous stop?"
        ),
        Told("the start register is not above that of the previous session"),
        needs="before",
    ),
    Refutation(
        *(_NEIGHBOURS, _CONTRADICTS, Code.WRONG_FACTOR, neighbours.on_another_scale),
        (
            "Are its registers on another scale than those of the sessions around it, as kWh "
            "beside Wh?"
        ),
    ),
    Refutation(
        *(_NEIGHBOURS, _CONTRADICTS, Code.STRAY_READING, neighbours.above_the_next),
        "Is its last reading above the whole next session?",
        Told("the register was below its last reading in the next session"),
        needs="after",
    ),
    Refutation(
        *(_NEIGHBOURS, _QUESTIONS, Code.METER_SWAPPED, neighbours.across_a_swap),
        "Is a part of it the difference between an old meter and a new one?",
        Told("the meter was swapped"),
        needs="swapped_at",
    ),
    Refutation(
        *(_NEIGHBOURS, _QUESTIONS, Code.WRONG_FACTOR, neighbours.on_a_doubtful_scale),
        (
            "Does it go on from a session whose scale is in doubt, without readings or power of "
            "its own?"
        ),
        Told(
            "it goes on from registers whose scale is in doubt, and has neither readings nor power"
        ),
    ),
    Refutation(
        *(_NEIGHBOURS, _LACKS, Code.STOP_GARBLED, stale.missing_beside),
        (
            "Did energy leave before or after it that seems to be of this one, or that cannot "
            "have flowed there?"
        ),
    ),
    Refutation(
        *(_NEIGHBOURS, _LACKS, Code.START_GARBLED, neighbours.outside_its_neighbours),
        "Are all its registers below the sessions before and after, or above them?",
        Told("its registers are outside both neighbours: the register was not reset"),
        needs="after",
    ),
    Refutation(
        *(_NEIGHBOURS, _ADDS, Code.OVERLAP, overlaps),
        "Does a part of it also belong to the session before or after?",
    ),
    Refutation(
        *(_MEASURED, _CONTRADICTS, Code.READINGS_UNIT, power_in_kilowatts),
        "Was the power sent in kW as if it were W?",
        Told("the power is in kW but sent as W"),
        needs="power",
    ),
    Refutation(
        *(_MEASURED, _CONTRADICTS, Code.STOP_GARBLED, measured.against_ends),
        "Do Transaction.Begin and Transaction.End differ from start and stop?",
        Told("start or stop differs from Transaction.Begin or Transaction.End"),
    ),
    Refutation(
        *(_MEASURED, _CONTRADICTS, Code.POWER_DISAGREES, measured.against_intervals),
        "Did the energies of the intervals add up to more?",
        Told("the register rose by less than the intervals add up to"),
        needs="intervals",
    ),
    Refutation(
        *(_MEASURED, _CONTRADICTS, Code.POWER_DISAGREES, _by_bounds(Bounds.against_charge)),
        "Would no car's battery fit the energy and the rise of its state of charge?",
        Told("the energy fits no battery"),
        needs="charges",
    ),
    Refutation(
        *(_MEASURED, _CONTRADICTS, Code.POWER_DISAGREES, _by_bounds(Bounds.against_power)),
        "Does the power that tracks the register add up to less in a gap, or to far more in all?",
        Told("the register does not rise as the power implies"),
    ),
    Refutation(
        *(_MEASURED, _QUESTIONS, Code.POWER_DISAGREES, _in_time(measured.did_not_catch_up)),
        (
            "Did the register stand still while power was reported, and not catch up, or is it "
            "often reset?"
        ),
        Told("the register stood still while power was reported"),
        needs="power",
    ),
    Refutation(
        *(_MEASURED, _QUESTIONS, Code.POWER_DISAGREES, _in_time(measured.stood_still_to_the_end)),
        "Was power reported after the register last rose?",
        Told("the register stood still while power was reported"),
        needs="power",
    ),
    Refutation(
        *(_MEASURED, _QUESTIONS, Code.POWER_DISAGREES, _in_time(measured.far_beyond_power)),
        "Did it rise far faster than even rare reports of power allow?",
        Told("the register rose far faster than the power allows"),
        needs="power",
    ),
    Refutation(
        *(_MEASURED, _QUESTIONS, Code.POWER_DISAGREES, _in_time(measured.beyond_many_powers)),
        "Does it disagree with the mean of many reports of power?",
        Told("the register does not agree with many reports of power"),
        needs="power",
    ),
    Refutation(
        *(Group.SHARED, _ADDS, Code.SHARED_REGISTER, shared),
        "Did the register count a car on another connector, too?",
        needs="beside",
    ),
    Refutation(
        *(_ENDING, _ADDS, Code.CLOSED_BY_SYSTEM, ending.without_register),
        (
            "Has its stop no register, or is there no stop, and the next start does not show "
            "where it ended?"
        ),
    ),
    Refutation(
        *(_ENDING, _ADDS, Code.STOP_BEFORE_START, ending.stopped_before_start),
        "Is its stop earlier than its start?",
        Told("stop is earlier than start"),
    ),
    Refutation(
        *(_ENDING, _ADDS, Code.CLOCK_STOOD_STILL, clock_stood_still),
        "Did the charger's clock stand still, and is the figure in doubt by the times of receipt?",
        Told("the charger's clock stood still: the duration is unknown"),
    ),
    Refutation(
        *(_ENDING, _ADDS, Code.AVAILABLE_BETWEEN, ending.available_between),
        "Was the connector available before the end, though the register rose after that?",
        Told("the connector was available before the end"),
    ),
    Refutation(
        *(Group.NUMBERS, _ADDS, Code.NUMBER_REPAIRED, garbled),
        "Was a register not a number?",
        Told("a register is not a number"),
        needs="garbled",
    ),
    Refutation(
        *(Group.NUMBERS, _CONTRADICTS, Code.WRONG_FACTOR, scales.fraction),
        "Has a register in Wh a fraction, as one in kWh has?",
        Told("a register in Wh has a fraction"),
        needs="has_fraction",
    ),
)


def asked(
    weight: Weight, case: Case, bounds: Bounds, figure: Figure
) -> Iterator[tuple[Refutation, Finding]]:
    """Ask all questions of a weight about a figure; yield those that put it in doubt, with what was
    found."""
    for refutation in REFUTATIONS:
        if refutation.weight is not weight:
            continue
        if refutation.needs and not getattr(case, refutation.needs):
            continue
        finding = refutation(case, bounds, figure)
        if finding is not None:
            yield refutation, finding


class Refuted(NamedTuple):
    """What was found against a reported figure, if any of it is. If it is contradicted, nothing
    else is asked."""

    contradiction: Doubt | None = None
    questions: Sequence[tuple[Refutation, Finding]] = ()
    lacks: Sequence[tuple[Refutation, Finding]] = ()


def refute(case: Case, bounds: Bounds, figure: Figure) -> Refuted:
    """Ask whether the reported figure is certain."""
    for refutation, finding in asked(Weight.CONTRADICTS, case, bounds, figure):
        return Refuted(refutation.doubt(finding))
    questions = list(asked(Weight.QUESTIONS, case, bounds, figure))
    return Refuted(None, questions, list(asked(Weight.LACKS, case, bounds, figure)))


def with_power(case: Case, factor: float) -> Case:
    """Return the evidence as if the power had been sent multiplied by a factor."""
    return replace(case, power=case.power.scaled(factor), is_dc=case.is_dc_shown)


def undoubted(case: Case) -> Figure | None:
    """Return the reported figure if nothing puts it in doubt."""
    bounds = Bounds(case)
    figure = reported(case, bounds)
    if figure is None or any(refute(case, bounds, figure)):
        return None
    return figure
