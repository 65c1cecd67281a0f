"""Availability is an intent of ours, alarmed when a status differs."""

import pytest

from levity_trio.events import AvailabilityDiffers, OutcomeKnown
from levity_trio.store.lookups.connectors import Differing, differing
from levity_trio.store.reads.chargers.chargers import connectors
from tests.store.books import Books, Station
from tests.store.reading import reading
from tests.store.test_outcomes import ask, follow, outcome

OUT, BACK = "Inoperative", "Operative"


def tell(station: Station, wanted: str, connector: int = 1, status: str = "Accepted") -> int:
    return ask(
        station,
        "ChangeAvailability",
        {"connectorId": connector, "type": wanted},
        {"status": status},
    )


def differs(books: Books) -> list[Differing]:
    return [one._replace(since=None) for one in books.run(lambda db: differing(db.rows))]


def recorded(books: Books) -> list[tuple[int, str, str]]:
    return [(one.connector, one.wanted, one.status) for one in books.recorded(AvailabilityDiffers)]


def report(station: Station, status: str, connector: int = 1) -> None:
    station.status(status, connector=connector)
    follow(station.books)


def test_a_charger_that_forgets_it_in_a_reboot(books: Books, station: Station) -> None:
    report(station, "Available")
    tell(station, OUT)
    report(station, "Unavailable")
    assert (differs(books), recorded(books)) == ([], [])
    station.boot()
    report(station, "Available")
    assert differs(books) == [Differing("CP-1", 1, OUT, "Available", None)]
    with reading(books) as db:
        assert [(one.status, one.told_to_be) for one in connectors(db, "CP-1")] == [
            ("Available", OUT)
        ]
    report(station, "Available")
    report(station, "Preparing")
    assert recorded(books) == [(1, OUT, "Available"), (1, OUT, "Preparing")]
    tell(station, OUT)
    report(station, "Unavailable")
    assert differs(books) == []


def test_a_connector_that_somebody_switched_off(books: Books, station: Station) -> None:
    report(station, "Unavailable")
    assert differs(books) == []  # nobody has said how it is to be
    tell(station, BACK)
    report(station, "Available")
    report(station, "Unavailable")
    assert recorded(books) == [(1, BACK, "Unavailable")]
    report(station, "Faulted")
    assert differs(books) == []  # that is another alarm


def test_nothing_is_compared_while_the_outcome_is_followed(books: Books, station: Station) -> None:
    report(station, "Available")
    command = tell(station, OUT)
    report(station, "Preparing")
    assert differs(books) == []
    follow(books, minutes=2.1)
    assert outcome(books, command)[0] == "contradicted"
    assert differs(books) == [Differing("CP-1", 1, OUT, "Preparing", None)]


def test_a_transaction_from_before_is_finished_first(books: Books, station: Station) -> None:
    report(station, "Charging")
    transaction = station.start(1000)
    books.wait(1)
    tell(station, OUT, status="Scheduled")
    follow(books, minutes=60 * 24 * 7.1)
    report(station, "SuspendedEV")
    assert differs(books) == []
    station.stop(transaction, 2000)
    report(station, "Finishing")
    assert differs(books) == []
    report(station, "Unavailable")
    assert (differs(books), recorded(books)) == ([], [])
    station.start(2000)
    report(station, "Charging")
    assert recorded(books) == [(1, OUT, "Charging")]


def test_the_whole_charger_and_one_connector_that_was_told_otherwise_later(
    books: Books, station: Station
) -> None:
    for connector in (1, 2):
        report(station, "Available", connector)
    tell(station, OUT, connector=0)
    for connector in (1, 2):
        report(station, "Unavailable", connector)
    tell(station, BACK, connector=2)
    report(station, "Available", 2)
    assert differs(books) == []
    report(station, "Available", 1)
    assert differs(books) == [Differing("CP-1", 1, OUT, "Available", None)]
    tell(station, BACK, connector=0)
    follow(books, minutes=2.1)
    assert differs(books) == []
    assert books.rows("SELECT conn_id, type FROM availability") == [(0, BACK)]


def test_of_a_charger_that_is_away_its_last_status_says_nothing(
    books: Books, station: Station
) -> None:
    report(station, "Available")
    tell(station, OUT)
    report(station, "Unavailable")
    report(station, "Available")
    station.lose()
    assert differs(books) == []
    station.connect()
    assert len(differs(books)) == 1


@pytest.mark.parametrize(("connector", "is_replaced"), [(1, True), (0, True), (2, False)])
def test_an_earlier_command_is_followed_no_more(
    books: Books, station: Station, connector: int, is_replaced: bool
) -> None:
    report(station, "Charging")
    earlier = tell(station, OUT, status="Scheduled")
    later = tell(station, BACK, connector)
    report(station, "Available")
    words = ("not seen", f"command {later} replaced it")
    assert outcome(books, earlier) == (words if is_replaced else ("pending", None))
    known = [one.command for one in books.recorded(OutcomeKnown) if one.outcome == "not seen"]
    assert known == ([earlier] if is_replaced else [])


def test_what_a_charger_rejects_is_no_intent(books: Books, station: Station) -> None:
    report(station, "Available")
    tell(station, OUT, status="Rejected")
    assert books.rows("SELECT * FROM availability") == []


def test_the_first_status_after_a_reconnect_is_an_alarm_whatever_its_time_says(
    books: Books, station: Station
) -> None:
    report(station, "Available")
    tell(station, BACK)
    follow(books)
    station.status("Unavailable", at=station.clock(minutes_ago=60))
    assert recorded(books) == []
    station.lose()
    station.connect()
    station.status("Unavailable", at=station.clock(minutes_ago=60))
    assert recorded(books) == [(1, BACK, "Unavailable")]
