"""What is billed by the quarter of an hour: prices of series, the energy of sessions, and their
share of the house's own sun. Quarters count from 1970 in UTC.

The energy of sessions that have ended is kept in `tx_quarter` (store/upkeep/derived.py); where that
is not there yet, or is older than the session, it is computed here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from functools import cache, lru_cache, partial
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from orjson import loads

from levity_trio.billing.months import Month
from levity_trio.billing.pricing import (
    EnergyFlow,
    PricePiece,
    QuarterEnergy,
    by_quarter,
    price_by,
    quarter,
)
from levity_trio.billing.statement import SUN, Line, Split
from levity_trio.billing.sun import SunMeasured, shares
from levity_trio.billing.tariff import MovingPrice, Tariff, Window
from levity_trio.charging.quarters import SECONDS
from levity_trio.records import record
from levity_trio.store.billing.evidence import Billed, course_between
from levity_trio.store.billing.rows import lines_of
from levity_trio.store.billing.tariffs import parsed
from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.engine.database import Rows, UnitOfWork, marks, parts
from levity_trio.wire.times import from_seconds, in_zone, stamp

T = TypeVar("T")
_A_DAY: Final = 96
_NEWEST: Final = 2**62
DAYS_KEPT: Final = 32
"""Days of converted prices that are kept from one read to the next."""
_SERIES: Final = "SELECT id, prices FROM series WHERE name = ?"
_VALUES: Final = (
    "SELECT quarter, price FROM series_value WHERE series_id = ? AND quarter BETWEEN ? AND ? "
    "AND batch_id <= ? ORDER BY quarter, batch_id"
)
_KNOWN_THEN: Final = (
    "SELECT coalesce((SELECT max(id) FROM series_batch WHERE at <= known.at), 0) "
    "FROM (SELECT min(closed_at) AS at FROM position "
    "JOIN statement ON statement.id = statement_id JOIN closing ON closing.id = closing_id "
    "WHERE tx_id = ? AND kind IN ('session', 'free')) AS known WHERE known.at IS NOT NULL"
)
_KEPT: Final = (
    "SELECT tx_quarter.tx_id, first, wh, divided, split FROM tx_quarter "
    "LEFT JOIN bill_work ON bill_work.tx_id = tx_quarter.tx_id WHERE tx_quarter.tx_id IN ({}) "
    "AND coalesce(bill_work.revision, tx_quarter.revision) = tx_quarter.revision"
)
_CORRECTED: Final = (
    "SELECT quarter, batch_id, at, by, reason FROM series "
    "JOIN series_value AS value ON value.series_id = series.id "
    "JOIN series_batch ON series_batch.id = batch_id "
    "WHERE name = ? AND quarter BETWEEN ? AND ? AND reason IS NOT NULL AND at > ? "
    "AND batch_id = (SELECT max(batch_id) FROM series_value WHERE series_id = series.id "
    "AND quarter = value.quarter AND batch_id <= ?) ORDER BY batch_id, quarter"
)
_VERSION: Final = (
    "SELECT toml FROM tariff_version JOIN tariff ON tariff.id = tariff_id "
    "WHERE name = ? AND since = ? AND withdrawn_at IS NULL"
)
_TOUCHED: Final = (
    "SELECT tx_id FROM booked WHERE ended_at > ? AND started_at < ? "
    "AND price IN ('due', 'booked', 'unpriced') ORDER BY ended_at, tx_id"
)
_SAME_ENERGY: Final = (
    "UPDATE tx_quarter SET revision = (SELECT revision FROM bill_work WHERE tx_id = ?) "
    "WHERE tx_id = ? AND revision = ?"
)
OF_SUN: Final = ", ".join(SunMeasured._fields)
"""The columns of what was measured in a quarter."""
_MEASURED: Final = (
    f"SELECT quarter, site_id, {OF_SUN} FROM sun_quarter "  # noqa: S608 - our own names
    "WHERE quarter BETWEEN ? AND ? ORDER BY quarter"
)
_CHARGERS: Final = "SELECT cp_id FROM sun_charger WHERE site_id = ?"
_NEWEST_SITE: Final = "SELECT max(site_id) FROM sun_charger"
_AMONG: Final = (
    "SELECT id, cp_id, start_time, stop_time, coalesce(energy_delivered, 0), last_reading_at, "
    "status, start_behind_seconds + stop_behind_seconds, status <> 'Active' AND review IS NULL "
    "AND judge_after IS NULL AND confidence = 'certain' FROM tx "
    "WHERE cp_id = ? AND imported_id IS NULL AND "
)
_ENDED: Final = _AMONG + "stop_time > ? AND start_time < ? AND status <> 'Active'"
_OPEN: Final = _AMONG + "start_time < ? AND status = 'Active'"
_SEALED: Final = (
    "SELECT tx_id, lines FROM position JOIN statement ON statement.id = statement_id "
    "WHERE tx_id IN ({}) AND number IS NOT NULL ORDER BY position.id"
)
_EVERY_VERSION: Final = (
    "SELECT name, toml FROM tariff_version JOIN tariff ON tariff.id = tariff_id "
    "WHERE withdrawn_at IS NULL"
)


class _KnownSeries(NamedTuple):
    id: int
    are_gross: bool


def _over_days(of_day: Callable[[int], Mapping[int, T]], first: int, last: int) -> dict[int, T]:
    """Return what is known of the quarters from one to another, by what is known of days."""
    days = range(first // _A_DAY, last // _A_DAY + 1)
    return {
        one: value for day in days for one, value in of_day(day).items() if first <= one <= last
    }


class PriceSeries:
    """The prices of series, within one read; what it looked up is kept. `batch` is the newest batch
    of prices that counts."""

    def __init__(self, rows: Rows, zone: ZoneInfo, batch: int = _NEWEST) -> None:
        self._rows, self._zone, self._batch = rows, zone, batch
        self._named = cache(self._of_name)
        self._day, self._moving = cache(self._of_day), cache(self._moving_of_day)
        self._mean = cache(self._of_month)

    def of(
        self, version: Tariff, moving: MovingPrice, first: int, last: int
    ) -> Mapping[int, Fraction]:
        """Return what a kWh costs at a moving price of a version, in the kind of its prices, in the
        quarters from one to another, as far as that is known."""
        return _over_days(partial(self._moving, version, moving), first, last)

    def _moving_of_day(
        self, version: Tariff, moving: MovingPrice, day: int
    ) -> Mapping[int, Fraction]:
        known = self._named(moving.series)
        if known is None:
            return {}
        found: Iterable[tuple[int, Fraction | None]]
        if moving.is_average:
            quarters = range(day * _A_DAY, (day + 1) * _A_DAY)
            found = [(one, self._mean(moving.series, self._month(one))) for one in quarters]
        else:
            found = self._day(moving.series, day).items()
        prices = tuple((one, price) for one, price in found if price is not None)
        return _converted(version, moving, known.are_gross, prices)

    def _of_name(self, name: str) -> _KnownSeries | None:
        for number, prices in self._rows(_SERIES, (name,)):
            return _KnownSeries(number, prices == "gross")
        return None

    def _of_day(self, name: str, day: int) -> Mapping[int, Fraction]:
        known = self._named(name)
        if known is None:
            return {}
        of_day = (known.id, day * _A_DAY, (day + 1) * _A_DAY - 1, self._batch)
        return {one: Fraction(price) for one, price in self._rows(_VALUES, of_day)}

    def _month(self, one: int) -> Month:
        return Month.of(in_zone(from_seconds(one * SECONDS), self._zone).date())

    def _of_month(self, name: str, month: Month) -> Fraction | None:
        """Return the mean of a local month; None where fewer than nine in ten of its quarters are
        known."""
        first, after = quarter(month.since(self._zone)), quarter(month.until(self._zone))
        known = _over_days(partial(self._day, name), first, after - 1)
        is_known = 10 * len(known) >= 9 * (after - first)
        return sum(known.values(), Fraction()) / len(known) if is_known else None


@lru_cache(maxsize=DAYS_KEPT)
def _converted(
    version: Tariff, moving: MovingPrice, is_gross: bool, prices: Sequence[tuple[int, Fraction]]
) -> Mapping[int, Fraction]:
    """Return what a kWh costs in the quarters of a day. Each household's page asks for the same."""
    return {one: price_by(version, moving, price, is_gross=is_gross) for one, price in prices}


