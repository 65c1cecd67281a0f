"""Tariffs with their versions, and for whom they hold; price series, and what is known of them; and
what a household pays at a charger from now on, tax included, by the tariff that a bill would
take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, Literal, NamedTuple

from levity_trio.billing.assignments import TariffTarget
from levity_trio.billing.describing import in_short, words
from levity_trio.billing.money import PRICE_DECIMALS
from levity_trio.billing.months import Month, beginning
from levity_trio.billing.plain_tariff import PlainTariff, plain_tariff
from levity_trio.billing.pricing import quarter
from levity_trio.billing.quoting import Quote, cheap_stretches, quarter_prices, quote
from levity_trio.billing.statement import LineKind
from levity_trio.billing.tariff import NoVersion, Versions
from levity_trio.charging.quarters import SECONDS
from levity_trio.records import copied, in_order, record
from levity_trio.store.billing.drafting import Drafter, Plan, Terms, newest_revision
from levity_trio.store.billing.months import Begun, begun
from levity_trio.store.billing.pricing import Pricer, Rule
from levity_trio.store.billing.quarters import CorrectedPrices, PriceSeries
from levity_trio.store.billing.tariffs import Tariffs, Trial, first_open_day, parsed
from levity_trio.store.engine.database import Database, Rows, parts, rows_of
from levity_trio.store.reads.pages import (
    MOST_ROWS,
    Branch,
    ListKeys,
    ListPage,
    Shape,
    WantedPage,
    WhereCondition,
    by_name,
    given,
    read_page,
)
from levity_trio.told import Day, Told
from levity_trio.wire.times import from_seconds, in_zone, stamp


@record
class TariffRow:
    """A tariff; `since` are the days from which its versions hold, without those that were
    withdrawn.

    `says` is what the version that holds today says, in short; null if none does. `next_says` is
    what the next one says, from the day `next_since` on; null if there is none.
    """

    id: int
    name: str
    currency: str
    prices: str
    since: Any
    says: str | None = None
    next_since: str | None = None
    next_says: str | None = None


@record
class TariffVersion:
    """A version of a tariff as it was given; `digest` is the SHA-256 of `toml`, `words` is what it
    says.

    Of one that `is_used`, closed months may have used it, so it stays. `plain` is what a form says
    of it, null if a form cannot say all of it.
    """

    id: int
    since: str
    toml: str
    digest: str
    added_at: str
    added_by: str
    reason: str | None
    withdrawn_at: str | None
    withdrawn_by: str | None
    withdraw_reason: str | None
    is_used: bool
    words: list[str]
    plain: PlainTariff | None


@record
class AssignedTariff:
    """A tariff, or (null) none, that holds for an account, a charger or the site (`scope`) from the
    local day `since` on.

    It does until the next assignment of the same, from `until` on. One that `is_replaced` by
    another of the same day never counts.
    """

    id: int
    scope: str
    account: int | None
    account_name: str | None
    charger: str | None
    tariff: int | None
    tariff_name: str | None
    since: str
    until: str | None
    is_replaced: bool
    at: str
    by: str
    reason: str | None


@record
class TariffInForce:
    """The tariff for an account at a charger on a local day, and why: the assignment. Null if none
    holds.

    `version` is the day from which its version holds; null if none does on this day.
    """

    day: str
    tariff: int | None
    tariff_name: str | None
    version: str | None
    assignment: AssignedTariff | None


class UnknownTarget(LookupError):
    """There is no such account or charger. Its text says what is not there."""


_SINCE: Final = (
    "(SELECT json_group_array(since) FROM (SELECT since FROM tariff_version WHERE tariff_id = "
    "tariff.id AND withdrawn_at IS NULL ORDER BY since))"
)
_NEWEST: Final = (
    "(SELECT toml FROM tariff_version WHERE tariff_id = tariff.id AND withdrawn_at IS NULL ORDER "
    "BY since DESC LIMIT 1)"
)
_VERSION_OF_DAY: Final = (
    "SELECT toml FROM tariff_version WHERE tariff_id = ? AND since = ? AND withdrawn_at IS NULL"
)
_TARIFF: Final = Shape(TariffRow, since=_SINCE, says="NULL", next_since="NULL", next_says="NULL")
_VERSION: Final = Shape(
    TariffVersion, is_used="coalesce(since < ?, false)", words="NULL", plain="NULL"
)
_OTHER: Final = (
    "FROM tariff_assignment AS other "
    "WHERE other.scope = row.scope AND other.key = row.key AND other.since"
)
_ACCOUNT: Final = "CASE row.scope WHEN 'account' THEN CAST(row.key AS INTEGER) END"
_ASSIGNED: Final = Shape(
    AssignedTariff,
    id="row.id",
    scope="row.scope",
    account=_ACCOUNT,
    account_name="account.name",
    charger="CASE row.scope WHEN 'charger' THEN row.key END",
    tariff="row.tariff_id",
    tariff_name="tariff.name",
    since="row.since",
    until=f"(SELECT min(other.since) {_OTHER} > row.since)",
    is_replaced=f"EXISTS (SELECT 1 {_OTHER} = row.since AND other.id > row.id)",
    at="row.assigned_at",
    by="row.assigned_by",
    reason="row.reason",
)
_FROM: Final = (
    "FROM tariff_assignment AS row LEFT JOIN tariff ON tariff.id = row.tariff_id"
    f" LEFT JOIN account ON row.scope = 'account' AND account.id = {_ACCOUNT}"
)


def tariffs(db: Database, name: str | None, today: date, wanted: WantedPage) -> ListPage[TariffRow]:
    """Return a page of tariffs, by their names. Raises NoPage."""
    listing = by_name("tariff", given(("name = ?", name)))
    load = _TARIFF.by_id(db, "tariff")
    return read_page(db, listing, wanted, lambda key: _said(rows_of(db), load(key), today))


def tariff(
    db: Database, number: int, today: date
) -> tuple[TariffRow, list[TariffVersion], list[AssignedTariff]] | None:
    """Return a tariff with its versions, the newest day first, and its newest assignments; None if
    there is none."""
    tariffs = _TARIFF.every(db, "FROM tariff WHERE id = ?", (number,))
    if not tariffs:
        return None
    first_open = first_open_day(rows_of(db))
    values = (None if first_open is None else str(first_open), number)
    versions = _VERSION.every(
        db, "FROM tariff_version WHERE tariff_id = ? ORDER BY since DESC, id DESC", values
    )
    newest = f"{_FROM} WHERE row.tariff_id = ? ORDER BY row.id DESC LIMIT {MOST_ROWS}"
    told: list[TariffVersion] = []
    for version in versions:
        said = parsed(version.toml)
        told.append(replace(version, words=[*words(said)], plain=plain_tariff(said)))
    return _said(rows_of(db), tariffs[0], today), told, _ASSIGNED.every(db, newest, (number,))


def _said(rows: Rows, row: TariffRow, today: date) -> TariffRow:
    """Return a tariff with what it says today, and what it will say next."""
    begun = [day for day in row.since if day <= str(today)]
    coming = [day for day in row.since if day > str(today)]

    def says(days: Sequence[str]) -> str | None:
        if not days:
            return None
        ((toml,),) = rows(_VERSION_OF_DAY, (row.id, days[0]))
        return in_short(parsed(toml))

    return replace(
        row,
        says=says(begun[-1:]),
        next_since=coming[0] if coming else None,
        next_says=says(coming[:1]),
    )


class UsualTerms(NamedTuple):
    """What the next version of a tariff takes over: the currency of the site, the kind of prices,
    and the tax rate.

    `number` is that of the tariff, None if there is none of the name.
    """

    number: int | None
    currency: str
    prices: str
    tax: str


def usual_terms(db: Database, name: str) -> UsualTerms:
    """Return what the next version of a tariff takes over, from its newest one: EUR, gross and 0 at
    first."""
    rows = rows_of(db)
    known = rows("SELECT currency FROM tariff ORDER BY id LIMIT 1", ())
    currency = known[0][0] if known else "EUR"
    newest = rows(f"SELECT id, prices, {_NEWEST} FROM tariff WHERE name = ?", (name,))  # noqa: S608 - our own names
    if not newest:
        return UsualTerms(None, currency, "gross", "0")
    ((number, prices, text),) = newest
    tax = "0" if text is None else f"{parsed(text).tax_rate(LineKind.ENERGY):f}"
    return UsualTerms(number, currency, prices, tax)


def names_of_series(db: Database) -> list[str]:
    """Return the names of the price series with which a price may move."""
    return [name for (name,) in rows_of(db)("SELECT name FROM series ORDER BY name", ())]


def assignments(
    db: Database, targets: Sequence[TariffTarget], tariff: int | None, wanted: WantedPage
) -> ListPage[AssignedTariff]:
    """Return a page of assignments, the newest first: those of all these targets and of a tariff.
    Raises NoPage."""
    conditions = [WhereCondition("scope = ? AND key = ?", target) for target in targets]
    conditions += given(("tariff_id = ?", tariff))
    return read_page(
        db,
        ListKeys([Branch("tariff_assignment", conditions)]),
        wanted,
        lambda row: assignment(db, row[0]),
    )


def in_force(db: Database, account: int | None, charger: str | None, day: date) -> TariffInForce:
    """Return the tariff that holds for an account at a charger on a day, and why. Raises
    UnknownTarget."""
    for what, table, key in (("account", "account", account), ("charger", "cp", charger)):
        among = f"SELECT 1 FROM {table} WHERE id = ?"  # noqa: S608 - our own names
        if key is not None and not db.execute(among, (key,)).fetchall():
            raise UnknownTarget(f"{what} {key}")
    known, assigned, version = Tariffs(rows_of(db)), None, None
    found = known.assigned(account, charger, day)
    if found is not None and found.tariff is not None:
        assigned, versions = assignment(db, found.id), known.versions(found.tariff)
        with suppress(NoVersion):
            version = None if versions is None else str(versions.version_at(day).since)
    return TariffInForce(
        day=str(day),
        tariff=None if assigned is None else assigned.tariff,
        tariff_name=None if assigned is None else assigned.tariff_name,
        version=version,
        assignment=assigned,
    )


def assignment(db: Database, number: int) -> AssignedTariff:
    """Return one assignment."""
    return _ASSIGNED.every(db, f"{_FROM} WHERE row.id = ?", (number,))[0]


# What a month would have cost with a tariff that does not hold


@record
class TriedHousehold:
    """What a month cost a household, and what it would have cost, in minor units with tax.

    `unpriced` are its sessions for which there would be no tariff or no price, so that `new` is
    less than the month would have cost.
    """

    account: int
    name: str
    sessions: int
    energy_wh: int
    old: int
    new: int
    unpriced: int


_ENDED: Final = (
    "SELECT tx.id FROM cp CROSS JOIN tx INDEXED BY tx_by_end ON cp_id = cp.id"
    " WHERE stop_time >= ? AND stop_time < ? AND tx.status = 'Completed' AND imported_id IS NULL"
)
_OPEN: Final = "SELECT id FROM account WHERE since < ? AND coalesce(until, '9999') > ?"


def tried(db: Database, trial: Trial, month: Month, rule: Rule) -> list[TriedHousehold]:
    """Return what a month would have cost each household, by their names; nothing is stored."""
    rows = rows_of(db)
    known, since = begun(rows), stamp(beginning(month.first_day, rule.zone))
    on = month.first_day if known is None else min(known.on, month.first_day)
    until = stamp(month.until(rule.zone))
    plan = Plan(Begun(on, month, False), month, None, Terms(rule, 0), until, newest_revision(rows))
    owned: dict[int, list[int]] = defaultdict(
        list, {account: [] for (account,) in rows(_OPEN, (until, since))}
    )
    for part in parts([number for (number,) in rows(_ENDED, (since, until))]):
        for number, owner in Pricer(rows, rule).owners(part).items():
            if owner.account is not None:
                owned[owner.account].append(number)
    names: dict[int, str] = dict(rows("SELECT id, name FROM account", ()))
    before, after = Drafter(rows, plan), Drafter(rows, plan, trial)
    found: list[TriedHousehold] = []
    for account, numbers in owned.items():
        old, new = before.cost(account, numbers), after.cost(account, numbers)
        tried = copied(
            TriedHousehold,
            max(old, new, key=lambda cost: cost.energy_wh),
            unpriced=new.unpriced,
            account=account,
            name=names[account],
            old=old.amount,
            new=new.amount,
        )
        found.append(tried)
    return sorted(found, key=lambda one: (in_order(one.name), one.account))


@record
class SeriesState:
    """A series of prices for a kWh, gross or net. `source` is where they are fetched and how they
    are read; none: people enter them.

    Prices are known `until` a time. `failure` is what the last attempt to fetch them, at
    `tried_at`, lacked. Since `since`, people miss the prices of the local day `missing`.
    """

    id: int
    name: str
    currency: str
    prices: str
    source: Any
    changed_at: str
    changed_by: str
    until: str | None
    tried_at: str | None
    failure: str | None
    missing: str | None
    since: str | None

    @property
    def words(self) -> Told:
        """What people are told while prices are missing."""
        day = Day(date.fromisoformat(str(self.missing)))
        return Told(
            "the prices of {1} for {2} are missing: {3}", self.name, day, self.failure or ""
        )


_SERIES: Final = Shape(
    SeriesState, until="(SELECT max(quarter) FROM series_value AS value WHERE value.series_id = id)"
).with_texts("failure")
_WITH_FETCH: Final = "FROM series LEFT JOIN series_fetch ON series_fetch.series_id = id"
_PRICES: Final = (
    "SELECT quarter, price FROM series_value AS value WHERE series_id = ?1"
    " AND quarter BETWEEN ?2 AND ?3 AND batch_id = (SELECT max(batch_id) FROM series_value"
    " WHERE series_id = ?1 AND quarter = value.quarter) ORDER BY quarter"
)

_CORRECTIONS: Final = (
    "SELECT at, by, reason FROM series_batch WHERE reason IS NOT NULL AND id IN (SELECT batch_id"
    " FROM series_value WHERE series_id = ? AND quarter BETWEEN ? AND ?) ORDER BY id"
)


def pages(db: Database, name: str | None, wanted: WantedPage) -> ListPage[SeriesState]:
    """Return a page of the series, by their names. Raises NoPage."""
    listing = by_name("series", given(("name = ?", name)))
    return read_page(db, listing, wanted, lambda key: series(db, key[-1])[0])


def series(db: Database, number: int | None = None) -> list[SeriesState]:
    """Return all series that are fetched, or the one of a number."""
    which, values = "source IS NOT NULL", list[int]()
    if number is not None:
        which, values = "id = ?", [number]
    found = list[SeriesState]()
    for one in _SERIES.every(db, f"{_WITH_FETCH} WHERE {which} ORDER BY id", values):
        # The row has the number of the last quarter.
        end = one.until and stamp(from_seconds((int(one.until) + 1) * SECONDS))
        found.append(replace(one, until=end))
    return found


def sealed_address(db: Database, number: int) -> str | None:
    """Return the sealed address of the source of a series; None if that has no secret."""
    ((address,),) = rows_of(db)("SELECT address FROM series WHERE id = ?", (number,))
    return None if address is None else str(address)


def corrections(db: Database, number: int, first: int, last: int) -> list[CorrectedPrices]:
    """Return who corrected prices of a series from one quarter to another, and why, the oldest
    correction first."""
    found = rows_of(db)(_CORRECTIONS, (number, first, last))
    return [CorrectedPrices(*one) for one in found]


def prices(db: Database, number: int, first: int, last: int) -> dict[int, str]:
    """Return the prices of a series from one quarter to another."""
    return prices_of(rows_of(db), number, first, last)


def prices_of(rows: Rows, number: int, first: int, last: int) -> dict[int, str]:
    """Return the same by the rows of a read or a write."""
    return dict(rows(_PRICES, (number, first, last)))


_FINEST: Final = Decimal(1).scaleb(-PRICE_DECIMALS)


@record
class EnergyPrice:
    """What a kWh costs from `since` on, tax included; null: it moves, and is not known yet.
    `window` is what the tariff calls this time. A fallback counts where no price comes in time."""

    since: str
    price: str | None
    window: str | None
    is_fallback: bool


@record
class BlockingPrice:
    """What a begun minute of staying after charging costs, after `grace_minutes`; `maximum` is for
    one session.

    The minutes are counted until the stop, or (`is_until_free`) until the cable is out.
    """

    price: str
    grace_minutes: int
    maximum: str | None
    is_until_free: bool


@record
class DriversPrice:
    """What a session that starts now costs. Prices are in units of `currency`, tax included.

    `price` is that of a kWh now, `next` are those that follow within a day. `moves` is whether it
    follows a price series: by the quarter (then `next` has only one), or as the mean of a month,
    which is known when that is over; until then `price` is null, or the fallback. `sun` is that of
    a kWh of the house's own sun. Of the others, null is none. Without `has_tax` there is none to
    include.
    """

    tariff: str
    currency: str
    price: str | None
    window: str | None
    is_fallback: bool
    moves: Literal["quarter", "month"] | None
    sun: str | None
    next: tuple[EnergyPrice, ...]
    session_fee: str | None
    minimum: str | None
    maximum: str | None
    blocking: BlockingPrice | None
    free_below_wh: int
    has_tax: bool


@record
class CheapHours:
    """A stretch of time in which a kWh is cheap."""

    since: str
    until: str


@record
class PricesOfDay:
    """What a kWh costs on a local day, tax included: a price for each quarter of an hour from
    `since` on, null where it is not known yet. `cheap` are its cheap hours."""

    day: date
    since: str
    prices: tuple[str | None, ...]
    cheap: tuple[CheapHours, ...]


@record
class PricesAhead:
    """What a kWh of a session costs that starts now, today and tomorrow."""

    tariff: str
    currency: str
    days: tuple[PricesOfDay, ...]


class Prices:
    """Prices for an account, within one read; what was looked up is kept. An account that is None
    is nobody's."""

    def __init__(self, rows: Rows, rule: Rule, account: int | None, now: datetime) -> None:
        self._tariffs, self._series = Tariffs(rows), PriceSeries(rows, rule.zone)
        self._rule, self._account, self._now = rule, account, now
        self._known: dict[Versions, DriversPrice | None] = {}

    def at(self, charger: str) -> DriversPrice | None:
        """Return what a session costs that starts at a charger now; None without a tariff that
        holds."""
        return self.by(
            self._tariffs.of(self._account, charger, in_zone(self._now, self._rule.zone).date())
        )

    def begun(self, charger: str, at: str) -> DriversPrice | None:
        """Return what a session that began at a charger then costs now: its tariff is that of the
        day of its start."""
        day = in_zone(datetime.fromisoformat(at), self._rule.zone).date()
        return self.by(self._tariffs.of(self._account, charger, day))

    def by(self, versions: Versions | None) -> DriversPrice | None:
        """Return what a tariff says now."""
        if versions is None:
            return None
        if versions not in self._known:
            self._known[versions] = None
            with suppress(NoVersion):
                quoted = quote(versions, self._now, self._rule.zone, self._series.of)
                self._known[versions] = _shown(quoted)
        return self._known[versions]

    def ahead(self, charger: str) -> PricesAhead | None:
        """Return what a kWh costs today and tomorrow, in a session that starts at a charger now;
        None unless that moves by the quarter."""
        zone = self._rule.zone
        today = in_zone(self._now, zone).date()
        versions = self._tariffs.of(self._account, charger, today)
        quoted = self.by(versions)
        if versions is None or quoted is None or quoted.moves != "quarter":
            return None
        days: list[PricesOfDay] = []
        for day in (today, today + timedelta(days=1)):
            first = quarter(beginning(day, zone))
            quarters = range(first, quarter(beginning(day + timedelta(days=1), zone)))
            prices = quarter_prices(versions, quarters, zone, self._series.of)
            cheap = tuple(
                CheapHours(since=_begin(first + some[0]), until=_begin(first + some[-1] + 1))
                for some in cheap_stretches(prices)
            )
            texts = tuple(map(_or_none, prices))
            days.append(PricesOfDay(day=day, since=_begin(first), prices=texts, cheap=cheap))
        return PricesAhead(tariff=quoted.tariff, currency=quoted.currency, days=tuple(days))


