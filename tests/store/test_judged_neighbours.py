"""A judgement that changes is a later fact for the neighbours: they are judged again until nothing
changes.

So `recheck` finds no figure that facts would change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from random import Random
from typing import Any, Final

import pytest

from levity_trio.charging.tolerances import MOST_CHANGES
from levity_trio.store.cases import case
from levity_trio.store.cases.transaction import COLUMNS, StoredTransaction
from levity_trio.store.reads.transactions.recheck import compare
from levity_trio.store.writes.transactions import judging
from levity_trio.wire.times import stamp
from tests.sizes import size
from tests.store.books import UNSET_CLOCK, Books, Station, in_memory, meter_value
from tests.store.deciding import Operator
from tests.store.telling import close_silent

FROZEN = "2022-01-01T00:00:00Z"
WAITING = "SELECT count(*) FROM tx WHERE judge_after IS NOT NULL"
CHAINS = size(120, 20)


def until_quiet(books: Books) -> int:
    """Let the server judge what is due, every two minutes, until nothing is. Return how often it
    did."""
    for times in range(25):
        books.wait(2)
        if not books.value(WAITING):
            return times
        books.settle()
    raise AssertionError("it never comes to rest")


def differing(books: Books) -> list[tuple[int, int, int]]:
    """Return the transactions that recheck would change, with what stands and what it says, in
    Wh."""

    def rows(sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return books.rows(sql, *values)

    found = (
        compare(rows, StoredTransaction(*row))
        for row in books.rows(f"SELECT {COLUMNS} FROM tx WHERE status = 'Completed'")
    )
    return [(one.transaction, one.stored.wh, one.now.wh) for one in found if one is not None]


def charge(
    station: Station, start: int, stop: int, minutes: float = 60, at: str | None = None
) -> int:
    transaction = station.start(start, at=at)
    station.books.wait(minutes)
    station.stop(transaction, stop, at=at)
    station.books.wait(10)
    return transaction


def rejudged(books: Books, transaction: int) -> int:
    return int(
        books.value(
            "SELECT count(*) FROM tx_event WHERE tx_id = ? AND kind = 'rejudge'", transaction
        )
    )


REGISTERS: Final = {
    "new firmware sends Wh": (
        [(3500, 3516), (3516, 3532), (3532400, 3548700)],
        [16000, 16000, 16300],
    ),
    "two more before": (
        [(3460, 3480), (3480, 3500), (3500, 3516), (3516, 3532), (3532400, 3548700)],
        [20000, 20000, 16000, 16000, 16300],
    ),
    "new firmware sends a tenth": ([(12000, 17000), (17000, 22000), (220_000, 225_000)], None),
    "an empty one in between": (
        [(3500, 3516), (3516, 3532), (3532, 3532), (3532400, 3548700)],
        None,
    ),
    "counted once more": ([(0, 8717), (8717, 26_140), (17_423, 26_000), (26_000, 30_000)], None),
}


@pytest.mark.parametrize("name", REGISTERS)
def test_what_one_judgement_changes_is_a_fact_for_the_next(
    books: Books, station: Station, name: str
) -> None:
    registers, figures = REGISTERS[name]
    transactions = [charge(station, *both) for both in registers]
    until_quiet(books)
    assert differing(books) == []
    if figures is not None:
        assert [station.bill(one)[0] for one in transactions] == figures
        *doubtful, last = transactions
        assert {station.bill(one)[2] for one in doubtful} == {"doubtful"}
        assert station.bill(last)[2] == "certain"
        assert all("in kWh but sent as Wh" in station.review(one) for one in doubtful)


def test_a_frozen_clock_that_comes_first_is_seen_over_an_empty_one(
    books: Books, station: Station
) -> None:
    charge(station, 3500, 3500)
    later = charge(station, 3484, 23_484, minutes=180)
    charge(station, 23_784, 43_784, minutes=180)
    assert station.bill(later)[0] == 19_984
    charge(station, 62_490, 67_490, at=FROZEN)
    until_quiet(books)
    assert differing(books) == []
    assert station.bill(later)[0] == 20_000


def test_late_readings_of_one_that_overlaps_are_facts_for_the_other(
    books: Books, station: Station
) -> None:
    first = charge(station, 16, 8722, minutes=180)
    second = charge(station, 4369, 4369, minutes=30)
    until_quiet(books)
    assert "4353 Wh" in station.review(first)
    station.tell(station.register(4369, minutes_ago=20), transaction=second)
    until_quiet(books)
    assert differing(books) == []


def test_a_reading_that_comes_late_counts_in_the_judgement_that_it_causes(
    books: Books, station: Station
) -> None:
    transaction = station.start(1000)
    books.wait(60)
    station.stop(transaction, 6000)
    books.wait(5)
    station.tell(meter_value(station.clock(4), 6500), transaction=transaction)
    assert differing(books) == []
    assert station.review(transaction) != ""


def test_what_a_person_settles_is_a_fact_for_the_neighbours(books: Books, station: Station) -> None:
    first, second, _ = [charge(station, *both) for both in REGISTERS["new firmware sends Wh"][0]]
    until_quiet(books)
    Operator(books).confirm(second)
    assert books.value(WAITING) > 0
    until_quiet(books)
    assert differing(books) == []
    assert station.bill(second)[:2] == (16_000, "scaled")
    assert station.bill(first)[2] == "doubtful"


def test_a_figure_on_another_scale_that_a_person_sets_is_no_proof_of_the_old_one(
    books: Books, station: Station
) -> None:
    first, second, _ = [charge(station, *both) for both in REGISTERS["new firmware sends Wh"][0]]
    until_quiet(books)
    Operator(books).correct(second, figure_wh=15_900)
    until_quiet(books)
    assert differing(books) == []
    assert station.bill(first)[2] == "doubtful"


def test_the_figure_that_a_person_settled_stays(books: Books, station: Station) -> None:
    first, second = charge(station, 3500, 3516), charge(station, 3516, 3532)
    Operator(books).confirm(first)
    Operator(books).correct(second, figure_wh=15_900)
    charge(station, 3_532_400, 3_548_700)
    until_quiet(books)
    assert [station.bill(one)[0] for one in (first, second)] == [16, 15_900]


def test_a_transaction_is_judged_once_a_minute_and_what_came_meanwhile_at_its_end(
    books: Books, station: Station
) -> None:
    first, _, third = (charge(station, *both) for both in REGISTERS["new firmware sends Wh"][0])
    books.connection.execute(
        "UPDATE tx SET judged_at = ?, judge_after = ?, confidence = 'certain' WHERE id = ?",
        (books.at, stamp(books.now + timedelta(minutes=1)), first),
    )
    books.connection.execute(
        "UPDATE review "
        "SET resolved_at = opened_at, resolved_by = 'system', resolution = 'judged again' "
        "WHERE tx_id = ?",
        (first,),
    )
    books.settle()
    assert station.bill(first)[2] == "certain"
    books.wait(0.9)
    books.settle()
    assert station.bill(first)[2] == "certain"
    books.wait(0.2)
    books.settle()
    assert station.bill(first) == (16_000, "scaled", "doubtful")
    assert station.bill(third)[2] == "certain"


def test_nothing_is_written_if_nothing_changes(books: Books, station: Station) -> None:
    transactions = [
        charge(station, 1000 + 500 * number, 1500 + 500 * number) for number in range(3)
    ]
    for one in transactions:
        station.write(judging.tell_neighbours, None, one)
    until_quiet(books)
    assert [rejudged(books, one) for one in transactions] == [0, 0, 0]


def test_a_transaction_changes_so_often_only(books: Books, station: Station) -> None:
    """Then a review says so. An hour later it is judged again."""
    first, second = charge(station, 1000, 1500), charge(station, 1500, 2000)
    station.write(judging.tell_neighbours, None, second)
    assert books.row("SELECT judge_after, judge_steps FROM tx WHERE id = ?", first) == (books.at, 1)
    until_quiet(books)
    assert station.review(first) == ""
    change = (
        "INSERT INTO tx_event (tx_id, kind, who, received_at, timestamp, last_received_at) "
        "VALUES (?, 'rejudge', 'system', ?, ?, ?)"
    )
    for _ in range(MOST_CHANGES):
        books.run(lambda db: db.execute(change, (first, books.at, books.at, books.at)))
    books.wait(1)
    station.write(judging.tell_neighbours, None, second)
    assert "changed 3 times within an hour" in station.review(first)
    assert station.bill(first) == (500, "register", "doubtful")
    assert differing(books) == []
    before = rejudged(books, first)
    station.write(judging.tell_neighbours, None, second)
    assert rejudged(books, first) == before
    books.wait(65)
    station.write(judging.tell_neighbours, None, second)
    until_quiet(books)
    assert station.bill(first) == (500, "register", "certain")
    assert station.review(first) == ""


@pytest.mark.logs_errors
def test_a_judgement_that_fails_leaves_a_review(
    books: Books, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = charge(station, 1000, 1500)
    books.connection.execute("UPDATE tx SET judge_after = ?", (books.at,))
    with monkeypatch.context() as broken:
        broken.setattr(case, "judge", lambda _: 1 // 0)
        books.settle()
    assert "could not be judged again" in station.review(transaction)
    assert books.value(WAITING) == 0
    assert station.bill(transaction) == (500, "register", "doubtful")


# Chains of sessions with troubles


TROUBLES: Final = (
    *(
        "none",
        "none",
        "none",
        "none",
        "kwh from now",
        "kwh once",
        "ten times",
        "a start of 0",
        "an old start",
    ),
    *(
        "counted once more",
        "a reset",
        "no stop",
        "a stop from a queue",
        "a boot",
        "a new meter",
        "a leap",
        "below",
    ),
    *(
        "an overlap",
        "frozen",
        "unset",
        "no id",
        "twice",
        "empty",
        "no start",
        "counts each",
        "garbled",
    ),
)


class Chain:
    """One charger whose sessions follow each other, each with a trouble or none. Without power, no
    habit is learned."""

    def __init__(self, books: Books, seed: int) -> None:
        self.dice = Random(seed)
        self.books, self.station = books, Station(books)
        self.register = self.dice.choice([0, 1000, 3500, 123_456])
        self.every = self.dice.choice([None, 1, 5, 15])
        self.factor = 1.0

    def play(self) -> None:
        for _ in range(self.dice.randint(3, 8)):
            self._charge(self.dice.choice(TROUBLES))
            self.books.wait(self.dice.choice([0.1, 0.5, 2, 600]))
            if self.dice.random() < 0.5:
                self.books.settle()
        close_silent(self.station)

    def _charge(self, trouble: str) -> None:
        wh = 0 if trouble == "empty" else self.dice.choice([0, 16, 500, 5000, 8706, 20_000])
        minutes = max(self.dice.choice([1, 30, 60, 180]), wh / 180)
        self._before(trouble)
        begin, end = self.register, self.register + wh
        self.register = begin + wh // 2 if trouble == "an overlap" else end
        factor = {"kwh once": 0.001, "ten times": 10.0}.get(trouble, self.factor)
        at = {"frozen": FROZEN, "unset": UNSET_CLOCK}.get(trouble)
        transaction = self._start(trouble, round(begin * factor), at)
        for minute in self._minutes(minutes):
            told = (end - begin) * minute / minutes + (0 if trouble == "counts each" else begin)
            value = meter_value(at or self.station.clock(), round(told * factor))
            self.station.tell(value, transaction=None if trouble == "no id" else transaction)
        self._stop(trouble, transaction, self._stop_register(trouble, begin, end, factor), at)
        if self.dice.random() < 0.2:
            late = self.station.register(round((end + self.dice.choice([0, 50, 400])) * factor))
            self.station.tell(late, transaction=transaction)

    def _before(self, trouble: str) -> None:
        if trouble == "kwh from now":
            self.factor = 0.001 if self.factor == 1 else 1
        elif trouble in ("a boot", "a new meter"):
            new = (
                {"meter_serial_number": f"M{self.dice.random()}"}
                if trouble == "a new meter"
                else {}
            )
            self.station.boot(**new)
        moved = {
            "a reset": 0,
            "a new meter": 777,
            "a leap": self.register + 50_000,
            "below": self.register - 16,
        }
        self.register = max(0, moved.get(trouble, self.register))

    def _start(self, trouble: str, register: int, at: str | None) -> int:
        if trouble == "no start":
            return -5
        told = {"a start of 0": 0, "an old start": max(0, register - 5000)}.get(trouble, register)
        sent = at or self.station.clock()
        transaction = self.station.start(told, at=sent)
        return self.station.start(told, at=sent) if trouble == "twice" else transaction

    def _minutes(self, minutes: float) -> Iterator[float]:
        """Wait for the session's end, and stop at each reading."""
        minute = 0.0
        while self.every is not None and minute + self.every < minutes:
            minute += self.every
            self.books.wait(self.every)
            yield minute
        self.books.wait(minutes - minute)

    def _stop_register(self, trouble: str, begin: int, end: int, factor: float) -> int:
        told = {
            "counted once more": end + 8706,
            "garbled": self.dice.choice([0, max(0, begin - 1), 10**9]),
        }
        return round(told.get(trouble, end) * factor)

    def _stop(self, trouble: str, transaction: int, register: int, at: str | None) -> None:
        sent = at or self.station.clock()
        if trouble == "a stop from a queue":
            self.station.lose()
            self.station.connect()
            self.books.wait(self.dice.choice([0.5, 20]))
            if self.dice.random() < 0.5:
                self.station.start(round(self.register * self.factor))
                self.books.wait(20)
        if trouble != "no stop":
            self.station.stop(-1 if trouble == "no id" else transaction, register, at=sent)


@pytest.mark.parametrize("seeds", range(4))
def test_when_all_is_quiet_recheck_finds_nothing(seeds: int) -> None:
    for seed in range(seeds * CHAINS // 4, (seeds + 1) * CHAINS // 4):
        with closing(in_memory()) as connection:
            books = Books(connection)
            Chain(books, seed).play()
            until_quiet(books)
            unsettled = {
                one
                for (one,) in books.rows("SELECT tx_id FROM review WHERE code = 'judging_stopped'")
            }
            assert [one for one in differing(books) if one[0] not in unsettled] == [], seed
