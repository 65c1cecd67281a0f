"""How much energy a transaction delivered, in Wh, and whether that is certain (rules.md, Energy).

The reported figure is tried first; if nothing contradicts it, it is certain. Otherwise the candidates with the fewest
assumptions count, and of these the lowest. The figure is then doubtful, and a review lists these candidates. If none
survives, the figure is the part that no evidence contradicts. If no register supports any part, it is 0, and the review
gives the maximum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.bounds import Bounds, Conflict
from levity_trio.charging.bracket import continues_both, continues_one
from levity_trio.charging.candidate import REGISTER, SEGMENTS, Candidate, ends_alone
from levity_trio.charging.candidates import candidates
from levity_trio.charging.evidence import Case
from levity_trio.charging.exchanged import exchanged
from levity_trio.charging.lower import across_a_swap, lower_candidates, part_of, range_of, without_leaps_between_powers
from levity_trio.charging.overlaps import overlaps
from levity_trio.charging.power import Chain
from levity_trio.charging.reported import Reported, contradiction, reported
from levity_trio.charging.reviews import PARTIAL, Code, Doubt
from levity_trio.charging.shared import shared
from levity_trio.charging.stale import Stale, stale
from levity_trio.charging.units import wrong_factors
from levity_trio.charging.unusual import unusual

RULES: Final = 19
"""The version of these rules. Version 1 was a set of thresholds."""
CERTAIN: Final = "certain"
DOUBTFUL: Final = "doubtful"
UNKNOWN: Final = Chain((), ())
"""The course of a figure that no register shows as a whole."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A figure in Wh with its doubts. `billed_from` and `billed_until` are the registers on which it is based."""

    wh: int
    method: str
    doubts: tuple[Doubt, ...]
    billed_from: int | None
    billed_until: int | None
    code: Code | None = None
    """That of the chosen candidate; None for the reported figure."""
    is_confirmed: bool = False
    """A source other than the register confirms the figure."""
    is_power_scaled: bool = False
    """Power confirms it on another scale only."""
    is_sole: bool = False
    """It was the only candidate that nothing contradicted."""
    course: Chain = UNKNOWN
    """The course of the register on which the figure is based, before an overlap took a part of it."""

    @property
    def confidence(self) -> str:
        return DOUBTFUL if self.doubts else CERTAIN


class _Chosen(NamedTuple):
    wh: int
    method: str
    begin: int | None
    end: int | None
    code: Code | None
    doubts: tuple[Doubt, ...]
    is_sole: bool = False
    chain: Chain = UNKNOWN
    is_power_scaled: bool = False
    """Power on another scale confirms it."""


def judge(case: Case) -> Judgement:
    """Judge a transaction by all the evidence."""
    if (exchange := exchanged(case)) is not None:
        judged = min(map(judge, exchange.cases), key=lambda one: len(one.doubts))
        return replace(judged, doubts=(exchange.doubt, *judged.doubts), code=Code.STOPS_EXCHANGED, is_sole=False)
    bounds = Bounds(case)
    found = reported(case, bounds)
    chosen = _power_in_kilowatts(case) or _as_reported(case, bounds, found)
    chosen = chosen or _in_no_known_battery(case, bounds, found) or _power_too_high(case, bounds, found)
    chosen = chosen or _power_on_another_scale(case, bounds) or _by_candidates(case, bounds, found)
    lost, overlap = overlaps(case, chosen.begin, chosen.end)
    of_others, beside = shared(case, chosen.begin, chosen.end, chosen.wh if chosen.code is None else None)
    doubts: dict[Code, Doubt] = {}
    for doubt in (*chosen.doubts, *overlap, *beside, *_circumstances(case, bounds, chosen)):
        doubts.setdefault(doubt.code, doubt)
    if chosen.is_sole and chosen.code is not None and chosen.code in case.habits and not _is_partial(chosen):
        doubts.pop(chosen.code, None)
    wh, is_confirmed = max(0, chosen.wh - lost - of_others), chosen.is_power_scaled or bounds.confirms(chosen.wh)
    grounds = (chosen.code, is_confirmed, chosen.is_power_scaled, chosen.is_sole, chosen.chain)
    return Judgement(wh, chosen.method, tuple(doubts.values()), chosen.begin, chosen.end, *grounds)