def prices_ahead(
    db: Database, rule: Rule, account: int | None, charger: str, now: datetime
) -> PricesAhead | None:
    """Return what a kWh costs an account at a charger today and tomorrow; None unless that moves by
    the quarter."""
    return Prices(rows_of(db), rule, account, now).ahead(charger)


def _begin(one: int) -> str:
    return stamp(from_seconds(one * SECONDS))


def _shown(quoted: Quote) -> DriversPrice:
    energy = [
        EnergyPrice(since=stamp(at), price=_or_none(price), window=window, is_fallback=is_fallback)
        for at, price, window, is_fallback in quoted.energy
    ]
    terms, blocking = quoted.blocking, None
    if terms is not None:
        blocking = BlockingPrice(
            price=_text(terms.price),
            grace_minutes=terms.grace_minutes,
            maximum=_or_none(terms.maximum),
            is_until_free=terms.is_until_available,
        )
    return DriversPrice(
        tariff=quoted.tariff,
        currency=quoted.currency.code,
        price=energy[0].price,
        window=energy[0].window,
        is_fallback=energy[0].is_fallback,
        moves=quoted.moves,
        sun=_or_none(quoted.sun),
        next=tuple(energy[1:]),
        session_fee=_or_none(quoted.session_fee),
        minimum=_or_none(quoted.minimum),
        maximum=_or_none(quoted.maximum),
        blocking=blocking,
        free_below_wh=quoted.free_below_wh,
        has_tax=quoted.has_tax,
    )


def _text(price: Decimal) -> str:
    """Return a price with at most as many decimals as tariffs may have, without zeros at its
    end."""
    return f"{price.quantize(_FINEST, ROUND_HALF_UP).normalize():f}"


def _or_none(price: Decimal | None) -> str | None:
    return None if price is None else _text(price)
