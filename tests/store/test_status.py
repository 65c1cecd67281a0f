"""StatusNotification and BootNotification: stored rows, present status, errors."""

from collections.abc import Sequence
from typing import Any

import pytest

from levity_trio.events import (
    ChargerBooted,
    ErrorOpened,
    ErrorsResolved,
    IdentityShared,
    StatusChanged,
    TransactionResumed,
    TransactionSuspended,
)
from levity_trio.store.engine.database import UnitOfWork
from tests.store.books import UNSET_CLOCK, Books, Station

IN_TABLE = "SELECT status, error_code, status_at FROM cp_conn WHERE conn_id = ?"


def present(books: Books, connector: int = 1) -> str:
    return str(books.row(IN_TABLE, connector)[0])


def test_the_charger_is_apart_from_its_connectors(books: Books, station: Station) -> None:
    station.status("Unavailable", connector=0)
    station.status("Charging", connector=1)
    station.status("Preparing", connector=2)
    assert books.row("SELECT status, error_code, status_at, clock_skew_seconds FROM cp") == (
        *("Unavailable", "NoError", "2026-03-01T12:00:00.000Z", 0),
    )
    assert books.rows("SELECT conn_id, status FROM cp_conn ORDER BY conn_id") == [
        (1, "Charging"),
        (2, "Preparing"),
    ]
    assert [(fact.connector, fact.status) for fact in books.recorded(StatusChanged)] == [
        *((0, "Unavailable"), (1, "Charging"), (2, "Preparing")),
    ]


def test_equal_ones_are_counted(books: Books, station: Station) -> None:
    for status in ("Available", "Available", "Available", "Preparing", "Available"):
        station.status(status)
        books.wait(1)
    assert books.rows(
        "SELECT status, count, received_at, last_received_at FROM status ORDER BY id"
    ) == [
        ("Available", 3, "2026-03-01T12:00:00.250Z", "2026-03-01T12:02:00.250Z"),
        ("Preparing", 1, "2026-03-01T12:03:00.250Z", "2026-03-01T12:03:00.250Z"),
        ("Available", 1, "2026-03-01T12:04:00.250Z", "2026-03-01T12:04:00.250Z"),
    ]
    assert len(books.recorded(StatusChanged)) == 3


def test_another_vendor_error_is_a_change(books: Books, station: Station) -> None:
    station.status("Faulted", error="OtherError", vendor="E1")
    station.status("Faulted", error="OtherError", vendor="E2")
    assert books.count("status") == 2
    assert books.rows("SELECT vendor_error_code FROM cp_err ORDER BY id") == [("E1",), ("E2",)]


# Out of order


def test_an_older_one_does_not_overwrite_a_newer_one(books: Books, station: Station) -> None:
    station.status("Charging", at=station.clock())
    station.status("Faulted", error="GroundFailure", at=station.clock(minutes_ago=3))
    assert present(books) == "Charging"
    assert books.count("status") == 2
    assert books.count("cp_err") == 0
    station.status("Finishing", at=station.clock())
    assert present(books) == "Finishing"


def test_an_older_one_of_the_charger_itself(books: Books, station: Station) -> None:
    station.status("Unavailable", connector=0, at=station.clock())
    station.status("Available", connector=0, at=station.clock(minutes_ago=3))
    assert books.value("SELECT status FROM cp") == "Unavailable"


@pytest.mark.parametrize(
    "sent", [UNSET_CLOCK, "2026-03-01T12:05:01Z", "2019-01-01T00:00:00Z", "", None, "nonsense"]
)
@pytest.mark.parametrize("is_first", [True, False])
def test_where_one_cannot_be_believed_the_order_of_receipt_decides(
    books: Books, station: Station, sent: str | None, is_first: bool
) -> None:
    times = [sent, "2026-03-01T11:00:00Z"] if is_first else ["2026-03-01T11:59:00Z", sent]
    for status, told in zip(("Charging", "Finishing"), times, strict=True):
        station.status(status, at=told)
    assert present(books) == "Finishing"
    assert books.rows("SELECT sent_timestamp FROM status ORDER BY id") == [
        (told,) for told in times
    ]


def test_a_clock_put_right_does_not_hold_the_present_up(books: Books, station: Station) -> None:
    """It was four minutes ahead, which is believable."""
    station.behind = -4
    station.status("Charging")
    books.wait(1)
    station.behind = 0
    station.status("Available")
    assert present(books) == "Available"


def test_a_status_without_a_time_keeps_the_skew_that_is_known(
    books: Books, station: Station
) -> None:
    station.behind = 2
    station.status("Available")
    station.status("Preparing", at=None)
    assert books.value("SELECT clock_skew_seconds FROM cp") == -120


