"""Two cars on one meter are never confirmed to more than it rose by."""

from __future__ import annotations

import pytest

from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision, DecisionRefused
from tests.store.books import Books, Station
from tests.store.deciding import open_codes
from tests.store.test_shared_registers import BEGIN, Twin


@pytest.fixture
def charged(station: Station) -> tuple[int, int, int]:
    """Both charged for 20 of their 60 minutes at once; and by how much the meter rose."""
    twin = Twin(station)
    one = twin.start(1)
    twin.charge(40, 1)
    other = twin.start(2)
    twin.charge(20, 1, 2)
    twin.stop(1)
    twin.charge(20, 2)
    twin.stop(2)
    station.books.wait(10)
    station.books.settle()
    return one, other, twin.wh - BEGIN


def correct(books: Books, transaction: int, wh: int) -> None:
    decision = Decision("cleo", "by the driver", books.at)
    books.run(decisions.correct, transaction, decisions.Correction(figure_wh=wh), decision)


def wh_of(books: Books, transaction: int) -> int:
    return int(books.value("SELECT energy_delivered FROM tx WHERE id = ?", transaction))


def confirm(books: Books, transaction: int) -> None:
    books.run(decisions.confirm, transaction, Decision("cleo", "looked at both", books.at))


def test_what_a_person_gave_to_one_car_is_not_confirmed_for_the_other(
    books: Books, charged: tuple[int, int, int]
) -> None:
    one, other, rise = charged
    assert "shared_register" in open_codes(books, other)
    correct(books, one, rise - 100)
    with pytest.raises(
        DecisionRefused, match=f"for it and for {one}, .* correct it to 0.1 kWh at most"
    ):
        confirm(books, other)
    assert "shared_register" in open_codes(books, other)
    correct(books, other, 100)
    assert sum(wh_of(books, number) for number in (one, other)) == rise


def test_both_are_confirmed_if_they_had_no_more_than_it_rose_by(
    books: Books, charged: tuple[int, int, int]
) -> None:
    one, other, rise = charged
    confirm(books, one)
    confirm(books, other)
    assert not open_codes(books, one) + open_codes(books, other)
    assert sum(wh_of(books, number) for number in (one, other)) <= rise
