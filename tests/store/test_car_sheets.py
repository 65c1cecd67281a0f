"""The sheet of a company car: which sessions are its, what they cost, and that page, CSV and PDF
say the same."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from levity_trio.billing.car_sheet import CarPrice, CarSheet, PriceWay
from levity_trio.billing.months import Month
from levity_trio.documents.making import open_maker
from levity_trio.documents.paper import CarPaper, DocumentForm
from levity_trio.store.reads.money.statements import OfCar, car_sheet
from levity_trio.store.writes.chargers.registration import ConnectorData, describe_connector
from levity_trio.store.writes.people import ownership
from levity_trio.store.writes.people.accounts import ChangeRefused
from levity_trio.store.writes.people.ownership import VehicleData
from levity_trio.wire.times import stamp
from tests.documents.reading import html_texts, pdf_text
from tests.store.bills import (
    ANNA,
    BEN,
    FLAT,
    Biller,
    charge,
    correct,
    house_of_two,
    month_is_over,
    rule_of,
)
from tests.store.books import Books, Station, meter_value
from tests.store.reading import reading

CAR = 1
WITH_FEE = FLAT.replace("[energy]", "base_fee = 10.00\n\n[energy]")


class Garage:
    """Anna's house, whose card Work is that of her company car."""

    def __init__(self, books: Books, tariff: str = FLAT, *, is_billed: bool = True) -> None:
        self.books = books
        self.house = house_of_two(books)
        self.biller = Biller(self.house, has_begun=True)
        data = VehicleData(name="Kombi", plate="B-AG 7")
        assert books.run(ownership.add_vehicle, data, books.at, "cleo") == CAR
        self.house.give(ANNA, "Work", vehicle=CAR)
        self.station = Station(books)
        self.station.boot(meter_serial_number="M-77")
        if is_billed:
            self.biller = Biller(self.house)
            if tariff is not FLAT:
                number = self.biller.add(tariff.replace("Flat", "Other"))
                self.biller.assign(number, datetime(2026, 1, 1, tzinfo=UTC).date(), ANNA)

    def choose(
        self,
        way: PriceWay,
        price: str | None = None,
        month: str = "2026-03",
        fee: tuple[int, int] | tuple[None, None] = (None, None),
    ) -> None:
        exact = None if price is None else Decimal(price)
        chosen = CarPrice(month, way, "EUR", exact, *fee)
        self.books.run(ownership.choose_car_price, ANNA, CAR, chosen, self.books.at, "anna")

    def sheet(self, month: str = "2026-03", account: int = ANNA) -> CarSheet | None:
        of = OfCar(account, CAR, Month.parse(month))
        with reading(self.books) as db:
            return car_sheet(db, of, rule_of(self.books), self.books.now)

    def told(self, month: str = "2026-03") -> CarSheet:
        sheet = self.sheet(month)
        assert sheet is not None
        return sheet

    def amount(self, month: str = "2026-03") -> int | None:
        cost = self.told(month).cost
        return None if cost is None else cost.amount


def csv_of(sheet: CarSheet) -> list[dict[str, str]]:
    with open_maker(DocumentForm.CSV, None) as make:
        made = make(CarPaper(sheet, "en"))
    assert isinstance(made, bytes)
    return list(csv.DictReader(io.StringIO(made.decode())))


def test_only_sessions_with_the_car_count_and_all_papers_say_the_same(books: Books) -> None:
    garage = Garage(books)
    charge(garage.station, 4321, "Work")
    charge(garage.station, 8000, "Card")
    charge(garage.station, 5550, "Work")
    books.run(
        describe_connector,
        "CP-1",
        1,
        ConnectorData(None, None, None, None, "calibrated"),
        books.at,
        "cleo",
    )
    garage.choose(PriceWay.FLAT, "0.34")
    month_is_over(books, 3)
    assert garage.told().is_draft
    garage.biller.close("2026-03")

    sheet = garage.told()
    assert (sheet.is_draft, sheet.statement.energy_wh, garage.amount()) == (
        False,
        9871,
        336,
    )  # 3.356…
    first, _second = sheet.statement.positions
    assert (first.begin_wh, first.end_wh, first.meter_serial) == (1000, 5321, "M-77")
    assert sheet.meters == (("CP-1", "calibrated"),)

    paper = CarPaper(sheet, "de")
    made: dict[str, bytes] = {}
    for form in ("html", "pdf", "csv"):
        with open_maker(form, None) as make:
            content = make(paper)
        assert isinstance(content, bytes)
        made[form] = content
    texts = html_texts(made["html"].decode())
    for text in ("9,871", "Zählerstand 1,000 bis 5,321 kWh", "Zähler von CP-1", "B-AG 7"):
        assert text in texts
        assert text in pdf_text(made["pdf"])
    assert "Ladevorgänge · Zählernummer M-77" in texts
    with open_maker(DocumentForm.HTML, None) as make:
        empty = make(CarPaper(garage.told("2026-02"), "de"))
    assert isinstance(empty, bytes)
    assert "In diesem Monat endete kein Ladevorgang dieses Autos." in empty.decode()
    shown = "3,36\N{NO-BREAK SPACE}€"
    assert texts.count(shown) == 2 + 1  # large, for the electricity, and as the amount
    assert pdf_text(made["pdf"]).count("3,36 €") == 3
    *sessions, total = csv.DictReader(io.StringIO(made["csv"].decode()), delimiter=";")
    assert [one["quantity"] for one in sessions] == ["4,321", "5,550"]
    assert (sessions[0]["plate"], sessions[0]["price"]) == ("B-AG 7", "0,34")
    assert (sessions[0]["meter_begin"], sessions[0]["meter_end"]) == ("1,000", "5,321")
    assert (total["row"], total["currency"], total["total"]) == ("total", "EUR", "3,36")
    assert sessions[0]["started_at"].endswith("+01:00")


