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
from levity_trio.charging.refute import ending, measured, neighbours, scales, stale
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

    Without `words`, each finding has its own, with numbers; a finding may also have a code of its
    own. `needs` names a field of the case without which nothing can be found: if it is empty,
    the question is not asked, which saves time.
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
    """Return the conflict with a power that is too low for any car, if the figure agrees with a
    thousand times as much power."""
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
    """If the charger's clock stood still, judge the reported figure by the times of receipt.

    Returns the energy, and the time within which all was received, if the figure would then be in
    doubt.
    """
    if case.is_timed:
        return None
    # Had each message been sent at once, one after a swap of meters would be of the new one.
    lasted = case.received_seconds
    as_received = replace(case, is_timed=True, longest=lasted, begin_of_new_meter=None)
    bounds = Bounds(as_received)
    by_receipt = reported(as_received, bounds)
    # A figure that was chosen in place of the reported one is in doubt already.
    if by_receipt is None or by_receipt.wh != figure.wh:
        return None
    refuted = refute(as_received, bounds, by_receipt)
    if refuted.contradiction is None and not refuted.questions:
        return None
    return energy_text(figure.wh), Told("received within {1}", minutes(lasted))


REFUTATIONS: Final = (
    Refutation(
        Group.IMPOSSIBLE,
        Weight.CONTRADICTS,
        Code.REGISTER_LEAPT,
        impossible_step,
        question=(
            "Did the register fall, or rise in one step faster than this charger can deliver, by "
            "any source of readings?"
        ),
        words=Told("the register made an implausible step"),
    ),
    Refutation(
        Group.IMPOSSIBLE,
        Weight.CONTRADICTS,
        Code.TOO_FAST,
        too_much,
        question="Is it more energy than any charger of this kind delivers in the time?",
        words=Told("more energy than possible in the time"),
    ),
    Refutation(
        Group.IMPOSSIBLE,
        Weight.QUESTIONS,
        Code.POWER_DISAGREES,
        _in_time(measured.faster_at_an_end),
        question=(
            "Did it rise faster than steady power allows, just after the start or just before the "
            "stop?"
        ),
        words=Told("the register rose faster than the power allows"),
        needs="power",
    ),
    Refutation(
        Group.IMPOSSIBLE,
        Weight.QUESTIONS,
        Code.POWER_DISAGREES,
        _in_time(measured.far_faster_at_an_end),
        question=(
            "Did it rise far faster just after the start, or just before the stop, than otherwise?"
        ),
        words=Told("the register rose far faster at one end than otherwise"),
    ),
    Refutation(
        Group.IMPOSSIBLE,
        Weight.QUESTIONS,
        Code.TOO_FAST,
        _in_time(measured.faster_than_usual),
        question="Did it rise faster than this charger, or any AC charger, is known to deliver?",
        words=Told("faster than this charger, or any AC charger, is known to deliver"),
    ),
    Refutation(
        Group.NEIGHBOURS,
        Weight.CONTRADICTS,
        Code.START_GARBLED,
        neighbours.below_previous_start,
        question=(
            "Is its start not above the previous start, though its other registers go on from the "
            "previous stop?"
        ),
        words=Told("the start register is not above that of the previous session"),
        needs="before",
    ),
    Refutation(
        Group.NEIGHBOURS,
        Weight.CONTRADICTS,
        Code.WRONG_FACTOR,
        neighbours.on_another_scale,
        question=(
            "Are its registers on another scale than those of the sessions around it, as kWh "
            "beside Wh?"
        ),
    ),
    Refutation(
        Group.NEIGHBOURS,
        Weight.CONTRADICTS,
        Code.STRAY_READING,
        neighbours.above_the_next,
        question="Is its last reading above the whole next session?",
        words=Told("the register was below its last reading in the next session"),
        needs="after",
    ),
    Refutation(
        Group.NEIGHBOURS,
        Weight.QUESTIONS,
        Code.METER_SWAPPED,
        neighbours.across_a_swap,
        question="Is a part of it the difference between an old meter and a new one?",
        words=Told("the meter was swapped"),
        needs="swapped_at",
    ),
    Refutation(
        Group.NEIGHBOURS,
        Weight.QUESTIONS,
        Code.WRONG_FACTOR,
        neighbours.on_a_doubtful_scale,
        question=(
            "Does it go on from a session whose scale is in doubt, without readings or power of "
            "its own?"
        ),
        words=Told(
            "it goes on from registers whose scale is in doubt, and has neither readings nor power"
        ),
    ),
    Refutation(
        Group.NEIGHBOURS,
        Weight.LACKS,
        # At the start, the finding says START_GARBLED.
        Code.STOP_GARBLED,
        stale.missing_beside,
        question=(
            "Is energy missing between it and the session before or after, which it seems to have "
            "delivered, or which cannot have flowed between the two?"
        ),
    ),
    Refutation(
        Group.NEIGHBOURS,
        Weight.LACKS,
        Code.START_GARBLED,
        neighbours.outside_its_neighbours,
        question="Are all its registers below the sessions before and after, or above them?",
        words=Told("its registers are outside both neighbours: the register was not reset"),
        needs="after",
    ),
    Refutation(
        Group.NEIGHBOURS,
        Weight.ADDS,
        Code.OVERLAP,
        overlaps,
        question="Does a part of it also belong to the session before or after?",
    ),
    Refutation(
        Group.MEASURED,
        Weight.CONTRADICTS,
        Code.READINGS_UNIT,
        power_in_kilowatts,
        question="Was the power sent in kW as if it were W?",
        words=Told("the power is in kW but sent as W"),
        needs="power",
    ),
    Refutation(
        Group.MEASURED,
        Weight.CONTRADICTS,
        Code.STOP_GARBLED,
        measured.against_ends,
        question="Do Transaction.Begin and Transaction.End differ from start and stop?",
        words=Told("start or stop differs from Transaction.Begin or Transaction.End"),
    ),
    Refutation(
        Group.MEASURED,
        Weight.CONTRADICTS,
        Code.POWER_DISAGREES,
        measured.against_intervals,
        question="Do the energies of the intervals add up to more than the register rose by?",
        words=Told("the register rose by less than the intervals add up to"),
        needs="intervals",
    ),
    Refutation(
        Group.MEASURED,
        Weight.CONTRADICTS,
        Code.POWER_DISAGREES,
        _by_bounds(Bounds.against_charge),
        question="Would no car's battery fit the energy and the rise of its state of charge?",
        words=Told("the energy fits no battery"),
        needs="charges",
    ),
    Refutation(
        Group.MEASURED,
        Weight.CONTRADICTS,
        Code.POWER_DISAGREES,
        _by_bounds(Bounds.against_power),
        question=(
            "Did the register rise by more than power implies between two reports, or by far less "
            "in all?"
        ),
        words=Told("the register does not rise as the power implies"),
        needs="power",
    ),
    Refutation(
        Group.MEASURED,
        Weight.QUESTIONS,
        Code.POWER_DISAGREES,
        _in_time(measured.did_not_catch_up),
        question=(
            "Did the register stand still while power was reported, and not catch up later? If it "
            "is often reset, standing still is enough."
        ),
        words=Told("the register stood still while power was reported"),
        needs="power",
    ),
    Refutation(
        Group.MEASURED,
        Weight.QUESTIONS,
        Code.POWER_DISAGREES,
        _in_time(measured.stood_still_to_the_end),
        question="Was power reported after the register last rose?",
        words=Told("the register stood still while power was reported"),
        needs="power",
    ),
    Refutation(
        Group.MEASURED,
        Weight.QUESTIONS,
        Code.POWER_DISAGREES,
        _in_time(measured.far_beyond_power),
        question="Did it rise far faster than even rare reports of power allow?",
        words=Told("the register rose far faster than the power allows"),
        needs="power",
    ),
    Refutation(
        Group.MEASURED,
        Weight.QUESTIONS,
        Code.POWER_DISAGREES,
        _in_time(measured.beyond_many_powers),
        question="Does it disagree with the mean of many reports of power?",
        words=Told("the register does not agree with many reports of power"),
        needs="power",
    ),
    Refutation(
        Group.SHARED,
        Weight.ADDS,
        Code.SHARED_REGISTER,
        shared,
        question="Did the register count a car on another connector, too?",
        needs="beside",
    ),
    Refutation(
        Group.ENDING,
        Weight.ADDS,
        Code.CLOSED_BY_SYSTEM,
        ending.without_register,
        question=(
            "Has its stop no register? Or did no stop come, and the next start does not show "
            "where it ended?"
        ),
    ),
    Refutation(
        Group.ENDING,
        Weight.ADDS,
        Code.STOP_BEFORE_START,
        ending.stopped_before_start,
        question="Is its stop earlier than its start?",
        words=Told("stop is earlier than start"),
    ),
    Refutation(
        Group.ENDING,
        Weight.ADDS,
        Code.CLOCK_STOOD_STILL,
        clock_stood_still,
        question=(
            "Did the charger's clock stand still, and is the figure in doubt by the times of "
            "receipt?"
        ),
        words=Told("the charger's clock stood still: the duration is unknown"),
    ),
    Refutation(
        Group.ENDING,
        Weight.ADDS,
        Code.AVAILABLE_BETWEEN,
        ending.available_between,
        question="Was the connector available before the end, though the register rose after that?",
        words=Told("the connector was available before the end"),
    ),
    Refutation(
        Group.NUMBERS,
        Weight.ADDS,
        Code.NUMBER_REPAIRED,
        garbled,
        question="Was a register not a number?",
        words=Told("a register is not a number"),
        needs="garbled",
    ),
    Refutation(
        Group.NUMBERS,
        Weight.CONTRADICTS,
        Code.WRONG_FACTOR,
        scales.fraction,
        question="Has a register in Wh a fraction, as one in kWh has?",
        words=Told("a register in Wh has a fraction"),
        needs="has_fraction",
    ),
)


def asked(
    weight: Weight, case: Case, bounds: Bounds, figure: Figure
) -> Iterator[tuple[Refutation, Finding]]:
    """Ask all questions of a weight about a figure. Yield those that put it in doubt, each with
    what it found."""
    for refutation in REFUTATIONS:
        if refutation.weight is not weight:
            continue
        if refutation.needs and not getattr(case, refutation.needs):
            continue
        finding = refutation(case, bounds, figure)
        if finding is not None:
            yield refutation, finding


class Refuted(NamedTuple):
    """What was found against a reported figure; empty if it is certain. If it is contradicted,
    nothing else is asked."""

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
