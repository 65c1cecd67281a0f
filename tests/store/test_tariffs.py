"""Tariffs in the database: versions, for whom they hold, and that nothing changes a closed
month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from levity_trio.billing.assignments import SITE, Scope, TariffTarget
from levity_trio.billing.examples import DAY_AND_NIGHT, FLAT
from levity_trio.billing.tariff import NoVersion
from levity_trio.billing.tariff_file import parse
from levity_trio.events import TariffAssigned, TariffChanged
from levity_trio.store.billing.tariffs import Tariffs, first_open_day
from levity_trio.store.reads.money import tariffs as reads
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.writes.money import tariffs as writes
from levity_trio.store.writes.money.tariffs import Assigning, GivenVersion
from levity_trio.store.writes.people import accounts
from levity_trio.store.writes.people.accounts import (
    AccountData,
    ChangeRefused,
    ChangeResult,
    RefusalCode,
)
from levity_trio.store.writes.people.ownership import Said
from levity_trio.web.api.engine.lists import begins_at
from tests.store.books import Books, Station
from tests.store.reading import reading

ANNA = TariffTarget(Scope.ACCOUNT, "1")
CHARGER = TariffTarget(Scope.CHARGER, "CP-1")
BERLIN = ZoneInfo("Europe/Berlin")
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)


def flat(since: str = "2026-10-01", price: str = "0.32", **changes: str) -> str:
    text = FLAT.replace("2026-10-01", since).replace("0.32", price)
    for before, after in changes.items():
        text = text.replace(before, after)
    return text


class Site:
    """A site whose account 1 is Anna's."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.first_open: date | None = None
        self.run_account("2026-01-01T00:00:00.000Z")

    def run_account(self, since: str, until: str | None = None) -> int:
        data = AccountData(name=f"Flat {since}", since=since, until=until)
        return self.books.run(accounts.add, data, self.books.at, "cleo")

    def said(self, reason: str | None = None) -> Said:
        return Said(self.books.at, "cleo", reason)

    def add(self, text: str) -> ChangeResult:
        return self.books.run(
            writes.add, GivenVersion(text, parse(text)), self.first_open, self.said("new")
        )

    def withdraw(self, tariff: int, since: date) -> None:
        self.books.run(writes.withdraw, tariff, since, self.first_open, self.said("wrong"))

    def assign(
        self, tariff: int | None, target: TariffTarget = SITE, since: date = OCTOBER
    ) -> ChangeResult:
        wanted = Assigning(target, tariff, since, begins_at(since, BERLIN))
        return self.books.run(writes.assign, wanted, self.first_open, self.said())

    @property
    def tariffs(self) -> Tariffs:
        return Tariffs(lambda sql, values: self.books.rows(sql, *values))

    def price(self, account: int | None, charger: str, day: date) -> str | None:
        versions = self.tariffs.of(account, charger, day)
        return None if versions is None else str(versions.version_at(day).windows[0].price)


@pytest.fixture
def site(books: Books, station: Station) -> Site:
    del station  # a charger must have connected before it gets a tariff
    return Site(books)


def refused(change: Any, *arguments: object) -> ChangeRefused:
    with pytest.raises(ChangeRefused) as caught:
        change(*arguments)
    return caught.value


# Versions


def test_versions_follow_each_other_and_an_equal_one_changes_nothing(site: Site) -> None:
    assert site.add(flat()) == ChangeResult(1, "added")
    assert site.add(flat()) == ChangeResult(1, "same")
    assert site.add(flat("2026-11-01", "0.40")) == ChangeResult(1, "added")
    site.assign(1)
    assert [site.price(None, "CP-1", day) for day in (OCTOBER, date(2026, 10, 31), NOVEMBER)] == [
        "0.32",
        "0.32",
        "0.40",
    ]
    told = [
        (fact.tariff, fact.version, fact.change, fact.since)
        for fact in site.books.recorded(TariffChanged)
    ]
    assert told == [(1, 1, "added", "2026-10-01"), (1, 2, "added", "2026-11-01")]
    assert "Flat" not in str(site.books.rows("SELECT data FROM event WHERE kind LIKE 'Tariff%'"))


def test_the_text_is_kept_as_it_was_given(site: Site) -> None:
    text = "# Größe \u202e <b>\r\n" + flat()
    site.add(text)
    with reading(site.books) as db:
        found = reads.tariff(db, 1, NOVEMBER)
    assert found is not None
    _, (version,), _ = found
    assert (version.toml, version.digest) == (text, writes.digest_of(text))
    assert (version.reason, version.added_by) == ("new", "cleo")


