"""What `just bench-growth` fills and measures, with few readings."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect
from tests.postgresql import Server, running
from tests.store.books import NOON
from tests.store.postgresql.stored import new_database, query
from tests.tools.benchmarks import growth
from tests.tools.benchmarks.growth import CHARGERS, IN_TRANSACTION, fill, grown, measure


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def address(server: Server) -> PostgresqlAddress:
    return new_database(server)


def test_each_charger_has_the_same_history(
    address: PostgresqlAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "AT_ONCE", 700)
    fill(address, 20 * CHARGERS)
    counts = "SELECT count(*), count(DISTINCT tx_id), max(wh) FROM meter_val GROUP BY cp_id"
    assert set(query(address, counts)) == {(20, 20 // IN_TRANSACTION, 19 * 500)}
    ((readings, newest),) = query(
        address, "SELECT count(DISTINCT id), max(timestamp) FROM meter_val"
    )
    assert (readings, newest < NOON.isoformat()) == (20 * CHARGERS, True)


def test_what_is_measured_is_stored(
    address: PostgresqlAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "WARM_ROUNDS", 1)
    fill(address, 100)
    times = measure(address, 2)
    assert {what: len(taken) for what, taken in times.items()} == {
        "StartTransaction": 2,
        "MeterValues": 2 * growth.READ_EACH,
        "MeterValues, repeated": 2 * growth.READ_EACH,
        "the open transaction on a page": 2,
        "StopTransaction, judged": 2,
        "its curve on a page": 2,
    }
    assert (
        query(address, "SELECT status, energy_delivered, review FROM tx")
        == [("Completed", 3000, None)] * 3
    )
    ((readings,),) = query(address, "SELECT count(*) FROM meter_val")
    assert readings == 100 + 3 * growth.READ_EACH


def test_each_size_has_a_figure(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "WARM_ROUNDS", 0)
    told: list[str] = []
    lines = list(grown(server, 300, 1, told.append))
    assert [line.partition(" ")[0] for line in told] == ["30", "300"]
    assert all(len(line.milliseconds) == len(growth.SIZES) for line in lines)
    with closing(PostgresqlConnection(connect(server.address("postgres")))) as connection:
        assert not connection.ask("SELECT 1 FROM pg_database WHERE datname LIKE 'readings%'")
