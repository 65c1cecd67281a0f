"""How much energy a transaction delivered, in Wh, and whether that is certain (rules.md, Energy).

The reported figure is tried first; if nothing contradicts it, it is certain. Otherwise the candidates with the fewest
assumptions count, and of these the lowest. The figure is then doubtful, and a review lists these candidates. If none
survives, the figure is the part that no evidence contradicts. If no register supports any part, it is the reported one
if some car could have drawn it in that time, else 0, and the review gives the maximum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Final

from levity_trio.charging import tolerances
from levity_trio.charging.propose.candidate import Candidate, Chosen
from levity_trio.charging.propose.candidates import candidates
from levity_trio.charging.propose.lower import (
    across_a_swap,
    lower_candidates,
    part_of,
    range_of,
    without_leaps_between_powers,
)
from levity_trio.charging.propose.units import is_below_any_car, wrong_factors
from levity_trio.charging.refute.bounds import Bounds, Conflict
from levity_trio.charging.refute.bracket import continues_both, is_scale_known
from levity_trio.charging.refute.circumstances import circumstances, most_possible
from levity_trio.charging.refute.disputed import disputed
from levity_trio.charging.refute.exchanged import exchanged
from levity_trio.charging.refute.lag import without_lag
from levity_trio.charging.refute.overlaps import overlaps
from levity_trio.charging.refute.reported import Reported, contradiction, reported
from levity_trio.charging.refute.scales import goes_on_by
from levity_trio.charging.refute.shared import counted, shared
from levity_trio.charging.refute.stale import Stale, stale, up_to_the_next
from levity_trio.charging.refute.unusual import unusual
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.chains import REGISTER, SEGMENTS, UNKNOWN, Chain, ends_alone
from levity_trio.charging.sent.evidence import Case, Power
from levity_trio.charging.sent.plain import plain
from levity_trio.charging.sent.power import HOUR

RULES: Final = 22
"""The version of these rules. Version 1 was a set of thresholds."""
CERTAIN: Final = "certain"
DOUBTFUL: Final = "doubtful"


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
    factor: float = 1
    """The factor that start and stop lacked."""

    @property
    def confidence(self) -> str:
        return DOUBTFUL if self.doubts else CERTAIN


def judge(case: Case) -> Judgement:
    """Judge a transaction by all the evidence."""
    if (exchange := exchanged(case)) is not None:
        judged = min(map(judge, exchange.cases), key=lambda one: len(one.doubts))
        return replace(judged, doubts=(exchange.doubt, *judged.doubts), code=Code.STOPS_EXCHANGED, is_sole=False)
    if case.lag or (case.before is not None and case.before.is_lagging):
        case, waiting = without_lag(case)
        judged = judge(replace(case, before=case.before and case.before._replace(is_lagging=False)))
        known = {doubt.code for doubt in waiting}
        return replace(judged, doubts=(*waiting, *(doubt for doubt in judged.doubts if doubt.code not in known)))
    bounds = Bounds(case)
    found = reported(case, bounds)
    chosen = _power_in_kilowatts(case, found) or _as_reported(case, bounds, found)
    chosen = chosen or _in_no_known_battery(case, bounds, found) or _power_too_high(case, bounds, found)
    chosen = chosen or _power_on_another_scale(case, bounds) or _by_candidates(case, bounds, found)
    lost, overlap = overlaps(case, chosen.begin, chosen.end)
    of_others, beside = shared(case, chosen.begin, chosen.end, chosen.wh if chosen.code is None else None)
    doubts: dict[Code, Doubt] = {}
    for doubt in (*chosen.doubts, *overlap, *beside, *_given_back(case, chosen), *circumstances(case, bounds, chosen)):
        doubts.setdefault(doubt.code, doubt)
    if chosen.code is not None and _is_habit(case, bounds, chosen):
        doubts.pop(chosen.code, None)
    wh = max(0, chosen.wh - lost - of_others - case.exported_wh)
    is_confirmed = chosen.is_power_scaled or bounds.confirms(chosen.wh)
    grounds = (chosen.code, is_confirmed, chosen.is_power_scaled, chosen.is_sole, chosen.chain, chosen.factor)
    return Judgement(wh, chosen.method, tuple(doubts.values()), chosen.begin, chosen.end, *grounds)


def _given_back(case: Case, chosen: Chosen) -> list[Doubt]:
    """Return the doubt of a car that gave energy back. Whether that is paid for, only a person decides."""
    if not case.exported_wh:
        return []
    figures = {"as reported": chosen.wh, "without what the car gave back": max(0, chosen.wh - case.exported_wh)}
    evidence = (f"{chosen.wh} Wh drawn", f"{case.exported_wh} Wh given back, by the register of export")
    return [Doubt(Code.EXPORTED, "the car gave energy back", evidence, figures)]


def _is_habit(case: Case, bounds: Bounds, chosen: Chosen) -> bool:
    """Whether this charger always does so, by the same factor. What is put together from parts may lack energy that
    flowed, so no habit makes it certain; nor one that power contradicts, if coarse readings are left out."""
    habit = case.habits.get(chosen.code) if chosen.code is not None and chosen.is_sole else None
    if habit != chosen.factor or chosen.method == SEGMENTS:
        return False
    if chosen.is_power_scaled or bounds.confirms(chosen.wh):
        return True
    ends = ends_alone(case, chosen.wh)
    is_possible = bounds.conflict(ends) is None and unusual(case, bounds, ends) is None
    return is_possible and goes_on_by(case, chosen.factor)


def _as_reported(case: Case, bounds: Bounds, found: Reported | None) -> Chosen | None:
    """Choose stop − start, or last reading − start without a stop; None if something contradicts it."""
    if found is None:
        return None
    ends = list(stale(case, bounds, found.chain))
    if (whole := _with_what_is_missing(bounds, ends)) is not None:
        return whole
    if contradiction(case, bounds, found) is not None:
        return None
    against = across_a_swap(case, found.chain) or disputed(case, bounds, found.chain)
    against = against or unusual(case, bounds, found.chain)
    if against is not None and (lower := next(lower_candidates(case, bounds, found.chain), None)) is not None:
        doubt = _doubt(lower.code, against, {"as reported": found.chain.wh[-1], lower.words: lower.wh}, lower.words)
        return Chosen(lower.wh, lower.method, lower.begin, lower.end, lower.code, (doubt,), chain=lower.chain)
    doubts = [one.doubt for one in ends]
    if against is not None:
        doubts = [_doubt(against.code, against, {"as reported": found.chain.wh[-1]})]
    return Chosen(found.chain.wh[-1], found.method, case.start_wh, found.end, None, tuple(doubts), chain=found.chain)


def _with_what_is_missing(bounds: Bounds, ends: Sequence[Stale]) -> Chosen | None:
    """Choose the reported figure with what flowed before a late start or after an old stop, if power shows it."""
    if len(ends) != 1 or (whole := ends[0].shown) is None or bounds.conflict(whole) is not None:
        return None
    doubt, begin, end, _ = ends[0]
    return Chosen(whole.wh[-1], SEGMENTS, begin, end, doubt.code, (doubt,), chain=whole)


def _by_candidates(case: Case, bounds: Bounds, found: Reported | None) -> Chosen:
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
    return Chosen(chosen.wh, chosen.method, chosen.begin, chosen.end, *grounds, factor=chosen.factor)


def _up_to_the_next(case: Case, bounds: Bounds, one: Candidate) -> Candidate:
    """Return a candidate with another start, or up to the last reading, with what flowed until the next start, too, if
    that is shown."""
    is_to_stop = one.code in (Code.START_GARBLED, Code.UNKNOWN_START) and one.end == case.stop_wh
    is_to_reading = case.is_stopped and one.end != case.stop_wh and [one.end] == case.view.wh[-1:]
    return up_to_the_next(case, bounds, one) if is_to_stop or is_to_reading else one


def _touched(case: Case, one: Candidate) -> int:
    """Return how many neighbours end where it begins, as judged or as sent, or begin where it ends."""
    before, after = case.before, case.after
    ended = before.end if before is not None and before.is_end_known else None
    pairs = ((one.begin, (ended, before and before.replaced_end)), (one.end, (after and after.begin,)))
    return sum(bool(own) and own in others for own, others in pairs)


def _survivors(case: Case, bounds: Bounds, every: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that nothing contradicts."""
    possible = [one for one in every if _is_possible(case, bounds, one)]
    return [one for one in possible if not bounds.is_far_beyond_power(one.chain)] or possible