def test_another_text_of_a_day_is_refused_until_the_first_is_withdrawn(site: Site) -> None:
    """Two operators at once: the second one is told of the first."""
    site.add(flat())
    found = refused(site.add, flat(price="0.23"))
    assert (found.code, found.field) == (RefusalCode.IN_USE, "valid_from")
    assert found.words.endswith("withdraw that one first, or choose another day")
    site.withdraw(1, OCTOBER)
    assert site.add(flat(price="0.23")) == ChangeResult(1, "added")
    site.assign(1)
    assert site.price(None, "CP-1", OCTOBER) == "0.23"
    assert refused(site.withdraw, 1, NOVEMBER).code == RefusalCode.NOT_FOUND
    assert refused(site.withdraw, 2, OCTOBER).words == "there is no tariff 2"
    assert site.books.rows(
        "SELECT withdrawn_by, withdraw_reason FROM tariff_version ORDER BY id"
    ) == [
        ("cleo", "wrong"),
        (None,) * 2,
    ]


def test_a_name_in_other_letters_is_the_same_tariff(site: Site) -> None:
    site.add(flat())
    assert site.add(flat("2026-11-01", **{'"Flat"': '"FLAT"'})) == ChangeResult(1, "added")
    versions = site.tariffs.versions(1)
    assert versions is not None
    assert {one.name for one in versions} == {"Flat"}


def test_currency_and_kind_of_prices_are_of_one_kind(site: Site) -> None:
    site.add(flat())
    found = refused(site.add, DAY_AND_NIGHT.replace("EUR", "CAD"))
    assert (found.code, found.field) == (RefusalCode.CONFLICT, "currency")
    assert found.words.startswith("Flat has prices in EUR")
    assert refused(site.add, flat("2026-11-01", gross="net")).field == "prices"
    site.withdraw(1, OCTOBER)
    # the slip is mended
    assert site.add(flat(gross="net", EUR="CAD", Flat="FLAT")) == ChangeResult(1, "added")
    assert site.books.rows("SELECT name, currency, prices FROM tariff") == [("FLAT", "CAD", "net")]
    assert refused(site.add, DAY_AND_NIGHT).field == "currency"


# For whom


def test_an_account_goes_before_its_charger_and_that_before_the_site(site: Site) -> None:
    for place, name in enumerate(("Site", "Charger", "Anna"), 1):
        site.add(flat(price=f"0.{place}", Flat=name))
    site.assign(1)
    assert site.assign(1) == ChangeResult(1, "same")
    site.assign(2, CHARGER)
    site.assign(3, ANNA, NOVEMBER)
    site.assign(None, CHARGER, date(2026, 12, 1))
    charging = [site.price(1, "CP-1", day) for day in (OCTOBER, NOVEMBER, date(2026, 12, 5))]
    assert charging == ["0.2", "0.3", "0.3"]
    assert [site.price(None, "CP-1", day) for day in (OCTOBER, date(2026, 12, 5))] == ["0.2", "0.1"]
    assert (site.price(None, "CP-2", OCTOBER), site.price(1, "CP-1", date(2026, 9, 30))) == (
        "0.1",
        None,
    )
    assert [
        site.tariffs.of_account(1, day) is not None for day in (date(2026, 9, 30), OCTOBER)
    ] == [False, True]
    found = site.tariffs.assigned(1, "CP-1", date(2026, 11, 20))
    assert found is not None
    assert (found.target, found.since, found.tariff, found.by) == (ANNA, NOVEMBER, 3, "cleo")
    told = [
        (fact.scope, fact.key, fact.tariff, fact.since)
        for fact in site.books.recorded(TariffAssigned)
    ]
    assert told[1:] == [
        ("charger", "CP-1", 2, "2026-10-01"),
        ("account", "1", 3, "2026-11-01"),
        ("charger", "CP-1", None, "2026-12-01"),
    ]


