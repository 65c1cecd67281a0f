"""The courses of chargers' lifetime registers, from transactions and the few readings around given
times."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from levity_trio.billing.courses import (
    CoursePoint,
    CourseStretch,
    Metered,
    RegisterCourse,
    placed,
    share_register,
    stretches,
)
from levity_trio.billing.ownership import TimeSpan
from levity_trio.billing.reconciliation import ReconciledConnector, ReconciledTransaction
from levity_trio.charging.energy import CERTAIN
from levity_trio.charging.sent.evidence import seconds, timestamp_of
from levity_trio.store.cases.neighbours import is_other_meter
from levity_trio.store.cases.settled import settled_by
from levity_trio.store.cases.transaction import register
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.connectors import connectors
from levity_trio.store.reads.transactions.open import open_transactions

IDLE_READINGS: Final = 1000
"""The readings between two transactions that are searched for a register next to a time."""
_COLUMNS: Final = (
    "SELECT id, conn_id, start_time, stop_time, coalesce(billed_from_wh, meter_start), "
    "coalesce(billed_until_wh, meter_stop), energy_delivered, energy_method, confidence, "
    "last_reading_at "
    "FROM tx"
)
_WITHIN: Final = (
    f"{_COLUMNS} INDEXED BY tx_by_charger WHERE cp_id = ? AND start_time >= ? AND start_time < ?"
)
_ACROSS: Final = (
    f"{_COLUMNS} INDEXED BY tx_by_end WHERE cp_id = ? AND stop_time >= ? AND start_time < ?"
)
_OPEN: Final = (
    f"{_COLUMNS} INDEXED BY tx_open WHERE cp_id = ? AND status = 'Active' AND start_time < ?"
)
_OF_CONNECTOR: Final = f"{_COLUMNS} INDEXED BY tx_by_charger WHERE cp_id = ? AND conn_id IS ?"
_BEFORE: Final = f"{_OF_CONNECTOR} AND start_time < ? ORDER BY start_time DESC, id DESC LIMIT 1"
_AFTER: Final = f"{_OF_CONNECTOR} AND start_time >= ? ORDER BY start_time, id LIMIT 1"
Row = tuple[Any, ...]


class SiteRegisters:
    """The registers of all chargers over a span of time, from one read."""

    def __init__(self, db: Database, span: TimeSpan) -> None:
        self._db, self._span = db, span
        self._rows = rows_of(db)
        self._so_far = {one.id: one.energy_wh for one in open_transactions(db)}

    def connectors(self, charger: str, times: Sequence[str]) -> list[ReconciledConnector]:
        """Return the registers of a charger: one for each connector, or one that they share (number
        None).

        Their courses are as exact as readings allow at these times.
        """
        by_connector = defaultdict[int | None, list[ReconciledTransaction]](list)
        for row in sorted(
            {row[0]: row for row in self._found(charger)}.values(), key=lambda row: (row[2], row[0])
        ):
            number, connector, began, ended, begin, end, wh, method, confidence, seen = row
            energy = self._so_far.get(number, 0) if wh is None else wh
            begin, end = (None, None) if connector is None else (register(begin), register(end))
            metered = Metered(number, began, ended, begin, end, energy, method, seen or "")
            known = ReconciledTransaction(metered, charger, connector, confidence == CERTAIN)
            by_connector[connector].append(known)
        if share_register([[one.metered for one in some] for some in by_connector.values()]):
            every = sorted(
                (one for some in by_connector.values() for one in some),
                key=lambda one: one.metered[1::-1],
            )
            by_connector = defaultdict(list, {None: every})
        return [
            self._connector(charger, number, some, times)
            for number, some in sorted(by_connector.items(), key=lambda one: one[0] or 0)
        ]

    def _found(self, charger: str) -> Iterator[Row]:
        """Yield the transactions of the span, and the one next to it on each side, some of them
        twice."""
        since, until = self._span.since, self._span.end
        yield from self._rows(_WITHIN, (charger, since, until))
        yield from self._rows(_ACROSS, (charger, since, since))
        yield from self._rows(_OPEN, (charger, since))
        for number in connectors(self._rows, charger, "tx"):
            yield from self._rows(_BEFORE, (charger, number, since))
            yield from self._rows(_AFTER, (charger, number, until))

    def _connector(
        self,
        charger: str,
        number: int | None,
        some: Sequence[ReconciledTransaction],
        times: Sequence[str],
    ) -> ReconciledConnector:
        transactions = {one.metered.id: one for one in some}
        found = stretches(
            (one.metered for one in some), partial(is_other_meter, self._rows, charger)
        )
        points = self._points(charger, transactions, found, times)
        course = RegisterCourse(found, points)
        # A figure that is not what the register rose by was settled by somebody.
        explained = dict(transactions)
        for stretch in found:
            of_it = stretch.transaction
            if of_it is not None and stretch.wh != transactions[of_it].metered.energy_wh:
                who = settled_by(self._rows, of_it)
                explained[of_it] = transactions[of_it]._replace(settled_by=who)
        return ReconciledConnector(number, course, explained)

    # Readings

    def _points(
        self,
        charger: str,
        transactions: Mapping[int, ReconciledTransaction],
        stretches: Sequence[CourseStretch],
        times: Sequence[str],
    ) -> Iterator[CoursePoint]:
        """Yield the readings before and after each time that lies within a stretch in which energy
        flowed."""
        rising = [number for number, one in enumerate(stretches) if one.wh and one.is_plain]
        begins = [stretches[number].since for number in rising]
        for at in times:
            place = bisect_left(begins, at) - 1
            if place >= 0 and at < stretches[rising[place]].until:
                stretch = stretches[rising[place]]
                nearest = next(
                    one.transaction
                    for one in stretches[rising[place] :: -1]
                    if one.transaction is not None
                )
                yield from self._around(charger, transactions[nearest].connector, stretch, at)

    def _around(
        self, charger: str, connector: int | None, stretch: CourseStretch, at: str
    ) -> Iterator[CoursePoint]:
        """Yield the readings of a connector around a time, as far as they belong to a stretch.

        Those of a transaction have the times of its charger's clock.
        """
        readings = _IDLE if stretch.transaction is None else _OF_TRANSACTION
        of_it = (charger, connector) + (
            () if stretch.transaction is None else (stretch.transaction,)
        )
        behind = 0.0
        for began, own_began in self._rows(_BEGAN, (stretch.transaction,)):
            behind = seconds(began) - seconds(own_began)
        since, middle, until = (
            timestamp_of(seconds(one) - behind) for one in (stretch.since, at, stretch.until)
        )
        parts = (("ASC", since, until), ("DESC", since, middle), ("ASC", middle, until))
        first, *around = (
            self._rows(readings[order], (*of_it, since, until)) for order, since, until in parts
        )
        is_lifetime = (
            stretch.transaction is None or not first or first[0][1] >= (stretch.begin_wh or 0)
        )
        for timestamp, wh in (row for part in around for row in part):
            by_ours = timestamp_of(seconds(timestamp) + behind)
            point = placed(stretch, by_ours, wh, is_lifetime=is_lifetime)
            if point is not None:
                yield point


_BEGAN: Final = "SELECT start_time, own_start_time FROM tx WHERE id = ?"
_ORDERS: Final = ("ASC", "DESC")
_OF_TRANSACTION: Final = {
    order: (
        "SELECT timestamp, wh FROM meter_val "  # noqa: S608
        "WHERE cp_id = ? AND conn_id = ? AND tx_id = ? AND wh IS NOT NULL "
        "AND timestamp BETWEEN ? AND ? "
        f"ORDER BY timestamp {order}, id {order} LIMIT 1"
    )
    for order in _ORDERS
}
_IDLE: Final = {
    order: (
        "SELECT timestamp, wh "  # noqa: S608
        "FROM (SELECT timestamp, wh FROM meter_val WHERE cp_id = ? AND conn_id = ? "
        f"AND timestamp BETWEEN ? AND ? ORDER BY timestamp {order}, id {order} "
        f"LIMIT {IDLE_READINGS}) "
        "WHERE wh IS NOT NULL LIMIT 1"
    )
    for order in _ORDERS
}
