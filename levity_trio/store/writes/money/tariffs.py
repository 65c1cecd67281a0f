"""Tariffs: versions are added and withdrawn, and tariffs are assigned. What holds when is in
billing/assignments.py.

Nothing that would change a closed month is entered. `first_open` is the first day of the first
month that is not closed, None if no day is closed; compute it within the same write.

A change may reach back to statements that were closed early. They are corrected, but not unsaid.

Price series, and the prices that come for them in batches.

A bill may rest on a stored price, so none is rewritten. A source that tells another price than it
did before is not believed: what is stored stays. A person corrects it with a reason, in a new
batch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Final, NamedTuple, TypeVar

from levity_trio.billing.assignments import Scope, TariffTarget
from levity_trio.billing.money import CURRENCIES, units
from levity_trio.billing.tariff import MovingPrice, Tariff
from levity_trio.charging.quarters import SECONDS
from levity_trio.events import PricesBack, PricesMissing, TariffAssigned, TariffChanged
from levity_trio.records import record
from levity_trio.store.billing.drafting import corrections
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.quarters import price_again, touched
from levity_trio.store.billing.tariffs import parsed
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.money.tariffs import prices_of
from levity_trio.store.writes.chargers.hiding import UnknownIdentity, check_known
from levity_trio.store.writes.people import accounts
from levity_trio.store.writes.people.accounts import (
    ChangeRefused,
    ChangeResult,
    RefusalCode,
    check_free,
    check_name,
    number_of,
)
from levity_trio.store.writes.people.ownership import Said
from levity_trio.store.writes.transactions.judging import schedule_unsure
from levity_trio.told import N_, Amount, Day, Moment, Told, joined, stored
from levity_trio.wire.times import from_seconds, stamp


class GivenVersion(NamedTuple):
    """A version as an operator gives it: the text, and what it says."""

    toml: str
    tariff: Tariff


class Assigning(NamedTuple):
    """A tariff (its number), or none, for a target from a day on, which begins at `begins_at`
    (UTC)."""

    target: TariffTarget
    tariff: int | None
    since: date
    begins_at: str


# Versions


def add(db: UnitOfWork, new: GivenVersion, first_open: date | None, said: Said) -> ChangeResult:
    """Add a version, and its tariff if it is the first; return the number of the tariff. Raises
    ChangeRefused."""
    tariff, digest = new.tariff, digest_of(new.toml)
    number = named(db, tariff.name)
    if number is not None and (known := _digest_at(db, number, tariff.since)) is not None:
        if known == digest:
            return ChangeResult(number, "same")
        raise ChangeRefused(RefusalCode.IN_USE, _other_text(tariff, first_open), "valid_from")
    _check_open(tariff.since, first_open, "valid_from")
    _check_currency(db, tariff)
    _check_series(db, tariff)
    number = _tariff(db, tariff, number)
    version = db.insert(
        "INSERT INTO tariff_version (tariff_id, since, toml, digest, added_at, added_by, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (number, str(tariff.since), new.toml, digest, *said),
    )
    _record(db, number, version, "added", tariff.since, said)
    return ChangeResult(number, "added")


def withdraw(db: UnitOfWork, number: int, since: date, first_open: date | None, said: Said) -> None:
    """Withdraw the version that holds from a day on: it never held. Raises ChangeRefused."""
    find(db, number)
    version = _version_at(db, number, since)
    if version is None:
        words = Told(
            "the tariff has no version from {1} on, or it was withdrawn before", Day(since)
        )
        raise ChangeRefused(RefusalCode.NOT_FOUND, words, "since")
    if first_open is not None and since < first_open:
        words = Told(
            "closed months may have used it; add a version from {1} on instead", Day(first_open)
        )
        raise ChangeRefused(RefusalCode.CONFLICT, words, "since")
    db.execute(
        (
            "UPDATE tariff_version "
            "SET (withdrawn_at, withdrawn_by, withdraw_reason) = (?, ?, ?) "
            "WHERE id = ?"
        ),
        (*said, version),
    )
    _record(db, number, version, "withdrawn", since, said)


def replaceable(db: UnitOfWork, new: GivenVersion, first_open: date | None) -> int | None:
    """Return the number of a tariff that has another version from the same day on, which may be
    withdrawn."""
    since, number = new.tariff.since, named(db, new.tariff.name)
    known = None if number is None else _digest_at(db, number, since)
    if known is None or known == digest_of(new.toml):
        return None
    return number if first_open is None or since >= first_open else None


def digest_of(toml: str) -> str:
    """Return the digest of a text, by which the same version is known again."""
    return sha256(toml.encode()).hexdigest()


def named(db: UnitOfWork, name: str) -> int | None:
    """Return the number of a tariff by its name, None if there is none."""
    row = db.row("SELECT id FROM tariff WHERE name = ?", (name,))
    return None if row is None else int(row[0])


def find(db: UnitOfWork, number: int) -> str:
    """Return the name of a tariff. Raises ChangeRefused."""
    row = db.row("SELECT name FROM tariff WHERE id = ?", (number,))
    if row is None:
        raise ChangeRefused(RefusalCode.NOT_FOUND, Told("there is no tariff {1}", number), "tariff")
    return str(row[0])


def _digest_at(db: UnitOfWork, number: int, since: date) -> str | None:
    version = _version_at(db, number, since)
    return (
        None
        if version is None
        else str(db.rows("SELECT digest FROM tariff_version WHERE id = ?", (version,))[0][0])
    )


def _version_at(db: UnitOfWork, number: int, since: date) -> int | None:
    found = (
        "SELECT id FROM tariff_version WHERE tariff_id = ? AND since = ? AND withdrawn_at IS NULL"
    )
    row = db.row(found, (number, str(since)))
    return None if row is None else int(row[0])


def _other_text(tariff: Tariff, first_open: date | None) -> Told:
    words = Told("another version of {1} holds from {2} on", tariff.name, Day(tariff.since))
    if first_open is not None and tariff.since < first_open:
        return Told(
            "{1}, and closed months may have used it; choose {2} or a later day",
            words,
            Day(first_open),
        )
    return Told("{1}; withdraw that one first, or choose another day", words)


def _check_open(since: date, first_open: date | None, field: str) -> None:
    if first_open is not None and since < first_open:
        words = Told(
            "the months before {1} are closed, and {2} lies in one; choose {1} or a later day",
            Day(first_open),
            Day(since),
        )
        raise ChangeRefused(RefusalCode.CONFLICT, words, field)


def _check_currency(db: UnitOfWork, tariff: Tariff) -> None:
    other = db.row(
        "SELECT name, currency FROM tariff "
        "WHERE currency <> ? AND EXISTS (SELECT 1 FROM tariff_version WHERE tariff_id = tariff.id "
        "AND withdrawn_at IS NULL)",
        (tariff.currency.code,),
    )
    if other is not None:
        words = Told(
            (
                "{1} has prices in {2}, and a site has one currency; give that, or withdraw all "
                "versions in it"
            ),
            *other,
        )
        raise ChangeRefused(RefusalCode.CONFLICT, words, "currency")


def _check_series(db: UnitOfWork, tariff: Tariff) -> None:
    """Refuse a price that moves with a series that is not there, or in another currency."""
    known: dict[str, str] = dict(db.rows("SELECT name, currency FROM series ORDER BY name"))
    of_name = {name.casefold(): currency for name, currency in known.items()}
    for window in tariff.windows:
        if window.moving is None:
            continue
        name = window.moving.series
        currency = of_name.get(name.casefold())
        if currency is None:
            words = Told("there is no price series {1}; add it first", name)
            if known:
                words = Told("{1}, or choose {2}", words, joined(", ", known))
            raise ChangeRefused(RefusalCode.CONFLICT, words, "series")
        if currency != tariff.currency.code:
            words = Told(
                "{1} is in {2}; choose a series in {3}", name, currency, tariff.currency.code
            )
            raise ChangeRefused(RefusalCode.CONFLICT, words, "series")


def _tariff(db: UnitOfWork, tariff: Tariff, number: int | None) -> int:
    """Return the number of the tariff of a version, which may be its first, or the first after all
    were withdrawn."""
    values = (tariff.name, tariff.currency.code, "gross" if tariff.are_gross else "net")
    if number is None:
        return db.insert(
            "INSERT INTO tariff (name, currency, prices) VALUES (?, ?, ?) RETURNING id", values
        )
    live = "SELECT prices FROM tariff_version JOIN tariff ON tariff.id = tariff_id"
    row = db.row(f"{live} WHERE tariff_id = ? AND withdrawn_at IS NULL LIMIT 1", (number,))
    if row is None:
        db.execute(
            "UPDATE tariff SET (name, currency, prices) = (?, ?, ?) WHERE id = ?", (*values, number)
        )
    elif row[0] != values[-1]:
        words = Told(
            "the other versions of {1} have {2} prices; give these, or another name",
            tariff.name,
            Told(row[0]),
        )
        raise ChangeRefused(RefusalCode.CONFLICT, words, "prices")
    return number


def _record(
    db: UnitOfWork, number: int, version: int, change: str, since: date, said: Said
) -> None:
    db.record(
        TariffChanged(
            charger=None,
            at=said.at,
            tariff=number,
            version=version,
            change=change,
            since=str(since),
            by=said.by,
        )
    )
    schedule_unsure(db, said.at)


# Assignments


def assign(db: UnitOfWork, wanted: Assigning, first_open: date | None, said: Said) -> ChangeResult:
    """Make a tariff, or none, hold for a target from a day on; return the number of the assignment.
    Raises ChangeRefused."""
    (scope, key), tariff = wanted.target, wanted.tariff
    _check_target(db, wanted)
    if tariff is not None:
        _check_tariff(db, tariff, wanted.since)
    of_day = "SELECT id, tariff_id FROM tariff_assignment WHERE scope = ? AND key = ? AND since = ?"
    newest = db.row(f"{of_day} ORDER BY id DESC LIMIT 1", (scope, key, str(wanted.since)))
    if newest is not None and newest[1] == tariff:
        return ChangeResult(newest[0], "same")
    _check_open(wanted.since, first_open, "since")
    number = db.insert(
        "INSERT INTO tariff_assignment (scope, key, since, tariff_id, assigned_at, assigned_by, "
        "reason) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (scope, key, str(wanted.since), tariff, *said),
    )
    db.record(
        TariffAssigned(
            charger=None,
            at=said.at,
            assignment=number,
            scope=scope,
            key=key,
            tariff=tariff,
            since=str(wanted.since),
            by=said.by,
        )
    )
    schedule_unsure(db, said.at)
    return ChangeResult(number, "added")


def give_back(
    db: UnitOfWork, number: int, since: date, begins_at: str, first_open: date | None, said: Said
) -> None:
    """End the assignments of a tariff that begin on a day: what held before holds again. Raises
    ChangeRefused."""
    for assignment, scope, key in db.rows(_ASSIGNED_ON, (number, str(since))):
        before = db.row(_BEFORE, (scope, key, str(since), str(since), assignment))
        wanted = Assigning(
            TariffTarget(Scope(scope), key), None if before is None else before[0], since, begins_at
        )
        assign(db, wanted, first_open, said)


def take_back(db: UnitOfWork, number: int, said: Said) -> None:
    """Take an assignment back: what held before holds again, unless another one has taken its
    place. Raises ChangeRefused."""
    for scope, key, since in db.rows(_NEWEST_OF_DAY, (number,)):
        before = db.row(_BEFORE, (scope, key, since, since, number))
        wanted = Assigning(
            TariffTarget(Scope(scope), key),
            None if before is None else before[0],
            date.fromisoformat(since),
            "",
        )
        assign(db, wanted, None, said)


def _check_target(db: UnitOfWork, wanted: Assigning) -> None:
    (scope, key), tariff = wanted.target, wanted.tariff
    if scope is Scope.ACCOUNT:
        account = accounts.find(db, int(key))
        until = account.until
        if tariff is not None and until is not None and until <= wanted.begins_at:
            words = Told(
                "household {1} was closed at {2}; choose an earlier day, or reopen it",
                account.name,
                Moment(until),
            )
            raise ChangeRefused(RefusalCode.CONFLICT, words, "since")
    elif scope is Scope.CHARGER:
        try:
            check_known(db, key)
        except UnknownIdentity:
            words = Told("there is no charger {1}; it must have connected before, or be added", key)
            raise ChangeRefused(RefusalCode.NOT_FOUND, words, "charger") from None


def _check_tariff(db: UnitOfWork, number: int, since: date) -> None:
    """Refuse a tariff without a version on the first day."""
    name = find(db, number)
    live = "SELECT min(since) FROM tariff_version WHERE tariff_id = ? AND withdrawn_at IS NULL"
    ((first,),) = db.rows(live, (number,))
    if first is None:
        raise ChangeRefused(
            RefusalCode.CONFLICT,
            Told("all versions of {1} were withdrawn; add one first", name),
            "tariff",
        )
    if str(since) < first:
        words = Told(
            "{1} holds from {2} on; choose that or a later day, or add a version for {3}",
            name,
            Day(date.fromisoformat(first)),
            Day(since),
        )
        raise ChangeRefused(RefusalCode.CONFLICT, words, "since")


_ASSIGNED_ON: Final = (
    "SELECT id, scope, key FROM tariff_assignment AS row "
    "WHERE tariff_id = ? AND since = ? AND NOT EXISTS (SELECT 1 FROM tariff_assignment AS other "
    "WHERE other.scope = row.scope AND other.key = row.key AND other.since = row.since "
    "AND other.id > row.id) "
    "ORDER BY id"
)
_NEWEST_OF_DAY: Final = (
    "SELECT scope, key, since FROM tariff_assignment AS row "
    "WHERE id = ? AND tariff_id IS NOT NULL AND NOT EXISTS (SELECT 1 "
    "FROM tariff_assignment AS other WHERE other.scope = row.scope AND other.key = row.key "
    "AND other.since = row.since AND other.id > row.id)"
)
_BEFORE: Final = (
    "SELECT tariff_id FROM tariff_assignment "
    "WHERE scope = ? AND key = ? AND (since < ? OR since = ? AND id < ?) "
    "ORDER BY since DESC, id DESC LIMIT 1"
)
T = TypeVar("T")
NAMED: Final = 5
_IS_CORRECTED: Final = (
    "INSERT INTO to_book (account_id) VALUES (?) ON CONFLICT (account_id) DO UPDATE SET step = 0"
)
_OF: Final = (
    "SELECT printed_number, statement.month, statement.currency, account.id, account.name "
    "FROM statement JOIN account ON account.id = statement.account_id WHERE number = ?"
)


@record
class CorrectedStatement:
    """A closed statement that a change corrects, and by how much, in minor units with tax."""

    statement: int
    printed_number: str
    month: str
    account: int
    name: str
    amount: int
    currency: str

    @property
    def words(self) -> Told:
        amount = Amount(units(self.amount, CURRENCIES[self.currency]), self.currency)
        template = (
            N_("statement {1} ({2}, {3}) by +{4}")
            if self.amount > 0
            else N_("statement {1} ({2}, {3}) by {4}")
        )
        return Told(template, self.printed_number, self.name, self.month, amount)


def correcting(
    db: UnitOfWork, rule: Rule, change: Callable[[], T], *, may_correct: bool
) -> tuple[T, list[CorrectedStatement]]:
    """Make a change of tariffs, and return what it corrects. Raises ChangeRefused if it may not."""
    before = corrections(db.rows, rule)
    result = change()
    after = corrections(db.rows, rule)
    every = sorted(before.keys() | after.keys())
    amounts = {number: after.get(number, 0) - before.get(number, 0) for number in every}
    corrected = [_corrected(db, number, amount) for number, amount in amounts.items() if amount]
    if corrected and not may_correct:
        raise ChangeRefused(
            RefusalCode.CORRECTS_STATEMENTS, _refusal(corrected), "correct_statements"
        )
    for one in corrected:
        db.execute(_IS_CORRECTED, (one.account,))
    return result, corrected


def _corrected(db: UnitOfWork, number: int, amount: int) -> CorrectedStatement:
    ((printed, month, currency, account, name),) = db.rows(_OF, (number,))
    return CorrectedStatement(
        statement=number,
        printed_number=printed,
        month=month,
        account=account,
        name=name,
        amount=amount,
        currency=currency,
    )


def _refusal(found: Sequence[CorrectedStatement]) -> Told:
    named = joined(", ", (one.words for one in found[:NAMED]))
    if len(found) > NAMED:
        named = Told("{1} and {2} more", named, len(found) - NAMED)
    return Told(
        "this is needed, because what is closed is corrected: {1}; or choose a later day", named
    )


MONTH_QUARTERS: Final = 33 * 96
"""A month and a day on each side, in any zone."""


@record
class SeriesData:
    """A series as an operator gives it. `prices` is gross or net, `source` where they come from and
    how they are read, in JSON, and `address` that with its secrets, sealed; None: it has none."""

    name: str
    currency: str
    prices: str
    source: str | None = None
    address: str | None = None


class AddedPrices(NamedTuple):
    """What became of the prices of quarters: how many are stored now, how many were so already, and
    those that contradict a stored price, which stays: each with the stored and the told one."""

    added: int
    same: int
    kept: Mapping[int, tuple[Decimal, Decimal]]

    @property
    def words(self) -> Told:
        """Say which prices are contradicted."""
        quarter, both = min(self.kept.items())
        return Told(
            "{1} price is not the stored one, which stays: at {2} it is {3}, not {4}",
            len(self.kept),
            Moment(stamp(from_seconds(quarter * SECONDS))),
            *(f"{price:f}" for price in both),
            many="{1} prices are not the stored ones, which stay: at {2} it is {3}, not {4}",
        )


def set_series(
    db: UnitOfWork, data: SeriesData, said: Said, number: int | None = None
) -> ChangeResult:
    """Add a series, or change the one of this number. Raises ChangeRefused."""
    check_name(data.name)
    check_free(db, "series", data.name, number)
    if data.currency not in CURRENCIES:
        words = Told("{1} is not the code of a currency", data.currency)
        raise ChangeRefused(RefusalCode.INVALID, words, "currency")
    row = (data.name, data.currency, data.prices, data.source, data.address)
    if number is None:
        number = db.insert(
            "INSERT INTO series (name, currency, prices, source, address, changed_at, changed_by)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (*row, *said[:2]),
        )
        return ChangeResult(number, "added")
    known = "SELECT name, currency, prices, source, address FROM series WHERE id = ?"
    before = db.row(known, (number,))
    if before is None:
        words = Told("there is no price series {1}", number)
        raise ChangeRefused(RefusalCode.NOT_FOUND, words, "series")
    if before == row:
        return ChangeResult(number, "same")
    named = {moving.series.casefold() for moving in _moving(db)}
    if before[0].casefold() != data.name.casefold() and before[0].casefold() in named:
        words = Told("tariffs name {1}; leave it its name", before[0])
        raise ChangeRefused(RefusalCode.CONFLICT, words, "name")
    if before[3:] != row[3:]:
        db.execute("DELETE FROM series_fetch WHERE series_id = ?", (number,))
    if before[1:3] != row[1:3]:
        if db.row("SELECT 1 FROM series_value WHERE series_id = ? LIMIT 1", (number,)):
            words = Told("{1} has prices already; enter another series for others", before[0])
            raise ChangeRefused(RefusalCode.CONFLICT, words, "currency")
        db.execute(
            "UPDATE series SET (currency, prices) = (?, ?) WHERE id = ?", (*row[1:3], number)
        )
    db.execute(
        "UPDATE series SET (name, source, address, changed_at, changed_by) = (?, ?, ?, ?, ?)"
        " WHERE id = ?",
        (data.name, data.source, data.address, *said[:2], number),
    )
    return ChangeResult(number, "changed")


def _moving(db: UnitOfWork) -> Iterator[MovingPrice]:
    """Yield the moving prices of all tariffs."""
    for (text,) in db.rows("SELECT toml FROM tariff_version"):
        yield from (window.moving for window in parsed(text).windows if window.moving)


def add_prices(
    db: UnitOfWork, series: str | int, values: Mapping[int, Decimal], said: Said
) -> AddedPrices:
    """Store prices of a kWh by their quarters, and have what no closed statement has priced by
    them.

    With a reason, they replace stored ones; without, those stay. The series is given by its name or
    number. Raises ChangeRefused.
    """
    number = series if isinstance(series, int) else number_of(db, "series", series)
    first, last = min(values, default=0), max(values, default=0)
    stored = prices_of(db.rows, number, first, last)
    known = {quarter: Decimal(price) for quarter, price in stored.items()}
    others = {
        quarter: (known[quarter], price)
        for quarter, price in values.items()
        if known.get(quarter, price) != price
    }
    kept = {} if said.reason else others
    new = {
        str(quarter): f"{price:f}"
        for quarter, price in values.items()
        if known.get(quarter) != price and quarter not in kept
    }
    if new:
        batch = db.insert(
            "INSERT INTO series_batch (series_id, at, by, reason) VALUES (?, ?, ?, ?) RETURNING id",
            (number, *said),
        )
        db.execute(
            "INSERT INTO series_value (series_id, quarter, batch_id, price)"
            " SELECT ?, CAST(one.key AS INTEGER), ?, one.value FROM json_each(?) AS one",
            (number, batch, json.dumps(new)),
        )
        first, last = min(map(int, new)), max(map(int, new))
        # The mean of a month concerns all its sessions.
        if any(moving.is_average for moving in _moving(db)):
            first, last = first - MONTH_QUARTERS, last + MONTH_QUARTERS
        price_again(db, touched(db.rows, first, last))
    return AddedPrices(len(new), len(values) - len(new) - len(kept), kept)


def keep_fetch(db: UnitOfWork, number: int, failure: str | None, day: date | None, at: str) -> None:
    """Keep what an attempt to fetch a series lacked, and the day whose prices people miss; record
    when that begins and ends."""
    ((name, before, since),) = db.rows(
        "SELECT name, missing, since FROM series LEFT JOIN series_fetch ON series_id = id"
        " WHERE id = ?",
        (number,),
    )
    missing = None if day is None else str(day)
    db.execute(
        "INSERT INTO series_fetch (series_id, tried_at, failure, missing, since)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (series_id) DO UPDATE"
        " SET tried_at = excluded.tried_at, failure = excluded.failure,"
        " missing = excluded.missing, since = excluded.since",
        (number, at, stored(failure), missing, missing and (since or at)),
    )
    if missing and not before:
        fact = PricesMissing(charger=None, at=at, series=name, day=missing, why=failure or "")
        db.record(fact)
    elif before and not missing:
        db.record(PricesBack(charger=None, at=at, series=name))