def test_the_newest_row_of_a_day_counts_and_both_are_listed(site: Site) -> None:
    for name in ("Flat", "Other"):
        site.add(flat(price="0.5" if name == "Other" else "0.3", Flat=name))
    site.assign(1)
    site.assign(1, since=NOVEMBER)
    site.assign(2)
    assert site.assign(2).word == "same"
    assert (site.price(None, "CP-1", OCTOBER), site.price(None, "CP-1", NOVEMBER)) == ("0.5", "0.3")
    with reading(site.books) as db:
        page = reads.assignments(db, [SITE], None, WantedPage())
        of_flat = reads.assignments(db, [], 1, WantedPage(limit=1))
        assert reads.assignments(db, [SITE, ANNA], None, WantedPage()).total == 0
    shown = [(one.tariff_name, one.since, one.until, one.is_replaced) for one in page.data]
    assert shown == [
        ("Other", "2026-10-01", "2026-11-01", False),
        ("Flat", "2026-11-01", None, False),
        ("Flat", "2026-10-01", "2026-11-01", True),
    ]
    assert (of_flat.total, of_flat.next_cursor is not None) == (2, True)


def test_a_version_from_a_past_day_holds_for_an_open_session(site: Site) -> None:
    site.add(flat("2026-01-01"))
    site.assign(1, since=date(2026, 1, 1))
    Station(site.books, "CP-2").start()
    site.add(flat("2026-02-01", "0.40"))
    assert site.price(None, "CP-2", site.books.now.date()) == "0.40"


def test_no_other_tariff_steps_in_for_one_without_version(site: Site) -> None:
    site.add(flat())
    site.add(DAY_AND_NIGHT)
    site.assign(1)
    site.assign(2, ANNA)
    site.withdraw(2, OCTOBER)
    assert site.tariffs.of(1, "CP-1", OCTOBER) is None
    site.add(DAY_AND_NIGHT.replace("2026-10-01", "2026-11-01"))
    versions = site.tariffs.of(1, "CP-1", OCTOBER)
    assert versions is not None
    with pytest.raises(NoVersion):
        versions.version_at(OCTOBER)


def test_what_cannot_be_assigned(site: Site) -> None:
    assert refused(site.assign, 1).words == "there is no tariff 1"
    site.add(flat())
    found = refused(site.assign, 1, SITE, date(2026, 9, 30))
    assert (found.code, found.field) == (RefusalCode.CONFLICT, "since")
    assert (
        refused(site.assign, 1, TariffTarget(Scope.ACCOUNT, "9")).words == "there is no household 9"
    )
    assert refused(site.assign, 1, TariffTarget(Scope.CHARGER, "CP-9")).field == "charger"
    site.withdraw(1, OCTOBER)
    assert refused(site.assign, 1).words == "all versions of Flat were withdrawn; add one first"
    assert site.books.count("tariff_assignment") == 0


def test_a_closed_account_gets_no_tariff_for_later(site: Site) -> None:
    site.add(flat())
    midnight = begins_at(NOVEMBER, BERLIN)
    closed = TariffTarget(
        Scope.ACCOUNT, str(site.run_account("2026-02-01T00:00:00.000Z", midnight))
    )
    assert site.assign(1, closed, date(2026, 10, 31)).word == "added"
    assert (
        "was closed at 2026-10-31T23:00:00.000Z" in refused(site.assign, 1, closed, NOVEMBER).words
    )
    assert site.assign(None, closed, NOVEMBER).word == "added"


def test_which_tariff_holds_and_why(site: Site) -> None:
    site.add(flat())
    site.assign(1, ANNA)
    with reading(site.books) as db:
        found = reads.in_force(db, 1, "CP-1", NOVEMBER)
        nothing = reads.in_force(db, None, "CP-1", NOVEMBER)
        with pytest.raises(reads.UnknownTarget, match="account 9"):
            reads.in_force(db, 9, None, NOVEMBER)
        with pytest.raises(reads.UnknownTarget, match="charger CP-9"):
            reads.in_force(db, 1, "CP-9", NOVEMBER)
    assert (found.tariff, found.tariff_name, found.version) == (1, "Flat", "2026-10-01")
    assert found.assignment is not None
    assert (found.assignment.account, found.assignment.account_name) == (
        1,
        "Flat 2026-01-01T00:00:00.000Z",
    )
    assert (nothing.tariff, nothing.assignment) == (None, None)
    site.withdraw(1, OCTOBER)
    for text in (None, flat("2026-11-02")):
        if text is not None:
            site.add(text)
        with reading(site.books) as db:
            assert reads.in_force(db, 1, None, NOVEMBER).version is None


# Closed months


