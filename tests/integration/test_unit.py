"""The systemd unit: judged by systemd-analyze, and its command run under what the unit forbids."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.ports import free_port

from . import confined
from .charger import Charger
from .forking import run_forked
from .serving import END_SECONDS, READY_SECONDS, environment, environment_of_user

WATCHDOG_MICROSECONDS = 400_000
WORST_EXPOSURE_TENTHS = 20

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is in Debian's package systemd; .ci/run installs it",
)
needs_seccomp = pytest.mark.skipif(
    find_library("seccomp") is None, reason="libseccomp2 comes with systemd"
)


def deploy(folder: Path, *flags: str) -> Path:
    """The unit, as a user gets it."""
    run_forked(
        ("deploy", *flags, str(folder / "files")), folder, environment_of_user(), 60
    ).check_returncode()
    return folder / "files" / "levity-trio.service"


UNITS = {
    "defaults": (),
    "all of it": (
        *(
            "--db",
            "a b%n.db",
            "--log-file",
            "levity.log",
            "--port",
            "80",
            "--fluentd-tag",
            'a "b" \\c $HOME',
        ),
        *(
            "--plugins",
            "one,two",
            "--strict",
            "--shutdown-grace",
            "30",
            "--max-connections",
            "20000",
        ),
    ),
}


@pytest.mark.parametrize("flags", UNITS.values(), ids=UNITS)
def test_systemd_finds_no_fault_with_it(flags: tuple[str, ...], tmp_path: Path) -> None:
    unit = deploy(tmp_path, *flags)
    backup = [unit.with_name(f"levity-trio-backup.{kind}") for kind in ("service", "timer")]
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit, *backup],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


@pytest.mark.parametrize("flags", UNITS.values(), ids=UNITS)
def test_it_is_little_exposed(flags: tuple[str, ...], tmp_path: Path) -> None:
    judge = [
        "systemd-analyze",
        "security",
        "--no-pager",
        "--offline=true",
        f"--threshold={WORST_EXPOSURE_TENTHS}",
    ]
    told = subprocess.run(
        [*judge, deploy(tmp_path, *flags)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout[-2000:]


def test_it_comes_back_whatever_happens(tmp_path: Path) -> None:
    lines = deploy(tmp_path).read_text().splitlines()
    for wanted in (
        *(
            "Type=notify",
            "Restart=always",
            "RestartSec=5",
            "StartLimitIntervalSec=0",
            "StateDirectory=levity",
        ),
        *("WatchdogSec=30", "TimeoutStopSec=25", "LimitNOFILE=4096"),
    ):
        assert wanted in lines
    (after,) = (line for line in lines if line.startswith("After="))
    assert "time-sync.target" in after.split()


class Confined:
    """The unit's command, as systemd would run it; `heard` is what it told systemd."""

    def __init__(self, process: subprocess.Popen[str], listener: socket.socket) -> None:
        self.process = process
        self.heard: list[str] = []
        self._listener = listener
        self._news = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def wait_word(self, word: str, times: int = 1) -> None:
        with self._news:
            found = self._news.wait_for(lambda: self.heard.count(word) >= times, READY_SECONDS)
        assert found, f"{word} was not told: {self.heard}"

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send it a signal; gives its exit status and what it wrote on stderr."""
        self.process.send_signal(number)
        _, told = self.process.communicate(timeout=END_SECONDS)
        return self.process.returncode, told

    def _listen(self) -> None:
        while word := self._listener.recv(100).decode():
            with self._news:
                self.heard.append(word)
                self._news.notify_all()


@contextmanager
def run_unit(unit: Path) -> Iterator[Confined]:
    """Its ExecStart with its Environment, below its filters, beside a socket like systemd's."""
    (command,) = confined.settings(unit, "ExecStart")
    told = [shlex.split(line)[0].split("=", 1) for line in confined.settings(unit, "Environment")]
    address = f"levity-{os.getpid()}-{free_port()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{address}")
        supervised = {"NOTIFY_SOCKET": f"@{address}", "WATCHDOG_USEC": str(WATCHDOG_MICROSECONDS)}
        process = subprocess.Popen(
            [sys.executable, "-m", confined.__name__, unit, *shlex.split(command)],
            env={**environment(), **dict(told), **supervised},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Confined(process, listener)
        finally:
            process.kill()
            process.communicate()
            listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    ports = ("--port", str(free_port()), "--metrics-port", str(free_port()))
    return deploy(
        tmp_path,
        "--db",
        "levity.db",
        "--host",
        "127.0.0.1",
        *ports,
        "--fluentd-endpoint",
        "localhost:1",
    )


def setting(unit: Path, name: str) -> str:
    (found,) = re.findall(rf"^Environment=LEVITY_{name}=(.*)$", unit.read_text(), re.MULTILINE)
    return str(found)


@needs_seccomp
def test_the_server_serves_under_all_that_the_unit_forbids(unit: Path) -> None:
    with run_unit(unit) as server:
        server.wait_word("READY=1")
        with Charger(int(setting(unit, "PORT")), "CP-1") as charger:
            charger.boot()
            charger.start("TAG")
            with urlopen(f"http://127.0.0.1:{setting(unit, 'METRICS_PORT')}/metrics") as answer:
                assert b'ocpp_cp_connected{cp_id="CP-1"} 1' in answer.read()
            server.wait_word("WATCHDOG=1", 3)
        status, errors = server.end(signal.SIGTERM)
        server.wait_word("STOPPING=1")
    assert (status, errors) == (0, "")
    assert server.heard[0] == "READY=1"
    assert Path(setting(unit, "DB")).exists()


@needs_seccomp
def test_what_hangs_is_seen_in_the_journal(unit: Path) -> None:
    """The watchdog's SIGABRT shows where each thread was."""
    with run_unit(unit) as server:
        server.wait_word("READY=1")
        status, errors = server.end(signal.SIGABRT)
    # faulthandler reads the stacks of running threads: on a busy machine it may end by that, having
    # written them.
    assert status in (-signal.SIGABRT, -signal.SIGSEGV)
    assert "most recent call first" in errors
    assert "levity_trio/server/" in errors


@needs_seccomp
@pytest.mark.parametrize(
    "forbidden", ["os.nice(1)", "socket.socket(socket.AF_PACKET)", "os.chroot('/')"]
)
def test_the_filter_is_one(forbidden: str, unit: Path) -> None:
    """Else the tests above would prove nothing."""
    command = [sys.executable, "-c", f"import os, socket; {forbidden}"]
    told = subprocess.run(
        [sys.executable, "-m", confined.__name__, unit, *command],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Operation not permitted" in told.stderr