@pytest.mark.parametrize("late_seconds", [59, 60])
def test_what_did_not_wait_in_the_charger_is_newer(
    books: Books, station: Station, late_seconds: int
) -> None:
    """Both came as they happened; a clock may be set by a minute meanwhile."""
    station.status("Preparing", at="2026-03-01T12:00:00Z")
    station.status("Charging", at=station.clock(minutes_ago=late_seconds / 60))
    assert present(books) == "Charging"


def come_back(station: Station, boots: bool = True, is_lost: bool = True) -> None:
    if is_lost:
        station.lose()
        station.connect()
    if boots:
        station.boot()


@pytest.mark.parametrize(
    ("boots", "is_lost"),
    [(True, True), (True, False), (False, True)],
    ids=["both", "boot", "reconnect"],
)
@pytest.mark.parametrize("connector", [0, 1])
@pytest.mark.parametrize("minutes_ago", [2, 60, 77 * 24 * 60])
def test_the_first_one_after_a_boot_or_a_reconnect_counts_whatever_its_time_says(
    books: Books, station: Station, boots: bool, is_lost: bool, connector: int, minutes_ago: int
) -> None:
    station.status("Available", connector=connector, at=station.clock(minutes_ago=1))
    come_back(station, boots, is_lost)
    station.status(
        "Faulted", connector=connector, error="OverVoltage", at=station.clock(minutes_ago)
    )
    table = "cp" if connector == 0 else "cp_conn"
    assert books.value(f"SELECT status FROM {table}") == "Faulted"
    assert [(fact.connector, fact.error_code) for fact in books.recorded(ErrorOpened)] == [
        (connector, "OverVoltage")
    ]
    station.status("Available", connector=connector, at=station.clock(minutes_ago + 5))
    # the second one of this connection, and older
    assert books.value(f"SELECT status FROM {table}") == "Faulted"
    come_back(station, boots, is_lost)
    station.status("Available", connector=connector, at=station.clock(minutes_ago + 5))
    assert [fact.count for fact in books.recorded(ErrorsResolved)] == [1]
    assert books.value("SELECT resolved_at >= timestamp FROM cp_err")


def test_each_connector_has_a_first_one(books: Books, station: Station) -> None:
    for connector in (1, 2):
        station.status("Available", connector)
    come_back(station)
    for connector in (1, 2):
        station.status("Unavailable", connector, at=station.clock(minutes_ago=30))
        station.status("Faulted", connector, at=station.clock(minutes_ago=40))
    assert [fact.status for fact in books.recorded(StatusChanged)] == ["Available"] * 2 + [
        "Unavailable"
    ] * 2
    assert present(books, 1) == present(books, 2) == "Unavailable"


def test_what_a_replaced_connection_said_does_not_take_the_place_of_the_first_one(
    books: Books, station: Station
) -> None:
    station.status("Available")
    before = station.session
    station.connect()
    present_one, station.session = station.session, before
    station.status("Preparing")
    station.session = present_one
    station.status("Faulted", error="OverVoltage", at=station.clock(minutes_ago=60))
    assert present(books) == "Faulted"


@pytest.mark.parametrize("was_ahead", [0, 4, 60])
@pytest.mark.parametrize("behind", [31, 60, 420, 3 * 365 * 24 * 60])
def test_a_clock_that_was_set_back_hides_no_fault(
    books: Books, station: Station, was_ahead: int, behind: int
) -> None:
    """Within one connection the first status after it looks old, as if it had waited. The next one
    shows the clock."""
    station.behind = -was_ahead
    station.status("Available")
    station.status("Available", connector=2)
    books.wait(30)
    station.behind = behind
    station.status("Faulted", error="OverVoltage")
    books.wait(2)
    station.status("Preparing", connector=2)
    assert (present(books), present(books, 2)) == ("Faulted", "Preparing")
    assert len(books.recorded(ErrorOpened)) == 1
    assert books.value("SELECT clock_skew_seconds FROM cp") == -behind * 60
    station.status("Available")
    assert len(books.recorded(ErrorsResolved)) == 1


@pytest.mark.parametrize(
    ("more", "expected"), [(60, "Preparing"), (59, "Available"), (61, "Available")]
)
def test_a_local_clock_that_goes_back_an_hour_hides_nothing(
    books: Books, station: Station, more: int, expected: str
) -> None:
    """In Chicago, the night in autumn: five hours behind, then six. What waited for about an hour
    is old."""
    station.behind = 5 * 60
    station.status("Preparing")
    books.wait(20)
    station.status("Available")
    books.wait(10)
    station.behind += more
    station.status("Preparing")
    assert present(books) == expected
    station.behind = 6 * 60
    books.wait(10)
    station.status("Charging", connector=2)
    station.status("Charging")
    assert present(books) == "Charging"


