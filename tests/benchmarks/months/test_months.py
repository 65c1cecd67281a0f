"""`just months`, a day of it. The same day is simulated twice: in this process, and by the
command."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from levity_trio.cli import main as levity_trio
from levity_trio.simulator.ledger import read_ledger
from levity_trio.simulator.verification import Kind, Verdict, verify
from levity_trio.store.reads.transactions.recheck import Rechecking
from tests.tools.benchmarks.months.__main__ import seeds
from tests.tools.benchmarks.months.month import Order, Outcome, simulate
from tests.tools.benchmarks.months.table import HEADS, faults, line
from tests.tools.benchmarks.process import ROOT

SEED, HOURS = 1, 24
CERTAIN = (
    "status = 'Completed' AND confidence <> 'doubtful' AND id NOT IN (SELECT tx_id FROM review)"
)


class Told(NamedTuple):
    """What the command printed, and the order for the month that it left."""

    lines: list[str]
    order: Order


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("day")
    return simulate(
        Order(seed=SEED, folder=folder, hours=HOURS, heartbeat_seconds=900, delay_seconds=3)
    )


@pytest.fixture(scope="module")
def told(day: Outcome, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Simulate the same day by the command."""
    folder = tmp_path_factory.mktemp("kept")
    arguments = ("--seeds", str(SEED), "--hours", str(HOURS), "--keep", str(folder))
    command = [sys.executable, "-m", "tests.tools.benchmarks.months", *arguments]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return Told(ended.stdout.splitlines(), replace(day.order, folder=folder))


def test_a_day_agrees(day: Outcome) -> None:
    assert day.verdict.is_clean, day.verdict.faults
    assert day.differences == []
    assert day.verdict.transactions > 30
    assert day.calls.sent > 2000


def test_responses_are_lost_with_their_connections(day: Outcome) -> None:
    assert 0 < day.calls.sent - day.calls.answered < 50


def test_the_command_prints_a_line_for_each_seed_and_a_total(told: Told) -> None:
    head, of_the_seed, total, life, *missing = told.lines
    assert head.split("  ") == list(HEADS)
    assert of_the_seed.split()[:-1] == [str(SEED), *total.split()[1:-1]]
    taken, _, steps = life.split()[:3]
    assert int(steps) == int(taken) + len(missing) > 20


def test_the_command_leaves_what_verify_reads(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    assert levity_trio(["verify", str(told.order.ledger), str(told.order.database)]) == 0
    assert "The database agrees" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_month(day: Outcome, told: Told) -> None:
    assert told.order.ledger.read_bytes() == day.order.ledger.read_bytes()
    assert list(content(told.order.database)) == list(content(day.order.database))


def content(database: Path) -> Iterator[str]:
    with closing(sqlite3.connect(database)) as connection:
        yield from connection.iterdump()


LAST_CERTAIN = f"id = (SELECT max(id) FROM tx WHERE {CERTAIN})"
LAST_REVIEWED = (
    "id = (SELECT max(id) FROM review WHERE code = 'stray_reading' AND resolved_at IS NULL)"
)
LIES = [
    pytest.param(
        f"UPDATE tx SET energy_delivered = energy_delivered + 1 WHERE {LAST_CERTAIN}",
        Kind.SILENT,
        id="Wh",
    ),
    pytest.param(
        f"UPDATE tx SET meter_start = meter_start + 1 WHERE {LAST_CERTAIN}",
        Kind.IDENTITY,
        id="register",
    ),
    pytest.param(
        f"UPDATE tx SET cp_id = 'ELSEWHERE' WHERE {LAST_CERTAIN}", Kind.MISSING, id="transaction"
    ),
    pytest.param(
        (
            "UPDATE review "
            "SET resolved_at = '', resolved_by = '', resolution = '' "
            f"WHERE {LAST_REVIEWED}"
        ),
        Kind.UNREVIEWED,
        id="review",
    ),
]


@pytest.mark.parametrize(("lie", "kind"), LIES)
def test_a_lie_of_the_server_is_found(day: Outcome, tmp_path: Path, lie: str, kind: Kind) -> None:
    found = replace(day, verdict=verdict_after(lie, day.order, tmp_path / "lie.db"))
    assert [fault.kind for fault in found.verdict.faults] == [kind]
    (text,) = faults(found)
    assert text.startswith(f"seed {SEED}: [{kind}] SIM-")
    assert sorted(line(found).split()[5:-1]) == ["0"] * 6 + ["1"]


def test_a_figure_that_recheck_would_change_is_printed(day: Outcome, tmp_path: Path) -> None:
    copy = tmp_path / "lie.db"
    verdict_after(
        f"UPDATE tx SET energy_delivered = energy_delivered + 1 WHERE {LAST_CERTAIN}",
        day.order,
        copy,
    )
    (page,) = Rechecking(copy, None).pages(seconds=600)
    found = replace(day, differences=page.differences[-1:])
    assert not found.is_clean
    assert next(faults(found)).startswith(f"seed {SEED}: [recheck] ")
    assert line(found).split()[-2] == "1"


def verdict_after(lie: str, order: Order, copy: Path) -> Verdict:
    """Return the verdict on a copy of the database with a lie in it."""
    shutil.copy(order.database, copy)
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        assert connection.execute(lie).rowcount == 1
    return verify(copy, read_ledger(order.ledger))


def test_seeds_are_ranges_and_numbers() -> None:
    assert seeds("1-3,7,2001") == [1, 2, 3, 7, 2001]
