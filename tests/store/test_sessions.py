"""Runs and sessions: connections, suspension after a lost connection, shared identities."""

import pytest

from levity_trio.events import (
    CallFailed,
    ChargerConnected,
    ChargerDisconnected,
    IdentityShared,
    ServerStarted,
    TransactionSuspended,
)
from levity_trio.store.writes.chargers import commands, sessions
from tests.store.books import SERVER, Books, Station
from tests.store.test_commands import ask

ONLINE = "SELECT is_connected, session_id FROM cp"


def test_the_first_message_of_a_connection(books: Books, station: Station) -> None:
    assert books.row(
        "SELECT cp_id, run_id, remote_address, target, clock_trusted, connected_at, ended_at "
        "FROM session"
    ) == (*("CP-1", books.server, "10.0.0.1", "/ws", 1, books.at, None),)
    assert books.row(ONLINE) == (1, station.session)
    books.wait(1)
    station.connect()
    assert [fact.is_new for fact in books.recorded(ChargerConnected)] == [True, False]
    assert books.count("cp") == 1


def test_a_charger_was_last_seen_when_its_connection_ended(books: Books, station: Station) -> None:
    books.wait(30)
    station.lose()
    assert books.value("SELECT last_seen_at FROM cp") == books.at


def test_no_room_for_another_charger(books: Books, station: Station) -> None:
    station.stop(station.start(1000), meter=5000)
    station.name = "CP-2"
    assert station.connect(max_chargers=1) is None
    station.name = "CP-1"
    assert station.connect(max_chargers=1) is not None
    assert books.count("cp") == 1


def test_the_interval_that_it_was_told_outlives_the_connection(station: Station) -> None:
    assert station.connect() == sessions.BegunSession(
        2, sessions.Intervals(None, None), is_unseen=True
    )
    station.boot()
    assert station.connect() == sessions.BegunSession(
        3, sessions.Intervals(60, None), is_unseen=False
    )


def test_a_lost_connection_suspends(books: Books, station: Station) -> None:
    transaction = station.start()
    station.lose()
    assert books.row(ONLINE) == (0, station.session)
    assert books.row("SELECT ended_at, close_code, close_reason FROM session") == (
        books.at,
        1006,
        "gone",
    )
    assert books.row("SELECT status, suspended_at, energy_delivered FROM tx") == (
        "Active",
        books.at,
        None,
    )
    assert [fact.reason for fact in books.recorded(TransactionSuspended)] == ["connection lost"]
    (fact,) = books.recorded(ChargerDisconnected)
    assert (fact.during_transaction, fact.replaced) == (True, False)
    station.connect()
    station.boot()  # the same outage: not suspended a second time
    assert (
        books.value(
            "SELECT count(*) FROM tx_event WHERE kind = 'suspend' AND tx_id = ?", transaction
        )
        == 1
    )


# even where the registry thought so a moment ago
@pytest.mark.parametrize("is_current", [False, True])
def test_a_replaced_session_touches_nothing_of_its_successor(
    books: Books, station: Station, is_current: bool
) -> None:
    station.start()
    older = station.session
    station.connect()
    newer, station.session = station.session, older
    station.lose(is_current, sessions.REPLACED)
    assert books.row(ONLINE) == (1, newer)
    assert books.value("SELECT suspended_at FROM tx") is None
    assert books.value("SELECT ended_at FROM session WHERE id = ?", older) == books.at


def test_a_connection_that_never_spoke_leaves_no_row_but_takes_the_charger_offline(
    books: Books, station: Station
) -> None:
    station.start()
    number = next(books.numbers)
    books.run(
        sessions.end,
        sessions.ConnectionEnd("CP-1", books.server, number, books.at, 1006, "gone"),
        True,
    )
    assert books.row(ONLINE) == (0, station.session)
    assert books.value("SELECT suspended_at FROM tx") == books.at
    assert books.recorded(ChargerDisconnected) == []