@record(kw_only=False)
class CorrectedPrices:
    """That a person replaced stored prices, or entered them with a reason."""

    at: str
    by: str
    reason: str


def corrected_since(
    rows: Rows, zone: ZoneInfo, lines: Iterable[Line], ended_at: str, batch: int | None = None
) -> tuple[CorrectedPrices, ...]:
    """Return which prices of the lines of a session were corrected after its end, the oldest
    correction first. `batch` is the newest batch of prices that counts."""

    def month(one: int) -> Month:
        return Month.of(in_zone(from_seconds(one * SECONDS), zone).date())

    found = dict[int, CorrectedPrices]()
    for line in lines:
        used = {one.quarter for one in line.quarters if line.window != SUN}
        versions = rows(_VERSION, (line.tariff, line.version.isoformat())) if used else ()
        windows = (window for (text,) in versions for window in parsed(text).windows)
        for window in windows:
            if window.moving is None or window.name not in (line.window, None):
                continue
            counts: Container[int] = used
            first, last = min(used), max(used)
            if window.moving.is_average:
                first, last = (
                    quarter(month(first).since(zone)),
                    quarter(month(last).until(zone)) - 1,
                )
                counts = range(first, last + 1)
            newest = _NEWEST if batch is None else batch
            span = (window.moving.series, first, last, ended_at, newest)
            for one, number, *of_batch in rows(_CORRECTED, span):
                if one in counts:
                    found[number] = CorrectedPrices(*of_batch)
    return tuple(found[number] for number in sorted(found))


