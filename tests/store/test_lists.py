"""Lists for people: pages, cursors, totals, and the filters of transactions."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from levity_trio.store.reads import pages
from levity_trio.store.reads.chargers.chargers import (
    boots,
    faults,
    habits,
    repairs,
    set_aside,
    statuses,
)
from levity_trio.store.reads.pages import NoPage, WantedPage
from levity_trio.store.reads.transactions.costs import NEWEST, OLDEST, billed_transactions
from levity_trio.store.reads.transactions.reviews import queue, reviews_of
from levity_trio.store.reads.transactions.transactions import (
    Transaction,
    TransactionFilters,
    events_of,
    of_charger,
    of_transaction,
    transaction,
)
from levity_trio.store.writes.chargers.sessions import count_repairs
from levity_trio.store.writes.chargers.sessions import set_aside as put_aside
from levity_trio.told import Told
from levity_trio.wire.times import stamp
from tests.store.books import NOON, Books, Station
from tests.store.reading import reading

FIRST = WantedPage()
TAGS = ("ANNA", "BEN", "CAESAR")


def charge(station: Station, number: int, connector: int = 1, tag: str = "ANNA") -> int:
    """Charge for half an hour."""
    transaction = station.start(1000 * number, connector=connector, tag=tag)
    station.books.wait(30)
    station.stop(transaction, 1000 * number + 800)
    station.books.wait(30)
    return transaction


def charge_backwards(station: Station) -> int:
    transaction = station.start(900_000, tag="BEN")
    station.books.wait(60)
    station.stop(transaction, 890_000)
    return transaction


@pytest.fixture
def site(books: Books) -> list[int]:
    """Two chargers with two connectors each, three tags, some open, some doubtful."""
    stations = [Station(books, name) for name in ("CP-1", "CP-2")]
    found = [charge(stations[n % 2], n, 1 + n // 2 % 2, TAGS[n % 3]) for n in range(24)]
    doubtful = charge_backwards(stations[0])
    opened = [
        stations[1].start(24_000, connector=2, tag="ANNA"),
        stations[0].start(901_000, connector=1, tag="BEN"),
    ]
    return [*found, doubtful, *opened]


def ids(
    books: Books,
    filters: TransactionFilters,
    wanted: WantedPage = FIRST,
    *,
    is_newest_first: bool = True,
) -> list[int]:
    with reading(books) as db:
        return [
            one.id
            for one in billed_transactions(
                db, filters, wanted, NEWEST if is_newest_first else OLDEST
            ).data
        ]


GIVEN: dict[str, Any] = {
    "charger": ("CP-1", lambda one: one.charger == "CP-1"),
    "connector": (2, lambda one: one.connector == 2),
    "first connector": (1, lambda one: one.connector == 1),
    "status": ("Active", lambda one: one.status == "Active"),
    "ended": ("Completed", lambda one: one.status == "Completed"),
    "tag": ("BEN", lambda one: one.id_tag == "BEN"),
    "since": (
        stamp(NOON.replace(hour=18)),
        lambda one: one.start_time >= stamp(NOON.replace(hour=18)),
    ),
    "before": (
        stamp(NOON.replace(hour=20)),
        lambda one: one.start_time < stamp(NOON.replace(hour=20)),
    ),
    "review": (True, lambda one: one.review is not None),
    "no review": (False, lambda one: one.review is None),
}
NAMES = {"first connector": "connector", "ended": "status", "no review": "review"}
PAIRS = [
    pair
    for pair in [*((name,) for name in GIVEN), *combinations(GIVEN, 2)]
    if len({NAMES.get(name, name) for name in pair}) == len(pair)
]


@pytest.mark.usefixtures("site")
def test_each_filter_and_each_pair_of_them(books: Books) -> None:
    with reading(books) as db:
        every = billed_transactions(db, TransactionFilters(), WantedPage()).data
    for names in PAIRS:
        wanted = [one.id for one in every if all(GIVEN[name][1](one) for name in names)]
        given = TransactionFilters(**{NAMES.get(name, name): GIVEN[name][0] for name in names})
        assert ids(books, given) == wanted, names
        assert ids(books, given, is_newest_first=False) == wanted[::-1], names


def test_the_newest_comes_first(books: Books, site: list[int]) -> None:
    assert ids(books, TransactionFilters()) == site[::-1]


def test_pages_by_number_have_a_total(books: Books, site: list[int]) -> None:
    with reading(books) as db:
        page = billed_transactions(db, TransactionFilters(), WantedPage(page=2, limit=10))
    assert [one.id for one in page.data] == site[::-1][10:20]
    assert (page.total, page.total_at_least, page.page, page.limit) == (len(site), None, 2, 10)
    assert ids(books, TransactionFilters(), WantedPage(page=3, limit=10)) == site[::-1][20:]
    assert ids(books, TransactionFilters(), WantedPage(page=4, limit=10)) == []


def test_cursors_reach_each_row_once_while_rows_are_added(books: Books, site: list[int]) -> None:
    found, cursor, station = [], None, Station(books, "CP-3")
    while True:
        with reading(books) as db:
            page = billed_transactions(db, TransactionFilters(), WantedPage(limit=7, cursor=cursor))
        found += [one.id for one in page.data]
        if (cursor := page.next_cursor) is None:
            break
        charge(station, len(found))
    assert found == site[::-1]


def test_the_total_is_exact_and_each_page_has_a_number(
    books: Books, site: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_COUNTED", 20)
    with reading(books) as db:
        page = billed_transactions(db, TransactionFilters(), WantedPage(page=3, limit=10))
    assert (page.total, page.total_at_least) == (len(site), None)
    assert [one.id for one in page.data] == site[::-1][20:]


def test_beyond_a_limit_the_total_of_statuses_is_a_lower_bound(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = Station(books)
    for number in range(30):
        books.wait(1)
        station.status(("Available", "Preparing")[number % 2])
    monkeypatch.setattr(pages, "MOST_COUNTED", 20)
    with reading(books) as db:
        page = statuses(db, station.name, None, WantedPage(page=2, limit=10))
        assert (page.total, page.total_at_least) == (None, 20)
        with pytest.raises(NoPage, match="next_cursor"):
            statuses(db, station.name, None, WantedPage(page=3, limit=10))
        rest = statuses(db, station.name, None, WantedPage(limit=10, cursor=page.next_cursor))
    assert [one.id for one in rest.data] == sorted((one.id for one in rest.data), reverse=True)
    assert not {one.id for one in rest.data} & {one.id for one in page.data}


@pytest.mark.parametrize("cursor", ["", "%", "bm9uZQ", "WzFd", "WzEsMiwzXQ", "W251bGwsMV0", "é"])
def test_a_cursor_of_somebody_else(books: Books, cursor: str) -> None:
    with reading(books) as db, pytest.raises(NoPage, match="cursor"):
        billed_transactions(db, TransactionFilters(), WantedPage(cursor=cursor))


def one(books: Books, number: int) -> Transaction:
    with reading(books) as db:
        found = transaction(db, number)
    assert found is not None
    return found


def test_an_ended_transaction(books: Books, station: Station) -> None:
    number = charge(station, 1)
    found = one(books, number)
    assert (found.status, found.state, found.energy_wh, found.energy_so_far_wh) == (
        "Completed",
        "stopped",
        800,
        None,
    )
    assert (found.meter_start_wh, found.meter_stop_wh, found.confidence) == (1000, 1800, "certain")
    with reading(books) as db:
        assert transaction(db, number + 1) is None


def test_an_open_transaction_has_its_energy_so_far(books: Books, station: Station) -> None:
    number = station.start(1000)
    books.wait(30)
    station.tell(station.register(2500), transaction=number)
    found = one(books, number)
    assert (found.state, found.energy_wh, found.energy_so_far_wh) == ("open", None, 1500)
    station.lose()
    assert one(books, number).state == "suspended"


def test_events_have_their_payload(books: Books, station: Station) -> None:
    with reading(books) as db:
        started, stopped = events_of(db, charge(station, 1))
    assert (started.kind, started.who, started.payload["meterStart"]) == ("start", "charger", 1000)
    assert (stopped.kind, stopped.state, stopped.cause, stopped.session) == (
        "stop",
        "open",
        "stop",
        station.session,
    )


def test_readings_of_a_transaction_are_in_order(books: Books, station: Station) -> None:
    charge(station, 0)
    number = station.start(1000)
    for wh in (1200, 1500, 1900):
        books.wait(5)
        station.tell(station.register(wh), transaction=number)
    station.stop(number, 2000)
    charge(station, 3)
    with reading(books) as db:
        page = of_transaction(db, number, None, WantedPage(limit=2))
        assert page is not None
        assert ([one.wh for one in page.data], page.total) == ([1200, 1500], 3)
        rest = of_transaction(db, number, None, WantedPage(limit=2, cursor=page.next_cursor))
        assert rest is not None
        assert [(one.wh, one.measurand) for one in rest.data] == [
            (1900, "Energy.Active.Import.Register")
        ]
        none = of_transaction(db, number, "Voltage", WantedPage())
        assert none is not None
        assert none.data == []
        assert of_transaction(db, 1, None, WantedPage()) is None


def test_readings_of_all_connectors_of_a_charger_are_in_one_order(
    books: Books, station: Station
) -> None:
    other = Station(books, "CP-2")
    for number in range(12):
        books.wait(1)
        station.tell(station.register(number), connector=number % 3)
        other.tell(other.register(1))
    with reading(books) as db:
        page = of_charger(db, "CP-1", None, None, None, WantedPage(page=2, limit=4))
        assert ([one.wh for one in page.data], page.total) == ([7, 6, 5, 4], 12)
        page = of_charger(
            db, "CP-1", None, None, None, WantedPage(limit=4, cursor=page.next_cursor)
        )
        assert [one.wh for one in page.data] == [3, 2, 1, 0]
        middle = of_charger(db, "CP-1", 1, page.data[1].timestamp, "9999", WantedPage())
        assert [one.wh for one in middle.data] == [10, 7, 4]


def test_what_a_charger_told_about_itself(books: Books, station: Station) -> None:
    station.boot()
    for status, error in (
        ("Available", "NoError"),
        ("Faulted", "GroundFailure"),
        ("Available", "NoError"),
    ):
        books.wait(1)
        station.status(status, error=error)
    station.status("Available", connector=2, error="HighTemperature")
    count_repairs_of(station)
    with reading(books) as db:
        assert [one.model for one in boots(db, "CP-1", WantedPage()).data] == ["Grizzl-E"]
        assert [one.connector for one in statuses(db, "CP-1", None, WantedPage()).data] == [
            2,
            1,
            1,
            1,
        ]
        assert [one.connector for one in statuses(db, "CP-1", 1, WantedPage()).data] == [1, 1, 1]
        assert statuses(db, None, None, WantedPage()).total == 4
        assert [one.error_code for one in faults(db, "CP-1", WantedPage()).data] == [
            *("HighTemperature", "GroundFailure"),
        ]
        ((waiting),) = faults(db, None, WantedPage(), is_open=True).data
        assert (waiting.error_code, waiting.is_warning) == ("HighTemperature", True)
        assert [one.kind for one in repairs(db, "CP-1")] == ["number"]
        assert (boots(db, "CP-9", WantedPage()).data, repairs(db, "CP-9"), habits(db, "CP-9")) == (
            [],
            [],
            [],
        )


def count_repairs_of(station: Station) -> None:
    station.write(count_repairs, [("number", "1,5")])


def test_the_queue_has_doubtful_transactions_and_messages(books: Books, station: Station) -> None:
    charge(station, 1)
    doubtful = charge_backwards(station)
    station.write(
        put_aside, station.message("StopTransaction", transactionId=7), "no transaction fits"
    )
    books.wait(5)
    certain = charge(station, 901)
    station.stop(certain, 1)  # a second stop, with another register
    with reading(books) as db:
        found = queue(db, None, None, WantedPage()).data
        assert [(one.kind, one.transaction and one.transaction.id) for one in found] == [
            *(("transaction", certain), ("message", None), ("transaction", doubtful)),
        ]
        assert found[1].message is not None
        assert (found[1].message.payload, found[1].message.reason) == (
            {"transactionId": 7},
            "no transaction fits",
        )
        assert [one.code for one in found[0].reviews] == ["second_stop"]
        assert found[2].reviews == tuple(
            one for one in reviews_of(db, doubtful) if one.resolved_at is None
        )
        review = found[2].reviews[0]
        assert review.evidence == ["start register 900000 Wh", "stop register 890000 Wh"]
        assert all(
            isinstance(text, Told) for text in (review.words, *review.evidence, *review.figures)
        )
        assert [one.kind for one in queue(db, "CP-1", "message", WantedPage()).data] == ["message"]
        first = queue(db, None, None, WantedPage(limit=1))
        second = queue(db, None, None, WantedPage(limit=1, cursor=first.next_cursor))
        assert [*first.data, *second.data] == found[:2]
        assert len(set_aside(db, "CP-1", WantedPage(), is_waiting=True).data) == 1
    books.connection.execute("UPDATE set_aside SET looked_at = ?", (books.at,))
    with reading(books) as db:
        assert len(queue(db, None, None, WantedPage()).data) == 2
