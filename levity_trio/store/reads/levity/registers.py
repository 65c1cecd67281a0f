"""What the registers of Levity's transactions say against their figures: their own readings, and their neighbours."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from levity_trio.store.reads.levity.values import time_of, whole

RESOLUTION_WH: Final = 100
"""The coarsest register of a usual charger: tenths of a kWh."""
_READINGS: Final = """
SELECT tx_id, max(timestamp), min(wh), max(wh) FROM (
    SELECT tx_id, timestamp, CASE WHEN measurand = 'Energy.Active.Import.Register' AND unit IN ('Wh', 'kWh')
        AND coalesce(phase, '') = '' AND location = 'Outlet' AND typeof(value) IN ('integer', 'real')
        THEN value * CASE unit WHEN 'kWh' THEN 1000 ELSE 1 END END AS wh
    FROM meter_val WHERE tx_id IS NOT NULL) GROUP BY tx_id"""


class Span(NamedTuple):
    """When a transaction was read last, and between which registers, in Wh."""

    last_at: str | None
    least_wh: int | None
    most_wh: int | None


class _One(NamedTuple):
    """A transaction among those of its connector. Registers in Wh."""

    start_time: str
    id: int
    stop_time: str | None
    begin: int | None
    end: int | None


class Registers:
    """The registers of all transactions."""

    def __init__(
        self, spans: Mapping[int, Span], overlaps: Mapping[int, list[str]], late: Mapping[int, list[str]]
    ) -> None:
        self._spans = spans
        self._overlaps = overlaps
        self._late = late

    def last_at(self, transaction: int) -> str | None:
        """Return when a transaction was read last."""
        return self._spans[transaction].last_at if transaction in self._spans else None

    def overlaps_in_time(self, transaction: int) -> list[str]:
        """Return which later transaction began before the end of this one. That contradicts no register."""
        return self._late.get(transaction, [])

    def doubts(self, row: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return what the registers say against the energy of a row of tx, each with its code."""
        begin, end, energy = (whole(row.get(name)) for name in ("meter_start", "meter_stop", "energy_delivered"))
        found = [("overlap", words) for words in self._overlaps.get(row["id"], ())]
        if begin is not None and end is not None and energy is not None and energy != end - begin:
            found.append(("registers", f"its energy is {energy} Wh, but its registers are {begin} and {end} Wh"))
        span = self._spans.get(row["id"])
        if span is None or span.least_wh is None or span.most_wh is None or begin is None:
            return found
        # Some chargers count from 0 in the readings of each session.
        base = begin if span.most_wh >= begin else 0
        if base and span.least_wh < begin - RESOLUTION_WH:
            found.append(("readings", f"its register began at {begin} Wh, but a reading is {span.least_wh} Wh"))
        shown = span.most_wh - base
        if energy is not None and shown > energy + RESOLUTION_WH:
            found.append(("readings", f"its energy is {energy} Wh, but its readings show {shown} Wh"))
        return found


def registers_of(connection: sqlite3.Connection) -> Registers:
    """Read the registers of all transactions."""
    overlaps, late = defaultdict[int, list[str]](list), defaultdict[int, list[str]](list)
    for ones in _by_connector(connection).values():
        for before, after in pairwise(sorted(ones)):
            if (before.stop_time or before.start_time) > after.start_time:
                late[before.id].append(f"it ended at {before.stop_time}, after transaction {after.id} had begun")
            if None not in (before.begin, before.end, after.begin) and before.begin < after.begin < before.end:  # type: ignore[operator]
                words = "transaction {} begins at {} Wh, within {} to {} Wh of transaction {}"
                told = words.format(after.id, after.begin, before.begin, before.end, before.id)
                overlaps[before.id].append(told)
                overlaps[after.id].append(told)
    spans = {
        number: Span(time_of(last_at), whole(least), whole(most))
        for number, last_at, least, most in connection.execute(_READINGS)
    }
    return Registers(spans, overlaps, late)


def _by_connector(connection: sqlite3.Connection) -> Mapping[object, list[_One]]:
    found = defaultdict[object, list[_One]](list)
    columns = "id, cp_id, cp_conn_id, start_time, created_at, stop_time, meter_start, meter_stop"
    for number, charger, connector, start, created, stop, begin, end in connection.execute(f"SELECT {columns} FROM tx"):  # noqa: S608
        started = time_of(start) or time_of(created)
        if started is not None:
            found[charger, connector].append(_One(started, number, time_of(stop), whole(begin), whole(end)))
    return found
