"""Links and uptime, configuration with its times and differences, and the frames of the log."""

from __future__ import annotations

from datetime import timedelta

import pytest

from levity_trio.locale import speaking
from levity_trio.locale.texts import said
from levity_trio.store.engine.frame_log import store_frames
from levity_trio.store.reads.chargers.chargers import (
    STOPPING,
    Uptime,
    command,
    commands,
    links,
    uptimes,
)
from levity_trio.store.reads.chargers.configuration import (
    configuration,
    differences,
    history,
    of_all,
    setting_changes,
)
from levity_trio.store.reads.pages import NoPage, WantedPage
from levity_trio.store.reads.site import logged
from levity_trio.store.reads.site.logged import FrameFilters, frames
from levity_trio.store.writes.chargers import sessions
from levity_trio.told import Told
from levity_trio.wire.times import stamp
from tests.store.books import NOON, Books, Station
from tests.store.reading import reading

BEGAN = stamp(NOON)


def up(books: Books, since: str = BEGAN) -> Uptime:
    with reading(books) as db:
        (found,) = uptimes(db, "CP-1", since, books.at)
        assert uptimes(db, None, since, books.at) == [found]
    return found


# Links


def test_the_newest_link_comes_first(books: Books, station: Station) -> None:
    books.wait(10)
    station.lose(reason="silent")
    station.connect("10.0.0.2")
    with reading(books) as db:
        second, first = links(db, "CP-1", WantedPage()).data
        assert links(db, None, WantedPage()).total == 2
    assert (first.remote_address, first.close_code, first.close_reason) == (
        "10.0.0.1",
        1006,
        "silent",
    )
    assert (first.is_end_known, second.ended_at, second.is_clock_trusted) == (True, None, True)


def test_why_this_server_ended_a_link_is_told_and_the_reason_of_a_charger_stays(
    books: Books, station: Station
) -> None:
    for reason in (STOPPING, "Left", "silent"):
        station.lose(reason=reason)
        station.connect()
    with reading(books) as db, speaking("de"):
        reasons = [one.close_reason for one in links(db, "CP-1", WantedPage()).data]
        assert reasons == [None, "silent", "Left", STOPPING]
        assert [said(one) for one in reasons if isinstance(one, Told)] == ["der Server hält an"]


def test_uptime_is_the_time_in_at_least_one_link(books: Books, station: Station) -> None:
    books.wait(30)
    station.connect()  # replaces the first one, which ends a minute later
    second = station.session
    station.session = second - 1
    books.wait(1)
    station.lose(is_current=False)
    station.session = second
    books.wait(29)
    station.lose()
    books.wait(60)
    found = up(books)
    assert (found.links, found.connected_seconds, found.unknown_seconds, found.share) == (
        2,
        3600,
        0,
        0.5,
    )
    assert up(books, stamp(books.now - timedelta(minutes=90))).connected_seconds == 1800
    assert up(books, stamp(books.now - timedelta(minutes=30))).share == 0


@pytest.mark.usefixtures("station")
def test_an_open_link_counts_until_now(books: Books) -> None:
    books.wait(10)
    assert (up(books).connected_seconds, up(books).share) == (600, 1.0)
    assert up(books, stamp(NOON - timedelta(days=1))).share == 1.0  # since it has been known
    assert up(books, books.at).share is None
    with reading(books) as db:
        assert uptimes(db, "CP-9", BEGAN, books.at) == []


@pytest.mark.usefixtures("station")
def test_a_link_that_ended_with_the_server_ended_at_an_unknown_time(books: Books) -> None:
    books.wait(60)
    books.run(sessions.start_run, "levity", "1.0", books.at, True)
    found = up(books)
    assert (found.connected_seconds, found.unknown_seconds) == (3600, 3600)
    with reading(books) as db:
        assert [one.is_end_known for one in links(db, "CP-1", WantedPage()).data] == [False]


# Configuration


def tell(station: Station, **values: str) -> str:
    for key, value in values.items():
        station.books.connection.execute(
            (
                "INSERT INTO configuration (cp_id, session_id, key, value, readonly, read_at) "
                "VALUES (?, ?, ?, ?, 0, ?)"
            ),
            (station.name, station.session, key, value, station.books.at),
        )
    at = station.books.at
    station.books.wait(10)
    return at


