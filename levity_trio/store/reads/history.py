"""Energy and its cost by local days or months: of the site, of each charger, of each account.

A transaction counts in the period in which it ended, with its judged figure, as bills count it; open ones count in
none. So the transactions that ended within a period are the proof of its figures, and add up to them.

All ended transactions count, as the list of transactions shows them: those of chargers that were retired since, and
imported ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from levity_trio.records import in_order, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.owned import OwnershipRule

_SUMS: Final = "coalesce(sum(energy_delivered), 0), count(*), count(*) FILTER (WHERE confidence = 'doubtful')"
_OF_SITE: Final = (
    f"SELECT {_SUMS}"  # noqa: S608 - our own words
    " FROM tx INDEXED BY tx_ended WHERE stop_time >= ? AND stop_time < ?"
)
_ENERGY: Final = (
    "SELECT coalesce(sum(energy_delivered), 0) FROM tx INDEXED BY tx_ended WHERE stop_time >= ? AND stop_time < ?"
)
_OF_CHARGER: Final = _OF_SITE.replace("tx_ended WHERE", "tx_by_end WHERE cp_id = ? AND")
_BY_CHARGER: Final = _OF_SITE.replace("SELECT ", "SELECT cp_id, ") + " GROUP BY cp_id"


class Ended(NamedTuple):
    """The transactions that ended in a stretch of time: energy in Wh, how many, and how many have a doubtful figure."""

    wh: int
    transactions: int
    doubtful: int

    def with_one(self, other: Ended) -> Ended:
        """Return the sums of both."""
        return Ended(self.wh + other.wh, self.transactions + other.transactions, self.doubtful + other.doubtful)


NOTHING: Final = Ended(0, 0, 0)
_ENDED: Final = (
    "SELECT stop_time, energy_delivered, confidence = 'doubtful', imported_id IS NOT NULL, account_id, id_tag, cp_id,"
    " conn_id, start_time FROM tx INDEXED BY tx_ended LEFT JOIN tx_account ON tx_id = tx.id"
    " WHERE stop_time >= ? AND stop_time < ?"
)


class Grouping(StrEnum):
    """Whose figures."""

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
    """What ended in a period: the energy, how many sessions, and how many of these have a doubtful figure.

    Where costs are asked for, `amount` is what these sessions cost, with tax, in minor units, without base fees;
    `unbilled` is what of it is on no closed statement yet.
    """

    energy_wh: int
    sessions: int
    doubtful: int
    amount: int | None = None
    unbilled: int | None = None


@record
class Series:
    """The figures of the site, of a charger or of an account, in the order of the periods.

    `number` says which of all chargers or accounts it is, in the order in which they came, 0 for the site and for
    nobody: pictures colour it by that.
    A series by account without one is of the sessions of nobody; imported ones of nobody are left out, as they are in
    the list of these.
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
    /api/admin/transactions, there with the charger, by /api/admin/accounts/ID/transactions, and those of nobody by
    /api/admin/unowned-transactions.
    """

    by: str
    of: str
    time_zone: str
    periods: list[Period]
    series: list[Series]
    currency: str | None = None
    """Of the amounts: sessions with a price in another one are among those without one."""
    without_price: int | None = None
    """How many of the sessions have no price: in doubt, of nobody, without a tariff, or billed elsewhere."""
    left: int = 0
    """How many sessions have still to be priced. Until they are, there are no amounts: ask again."""


class Wanted(NamedTuple):
    """Which series: of the site, of each charger, or of each account; and which sessions count (None: all)."""

    of: Grouping
    charger: str | None = None
    account: int | None = None


def series(db: Database, wanted: Wanted, periods: Sequence[Period], rule: OwnershipRule) -> list[Series]:
    """Return the series in the order of chargers, or of the names of accounts, with that of nobody last.

    That of the site, and those of a charger or account that is named, are there without any session too.
    """
    db.execute("BEGIN")
    if not periods:
        return []
    if wanted.of is Grouping.ACCOUNT or wanted.account is not None:
        found = _by_owner(db, wanted, periods, rule)
    elif wanted.of is Grouping.SITE or wanted.charger is not None:
        key = None if wanted.of is Grouping.SITE else wanted.charger
        found = {key: ended_between(db, _times(periods), wanted.charger)}
    else:
        found = _by_charger(db, periods)
    return _named(db, wanted.of, found)


Key = str | int | None
"""A charger, an account, or None for the site or for nobody."""


def key_of(grouping: Grouping, charger: str, account: int | None) -> Key:
    """Return whose series a session is in."""
    if grouping is Grouping.SITE:
        return None
    return charger if grouping is Grouping.CHARGER else account


def _by_charger(db: Database, periods: Sequence[Period]) -> dict[Key, list[Ended]]:
    found = [ended_by_charger(db, one.since, one.before) for one in periods]
    known = {one for by_charger in found for one in by_charger}
    return {one: [by_charger.get(one, NOTHING) for by_charger in found] for one in known}


def _by_owner(db: Database, wanted: Wanted, periods: Sequence[Period], rule: OwnershipRule) -> dict[Key, list[Ended]]:
    """Return the figures of what belongs to accounts: of each account, or what is wanted of one."""
    begins = [one.since for one in periods]
    named = {Grouping.SITE: None, Grouping.CHARGER: wanted.charger, Grouping.ACCOUNT: wanted.account}[wanted.of]
    is_there = wanted.of is Grouping.SITE or named is not None
    series: dict[Key, list[Ended]] = {named: [NOTHING] * len(periods)} if is_there else {}
    for owner, charger, at, one in _owned(db, periods, rule):
        if wanted.account in (None, owner) and wanted.charger in (None, charger):
            figures = series.setdefault(key_of(wanted.of, charger, owner), [NOTHING] * len(periods))
            place = bisect_right(begins, at) - 1
            figures[place] = figures[place].with_one(one)
    return series


def _owned(
    db: Database, periods: Sequence[Period], rule: OwnershipRule
) -> Iterator[tuple[int | None, str, str, Ended]]:
    """Yield each session that ended: the account to which it belongs, its charger, when it ended, and its figures."""
    owners = rule.owners(db)
    rows = db.execute(_ENDED, (periods[0].since, periods[-1].before)).fetchall()
    for at, wh, is_doubtful, is_imported, by_hand, tag, charger, connector, start in rows:
        owner = owners.account(tag, charger, connector, start) if by_hand is None else by_hand
        if owner is not None or not is_imported:
            yield owner, charger, at, Ended(wh, 1, is_doubtful)


def _named(db: Database, grouping: Grouping, series: Mapping[Key, Sequence[Ended]]) -> list[Series]:
    """Return the series with the names of their chargers or accounts, in the order of these; nobody comes last."""
    found = [] if grouping is Grouping.SITE else db.execute(_KNOWN[grouping]).fetchall()
    known: dict[Key, tuple[str | None, int]] = {key: (name, number) for key, name, number in found}
    ordered = sorted(series, key=lambda one: (one is None, in_order(known.get(one, (None, 0))[0] or str(one))))
    return [_series(series[one], one, *known.get(one, (None, 0))) for one in ordered]


_KNOWN: Final[Mapping[Grouping, str]] = {
    Grouping.CHARGER: "SELECT id, name, row_number() OVER (ORDER BY created_at, id) FROM cp",
    Grouping.ACCOUNT: "SELECT id, name, id FROM account",
}


def _series(ended: Sequence[Ended], key: Key, name: str | None, number: int) -> Series:
    return Series(
        charger=key if isinstance(key, str) else None,
        account=key if isinstance(key, int) else None,
        name=name,
        number=number,
        total=_figures(Ended(*map(sum, zip(*ended, strict=True)))),
        figures=[_figures(one) for one in ended],
    )


def _times(periods: Sequence[Period]) -> list[str]:
    return [*(one.since for one in periods), periods[-1].before]


def _figures(one: Ended) -> Figures:
    return Figures(energy_wh=one.wh, sessions=one.transactions, doubtful=one.doubtful)


def ended(db: Database, since: str, before: str, charger: str | None = None) -> Ended:
    """Return what ended in a stretch of time, at all chargers or at one. Times in the database's format."""
    sql, values = (_OF_SITE, (since, before)) if charger is None else (_OF_CHARGER, (charger, since, before))
    return Ended(*db.execute(sql, values).fetchone())


def delivered_wh(db: Database, since: str, before: str) -> int:
    """Return the energy of what ended in a stretch of time at the site."""
    return int(db.execute(_ENERGY, (since, before)).fetchone()[0])


def ended_between(db: Database, times: Sequence[str], charger: str | None = None) -> list[Ended]:
    """Return what ended from each of these times to the next."""
    return [ended(db, since, before, charger) for since, before in pairwise(times)]


def ended_by_charger(db: Database, since: str, before: str) -> dict[str, Ended]:
    """Return what ended in a stretch of time, by charger; one at which nothing ended is left out."""
    found = db.execute(_BY_CHARGER, (since, before)).fetchall()
    return {charger: Ended(*sums) for charger, *sums in found}
