"""Energy and its cost by local days or months: of the site, of each charger, of each account.

A transaction counts in the period in which it ended, with its judged figure, as bills count it;
open ones count in none. So the transactions that ended within a period are the proof of its
figures, and add up to them.

All ended transactions count, as the list of transactions shows them: those of chargers that were
retired since, and imported ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.records import in_order, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import WhereCondition, and_all, given

_ENERGY: Final = (
    "SELECT coalesce(sum(energy_delivered), 0) "
    "FROM tx INDEXED BY tx_ended "
    "WHERE stop_time >= ? AND stop_time < ?"
)
_OF_PERIOD: Final = (
    "SELECT {}, coalesce(sum(energy_delivered), 0), count(*), "
    "count(*) FILTER (WHERE confidence = 'doubtful') "
    "FROM tx INDEXED BY tx_ended{} "
    "WHERE stop_time >= ? AND stop_time < ?{} GROUP BY 1"
)
_OWNED: Final = " CROSS JOIN booked ON tx_id = tx.id"


class EndedTotals(NamedTuple):
    """The transactions that ended in a stretch of time: energy in Wh, how many, and how many have a
    doubtful figure."""

    wh: int
    transactions: int
    doubtful: int


NOTHING: Final = EndedTotals(0, 0, 0)


class Grouping(StrEnum):
    """The subjects that figures are grouped by."""

    SITE = "site"
    CHARGER = "charger"
    ACCOUNT = "account"


@record
class Period:
    """A local day (2026-11-21) or month (2026-11), and its beginning and end."""

    name: str
    since: str
    before: str


@record
class Figures:
    """What ended in a period: the energy, how many sessions, and how many of these have a doubtful
    figure.

    Where costs are asked for, `amount` is what these sessions cost, with tax, in minor units,
    without base fees; `unbilled` is what of it is on no closed statement yet.
    """

    energy_wh: int
    sessions: int
    doubtful: int
    amount: int | None = None
    unbilled: int | None = None


@record
class Series:
    """The figures of the site, of a charger or of an account, in the order of the periods.

    `number` says which of all chargers or accounts it is, in the order in which they came, 0 for
    the site and for nobody: pictures colour it by that. A series by account without one is of the
    sessions of nobody; imported ones of nobody are left out, as they are in the list of these.
    """

    charger: str | None
    account: int | None
    name: str | None
    number: int
    total: Figures
    figures: list[Figures]


@record
class History:
    """Energy by period.

    The transactions that a figure consists of are listed by ended_since and ended_before: by
    /api/admin/transactions, there with the charger, by /api/admin/accounts/ID/transactions, and
    those of nobody by /api/admin/unowned-transactions.
    """

    by: str
    of: str
    time_zone: str
    periods: list[Period]
    series: list[Series]
    currency: str | None = None
    """The currency of the amounts: sessions with a price in another one are among those without
    one."""
    without_price: int | None = None
    """How many of the sessions have no price: in doubt, of nobody, without a tariff, or billed
    elsewhere."""
    open_wh: int = 0
    """What sessions that are open have delivered so far: it counts in the period in which they
    end."""
    left_out_wh: int = 0
    """By account, the imported sessions of nobody."""
    left: int = 0
    """How many sessions have still to be priced. Until they are, there are no amounts: ask
    again."""


class WantedSeries(NamedTuple):
    """The series that are wanted: of the site, of each charger, or of each account; and which
    sessions count (None: all)."""

    of: Grouping
    charger: str | None = None
    account: int | None = None


KEYS: Final[Mapping[Grouping, str]] = {
    Grouping.SITE: "NULL",
    Grouping.CHARGER: "cp_id",
    Grouping.ACCOUNT: "account_id",
}
"""The expressions by which the transactions of a series are grouped."""
Key = str | int | None
"""A charger, an account, or None for the site or for nobody."""


def series(db: Database, wanted: WantedSeries, periods: Sequence[Period]) -> list[Series]:
    """Return the series in the order of chargers, or of the names of accounts, with that of nobody
    last.

    That of the site, and those of a charger or account that is named, are there without any session
    too.
    """
    named = {
        Grouping.SITE: None,
        Grouping.CHARGER: wanted.charger,
        Grouping.ACCOUNT: wanted.account,
    }[wanted.of]
    found = dict[Key, list[EndedTotals]]()
    if periods and (wanted.of is Grouping.SITE or named is not None):
        found[named] = [NOTHING] * len(periods)
    is_owned = wanted.of is Grouping.ACCOUNT or wanted.account is not None
    conditions = given(("tx.cp_id = ?", wanted.charger), ("account_id = ?", wanted.account))
    if is_owned:
        conditions.append(WhereCondition("(account_id IS NOT NULL OR imported_id IS NULL)"))
    more, values = and_all(conditions)
    key = KEYS[wanted.of].replace("cp_id", "tx.cp_id")
    sql = _OF_PERIOD.format(key, _OWNED if is_owned else "", more)
    for place, period in enumerate(periods):
        for owner, *sums in db.execute(sql, (period.since, period.before, *values)).fetchall():
            found.setdefault(owner, [NOTHING] * len(periods))[place] = EndedTotals(*sums)
    return _named(db, wanted.of, found)


def _named(
    db: Database, grouping: Grouping, series: Mapping[Key, Sequence[EndedTotals]]
) -> list[Series]:
    """Return the series with the names of their chargers or accounts, in the order of these; nobody
    comes last."""
    found = [] if grouping is Grouping.SITE else db.execute(_KNOWN[grouping]).fetchall()
    known: dict[Key, tuple[str | None, int]] = {key: (name, number) for key, name, number in found}
    ordered = sorted(
        series, key=lambda one: (one is None, in_order(known.get(one, (None, 0))[0] or str(one)))
    )
    return [_series(series[one], one, *known.get(one, (None, 0))) for one in ordered]


_KNOWN: Final[Mapping[Grouping, str]] = {
    Grouping.CHARGER: "SELECT id, name, row_number() OVER (ORDER BY created_at, id) FROM cp",
    Grouping.ACCOUNT: "SELECT id, name, id FROM account",
}


def _series(ended: Sequence[EndedTotals], key: Key, name: str | None, number: int) -> Series:
    return Series(
        charger=key if isinstance(key, str) else None,
        account=key if isinstance(key, int) else None,
        name=name,
        number=number,
        total=_figures(EndedTotals(*map(sum, zip(*ended, strict=True)))),
        figures=[_figures(one) for one in ended],
    )


def _figures(one: EndedTotals) -> Figures:
    return Figures(energy_wh=one.wh, sessions=one.transactions, doubtful=one.doubtful)


def delivered_wh(db: Database, since: str, before: str) -> int:
    """Return the energy of what ended in a stretch of time at the site."""
    return int(db.execute(_ENERGY, (since, before)).fetchone()[0])
