"""The bench of several servers runs, with a few chargers: nothing is lost, doubled or closed, and
all come back."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest

from tests import postgresql
from tests.integration.fleet import Start, Stop
from tests.store.postgresql.stored import change
from tests.tools.benchmarks import servers
from tests.tools.benchmarks.cluster import NAMES
from tests.tools.benchmarks.kept import compare
from tests.tools.benchmarks.servers_cost import compare_costs
from tests.tools.benchmarks.servers_outage import ENDS, end_database
from tests.tools.benchmarks.servers_trials import Size, Trial, kill_one, scene, upgrade

SMALL = Size(chargers=9, every=1, seconds=1, joining=100)
TRIGGERS_OFF = "SET session_replication_role = replica;"
AGAIN = """
INSERT INTO meter_val (tx_id, cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp,
    measurand, value,
    unit, context, location, phase, format, source)
SELECT tx_id, cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp, measurand, value,
    unit, context, location, phase, format, source FROM meter_val ORDER BY id LIMIT 1"""


@pytest.fixture(scope="module")
def site() -> Iterator[postgresql.Server]:
    with postgresql.running() as server:
        yield server


def assert_all_well(trial: Trial) -> None:
    kept = trial.kept
    assert kept.answered > SMALL.chargers
    problems = (
        kept.lost,
        kept.doubled,
        kept.closed,
        kept.suspended,
        kept.without_end,
        trial.left_away,
    )
    assert problems == (0, 0, 0, 0, 0, 0), kept
    assert not trial.faults, trial.samples


def test_the_cost_of_a_second_server(site: postgresql.Server, tmp_path: Path) -> None:
    costs = compare_costs(site, tmp_path, chargers=10, rate=20, seconds=0.5, rounds=1)
    for kind, (one,) in costs.rounds.items():
        assert not one.faults, kind
        assert (
            min(one.paced.calls, one.saturated.calls, one.paced.server_us, one.paced.database_us)
            > 0
        )
    assert "two to one" in servers.cost_part(costs).text


def test_a_server_is_killed(site: postgresql.Server, tmp_path: Path) -> None:
    killed = kill_one(site, tmp_path / "kill", SMALL)
    assert_all_well(killed.trial)
    assert 0 < killed.victims == len(killed.back) < SMALL.chargers
    assert "p99 of the others during" in servers.kill_part(killed).text


def test_the_database_is_killed_stopped_and_started_anew(
    site: postgresql.Server, tmp_path: Path
) -> None:
    found = end_database(
        site, tmp_path / "outage", SMALL, [end._replace(seconds=1) for end in ENDS]
    )
    assert_all_well(found.trial)
    assert [outage.serving for outage in found.outages] == [set(NAMES)] * len(ENDS)
    assert all(
        inf > seconds > 0 for outage in found.outages for seconds in outage.recovered.values()
    )
    assert all(outage.recovered and outage.away_seconds > 1 for outage in found.outages)
    assert found.commanded["accepted"]
    assert "restart, -m fast" in servers.outage_part(found).text


def test_an_upgrade_of_three_servers(site: postgresql.Server, tmp_path: Path) -> None:
    upgraded = upgrade(site, tmp_path / "upgrade", SMALL)
    assert_all_well(upgraded.trial)
    statuses = [
        status for steps in (upgraded.drained, upgraded.stopped) for _, status in steps.values()
    ]
    assert statuses == [0] * 6
    assert upgraded.moves
    assert upgraded.commanded["accepted"]
    assert "drain of three" in servers.upgrade_part(upgraded).text


def test_what_is_lost_doubled_or_closed_is_found(site: postgresql.Server, tmp_path: Path) -> None:
    with scene(site, tmp_path / "found", ["one"], SMALL) as (cluster, fleet):
        fleet.join(0)
        accounts = [caller.account for caller in fleet.callers.values()]
        fleet.run(20, lambda: all(account.stops and account.readings for account in accounts))
        fleet.run(20, lambda: any(len(account.starts) > len(account.stops) for account in accounts))
        before = compare(accounts, cluster.address)
        assert (before.lost, before.doubled, before.closed) == (0, 0, 0)
        accounts[0].starts.append(Start("2026-01-01T00:00:00Z", 1, 1))
        accounts[1].stops.append(Stop(1, "2026-01-01T00:00:00Z", 1))
        accounts[2].contradictions.append("a start was repeated and is another transaction")
        open_ones = "(SELECT id FROM tx WHERE sent_stop_time IS NULL ORDER BY id LIMIT 1)"
        change(cluster.address, f"{TRIGGERS_OFF} {AGAIN}")
        change(
            cluster.address,
            f"{TRIGGERS_OFF} UPDATE tx SET status = 'Closed' WHERE id IN {open_ones}",
        )
        after = compare(accounts, cluster.address)
        assert (after.lost, after.doubled, after.closed) == (2, 2, 1), after.samples
