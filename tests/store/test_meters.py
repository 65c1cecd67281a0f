"""Meters of the house, and their readings: what is refused, what is the same, and what a file
does."""

from __future__ import annotations

import pytest

from levity_trio.events import MeterChanged, MeterRead
from levity_trio.store.reads.money.meters import meter as meter_row
from levity_trio.store.reads.money.meters import meters as listed
from levity_trio.store.reads.money.meters import readings
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.writes.money import meters as writes
from levity_trio.store.writes.money.meters import CSV, HAND, GivenReading, MeterData, ReadingResult
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.store.writes.people.households import ImportRefused
from levity_trio.store.writes.people.ownership import Said
from tests.store.books import Books, Station
from tests.store.reading import reading

SINCE = "2026-01-01T00:00:00.000Z"
MAIN = MeterData("Main", 1.0, 2.0, 5, SINCE)
TAKEN = GivenReading("main", "2026-02-01T08:00:00.000Z", "48211.35", "kWh")


@pytest.fixture
def meter(books: Books) -> int:
    return books.run(writes.add, MAIN, books.at, "anna")


def read(books: Books, taken: GivenReading, source: str = HAND) -> ReadingResult:
    return books.run(writes.read, taken, source, books.at, "anna")


def refused(books: Books, taken: GivenReading) -> tuple[RefusalCode, str]:
    with pytest.raises(ChangeRefused) as caught:
        read(books, taken)
    return caught.value.code, caught.value.field


@pytest.mark.usefixtures("station")
def test_a_meter_and_its_chargers(books: Books, meter: int) -> None:
    assert (
        books.run(
            writes.change, meter, {"chargers": ("CP-1",), "name": "main"}, books.at, "anna"
        ).word
        == "changed"
    )
    assert books.run(writes.change, meter, {"class_percent": 1.0}, books.at, "anna").word == "same"
    with reading(books) as db:
        found = meter_row(db, meter)
        assert found is not None
        assert (found.name, found.chargers, found.digits) == ("main", ["CP-1"], 5)
        assert [one.id for one in listed(db, "MAIN", WantedPage()).data] == [meter]
        assert meter_row(db, 2) is None
    assert [fact.change for fact in books.recorded(MeterChanged)] == ["added", "changed"]


@pytest.mark.parametrize(
    ("data", "code", "field"),
    [
        (MAIN._replace(name="MAIN"), RefusalCode.IN_USE, "name"),
        (MAIN._replace(name="7"), RefusalCode.INVALID, "name"),
        (MAIN._replace(name="b", until=SINCE), RefusalCode.CONFLICT, "until"),
        (MAIN._replace(name="b", chargers=("CP-9",)), RefusalCode.NOT_FOUND, "chargers"),
        (MAIN._replace(name="b", topic="house/+/kwh"), RefusalCode.INVALID, "topic"),
        (MAIN._replace(name="b", topic=""), RefusalCode.INVALID, "topic"),
    ],
)
@pytest.mark.usefixtures("meter")
def test_a_meter_that_cannot_be(
    books: Books, data: MeterData, code: RefusalCode, field: str
) -> None:
    with pytest.raises(ChangeRefused) as caught:
        books.run(writes.add, data, books.at, "anna")
    assert (caught.value.code, caught.value.field) == (code, field)
    assert books.count("meter") == 1


def test_a_reading_once_and_again(books: Books, meter: int) -> None:
    assert read(books, TAKEN) == (1, "added")
    assert read(books, TAKEN._replace(meter=str(meter), value="48211350", unit="Wh")) == (1, "same")
    assert books.rows("SELECT value, unit, wh, source FROM meter_reading") == [
        ("48211.35", "kWh", 48_211_350, "hand")
    ]
    (fact,) = books.recorded(MeterRead)
    assert (fact.meter, fact.reading, fact.change, fact.read_at, fact.wh) == (
        meter,
        1,
        "added",
        TAKEN.at,
        48_211_350,
    )


@pytest.mark.usefixtures("meter")
@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"value": "48212"}, RefusalCode.CONFLICT, "value"),
        ({"value": "100000"}, RefusalCode.CONFLICT, "value"),
        ({"value": "12,5"}, RefusalCode.INVALID, "value"),
        ({"value": "-1"}, RefusalCode.INVALID, "value"),
        ({"value": "1_000"}, RefusalCode.INVALID, "value"),
        ({"value": "٣"}, RefusalCode.INVALID, "value"),
        ({"value": "1e3"}, RefusalCode.INVALID, "value"),
        ({"unit": "MWh"}, RefusalCode.INVALID, "value"),
        ({"at": "2027-01-01T00:00:00.000Z"}, RefusalCode.CONFLICT, "at"),
        ({"at": "2025-12-31T00:00:00.000Z"}, RefusalCode.CONFLICT, "at"),
        ({"meter": "other"}, RefusalCode.NOT_FOUND, "meter"),
        ({"meter": "9"}, RefusalCode.NOT_FOUND, "meter"),
    ],
)
def test_a_reading_that_cannot_be(
    books: Books, given: dict[str, str], code: RefusalCode, field: str
) -> None:
    read(books, TAKEN)
    assert refused(books, TAKEN._replace(**given)) == (code, field)
    assert books.count("meter_reading") == 1


