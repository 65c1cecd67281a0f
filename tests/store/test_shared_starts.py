"""Connectors that tell one register, though no reading shows it: starts are where the other
connector stopped."""

from __future__ import annotations

import pytest

from tests.store.books import Books, Station
from tests.store.deciding import open_codes
from tests.store.telling import assert_figure, settle

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

Steps = tuple[tuple[int, int, int], ...]
TOGETHER: Steps = (
    (19, 2, 1187),
    (50, 1, 12_580),
    (64, 2, 17_818),
    (87, 2, 18_367),
    (150, 2, 23_405),
    (223, 1, 24_828),
)
"""The minute, the connector and the register of each start and stop of three transactions that ran
at once."""
NEXT: Steps = ((244, 2, 24_828), (327, 2, 40_016))
"""It begins where the other connector stopped, not where its own did."""


def played(station: Station, steps: Steps) -> list[int]:
    """Start and stop by turns on each connector, one after the other in time; return the
    transactions, all judged."""
    began, ids, running = station.books.now, list[int](), dict[int, int]()
    for minute, connector, wh in steps:
        station.books.wait(minute - (station.books.now - began).total_seconds() / 60)
        if connector in running:
            station.stop(running.pop(connector), wh)
        else:
            running[connector] = station.start(wh, connector)
            ids.append(running[connector])
    settle(station.books)
    return ids


def doubted(books: Books, transactions: list[int]) -> list[bool]:
    return ["shared_register" in open_codes(books, number) for number in transactions]


def test_a_start_where_the_other_connector_stopped_shows_one_register(
    books: Books, station: Station
) -> None:
    """The register is so low that three transactions alone show nothing."""
    assert doubted(books, played(station, TOGETHER)) == [False] * 3


def test_all_before_it_are_judged_again(books: Books, station: Station) -> None:
    first, *others, last = played(station, TOGETHER + NEXT)
    assert doubted(books, [first, *others]) == [True] * 3
    assert_figure(station, last, 40_016 - 24_828, flagged=False)


def test_a_stop_where_the_other_connector_stopped_shows_it_too(
    books: Books, station: Station
) -> None:
    steps: Steps = (
        (0, 1, 7920),
        (95, 2, 42_961),
        (160, 2, 52_058),
        (310, 2, 52_058),
        (363, 1, 61_728),
    )
    assert (
        doubted(
            books, played(station, (*steps, (557, 1, 77_457), (608, 1, 79_240), (650, 2, 79_240)))
        )
        == [True] * 4
    )


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(
            (*TOGETHER, (244, 2, 23_405), (327, 2, 40_016)), id="it goes on from its own stop"
        ),
        pytest.param((*TOGETHER, (244, 2, 24_700), (327, 2, 40_016)), id="it is elsewhere"),
        pytest.param(
            (*TOGETHER, *NEXT, (400, 1, 24_828), (430, 1, 30_000)), id="the other one falls behind"
        ),
    ],
)
def test_others_show_registers_of_their_own(books: Books, station: Station, steps: Steps) -> None:
    assert not any(doubted(books, played(station, steps)))


def test_whole_kilowatt_hours_meet_by_chance(books: Books, station: Station) -> None:
    """A transaction was lost, and the next start is where the other connector is, to the kWh."""
    steps: Steps = (
        (0, 1, 2000),
        (5, 2, 3000),
        (60, 1, 9000),
        (70, 2, 8000),
        (100, 2, 9000),
        (150, 2, 20_000),
    )
    assert not any(doubted(books, played(station, steps)))
