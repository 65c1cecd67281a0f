"""The table of refutations: every question that is asked about a figure, in the order in which README explains them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.refute import ending, impossible, measured, neighbours, scales, stale
from levity_trio.charging.refute.bounds import Bounds, Evidence
from levity_trio.charging.refute.figure import against_readings, reported
from levity_trio.charging.refute.overlaps import overlaps
from levity_trio.charging.refute.refutation import Finding, Group, Refutation, Weight
from levity_trio.charging.refute.shared import shared
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.chains import Chain, Figure
from levity_trio.charging.sent.evidence import Case
from levity_trio.charging.sent.plain import plain
from levity_trio.charging.sent.power import HOUR

_Find = Callable[[Case, Bounds, Figure], Evidence | Finding | None]


def _of_course(find: Callable[[Case, Bounds, Chain], Evidence | None]) -> _Find:
    """Ask about the course of a figure."""
    return lambda case, bounds, figure: find(case, bounds, figure.chain)


def _in_time(find: Callable[[Case, Bounds, Chain], Evidence | None]) -> _Find:
    """Ask about the course of a figure, if its times are known."""
    return lambda case, bounds, figure: find(case, bounds, figure.chain) if case.is_in_order else None


def _below_start(_case: Case, _bounds: Bounds, figure: Figure) -> Evidence | None:
    return (f"{figure.wh} Wh", "0 Wh") if figure.wh < 0 else None


def _garbled(case: Case, _bounds: Bounds, figure: Figure) -> Evidence | None:
    return ("; ".join(case.garbled), f"{figure.wh} Wh without it") if case.garbled else None


def power_in_kilowatts(case: Case, _bounds: Bounds, figure: Figure) -> Evidence | None:
    """Return the conflict with a power that no car charges with, if the figure agrees with a thousand times as much."""
    power = case.power
    if not power or not 0 < power.most < tolerances.LEAST_CHARGING_W:
        return None
    if figure.wh <= (1 + tolerances.VARYING_SHARE) * power.most * case.longest / HOUR + 2 * case.digit:
        return None
    is_it = len(power.at) >= tolerances.REGULAR_GAPS and undoubted(with_power(case, 1000)) is not None
    return (f"{figure.wh} Wh", f"at most {plain(power.most)} W") if is_it else None


_IMPOSSIBLE, _NEIGHBOURS, _MEASURED, _ENDING = Group.IMPOSSIBLE, Group.NEIGHBOURS, Group.MEASURED, Group.ENDING
_CONTRADICTS, _QUESTIONS, _LACKS, _ADDS = Weight.CONTRADICTS, Weight.QUESTIONS, Weight.LACKS, Weight.ADDS

REFUTATIONS: Final = (
    Refutation(
        "below_start",
        _IMPOSSIBLE,
        "Is the last reading below the start?",
        _below_start,
        _CONTRADICTS,
        Code.STOP_GARBLED,
        "the last reading is below meterStart",
    ),
    Refutation(
        "impossible_step",
        _IMPOSSIBLE,
        "Did the register fall, or rise in one step faster than this charger can deliver?",
        lambda _, bounds, figure: bounds.impossible_step(figure.chain),
        _CONTRADICTS,
        Code.REGISTER_LEAPT,
        "the register made an implausible step",
    ),
    Refutation(
        "too_much",
        _IMPOSSIBLE,
        "Is it more energy than any charger of this kind delivers in the time?",
        lambda _, bounds, figure: bounds.too_much(figure.wh),
        _CONTRADICTS,
        Code.TOO_FAST,
        "more energy than possible in the time",
    ),
    Refutation(
        "faster_at_first",
        _IMPOSSIBLE,
        "Did it rise faster than steady power allows, just after the start?",
        _in_time(impossible.faster_at_first),
        _QUESTIONS,
        Code.POWER_DISAGREES,
        "the register rose faster than the power allows",
    ),
    Refutation(
        "faster_at_last",
        _IMPOSSIBLE,
        "Did it rise faster than steady power allows, just before the stop?",
        _in_time(impossible.faster_at_last),
        _QUESTIONS,
        Code.POWER_DISAGREES,
        "the register rose faster than the power allows",
    ),
    Refutation(
        "far_faster_at_an_end",
        _IMPOSSIBLE,
        "Did it rise far faster just after the start, or just before the stop, than otherwise?",
        _in_time(impossible.far_faster_at_an_end),
        _QUESTIONS,
        Code.POWER_DISAGREES,
        "the register rose far faster at one end than otherwise",
    ),
    Refutation(
        "faster_than_usual",
        _IMPOSSIBLE,
        "Did it rise faster than this charger, or any AC charger, is known to deliver?",
        _in_time(impossible.faster_than_usual),
        _QUESTIONS,
        Code.TOO_FAST,
        "faster than the charger is known to deliver",
    ),
    Refutation(
        "below_previous_start",
        _NEIGHBOURS,
        "Is its start not above the previous start, though its other registers go on from the previous stop?",
        neighbours.below_previous_start,
        _CONTRADICTS,
        Code.START_GARBLED,
        "meterStart is not above that of the previous transaction",
    ),
    Refutation(
        "on_another_scale",
        _NEIGHBOURS,
        "Are its registers on another scale than those of the sessions around it, as kWh beside Wh?",
        neighbours.on_another_scale,
        _CONTRADICTS,
        Code.WRONG_FACTOR,
        "the registers are on another scale",
    ),
    Refutation(
        "above_neighbours",
        _NEIGHBOURS,
        "Was the register as before again at the next start?",
        neighbours.above_neighbours,
        _CONTRADICTS,
        Code.START_GARBLED,
        "the register was as before again at the next start",
    ),
    Refutation(
        "above_the_next",
        _NEIGHBOURS,
        "Is its last reading above the whole next session?",
        neighbours.above_the_next,
        _CONTRADICTS,
        Code.STRAY_READING,
        "the register was below its last reading in the next transaction",
    ),
    Refutation(
        "across_a_swap",
        _NEIGHBOURS,
        "Is a part of it the difference between an old meter and a new one?",
        neighbours.across_a_swap,
        _QUESTIONS,
        Code.METER_SWAPPED,
        "the meter was swapped",
    ),
    Refutation(
        "above_a_stop_as_sent",
        _NEIGHBOURS,
        "Did the session before it, which is in doubt, send a stop above this start?",
        neighbours.above_a_stop_as_sent,
        _QUESTIONS,
        Code.START_GARBLED,
        "the previous transaction sent a stop above this start",
    ),
    Refutation(
        "below_a_start_as_sent",
        _NEIGHBOURS,
        "Did the session after it, which is in doubt, send a start below this stop?",
        neighbours.below_a_start_as_sent,
        _QUESTIONS,
        Code.STOP_GARBLED,
        "the next transaction sent a start below this stop",
    ),
    Refutation(
        "on_a_doubtful_scale",
        _NEIGHBOURS,
        "Does it go on from a session whose scale is in doubt, without readings or power of its own?",
        neighbours.on_a_doubtful_scale,
        _QUESTIONS,
        Code.WRONG_FACTOR,
        "it goes on from registers whose scale is in doubt, and has neither readings nor power",
    ),
    Refutation(
        "stop_is_old",
        _NEIGHBOURS,
        "Does its stop repeat an old register, so that the next session begins higher?",
        stale.stop_is_old,
        _LACKS,
        Code.STOP_GARBLED,
        "the stop repeats an old register: the next transaction begins higher",
    ),
    Refutation(
        "more_until_the_next",
        _NEIGHBOURS,
        "Did more energy leave before the next start than can have flowed?",
        stale.more_until_the_next,
        _LACKS,
        Code.STOP_GARBLED,
        "more energy left between two transactions than the time allows",
    ),
    Refutation(
        "start_is_old",
        _NEIGHBOURS,
        "Was its start read late, so that the previous session ended lower?",
        stale.start_is_old,
        _LACKS,
        Code.START_GARBLED,
        "the start was read late: the previous transaction ended lower",
    ),
    Refutation(
        "more_since_the_previous",
        _NEIGHBOURS,
        "Did more energy leave since the previous stop than can have flowed?",
        stale.more_since_the_previous,
        _LACKS,
        Code.START_GARBLED,
        "more energy left between two transactions than the time allows",
    ),
    Refutation(
        "below_both_neighbours",
        _NEIGHBOURS,
        "Are all its registers below the sessions before and after?",
        stale.below_both_neighbours,
        _LACKS,
        Code.START_GARBLED,
        "its registers are below both neighbours: the register was not reset",
    ),
    Refutation(
        "not_reset",
        _NEIGHBOURS,
        "Does its start repeat the previous stop, though this charger counts each session from 0?",
        stale.not_reset,
        _LACKS,
        Code.START_GARBLED,
        "the start repeats the previous stop, though this charger counts each transaction from 0",
    ),
    Refutation(
        "overlap",
        _NEIGHBOURS,
        "Does a part of it also belong to the session before or after?",
        overlaps,
        _ADDS,
        Code.OVERLAP,
        "a part also belongs to another transaction",
    ),
    Refutation(
        "power_in_kilowatts",
        _MEASURED,
        "Was the power sent in kW as if it were W?",
        power_in_kilowatts,
        _CONTRADICTS,
        Code.READINGS_UNIT,
        "the power is in kW but sent as W",
    ),
    Refutation(
        "against_readings",
        _MEASURED,
        "Are the readings of the stop impossible between start and stop?",
        against_readings,
        _CONTRADICTS,
        Code.STRAY_READING,
        "the register made an implausible step",
    ),
    Refutation(
        "against_ends",
        _MEASURED,
        "Do Transaction.Begin and Transaction.End differ from start and stop?",
        _of_course(measured.against_ends),
        _CONTRADICTS,
        Code.STOP_GARBLED,
        "start or stop differs from Transaction.Begin or Transaction.End",
    ),
    Refutation(
        "against_intervals",
        _MEASURED,
        "Did the energies of the intervals add up to more?",
        _of_course(measured.against_intervals),
        _CONTRADICTS,
        Code.POWER_DISAGREES,
        "the register rose by less than the intervals add up to",
    ),
    Refutation(
        "against_charge",
        _MEASURED,
        "Would no car's battery fit the energy and the rise of its state of charge?",
        lambda _, bounds, figure: bounds.against_charge(figure.chain),
        _CONTRADICTS,
        Code.POWER_DISAGREES,
        "the energy fits no battery",
    ),
    Refutation(
        "less_than_one_power",
        _MEASURED,
        "Is it less than one reported power delivers in half a minute?",
        lambda _, bounds, figure: bounds.less_than_one_power(figure.chain),
        _CONTRADICTS,
        Code.POWER_DISAGREES,
        "the register rose by less than the power implies",
    ),
    Refutation(
        "more_than_power",
        _MEASURED,
        "Did the register rise faster than the reported power allows?",
        lambda _, bounds, figure: bounds.more_than_power(figure.chain),
        _CONTRADICTS,
        Code.POWER_DISAGREES,
        "the register rose faster than the power allows",
    ),
    Refutation(
        "still_at_the_stop",
        _MEASURED,
        "Did the register stand still until the stop while power was reported?",
        lambda _, bounds, figure: bounds.still_at_the_stop(figure.chain),
        _CONTRADICTS,
        Code.POWER_DISAGREES,
        "the register stood still while power was reported",
    ),
    Refutation(
        "less_than_power",
        _MEASURED,
        "Did the register rise by far less than the power adds up to?",
        lambda _, bounds, figure: bounds.less_than_power(figure.chain),
        _CONTRADICTS,
        Code.POWER_DISAGREES,
        "the register rose by less than the power implies",
    ),
    Refutation(
        "did_not_catch_up",
        _MEASURED,
        "Did the register stand still while power was reported, and not catch up?",
        _in_time(measured.did_not_catch_up),
        _QUESTIONS,
        Code.POWER_DISAGREES,
        "the register stood still while power was reported",
    ),
    Refutation(
        "stood_still_to_the_end",
        _MEASURED,
        "Was power reported after the register last rose?",
        _in_time(measured.stood_still_to_the_end),
        _QUESTIONS,
        Code.POWER_DISAGREES,
        "the register stood still while power was reported",
    ),
    Refutation(
        "may_have_been_reset",
        _MEASURED,
        "Did it stand still despite power, at a charger whose register is often reset?",
        _in_time(measured.may_have_been_reset),
        _QUESTIONS,
        Code.POWER_DISAGREES,
        "the register stood still while power was reported, and this one is often reset",
    ),
    Refutation(
        "far_beyond_power",
        _MEASURED,
        "Did it rise far faster than even rare reports of power allow?",
        _in_time(measured.far_beyond_power),
        _QUESTIONS,
        Code.POWER_DISAGREES,
        "the register rose far faster than the power allows",
    ),
    Refutation(
        "far_below_power",
        _MEASURED,
        "Did it rise far more slowly than each report of power implies?",
        _in_time(measured.far_below_power),
        _QUESTIONS,
        Code.POWER_DISAGREES,
        "the register rose far more slowly than each power implies",
    ),
    Refutation(
        "beyond_many_powers",
        _MEASURED,
        "Does it disagree with the mean of many reports of power?",
        _in_time(measured.beyond_many_powers),
        _QUESTIONS,
        Code.POWER_DISAGREES,
        "the register does not agree with many reports of power",
    ),
    Refutation(
        "gave_energy_back",
        _MEASURED,
        "Did the car give energy back?",
        measured.gave_energy_back,
        _ADDS,
        Code.EXPORTED,
        "the car gave energy back",
    ),
    Refutation(
        "shared",
        Group.SHARED,
        "Did the register count a car on another connector, too?",
        shared,
        _ADDS,
        Code.SHARED_REGISTER,
        "its register also counted another transaction",
    ),
    Refutation(
        "closed_by_system",
        _ENDING,
        "Did the charger send no stop, and does the next start not show where it ended?",
        ending.closed_by_system,
        _ADDS,
        Code.CLOSED_BY_SYSTEM,
        "closed by the system",
    ),
    Refutation(
        "without_register",
        _ENDING,
        "Has its stop no register?",
        ending.without_register,
        _ADDS,
        Code.STOP_GARBLED,
        "the stop has no register",
    ),
    Refutation(
        "swapped_before_its_stop_came",
        _ENDING,
        "Was the meter swapped between its stop and the receipt of that?",
        ending.swapped_before_its_stop_came,
        _ADDS,
        Code.METER_SWAPPED,
        "the meter was swapped before the stop was received, but after it was read",
    ),
    Refutation(
        "stopped_before_start",
        _ENDING,
        "Is its stop earlier than its start?",
        ending.stopped_before_start,
        _ADDS,
        Code.STOP_BEFORE_START,
        "stop is earlier than start",
    ),
    Refutation(
        "clock_stood_still",
        _ENDING,
        "Did the charger's clock stand still, and is the figure too high by the times of receipt?",
        ending.clock_stood_still,
        _ADDS,
        Code.CLOCK_STOOD_STILL,
        "the charger's clock stood still: the duration is unknown",
    ),
    Refutation(
        "available_between",
        _ENDING,
        "Was the connector available before the end, though the register rose after that?",
        ending.available_between,
        _ADDS,
        Code.AVAILABLE_BETWEEN,
        "the connector was available before the end",
    ),
    Refutation(
        "garbled",
        Group.NUMBERS,
        "Was a register not a number?",
        _garbled,
        _ADDS,
        Code.NUMBER_REPAIRED,
        "a register is not a number",
    ),
    Refutation(
        "fraction",
        Group.NUMBERS,
        "Has a register in Wh a fraction, as one in kWh has?",
        scales.fraction,
        _CONTRADICTS,
        Code.WRONG_FACTOR,
        "a register in Wh has a fraction",
    ),
)

_BY_WEIGHT: Final = {weight: tuple(one for one in REFUTATIONS if one.weight is weight) for weight in Weight}


def asked(weight: Weight, case: Case, bounds: Bounds, figure: Figure) -> Iterator[tuple[Refutation, Finding]]:
    """Ask all questions of a weight about a figure; yield those that put it in doubt, with what was found."""
    for refutation in _BY_WEIGHT[weight]:
        if (found := refutation(case, bounds, figure)) is not None:
            yield refutation, found


class Refuted(NamedTuple):
    """What was found against a reported figure. If it is contradicted, nothing else is asked."""

    contradiction: Doubt | None = None
    questions: Sequence[tuple[Refutation, Finding]] = ()
    lacks: Sequence[tuple[Refutation, Finding]] = ()

    def __bool__(self) -> bool:
        return bool(self.contradiction or self.questions or self.lacks)


def refute(case: Case, bounds: Bounds, figure: Figure) -> Refuted:
    """Ask whether the reported figure is certain."""
    for refutation, found in asked(Weight.CONTRADICTS, case, bounds, figure):
        return Refuted(refutation.doubt(found))
    return Refuted(None, *(list(asked(weight, case, bounds, figure)) for weight in (Weight.QUESTIONS, Weight.LACKS)))


def with_power(case: Case, factor: float) -> Case:
    """Return the evidence as if the power had been sent multiplied by a factor."""
    return replace(case, power=case.power.scaled(factor), is_dc=case.is_dc_shown)


def undoubted(case: Case) -> Figure | None:
    """Return the reported figure if nothing puts it in doubt."""
    bounds = Bounds(case)
    figure = reported(case, bounds)
    return None if figure is None or refute(case, bounds, figure) else figure
