"""What one session proves of the units of its charger is told to those before it."""

from typing import Any

import pytest

from levity_trio.store.writes.transactions import judging
from tests.store.books import Books, Station, meter_value
from tests.store.deciding import Operator
from tests.store.telling import watts

BEGIN = 5_000


@pytest.fixture
def station(books: Books) -> Station:
    station = Station(books)
    station.boot(firmware="1")
    books.wait(60)
    return station


def charge(
    station: Station,
    begin: int,
    energy: int,
    *,
    power_w: float | None = None,
    has_readings: bool = True,
) -> int:
    """Charge for two hours, by registers as they are sent."""
    books = station.books
    transaction = station.start(begin)
    for step in range(1, 9):
        books.wait(15)
        samples: list[Any] = [begin + energy * step // 8]
        if power_w is not None:
            samples.append(watts(power_w))
        if has_readings:
            station.tell(meter_value(station.clock(), *samples), transaction=transaction)
    station.stop(transaction, begin + energy)
    books.wait(60)
    return transaction


def in_kwh(station: Station, count: int = 5, between: int = 0, **given: Any) -> list[int]:
    """Charge with registers in kWh that are called Wh; return the sessions."""
    register, found = BEGIN, list[int]()
    for number in range(count):
        energy = 16 + number % 2
        found.append(charge(station, register, energy, **given))
        register += energy + between
    return found


def register_after(books: Books) -> int:
    """Return the register after all sessions, in Wh."""
    newest = "SELECT meter_stop FROM tx ORDER BY id DESC LIMIT 1"
    return 1000 * int(books.value(newest))


def settle(books: Books, times: int = 4) -> None:
    for _ in range(times):
        books.wait(2)
        books.settle()


def assert_asked(station: Station, transactions: list[int]) -> None:
    for number, transaction in enumerate(transactions):
        assert station.bill(transaction) == (16_000 + number % 2 * 1000, "scaled", "doubtful")
        assert "the registers are in kWh but sent as Wh" in station.review(transaction)


@pytest.mark.parametrize("has_readings", [True, False])
@pytest.mark.parametrize("between", [0, 1, 3])
def test_sessions_in_kwh_are_asked_about_when_a_firmware_tells_wh(
    station: Station, between: int, *, has_readings: bool
) -> None:
    books = station.books
    wrong = in_kwh(station, between=between, has_readings=has_readings)
    assert {station.bill(one)[2] for one in wrong} == {"certain"}
    station.boot(firmware="2")
    honest = charge(station, register_after(books), 16_400)
    settle(books)
    assert_asked(station, wrong)
    assert station.bill(honest) == (16_400, "register", "certain")


def test_a_long_time_in_kwh(station: Station) -> None:
    """Each judgement leads to the next one, however many these are."""
    wrong = in_kwh(station, 40)
    station.boot(firmware="2")
    charge(station, register_after(station.books), 16_400)
    settle(station.books)
    assert_asked(station, wrong)


def test_a_session_in_another_unit_ends_it(station: Station) -> None:
    """What lies before it is excluded, too."""
    books = station.books
    earlier = [charge(station, 4_900_000 + 20_000 * number, 16_000) for number in range(3)]
    station.boot(firmware="2")
    right = charge(station, 4_980_000, 16_000, power_w=8_000)
    station.boot(firmware="3")
    wrong = in_kwh(station)
    charge(station, register_after(books), 16_400)
    settle(books)
    assert {station.bill(one)[2] for one in earlier} == {"certain"}
    assert station.bill(right)[::2] == (16_000, "certain")
    assert {station.bill(one)[2] for one in wrong} == {"doubtful"}


def test_a_figure_that_a_person_confirmed_stays(station: Station) -> None:
    books = station.books
    wrong = in_kwh(station)
    books.run(judging.judge_due, books.at, books.rule)
    Operator(books).correct(wrong[-1], figure_wh=16_500)
    charge(station, register_after(books), 16_400)
    settle(books)
    assert station.bill(wrong[-1])[0] == 16_500


def test_it_goes_on_after_the_server_was_killed(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due is stored with each judgement."""
    books = station.books
    wrong = in_kwh(station)
    charge(station, register_after(books), 16_400)
    monkeypatch.setattr(judging, "MOST_AT_ONCE", 1)
    for _ in wrong:
        waiting = books.rows("SELECT id FROM tx WHERE judge_after IS NOT NULL")
        assert len(waiting) >= 1
        settle(books, 1)
    settle(books, 8)
    assert books.rows("SELECT id FROM tx WHERE judge_after IS NOT NULL") == []
    assert_asked(station, wrong)


def test_no_session_changes_more_than_three_times(station: Station) -> None:
    books = station.books
    wrong = in_kwh(station, 20)
    charge(station, register_after(books), 16_400)
    settle(books, 8)
    changes = books.rows(
        "SELECT tx_id, count(*) FROM tx_event WHERE kind = 'rejudge' GROUP BY tx_id"
    )
    assert {number for number, _ in changes} == {*wrong}
    assert max(count for _, count in changes) <= 3