def test_nothing_changes_a_closed_month(site: Site) -> None:
    site.add(flat())
    site.add(flat("2026-11-01", "0.40"))
    site.assign(1)
    site.first_open = NOVEMBER
    before = site.books.rows("SELECT * FROM event")
    assert site.add(flat()) == ChangeResult(1, "same")
    assert site.assign(1) == ChangeResult(1, "same")
    found = refused(site.add, flat("2026-10-31"))
    assert (found.field, "before 2026-11-01 are closed" in found.words) == ("valid_from", True)
    assert refused(site.add, flat(price="0.23")).words.endswith("choose 2026-11-01 or a later day")
    assert refused(site.withdraw, 1, OCTOBER).words.endswith(
        "add a version from 2026-11-01 on instead"
    )
    assert refused(site.assign, None, SITE, date(2026, 10, 31)).field == "since"
    assert site.books.rows("SELECT * FROM event") == before
    site.withdraw(1, NOVEMBER)
    site.add(flat("2026-11-01", "0.41"))
    site.assign(None, SITE, NOVEMBER)


def test_a_version_that_a_closed_month_may_have_used_says_so(site: Site) -> None:
    site.add(flat())
    site.add(flat("2026-11-01", "0.40"))
    assert used(site) == {"2026-10-01": False, "2026-11-01": False}
    of_closing = (
        "month, account_id, terms, statements, previous_digest, digest, closed_at, closed_by"
    )
    add = site.books.connection.execute
    add("INSERT INTO billing (id, begun_on, begun_at, begun_by) VALUES (1, '2026-10-01', '', '')")
    add(f"INSERT INTO closing ({of_closing}) VALUES ('2026-10', 1, '{{}}', 1, '', 'a', '', '')")
    assert used(site) == {"2026-10-01": False, "2026-11-01": False}, "only one account was closed"
    add(f"INSERT INTO closing ({of_closing}) VALUES ('2026-10', NULL, '{{}}', 1, '', 'b', '', '')")
    assert used(site) == {"2026-10-01": True, "2026-11-01": False}
    assert first_open_day(lambda sql, values: site.books.rows(sql, *values)) == NOVEMBER


def used(site: Site) -> dict[str, bool]:
    with reading(site.books) as db:
        found = reads.tariff(db, 1, NOVEMBER)
        assert reads.tariff(db, 2, NOVEMBER) is None
    assert found is not None
    return {one.since: one.is_used for one in found[1]}


# Days and many


def test_a_day_that_the_zone_skips(site: Site) -> None:
    """Samoa went from 29 to 31 December 2011; the day between never is a local day."""
    skipped, after = date(2011, 12, 30), date(2011, 12, 31)
    apia = ZoneInfo("Pacific/Apia")
    assert begins_at(skipped, apia) == begins_at(after, apia) == "2011-12-30T10:00:00.000Z"
    site.add(flat("2011-12-01"))
    site.add(flat("2011-12-30", "0.40"))
    site.assign(1, since=skipped)
    assert [site.price(None, "CP-1", day) for day in (date(2011, 12, 29), skipped, after)] == [
        None,
        "0.40",
        "0.40",
    ]
    site.add(flat("2011-12-31", "0.41"))
    assert site.price(None, "CP-1", after) == "0.41"


def test_a_hundred_sessions_cost_no_query_each(site: Site) -> None:
    site.add(flat())
    site.assign(1)
    site.assign(1, ANNA)
    asked: list[str] = []

    def rows(sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        asked.append(sql)
        return site.books.rows(sql, *values)

    known = Tariffs(rows)
    for _ in range(100):
        assert known.of(1, "CP-1", NOVEMBER) is known.of(None, "CP-1", NOVEMBER)
        known.of_account(1, OCTOBER)
    # the account's, the charger's and the site's assignments, and the versions of one tariff
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("day", "says", "next_since", "next_says"),
    [
        ("2026-09-30", None, "2026-10-01", "0.32 EUR per kWh"),
        ("2026-10-01", "0.32 EUR per kWh", "2026-12-01", "0.41 EUR per kWh"),
        ("2026-11-30", "0.32 EUR per kWh", "2026-12-01", "0.41 EUR per kWh"),
        ("2026-12-01", "0.41 EUR per kWh", None, None),
    ],
)
def test_a_tariff_says_what_holds_and_what_comes(
    site: Site, day: str, says: str | None, next_since: str | None, next_says: str | None
) -> None:
    site.add(flat())
    site.add(flat("2026-11-01", "0.99"))
    site.withdraw(1, NOVEMBER)
    site.add(flat("2026-12-01", "0.41"))
    with reading(site.books) as db:
        (found,) = reads.tariffs(db, None, date.fromisoformat(day), WantedPage()).data
    assert (found.says, found.next_since, found.next_says) == (says, next_since, next_says)