def test_what_the_statements_ask_for_has_its_share_of_the_base_fee(books: Books) -> None:
    garage = Garage(books, WITH_FEE)
    charge(garage.station, 3000, "Work")
    charge(garage.station, 6000, "Card")
    garage.choose(PriceWay.BILL)
    month_is_over(books, 3)
    drafted = garage.told().cost
    garage.biller.close("2026-03")
    cost = garage.told().cost
    assert cost == drafted
    assert cost is not None
    # A third of the energy bears a third of the base fee.
    assert (cost.energy, cost.base_fee, cost.of_wh, cost.base_share, cost.amount) == (
        *(90, 1000, 9000, 333, 423),
    )


def test_what_is_corrected_bears_no_share_of_the_base_fee_of_a_later_month(books: Books) -> None:
    garage = Garage(books, WITH_FEE)
    wrong = charge(garage.station, 8000, "Card")
    garage.choose(PriceWay.BILL)
    month_is_over(books, 3)
    garage.biller.close("2026-03")
    correct(books, wrong, 1000)
    charge(garage.station, 3000, "Work")
    charge(garage.station, 1000, "Card")
    month_is_over(books, 4)
    drafted = garage.told("2026-04").cost
    garage.biller.close("2026-04")
    cost = garage.told("2026-04").cost
    assert cost is not None
    assert (cost.share_wh, cost.of_wh, cost.base_share) == (3000, 4000, 750)
    assert cost == drafted


def test_net_prices_are_counted_with_their_tax(books: Books) -> None:
    garage = Garage(books, WITH_FEE.replace('prices = "gross"', 'prices = "net"'))
    charge(garage.station, 3000, "Work")
    garage.choose(PriceWay.BILL)
    month_is_over(books, 3)
    garage.biller.close("2026-03")
    assert garage.amount() == 107 + 1190


def test_a_contract_has_its_own_base_fee_and_needs_no_billing(books: Books) -> None:
    garage = Garage(books, is_billed=False)
    charge(garage.station, 10_000, "Work")
    garage.choose(PriceWay.CONTRACT, "0.31", fee=(12_000, 3_000_000))
    assert garage.told().is_draft
    month_is_over(books, 3)
    assert not garage.told().is_draft
    assert garage.amount() == 310 + 40


def test_one_way_holds_for_a_calendar_year(books: Books) -> None:
    garage = Garage(books)
    garage.choose(PriceWay.FLAT, "0.34")
    with pytest.raises(ChangeRefused, match="one holds for a calendar year"):
        garage.choose(PriceWay.BILL, month="2026-11")
    garage.choose(PriceWay.BILL, month="2027-01")


def test_another_price_holds_from_its_month_on(books: Books) -> None:
    garage = Garage(books)
    charge(garage.station, 1000, "Work")
    garage.choose(PriceWay.FLAT, "0.34")
    garage.choose(PriceWay.FLAT, "0.40", month="2026-04")
    for month, price in (("01", "0.34"), ("03", "0.34"), ("04", "0.40"), ("12", "0.40")):
        chosen = garage.told(f"2026-{month}").price
        assert chosen is not None
        assert chosen.price == Decimal(price)
    garage.choose(PriceWay.FLAT, "0.36")  # the first one was mistyped
    assert garage.amount() == 36
    assert garage.told("2027-01").price is None


def test_what_is_not_certain_is_named_and_not_summed(books: Books) -> None:
    garage = Garage(books)
    charge(garage.station, 2000, "Work")
    leapt = garage.station.start(3000, 1, "Work")
    books.wait(15)
    garage.station.tell(meter_value(garage.station.clock(), 90_000), transaction=leapt)
    garage.station.stop(leapt, 90_100)
    books.settle()
    garage.station.start(90_100, 1, "Work")  # it belongs to the month in which it ends
    garage.choose(PriceWay.FLAT, "0.34")
    sheet = garage.told()
    found = sheet.statement
    assert (found.energy_wh, garage.amount(), sheet.is_draft) == (2000, 68, True)
    (doubtful,) = found.held_back
    assert doubtful.transaction == leapt
    assert doubtful.reason


