"""Notifications that repeat are one fact and a count, until they change."""

from __future__ import annotations

from typing import Any

import pytest

from levity_trio.events import (
    DataTransferred,
    DiagnosticsStatusChanged,
    FirmwareStatusChanged,
    LogStatusChanged,
    SecurityEventReported,
)
from levity_trio.store.writes.chargers import commands, notices
from tests.store.books import Books, Station
from tests.store.test_outcomes import ask, outcome

EVENT = {"event_type": "InvalidMessages", "timestamp": "2026-03-01T11:00:00Z", "tech_info": None}
KINDS: list[tuple[type[Any], dict[str, Any], dict[str, Any]]] = [
    (DiagnosticsStatusChanged, {"status": "Idle"}, {"status": "Uploading"}),
    (
        FirmwareStatusChanged,
        {"status": "Idle", "request_id": None},
        {"status": "Idle", "request_id": 7},
    ),
    (
        FirmwareStatusChanged,
        {"status": "Downloading", "request_id": 7},
        {"status": "Downloaded", "request_id": 7},
    ),
    (
        LogStatusChanged,
        {"status": "Idle", "request_id": None},
        {"status": "Uploading", "request_id": 7},
    ),
    (SecurityEventReported, EVENT, EVENT | {"timestamp": "2026-03-01T11:00:01Z"}),
]


def notify(station: Station, kind: type[Any], **fields: Any) -> None:
    station.books.wait(0.1)
    station.write(notices.record, kind(charger=station.name, at=station.books.at, **fields))


def counts(books: Books, kind: type[Any]) -> list[int]:
    return [
        count
        for (count,) in books.rows(
            "SELECT count FROM event WHERE kind = ? ORDER BY id", kind.__name__
        )
    ]


@pytest.mark.parametrize(("kind", "first", "other"), KINDS)
def test_equal_ones_are_counted_until_they_change(
    books: Books, station: Station, kind: type[Any], first: dict[str, Any], other: dict[str, Any]
) -> None:
    for _ in range(300):
        notify(station, kind, **first)
    assert counts(books, kind) == [300]
    assert len(books.recorded(kind)) == 1
    at, last_at = books.row("SELECT at, last_at FROM event WHERE kind = ?", kind.__name__)
    assert at < last_at == books.at
    station.lose()
    station.connect()
    notify(station, kind, **first)
    notify(station, kind, **other)
    notify(station, kind, **first)
    notify(station, kind, **first)
    assert counts(books, kind) == [301, 1, 2]
    assert len(books.recorded(kind)) == 3


def test_another_charger_has_its_own(books: Books, station: Station) -> None:
    other = Station(books, "CP-2")
    for one in (station, other, station, other):
        notify(one, DiagnosticsStatusChanged, status="Idle")
    assert counts(books, DiagnosticsStatusChanged) == [2, 2]


def test_equal_data_are_no_state_and_stay_separate(books: Books, station: Station) -> None:
    for _ in range(2):
        notify(station, DataTransferred, vendor_id="V", message_id="ButtonPressed", data=None)
    assert counts(books, DataTransferred) == [1, 1]


def test_a_trigger_is_answered_by_a_repeated_one(books: Books, station: Station) -> None:
    notify(station, FirmwareStatusChanged, status="Idle", request_id=None)
    command = ask(station, "TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
    notify(station, FirmwareStatusChanged, status="Idle", request_id=None)
    books.run(commands.follow_all, books.at)
    assert outcome(books, command)[0] == "fulfilled"


@pytest.mark.parametrize("tries", [1, 3])
def test_each_failure_of_several_tries_counts(books: Books, station: Station, tries: int) -> None:
    notify(station, DiagnosticsStatusChanged, status="UploadFailed")
    command = ask(station, "GetDiagnostics", {"location": "ftp://x/y", "retries": 2})
    notify(station, DiagnosticsStatusChanged, status="Uploading")
    for _ in range(tries):
        notify(station, DiagnosticsStatusChanged, status="UploadFailed")
    books.run(commands.follow_all, books.at)
    assert outcome(books, command)[0] == ("contradicted" if tries > 2 else "pending")
