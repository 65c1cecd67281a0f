"""Totals are found without reading all facts. tests/plugins/test_prometheus.py tests their
values."""

from __future__ import annotations

import pytest

from levity_trio.store.reads.site import totals
from levity_trio.store.upkeep import pruning
from tests.store.books import Books, Station


@pytest.mark.sqlite
def test_counted_facts_are_found_by_their_index(books: Books) -> None:
    plan = [row[3] for row in books.rows(f"EXPLAIN QUERY PLAN {totals.SUMS}")]
    found = [step for step in plan if step.split()[1] == "event"]
    assert found
    assert all("event_counted" in step for step in found)


def charge(station: Station) -> None:
    """Cause each of the counted facts, and take back reported energy."""
    late = station.start(1000)
    station.orphan(late, 5000)  # closed by the system, at 4,000 Wh
    station.books.wait(20)
    station.stop(late, 4000)  # its own stop says 3,000 Wh
    station.books.wait(20)
    leapt = station.start(4500)
    station.tell(station.register(900_000), transaction=leapt)
    station.stop(leapt, 5000)
    station.books.wait(20)
    station.stop(station.start(905_000), 905_000)  # 5 kWh flowed since


def summed(books: Books) -> dict[tuple[str, str, str], int]:
    return {
        (charger, counter, what): amount
        for charger, counter, what, amount in books.rows(totals.SUMS)
    }


def test_what_is_counted_stays_the_same_when_its_events_go(books: Books, station: Station) -> None:
    for one in (station, Station(books, "CP-2")):
        charge(one)
    before = summed(books)
    assert before["CP-1", totals.TAKEN_BACK, totals.DELIVERED] > 0
    assert before["CP-1", totals.FACT, "EnergyUnbilled"] == 1
    ids = [number for (number,) in books.rows("SELECT id FROM event ORDER BY id")]
    for last in ids[:: len(ids) // 5]:
        books.run(pruning.delete_events, last, 10.0)
        assert books.value("SELECT count(*) FROM event WHERE id <= ?", last) == 0
        assert summed(books) == before
    charge(station)
    more = summed(books)
    books.run(pruning.delete_events, 10**9, 10.0)
    assert books.count("event") == 0
    assert summed(books) == more


def test_what_follows_on_an_event_that_is_gone_counts_its_step_only(
    books: Books, station: Station
) -> None:
    transaction = station.start(1000)
    station.orphan(transaction, 5000)
    books.run(pruning.delete_events, 10**9, 10.0)
    books.wait(20)
    station.stop(transaction, 5200)
    assert summed(books)["CP-1", totals.REPORTED, totals.DELIVERED] == 4200


def test_no_more_are_deleted_than_should_be(books: Books, station: Station) -> None:
    charge(station)
    ids = [number for (number,) in books.rows("SELECT id FROM event ORDER BY id")]
    assert books.run(pruning.delete_events, ids[2], 0.0) == (3, True)
    assert [number for (number,) in books.rows("SELECT id FROM event ORDER BY id")] == ids[3:]
