"""The power and the register of a transaction over its time, with few points, however many readings
it has.

Its time is divided into equal stretches. Of each, the lowest and the highest power and the last
register are read, so that no peak is lost and 100,000 readings make a short answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.sent.evidence import POWER, seconds, timestamp_of
from levity_trio.charging.sent.power import HOUR
from levity_trio.charging.sent.readings import AT_BEGIN, BILLED, REGISTER, whole_wh
from levity_trio.records import record
from levity_trio.store.cases.transaction import (
    StoredTransaction,
    by_our_clock,
    find_transaction,
    span,
)
from levity_trio.store.engine.database import Database, Rows, rows_of

STRETCHES: Final = 240

Power = tuple[float, float, float]
"""Seconds since the beginning, the lowest and the highest W."""
Register = tuple[float, int]
"""Seconds since the beginning, and Wh."""


@record
class Curve:
    """The power and the register of a transaction from `since` to `until`, at most one point for
    each 240th of it.

    A point of `power` is [seconds since `since`, lowest W, highest W]; one of `register` is
    [seconds, Wh]. Where no power was told, it is computed from the register (`is_power_computed`).
    The registers of start and stop are among the points where the readings continue them.
    """

    transaction: int
    since: str
    until: str
    is_power_computed: bool
    power: tuple[Power, ...]
    register: tuple[Register, ...]


_OF_IT: Final = (
    "FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp <= ? AND tx_id = ?"
)
_ENDS: Final = tuple(
    f"SELECT timestamp {_OF_IT} ORDER BY timestamp {order} LIMIT 1" for order in ("ASC", "DESC")
)
_WATTS: Final = (
    "CASE WHEN value GLOB '*[^0-9.]*' OR value = '' THEN NULL WHEN unit IN ('kW', 'kVA')"
    " THEN CAST(value AS REAL) * 1000 ELSE CAST(value AS REAL) END"
)
_STRETCH: Final = (
    "FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp < ? AND tx_id = ?"
)
_HIGHEST: Final = (
    f"SELECT min(timestamp), min({_WATTS}), max({_WATTS}), max(phase) {_STRETCH} "
    f"AND measurand = '{POWER}'"
)
_SUM: Final = "coalesce(max(CASE WHEN phase = '' THEN {0} END), sum({0}))"
_OF_PHASES: Final = (
    "SELECT min(at), min(w), max(w) FROM (SELECT timestamp AS at,"  # noqa: S608 - our own names
    f" {_SUM.format(_WATTS)} AS w"
    f" {_STRETCH} AND measurand = '{POWER}' GROUP BY timestamp)"
)
_RUNS: Final = (
    "SELECT timestamp, run_since, {}, {} "  # noqa: S608
    "FROM meter_val INDEXED BY meter_val_run "
    f"WHERE tx_id = ? AND run_since IS NOT NULL AND measurand <> '{REGISTER}' "
    f"AND measurand = '{POWER}' "
    "GROUP BY timestamp, run_since"
).format(*(_SUM.format(_WATTS.replace("value", one)) for one in ("run_low", "run_high")))
"""The power between the first and the last of equal readings, of which only these two are stored at
their times."""
_LAST: Final = (
    f"SELECT timestamp, wh {_STRETCH} AND wh IS NOT NULL ORDER BY timestamp DESC, id DESC LIMIT 1"
)
_IMPORTED_STOP: Final = "SELECT stop_time FROM tx WHERE id = ? AND imported_id IS NOT NULL"
_LAST_IMPORTED: Final = (
    f"SELECT timestamp, value, unit {_STRETCH} AND source = 'import' "
    f"AND measurand = '{BILLED[0]}' AND location = '{BILLED[1]}' AND format = '{BILLED[2]}' "
    f"AND phase = '' AND context <> '{AT_BEGIN}' "
    "ORDER BY timestamp DESC, id DESC LIMIT 1"
)
"""Their wh is empty, because nothing here is judged by them. What they say is shown."""


class _CurveStart(NamedTuple):
    """The place of a transaction's readings, and what a curve of it begins with."""

    rows: Rows
    of_it: tuple[str, int]
    number: int
    begun: float


