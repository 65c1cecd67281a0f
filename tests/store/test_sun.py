"""What the meters of the house's sun measured, as it is kept and shown."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from levity_trio.billing.sun import SunMeasured
from levity_trio.store.reads.load import load as reads
from levity_trio.store.reads.load.load_day import SunQuarter, sun_day
from levity_trio.store.writes.load import load
from tests.store.bills import FLAT, Biller, house_of_two
from tests.store.books import Books, Station, meter_value
from tests.store.reading import reading
from tests.store.test_power import Kept
from tests.store.test_quarters import BEGIN, FIRST, charged

WHOLE = SunMeasured(900, 1200, 0, 2000)


@pytest.fixture
def site(books: Books) -> Books:
    books.now = BEGIN
    books.run(load.set_site, '[[circuit]]\nname = "A"\namperes = 9\n', books.at, "anna")
    return books


def keep(books: Books, place: int, measured: SunMeasured, *chargers: str, site: int = 1) -> None:
    books.run(load.keep_sun, site, FIRST + place, measured, chargers)


def test_a_quarter_grows_and_never_shrinks(site: Books, station: Station) -> None:
    keep(site, 0, SunMeasured(60, 80, 1, 133, 2, 3), station.name, "CP-9")
    keep(site, 0, WHOLE, station.name)
    keep(site, 0, SunMeasured(899, 9000, 0, 0), station.name)  # after the clock was set back
    keep(site, 1, SunMeasured(10, 0, 0, 0), station.name)
    site.run(load.set_site, '[[circuit]]\nname = "B"\namperes = 9\n', site.at, "anna")
    keep(site, 1, SunMeasured(20, 5, 0, 0), station.name, site=2)
    assert site.rows("SELECT * FROM sun_quarter ORDER BY quarter") == [
        (FIRST, 1, *WHOLE),
        (FIRST + 1, 1, 20, 5, 0, 0, 0, 0),
    ]
    # A charger that nobody has seen yet is none.
    assert site.rows("SELECT site_id, cp_id FROM sun_charger ORDER BY site_id") == [
        (1, station.name),
        (2, station.name),
    ]
    with reading(site) as db:
        assert reads.sun_begun(db, 1) == (FIRST + 1, SunMeasured(20, 5, 0, 0))
        assert reads.sun_begun(db, 2) is None


def test_before_the_first_quarter_nothing_has_begun(books: Books) -> None:
    with reading(books) as db:
        assert reads.sun_begun(db, 1) is None


def test_sessions_of_the_quarter_are_priced_again(site: Books) -> None:
    biller = Biller(house_of_two(site))
    site.now = BEGIN
    biller.assign(biller.add(FLAT), date(2026, 1, 1))
    station = Station(site)
    own = charged(station)
    charged(station)
    before = revisions(site)
    keep(site, 2, WHOLE, "CP-1")
    after = revisions(site)
    assert [tx for tx in before if after[tx] != before[tx]] == [own]
    # What is stored already changes no price.
    keep(site, 2, WHOLE, "CP-1")
    assert revisions(site) == after


def revisions(books: Books) -> dict[int, int]:
    return dict(books.rows("SELECT tx_id, revision FROM bill_work WHERE tx_id IS NOT NULL"))


async def test_a_day_of_sun(site: Books) -> None:
    """Two chargers below the panels and one beside them; the last quarter still runs."""
    stations = [Station(site, f"CP-{number}") for number in (1, 2, 3)]
    running = [station.start(1000) for station in stations]
    wh = 1000
    for _ in range(10):
        site.wait(5)
        wh += 300
        for station, transaction in zip(stations, running, strict=True):
            station.tell(meter_value(station.clock(), wh), transaction=transaction)
    kept = Kept(site)
    await kept.look()
    keep(site, 0, SunMeasured(900, 0, 200, 2000, 10, 20), "CP-1", "CP-2")
    keep(site, 2, SunMeasured(450, 600, 0, 1000), "CP-1", "CP-2")
    keep(site, 3, SunMeasured(300, 0, 100, 500), "CP-1", "CP-2")
    with reading(site) as db:
        day = sun_day(db, kept.day(datetime(2026, 3, 2, tzinfo=UTC)))
    place = 40
    assert day.quarters[place] == SunQuarter(
        seconds=900,
        import_wh=0,
        export_wh=200,
        generation_wh=2000,
        charge_wh=10,
        discharge_wh=20,
        cars_wh=1800,
        sun_wh=1800,
    )
    later = day.quarters[place + 2 : place + 4]
    assert [one and (one.seconds, one.cars_wh, one.sun_wh) for one in later] == [
        (450, 1800, 300),
        (300, None, None),
    ]
    assert [one for one in day.quarters if one is not None] == [day.quarters[place], *later]
    assert (len(day.quarters), day.cars_wh, day.sun_wh) == (96, 3600, 2100)