def _is_partial(chosen: _Chosen) -> bool:
    """Whether something that flowed is not in its figure: no habit makes that certain."""
    is_from_reading = chosen.code in (Code.START_GARBLED, Code.STOP_GARBLED) and chosen.method == SEGMENTS
    return is_from_reading or chosen.code in PARTIAL


def _as_reported(case: Case, bounds: Bounds, found: Reported | None) -> _Chosen | None:
    """Choose stop − start, or last reading − start without a stop; None if something contradicts it."""
    if found is None or _has_factor_habit(case):
        return None
    ends = list(stale(case, bounds, found.chain))
    if (whole := _with_what_is_missing(bounds, ends)) is not None:
        return whole
    if contradiction(case, bounds, found) is not None:
        return None
    against = across_a_swap(case, found.chain) or unusual(case, bounds, found.chain)
    if against is not None and (lower := next(lower_candidates(case, bounds, found.chain), None)) is not None:
        doubt = _doubt(lower.code, against, {"as reported": found.chain.wh[-1], lower.words: lower.wh}, lower.words)
        return _Chosen(lower.wh, lower.method, lower.begin, lower.end, lower.code, (doubt,), chain=lower.chain)
    doubts = [one.doubt for one in ends]
    if against is not None:
        doubts = [_doubt(against.code, against, {"as reported": found.chain.wh[-1]})]
    return _Chosen(found.chain.wh[-1], found.method, case.start_wh, found.end, None, tuple(doubts), chain=found.chain)


def _with_what_is_missing(bounds: Bounds, ends: Sequence[Stale]) -> _Chosen | None:
    """Choose the reported figure with what flowed before a late start or after an old stop, if power shows it."""
    if len(ends) != 1 or (whole := ends[0].shown) is None or bounds.conflict(whole) is not None:
        return None
    doubt, begin, end, _ = ends[0]
    return _Chosen(whole.wh[-1], SEGMENTS, begin, end, doubt.code, (doubt,), chain=whole)


def _has_factor_habit(case: Case) -> bool:
    """Whether this charger is known to send all registers wrong by a factor, and no power tests that here."""
    return Code.WRONG_FACTOR in case.habits and not case.power


def _by_candidates(case: Case, bounds: Bounds, found: Reported | None) -> _Chosen:
    """Choose the candidate with the fewest assumptions that nothing contradicts.

    Each gap in which power disagrees counts as an assumption. Of several, the candidate with which power agrees in most
    gaps wins, then the one that most neighbours continue, then the lowest figure.
    """
    every = list(candidates(case, bounds))
    survivors = _survivors(case, bounds, every)
    if not survivors and (found is None or bounds.conflict(found.chain, is_partial=True) is not None):
        survivors = _survivors(case, bounds, [replace(one, is_partial=True) for one in every])
    if not survivors and found is not None:
        survivors = list(without_leaps_between_powers(case, bounds, found.chain))
    if not survivors:
        return _uncontradicted_part(case, bounds, found, every)
    tested = [(one, *bounds.agreement(one.chain)) for one in survivors]
    least = min(one.assumptions + against for one, _, against in tested)
    ranked = [
        (-agreeing, -_touched(case, one), one.wh, one)
        for one, agreeing, against in tested
        if one.assumptions + against == least
    ]
    chosen = _up_to_the_next(case, bounds, min(ranked, key=itemgetter(0, 1, 2))[-1])
    simplest = [one for *_, one in ranked]
    conflict = _contradiction_of_reported(case, bounds, found)
    figures = {one.words: one.wh for one in simplest} | _reported_figure(found)
    doubt = Doubt(chosen.code, chosen.words, conflict.evidence, figures)
    is_sole = len({one.wh for one in simplest}) == 1
    grounds = (chosen.code, (doubt,), is_sole, chosen.chain)
    return _Chosen(chosen.wh, chosen.method, chosen.begin, chosen.end, *grounds)