MIDNIGHT = "2026-02-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([(None, "01T08", "5")], ["01T08"]),
        ([(None, "01T08", "5"), (None, "01T09", "6")], ["01T08"]),
        ([("31T23", "01T08", "5")], ["31T23", "01T08"]),
        ([(None, "31T07", "5"), ("31T23", "01T08", "6")], ["31T07", "31T23", "01T08"]),
    ],
)
def test_one_reading_of_a_day_is_kept(
    books: Books, meter: int, kept: list[tuple[str | None, str, str]], expected: list[str]
) -> None:
    def moment(hour: str) -> str:
        return f"2026-0{1 if hour.startswith('31') else 2}-{hour}:00:00.000Z"

    read(books, TAKEN._replace(at=moment("01T07")))
    for before, hour, value in kept:
        taken = GivenReading(str(meter), moment(hour), value, "kWh")
        earlier = None if before is None else taken._replace(at=moment(before))
        books.run(writes.keep, taken, earlier, f"{taken.at[:10]}T00:00:00.000Z", books.at)
    found = books.rows("SELECT at, entered_by FROM meter_reading WHERE source = 'mqtt' ORDER BY at")
    assert found == [(moment(hour), "MQTT") for hour in expected]


def test_what_a_meter_published_before_it_was_in_use_costs_no_other_reading(
    books: Books, meter: int
) -> None:
    taken = GivenReading(str(meter), "2026-01-01T00:00:03.000Z", "5", "kWh")
    books.run(writes.keep, taken, taken._replace(at="2025-12-31T23:59:59.000Z"), SINCE, books.at)
    assert books.rows("SELECT at FROM meter_reading") == [(taken.at,)]


def test_a_voided_reading_of_a_day_is_not_kept_anew(books: Books, meter: int) -> None:
    taken = GivenReading(str(meter), "2026-02-01T08:00:00.000Z", "5", "kWh")
    books.run(writes.keep, taken, None, MIDNIGHT, books.at)
    books.run(writes.void, meter, 1, Said(books.at, "anna", "wrong"))
    books.run(writes.keep, taken._replace(at="2026-02-01T09:00:00.000Z"), None, MIDNIGHT, books.at)
    assert books.count("meter_reading") == 1


def test_a_wrong_reading_is_voided_and_stays_on_record(books: Books, meter: int) -> None:
    wrong = read(books, TAKEN).id
    books.run(writes.void, meter, wrong, Said(books.at, "anna", "digits swapped"))
    assert read(books, TAKEN._replace(value="48121.35")) == (2, "added")
    with reading(books) as db:
        assert [one.id for one in readings(db, meter, WantedPage()).data] == [2, 1]
        assert [one.id for one in readings(db, meter, WantedPage(), is_valid=True).data] == [2]
        (voided,) = readings(db, meter, WantedPage(), is_valid=False).data
    assert (voided.id, voided.voided_by, voided.void_reason) == (1, "anna", "digits swapped")
    for number, code in ((wrong, RefusalCode.CONFLICT), (9, RefusalCode.NOT_FOUND)):
        with pytest.raises(ChangeRefused) as caught:
            books.run(writes.void, meter, number, Said(books.at, "anna", "again"))
        assert caught.value.code is code
    assert [fact.change for fact in books.recorded(MeterRead)] == ["added", "voided", "added"]


def test_the_end_of_a_meter_leaves_no_reading_outside(books: Books, meter: int) -> None:
    read(books, TAKEN)
    for field in ("until", "since"):
        at = "2026-01-15T00:00:00.000Z" if field == "until" else "2026-02-15T00:00:00.000Z"
        with pytest.raises(ChangeRefused) as caught:
            books.run(writes.change, meter, {field: at}, books.at, "anna")
        assert caught.value.field == field
    books.run(writes.change, meter, {"until": TAKEN.at}, books.at, "anna")
    assert refused(books, TAKEN._replace(at="2026-02-02T00:00:00.000Z")) == (
        RefusalCode.CONFLICT,
        "at",
    )


@pytest.mark.usefixtures("meter")
def test_a_file_of_readings_is_whole_or_nothing(books: Books) -> None:
    lines = [TAKEN, TAKEN._replace(at="2026-02-02T08:00:00.000Z", value="48220")]
    wrong = TAKEN._replace(at="2026-02-03T08:00:00.000Z", value="?")
    with pytest.raises(ImportRefused) as caught:
        books.run(
            writes.import_readings, [*lines, wrong, wrong._replace(meter="x")], books.at, "anna"
        )
    assert [(fault.place, fault.field) for fault in caught.value.faults] == [
        (2, "value"),
        (3, "meter"),
    ]
    assert books.count("meter_reading") == 0
    assert books.run(writes.import_readings, lines, books.at, "anna") == ["added", "added"]
    assert books.run(writes.import_readings, lines, books.at, "anna") == ["same", "same"]
    assert books.rows("SELECT DISTINCT source FROM meter_reading") == [(CSV,)]


def test_a_meter_measures_known_chargers(books: Books) -> None:
    Station(books, "CP-2")
    number = books.run(writes.add, MAIN._replace(chargers=("CP-2", "CP-2")), books.at, "anna")
    assert books.rows("SELECT meter_id, cp_id FROM meter_charger") == [(number, "CP-2")]
