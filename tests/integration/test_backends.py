"""Two levity-trio servers, the second as backend of the first, while one after the other is killed:
sessions, energy and statements of both agree to the Wh and the cent.

In CI some hours stand for the month; the full size is a month with a kill each hour
(`BACKEND_HOURS=48` for two days).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Final

import pytest

from levity_trio.billing.examples import DAY_AND_NIGHT, FLAT
from levity_trio.clock import SimulatedTime
from levity_trio.store.engine.file_store import open_database
from levity_trio.wire.times import stamp
from tests.integration import backend_hasty
from tests.integration.backend_given import give_backend, wait_until_told
from tests.integration.serving import Serving, query, serving
from tests.integration.simulating import RUN_SECONDS, simulate
from tests.integration.test_simulated_bill import BERLIN, MONTH, NEXT, ask, close, midnight, text
from tests.ports import free_port
from tests.sizes import size

pytestmark = pytest.mark.night

HOURS: Final = int(os.environ.get("BACKEND_HOURS", size(720, 3)))
SPEED: Final = 360 if HOURS < 24 else 720
KILL_SECONDS: Final = size(3600, 2400) / SPEED
BEGIN: Final = midnight(MONTH) + timedelta(hours=8)
CHARGERS: Final = size(20, 5)
HOUSEHOLDS: Final = (1, 2)
SCENARIO: Final = f"""
title = "Two households and honest chargers"
hours = {HOURS}
chargers = {CHARGERS}
sessions-per-day = {12 if HOURS < 24 else 2}
stay-hours = [0.5, {1 if HOURS < 24 else 6}]
tags = ["HOUSE-1", "HOUSE-2"]

[configuration]
AllowOfflineTxForUnknownId = true
MeterValueSampleInterval = 600
"""
SESSIONS: Final = (
    "SELECT cp_id, conn_id, id_tag, sent_start_time, sent_stop_time, meter_start, meter_stop, "
    "energy_delivered, status, stop_reason FROM tx ORDER BY cp_id, conn_id, sent_start_time"
)
STATEMENTS: Final = (
    "SELECT account.name, statement.total, position.kind, cp_id, position.id_tag, begin_wh, "
    "end_wh, energy_wh, position.amount FROM statement "
    "JOIN account ON account.id = statement.account_id "
    "JOIN position ON statement_id = statement.id WHERE statement.month = ? "
    "ORDER BY 1, 4, 6, energy_wh"
)


class Lives:
    """A server that is killed and started again, at the same port."""

    def __init__(self, database: Path, port: int) -> None:
        self._database, self._port = database, port
        self._life: AbstractContextManager[Serving] | None = None

    def begin(self) -> Serving:
        flags = ("--clock-speed", str(SPEED), "--time-zone", str(BERLIN), "--port", str(self._port))
        self._life = serving(
            self._database, *flags, "--heartbeat-interval", "900", module=backend_hasty.MODULE
        )
        self.server = self._life.__enter__()
        return self.server

    def end(self) -> None:
        if self._life is not None:
            self._life.__exit__(None, None, None)
            self._life = None

    def kill(self) -> None:
        self.server.kill()
        self.end()


@contextmanager
def living(*lives: Lives) -> Iterator[tuple[Serving, ...]]:
    try:
        yield tuple(life.begin() for life in lives)
    finally:
        for life in lives:
            life.end()


def begun_for(shown: datetime) -> str:
    """Return since when a clock of SPEED must have run to show this time now."""
    now = datetime.now(UTC)
    return stamp(now - (shown - now) / (SPEED - 1))


def set_clocks(shown: datetime, *databases: Path) -> None:
    begun = begun_for(shown)
    for database in databases:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("UPDATE simulated_time SET begun_at = ?", (begun,))


@pytest.fixture
def databases(tmp_path: Path) -> tuple[Path, Path]:
    """Of both, with the same clock and whoever sends the bills."""
    paths = tmp_path / "first" / "levity.db", tmp_path / "second" / "levity.db"
    clock = SimulatedTime(datetime.fromisoformat(begun_for(BEGIN)), SPEED)
    for path in paths:
        path.parent.mkdir()
        with open_database(path, clock) as connection:
            connection.execute(
                "INSERT INTO biller (name, payment_days, set_at, set_by) "
                "VALUES ('Owner', 14, '', 'owner')"
            )
    return paths


def move_in(server: Serving) -> None:
    """Two households with a tag each, one with a tariff of day and night."""
    long_ago = f"{MONTH.year - 1}-01-01"
    for toml in (FLAT, DAY_AND_NIGHT):
        ask(server, "POST", "tariffs", toml=toml.replace("2026-10-01", long_ago))
    ask(server, "POST", "tariff-assignments", tariff=1, since=long_ago, site=True)
    for number in HOUSEHOLDS:
        ask(server, "POST", "accounts", name=f"Flat {number}", since=long_ago)
        ask(server, "POST", "accounts", number, "give", tag=f"HOUSE-{number}", since=long_ago)
    ask(server, "POST", "tariff-assignments", tariff=2, since=long_ago, account=2)
    ask(server, "PUT", "billing", begun_on=str(MONTH))


def test_both_agree_to_the_wh_and_the_cent(databases: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = databases
    ports = free_port(), free_port()
    give_backend(first, ports[1], [f"SIM-{number:03}" for number in range(1, CHARGERS + 1)])
    lives = Lives(first, ports[0]), Lives(second, ports[1])
    scenario = tmp_path / "month.toml"
    scenario.write_text(SCENARIO)
    kills = 0
    with ThreadPoolExecutor(1) as thread:
        set_clocks(BEGIN, first, second)
        with living(*lives) as servers:
            for server in servers:
                move_in(server)
            simulated = thread.submit(
                simulate,
                *(f"ws://127.0.0.1:{ports[0]}/ws/", "--scenario", str(scenario)),
                *("--speed", str(SPEED)),
                folder=tmp_path,
                seconds=HOURS * 3600 / SPEED + RUN_SECONDS,
            )
            for victim in cycle(lives):
                until = time.monotonic() + KILL_SECONDS
                while not simulated.done() and time.monotonic() < until:
                    time.sleep(0.05)
                if simulated.done():
                    break
                victim.kill()
                victim.begin()
                kills += 1
            ended = simulated.result()
            wait_until_told(first, 300)
    assert ended.status == 0, ended.stderr
    there, here = query(second, SESSIONS), query(first, SESSIONS)
    assert there == here
    energy = sum(session[7] for session in here)
    assert energy == ended.total["energy_wh"] > 0
    assert query(first, "SELECT count(*), sum(stopped_at IS NULL) FROM backend_tx") == [
        (len(here), 0)
    ]
    assert query(first, "SELECT * FROM backend_refused") == []
    values = "SELECT cp_id, conn_id, sent_timestamp, value, measurand, unit FROM meter_val ORDER BY"
    assert query(second, f"{values} 1, 2, 3, 5, 4") == query(first, f"{values} 1, 2, 3, 5, 4")

    set_clocks(midnight(NEXT) + timedelta(hours=6), first, second)
    with living(*lives) as servers:
        for server in servers:
            close(server, MONTH)
    billed = [query(database, STATEMENTS, text(MONTH)) for database in databases]
    assert billed[0] == billed[1]
    totals = {name: total for name, total, *_ in billed[0]}
    assert len(totals) == len(HOUSEHOLDS)
    print(f"\n{HOURS} hours, {kills} kills: {len(here)} sessions, {energy} Wh, cents {totals}")
