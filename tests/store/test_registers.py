"""The registers of a line, the serial number of its meter, and how its energy was measured: on
paper, in files, on pages and under the seal."""

from __future__ import annotations

import csv
import html
import io
import json
from datetime import date
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.billing.examples import BLOCKING
from levity_trio.billing.statement import MeasuringMethod
from levity_trio.documents.making import open_maker, sheet_of
from levity_trio.documents.paper import DocumentForm, Paper
from levity_trio.documents.sheet import Table
from levity_trio.documents.template import of_program
from levity_trio.store.billing.registers import registers_of
from levity_trio.store.engine.database import rows_of
from levity_trio.store.writes.people import ownership
from levity_trio.store.writes.people.ownership import VehicleData
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Correction, Decision
from tests.documents.reading import pdf_text, squashed
from tests.sizes import size
from tests.store.bills import ANNA, BEN, HOUR, Biller, charge, correct, house_of_two, month_is_over
from tests.store.books import Books, Station
from tests.store.lies import LIES, liar_story
from tests.store.reading import reading
from tests.store.stories import play
from tests.store.test_kept_sheets import paper
from tests.store.test_statement_stories import EVENTS, Event, Year


@pytest.fixture
def biller(books: Books) -> Biller:
    return Biller(house_of_two(books))


def close(biller: Biller, month: int) -> None:
    month_is_over(biller.books, month)
    biller.close(f"2026-{month:02}")


def decided(books: Books, transaction: int, correction: Correction | None = None) -> None:
    decision = Decision("cleo", "read at the meter", books.at)
    if correction:
        books.run(decisions.correct, transaction, correction, decision)
    else:
        books.run(decisions.confirm, transaction, decision)


def notes(biller: Biller, number: int) -> list[str]:
    """Return what stands beneath the lines of a closed statement, and the title above them."""
    sheet = sheet_of(paper(biller.books, number))
    table = next(block for block in sheet.blocks if isinstance(block, Table))
    return [table.title, *(note for row in table.rows for note in row.notes)]


def test_a_line_has_the_registers_and_the_paper_the_number_of_the_meter(
    biller: Biller, station: Station
) -> None:
    station.boot(meter_serial_number="Z-77", serial_number="ELVI-1")
    charge(station, 4000)
    charge(station, 1500)
    close(biller, 3)
    assert notes(biller, 1) == [
        "Charging and fees · Card · Meter no. Z-77",
        "Meter from 1.000 to 5.000 kWh",
        "Meter from 5.000 to 6.500 kWh",
    ]


def test_without_a_number_of_the_meter_that_of_the_charger_stands_for_it(
    biller: Biller, station: Station
) -> None:
    station.boot(charge_box_serial_number="BOX-9")
    charge(station, 4000)
    close(biller, 3)
    assert notes(biller, 1)[0] == "Charging and fees · Card · Meter of the charger no. BOX-9"


def test_another_charger_under_the_name_has_not_the_meter_of_the_one_before(
    biller: Biller, station: Station
) -> None:
    station.boot(meter_serial_number="Z-77", serial_number="ELVI-1")
    charge(station, 4000)
    biller.books.wait(HOUR)
    station.boot(serial_number="ELVI-2")
    charge(station, 4000)
    close(biller, 3)
    assert notes(biller, 1)[1:] == [
        "Meter from 1.000 to 5.000 kWh; Meter no. Z-77",
        "Meter from 5.000 to 9.000 kWh; Meter of the charger no. ELVI-2",
    ]


def test_a_correction_has_the_registers_of_the_new_figure(biller: Biller, station: Station) -> None:
    number = charge(station, 4000)
    close(biller, 3)
    decided(biller.books, number, Correction(meter_start=1000, meter_stop=3500))
    close(biller, 4)
    assert notes(biller, 2)[1:] == [
        "Correction of line 1 on statement 1",
        (
            "Reason: its energy was corrected from 4 to 2.5 kWh; it cost 1.20 EUR, "
            "now it costs 0.75 EUR: read at the meter"
        ),
        "Meter from 1.000 to 3.500 kWh; set by the owner",
    ]
    (line,) = biller.statement(2).positions
    assert (line.energy_wh, line.begin_wh, line.end_wh) == (-1500, 1000, 3500)


