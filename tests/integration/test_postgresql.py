"""A spawned server whose database is on PostgreSQL: charging, the shell beside it, kills of either,
its end."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

from levity_trio.config.settings import PostgresqlAddress
from tests.packages import without
from tests.postgresql import Server
from tests.store.postgresql.relay import relayed
from tests.store.postgresql.stored import change, name_of, query

from .charger import Charger, meter_values, now
from .fleet import Account, Fleet, accounts, answered
from .forking import run_forked
from .serving import PROGRAM, Serving, environment, serving

CHARGERS = 10
SECONDS = 120
EXPIRE = "SET lock_timeout = 0; UPDATE levity.server SET until = clock_timestamp()"
"""What the passage of the lease does."""
HURRY = ("--shutdown-grace", "1")
ASKS = "the connection to the database was lost during a commit; asking what became of it"
RECOVERED = "writes to the database succeed again"
FAILING = "writes to the database fail; retrying, and nothing is acknowledged meanwhile"


def on(address: PostgresqlAddress, folder: Path) -> tuple[Path, str, str]:
    """Return what `serving` needs: a path in the server's folder, and the flag that names the
    database."""
    return folder / "levity.db", "--db", address


def shell(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return run_forked(command, folder, environment(), SECONDS)


def libraries(server: Serving) -> str:
    """Return the files that a process has in its memory."""
    return Path(f"/proc/{server.process.pid}/maps").read_text()


def charge(server: Serving, identity: str, energy_wh: int) -> int:
    """Charge so much; return the transactionId."""
    with Charger(server.port, identity) as charger:
        charger.boot()
        transaction = charger.start("TAG", 1000)
        charger.call("MeterValues", **meter_values(transaction, str(1000 + energy_wh // 2)))
        charger.call(
            "StopTransaction",
            transactionId=transaction,
            meterStop=1000 + energy_wh,
            timestamp=now(),
        )
        charger.close()
    return transaction


def assert_all_there(address: PostgresqlAddress, fleet: Iterable[Account]) -> None:
    """What the chargers were answered is in the database, once and as they said it."""
    starts = "SELECT sent_start_time, meter_start, id FROM tx WHERE cp_id = ?"
    stops = "SELECT id, sent_stop_time, meter_stop FROM tx WHERE cp_id = ?"
    readings = "SELECT tx_id, sent_timestamp, value FROM meter_val WHERE cp_id = ?"
    for account in fleet:
        assert not account.contradictions
        told = (
            (starts, [*account.starts]),
            (stops, [*account.stops]),
            (readings, [*account.readings]),
        )
        for sql, answers in told:
            found = query(address, sql, account.identity)
            assert not [answer for answer in answers if answer not in found]
            assert len(found) == len(set(found))
        assert (
            len({row[:2] for row in query(address, starts, account.identity)})
            <= len(account.starts) + 1
        )


def test_charging_and_the_shell_beside_it(tmp_path: Path, address: PostgresqlAddress) -> None:
    with serving(*on(address, tmp_path), program=PROGRAM) as server:
        transaction = charge(server, "CP-1", 1500)
        stored = query(address, "SELECT id, status, energy_delivered, confidence FROM tx")
        assert stored == [(transaction, "Completed", 1500, "certain")]
        logged = shell(tmp_path, "logs", "CP-1", "--json", "--db", address)
        rechecked = shell(tmp_path, "recheck", "--json", "--db", address)
        assert "libpq" in libraries(server)
    actions = [json.loads(line).get("action") for line in logged.stdout.splitlines()]
    assert {"BootNotification", "StartTransaction", "MeterValues", "StopTransaction"} <= set(
        actions
    )
    assert (logged.returncode, rechecked.returncode) == (0, 0), (logged, rechecked)
    assert json.loads(rechecked.stdout.splitlines()[-1])["transactions"] == 1
    assert server.find("serving")[0]["database"] == address
    assert not (tmp_path / "levity.db").exists()


def test_a_transaction_goes_on_after_a_restart(tmp_path: Path, address: PostgresqlAddress) -> None:
    """A clean stop gives the name back, so that the next server need not wait."""
    with serving(*on(address, tmp_path)) as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        transaction = charger.start("TAG", 1000)
        server.stop()
    with serving(*on(address, tmp_path)) as server, Charger(server.port, "CP-1") as charger:
        charger.call("StopTransaction", transactionId=transaction, meterStop=2500, timestamp=now())
    assert query(address, "SELECT id, energy_delivered FROM tx") == [(transaction, 1500)]
    assert query(address, "SELECT clean FROM run ORDER BY id") == [(1,), (1,)]


def test_the_server_is_killed_under_load(tmp_path: Path, address: PostgresqlAddress) -> None:
    fleet = accounts(CHARGERS)
    with serving(*on(address, tmp_path)) as server, Fleet(server.port) as load:
        load.join(fleet)
        assert load.run(SECONDS, lambda: answered(fleet) > 10 * CHARGERS)
        server.kill()
        assert load.run_out()
    assert_all_there(address, fleet)
    refused = shell(tmp_path, "serve", "--port", "0", "--db", address)
    assert refused.returncode == 1
    assert "was killed less than 15 s ago" in refused.stderr
    change(address, EXPIRE)
    with serving(*on(address, tmp_path)) as server:
        assert query(address, "SELECT count(*) FROM session WHERE ended_at IS NULL") == [(0,)]
        talk_on(server, fleet)
    assert_all_there(address, fleet)


def talk_on(server: Serving, fleet: list[Account]) -> None:
    before = answered(fleet)
    with Fleet(server.port) as load:
        load.join(fleet)
        assert load.run(SECONDS, lambda: answered(fleet) > before + 10 * CHARGERS)
        server.stop()
        assert load.run_out()
        assert set(load.faults) == {"connection lost"}, (load.faults, load.samples)


def goes_on(load: Fleet, fleet: list[Account], seconds: float) -> bool:
    """Whether the chargers get some more answers each."""
    before = answered(fleet)
    return load.run(seconds, lambda: answered(fleet) > before + 5 * CHARGERS)


def test_postgresql_is_killed_under_load(
    tmp_path: Path, postgresql: Server, address: PostgresqlAddress
) -> None:
    """The server stays, acknowledges nothing meanwhile, and goes on by itself."""
    fleet = accounts(CHARGERS)
    with serving(*on(address, tmp_path), may_log_errors=True) as server:
        with Fleet(server.port) as load:
            load.join(fleet)
            assert goes_on(load, fleet, SECONDS)
            postgresql.kill()
            assert not goes_on(load, fleet, 1)
            postgresql.start()
            before = answered(fleet)
            assert load.run(
                SECONDS, lambda: bool(server.find(RECOVERED)) or answered(fleet) > before
            )
        talk_on(server, fleet)
    assert {line["event"] for line in server.errors()} <= {FAILING}
    assert_all_there(address, fleet)


def test_a_stop_while_postgresql_is_away(
    tmp_path: Path, postgresql: Server, address: PostgresqlAddress
) -> None:
    """It ends within its grace, and says that not all could be stored."""
    with serving(*on(address, tmp_path), *HURRY, may_log_errors=True) as server:
        charge(server, "CP-1", 1000)
        postgresql.kill()
        try:
            server.signal(signal.SIGTERM)
            assert server.wait() in (0, 1)
        finally:
            postgresql.start()
    assert query(address, "SELECT energy_delivered FROM tx") == [(1000,)]


def test_a_stop_while_nobody_knows_what_became_of_a_commit(
    tmp_path: Path, postgresql: Server, address: PostgresqlAddress
) -> None:
    """PostgreSQL dies with the question, and does not come back: a stop need not wait for it."""
    with (
        relayed(postgresql.folder) as relay,
        serving(
            *on(relay.address(name_of(address)), tmp_path), *HURRY, may_log_errors=True
        ) as server,
        Charger(server.port, "CP-1") as charger,
    ):
        charger.boot()  # behind what a start writes
        relay.cut_behind(b"COMMIT\0", postgresql.kill)
        charger.send("BootNotification", chargePointVendor="Other", chargePointModel="Other")
        try:
            server.wait_line(ASKS)
            server.signal(signal.SIGTERM)
            assert server.wait() in (0, 1)
        finally:
            postgresql.start()


def test_a_server_that_was_replaced_ends(tmp_path: Path, address: PostgresqlAddress) -> None:
    """Its lease has ended in a long freeze, and another has taken its name."""
    folder = tmp_path / "second"
    folder.mkdir()
    with (
        serving(*on(address, tmp_path), may_log_errors=True) as first,
        Charger(first.port, "CP-2") as charger,
    ):
        charge(first, "CP-1", 1000)
        first.signal(signal.SIGSTOP)
        change(address, EXPIRE)
        with serving(*on(address, folder)) as second:
            charger.send("BootNotification", chargePointVendor="", chargePointModel="")
            first.signal(signal.SIGCONT)
            charger.wait_closed()
            assert first.wait() == 1
            charge(second, "CP-2", 500)
        told, first.stderr = first.stderr, ""
    assert "its lease was ended" in told
    assert query(address, "SELECT cp_id, energy_delivered FROM tx ORDER BY id") == [
        ("CP-1", 1000),
        ("CP-2", 500),
    ]


def test_without_psycopg(tmp_path: Path) -> None:
    without(tmp_path, "psycopg")
    env = environment() | {"PYTHONPATH": f"{tmp_path}:{environment()['PYTHONPATH']}"}
    for words in (("serve", "--port", "0"), ("logs",)):
        # one that is forked has imported it
        command = [
            *PROGRAM,
            *words,
            "--db",
            "postgresql://levity@/levity",
        ]
        ended = subprocess.run(
            command,
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert ended.returncode == 1
        assert (
            "PostgreSQL needs psycopg, which is not installed: pip install '.[postgresql]' in "
            "its source"
        ) in ended.stderr
        assert ended.stderr.count("\n") == 1


def test_a_password_is_refused_and_not_shown(tmp_path: Path) -> None:
    for address in (
        "postgresql://user:secret@host/name",
        "postgresql://user@host/name?password=secret",
    ):
        ended = shell(tmp_path, "serve", "--db", address)
        assert ended.returncode == 2
        assert "leave out the password" in ended.stderr
        assert "secret" not in ended.stderr + ended.stdout


def test_an_address_without_a_server(tmp_path: Path) -> None:
    for command in (("serve", "--port", "0"), ("logs",)):
        ended = shell(tmp_path, *command, "--db", f"postgresql://user@/name?host={tmp_path}")
        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1, ended.stderr
        assert "postgresql://user@/name" in ended.stderr


def test_nothing_of_it_is_loaded_for_a_file(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db", program=PROGRAM) as server:
        charge(server, "CP-1", 1000)
        loaded = libraries(server)
    assert "sqlite" in loaded
    assert "psycopg" not in loaded
    assert "libpq" not in loaded
