"""Outcomes of transfers: firmware, diagnostics, logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from levity_trio.operations.judges import is_url_valid, wanted_at
from levity_trio.operations.operation import OutcomeState
from levity_trio.operations.seen import Booted, FileCame, Seen, TransferStatus
from tests.operations.asking import ACCEPTED, asked, at, outcome, state

PENDING, FULFILLED, CONTRADICTED, NOT_SEEN = OutcomeState
DAY = 86_400
PLAIN = {"location": "x", "retrieveDate": "2000-01-01T00:00:00Z"}
SIGNED = {
    "requestId": 8,
    "firmware": {
        "location": "x",
        "retrieveDateTime": "2030-02-01T22:00:00Z",
        "signingCertificate": "c",
        "signature": "s",
    },
}


def firmware(seconds: float, word: str, request_id: int | None = None) -> TransferStatus:
    return TransferStatus(at(seconds), "Firmware", word, request_id)


def update(known: str | None = "1.0", **more: Any) -> Any:
    return asked("UpdateFirmware", PLAIN | more, {}, firmware=known)


DONE = [
    firmware(10, "Downloading"),
    firmware(20, "Downloaded"),
    firmware(30, "Installing"),
    firmware(40, "Installed"),
]


def test_an_update_ends_with_the_boot_of_another_version() -> None:
    assert state(update(), DONE) == PENDING
    assert outcome(update(), [*DONE, Booted(at(50), "1.1")]) == (
        FULFILLED,
        "booted with firmware 1.1",
        at(50),
        None,
    )


def test_some_boot_first_and_never_say_installed() -> None:
    assert state(update(), [*DONE[:3], Booted(at(35), "1.1")]) == FULFILLED


def test_the_same_version_after_installed_contradicts() -> None:
    words = "Installed was reported, but it booted with firmware 1.0"
    assert outcome(update(), [*DONE, Booted(at(50), "1.0")])[:2] == (CONTRADICTED, words)


def test_a_boot_before_installed_shows_nothing() -> None:
    assert state(update(), [*DONE[:1], Booted(at(15), "1.0")]) == PENDING
    assert state(update(), [*DONE, Booted(at(35), "1.0")]) == PENDING


def test_where_the_version_before_is_unknown_a_boot_counts_after_installed() -> None:
    assert state(update(None), [*DONE[:3], Booted(at(35), "1.1")]) == PENDING
    assert state(update(None), [*DONE, Booted(at(50), "1.1")]) == FULFILLED


def test_installed_without_a_boot_is_not_seen() -> None:
    assert outcome(update(), DONE, DAY + 2)[:2] == (
        *(NOT_SEEN, "Installed was reported, but no boot with another firmware"),
    )
    assert state(update(), [], DAY + 2) == NOT_SEEN


@pytest.mark.parametrize(
    ("facts", "retries", "expected"),
    [
        ([firmware(10, "DownloadFailed")], 0, CONTRADICTED),
        ([firmware(10, "DownloadFailed")], 1, PENDING),
        ([firmware(10, "DownloadFailed"), firmware(20, "Downloading")], 0, PENDING),
        (
            [
                firmware(10, "DownloadFailed"),
                firmware(20, "Downloading"),
                firmware(30, "DownloadFailed"),
            ],
            1,
            CONTRADICTED,
        ),
        ([firmware(10, "InstallationFailed")], 5, CONTRADICTED),
        ([firmware(10, "DownloadFailed", 8)], 0, PENDING),
    ],
)
def test_failures(facts: list[Seen], retries: int, expected: OutcomeState) -> None:
    assert state(update(retries=retries), facts) == expected


def test_a_failure_counts_at_the_end_even_if_tries_are_left() -> None:
    found = outcome(update(retries=3), [firmware(10, "DownloadFailed")], DAY + 2)
    assert found[:2] == (CONTRADICTED, "the charger reports DownloadFailed")


@pytest.mark.parametrize(
    ("request_id", "expected"), [(8, CONTRADICTED), (None, PENDING), (7, PENDING)]
)
def test_signed_statuses_are_told_apart_by_their_request(
    request_id: int | None, expected: OutcomeState
) -> None:
    command = asked("SignedUpdateFirmware", SIGNED, ACCEPTED, firmware="1.0")
    assert state(command, [firmware(10, "InvalidSignature", request_id)]) == expected


def test_a_day_counts_from_the_time_asked_for() -> None:
    command = asked("SignedUpdateFirmware", SIGNED, ACCEPTED, firmware="1.0")
    assert state(command, [], 2 * DAY - 1) == PENDING
    assert state(command, [], 2 * DAY) == NOT_SEEN


LOGS = [
    ("GetDiagnostics", {"location": "x"}, "Diagnostics", None, "UploadFailed"),
    (
        "GetLog",
        {"log": {"remoteLocation": "x"}, "logType": "SecurityLog", "requestId": 8},
        "Log",
        8,
        "PermissionDenied",
    ),
]


@pytest.mark.parametrize(("action", "values", "message", "request_id", "failure"), LOGS)
def test_uploads(
    action: str, values: Any, message: str, request_id: int | None, failure: str
) -> None:
    command = asked(action, values, ACCEPTED)

    def seen(word: str) -> list[Seen]:
        return [
            TransferStatus(at(5), message, "Uploading", request_id),
            TransferStatus(at(9), message, word, request_id),
            TransferStatus(at(3), "Log" if message == "Diagnostics" else "Diagnostics", "Uploaded"),
        ]

    assert outcome(command, seen("Uploaded")) == (FULFILLED, "uploaded", at(9), None)
    assert outcome(command, seen(failure))[:2] == (CONTRADICTED, f"the charger reports {failure}")
    assert state(command, seen("Uploading")) == PENDING
    assert state(command, seen("Uploading"), DAY + 2) == NOT_SEEN


# Files that are sent to us

UPLOADED = TransferStatus(at(9), "Diagnostics", "Uploaded")
CAME = FileCame(at(7), 3, 1200)


@pytest.mark.parametrize(
    ("facts", "now", "expected"),
    [
        ([UPLOADED, CAME], 60, (FULFILLED, "file 3 came, 1200 bytes")),
        ([UPLOADED], 60, (PENDING, "not seen yet")),
        ([CAME], 60, (PENDING, "not seen yet")),
        ([CAME], DAY + 2, (FULFILLED, "file 3 came, 1200 bytes")),
        ([UPLOADED], DAY + 2, (CONTRADICTED, "Uploaded was reported, but no file came")),
        ([CAME, TransferStatus(at(9), "Diagnostics", "UploadFailed")], 60, (CONTRADICTED, None)),
    ],
)
def test_a_file_that_is_sent_to_us_must_come(
    facts: list[Seen], now: float, expected: tuple[OutcomeState, str | None]
) -> None:
    command = asked("GetDiagnostics", {"location": "http://x/f/***"}, ACCEPTED, expects_file=True)
    found = outcome(command, facts, now)
    assert found.state is expected[0]
    assert expected[1] in (None, found.words)


# Until when a URL is valid

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("state", ["queued", "sent", "accepted", "timed out", "gone"])
def test_a_url_is_valid_while_its_command_may_be_obeyed(state: str) -> None:
    assert is_url_valid(state, None, NOW, None, NOW)
    assert is_url_valid(state, "pending", NOW, None, NOW)


@pytest.mark.parametrize("state", ["rejected", "error", "expired", "cancelled"])
def test_a_url_ends_with_its_command(state: str) -> None:
    assert not is_url_valid(state, None, NOW, None, NOW)


@pytest.mark.parametrize("outcome", ["fulfilled", "contradicted", "not seen"])
def test_a_url_ends_with_the_outcome(outcome: str) -> None:
    assert not is_url_valid("accepted", outcome, NOW, None, NOW)


@pytest.mark.parametrize(
    ("sent_hours", "wanted_hours", "expected"),
    [
        (-23, None, True),
        (-24, None, False),
        (-48, -23, True),
        (-48, -24, False),
        (-1, -48, True),
        (-1, 48, True),
    ],
)
def test_a_url_is_valid_for_a_day_from_the_time_asked_for(
    sent_hours: int, wanted_hours: int | None, expected: bool
) -> None:
    wanted = None if wanted_hours is None else NOW + wanted_hours * HOUR
    assert is_url_valid("accepted", "pending", NOW + sent_hours * HOUR, wanted, NOW) is expected


def test_when_firmware_is_wanted() -> None:
    assert wanted_at(PLAIN) == datetime(2000, 1, 1, tzinfo=UTC)
    assert wanted_at(SIGNED) == datetime(2030, 2, 1, 22, tzinfo=UTC)
    assert wanted_at({"location": "x"}) is None