@pytest.mark.parametrize("is_clean", [True, False])
def test_a_new_run_finds_what_the_last_one_left(
    books: Books, station: Station, is_clean: bool
) -> None:
    transaction = station.start()
    books.wait(5)
    if is_clean:
        books.run(sessions.end_run, books.server, books.at)
    books.wait(5)
    books.run(sessions.start_run, SERVER, "1.1", books.at, False)
    assert books.rows("SELECT version, clock_trusted, clean FROM run ORDER BY id") == [
        ("1.0", 1, is_clean),
        ("1.1", 0, 0),
    ]
    assert books.row(ONLINE)[0] == 0
    assert books.row("SELECT ended_at, close_reason FROM session") == (books.at, "the server ended")
    assert books.row("SELECT id, status, suspended_at FROM tx") == (transaction, "Active", books.at)
    assert [fact.clean for fact in books.recorded(ServerStarted)] == [True, is_clean]
    station.connect()
    station.stop(transaction, 5000)
    assert station.bill(transaction) == (4000, "register", "certain")


def test_a_run_of_another_name_ends_what_the_only_server_of_a_file_left(
    books: Books, station: Station
) -> None:
    """It was killed, and is called otherwise now. The charger never comes back."""
    transaction = station.start()
    books.run(commands.queue, ask(station, "Reset"))
    books.wait(5)
    books.run(sessions.start_run, "renamed", "1.1", books.at, True, True)
    assert books.row(ONLINE)[0] == 0
    assert books.row("SELECT ended_at, close_reason FROM session") == (books.at, "the server ended")
    assert books.row("SELECT id, status, suspended_at FROM tx") == (transaction, "Active", books.at)
    assert books.value("SELECT state FROM command") == "gone"
    assert [fact.clean for fact in books.recorded(ServerStarted)] == [True, False]


def test_heartbeats(books: Books) -> None:
    Station(books)
    books.wait(1)
    books.run(sessions.heartbeat, "CP-1", books.at)
    assert books.row("SELECT last_heartbeat_at, last_seen_at FROM cp") == (books.at, books.at)


# Several servers on one database


def test_a_start_ends_what_its_own_predecessor_left_open_and_nothing_of_another_server(
    books: Books,
) -> None:
    """A charger that is connected to the other server belongs to that one, whatever sessions are
    left here."""
    ours, moved, theirs = (Station(books, name) for name in ("OURS", "MOVED", "THEIRS"))
    left_behind = moved.session
    for one in (ours, moved):
        books.run(commands.queue, ask(one, "Reset"))
        one.write(commands.take)
    books.server, first = (
        books.run(sessions.start_run, "other", "1.0", books.at, True),
        books.server,
    )
    for one in (moved, theirs):
        one.connect()
        books.run(commands.queue, ask(one, "Reset"))
        one.write(commands.take)
    for one in (ours, moved, theirs):
        one.start()
    books.wait(1)
    books.run(sessions.start_run, SERVER, "1.1", books.at, True)
    ended = books.rows("SELECT id FROM session WHERE ended_at IS NOT NULL ORDER BY id")
    assert ended == [(ours.session,), (left_behind,), (3,)]
    assert books.rows("SELECT id, is_connected FROM cp ORDER BY id") == [
        ("MOVED", 1),
        ("OURS", 0),
        ("THEIRS", 1),
    ]
    assert books.rows("SELECT cp_id FROM tx WHERE suspended_at IS NOT NULL") == [("OURS",)]
    gone = "SELECT session_id FROM command WHERE state = 'gone' ORDER BY id"
    assert books.rows(gone) == [(ours.session,), (left_behind,)]
    assert books.rows("SELECT server FROM run ORDER BY id") == [(SERVER,), ("other",), (SERVER,)]
    assert first == 1


def elsewhere(station: Station) -> None:
    """Have the charger begin a session with another server."""
    books = station.books
    books.server, own = books.run(sessions.start_run, "other", "1.0", books.at, True), books.server
    station.connect()
    books.server = own


def test_a_connection_without_a_message_takes_nobody_from_another_server(
    books: Books, station: Station
) -> None:
    elsewhere(station)
    station.start()
    silent = sessions.ConnectionEnd("CP-1", books.server, 99, books.at, 1006, "gone")
    books.run(sessions.end, silent, True)
    assert books.row(ONLINE) == (1, station.session)
    assert books.value("SELECT suspended_at FROM tx") is None
    station.lose()
    books.run(sessions.end, silent, True)
    assert books.row(ONLINE) == (0, station.session)


