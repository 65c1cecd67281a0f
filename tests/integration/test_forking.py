"""A forked server is, to a test, what a spawned one is."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .forking import Forked, fork, run_forked
from .serving import PROGRAM, environment, serving

LAST_WORDS = """
import atexit, threading, time
async def forgotten(): pass
circle = [forgotten()]
circle.append(circle)
del circle
atexit.register(print, "at the exit")
threading.Thread(target=lambda: (time.sleep(0.2), print("of a thread"))).start()
"""


def told(process: Forked) -> tuple[int, str, str]:
    """How it ended, and all that it wrote."""
    with process.stdout as stdout, process.stderr as stderr:
        return process.wait(60), stdout.read(), stderr.read()


def test_it_ends_and_tells_what_a_spawned_one_does(tmp_path: Path) -> None:
    wrong = ("serve", "--port", "x")
    spawned = subprocess.run(
        [*PROGRAM, *wrong],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert spawned.returncode == 2
    assert told(fork(wrong, tmp_path, environment())) == (
        spawned.returncode,
        spawned.stdout,
        spawned.stderr,
    )


def test_it_has_its_last_words(tmp_path: Path) -> None:
    ended = run_forked(("-n1", "-r1", LAST_WORDS), tmp_path, environment(), 60, "timeit")
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[1:] == ["of a thread", "at the exit"]
    assert "was never awaited" in ended.stderr


def test_its_environment_and_its_folder_are_its_own(tmp_path: Path) -> None:
    wrong = {**environment(), "LEVITY_DB": str(tmp_path / "none" / "site.db"), "LEVITY_PORT": "0"}
    status, _, stderr = told(fork(("serve",), tmp_path, wrong))
    assert (status, str(tmp_path / "none") in stderr) == (2, True)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with serving(tmp_path / name / "site.db") as server:
            assert Path(f"/proc/{server.process.pid}/cwd").resolve() == tmp_path / name


def test_the_signal_that_killed_it_is_told(tmp_path: Path) -> None:
    with serving(tmp_path / "one.db") as one, serving(tmp_path / "two.db") as two:
        assert one.process.poll() is None
        one.kill()
        assert (one.process.poll(), one.process.returncode) == (-9, -9)
        assert two.process.poll() is None
    assert two.process.returncode == 0
