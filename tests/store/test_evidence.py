"""Evidence has a budget of bytes: each charger's, the site's, and that of the disk."""

import sqlite3
from contextlib import closing

import pytest

from levity_trio.store.engine.faults import RateExceeded
from levity_trio.store.keeping.copies import is_contained
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.chargers.sessions import set_aside
from levity_trio.store.writes.origin import Message
from levity_trio.store.writes.site import frames
from levity_trio.store.writes.site.frames import (
    BEGINNING_BYTES,
    FRAMES,
    KNOWN,
    STRANGERS,
    STRANGERS_FRAME_BYTES,
    STRANGERS_FRAMES,
)
from levity_trio.wire.texts import digest
from tests.store.books import Books, Station

DAY = 24 * 60
STEP_SECONDS = 60.0


def long(station: Station, action: str, size: int) -> Message:
    return station.message(action, ballast=f"{station.messages:06}" + "ü" * (size // 2 - 30))


def aside(station: Station, action: str = "MeterValues", size: int = 100_000) -> int:
    """A message of about so many bytes is set aside; return the bytes that are kept of its
    frame."""
    message = long(station, action, size)
    station.write(set_aside, message, "it cannot be read")
    found = "SELECT frame FROM evidence WHERE cp_id = ? AND message_id = ?"
    frame = station.books.value(found, station.name, message.message_id)
    if frame != message.frame:
        assert frame.endswith(f"{digest(message.frame)} of {len(message.frame.encode())} bytes")
        assert message.frame.startswith(frame[: BEGINNING_BYTES // 2])
    return len(frame.encode())


def is_cut(kept: int) -> bool:
    return BEGINNING_BYTES < kept < BEGINNING_BYTES + 100


def adopt(station: Station) -> None:
    station.books.connection.execute(
        "UPDATE cp SET registration = 'adopted' WHERE id = ?", (station.name,)
    )


def delete(books: Books, *, is_disk_low: bool = False) -> int:
    rows, done = 0, frames.Swept(0, "")
    while done.after is not None:
        done = books.run(
            frames.delete_of_strangers, books.at, STEP_SECONDS, is_disk_low, done.after
        )
        rows += done.rows
    return rows


def actions(books: Books, table: str) -> list[str]:
    return [action for (action,) in books.rows(f"SELECT action FROM {table} ORDER BY id")]


# What is kept in full


def test_a_stranger_has_a_budget_a_day_and_a_known_charger_a_larger_one(
    books: Books, station: Station
) -> None:
    sizes = [aside(station) for _ in range(12)]
    assert sum(size for size in sizes if not is_cut(size)) <= STRANGERS.of_one
    assert is_cut(sizes[-1])
    assert not is_cut(sizes[0])
    # what is no longer than the beginning is never cut
    assert not is_cut(aside(station, size=3_000))
    books.wait(DAY)
    assert not is_cut(aside(station))
    adopt(station)
    books.wait(DAY)
    own = [aside(station, size=1_000_000) for _ in range(10)]
    assert STRANGERS.of_one < sum(size for size in own if not is_cut(size)) <= KNOWN.of_one
    assert is_cut(own[-1])


def test_all_strangers_have_one_budget_and_take_nothing_from_the_others(books: Books) -> None:
    strangers = [Station(books, f"NEW-{number}") for number in range(10)]
    own = Station(books, "OWN")
    adopt(own)
    whole = [size for one in strangers for size in (aside(one, size=900_000),) if not is_cut(size)]
    assert 0 < sum(whole) <= STRANGERS.of_all
    assert len(whole) < len(strangers)
    assert not is_cut(aside(own))


def test_a_charger_that_charged_yesterday_is_known(books: Books, station: Station) -> None:
    station.start()
    assert is_cut(aside(station, size=2_000_000))
    books.wait(DAY + 1)
    assert not is_cut(aside(station, size=2_000_000))


def test_while_the_disk_runs_low_nothing_is_kept_in_full_but_starts_and_stops(
    books: Books, station: Station
) -> None:
    adopt(station)
    books.run(frames.note_disk, books.at, True)
    assert is_cut(aside(station))
    assert not is_cut(aside(station, "StopTransaction"))
    books.run(frames.note_disk, books.at, False)
    assert not is_cut(aside(station))


def test_starts_and_stops_are_kept_in_full_and_of_a_stranger_the_first_ones(
    station: Station,
) -> None:
    # within the budget
    assert not is_cut(aside(station, "StopTransaction", STRANGERS_FRAME_BYTES + 1000))
    for _ in range(10):
        aside(station)
    assert is_cut(aside(station, "StopTransaction", STRANGERS_FRAME_BYTES + 1000))
    sizes = [aside(station, "StopTransaction", 6_000) for _ in range(STRANGERS_FRAMES + 1)]
    assert [is_cut(size) for size in sizes] == [False] * STRANGERS_FRAMES + [True]
    adopt(station)
    sizes = [aside(station, action, 1_000_000) for action in FRAMES for _ in range(10)]
    assert not any(is_cut(size) for size in sizes)


def test_strangers_together_have_the_limit_of_one_charger(books: Books) -> None:
    def send(station: Station, size: int = 5_000) -> None:
        message = long(station, "MeterValues", size)
        station.write(set_aside, message, "it cannot be read")
        station.write(frames.check_messages, message, 1)

    for number in range(frames.MESSAGES_OF_STARTS):
        send(Station(books, f"NEW-{number}"))
    with pytest.raises(RateExceeded, match="new chargers"):
        send(Station(books, "NEW"))
    honest = Station(books, "HONEST")
    for _ in range(frames.MESSAGES_OF_STARTS):
        send(honest, 100)
    own = Station(books, "OWN")
    adopt(own)
    send(own)
    books.wait(DAY)
    send(Station(books, "NEW"))


def test_readings_and_connections_of_strangers_have_limits_together(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "FIRST_SESSIONS", 0)
    own, *strangers = (Station(books, name) for name in ("OWN", "NEW-1", "NEW-2"))
    adopt(own)
    for station in (own, own, strangers[0]):
        station.write(frames.check_readings, frames.READINGS_OF_STRANGERS, 1)
    with pytest.raises(RateExceeded, match="readings of new chargers"):
        strangers[1].write(frames.check_readings, 1, 1)
    monkeypatch.setattr(sessions, "STRANGERS_SESSIONS", 4)
    strangers[0].connect()
    with pytest.raises(RateExceeded, match="connections of new chargers"):
        strangers[1].connect()
    before = books.count("session")
    own.connect()
    monkeypatch.setattr(sessions, "FIRST_SESSIONS", 1)
    Station(books, "HONEST")
    assert books.count("session") == before + 2


# What goes


def test_what_strangers_sent_goes_after_a_month_and_nothing_else(books: Books) -> None:
    stranger, adopted, charged = (Station(books, name) for name in ("NEW", "ADOPTED", "CHARGED"))
    adopt(adopted)
    charged.start()
    for station in (stranger, adopted, charged):
        for action in ("MeterValues", "StopTransaction"):
            aside(station, action)
    assert delete(books) == 0
    assert delete(books, is_disk_low=True) == 0  # received at this moment
    books.wait(29 * DAY)
    assert delete(books) == 0
    books.wait(2 * DAY)
    before = books.count("evidence"), books.count("set_aside")
    assert delete(books) == 4
    assert (books.count("evidence"), books.count("set_aside")) == (before[0] - 2, before[1] - 2)
    assert books.rows("SELECT cp_id FROM set_aside WHERE cp_id = 'NEW'") == []
    assert books.row("SELECT day, deleted FROM evidence_pruning") == (books.at[:10], 4)
    assert delete(books, is_disk_low=True) == 0


def test_on_a_low_disk_what_no_transaction_can_be_made_of_goes_first(
    books: Books, station: Station
) -> None:
    for action in ("MeterValues", "StopTransaction", "MeterValues", "StopTransaction"):
        aside(station, action)
    books.wait(1)
    assert delete(books, is_disk_low=True) == 4
    assert actions(books, "evidence") == actions(books, "set_aside") == ["StopTransaction"] * 2


def test_the_newest_row_stays_so_that_no_id_is_given_twice(books: Books, station: Station) -> None:
    aside(station)
    books.wait(31 * DAY)
    assert delete(books) == 0
    aside(station)
    assert delete(books) == 2
    assert books.rows("SELECT id FROM set_aside") == [(2,)]


def test_the_guard_lets_only_such_rows_pass(books: Books, station: Station) -> None:
    for _ in range(2):
        aside(station)
    books.wait(1)
    for table in ("evidence", "set_aside"):
        with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
            books.connection.execute(f"DELETE FROM {table}")
    assert delete(books, is_disk_low=True) == 2
    books.wait(1)
    aside(station)
    with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
        books.connection.execute("DELETE FROM evidence WHERE id > 2")


def test_each_step_looks_at_some_chargers(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "CHARGERS_AT_ONCE", 2)
    for number in range(5):
        aside(Station(books, f"NEW-{number}"))
    books.wait(31 * DAY)
    steps = [
        books.run(frames.delete_of_strangers, books.at, STEP_SECONDS, False, after)
        for after in ("", "NEW-1")
    ]
    assert steps == [(4, "NEW-1"), (4, "NEW-3")]
    assert delete(books) == 0  # the newest rows stay


def test_a_deletion_ends_in_time_and_goes_on(books: Books, station: Station) -> None:
    for _ in range(frames.ROWS_AT_ONCE + 2):
        aside(station, size=100)
    books.wait(31 * DAY)
    done = books.run(frames.delete_of_strangers, books.at, 0.0, False)
    assert done == (frames.ROWS_AT_ONCE, "")
    assert delete(books) == 2 * (frames.ROWS_AT_ONCE + 1) - frames.ROWS_AT_ONCE


@pytest.mark.sqlite
def test_a_backup_from_before_is_an_earlier_state_still(books: Books, station: Station) -> None:
    for _ in range(2):
        aside(station)
    with closing(sqlite3.connect(":memory:")) as earlier:
        earlier.deserialize(books.connection.serialize())
        books.wait(31 * DAY)
        aside(Station(books, "LATER"))
        delete(books)
        assert books.rows("SELECT id FROM set_aside") == [(3,)]
        assert is_contained(earlier, books.connection)
        assert not is_contained(books.connection, earlier)
        books.connection.execute("DROP TRIGGER evidence_pruning_is_kept")
        books.connection.execute("DELETE FROM evidence_pruning")
        assert not is_contained(earlier, books.connection)
