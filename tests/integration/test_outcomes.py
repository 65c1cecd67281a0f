"""What came of operations, with our simulator as the charger: from the asking to the fact that
tells the outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.foreign import api_of, operate
from tests.integration.forking import run_forked
from tests.integration.serving import Serving, environment, serving
from tests.integration.simulating import controlled
from tests.integration.test_operations import wait_for

CHARGER = "CP-1"
SPEED = 10
"""A charger takes its time: half a minute for a firmware."""
OUTCOME_SECONDS = 60.0
TEN_AMPERE = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}]}
PROFILE = {
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": TEN_AMPERE,
}
Simulator = Callable[..., None]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    files = ("--files-host", "127.0.0.1", "--files-port", "0")
    with serving(tmp_path / "site.db", *files, "--clock-speed", str(SPEED)) as running:
        yield running


@pytest.fixture
def simulator(server: Serving, tmp_path: Path) -> Iterator[Simulator]:
    """The command line of a simulator with one charger."""
    with controlled(server.port, tmp_path, SPEED) as api:
        settings = {**environment(), "LEVITY_SIMULATOR_API": api}

        def run(*words: str) -> None:
            run_forked(("simulator", *words), tmp_path, settings, 60).check_returncode()

        run("add", CHARGER)
        server.wait_line("ChargerBooted", charger=CHARGER)
        yield run


def asked(server: Serving, path: str, **payload: Any) -> int:
    done = operate(server, CHARGER, path, payload)
    assert done["state"] == "accepted", done
    return int(done["id"])


def outcome(server: Serving, command: int) -> dict[str, Any]:
    """The command, once its outcome is known."""
    found: dict[str, Any] = {}

    def is_known() -> bool:
        found.update(api_of(server).ask("GET", "admin", "commands", str(command)))
        return found["outcome"] not in (None, "pending")

    wait_for(is_known, OUTCOME_SECONDS)
    return found


def fulfilled(server: Serving, path: str, **payload: Any) -> dict[str, Any]:
    found = outcome(server, asked(server, path, **payload))
    assert found["outcome"] == "fulfilled", found
    return found


def test_a_charge_from_the_remote_start_to_the_remote_stop(
    server: Serving, simulator: Simulator
) -> None:
    asked(server, "change-configuration", key="MeterValueSampleInterval", value="1")
    simulator("plug", CHARGER)
    started = fulfilled(server, "remote-start", idTag="04A2B3C4", connectorId=1)
    ((transaction,),) = server.query("SELECT id FROM tx")
    assert started["transaction"] == transaction
    obeyed = fulfilled(server, "set-charging-profile", connectorId=1, csChargingProfiles=PROFILE)
    assert obeyed["outcome_words"].startswith("obeyed"), obeyed
    done = operate(
        server, CHARGER, "change-availability", {"connectorId": 1, "type": "Inoperative"}
    )
    assert (done["answer"], done["outcome"]) == ({"status": "Scheduled"}, "pending")
    stopped = fulfilled(server, "remote-stop")
    assert stopped["transaction"] == transaction
    simulator("unplug", CHARGER)
    assert outcome(server, done["id"])["outcome"] == "fulfilled"
    assert server.query("SELECT status FROM tx") == [("Completed",)]


def test_what_the_charger_does_without_a_car(server: Serving, simulator: Simulator) -> None:
    del simulator
    fulfilled(server, "trigger-message", requestedMessage="StatusNotification", connectorId=1)
    fulfilled(server, "unlock-connector", connectorId=1)
    later = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fulfilled(
        server, "reserve-now", connectorId=1, idTag="04A2B3C4", expiryDate=later, reservationId=7
    )
    assert [one["state"] for one in api_of(server).ask("GET", "admin", "reservations")["data"]] == [
        "active"
    ]
    fulfilled(server, "cancel-reservation", reservationId=7)
    assert [one["state"] for one in api_of(server).ask("GET", "admin", "reservations")["data"]] == [
        "cancelled"
    ]
    fulfilled(server, "change-availability", connectorId=1, type="Inoperative")
    fulfilled(server, "change-availability", connectorId=1, type="Operative")
    fulfilled(server, "send-local-list", updateType="Full", localAuthorizationList=[])
    fulfilled(server, "change-configuration", key="MeterValueSampleInterval", value="30")
    fulfilled(server, "reset", type="Soft")


def test_files_and_firmware(server: Serving, simulator: Simulator) -> None:
    del simulator
    api_of(server).send("POST", "admin", "files", body=b"firmware", query={"title": "fw-9.9.9.bin"})
    for number in [
        asked(server, "get-diagnostics"),
        asked(server, "get-log", logType="SecurityLog"),
    ]:
        assert outcome(server, number)["outcome"] == "fulfilled"
    fulfilled(
        server, "update-firmware", location="fw-9.9.9.bin", retrieveDate="2020-01-01T00:00:00Z"
    )