def test_registers_that_a_person_confirmed_were_not_set_by_him(
    biller: Biller, station: Station
) -> None:
    decided(biller.books, charge(station, 4000), Correction(meter_start=1000, meter_stop=5000))
    close(biller, 3)
    assert notes(biller, 1)[2] == "Meter from 1.000 to 5.000 kWh"


def test_a_figure_that_a_person_set_says_so(biller: Biller, station: Station) -> None:
    correct(biller.books, charge(station, 4000), 3000)
    close(biller, 3)
    assert notes(biller, 1)[1:] == [
        "Reason: corrected: read from its display",
        "Meter from 1.000 to 5.000 kWh; the energy was set by the owner",
    ]


def test_a_session_that_went_to_another_household_has_no_registers_where_it_is_taken_back(
    biller: Biller, station: Station
) -> None:
    number = charge(station, 4000)
    close(biller, 3)
    biller.house.give_by_hand(number, 2)
    close(biller, 4)
    (taken,) = biller.statement(2).positions
    (given,) = biller.statement(3).positions
    assert (taken.corrects, taken.begin_wh, taken.measured) == (1, None, None)
    assert (given.begin_wh, given.end_wh) == (1000, 5000)


def test_the_reason_of_a_session_that_was_closed_by_hand_is_on_the_paper(
    biller: Biller, station: Station
) -> None:
    books = biller.books
    number = station.start(1000, 1, "Card")
    books.wait(HOUR)
    station.tell(station.register(3000), transaction=number)
    books.wait(1)
    books.run(decisions.close, number, Decision("cleo", "the plug was out", books.at))
    decided(books, number)
    close(biller, 3)
    assert notes(biller, 1)[1:] == [
        "Reason: closed by hand: the plug was out; confirmed: read at the meter",
        "Meter from 1.000 to 3.000 kWh",
    ]


def test_a_register_that_nobody_read_is_not_printed(biller: Biller, station: Station) -> None:
    """Its readings count from 0 in each session, and no stop came: the meter's end is unknown."""
    books = biller.books
    number = station.start(500_000, 1, "Card")
    for wh in (900, 1800, 2700):
        books.wait(15)
        station.tell(station.register(wh), transaction=number)
    books.wait(1)
    books.run(decisions.close, number, Decision("cleo", "the plug was out", books.at))
    decided(books, number)
    close(biller, 3)
    (line,) = biller.statement(1).positions
    assert (line.energy_wh, line.begin_wh, line.end_wh) == (2700, 500_000, None)
    assert notes(biller, 1)[2] == "Counted by the charger for each session"


def test_a_register_that_began_again_at_0_is_shown_up_to_there(
    biller: Biller, station: Station
) -> None:
    books = biller.books
    number = station.start(5000, 1, "Card")
    for wh in (6000, 0, 2000):
        books.wait(15)
        station.tell(station.register(wh), transaction=number)
    books.wait(15)
    station.stop(number, 2500)
    decided(books, number)
    close(biller, 3)
    (line,) = biller.statement(1).positions
    assert (line.energy_wh, line.begin_wh, line.end_wh) == (3500, 5000, 2500)
    assert notes(biller, 1)[2] == (
        "Meter from 5.000 to 6.000 kWh; then from 0 to 2.500 kWh; "
        "the meter began again at 0 in between"
    )


def test_what_is_held_back_has_its_registers(biller: Biller, station: Station) -> None:
    charge(station, 4000)
    number = station.start(5000, 1, "Card")
    biller.books.wait(15)
    station.tell(station.register(90_000), transaction=number)
    station.stop(number, 90_100)
    biller.books.settle()
    close(biller, 3)
    (waiting,) = biller.statement(1).held_back
    assert (waiting.begin_wh, waiting.end_wh) == (5000, 90_100)


