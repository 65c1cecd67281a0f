"""Starts that arrive after their own readings and stop: no report tells of a charger that sends so.
Each begins a transaction of its own, and nothing of it or of what came before is certain."""

import pytest

from tests.store.books import Books, Station
from tests.store.telling import (
    HOUR,
    assert_doubtful,
    assert_open,
    charge,
    close_silent,
    others,
    session,
    settle,
)

OWN = 77_002
QUARTER = 15


@pytest.mark.parametrize("ending", ["available", "next start", "silence"])
@pytest.mark.parametrize("name", [None, OWN])
def test_a_late_start_makes_no_figure_certain(
    books: Books, station: Station, name: int | None, ending: str
) -> None:
    """The stop had opened a transaction with an unknown start."""
    first = station.start(1000)
    station.stop(first, charge(station, first, 1000))
    books.wait(QUARTER)
    began = station.clock()
    station.stop(-1 if name is None else name, charge(station, name, 8200))
    books.wait(QUARTER)
    ((known, *_),) = others(books, first)
    late = station.start(8200, at=began)
    assert station.start(8200, at=began) == late
    if ending == "available":
        station.status("Available")
        books.wait(HOUR)
    elif ending == "next start":
        books.wait(QUARTER)
        session(station, 15_400)
    close_silent(station)
    settle(books)
    assert_doubtful(station, known, 6600, 7200)
    assert_doubtful(station, late, 0, 600)


@pytest.mark.parametrize("name", [-1, 0, OWN])
def test_a_stop_goes_on_waiting_when_its_start_comes(
    books: Books, station: Station, name: int
) -> None:
    """An operator attaches it."""
    session(station, 1000)
    began = station.clock()
    books.wait(HOUR)
    station.stop(name, 8200 + 7200)
    books.wait(QUARTER)
    late = station.start(8200, at=began)
    assert_open(station, late)
    close_silent(station)
    settle(books)
    assert_doubtful(station, late, 0, 7200)
    assert books.row("SELECT tx_id, looked_at FROM set_aside") == (None, None)
