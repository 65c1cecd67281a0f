"""`levity-trio simulate` in careless hands: cut short, without its database at the end, without
room for its fleet."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.serving import PROGRAM, Serving, environment, serving
from tests.integration.simulating import controlled

pytestmark = pytest.mark.night

END_SECONDS = 60
SPEED = 600
HALF_AN_HOUR = 'title = "Nobody comes"\nhours = 0.5\nchargers = 2\n'
"""3 s at that speed."""
NOWHERE = "ws://127.0.0.1:1/ws/"
PARK = {
    "version": 1,
    "locations": [{"name": "Garage"}],
    "vehicles": [],
    "chargers": [
        {
            "spec": {"id": "OWN-1"},
            "location": "Garage",
            "auto_connect": True,
            "memory": {
                "registers": [0, 0],
                "offsets": [0, 0],
                "is_operative": [True, True],
                "firmware_version": "1",
            },
        }
    ],
}
"""A file of the park, as short as one may be."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "levity.db", "--clock-speed", str(SPEED)) as one:
        yield one


@contextmanager
def simulating(folder: Path, *arguments: str, **options: object) -> Iterator[subprocess.Popen[str]]:
    """Under way; it is killed where it does not end by itself."""
    with subprocess.Popen(  # type: ignore[call-overload]  # options of any kind
        [*PROGRAM, "simulate", *arguments],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options,
        text=True,
        cwd=folder,
        env=environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_cuts_it_short_is_told_what_was_not_done(
    tmp_path: Path, server: Serving, number: signal.Signals
) -> None:
    url = f"ws://127.0.0.1:{server.port}/ws/"
    flags = (
        "--url",
        url,
        "--speed",
        str(SPEED),
        "--chargers",
        "2",
        "--verify",
        str(server.database),
        "--json",
    )
    with simulating(tmp_path, *flags) as process:
        server.wait_line("ChargerConnected", charger="SIM-002")
        process.send_signal(number)
        told, stderr = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 130
    assert list(json.loads(told)) == ["chargers", "total"]
    assert stderr.endswith("Stopped before the end of the plan; the database was not compared.\n")


def test_a_database_that_is_gone_at_the_end_costs_no_summary(
    tmp_path: Path, server: Serving
) -> None:
    scenario = tmp_path / "short.toml"
    scenario.write_text(HALF_AN_HOUR)
    url = f"ws://127.0.0.1:{server.port}/ws/"
    (tmp_path / "books.db").symlink_to(server.database)
    flags = (
        "--url",
        url,
        "--speed",
        str(SPEED),
        "--scenario",
        str(scenario),
        "--verify",
        "books.db",
        "--json",
    )
    with simulating(tmp_path, *flags) as process:
        server.wait_line("ChargerConnected", charger="SIM-002")
        (tmp_path / "books.db").unlink()
        told, stderr = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 1
    assert json.loads(told)["total"]["sent"] > 0
    assert "there is no database books.db" in stderr.splitlines()[-1]


def test_commanded_chargers_are_in_the_summary_too(tmp_path: Path, server: Serving) -> None:
    """And those of a plan beside them are compared when somebody ends it."""
    scenario = tmp_path / "short.toml"
    scenario.write_text(HALF_AN_HOUR)
    (tmp_path / "simulator.json").write_text(json.dumps(PARK))
    url = f"ws://127.0.0.1:{server.port}/ws/"
    flags = (
        "--url",
        url,
        "--speed",
        str(SPEED),
        "--scenario",
        str(scenario),
        "--verify",
        str(server.database),
        "--json",
    )
    with simulating(tmp_path, *flags, "--control", "0") as process:
        server.wait_line("ChargerConnected", charger="OWN-1")
        assert process.stderr is not None
        assert any(line.startswith("100 %") for line in process.stderr)
        time.sleep(1)  # until it knows that nothing more is to be said
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 0
    assert list(json.loads(told)["chargers"]) == ["SIM-001", "SIM-002", "OWN-1"]
    assert json.loads(told)["verification"]["is_clean"]


def test_two_simulators_do_not_share_a_file(tmp_path: Path, server: Serving) -> None:
    with (
        controlled(server.port, tmp_path),
        simulating(tmp_path, "--url", NOWHERE, "--control", "0") as process,
    ):
        told = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 1
    assert told == (
        "",
        (
            "levity-trio: another simulator runs on simulator.json; stop it, or choose another "
            "file with --state\n"
        ),
    )


def test_a_fleet_that_does_not_fit_is_refused_at_once(tmp_path: Path) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))

    with simulating(tmp_path, "--chargers", "500", preexec_fn=few) as process:
        told = process.communicate(timeout=END_SECONDS)
    assert (process.returncode, told[0]) == (1, "")
    assert told[1].startswith(
        "levity-trio: 500 chargers need 564 open files, and this machine allows 100: "
    )


def test_a_reader_that_leaves_ends_it_without_a_word(tmp_path: Path) -> None:
    with simulating(tmp_path, "--url", NOWHERE, "--chargers", "1") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(END_SECONDS) == 1
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_without_stdout_and_stderr_it_runs_all_the_same(tmp_path: Path, server: Serving) -> None:
    scenario = tmp_path / "short.toml"
    scenario.write_text(HALF_AN_HOUR)
    url = f"ws://127.0.0.1:{server.port}/ws/"
    command = [
        *PROGRAM,
        "simulate",
        "--url",
        url,
        "--speed",
        str(SPEED),
        "--scenario",
        str(scenario),
    ]
    closed = ["bash", "-c", 'exec "$@" >&- 2>&-', "bash", *command]
    assert (
        subprocess.run(
            closed, cwd=tmp_path, env=environment(), timeout=END_SECONDS, check=False
        ).returncode
        == 0
    )
