"""A year of bills: its sums, its file of bookings, all statements and the ledger are equal to the
cent."""

from __future__ import annotations

import csv
from codecs import BOM_UTF8
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO
from random import Random
from typing import Any

import pytest

from levity_trio.billing.ledger import LedgerKind
from levity_trio.billing.money import tax_sums
from levity_trio.documents.csv_file import csv_text
from levity_trio.documents.statement_sheet import statement_sheet
from levity_trio.documents.template import ENGLISH
from levity_trio.locale import speaking
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.listeners import ENDPOINTS
from tests.store.bills import FLAT, charge, correct
from tests.store.books import Station
from tests.store.test_charges import Charging
from tests.store.wallets import ANNA, BEN
from tests.web.api.conftest import Site

YEAR = next(one for one in ENDPOINTS if one.path == "/api/admin/years/{year}")
AMOUNTS = ("net", "tax", "gross", "energy_wh", "paid", "corrected", "open")
BY = ("invoice", "energy")
WAITING = (
    "SELECT coalesce(sum(amount), 0) FROM ledger WHERE kind IN ('charge', 'correction') "
    "AND tx_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM position WHERE "
    "position.tx_id = ledger.tx_id AND position.account_id = ledger.account_id "
    "AND kind IN ('session', 'free'))"
)
"""What wallets paid for sessions that no statement has yet: they came to be in doubt."""


