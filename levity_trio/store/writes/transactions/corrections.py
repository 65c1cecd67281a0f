"""An operator sets the figure of an ended transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import orjson

from levity_trio.charging.energy import CERTAIN
from levity_trio.charging.lifecycle import Cause, Kind
from levity_trio.charging.propose.candidate import CORRECTED
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.tolerances import CLOCK, FASTEST_W, INTERVAL
from levity_trio.events import TransactionCorrected
from levity_trio.store.transaction import Known
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.transactions.deciding import (
    Decision,
    DecisionRefused,
    Problem,
    before,
    check,
    enter,
    find,
    settle,
)
from levity_trio.store.writes.transactions.judging import compare_neighbours, tell_neighbours
from levity_trio.store.writes.transactions.reviews import CORRECTED as RESOLUTION
from levity_trio.store.writes.transactions.states import load

METHOD: Final = "corrected"
"""The `energy_method` of a figure that an operator set."""
HIGHEST_WH: Final = 2**53
INEXACT_SECONDS: Final = 2 * INTERVAL + CLOCK
"""By so much a session may have been longer than its times say, as for those who judge it."""


@dataclass(frozen=True, slots=True)
class Correction:
    """The corrected values; None for those that stay. Energy and registers in Wh, times in the database's format.

    Without a figure, it is the difference of the registers. The registers and the tag that its charger reported stay in
    `tx`, because they identify its repeated messages.
    """

    figure_wh: int | None = None
    meter_start: int | None = None
    meter_stop: int | None = None
    start_time: str | None = None
    stop_time: str | None = None
    id_tag: str | None = None


def correct(db: UnitOfWork, transaction: int, correction: Correction, decision: Decision) -> Known:
    """Set the figure of an ended transaction and resolve all its open reviews; return the transaction.

    Raises DecisionRefused.
    """
    tx = find(db, transaction)
    after = _given(correction)
    if _is_repeated(db, tx, decision, after):
        return tx
    check(db, tx, decision, Cause.CORRECTED)
    corrected = _completed(tx, correction)
    stood = before(tx)
    _check_correction(tx, correction, corrected)
    _check_times(corrected, stood, decision.at)
    _check_energy(correction, corrected, stood)
    enter(db, tx, decision, Cause.CORRECTED, {"after": after, "before": stood})
    codes = settle(db, tx, decision, RESOLUTION)
    _store(db, tx, corrected, decision.at)
    fact = TransactionCorrected(
        **tx.about(decision.at),
        energy_wh=corrected.figure_wh or 0,
        before_wh=tx.counted_wh,
        reviews=codes,
        by=decision.by,
        reason=decision.reason,
    )
    db.record(fact)
    tell_neighbours(db, Origin(tx.charger, None, decision.at), tx, tx.id)
    compare_neighbours(db, Origin(tx.charger, None, decision.at), tx.id)
    return load(db, tx.id)


def _given(correction: Correction) -> dict[str, Any]:
    return {name: value for name, value in asdict(correction).items() if value is not None}


def _is_repeated(db: UnitOfWork, tx: Known, decision: Decision, after: dict[str, Any]) -> bool:
    """Whether the last decision about the figure was this correction."""
    newest = (
        "SELECT kind, who, reason, payload FROM tx_event WHERE tx_id = ? AND kind IN ('confirm', 'correct')"
        " ORDER BY id DESC LIMIT 1"
    )
    found = db.row(newest, (tx.id,))
    if found is None or found[:3] != (Kind.CORRECT, decision.by, decision.reason) or tx.review is not None:
        return False
    return bool(orjson.loads(found[3])["after"] == after)


def _completed(tx: Known, correction: Correction) -> Correction:
    """Return a correction with the values that follow from it or stay. Raises DecisionRefused without a figure."""
    begin = tx.billed_from if correction.meter_start is None else correction.meter_start
    end = tx.billed_until if correction.meter_stop is None else correction.meter_stop
    figure = correction.figure_wh
    if figure is None and (correction.meter_start, correction.meter_stop) != (None, None):
        figure = None if begin is None or end is None else end - begin
    if figure is None:
        raise DecisionRefused(Problem.INVALID, "a correction needs the energy, or both registers", "figure_wh")
    return replace(correction, figure_wh=figure, meter_start=begin, meter_stop=end)


def _check_correction(tx: Known, given: Correction, corrected: Correction) -> None:
    """Check registers, energy and tag. Raises DecisionRefused."""
    if corrected.figure_wh is not None and corrected.figure_wh < 0 and given.figure_wh is None:
        begin, end = ((wh or 0) / 1000 for wh in (corrected.meter_start, corrected.meter_stop))
        words = f"the register at the end, {end:.3f} kWh, is below the one at the start, {begin:.3f} kWh"
        raise DecisionRefused(Problem.INVALID, words, _source(given))
    for name, wh in (
        ("figure_wh", corrected.figure_wh),
        ("meter_start_wh", corrected.meter_start),
        ("meter_stop_wh", corrected.meter_stop),
    ):
        if wh is not None and not 0 <= wh < HIGHEST_WH:
            raise DecisionRefused(Problem.INVALID, f"{wh} Wh is not possible", name)
    if corrected.id_tag is not None and (tx.id_tag or corrected.id_tag) != corrected.id_tag:
        words = f"the charger reported the tag {tx.id_tag}; only an unknown tag can be given"
        raise DecisionRefused(Problem.INVALID, words, "id_tag")


def _check_times(corrected: Correction, stood: Mapping[str, Any], at: str) -> None:
    """Check that given times are in order and not ahead. Raises DecisionRefused."""
    start_time, stop_time = corrected.start_time, corrected.stop_time
    name = "start_time" if stop_time is None else "stop_time"
    if max(start_time or "", stop_time or "") > at:
        raise DecisionRefused(Problem.INVALID, "this time is ahead", name)
    is_given = start_time is not None or stop_time is not None
    if is_given and (start_time or stood["start_time"]) > (stop_time or stood["stop_time"]):
        raise DecisionRefused(Problem.INVALID, "it cannot stop before it starts", name)


def _check_energy(given: Correction, corrected: Correction, stood: Mapping[str, Any]) -> None:
    """Check that a charger can have delivered the energy in the duration that now holds. Raises DecisionRefused."""
    figure = corrected.figure_wh or 0
    begin, end = corrected.start_time or stood["start_time"], corrected.stop_time or stood["stop_time"]
    duration = max(0.0, seconds(end) - seconds(begin))
    most = int(FASTEST_W * (duration + INEXACT_SECONDS) / 3600)
    if figure > most:
        minutes = int(duration / 60)
        words = (
            f"no charger delivers {figure / 1000:.3f} kWh in {minutes // 60} h {minutes % 60} min, the most is"
            f" {most / 1000:.3f} kWh; if it took longer, correct its times, too"
        )
        raise DecisionRefused(Problem.INVALID, words, _source(given))


def _source(given: Correction) -> str:
    """Return the name of the value that a figure was found by."""
    if given.figure_wh is not None:
        return "figure_wh"
    return "meter_stop_wh" if given.meter_stop is not None else "meter_start_wh"


def _store(db: UnitOfWork, tx: Known, corrected: Correction, at: str) -> None:
    db.execute(
        "UPDATE tx SET energy_delivered = ?, energy_method = ?, confidence = ?, billed_from_wh = ?,"
        " billed_until_wh = ?, start_time = coalesce(?, start_time), stop_time = coalesce(?, stop_time),"
        " start_behind_seconds = ?, stop_behind_seconds = ?, is_clock_unsure = 0,"
        " id_tag = coalesce(nullif(id_tag, ''), ?), judged_at = ?, counted_wh = ?, updated_at = ? WHERE id = ?",
        (corrected.figure_wh, CORRECTED, CERTAIN, corrected.meter_start, corrected.meter_stop)
        + (corrected.start_time, corrected.stop_time)
        + (0 if corrected.start_time else tx.start_behind, 0 if corrected.stop_time else tx.stop_behind)
        + (corrected.id_tag, at, corrected.figure_wh, at, tx.id),
    )
