"""Doubts about a transaction that do not depend on how its figure was chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from levity_trio.charging import tolerances
from levity_trio.charging.propose.candidate import Chosen
from levity_trio.charging.refute.bounds import Bounds, Conflict
from levity_trio.charging.refute.reported import reported
from levity_trio.charging.refute.unusual import unusual
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.evidence import Case


def circumstances(case: Case, bounds: Bounds, chosen: Chosen) -> Iterator[Doubt]:
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


def _against_receipts(case: Case, chosen: Chosen) -> Conflict | None:
    """Return the conflict of a figure if every message had been sent when it happened."""
    live = replace(case, is_timed=True, longest=case.received_seconds)
    bounds = Bounds(live)
    found = reported(live, bounds)
    if found is None or found.chain.wh[-1] != chosen.wh:
        return None
    return bounds.conflict(found.chain) or unusual(live, bounds, found.chain)


def _unknown_at_the_end(case: Case, bounds: Bounds) -> str:
    if not case.view.wh:
        told = "readings, but none of the register" if case.has_readings else "no readings"
        return f"{told}, at most {most_possible(case, bounds)} Wh"
    if not case.is_named_to_the_end:
        return "its readings after a boot do not name it"
    return "energy after the last reading is unknown"


def most_possible(case: Case, bounds: Bounds) -> int:
    """Return the maximum energy in Wh, by time, power and the start of the next transaction."""
    by_time, begin = int(bounds.most_wh), None if case.after is None else case.after.sent_begin
    if begin is None or case.start_wh is None or begin < case.start_wh + _least(case):
        return by_time
    return min(by_time, begin - case.start_wh)


def _least(case: Case) -> float:
    """Return the minimum energy by power in Wh, from the first to the last one."""
    least = case.power.expected_wh[0] if case.power and case.power.expected_wh else 0.0
    return (1 - tolerances.POWER_SHARE) * least


def _is_shown_by_the_next(case: Case, chosen: Chosen) -> bool:
    """Whether the next transaction begins at the end of this one, so that nothing flowed after the last reading.

    A start of 0 shows nothing: such registers count each transaction anew. Nor does any start if the last readings may
    belong to a transaction between the two.
    """
    after = case.after if case.is_named_to_the_end else None
    if after is None or not after.sent_begin or chosen.end is None or chosen.begin is None or not case.view.wh:
        return False
    return abs(after.sent_begin - chosen.end) <= case.digit


def _rise_since(case: Case, since: float, chosen: Chosen) -> int:
    """Return the rise of the register in Wh after this time."""
    readings = list(zip(case.view.at, case.view.wh, strict=True))
    before = [wh for at, wh in readings if at <= since]
    after = [wh for at, wh in readings if at > since]
    last = case.stop_wh if not after and case.stop_wh is not None else after[-1] if after else None
    level = before[-1] if before else chosen.begin
    return 0 if last is None or level is None else last - level