class Owner:
    """An owner with a household that pays in advance, and one that does not, from March 2026 on."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.books = site.books
        self.charging = Charging(site.books)
        self.biller = self.charging.biller
        self.station = Station(site.books)

    def over(self, month: int) -> None:
        """Wait until a month of the year is over and can be closed."""
        after = datetime(2026 + month // 12, month % 12 + 1, 2, 9, tzinfo=UTC)
        self.books.now = max(self.books.now, after)
        self.books.settle()
        self.charging.look()

    def close(self, month: int) -> None:
        self.over(month)
        self.biller.close(f"2026-{month:02}")

    def enter(self, kind: LedgerKind, amount: int, account: int, **given: Any) -> None:
        self.charging.enter(kind, amount, account, **given)

    def is_no_business(self) -> None:
        """Bill without tax from now on."""
        self.books.connection.execute(
            "INSERT INTO biller (name, tax_kind, number_prefix, payment_days, set_at, set_by) "
            "VALUES ('Owner', 'no business', 'HV-', 14, '', 'cleo')"
        )
        untaxed = FLAT.replace("tax = 19", "tax = 0").replace("Flat", "Shared")
        self.biller.assign(self.biller.add(untaxed), date(2026, 3, 1), BEN)

    async def year(self, year: int = 2026, by: str = "invoice") -> Any:
        return await self.site.call(YEAR, year=str(year), query={"by": by}, role=Role.OPERATOR)

    async def bookings(
        self, year: int = 2026, by: str = "invoice", language: str = "en"
    ) -> list[dict[str, str]]:
        query = {"format": "csv", "by": by}
        with speaking(language):
            reply = await self.site.ask(YEAR, year=str(year), query=query)
        text = reply.body.decode("utf-8-sig")
        assert reply.body.startswith(BOM_UTF8) == (language == "de")
        return list(csv.DictReader(StringIO(text), delimiter=";" if language == "de" else ","))


@pytest.fixture
def owner(site: Site) -> Owner:
    return Owner(site)


def cents(text: str) -> int:
    return int(Decimal(text or "0") * 100)


def play(owner: Owner, random: Random) -> None:
    """Let months pass with sessions, other prices and taxes, corrections and money."""
    biller, books = owner.biller, owner.books
    prices = random.choice(("gross", "net"))
    flat = FLAT.replace('prices = "gross"', f'prices = "{prices}"').replace("Flat", "Other")
    base = flat.replace("Other", "Base").replace("tax = 19", "tax = 19\nbase_fee = 3.33")
    biller.assign(biller.add(base), date(2026, 3, 1), BEN)
    seven = flat.replace("Other", "Seven").replace("tax = 19", "tax = 7")
    other = biller.add(seven)
    sessions: list[int] = []
    for month in range(3, 13):
        books.now = max(books.now, datetime(2026, month, 3, 9, tzinfo=UTC))
        if month == 6:
            biller.assign(other, date(2026, 6, 15), random.choice((ANNA, BEN)))
        for day in (4, 20):
            books.now = max(books.now, datetime(2026, month, day, 9, tzinfo=UTC))
            for tag in random.sample(("Card", "Other"), random.randint(0, 2)):
                sessions.append(charge(owner.station, random.randint(50, 6999), tag))
                owner.charging.look()
        account = random.choice((ANNA, BEN))
        paid_on = f"2026-{month:02}-{random.randint(10, 20)}"
        if random.random() < 0.7:
            kind = LedgerKind.TOP_UP if account == ANNA else LedgerKind.PAYMENT
            owner.enter(kind, random.randint(1, 2000), account, paid_on=paid_on)
        if random.random() < 0.2:
            owner.enter(LedgerKind.CHARGEBACK, -random.randint(1, 99), account, paid_on=paid_on)
        if random.random() < 0.2:
            owner.enter(LedgerKind.CORRECTION, random.choice((-7, 5)), account)
        if sessions and random.random() < 0.4:
            # It may be another household's now; a wallet that was charged gets it back.
            owner.charging.give_by_hand(sessions[-1], random.choice((ANNA, BEN)))
            owner.charging.look()
        if sessions and random.random() < 0.5:
            correct(books, random.choice(sessions), random.randint(0, 6999))
            owner.charging.look()
        biller.carry_below = random.choice((0, 300))
        owner.close(month)


async def test_each_row_has_the_energy_that_it_bills(owner: Owner) -> None:
    """Of a month with two tax rates, a correction, and what a wallet paid."""
    first = charge(owner.station, 40_000, "Other")
    owner.close(3)
    seven = FLAT.replace("Flat", "Seven").replace("tax = 19", "tax = 7")
    owner.biller.assign(owner.biller.add(seven), date(2026, 4, 10), BEN)
    charge(owner.station, 6_000, "Other")
    owner.books.now = datetime(2026, 4, 12, 9, tzinfo=UTC)
    charge(owner.station, 3_000, "Other")
    charge(owner.station, 2_000, "Card")
    correct(owner.books, first, 39_000)
    owner.close(4)
    lines = [line for line in await owner.bookings() if line["Date"] == "2026-05-02"]
    columns = ("Kind", "Tax rate", "kWh billed", "Month of energy")
    assert [tuple(line[name] for name in columns) for line in lines] == [
        ("from wallet", "19", "2.0", "2026-04"),
        ("statement", "7", "3.0", "2026-04"),
        ("statement", "19", "6.0", "2026-04"),
        ("correction", "19", "-1.0", "2026-03"),
    ]


@pytest.mark.parametrize("seed", [0, 1, 2, 28])
async def test_sums_of_random_houses_are_equal_to_the_cent(owner: Owner, seed: int) -> None:
    play(owner, Random(seed))
    books = owner.books
    for by in BY:
        years = [await owner.year(year, by) for year in (2026, 2027)]
        lines: list[dict[str, str]] = []
        for year in years:
            _check_parts(year)
            own = await owner.bookings(year["year"], by)
            whole = year["periods"][-1]
            for name in ("net", "tax", "gross"):
                assert sum(cents(line[name.title()]) for line in own) == whole[name]
            money = whole["paid"] + whole["corrected"]
            assert sum(cents(line["Payment"]) for line in own) == money
            lines += own

        # Each statement, as its JSON, its CSV and its row have it.
        numbers = [number for (number,) in books.rows("SELECT number FROM statement")]
        assert numbers
        for number in numbers:
            _check_statement(
                owner, number, [one for one in lines if one["Document"] == str(number)]
            )

        # The ledger, and what of it is open.
        sums = Counter[str]()
        for year in years:
            sums.update({name: year["periods"][-1][name] for name in AMOUNTS})
        balance = books.value("SELECT sum(amount) FROM ledger") - books.value(WAITING)
        assert sums["paid"] + sums["corrected"] - sums["gross"] == balance
        assert sums["open"] == books.value("SELECT sum(asked - paid) FROM settlement")
        assert sums["gross"] == books.value("SELECT sum(charged) FROM statement")
        energy = books.value(
            "SELECT sum(energy_wh) FROM position WHERE kind NOT IN ('held back', 'unpriced')"
        )
        assert sums["energy_wh"] == energy


def _check_parts(year: Any) -> None:
    """Hold months against quarters, these and households against the year, and rates against
    each."""
    *parts, whole = year["periods"]
    months = [one for one in parts if "Q" not in one["period"]]
    quarters = [one for one in parts if "Q" in one["period"]]
    for name in AMOUNTS:
        for some in (months, quarters, year["households"]):
            assert sum(one[name] for one in some) == whole[name]
    for one in year["periods"]:
        for name in ("net", "tax", "gross"):
            assert sum(tax[name] for tax in one["taxes"]) == one[name]
        assert one["net"] + one["tax"] == one["gross"]


def _check_statement(owner: Owner, number: int, lines: list[dict[str, str]]) -> None:
    statement = owner.biller.statement(number)
    asked = [line for line in lines if line["Kind"] in ("statement", "correction")]
    told: dict[Decimal, Counter[str]] = {}
    for line in asked:
        sums = told.setdefault(Decimal(line["Tax rate"]), Counter())
        sums.update(net=cents(line["Net"]), tax=cents(line["Tax"]))
    taxes = {tax.rate: Counter(net=tax.net, tax=tax.tax) for tax in statement.taxes}
    of_earlier = {line["Text"].split()[3] for line in asked if line["Kind"] == "correction"}
    assert of_earlier == {
        one.corrected_number
        for one in statement.positions
        if one.corrects and one.lines and not one.is_prepaid
    }
    prepaid = [
        line for position in statement.positions if position.is_prepaid for line in position.lines
    ]
    assert told == taxes or (not taxes and not any(told.get(Decimal(0), {}).values()))
    from_wallet = tax_sums(prepaid, are_gross=statement.prices_are_gross)
    in_file = Counter[Decimal]()
    for line in lines:
        if line["Kind"] == "from wallet":
            in_file[Decimal(line["Tax rate"])] += cents(line["Gross"])
    assert in_file == Counter({tax.rate: tax.gross for tax in from_wallet})
    rows = list(csv.DictReader(StringIO(csv_text(statement, ",", "."))))
    for is_prepaid, of_kind in (("0", asked), ("1", [one for one in lines if one not in asked])):
        grosses = [cents(row["gross"]) for row in rows if row["is_prepaid"] == is_prepaid]
        assert sum(grosses) == sum(cents(line["Gross"]) for line in of_kind)
    assert sum(cents(line["Gross"]) for line in asked) == statement.total - statement.carried_in
    # The PDF is made of this sheet.
    texts = set(statement_sheet(statement, ENGLISH).texts())
    for tax in statement.taxes:
        for amount in (tax.net, tax.tax, tax.gross):
            assert ENGLISH.amount(amount, statement.currency) in texts
    months = {
        line["Month of energy"] for line in lines if not line["Text"].startswith("Correction")
    }
    assert months <= {f"{statement.month:%Y-%m}"}


async def test_a_line_of_the_file_has_what_a_tax_adviser_books(owner: Owner) -> None:
    charge(owner.station, 40_000, "Other")
    owner.close(3)
    owner.enter(LedgerKind.PAYMENT, 500, BEN, paid_on="2026-04-05", reason="Abrechnung 1")
    owner.enter(LedgerKind.PAYMENT, 700, BEN, paid_on="2026-04-09", reason="=rest")
    statement, first, second = (await owner.bookings())[1:]
    assert statement == {
        "Date": "2026-04-02",
        "Kind": "statement",
        "Document": "1",
        "Household no.": str(BEN),
        "Household": "Ben",
        "Text": "Charging 2026-03",
        "Net": "10.08",
        "Tax rate": "19",
        "Tax": "1.92",
        "Gross": "12.00",
        "Payment": "",
        "Currency": "EUR",
        "kWh billed": "40.0",
        "Month of energy": "2026-03",
        "Payable by": "2026-04-16",
        "State": "paid",
    }
    assert (first["Date"], first["Kind"], first["Payment"]) == ("2026-04-05", "payment", "5.00")
    # No spreadsheet takes the text of a transfer for a formula.
    assert (second["Text"], second["Gross"]) == ("'=rest", "")
    german = (await owner.bookings(language="de"))[1]
    assert (german["Art"], german["Brutto"], german["Lademonat"]) == (
        "Abrechnung",
        "12,00",
        "2026-03",
    )

    # What a bank took back opens it.
    owner.enter(LedgerKind.CHARGEBACK, -700, BEN, paid_on="2026-04-20")
    assert [one["State"] for one in await owner.bookings()][1] == "partly paid"


async def test_without_tax_there_are_no_columns_of_tax(owner: Owner) -> None:
    owner.is_no_business()
    charge(owner.station, 40_000, "Other")
    owner.close(3)
    assert not (await owner.year())["periods"][-1]["taxes"]
    line = (await owner.bookings())[-1]
    assert (line["Document"], line["Gross"]) == ("HV-1", "12.00")
    assert not {"Net", "Tax", "Tax rate"} & line.keys()


async def test_december_is_invoiced_in_the_next_year(owner: Owner) -> None:
    for month in range(3, 13):
        if month == 12:
            owner.books.now = datetime(2026, 12, 20, 9, tzinfo=UTC)
            charge(owner.station, 40_000, "Other")
        owner.close(month)
    for by, grosses in (("invoice", (0, 1200)), ("energy", (1200, 0))):
        for year, gross in zip((2026, 2027), grosses, strict=True):
            assert (await owner.year(year, by))["periods"][-1]["gross"] == gross
    # Digits of a year alone are no other year.
    for by in BY:
        assert (await owner.year(202, by))["periods"][-1]["gross"] == 0


async def test_what_is_corrected_counts_in_the_month_of_its_energy(owner: Owner) -> None:
    """Whether the household pays in advance or not."""
    owner.enter(LedgerKind.TOP_UP, 2000, ANNA, paid_on="2026-03-01")
    owner.books.now = datetime(2026, 3, 20, 9, tzinfo=UTC)
    sessions = [charge(owner.station, 40_000, tag) for tag in ("Card", "Other")]
    owner.close(3)
    for session in sessions:
        correct(owner.books, session, 30_000)
    owner.close(4)
    for by, gross in (("invoice", 0), ("energy", 1800)):
        periods = (await owner.year(by=by))["periods"]
        assert sum(one["gross"] for one in periods if one["period"] == "2026-03") == gross