def curve(db: Database, number: int) -> Curve | None:
    """Return the curve of a transaction; None if it does not exist."""
    rows = rows_of(db)
    tx = find_transaction(rows, number)
    if tx is None:
        return None
    imported_stop = next((at for (at,) in rows(_IMPORTED_STOP, (number,))), None)
    own_stop = (
        by_our_clock(tx, tx.own_stop_time) if tx.own_stop_time and tx.status != "Active" else None
    )
    since, until = _ends(rows, tx, imported_stop or own_stop)
    # by the charger's clock
    begun, ended = (timestamp_of(seconds(at) - tx.start_behind) for at in (since, until))
    place = _CurveStart(rows, (tx.charger, tx.connector or 0), tx.id, seconds(begun))
    stretches = [*_stretches(begun, ended)]
    register = [*_registers(place, stretches, is_imported=bool(imported_stop))]
    register = _with_ends(tx, register, seconds(ended) - place.begun)
    told = [*_powers(place, stretches)]
    return Curve(
        transaction=number,
        since=since,
        until=until,
        is_power_computed=not told,
        power=tuple(told or _computed(register)),
        register=tuple(register),
    )


def _ends(rows: Rows, tx: StoredTransaction, stop: str | None) -> tuple[str, str]:
    """Return when it began and ended, or the time of its first and its last reading if they are
    beyond."""
    values = (tx.charger, tx.connector or 0, *span(tx), tx.id)
    first, last = (next((at for (at,) in rows(sql, values)), tx.start_time) for sql in _ENDS)
    if tx.start_behind:
        first, last = by_our_clock(tx, first), by_our_clock(tx, last)
    return min(tx.start_time, first), max(tx.start_time, last, stop or tx.start_time)


def _stretches(since: str, until: str) -> Iterator[tuple[str, str]]:
    """Yield the begin and the end of each stretch, none shorter than a second."""
    begun = int(seconds(since))
    step = max(1.0, (seconds(until) + 1 - begun) / STRETCHES)
    count = min(STRETCHES, int((seconds(until) - begun) / step) + 1)
    edges = [timestamp_of(begun + place * step) for place in range(count + 1)]
    yield from pairwise(edges)


def _powers(place: _CurveStart, stretches: Sequence[tuple[str, str]]) -> Iterator[Power]:
    runs = place.rows(_RUNS, (place.number,))
    for since, until in stretches:
        values = (*place.of_it, since, until, place.number)
        ((at, least, most, phase),) = place.rows(_HIGHEST, values)
        if phase:
            ((at, least, most),) = place.rows(_OF_PHASES, values)
        told = [] if most is None else [(at, least, most)]
        told += [
            (max(since, began), *watts)
            for ended, began, *watts in runs
            if began < until and since <= ended
        ]
        if told and (most := max(high for _, _, high in told)) <= tolerances.FASTEST_W:
            yield (
                _since(place, min(told)[0]),
                round(min(low for _, low, _ in told), 1),
                round(most, 1),
            )


def _registers(
    place: _CurveStart, stretches: Sequence[tuple[str, str]], *, is_imported: bool
) -> Iterator[Register]:
    for stretch in stretches:
        last = place.rows(
            _LAST_IMPORTED if is_imported else _LAST, (*place.of_it, *stretch, place.number)
        )
        for at, *told in last:
            if (wh := whole_wh(*told) if is_imported else told[0]) is not None:
                yield _since(place, at), wh


def _since(place: _CurveStart, at: str) -> float:
    return round(seconds(at) - place.begun, 1)


def _with_ends(tx: StoredTransaction, register: list[Register], ended: float) -> list[Register]:
    """Return the readings with the registers of start and stop, where these are on the same
    counter."""
    start, stop = (
        tx.meter_start,
        None if tx.status == "Active" or tx.stopped_by == "system" else tx.meter_stop,
    )
    if register and start is not None:
        # what the fastest car takes, and a rounded reading
        most = tolerances.FASTEST_W * register[0][0] / HOUR + 1000
        if not 0 <= register[0][1] - start <= most:
            return register
    before = [] if start is None or (register and register[0][0] <= 0) else [(0.0, start)]
    last = (register or before or [(0.0, 0)])[-1][1]
    is_after = stop is not None and stop >= last and (not register or register[-1][0] < ended)
    return [
        *before,
        *register,
        *([(round(ended, 1), stop)] if is_after and stop is not None else []),
    ]


def _computed(register: Sequence[Register]) -> Iterator[Power]:
    """Yield the power between neighbouring registers, at the time of the later one."""
    for (before, low), (at, high) in pairwise(register):
        if at > before and high >= low:
            watts = round((high - low) * HOUR / (at - before), 1)
            yield at, watts, watts