def _power_in_kilowatts(case: Case, found: Reported | None) -> Chosen | None:
    """Choose the reported figure if it agrees with the power in kW, but not as it was sent, in W: no car charges with
    so little."""
    if found is None or not case.power or not 0 < case.power.most < tolerances.LEAST_CHARGING_W:
        return None
    most_w = (1 + tolerances.VARYING_SHARE) * case.power.most
    is_too_low = found.chain.wh[-1] > most_w * case.longest / HOUR + 2 * case.digit
    return _with_power(case, 1000, "the power is in kW but sent as W", {}) if is_too_low else None


def _in_no_known_battery(case: Case, bounds: Bounds, found: Reported | None) -> Chosen | None:
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


def _power_too_high(case: Case, bounds: Bounds, found: Reported | None) -> Chosen | None:
    """Choose the reported figure if it agrees with a tenth of the power, which no AC charger delivers. Registers that
    are a tenth of what they should be agree with the power, too, but give the higher figure."""
    if found is None or not case.power or case.power.most <= tolerances.AC_W or case.is_dc_shown:
        return None
    if not bounds.confirms(10 * found.chain.wh[-1]):
        return None
    others = {one.words: one.wh for one in wrong_factors(case, bounds)}
    return _with_power(case, 0.1, "the power is ten times too high", others)