def test_a_server_that_starts_again_tells_the_others_whom_it_left(
    books: Books, station: Station
) -> None:
    """It came back before they had noticed that it was gone."""
    moved = Station(books, "MOVED")
    elsewhere(moved)
    books.run(commands.queue, ask(station, "Reset"))
    station.start()
    books.run(sessions.end_sessions_of, SERVER, books.at)
    assert books.rows("SELECT id, is_connected FROM cp ORDER BY id") == [("CP-1", 0), ("MOVED", 1)]
    told = [
        (fact.charger, fact.replaced, fact.during_transaction)
        for fact in books.recorded(ChargerDisconnected)
    ]
    assert told == [("CP-1", False, True), ("MOVED", True, False)]
    assert [fact.state for fact in books.recorded(CallFailed)] == ["gone"]


def test_a_secret_that_another_server_has_is_not_waited_for(books: Books, station: Station) -> None:
    books.run(commands.queue, ask(station, "ChangeConfiguration", is_masked=True))
    books.run(commands.queue, ask(station, "Reset"))
    elsewhere(station)
    assert [fact.action for fact in books.recorded(CallFailed)] == ["ChangeConfiguration"]
    taken = station.write(commands.take)
    assert taken is not None
    assert taken.action == "Reset"


def test_whether_the_last_run_was_clean_is_asked_of_its_own(books: Books) -> None:
    books.run(sessions.end_run, books.server, books.at)
    books.run(sessions.start_run, "other", "1.0", books.at, True)  # and it runs
    books.run(sessions.start_run, SERVER, "1.0", books.at, True)
    assert [fact.clean for fact in books.recorded(ServerStarted)] == [True, True, True]


# One identity, two chargers


def replace(station: Station) -> None:
    """As it happens: the newer one speaks before the end of the older one is written."""
    older = station.session
    station.connect()
    newer, station.session = station.session, older
    station.lose(is_current=False, reason=sessions.REPLACED)
    station.session = newer


def test_three_replacements_in_ten_minutes_are_told_once(books: Books, station: Station) -> None:
    for _ in range(2):
        books.wait(1)
        replace(station)
    assert books.recorded(IdentityShared) == []
    books.wait(1)
    replace(station)
    third = books.at
    for _ in range(3):
        books.wait(1)
        replace(station)
    assert [fact.at for fact in books.recorded(IdentityShared)] == [third]
    assert [fact.evidence for fact in books.recorded(IdentityShared)] == [
        "3 connections replaced in 10 minutes"
    ]
    for _ in range(8):
        books.wait(1)
        replace(station)
    assert len(books.recorded(IdentityShared)) == 2


def test_replacements_that_are_far_apart_are_nothing(books: Books, station: Station) -> None:
    for _ in range(8):
        books.wait(6)
        replace(station)
    assert books.recorded(IdentityShared) == []


def test_an_address_that_alternates_is_told(books: Books, station: Station) -> None:
    for address in ("10.0.0.2", "10.0.0.1", "10.0.0.2"):
        station.lose()
        books.wait(1)
        station.connect(address)
    assert [fact.evidence for fact in books.recorded(IdentityShared)] == ["the address alternates"]


def test_a_new_address_is_nothing(books: Books, station: Station) -> None:
    for address in ("10.0.0.2", "10.0.0.2", "10.0.0.3"):
        station.lose()
        books.wait(1)
        station.connect(address)
    assert books.recorded(IdentityShared) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("", False),
        ("A", False),
        ("AB", False),
        ("ABA", False),
        ("ABAB", True),
        ("ABCABC", True),
        ("AABB", False),
    ],
)
def test_alternates(values: str, expected: bool) -> None:
    assert sessions.alternates(values) is expected


def test_commands_that_nobody_will_answer_are_told_gone(books: Books, station: Station) -> None:
    """The end of the connection or kill -9 interrupted it before its outcome was stored."""
    other = Station(books, "CP-2")
    for name, one in (("Reset", station), ("UnlockConnector", other)):
        books.run(commands.queue, ask(one, name))
        one.write(commands.take)
    station.lose()
    assert books.rows("SELECT action, state FROM command ORDER BY id") == [
        ("Reset", "gone"),
        ("UnlockConnector", "sent"),
    ]
    books.run(sessions.start_run, SERVER, "1.0", books.at, True)
    assert books.rows("SELECT state FROM command") == [("gone",), ("gone",)]
    assert [(fact.charger, fact.action) for fact in books.recorded(CallFailed)] == [
        ("CP-1", "Reset"),
        ("CP-2", "UnlockConnector"),
    ]