def test_an_old_event_told_again_and_again_stays_old(books: Books, station: Station) -> None:
    """Its lag grows, as that of a live message does not."""
    station.status("Charging")
    fault = station.clock(minutes_ago=60)
    for _ in range(5):
        books.wait(1)
        station.status("Faulted", error="OverVoltage", at=fault)
    assert (present(books), books.count("cp_err")) == ("Charging", 0)
    assert books.value("SELECT clock_skew_seconds FROM cp") == 0
    assert books.rows("SELECT status, count, is_late FROM status ORDER BY id") == [
        ("Charging", 1, 0),
        ("Faulted", 5, 1),
    ]


def test_connectors_that_a_charger_invents_are_not_looked_through(
    books: Books, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A month of them took the writer 0.2 s for each status of a clock that is behind."""
    for connector in range(101, 161):
        station.status("Available", connector=connector)
    station.status("Available")
    said, rows = list[str](), UnitOfWork.rows

    def noted(db: UnitOfWork, sql: str, parameters: Sequence[object] = ()) -> Any:
        said.append(sql)
        return rows(db, sql, parameters)

    monkeypatch.setattr(UnitOfWork, "rows", noted)
    station.status("Preparing", at=station.clock(minutes_ago=3))
    assert sum("FROM status" in one for one in said) < 10
    assert books.count("status") == 62


def test_statuses_that_waited_stay_in_their_order(books: Books, station: Station) -> None:
    """All of a queue come within seconds."""
    station.status("Available")
    come_back(station, boots=False)
    station.status("Available")
    for minutes_ago, status in ((50, "Charging"), (40, "Faulted"), (30, "Finishing")):
        books.wait(0.02)
        station.status(
            status,
            error="OtherError" if status == "Faulted" else "NoError",
            at=station.clock(minutes_ago),
        )
    assert (present(books), books.count("cp_err")) == ("Available", 0)


@pytest.mark.parametrize("minutes_ago", [2, 5, 60])
@pytest.mark.parametrize("connector", [1, 2])
def test_one_that_waited_as_long_as_one_of_an_earlier_connection_stays_old(
    books: Books, station: Station, connector: int, minutes_ago: int
) -> None:
    """Of two connections, equal lags are no clock."""
    station.status("Available", connector)
    station.status("Finishing", connector, at=station.clock(minutes_ago))
    books.wait(30)
    come_back(station)
    station.status("Charging")
    station.status("Available", at=station.clock(minutes_ago))
    assert present(books) == "Charging"
    assert books.value("SELECT clock_skew_seconds FROM cp") == 0


def test_a_late_one_resumes_nothing(books: Books, station: Station) -> None:
    station.start(1000)
    come_back(station)
    station.status("Available")
    station.status("Charging", at=station.clock(minutes_ago=30))
    assert books.value("SELECT suspended_at FROM tx") is not None


# Faults


def test_a_fault_is_opened_once_and_resolved(books: Books, station: Station) -> None:
    for _ in range(3):
        station.status("Faulted", error="GroundFailure")
    books.wait(5)
    station.status("Available")
    assert books.row(
        "SELECT cp_id, conn_id, error_code, is_warning, timestamp, resolved_at, session_id "
        "FROM cp_err"
    ) == (
        *(
            "CP-1",
            1,
            "GroundFailure",
            0,
            "2026-03-01T12:00:00.000Z",
            "2026-03-01T12:05:00.000Z",
            station.session,
        ),
    )
    assert len(books.recorded(ErrorOpened)) == 1
    assert [fact.count for fact in books.recorded(ErrorsResolved)] == [1]
    station.status("Faulted", error="GroundFailure")
    assert books.count("cp_err") == 2


def test_an_error_code_with_another_status_is_a_warning(books: Books, station: Station) -> None:
    station.status("Charging", error="HighTemperature")
    assert books.value("SELECT is_warning FROM cp_err") == 1
    assert books.recorded(ErrorOpened)[0].is_warning


def test_faults_of_the_charger_and_of_its_connectors_are_apart(
    books: Books, station: Station
) -> None:
    station.status("Faulted", connector=0, error="OtherError")
    station.status("Faulted", connector=1, error="OtherError")
    station.status("Available", connector=1)
    assert books.rows("SELECT conn_id FROM cp_err WHERE resolved_at IS NULL") == [(None,)]
    station.status("Available", connector=0)
    assert books.rows("SELECT conn_id FROM cp_err WHERE resolved_at IS NULL") == []


# Boots


def test_a_boot_is_kept_whole_and_what_it_leaves_blank_stays(
    books: Books, station: Station
) -> None:
    station.boot(
        serial_number="S1", firmware_version="3.09", meter_type="M", meter_serial_number="M-7"
    )
    books.wait(5)
    station.boot(firmware_version="3.10")
    assert books.row(
        "SELECT vendor, model, serial_number, firmware_version, meter_type, meter_serial_number, "
        "heartbeat_interval "
        "FROM cp"
    ) == ("United Chargers", "Grizzl-E", "S1", "3.10", "M", "M-7", 60)
    assert books.rows(
        "SELECT vendor, model, serial_number, firmware_version, meter_type, meter_serial_number, "
        "heartbeat_interval, received_at, session_id, answer "
        "FROM boot ORDER BY id"
    ) == [
        (
            "United Chargers",
            "Grizzl-E",
            "S1",
            "3.09",
            "M",
            "M-7",
            60,
            "2026-03-01T12:00:00.250Z",
            1,
            "Accepted",
        ),
        (
            "United Chargers",
            "Grizzl-E",
            None,
            "3.10",
            None,
            None,
            60,
            "2026-03-01T12:05:00.250Z",
            1,
            "Accepted",
        ),
    ]
    assert "M-7" in books.rows("SELECT payload FROM boot ORDER BY id")[0][0]
    assert [fact.firmware_version for fact in books.recorded(ChargerBooted)] == ["3.09", "3.10"]


def test_a_boot_suspends_and_bills_nothing(books: Books, station: Station) -> None:
    mine, second = station.start(1000), station.start(50, connector=2)
    theirs = Station(books, "CP-2").start(9)
    station.boot()
    station.boot()
    assert books.rows("SELECT id, status, suspended_at, energy_delivered FROM tx ORDER BY id") == [
        *((transaction, "Active", books.at, None) for transaction in (mine, second)),
        (theirs, "Active", None, None),
    ]
    assert books.rows(
        "SELECT kind, who, reason, count FROM tx_event WHERE tx_id = ? ORDER BY id", mine
    )[1:] == [("suspend", "system", "boot", 1)]
    assert {fact.transaction for fact in books.recorded(TransactionSuspended)} == {mine, second}
    assert [fact.during_transaction for fact in books.recorded(ChargerBooted)] == [True, False]


@pytest.mark.parametrize("status", ["Charging", "SuspendedEV", "SuspendedEVSE"])
def test_charging_or_suspended_resumes(books: Books, station: Station, status: str) -> None:
    transaction = station.start(1000)
    other = station.start(1000, connector=2)
    station.boot()
    books.wait(1)
    station.status(status)
    station.status(status)
    assert books.rows("SELECT id FROM tx WHERE suspended_at IS NULL") == [(transaction,)]
    (fact,) = books.recorded(TransactionResumed)
    assert (fact.transaction, fact.reason) == (transaction, status)
    station.stop(other, 2000)
    assert station.bill(other)[0] == 1000


@pytest.mark.parametrize(
    "status", ["Available", "Preparing", "Finishing", "Reserved", "Unavailable", "Faulted", "Odd"]
)
def test_other_words_do_not(books: Books, station: Station, status: str) -> None:
    station.start(1000)
    station.boot()
    station.status(status)
    assert books.value("SELECT suspended_at FROM tx") is not None


def test_only_the_newest_of_a_connector_is_resumed(books: Books, station: Station) -> None:
    zombie = station.start(1000)
    station.boot()
    books.wait(5)
    running = station.start(1500)
    station.status("Charging")
    assert books.rows("SELECT id FROM tx WHERE suspended_at IS NOT NULL") == [(zombie,)]
    station.boot()
    station.status("Charging")
    assert books.rows("SELECT id FROM tx WHERE suspended_at IS NULL") == [(running,)]


def test_a_repeated_start_resumes(books: Books, station: Station) -> None:
    sent = station.clock()
    station.start(1000, at=sent)
    station.boot()
    station.start(1000, at=sent)
    assert books.value("SELECT suspended_at FROM tx") is None
    assert [fact.reason for fact in books.recorded(TransactionResumed)] == ["StartTransaction"]


@pytest.mark.parametrize(
    ("serials", "is_shared"),
    [
        (["A", "B", "A", "B"], True),
        (["A", "A", "B", "B", "A", "B"], True),
        (["A", "B"], False),
        (["A", "A", "A", "A"], False),
        (["A", "", "A", ""], False),
    ],
)
def test_serials_that_alternate_are_two_chargers(
    books: Books, station: Station, serials: list[str], is_shared: bool
) -> None:
    for serial in serials * 2 if is_shared else serials:
        station.boot(**({"serial_number": serial} if serial else {}))
        books.wait(0.5)
    assert [fact.evidence for fact in books.recorded(IdentityShared)] == [
        "the serial number alternates"
    ] * is_shared