def test_the_prices_of_the_tariff_stand_on_the_paper(biller: Biller, station: Station) -> None:
    terms = BLOCKING.replace("2026-10-01", "2026-01-01")
    biller.assign(biller.add(terms), date(2026, 1, 1), ANNA)
    charge(station, 4000)
    close(biller, 3)
    small = sheet_of(paper(biller.books, 1)).small
    assert small[small.index("Tariff: With blocking fee of 1 January 2026.") + 1] == (
        "energy: 0.32 EUR a kWh, at all times. Each session: 0.50 EUR. Blocking: 0.05 EUR a begun "
        "minute, 30 minutes after charging, until the session stops. Blocking costs at most "
        "6.00 EUR a session. Blocking is free at 22:00-07:00. "
        "A session of less than 0.1 kWh is free."
    )


@pytest.mark.parametrize(("language", "words"), [("en", "given by hand"), ("de", "von Hand")])
def test_a_session_that_was_given_by_hand_shows_no_card_of_another_household(
    biller: Biller, station: Station, language: str, words: str
) -> None:
    books = biller.books
    assert books.run(ownership.add_vehicle, VehicleData(name="Anna's car"), books.at, "cleo") == 1
    biller.house.give(ANNA, "Card", vehicle=1)
    biller.house.give_by_hand(charge(station, 4000), BEN)
    charge(station, 3000)
    close(biller, 3)
    for number, is_shown in ((1, True), (2, False)):
        printed_paper = paper(books, number)._replace(language=language, sheet=None)
        for form in (DocumentForm.HTML, DocumentForm.CSV, DocumentForm.JSON):
            with open_maker(form, None) as make:
                content = make(printed_paper)
            assert isinstance(content, bytes)
            text = html.unescape(content.decode())
            assert ("Anna's car" in text, '"Card"' in text) == (
                is_shown,
                is_shown and form == DocumentForm.JSON,
            )
            assert form == DocumentForm.JSON or (words in text) is not is_shown


def test_an_old_reason_is_no_reason_of_a_later_correction(biller: Biller, station: Station) -> None:
    number = charge(station, 4000)
    correct(biller.books, number, 3000)
    close(biller, 3)
    biller.house.give_by_hand(number, 2)
    close(biller, 4)
    assert "Reason: it belongs to another household" in notes(biller, 2)


def test_a_reason_goes_with_the_names(biller: Biller, station: Station) -> None:
    correct(biller.books, charge(station, 4000), 3000)
    close(biller, 3)
    gone = "UPDATE statement_party SET party = NULL, removed_at = '2036', removed_by = 'cleo'"
    biller.books.connection.execute(gone)
    assert biller.statement(1).positions[0].reason is None


# Where a car stood


def test_a_charger_with_one_connector_is_named_alone(biller: Biller, station: Station) -> None:
    station.status("Preparing")
    charge(station, 4000)
    close(biller, 3)
    assert biller.statement(1).positions[0].space == "CP-1"


def test_a_charger_is_named_as_the_owner_does(biller: Biller, station: Station) -> None:
    station.status("Preparing")
    biller.books.connection.execute("UPDATE cp SET name = 'Space 1'")
    charge(station, 4000)
    close(biller, 3)
    charge(station, 4000)
    station.status("Preparing", connector=2)
    close(biller, 4)
    places = [biller.statement(number).positions[0].space for number in (1, 2)]
    assert places == ["Space 1", "Space 1 · 1"]


# Whatever a charger tells