def _up_to_the_next(case: Case, bounds: Bounds, one: Candidate) -> Candidate:
    """Return a candidate with another start with what flowed after an old stop, too, if power shows it."""
    if one.code not in (Code.START_GARBLED, Code.UNKNOWN_START) or one.end != case.stop_wh:
        return one
    ends = [end for end in stale(case, bounds, one.chain) if end.doubt.code is Code.STOP_GARBLED]
    whole = ends[0].shown if len(ends) == 1 else None
    return one if whole is None or bounds.conflict(whole) else replace(one, chain=whole, end=ends[0].end)


def _touched(case: Case, one: Candidate) -> int:
    """Return how many neighbours end where it begins, or begin where it ends."""
    before, after = case.before, case.after
    ended = before.end if before is not None and before.is_end_known else None
    pairs = ((one.begin, ended), (one.end, after and after.begin))
    return sum(bool(own) and own == other for own, other in pairs)


def _survivors(case: Case, bounds: Bounds, every: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that nothing contradicts."""
    possible = [one for one in every if _is_possible(case, bounds, one)]
    return [one for one in possible if not bounds.is_far_beyond_power(one.chain)] or possible


def _power_in_kilowatts(case: Case) -> _Chosen | None:
    """Choose the reported figure if it agrees with the power in kW: sent as W, no car charges with so little."""
    is_too_low = 0 < case.power.most < tolerances.LEAST_CHARGING_W if case.power else False
    return _with_power(case, 1000, "the power is in kW but sent as W", {}) if is_too_low else None


def _in_no_known_battery(case: Case, bounds: Bounds, found: Reported | None) -> _Chosen | None:
    """Choose the reported figure, with a doubt, if power confirms it, and only the size of a car's battery is against
    it: lorries and buses have larger ones."""
    if found is None or not bounds.confirms(found.chain.wh[-1]):
        return None
    if (against := bounds.against_charge(found.chain)) is None:
        return None
    reread = replace(case, charges=())
    chosen = _as_reported(reread, Bounds(reread), found)
    if chosen is None or chosen.doubts:
        return None
    return chosen._replace(doubts=(_doubt(against.code, against, {"as reported": chosen.wh}),))


def _power_too_high(case: Case, bounds: Bounds, found: Reported | None) -> _Chosen | None:
    """Choose the reported figure if it agrees with a tenth of the power, which no AC charger delivers. Registers that
    are a tenth of what they should be agree with the power, too, but give the higher figure."""
    if found is None or not case.power or case.power.most <= tolerances.AC_W or case.is_dc_shown:
        return None
    if not bounds.confirms(10 * found.chain.wh[-1]):
        return None
    others = {one.words: one.wh for one in wrong_factors(case, bounds)}
    return _with_power(case, 0.1, "the power is ten times too high", others)


def _power_on_another_scale(case: Case, bounds: Bounds) -> _Chosen | None:
    """Choose the reported figure if its readings track the power multiplied by 2 or 3: it is that of one phase.

    So too if by another factor, if no car charges with so little, or if the register goes on from a neighbour: its
    scale was confirmed by power before. At a charger whose power was too high before, it still is.
    """
    for phases in range(2, tolerances.PHASES + 1):
        if bounds.is_tracked(1 / phases):
            return _with_power(case, phases, f"the power is that of one of {phases} phases", {})
    is_below_any_car = bool(case.power) and not case.is_dc and case.power.most < tolerances.LEAST_AC_W
    is_right_register = case.reports_power and continues_one(case)
    of_charger = (10, 100) if is_below_any_car else (0.1,) if case.has_power_too_high else ()
    for factor in (10, 100, 0.1, 0.01) if is_right_register else of_charger:
        if bounds.is_tracked(1 / factor):
            words = f"the power is too {'low' if factor > 1 else 'high'} by a factor of {max(factor, 1 / factor):g}"
            others = {one.words: one.wh for one in wrong_factors(case, bounds)} if factor < 1 else {}
            return _with_power(case, factor, words, others)
    return None


def _with_power(case: Case, factor: float, words: str, others: Mapping[str, int]) -> _Chosen | None:
    """Choose the reported figure, with a doubt, if it agrees with the power multiplied by a factor."""
    if len(case.power.at) < tolerances.REGULAR_GAPS:
        return None
    reread = replace(case, power=case.power.scaled(factor), is_dc=case.is_dc_shown)
    bounds = Bounds(reread)
    chosen = _as_reported(reread, bounds, reported(reread, bounds))
    if chosen is None or chosen.doubts:
        return None
    evidence = (f"{chosen.wh} Wh", f"at most {case.power.most:g} W")
    doubt = Doubt(Code.READINGS_UNIT, words, evidence, {"as reported": chosen.wh, **others})
    return chosen._replace(doubts=(doubt,), code=Code.READINGS_UNIT, is_sole=not others, is_power_scaled=True)


def _is_possible(case: Case, bounds: Bounds, one: Candidate) -> bool:
    if one.wh < 0 or not is_in_place(case, one):
        return False
    return bounds.conflict(one.chain, is_partial=one.is_partial) is None


def is_in_place(case: Case, one: Candidate) -> bool:
    """Whether a replaced start or stop, or a leap, leaves room for the neighbours: the register does not fall between
    two. An unknown end is no bound: it may be a reading of this one, or of another register."""
    if one.code not in (Code.START_GARBLED, Code.STOP_GARBLED, Code.UNKNOWN_START, Code.REGISTER_LEAPT):
        return True
    digit, after = case.digit, case.after
    before = case.before if case.before is not None and case.before.is_end_known else None
    begin, end = one.begin or 0, one.end or 0
    falls_after = after is not None and after.begin is not None and begin <= after.begin < end - digit
    falls_before = before is not None and (before.begin or 0) < begin < (before.end or 0) - digit
    return not (falls_after or falls_before)


def _contradiction_of_reported(case: Case, bounds: Bounds, found: Reported | None) -> Conflict:
    """Return the conflict of stop − start, or say which register is missing."""
    if found is not None and (conflict := contradiction(case, bounds, found)) is not None:
        return conflict
    if case.start_wh is not None and case.stop_wh is not None and case.stop_wh < case.start_wh:
        evidence = (f"meterStart {case.start_wh} Wh", f"meterStop {case.stop_wh} Wh")
        return Conflict(Code.STOP_GARBLED, "meterStop is below meterStart", evidence)
    missing = " and ".join(name for name, wh in (("start", case.start_wh), ("stop", case.stop_wh)) if wh is None)
    words = f"the {missing or 'transaction'} has no readable register"
    return Conflict(Code.NO_REGISTER, words, (words, "; ".join(case.garbled) or "nothing was sent"))


def _reported_figure(found: Reported | None) -> dict[str, int]:
    return {} if found is None else {"as reported": found.chain.wh[-1]}


def _uncontradicted_part(case: Case, bounds: Bounds, found: Reported | None, every: Sequence[Candidate]) -> _Chosen:
    """Choose the uncontradicted part, if every candidate is contradicted."""
    if not case.is_stopped and not case.view.wh:  # closed by the system: `_circumstances` has that doubt
        return _Chosen(0, REGISTER, case.start_wh, case.start_wh, Code.NO_REGISTER, ())
    conflict = _contradiction_of_reported(case, bounds, found)
    is_too_little = (
        found is not None and bounds.walk(found.chain) is None and bounds.too_much(found.chain.wh[-1]) is None
    )
    is_whole = is_too_little or (found is not None and _is_shown_by_both(case, bounds, found))
    wh = found.chain.wh[-1] if found and is_whole else min(part_of(case, bounds), int(bounds.most_wh))
    figures = {one.words: one.wh for one in every if one.wh >= 0} | _reported_figure(found)
    most = min(_most(case, bounds), max(figures.values(), default=_most(case, bounds)))
    words = f"{conflict.words}; at most {most} Wh" if wh == 0 else conflict.words
    code = Code.NO_REGISTER if conflict.code is Code.NO_REGISTER else Code.NOTHING_AGREES
    begin, end = (case.start_wh, found.end) if found and is_whole else range_of(case, bounds, wh)
    return _Chosen(wh, SEGMENTS, begin, end, code, (Doubt(code, words, conflict.evidence, figures),))


def _is_shown_by_both(case: Case, bounds: Bounds, found: Reported) -> bool:
    """Whether both neighbours show start and stop, and nothing but the readings contradicts these."""
    return continues_both(case) and bounds.conflict(ends_alone(case, found.chain.wh[-1])) is None


def _doubt(code: Code, conflict: Conflict, figures: Mapping[str, int], words: str = "") -> Doubt:
    return Doubt(code, words or conflict.words, conflict.evidence, figures)


# Circumstances


def _circumstances(case: Case, bounds: Bounds, chosen: _Chosen) -> Iterator[Doubt]:
    """Yield the doubts that do not depend on how the figure was chosen."""
    if case.garbled:
        words = "a register is not a number"
        yield Doubt(Code.NUMBER_REPAIRED, words, ("; ".join(case.garbled), f"{chosen.wh} Wh without it"))
    if case.is_stopped and case.stop_wh is None:
        words = "the stop has no register"
        yield Doubt(Code.STOP_GARBLED, words, ("no meterStop", f"{chosen.end} Wh at the last reading"))
    if not case.is_stopped and not _is_shown_by_the_next(case, chosen):
        words = f"closed by the system: {_unknown_at_the_end(case, bounds)}"
        yield Doubt(Code.CLOSED_BY_SYSTEM, words, (f"{chosen.end} Wh at the end", "no stop"))
    if case.is_stop_of_old_meter and not case.is_timed:
        words = "the meter was swapped before the stop was received, but after it was read"
        evidence = (f"meterStop {case.stop_wh} Wh", f"the next transaction began at {case.begin_of_new_meter} Wh")
        yield Doubt(Code.METER_SWAPPED, words, evidence)
    if case.is_timed and case.is_backwards:
        yield Doubt(Code.STOP_BEFORE_START, "stop is earlier than start", ("start time", "stop time"))
    if not case.is_timed and (against := _against_receipts(case, chosen)) is not None:
        words = "the charger's clock stood still: the duration is unknown"
        yield Doubt(Code.CLOCK_STOOD_STILL, words, against.evidence)
    if case.available_at is not None and (rise := _rise_since(case, case.available_at, chosen)) > case.digit:
        words = "the connector was available before the end"
        yield Doubt(Code.AVAILABLE_BETWEEN, words, ("Available", f"{rise} Wh after that"))


def _against_receipts(case: Case, chosen: _Chosen) -> Conflict | None:
    """Return the conflict of a figure if every message had been sent when it happened."""
    live = replace(case, is_timed=True, longest=case.received_seconds)
    bounds = Bounds(live)
    found = reported(live, bounds)
    if found is None or found.chain.wh[-1] != chosen.wh:
        return None
    return bounds.conflict(found.chain) or unusual(live, bounds, found.chain)


def _unknown_at_the_end(case: Case, bounds: Bounds) -> str:
    if not case.view.wh:
        return f"no readings, at most {_most(case, bounds)} Wh"
    if not case.is_named_to_the_end:
        return "its readings after a boot do not name it"
    return "energy after the last reading is unknown"


def _most(case: Case, bounds: Bounds) -> int:
    """Return the maximum energy in Wh, by time, power and the start of the next transaction."""
    by_time, after = int(bounds.most_wh), case.after
    if after is None or after.told is None or case.start_wh is None or after.told < case.start_wh + _least(case):
        return by_time
    return min(by_time, after.told - case.start_wh)


def _least(case: Case) -> float:
    """Return the minimum energy by power in Wh, from the first to the last one."""
    least = case.power.expected_wh[0] if case.power and case.power.expected_wh else 0.0
    return (1 - tolerances.POWER_SHARE) * least


def _is_shown_by_the_next(case: Case, chosen: _Chosen) -> bool:
    """Whether the next transaction begins at the end of this one, so that nothing flowed after the last reading.

    A start of 0 shows nothing: such registers count each transaction anew. Nor does any start if the last readings may
    belong to a transaction between the two.
    """
    after = case.after if case.is_named_to_the_end else None
    if after is None or not after.told or chosen.end is None or chosen.begin is None or not case.view.wh:
        return False
    return abs(after.told - chosen.end) <= case.digit


def _rise_since(case: Case, since: float, chosen: _Chosen) -> int:
    """Return the rise of the register in Wh after this time."""
    readings = list(zip(case.view.at, case.view.wh, strict=True))
    before = [wh for at, wh in readings if at <= since]
    after = [wh for at, wh in readings if at > since]
    last = case.stop_wh if not after and case.stop_wh is not None else after[-1] if after else None
    level = before[-1] if before else chosen.begin
    return 0 if last is None or level is None else last - level
