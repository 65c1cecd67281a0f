"""A charger that tells another serial number than before: a person is asked once whether it is
another charger, and then no energy leads from one to the other."""

from __future__ import annotations

from functools import partial
from typing import Final

import pytest

from levity_trio.events import ChargerOdd
from levity_trio.store.writes.chargers.registration import DecidedBy
from levity_trio.store.writes.chargers.replacing import answer_serial
from levity_trio.store.writes.people.accounts import ChangeRefused
from levity_trio.store.writes.transactions import stops
from tests.store.books import Books, Station
from tests.store.nows import Page
from tests.store.telling import HOUR

ASKS: Final = "SELECT earlier, serial, is_other, answered_by FROM serial_change ORDER BY at"


@pytest.fixture
def charger(station: Station) -> Station:
    """A charger that has charged, and told its serial number."""
    station.boot(serial_number="SN 1a", charge_box_serial_number="BOX-1")
    station.stop(station.start(12_000, at=station.clock(HOUR)), 18_500)
    station.books.wait(HOUR)
    return station


def answer(books: Books, serial: str, *, is_other: bool) -> None:
    decided = DecidedBy(books.at, "ann", "the fuse blew")

    books.run(partial(answer_serial, is_other=is_other), "CP-1", serial, decided)


def unbilled(books: Books) -> list[int]:
    return [wh for (wh,) in books.rows("SELECT unbilled_wh FROM tx WHERE unbilled_wh > 0")]


def test_a_new_serial_number_asks_once(books: Books, charger: Station) -> None:
    for serial in ("sn1A", None, "0000"):
        charger.boot(**({} if serial is None else {"serial_number": serial}))
    assert books.count("serial_change") == 0
    charger.boot(serial_number="SN1A")
    for serial in ("SN-2", "SN1A", "SN-2", "SN1A", "SN-2"):
        charger.boot(serial_number=serial)
        books.wait(HOUR)
    assert books.rows(ASKS) == [("SN1A", "SN-2", None, None)]
    assert [fact.cause for fact in books.recorded(ChargerOdd)] == ["new_serial"]
    words = "CP-1 has a new serial number: SN1A before, SN-2 now. Is it another charger?"
    assert Page(books).told() == [("odd", words, "CP-1")]
    answer(books, "SN-2", is_other=False)
    for serial in ("SN1A", "SN-2"):
        charger.boot(serial_number=serial)
    assert books.rows(ASKS) == [("SN1A", "SN-2", 0, "ann")]
    assert Page(books).told() == []
    with pytest.raises(ChangeRefused, match="nobody asks"):
        answer(books, "SN-2", is_other=True)


def test_the_number_of_the_box_counts_where_the_charger_has_none(
    books: Books, station: Station
) -> None:
    station.boot(charge_box_serial_number="BOX-1")
    station.boot(charge_box_serial_number="BOX-0")  # nobody has charged there yet
    station.stop(station.start(1000), 2000)
    books.wait(1)
    station.boot(serial_number="SN-1", charge_box_serial_number="BOX-0")
    station.boot(serial_number="SN-1", charge_box_serial_number="BOX-2")
    assert books.count("serial_change") == 0
    station.boot(charge_box_serial_number="BOX-3")
    assert books.rows(ASKS) == [("BOX-2", "BOX-3", None, None)]


@pytest.mark.parametrize("is_other", [True, False])
def test_no_energy_leads_from_one_charger_to_another(
    books: Books, charger: Station, is_other: bool
) -> None:
    charger.boot(serial_number="SN-2")
    books.wait(1)
    first = charger.start(31_500)
    books.wait(HOUR)
    charger.stop(first, 35_000)
    books.wait(HOUR)
    assert unbilled(books) == [13_000]
    answer(books, "SN-2", is_other=is_other)
    books.settle()
    assert unbilled(books) == ([] if is_other else [13_000])
    assert [fact.cause for fact in books.recorded(ChargerOdd)] == ["new_serial"]
    assert books.rows("SELECT energy_delivered, confidence FROM tx ORDER BY id") == [
        (6500, "certain"),
        (3500, "certain"),
    ]


def test_a_session_across_both_has_what_each_of_them_measured(
    books: Books, charger: Station
) -> None:
    left = charger.start(18_500)
    books.wait(30)
    charger.tell(charger.register(20_000), transaction=left)
    books.wait(HOUR)
    charger.boot(serial_number="SN-2")
    for wh in (23_000, 24_000):
        books.wait(15)
        charger.tell(charger.register(wh), transaction=left)
    charger.boot(serial_number="SN-2")
    books.run(stops.close_silent, books.at, 0.0)
    books.wait(HOUR)
    figure = "SELECT energy_delivered, energy_method FROM tx WHERE id = ?"
    assert books.row(figure, left) == (5500, "register")
    answer(books, "SN-2", is_other=True)
    books.settle()
    assert books.row(figure, left) == (2500, "segments")
    assert books.rows("SELECT code FROM review WHERE code = 'meter_swapped'")


def test_each_return_of_the_old_charger_is_a_change(books: Books, charger: Station) -> None:
    for serial in ("SN-2", "SN1A"):
        charger.boot(serial_number=serial)
        books.wait(HOUR)
    answer(books, "SN-2", is_other=True)
    charger.boot(serial_number="SN-2")
    pairs = [row[:3] for row in books.rows(ASKS)]
    assert pairs == [("SN1A", "SN-2", 1), ("SN-2", "SN1A", 1), ("SN1A", "SN-2", 1)]


def test_what_the_old_charger_showed_does_not_count_for_the_new_one(
    books: Books, charger: Station
) -> None:
    habit = (
        "INSERT INTO habit (cp_id, conn_id, firmware, meter_serial, kind, transactions, since, "
        "last_at) VALUES ('CP-1', 1, '', '', 'register_leapt', 9, ?, ?)"
    )
    books.connection.execute(habit, (books.at, books.at))
    books.connection.execute("INSERT INTO ping VALUES ('CP-1', '', NULL, 3, ?)", (books.at,))
    books.connection.execute("UPDATE cp SET kept_interval = 900, name = 'Space 7'")
    books.wait(1)
    charger.boot(serial_number="SN-2")
    told_at = books.value("SELECT at FROM serial_change")
    books.wait(HOUR)
    answer(books, "SN-2", is_other=True)
    assert books.row("SELECT revoked_at, revoked_by FROM habit") == (told_at, "ann")
    assert books.count("ping") == 0
    assert books.row("SELECT name, kept_interval FROM cp") == ("Space 7", None)