def _power_on_another_scale(case: Case, bounds: Bounds) -> Chosen | None:
    """Choose the reported figure if its readings track the power multiplied by 2 or 3: it is that of one phase. Not if
    a transaction beside it tells the same register, which may have counted both.

    So too if by 10 or 100, if no car charges with so little; or by a part of it, with which a car can charge, if the
    register goes on from a neighbour: its scale was confirmed by power before. At a charger whose power was too high
    before, it still is.
    """
    is_alone = case.power.high == case.power.low and not counted(case, case.start_wh, case.stop_wh)
    for phases in range(2, tolerances.PHASES + 1):
        if is_alone and bounds.is_tracked(1 / phases):
            return _with_power(case, phases, f"the power is that of one of {phases} phases", {})
    too_low = (10, 100) if is_below_any_car(case) else ()
    too_high = (0.1, 0.01) if is_scale_known(case) else (0.1,) if case.has_power_too_high else ()
    for factor in (*too_low, *(factor for factor in too_high if not is_below_any_car(case, factor))):
        if bounds.is_tracked(1 / factor):
            words = (
                f"the power is too {'low' if factor > 1 else 'high'} by a factor of {plain(max(factor, 1 / factor))}"
            )
            others = {one.words: one.wh for one in wrong_factors(case, bounds)} if factor < 1 else {}
            return _with_power(case, factor, words, others)
    return None


def _with_power(case: Case, factor: float, words: str, others: Mapping[str, int]) -> Chosen | None:
    """Choose the reported figure, with a doubt, if it agrees with the power multiplied by a factor."""
    if len(case.power.at) < tolerances.REGULAR_GAPS:
        return None
    reread = replace(case, power=case.power.scaled(factor), is_dc=case.is_dc_shown)
    bounds = Bounds(reread)
    chosen = _as_reported(reread, bounds, reported(reread, bounds))
    if chosen is None or chosen.doubts:
        return None
    evidence = (f"{chosen.wh} Wh", f"at most {plain(case.power.most)} W")
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
    falls_after = after is not None and after.begin is not None and begin < after.begin < end - digit
    lowest = (before and before.begin) or 0
    falls_before = before is not None and begin > 0 and lowest <= begin < (before.end or 0) - digit
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


def _uncontradicted_part(case: Case, bounds: Bounds, found: Reported | None, every: Sequence[Candidate]) -> Chosen:
    """Choose the uncontradicted part, if every candidate is contradicted."""
    if not case.is_stopped and not case.view.wh:  # closed by the system: `circumstances` has that doubt
        return Chosen(0, REGISTER, case.start_wh, case.start_wh, Code.NO_REGISTER, ())
    conflict = _contradiction_of_reported(case, bounds, found)
    is_too_little = (
        found is not None and bounds.walk(found.chain) is None and bounds.too_much(found.chain.wh[-1]) is None
    )
    part = min(part_of(case, bounds), int(bounds.most_wh))
    is_whole = is_too_little or (found is not None and _is_shown_by_both(case, bounds, found))
    is_whole = is_whole or (found is not None and part == 0 and _can_some_car(case, found))
    wh = found.chain.wh[-1] if found and is_whole else part
    figures = {one.words: one.wh for one in every if one.wh >= 0} | _reported_figure(found)
    possible = most_possible(case, bounds)
    most = min(possible, max(figures.values(), default=0) or possible)
    words = f"{conflict.words}; at most {most} Wh" if wh == 0 else conflict.words
    code = Code.NO_REGISTER if conflict.code is Code.NO_REGISTER else Code.NOTHING_AGREES
    begin, end = (case.start_wh, found.end) if found and is_whole else range_of(case, bounds, wh)
    return Chosen(wh, SEGMENTS, begin, end, code, (Doubt(code, words, conflict.evidence, figures),))


def _can_some_car(case: Case, found: Reported) -> bool:
    """Whether some car could have drawn the reported energy in that time, whatever this charger is known to deliver."""
    bounds, wh = Bounds(replace(case, ceiling_w=None, power=Power())), found.chain.wh[-1]
    return wh <= tolerances.BATTERY_WH[1] and bounds.walk(found.chain) is None and bounds.too_much(wh) is None


def _is_shown_by_both(case: Case, bounds: Bounds, found: Reported) -> bool:
    """Whether both neighbours show start and stop, and nothing but the readings contradicts these."""
    return continues_both(case) and bounds.conflict(ends_alone(case, found.chain.wh[-1])) is None


def _doubt(code: Code, conflict: Conflict, figures: Mapping[str, int], words: str = "") -> Doubt:
    return Doubt(code, words or conflict.words, conflict.evidence, figures)
