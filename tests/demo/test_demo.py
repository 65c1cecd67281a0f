"""`levity-trio demo` as somebody meets it: its addresses, its pages, charging cars, and that
nothing of it is left."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
import trio

from levity_trio.cli import main
from levity_trio.demo.house import CHARGERS, HOUSEHOLDS, LABELLED, OWNER, UNTRIED, charger_id
from tests.demo.running import Demo, running_demo, starting_demo
from tests.integration.browsing import OF_DRIVERS, Browser
from tests.integration.serving import END_SECONDS, query
from tests.plugins.mqtt.clients import listener
from tests.plugins.mqtt.mosquitto import Mosquitto, running

HERE = charger_id(LABELLED)
PATIENCE_SECONDS = 60.0
"""For a busy machine; a car charges within three seconds."""


def wait_until(is_so: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.1)


def charging(demo: Demo) -> int:
    """How many charge, as the server knows it from their messages since it runs."""
    return len(
        query(demo.database, "SELECT 1 FROM tx WHERE status = 'Active' AND suspended_at IS NULL")
    )


def state(demo: Demo, charger: str = HERE) -> str:
    ((status,),) = query(
        demo.database, "SELECT status FROM cp_conn WHERE cp_id = ? AND conn_id = 1", charger
    )
    return str(status)


def test_a_stranger_sees_cars_charge_and_starts_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_demo() as demo:
        with monkeypatch.context() as there:
            there.chdir(demo.folder)
            assert main(["chargers"]) == 0
            assert f"{HERE} " in capsys.readouterr().out
        owner, neighbour = Browser(demo), Browser(demo, OF_DRIVERS)
        wait_until(
            lambda: re.search(
                r"Demo · .* as of 17:[23]\d .* [2-9] cars charging", owner.get("/").words
            )
        )
        now = owner.get("/")
        assert "Space 17 is faulted: GroundFailure" in now.words
        assert "6 sessions are doubtful" in now.words
        assert "has used four fifths" in now.words
        the_documentation_says_so_too(demo)
        label_is_printed(demo)
        assert "Employer (as EMP-4711)" in neighbour.get("/d/me").words
        feeder_is_shared(owner)
        start_and_stop(demo, owner, neighbour)
        copy = tmp_path / "copy.db"
        assert main(["backup", str(copy), "--db", str(demo.database)]) == 0
        assert main(["check", str(copy)]) == 0
        assert "is sound" in capsys.readouterr().out
        assert not re.search(r"\[(error|warning|critical)", without_faults(demo.log))
        assert "LimitIgnored" not in demo.log
    assert demo.process.returncode == 0
    assert not demo.folder.exists()


def the_documentation_says_so_too(demo: Demo) -> None:
    token = demo.ask("POST", "admin", "tokens", name="program", role="viewer")["token"]
    asked = Request(f"{demo.dashboard}/api/docs", headers={"authorization": f"Bearer {token}"})  # noqa: S310 - our own
    with urlopen(asked, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - our own
        assert "<strong>Demo</strong> · invented data · clock" in answer.read().decode()


def label_is_printed(demo: Demo) -> None:
    """The label of one charger, at the printed address: it says demo, and leads to the charger's
    page."""
    parts = urlsplit(demo.label)
    connection = HTTPConnection(parts.netloc, timeout=PATIENCE_SECONDS)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    html = answer.read().decode()
    connection.close()
    assert answer.status == 200
    assert html.count('aria-label="QR code') == 1
    assert "House Bauhof 12 (demo)" in html
    assert f"{demo.drivers}/d/at/{HERE}" in html


def start_and_stop(demo: Demo, owner: Browser, neighbour: Browser) -> None:
    """The neighbour starts at a label, somebody plugs a car in, which may have to wait, and the
    owner stops it."""
    at = neighbour.get(f"/d/at/{HERE}")
    assert HOUSEHOLDS[0].name in at.words
    assert "Demo ·" in at.words
    neighbour.send(at.form("Start"))
    wait_until(lambda: state(demo) in ("Charging", "SuspendedEVSE"))
    owner.send(owner.get("/").form(f"/chargers/{HERE}/remote-stop"))
    wait_until(lambda: state(demo) == "Finishing")


def without_faults(log: str) -> str:
    """Without the charger that is faulted, and without a feeder that was full for a minute of the
    demo's clock, which runs fast: on a busy machine that passes while a limit is on its way."""
    return "\n".join(
        line for line in log.splitlines() if not re.search("StatusChanged|LoadExceeded", line)
    )


def feeder_is_shared(owner: Browser) -> None:
    """Now shows the feeder by phase, and that cars wait; all chargers are limited, and all but one
    trusted."""
    shown = ""

    def is_shared() -> bool:
        nonlocal shown
        shown = owner.get("/").words
        # the house may have leapt
        return re.search(r"\d cars? waits?", shown) is not None and "A over" not in shown

    wait_until(is_shared)
    assert "L1 house" in shown
    assert "shadow" not in shown
    feeder = owner.get("/load").words
    assert "All chargers are limited." in feeder
    assert (
        feeder.count("its firmware has passed the trial"),
        feeder.count("has passed no trial"),
    ) == (
        len(CHARGERS) - 1,
        1,
    )
    trial = owner.get(f"/load/try/{UNTRIED}")
    assert "No car charges here yet" in trial.words
    assert f"trusted by {OWNER}" in owner.send(trial.form("/trust")).words


def test_a_demo_takes_other_ports_beside_another_and_none_hinders_the_next() -> None:
    with starting_demo() as started:
        with running_demo() as second:
            first = Demo(started)
            assert not {first.dashboard, first.drivers} & {second.dashboard, second.drivers}
            wait_until(lambda: charging(second) >= 2)
            connected = "SELECT 1 FROM cp WHERE is_connected"
            wait_until(lambda: len(query(second.database, connected)) == len(CHARGERS))
            second.process.send_signal(signal.SIGKILL)
            second.process.wait(END_SECONDS)
        for one in (first, second):
            os.utime(one.folder, (0, 0))
        with running_demo() as third:
            assert (first.folder.exists(), second.folder.exists()) == (True, False)
            wait_until(lambda: charging(third) >= 2)


async def test_a_demo_is_shown_at_a_broker_and_leaves_nothing_there(tmp_path: Path) -> None:
    with running(Mosquitto(tmp_path / "mosquitto")) as mosquitto:
        with running_demo("--mqtt", f"{mosquitto.url}/demo") as demo:
            async with listener(mosquitto, "demo/#", "homeassistant/#") as heard:
                await heard.wait(lambda: len(heard.messages) > 10 * len(CHARGERS))
            demo.process.send_signal(signal.SIGINT)
            await trio.to_thread.run_sync(demo.process.wait, END_SECONDS)
        async with listener(mosquitto, "#") as heard:
            await heard.tell("end", b"")
            assert [one.topic for one in await heard.until(1)] == ["end"]


def test_a_demo_refuses_what_is_no_broker(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--mqtt", "homeassistant.local"]) == 2
    assert "--mqtt: give mqtts://user@host/prefix" in capsys.readouterr().err