@pytest.mark.sqlite
@pytest.mark.parametrize("name", sorted(LIES))
def test_two_registers_show_the_figure_or_a_word_says_why_not(books: Books, name: str) -> None:
    sent = set[int]()
    for number in range(size(6, 2)):
        books.wait(60)
        story, _ = liar_story([name], Random(number))
        play(story, books, f"CP-{number}")
    books.settle()
    numbers = [number for (number,) in books.rows("SELECT id FROM tx WHERE status = 'Completed'")]
    for number in numbers:
        decided(books, number)
    sent |= {wh for (wh,) in books.rows("SELECT wh FROM meter_val WHERE wh IS NOT NULL")}
    of_chargers = "SELECT meter_start, meter_stop FROM tx WHERE stopped_by <> 'system'"
    in_kwh = "SELECT round(1000 * sent_meter_start), round(1000 * sent_meter_stop) FROM tx"
    sent |= {wh for some in books.rows(of_chargers) for wh in some if wh is not None}
    sent |= {int(wh) for some in books.rows(in_kwh) for wh in some if wh}
    with reading(books) as db:
        found = registers_of(rows_of(db), numbers)
    for number, wh in books.rows("SELECT id, energy_delivered FROM tx WHERE status = 'Completed'"):
        begin, end, *_, measured, _ = found[number]
        is_shown = None not in (begin, end) and (end or 0) - (begin or 0) == wh
        assert is_shown == (measured is MeasuringMethod.REGISTER), (found[number], wh)
        assert {begin, end} - {None} <= sent, found[number]


# All papers say the same


@pytest.mark.sqlite
@settings(max_examples=size(40, 10), deadline=None)
@given(EVENTS, st.sampled_from(("en", "de")))
def test_page_csv_json_and_pdf_have_the_same_registers_and_sums(
    events: list[Event], language: str
) -> None:
    year = Year()
    year.books.connection.execute("UPDATE account SET language = ?", (language,))
    for number, event in enumerate(events):
        if year.month < 11:
            if number % 7 == 3:
                year.station.boot(meter_serial_number=f"Z-{number}")
            year.live(event)
    year.close()
    numbers = [one for (one,) in year.books.rows("SELECT number FROM statement ORDER BY number")]
    for number in numbers[-2:]:
        compare(year, number, has_pdf=number == numbers[-1])


def compare(year: Year, number: int, *, has_pdf: bool) -> None:
    one = paper(year.books, number)
    template = of_program(one.language)
    told = json.loads(made(one, DocumentForm.JSON))
    file = io.StringIO(made(one, DocumentForm.CSV).decode())
    rows = [*csv.DictReader(file, delimiter=template.values["csv"]["separator"])]
    (total,) = (row for row in rows if row["row"] == "total")
    said = [squashed(made(one, DocumentForm.HTML).decode())]
    if has_pdf:
        said.append(squashed(pdf_text(made(one, DocumentForm.PDF))))

    def number_of(cell: str) -> Decimal:
        return Decimal(cell.replace(template.values["csv"]["decimal"], "."))

    lines = [row for row in rows if row["row"] == "line"]
    gross = sum(number_of(row["gross"]) for row in rows if row["row"] == "tax")
    assert sum(number_of(row["amount"]) for row in lines if row["amount"]) == gross
    assert 100 * number_of(total["total"]) == told["total"]
    amount = template.money(abs(told["total"]), one.first.currency)
    assert all(squashed(amount) in text for text in said)
    for position in told["positions"]:
        row = next(row for row in lines if int(row["position"]) == position["id"])
        own = [one for one in lines if int(one["position"]) == position["id"] and one["amount"]]
        assert 100 * sum(number_of(one["amount"]) for one in own) == position["amount"]
        figures = [template.amount(position["amount"], one.first.currency)]
        if position["transaction"]:
            figures.append(template.kilowatt_hours(position["energy_wh"]))
        assert all(figure in text for text in said for figure in figures)
        begin, end = (position[name] for name in ("begin_wh", "end_wh"))
        assert row["measured"] == (position["measured"] or "")
        assert row["meter_serial"] == (position["meter_serial"] or "")
        assert all(position["meter_serial"] or "" in text for text in said)
        if begin is None or end is None:
            continue
        read = [number_of(row[name]) for name in ("meter_begin", "meter_end")]
        assert [1000 * kwh for kwh in read] == [begin, end]
        if position["measured"] == "register" and not position["corrects"]:
            assert end - begin == position["energy_wh"]
        energy_wh = None if position["corrects"] else position["energy_wh"]
        words = squashed(template.metered(begin, end, position["measured"], energy_wh))
        assert all(words in text for text in said)


def made(one: Paper, form: DocumentForm) -> bytes:
    with open_maker(form, None) as make:
        content = make(one)
    assert isinstance(content, bytes)
    return content