def test_a_correction_stands_on_the_sheet_of_its_month(books: Books) -> None:
    garage = Garage(books)
    session = charge(garage.station, 4000, "Work")
    garage.choose(PriceWay.FLAT, "0.50")
    month_is_over(books, 3)
    garage.biller.close("2026-03")
    correct(books, session, 3000)
    month_is_over(books, 4)
    garage.biller.close("2026-04")
    assert garage.amount() == 200
    (corrected,) = garage.told("2026-04").statement.positions
    assert (corrected.energy_wh, corrected.corrected_statement) == (-1000, "1")
    assert garage.amount("2026-04") == -50


def test_a_card_that_is_entered_after_the_month_was_closed_counts_there(books: Books) -> None:
    """From the day for which it is entered; what is billed stays as it is."""
    garage = Garage(books)
    charge(garage.station, 4000, "Card")
    books.wait(60 * 24)
    since = stamp(books.now)
    second = charge(garage.station, 6000, "Card")
    garage.choose(PriceWay.BILL)
    month_is_over(books, 3)
    garage.biller.close("2026-03")
    assert not garage.told().statement.positions
    garage.house.take(ANNA, "Card", since, "it is the car's")
    garage.house.give(ANNA, "Card", since=since, reason="so is it", vehicle=CAR)
    sheet = garage.told()
    assert [one.transaction for one in sheet.statement.positions] == [second]
    assert garage.amount() == 180
    with open_maker(DocumentForm.HTML, None) as make:
        made = make(CarPaper(sheet, "en"))
    assert isinstance(made, bytes)
    assert "No charging of this car" not in made.decode()


def test_after_a_last_bill_it_is_a_draft_as_long_as_something_waits(books: Books) -> None:
    garage = Garage(books)
    charge(garage.station, 4000, "Work")
    waiting = garage.station.start(5000, 1, "Work")
    books.wait(15)
    garage.station.tell(meter_value(garage.station.clock(), 90_000), transaction=waiting)
    garage.station.stop(waiting, 90_100)
    books.now = datetime(2026, 3, 16, 9, tzinfo=UTC)
    books.settle()
    books.connection.execute(
        "UPDATE account SET until = '2026-03-15T23:00:00.000Z' WHERE id = ?", (ANNA,)
    )
    garage.biller.close("2026-03", ANNA)
    sheet = garage.told()
    assert (sheet.is_draft, sheet.statement.energy_wh) == (True, 4000)
    assert [one.transaction for one in sheet.statement.held_back] == [waiting]

    assert csv_of(sheet)[-1]["is_draft"] == "1"

    correct(books, waiting, 2000)
    charge(garage.station, 1000, "Work")
    sheet = garage.told()
    assert (sheet.is_draft, sheet.statement.energy_wh) == (True, 7000)
    assert not sheet.statement.held_back
    month_is_over(books, 3)
    garage.biller.close("2026-03")
    closed = garage.told()
    assert (closed.is_draft, closed.statement.energy_wh) == (False, 7000)
    assert not closed.statement.held_back
    assert closed.papers == ("1", "2")
    assert csv_of(closed)[-1]["is_draft"] == "0"


def test_after_a_last_bill_with_which_all_is_billed_it_is_no_draft(books: Books) -> None:
    garage = Garage(books)
    charge(garage.station, 4000, "Work")
    garage.choose(PriceWay.BILL)
    books.now = datetime(2026, 3, 16, 9, tzinfo=UTC)
    books.settle()
    books.connection.execute(
        "UPDATE account SET until = '2026-03-15T23:00:00.000Z' WHERE id = ?", (ANNA,)
    )
    assert garage.told().is_draft
    garage.biller.close("2026-03", ANNA)
    sheet = garage.told()
    assert (sheet.is_draft, sheet.papers) == (False, ("1",))
    with open_maker(DocumentForm.HTML, None) as make:
        made = make(CarPaper(sheet, "en"))
    assert isinstance(made, bytes)
    texts = " ".join(html_texts(made.decode())).replace("\N{NO-BREAK SPACE}", " ")
    assert "Draft" not in texts
    # What its price and its tax are, and on which statement it can be looked up.
    for text in ("4.000 kWh × avg. 0.3000", "Amount, tax included", "Statements"):
        assert text in texts


def test_there_was_no_flat_price_of_a_kwh_before_2026(books: Books) -> None:
    garage = Garage(books)
    with pytest.raises(ChangeRefused, match="from 2026 on only"):
        garage.choose(PriceWay.FLAT, "0.34", month="2025-12")
    garage.choose(PriceWay.CONTRACT, "0.34", month="2025-12")


def test_it_speaks_the_language_of_its_household_or_else_of_the_house(books: Books) -> None:
    garage = Garage(books)
    assert garage.told().language is None
    books.connection.execute(
        "INSERT INTO biller (name, payment_days, language, set_at, set_by) "
        "VALUES ('Owner', 14, 'de', '', 'cleo')"
    )
    assert garage.told().language == "de"
    books.connection.execute("UPDATE account SET language = 'en'")
    assert garage.told().language == "en"


def test_without_a_price_it_says_the_energy_and_another_household_has_no_sheet(
    books: Books,
) -> None:
    garage = Garage(books)
    charge(garage.station, 4000, "Work")
    assert garage.told().cost is None
    assert garage.told().statement.energy_wh == 4000
    assert garage.sheet(account=BEN) is None
