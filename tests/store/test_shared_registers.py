"""Connectors that tell one register: what one car draws is not billed to the other one,
too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from functools import partial
from random import Random
from typing import Any

import pytest

from levity_trio.charging.energy import RULES
from levity_trio.events import TransactionRejudged
from levity_trio.store.cases.transaction import find_transaction
from levity_trio.store.reads.transactions.explain import lines
from levity_trio.store.reads.transactions.recheck import compare
from tests.store.books import Books, Station, meter_value
from tests.store.deciding import open_codes
from tests.store.lies import liar_story
from tests.store.stories import Verdict, play, timeline
from tests.store.telling import WATTS, assert_figure, bill_of, settle, watts
from tests.store.test_explain import explained

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

SHARED = ["shared_register"]
BEGIN = 1_000_000


class Twin:
    """A charger with two connectors and one meter."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.wh = BEGIN
        self.ids: dict[int, int] = {}

    def start(self, connector: int) -> int:
        self.ids[connector] = self.station.start(self.wh, connector, f"TAG-{connector}")
        return self.ids[connector]

    def stop(self, connector: int) -> int:
        transaction = self.ids.pop(connector)
        self.station.stop(transaction, self.wh)
        return transaction

    def charge(self, minutes: int, *drawing: int, every: int = 5) -> None:
        """Each car that draws takes 7.2 kW; each transaction tells the register, and its own
        power."""
        for _ in range(minutes // every):
            self.station.books.wait(every)
            self.wh += len(drawing) * WATTS * every // 60
            for connector, transaction in self.ids.items():
                samples = self.wh, watts(WATTS if connector in drawing else 0)
                value = meter_value(self.station.clock(), *samples)
                self.station.tell(value, transaction=transaction, connector=connector)


@pytest.fixture
def twin(station: Station) -> Twin:
    return Twin(station)


def test_both_are_doubtful_if_both_charged(books: Books, station: Station, twin: Twin) -> None:
    """The first one as soon as it ends, while the other is still open."""
    one = twin.start(1)
    twin.charge(40, 1)
    other = twin.start(2)
    twin.charge(20, 1, 2)
    twin.stop(1)
    assert "shared_register" in open_codes(books, one)
    twin.charge(40, 2)
    twin.stop(2)
    settle(books)
    assert "shared_register" in open_codes(books, other)
    assert bill_of(station, one)[1] <= 7200
    assert bill_of(station, other)[1] <= 7200


def test_power_every_minute_shows_which_car_took_what(
    books: Books, station: Station, twin: Twin
) -> None:
    """The register rose twice as fast as the power of each; that is not the power of one of two
    phases."""
    one = twin.start(1)
    twin.charge(10, 1, every=1)
    other = twin.start(2)
    twin.charge(50, 1, 2, every=1)
    twin.stop(1)
    twin.charge(10, 2, every=1)
    twin.stop(2)
    settle(books)
    for transaction in (one, other):
        assert_figure(station, transaction, 7200, flagged=True)


class Still(Station):
    """A charger whose clock stands still."""

    def clock(self, minutes_ago: float = 0) -> str:
        return "2022-01-01T00:00:00Z"


@pytest.mark.parametrize("every", [1, 5])
def test_by_a_clock_that_stands_still_the_receipts_show_that_both_charged(
    books: Books, every: int
) -> None:
    """Before and after, each car charges alone."""
    twin = Twin(Still(books))
    for connector in (1, 2):
        alone = twin.start(connector)
        twin.charge(30, connector, every=every)
        twin.stop(connector)
        assert_figure(twin.station, alone, 3600, flagged=False)
    one = twin.start(1)
    twin.charge(20, 1, every=every)
    other = twin.start(2)
    twin.charge(60, 1, 2, every=every)
    twin.stop(1)
    twin.charge(20, 2, every=every)
    twin.stop(2)
    alone = twin.start(1)
    twin.charge(30, 1, every=every)
    twin.stop(1)
    settle(books)
    assert_figure(twin.station, alone, 3600, flagged=False)
    for number in (one, other):
        assert "shared_register" in open_codes(books, number)
        assert bill_of(twin.station, number)[1] <= 9600


def test_by_a_clock_that_stands_still_two_registers_that_are_close_are_not_doubted(
    books: Books,
) -> None:
    """Each begins where its own connector ended before."""
    station = Still(books)
    wh = {1: BEGIN, 2: BEGIN + 500}
    for _ in range(3):
        ids = {connector: station.start(wh[connector], connector) for connector in wh}
        for _ in range(30):
            books.wait(1)
            for connector, transaction in ids.items():
                wh[connector] += connector * 60
                value = meter_value(station.clock(), wh[connector], watts(connector * 3600))
                station.tell(value, transaction=transaction, connector=connector)
        for connector, transaction in ids.items():
            station.stop(transaction, wh[connector])
        books.wait(30)
        settle(books)
    assert books.count("review") == 0


def test_by_a_clock_that_was_not_set_it_tells_how_queued_messages_of_both_are_apart(
    books: Books,
) -> None:
    """Two queues arrive within a minute. The register rose only after the other car had begun."""
    station = Station(books)
    sent = "1970-01-01T{}Z".format
    one = station.start(BEGIN, 1, "TAG-1", sent("01:39:36"))
    station.tell(meter_value(sent("01:54:36"), BEGIN, watts(0)), transaction=one)
    books.wait(0.1)
    other = station.start(BEGIN, 2, "TAG-2", sent("02:09:28"))
    station.tell(meter_value(sent("02:09:36"), BEGIN + 333, watts(0)), transaction=one)
    books.wait(0.1)
    station.stop(one, BEGIN + 2250, sent("02:10:22"))
    books.wait(0.1)
    station.tell(
        meter_value(sent("02:24:28"), BEGIN + 37_000, watts(147_000)),
        transaction=other,
        connector=2,
    )
    books.wait(0.1)
    station.tell(
        meter_value(sent("02:39:28"), BEGIN + 47_000, watts(10_000)), transaction=other, connector=2
    )
    books.wait(10)
    station.stop(other, BEGIN + 47_000)
    settle(books)
    assert_figure(station, one, 0, flagged=True)
    assert "shared_register" in open_codes(books, one)
    assert bill_of(station, other)[1] == 47_000


def test_power_says_nothing_of_a_long_silence(books: Books, station: Station, twin: Twin) -> None:
    """Both cars draw power, then the charger is dark for an hour, and neither gets any."""
    one = twin.start(1)
    twin.charge(45, 1)
    twin.start(2)
    twin.charge(15, 1, 2)
    books.wait(60)
    twin.stop(1)
    settle(books)
    assert "shared_register" in open_codes(books, one)
    assert bill_of(station, one)[1] <= 7200


def test_what_the_next_car_drew_before_a_stop_is_not_missing_at_it(
    books: Books, station: Station, twin: Twin
) -> None:
    """A full car leaves while the next one charges. On the first one's connector, the next
    transaction begins later."""
    one = twin.start(1)
    twin.charge(60, 1, every=15)
    twin.charge(60, every=15)
    twin.start(2)
    twin.charge(15, 2, every=15)
    twin.stop(1)
    twin.charge(15, 2, every=15)
    twin.start(1)
    settle(books)
    assert_figure(station, one, 7200, flagged=True)
    assert open_codes(books, one) == SHARED


def test_no_energy_is_too_little_to_be_billed_twice(
    books: Books, station: Station, twin: Twin
) -> None:
    """One car draws 3 Wh and goes; the other one waits beside it and draws nothing."""
    for connector in (1, 2):
        twin.start(connector)
        twin.charge(30, connector)
        twin.stop(connector)
    one, other = twin.start(1), twin.start(2)
    books.wait(1)
    twin.wh += 3
    twin.stop(2)
    twin.charge(60)
    twin.stop(1)
    settle(books)
    assert_figure(station, one, 0, flagged=True)
    assert_figure(station, other, 3, flagged=False)


def test_what_only_one_car_drew_is_certain(books: Books, station: Station, twin: Twin) -> None:
    one = twin.start(1)
    twin.charge(60, 1)
    twin.charge(10)
    other = twin.start(2)
    twin.charge(30, 2)
    twin.stop(1)
    twin.charge(30, 2)
    twin.stop(2)
    settle(books)
    assert_figure(station, one, 7200, flagged=True)
    assert_figure(station, other, 7200, flagged=False)
    figures = books.value(
        "SELECT figures FROM review WHERE tx_id = ? AND code = 'shared_register'", one
    )
    assert figures == '{"as reported":10800,"without what the other one charged":7200}'


def test_an_explanation_names_the_transactions_beside(books: Books, twin: Twin) -> None:
    """The one whose car drew from the same register, and the one whose car was at rest."""
    one = twin.start(1)
    twin.charge(60, 1)
    other = twin.start(2)
    twin.charge(30, 2)
    twin.stop(1)
    twin.charge(30, 2)
    twin.stop(2)
    settle(books)
    first, second = explained(books, one), explained(books, other)
    ends = BEGIN + 7200, BEGIN + 14_400
    assert [
        (found.id, found.connector, found.begin_wh, found.end_wh) for found in first.beside
    ] == [(other, 2, *ends)]
    assert [(found.id, found.most_wh) for found in second.beside] == [(one, 0)]
    shown = (
        f"  beside: {other} on connector 2, 1,007,200 Wh to 1,014,400 Wh; one register, 1,007,200 "
        "Wh to 1,010,800 Wh"
    )
    assert f"{shown} while both ran; it drew at most 3,600 Wh" in list(lines(first, UTC))
    assert any(
        line.startswith(f"  beside: {one}") and line.endswith("next to nothing")
        for line in lines(second, UTC)
    )


def test_nothing_is_doubtful_while_nothing_flows(station: Station, twin: Twin) -> None:
    one = twin.start(1)
    twin.charge(60, 1)
    other = twin.start(2)
    twin.charge(30)
    twin.stop(1)
    twin.charge(60, 2)
    twin.stop(2)
    assert_figure(station, one, 7200, flagged=False)
    assert_figure(station, other, 7200, flagged=False)


def test_the_end_of_the_other_one_shows_that_it_drew_nothing(
    books: Books, station: Station
) -> None:
    """Until then, it may have drawn all that flowed."""
    one = station.start(BEGIN)
    books.wait(30)
    station.tell(station.register(BEGIN + 3600), transaction=one)
    other = station.start(BEGIN + 3600, connector=2)
    books.wait(30)
    station.stop(one, BEGIN + 7200)
    assert open_codes(books, one) == SHARED
    told = (25, BEGIN + 4200), (10, BEGIN + 6000), (0, BEGIN + 7200)
    idle = [meter_value(station.clock(ago), wh, watts(0)) for ago, wh in told]
    station.tell(*idle, transaction=other, connector=2)
    books.wait(1)
    station.stop(other, BEGIN + 7200)
    settle(books)
    assert_figure(station, one, 7200, flagged=False)
    assert books.rows("SELECT resolution FROM review WHERE tx_id = ?", one) == [("judged again",)]


def test_the_end_of_the_other_one_shows_a_register_of_its_own(
    books: Books, station: Station
) -> None:
    """It stood by chance where the other was when it began."""
    one = station.start(BEGIN)
    books.wait(30)
    station.tell(station.register(BEGIN + 3600), transaction=one)
    other = station.start(BEGIN + 3600, connector=2)
    books.wait(30)
    station.stop(one, BEGIN + 7200)
    assert open_codes(books, one) == SHARED
    books.wait(30)
    station.stop(other, BEGIN + 4200)
    settle(books)
    assert_figure(station, one, 7200, flagged=False)
    assert_figure(station, other, 600, flagged=False)


def test_one_that_is_told_late_makes_the_other_doubtful(books: Books, station: Station) -> None:
    """Its start, within the readings of the other, arrives after that one ended."""
    one = station.start(BEGIN)
    books.wait(30)
    station.tell(station.register(BEGIN + 3600), transaction=one)
    books.wait(30)
    station.stop(one, BEGIN + 10_800)
    assert_figure(station, one, 10_800, flagged=False)
    books.wait(60)
    other = station.start(BEGIN + 3600, 2, at=station.clock(90))
    settle(books)
    assert open_codes(books, one) == SHARED
    assert books.recorded(TransactionRejudged)[-1].transaction == one
    station.stop(other, BEGIN + 10_900, at=station.clock(50))
    settle(books)
    assert (open_codes(books, one), open_codes(books, other)) == (SHARED, SHARED)


def test_one_that_is_open_shows_its_register_when_it_ends(books: Books, station: Station) -> None:
    """Where the other began, its own register is known only by its next reading."""
    other = station.start(BEGIN, connector=2)
    books.wait(30)
    one = station.start(BEGIN + 3600)
    books.wait(30)
    station.stop(one, BEGIN + 10_800)
    assert_figure(station, one, 7200, flagged=False)
    books.wait(30)
    station.stop(other, BEGIN + 14_400)
    settle(books)
    assert (open_codes(books, one), open_codes(books, other)) == (SHARED, SHARED)


def test_registers_of_their_own_that_are_close_are_not_judged_again(
    books: Books, station: Station
) -> None:
    """Each begins where its own connector ended before."""
    ends = {1: BEGIN, 2: BEGIN + 3000}
    for connector, wh in ends.items():
        earlier = station.start(wh - 5000, connector)
        books.wait(60)
        station.stop(earlier, wh)
    first = station.start(ends[1])
    books.wait(30)
    second = station.start(ends[2], connector=2)
    books.wait(30)
    station.stop(first, BEGIN + 7200)
    books.wait(60)
    station.stop(second, BEGIN + 12_000)
    settle(books)
    assert_figure(station, first, 7200, flagged=False)
    assert_figure(station, second, 9000, flagged=False)
    assert books.count("review") == 0
    assert books.recorded(TransactionRejudged) == []


def test_later_starts_and_stops_show_two_registers_that_met(books: Books, station: Station) -> None:
    """Two new meters at the same value. One later start below what was told before may be wrong;
    two hardly are."""
    one = station.start(BEGIN)
    books.wait(72)
    other = station.start(BEGIN, connector=2)
    books.wait(270)
    station.stop(one, BEGIN + 37_560)
    books.wait(75)
    station.stop(other, BEGIN + 41_760)
    settle(books)
    books.wait(500)
    following = station.start(BEGIN + 37_560)
    books.wait(240)
    station.stop(following, BEGIN + 78_660)
    settle(books)
    assert (open_codes(books, one), open_codes(books, other)) == (SHARED, SHARED)
    books.wait(240)
    station.start(BEGIN + 41_760, connector=2)
    settle(books)
    assert_figure(station, one, 37_560, flagged=True)
    assert_figure(station, other, 41_760, flagged=True)


def test_each_later_message_counts_not_only_that_of_the_next_transaction(
    books: Books, station: Station
) -> None:
    """Two new meters at the same value. More than two messages would have to be wrong once a few
    days have passed."""
    first, second = station.start(BEGIN), station.start(BEGIN, connector=2)
    ends = {1: BEGIN + 45_000, 2: BEGIN + 12_000}
    books.wait(90)
    station.stop(second, ends[2])
    books.wait(360)
    station.stop(first, ends[1])
    settle(books)
    assert (open_codes(books, first), open_codes(books, second)) == (SHARED, SHARED)
    for _ in range(3):
        for connector in (1, 2):
            books.wait(300)
            later = station.start(ends[connector], connector)
            books.wait(120)
            ends[connector] += 12_000
            station.stop(later, ends[connector])
    settle(books)
    assert_figure(station, first, 45_000, flagged=False)
    assert_figure(station, second, 12_000, flagged=False)


def test_no_later_facts_would_change_a_figure(books: Books, twin: Twin) -> None:
    transactions = [twin.start(1), twin.start(2)]
    twin.charge(30, 1, 2)
    twin.stop(2)
    transactions.append(twin.start(2))
    twin.charge(30, 1, 2)
    twin.stop(1)
    twin.charge(15, 2)
    twin.stop(2)
    settle(books)
    rows = partial(_rows, books)
    for transaction in transactions:
        assert "shared_register" in open_codes(books, transaction)
        tx = find_transaction(rows, transaction)
        assert tx is not None
        assert (tx.rules, compare(rows, tx)) == (RULES, None)


def test_no_story_of_one_meter_is_silently_wrong(books: Books) -> None:
    chance = Random(5)
    for number in range(40):
        books.wait(60)
        story, _ = liar_story(["one meter for two connectors"], chance)
        played = play(story, books, f"TWIN-{number}")
        assert Verdict.SILENT not in {one.verdict for one in played.outcomes()}, timeline(played)


def _rows(books: Books, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    return books.rows(sql, *values)


@pytest.mark.parametrize("power", [2300, 3680])
def test_two_new_meters_whose_registers_rise_by_the_power_of_their_own_cars(
    books: Books, station: Station, power: int
) -> None:
    """One meter would rise by twice as much while both run."""
    first, wh = station.start(0, 2, "A"), 0
    second, other = station.start(30, 1, "B"), 30
    for _ in range(11):
        books.wait(2)
        wh, other = wh + power // 30, other + power // 30
        station.tell(
            meter_value(station.clock(), wh // 10 * 10, watts(power)),
            transaction=first,
            connector=2,
        )
        station.tell(
            meter_value(station.clock(), other // 10 * 10, watts(power)), transaction=second
        )
    station.stop(first, wh // 10 * 10)
    for _ in range(10):
        books.wait(2)
        other += power // 30
        station.tell(
            meter_value(station.clock(), other // 10 * 10, watts(power)), transaction=second
        )
    station.stop(second, other // 10 * 10)
    settle(books)

    assert_figure(station, first, wh // 10 * 10, flagged=False)
    assert_figure(station, second, other // 10 * 10 - 30, flagged=False)


def test_a_car_that_no_report_of_power_met_charged_beside_another(
    books: Books, station: Station
) -> None:
    """For 11 minutes after its start, between reports of 0 W; the other one has 11 kW, and less and
    less at its end."""
    one, other, wh = station.start(290_000, 1), 0, 290_000
    for minute in range(1, 136):
        books.wait(1)
        if minute == 9:
            other = station.start(wh, 2)
        power = 11_040 if minute <= 75 else 11_040 >> (minute - 61) // 15
        wh += power // 60 + 184 * (9 < minute <= 20)
        if minute % 15 == 0:
            station.tell(meter_value(station.clock(), wh, watts(power)), transaction=one)
        if minute > 9 and (minute - 9) % 15 == 0:
            station.tell(meter_value(station.clock(), wh, watts(0)), transaction=other, connector=2)
    station.stop(one, wh)
    station.stop(other, wh)
    settle(books)

    assert SHARED[0] in open_codes(books, one)
    assert SHARED[0] in open_codes(books, other)


def test_two_new_meters_in_whole_kilowatt_hours_are_not_one(books: Books, station: Station) -> None:
    """One is at 1 kWh, the other at 0: from one to the other, readings fall by the last digit again
    and again."""
    first, second = station.start(1000, 1), station.start(0, 2)
    for minute in range(1, 81):
        books.wait(1)
        for connector, transaction, wh in (
            (1, first, 1000 + 60 * max(0, minute - 45)),
            (2, second, 60 * min(minute, 40)),
        ):
            value = meter_value(station.clock(), {"value": str(wh // 1000), "unit": "kWh"})
            station.tell(value, transaction=transaction, connector=connector)
    station.stop(first, 3000)
    books.wait(30)
    station.stop(second, 2000)
    settle(books)

    assert open_codes(books, first) == open_codes(books, second) == []