def test_configuration_now_and_then_and_what_changed(books: Books, station: Station) -> None:
    first = tell(station, HeartbeatInterval="60", MeterValueSampleInterval="300")
    second = tell(station, HeartbeatInterval="900")
    third = tell(station, NumberOfConnectors="1")
    other = Station(books, "CP-2")
    tell(other, HeartbeatInterval="60", NumberOfConnectors="1")
    with reading(books) as db:
        assert [(one.key, one.value, one.read_at) for one in configuration(db, "CP-1")] == [
            *(("HeartbeatInterval", "900", second), ("MeterValueSampleInterval", "300", first)),
            ("NumberOfConnectors", "1", third),
        ]
        assert [one.value for one in configuration(db, "CP-1", first)] == ["60", "300"]
        assert [one.value for one in history(db, "CP-1", "HeartbeatInterval")] == ["900", "60"]
        changed = setting_changes(db, "CP-1", first)
        assert [
            (one.key, one.before and one.before.value, one.after and one.after.value)
            for one in changed
        ] == [
            *(("HeartbeatInterval", "60", "900"), ("NumberOfConnectors", None, "1")),
        ]
        assert [one.key for one in setting_changes(db, "CP-1", second, third)] == [
            "NumberOfConnectors"
        ]
        assert [
            (key, ours and ours.value, theirs and theirs.value)
            for key, ours, theirs in differences(db, "CP-1", "CP-2")
        ] == [("HeartbeatInterval", "900", "60"), ("MeterValueSampleInterval", "300", None)]
        assert configuration(db, "CP-9") == []
        assert len(of_all(db, None)) == 5
        assert of_all(db, "CP-2") == configuration(db, "CP-2")


# Commands


def test_commands_with_their_answers(books: Books) -> None:
    for name in ("CP-1", "CP-2"):
        Station(books, name)
    for name in ("CP-1", "CP-2", "CP-1"):
        books.connection.execute(
            "INSERT INTO command (cp_id, action, payload, state, requested_at, asked_by, answer)"
            " VALUES (?, 'Reset', '{\"type\":\"Soft\"}', 'queued', ?, 'anna', NULL)",
            (name, books.at),
        )
    with reading(books) as db:
        assert [one.id for one in commands(db, "CP-1", WantedPage()).data] == [3, 1]
        assert commands(db, None, WantedPage()).total == 3
        found = command(db, 2)
        assert command(db, 9) is None
    assert found is not None
    assert (found.payload, found.state, found.asked_by, found.answer, found.is_late) == (
        *({"type": "Soft"}, "queued", "anna", None, False),
    )


# The log


@pytest.fixture
def log(books: Books) -> list[str]:
    """A frame a minute, by two chargers in turn; the oldest are pruned. Returns their times."""
    times = []
    for number in range(40):
        name, action = f"CP-{number % 2 + 1}", ("Heartbeat", "MeterValues")[number % 3 == 0]
        row = (
            name,
            None,
            books.at,
            ("recv", "send")[number % 2],
            f'"{number}"',
            action,
            f"[{number}]",
        )
        books.run(store_frames, [row])
        times.append(books.at)
        books.wait(1)
    books.connection.execute("DELETE FROM log WHERE id <= 10")
    return times[10:]


def told(books: Books, filters: FrameFilters, limit: int = 100) -> list[int]:
    """The numbers of the frames on all pages."""
    found, cursor = [], None
    while True:
        with reading(books) as db:
            page = frames(db, filters, limit, cursor)
        found += [int(one.payload.strip("[]")) for one in page.data]
        if (cursor := page.next_cursor) is None:
            return found


@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize("most_read", [3, 100_000])
def test_frames_by_time_charger_and_more(
    books: Books, log: list[str], limit: int, most_read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logged, "MOST_READ", most_read)
    every = list(range(39, 9, -1))
    assert told(books, FrameFilters(), limit) == every
    assert told(books, FrameFilters(since=log[5], before=log[20]), limit) == list(range(29, 14, -1))
    assert told(books, FrameFilters(charger="CP-1"), limit) == every[1::2]
    assert told(books, FrameFilters(direction="send"), limit) == every[::2]
    assert told(books, FrameFilters(action="MeterValues"), limit) == [
        n for n in every if n % 3 == 0
    ]
    assert told(books, FrameFilters(message_id='"12"'), limit) == [12]
    assert told(books, FrameFilters(text="[3"), limit) == every[:10]
    assert told(books, FrameFilters(charger="CP-9"), limit) == []
    assert told(books, FrameFilters(since="9999"), limit) == []
    assert told(books, FrameFilters(before=log[0]), limit) == []


@pytest.mark.usefixtures("log")
def test_the_total_of_frames_costs_no_count(books: Books) -> None:
    with reading(books) as db:
        page = frames(db, FrameFilters(), 4, None)
        assert (len(page.data), page.total, page.total_at_least) == (4, 30, None)
        page = frames(db, FrameFilters(charger="CP-1"), 4, None)
        assert (page.total, page.total_at_least) == (None, 4)
        with pytest.raises(NoPage):
            frames(db, FrameFilters(), 4, "nonsense")


def test_a_page_of_large_frames_ends_early(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logged, "MOST_CHARACTERS", 10)
    for number in range(3):
        books.run(
            store_frames, [("CP-1", None, books.at, "recv", None, None, f"{number} is large")]
        )
    with reading(books) as db:
        page = frames(db, FrameFilters(), 50, None)
        assert [one.payload for one in page.data] == ["2 is large"]
        page = frames(db, FrameFilters(), 50, page.next_cursor)
        assert [one.payload for one in page.data] == ["1 is large"]


def test_an_empty_log(books: Books) -> None:
    with reading(books) as db:
        page = frames(db, FrameFilters(since="2020"), 50, None)
    assert (page.data, page.total, page.next_cursor) == ([], 0, None)