def known_then(rows: Rows, transaction: int) -> int | None:
    """Return the newest batch of prices that was there when a transaction was first on a closed
    statement: what a bill used stays. None: it is on none."""
    return next((int(batch) for (batch,) in rows(_KNOWN_THEN, (transaction,))), None)


class _Taking(NamedTuple):
    """A session that took energy at a charger below the panels. It is certain if it has ended and
    nobody doubts its figure."""

    id: int
    charger: str
    energy: QuarterEnergy
    is_certain: bool

    def wh(self, one: int) -> int | None:
        """Return what it took in a quarter, None if it was not there."""
        place = one - self.energy.first
        return self.energy.wh[place] if 0 <= place < len(self.energy.wh) else None


def sun_measured(rows: Rows, first: int, last: int) -> dict[int, tuple[int, SunMeasured]]:
    """Return what was measured in the quarters from one to another, with the number of the site's
    document."""
    found = rows(_MEASURED, (first, last))
    return {one: (site, SunMeasured(*row)) for one, site, *row in found}


class QuarterShares:
    """The energy of sessions by the quarter, and their shares of the sun, within one read; what it
    looked up is kept. An open session counts with what is known of it."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._measured_on = cache(self._measured_of_day)
        self._taken_on, self._shared = cache(self._taken_of_day), cache(self._shared_in)
        self._sealed = dict[int, Mapping[int, int]]()
        self._chargers = cache(self._chargers_of)
        self._newest_site = cache(lambda: rows(_NEWEST_SITE, ())[0][0])
        self._with_sun = cache(self._versions_with_sun)

    def energy(self, billed: Billed, *, is_kept: bool = True) -> QuarterEnergy:
        """Return the energy of a session by the quarter. One that is not billed as it is stored is
        not `is_kept`."""
        if is_kept:
            kept = _kept(self._rows, [billed.transaction]).get(billed.transaction)
            if kept is not None and _fits(kept, billed):
                return kept
        return divided(self._rows, billed)

    def may_get(self, charger: str) -> bool:
        """Whether a charger may get sun, as far as the site is measured."""
        newest = self._newest_site()
        return newest is None or charger in self._chargers(newest)

    def measured(self, first: int, last: int) -> Mapping[int, SunMeasured]:
        """Return what was measured in the quarters from one to another."""
        found = _over_days(self._measured_on, first, last)
        return {one: row for one, (_, row) in found.items()}

    def sun(self, transaction: int, charger: str, energy: QuarterEnergy) -> Mapping[int, int]:
        """Return the sun of a session in each quarter: its share of what is left after that which
        closed statements have given to others. What its own statement gave stays, as far as it took
        so much."""
        own = self._given([transaction])[transaction]
        found = dict[int, int]()
        for one, wh in energy.items:
            if one in own:
                found[one] = min(own[one], wh)
            elif wh:
                found[one] = self._share(transaction, charger, one, wh)
        return found

    def _share(self, transaction: int, charger: str, one: int, wh: int) -> int:
        known = self._measured_on(one // _A_DAY).get(one)
        if known is None or charger not in self._chargers(known[0]):
            return 0
        taken, found = self._shared(one)
        if taken.get(transaction) == wh:
            return found[transaction]
        return self._shares(one, {**taken, transaction: wh})[transaction]

    def _shared_in(self, one: int) -> tuple[Mapping[int, int], Mapping[int, int]]:
        """Return what sessions took in a quarter, and their sun. Where that is more than was
        measured, some charger does not tell the truth: only what is certain counts then."""
        site, row = self._measured_on(one // _A_DAY)[one]
        there = [
            (other, wh)
            for other in self._taken_on(one // _A_DAY)
            if other.charger in self._chargers(site) and (wh := other.wh(one)) is not None
        ]
        if row.measured_of(sum(wh for _, wh in there)) > row.taken_wh:
            there = [(other, wh) for other, wh in there if other.is_certain]
        taken = {other.id: wh for other, wh in there}
        return taken, self._shares(one, taken)

    def _shares(self, one: int, taken: Mapping[int, int]) -> Mapping[int, int]:
        """Return the sun of each; of those of which a closed statement says it, what it says."""
        given = {number: of[one] for number, of in self._given([*taken]).items() if one in of}
        left = self._measured_on(one // _A_DAY)[one][1].of_cars(sum(taken.values()))
        asking = {number: wh for number, wh in taken.items() if number not in given}
        return shares(asking, max(0, left - sum(given.values()))) | given

    def _given(self, numbers: Sequence[int]) -> Mapping[int, Mapping[int, int]]:
        """Return the sun that closed statements give to sessions, by the quarter, of all quarters
        for which a tariff with a price of sun asked; what another one billed asks for sun still."""
        new = [number for number in numbers if number not in self._sealed]
        for part in parts(new):
            given = {number: defaultdict[int, int](int) for number in part}
            for number, text in self._rows(_SEALED.format(marks(part)), part):
                for line in lines_of(text):
                    has_sun = (line.tariff, line.version) in self._with_sun()
                    for one in line.quarters if has_sun else ():
                        given[number][one.quarter] += one.wh if line.window == SUN else 0
            self._sealed |= given
        return {number: self._sealed[number] for number in numbers}

    def _versions_with_sun(self) -> set[tuple[str, date]]:
        """Return the tariffs that have a price of sun, by their names and first days."""
        versions = ((name, parsed(text)) for name, text in self._rows(_EVERY_VERSION, ()))
        return {(name, one.since) for name, one in versions if one.sun_price is not None}

    def _measured_of_day(self, day: int) -> Mapping[int, tuple[int, SunMeasured]]:
        return sun_measured(self._rows, day * _A_DAY, (day + 1) * _A_DAY - 1)

    def _chargers_of(self, site: int) -> frozenset[str]:
        return frozenset(charger for (charger,) in self._rows(_CHARGERS, (site,)))

    def _taken_of_day(self, day: int) -> Sequence[_Taking]:
        """Return the sessions at chargers below the panels that a day of UTC touches."""
        since, until = (stamp(from_seconds(at * _A_DAY * SECONDS)) for at in (day, day + 1))
        sites = {site for site, _ in self._measured_on(day).values()}
        found = [
            row
            for charger in sorted(frozenset().union(*map(self._chargers, sites)))
            for row in (
                *self._rows(_ENDED, (charger, since, until)),
                *self._rows(_OPEN, (charger, until)),
            )
        ]
        kept = _kept(self._rows, [row[0] for row in found if row[6] != "Active"])
        so_far = energies_so_far(self._rows, [row[0] for row in found if row[6] == "Active"])
        taken = list[_Taking]()
        for number, charger, start, stop, wh, read_at, _, behind, is_certain in found:
            end = stop or read_at or start
            begun, ended = map(datetime.fromisoformat, (start, max(start, end)))
            billed = Billed(number, begun, ended, so_far.get(number, wh))
            energy = None if behind else kept.get(number)
            if energy is None or not _fits(energy, billed):
                energy = divided(self._rows, billed)
            taken.append(_Taking(number, charger, energy, bool(is_certain)))
        return taken


def touched(rows: Rows, first: int, last: int) -> set[int]:
    """Return the sessions that quarters from one to another touch and no closed statement has."""
    span = [stamp(from_seconds(one * SECONDS)) for one in (first, last + 1)]
    return {number for (number,) in rows(_TOUCHED, span)}


def price_again(db: UnitOfWork, numbers: Iterable[int]) -> None:
    """Have sessions priced again of which a price or the sun changed, and not their energy."""
    for number in sorted(numbers):
        before = db.row("SELECT revision FROM bill_work WHERE tx_id = ?", (number,))
        db.execute("DELETE FROM bill_work WHERE tx_id = ?", (number,))
        db.execute("INSERT INTO bill_work (tx_id) VALUES (?)", (number,))
        if before is not None:
            db.execute(_SAME_ENERGY, (number, number, *before))


def divided(rows: Rows, billed: Billed) -> QuarterEnergy:
    """Return the energy of a transaction by the quarter, by its readings."""
    levels, powers = course_between(rows, billed)
    return by_quarter(EnergyFlow(billed.since, billed.until, billed.wh, levels, powers))


def _fits(energy: QuarterEnergy, billed: Billed) -> bool:
    return energy.first == quarter(billed.since) and sum(energy.wh) == billed.wh


def _kept(rows: Rows, numbers: Sequence[int]) -> dict[int, QuarterEnergy]:
    """Return what is kept of transactions and not older than they are."""
    found = dict[int, QuarterEnergy]()
    for part in parts(numbers):
        for number, first, wh, of, split in rows(_KEPT.format(marks(part)), part):
            unread = frozenset(first + place for place in loads(of))
            found[number] = QuarterEnergy(first, loads(wh), Split(split), unread)
    return found


def moving_prices(
    pieces: Iterable[PricePiece], series: PriceSeries
) -> dict[tuple[Tariff, Window], Mapping[int, Fraction]]:
    """Return what a kWh costs in the quarters of spans, for those windows whose price moves."""
    found = dict[tuple[Tariff, Window], Mapping[int, Fraction]]()
    for piece in pieces:
        version, window = piece.holds
        if window.moving is not None:
            span = quarter(piece.since), quarter(piece.until)
            of = series.of(version, window.moving, *span)
            found[piece.holds] = {**found.get(piece.holds, {}), **of}
    return found
