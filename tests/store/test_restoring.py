"""Restoring: what is replaced, what is kept, and that no id is given out twice."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.store.engine.file_store import InUse, connect, lock_held, open_database
from levity_trio.store.engine.schema import newest_version
from levity_trio.store.keeping import restoring
from levity_trio.store.keeping.checking import check, numbered
from levity_trio.store.keeping.copies import back_up
from levity_trio.store.keeping.restoring import Restored
from tests.store.books import Books, Station
from tests.store.files import contents, make
from tests.store.keeping import (
    CHARGED_WH,
    change,
    charge,
    ignore,
    make_another,
    query,
    run,
)
from tests.store.later import NEWEST, NOT, STILL, later
from tests.store.test_checking import HOLD

LARGEST_OF_A_CHARGER = 2**31 - 1
LOST = 3


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A database with one transaction more than its backup, in backup.db."""
    run(tmp_path / "site.db", charge)
    back_up(tmp_path / "site.db", tmp_path / "backup.db", ignore)
    run(tmp_path / "site.db", *[charge] * LOST)
    return tmp_path / "site.db"


def restore(site: Path, *, is_forced: bool = True) -> Restored:
    return restoring.restore(site.with_name("backup.db"), site, ignore, is_forced=is_forced)


def never(_done: int, _total: int) -> None:
    pytest.fail("it was copied")


def ids(path: Path) -> set[int]:
    return {number for (number,) in query(path, "SELECT id FROM tx")}


def test_a_newer_database_is_replaced_only_by_force_and_kept(site: Path) -> None:
    before = site.read_bytes()
    with pytest.raises(
        EnvironmentProblem,
        match=(
            rf"is newer.* {LOST} sessions, new or changed since, with {LOST}\.000 kWh would be "
            r"lost.*--f"
        ),
    ):
        restore(site, is_forced=False)
    assert site.read_bytes() == before
    restored = restore(site)
    assert restored.lost is not None
    assert (restored.lost.transactions, restored.lost.energy_wh) == (LOST, LOST * CHARGED_WH)
    assert restored.kept is not None
    assert restored.kept.read_bytes() == before
    assert restored.kept.name.startswith("site.db.replaced-20")
    assert len(ids(site)) == 1
    assert not list(site.parent.glob("site.db.restoring*"))
    assert not check(site, lambda _name: None).problems


def test_what_was_corrected_since_the_backup_is_lost_too_and_no_energy_is_negative(
    site: Path,
) -> None:
    change(site, "UPDATE tx SET energy_delivered = 400 WHERE id <> (SELECT max(id) FROM tx)")
    back_up(site, site.with_name("backup.db"), ignore)
    change(site, "UPDATE tx SET energy_delivered = 100 WHERE id = (SELECT min(id) FROM tx)")
    run(site, hold)
    restored = restore(site)
    assert restored.lost is not None
    assert (restored.lost.transactions, restored.lost.energy_wh) == (2, 100)


def hold(station: Station) -> int:
    return station.start(9000)


def test_an_earlier_state_and_a_missing_database_are_replaced_without_force(site: Path) -> None:
    back_up(site, site.with_name("backup.db"), ignore)
    assert restore(site, is_forced=False).kept
    site.unlink()
    assert restore(site, is_forced=False).kept is None
    assert len(ids(site)) == 1 + LOST


def test_no_id_of_the_lost_time_is_used_again(site: Path) -> None:
    lost, kept = ids(site), dict(query(site, "SELECT name, seq FROM sqlite_sequence"))
    last = restore(site).last_transaction_id
    assert last == dict(query(site, "SELECT name, seq FROM sqlite_sequence"))["tx"]
    run(site, charge)
    (new,) = ids(site) - lost
    assert last < new < LARGEST_OF_A_CHARGER
    assert new > max(lost) + restoring.MARGIN_IDS
    now = dict(query(site, "SELECT name, seq FROM sqlite_sequence"))
    assert now["event"] > kept["event"] + restoring.MARGIN_IDS * restoring.FACTS_PER_ID
    with closing(sqlite3.connect(site)) as connection:
        assert now.keys() >= numbered(connection) - {"log"}


def test_no_id_is_used_again_where_the_lost_database_is_gone(site: Path) -> None:
    """Each restoration of one backup goes on from another base: ids given out after the first one
    are lost too."""
    given: set[int] = set()
    for _ in range(3):
        for path in site.parent.glob("site.db*"):
            path.unlink()
        restore(site)
        run(site, charge)
        new = ids(site) - ids(site.with_name("backup.db"))
        assert not new & given
        given |= new


def test_the_frame_log_goes_on_without_a_gap(site: Path) -> None:
    before = query(
        site.with_name("backup.db"), "SELECT seq FROM sqlite_sequence WHERE name = 'log'"
    )
    restore(site)
    assert query(site, "SELECT seq FROM sqlite_sequence WHERE name = 'log'") == before


def test_the_wal_of_the_replaced_database_is_kept_with_it(site: Path, tmp_path: Path) -> None:
    """As a killed server leaves it. Applied to the restored file it would damage it."""
    left = tmp_path / "left"
    left.mkdir()
    with closing(connect(site)) as server:
        server.execute(
            "INSERT INTO event (at, kind, data) "
            "VALUES ('2026-03-01T10:00:00.000Z', 'X', 'in the WAL')"
        )
        for suffix in ("", "-wal"):
            (left / f"site.db{suffix}").write_bytes(Path(f"{site}{suffix}").read_bytes())
    (left / "backup.db").write_bytes(site.with_name("backup.db").read_bytes())
    kept = restore(left / "site.db").kept
    assert kept is not None
    found = "SELECT count(*) FROM event WHERE data = 'in the WAL'"
    assert query(left / "site.db", found) == [(0,)]
    assert query(left / "site.db", "PRAGMA integrity_check") == [("ok",)]
    assert query(kept, found) == [(1,)]


def test_a_damaged_database_is_replaced_by_force_and_kept(site: Path) -> None:
    with site.open("r+b") as file:
        file.truncate(20_000)
    damaged = site.read_bytes()
    with pytest.raises(
        EnvironmentProblem, match="cannot be read, so what would be lost is not known"
    ):
        restore(site, is_forced=False)
    restored = restore(site)
    assert restored.lost is None
    assert restored.kept is not None
    assert restored.kept.read_bytes() == damaged
    assert len(ids(site)) == 1


def test_a_database_of_a_newer_version_is_replaced_by_force(site: Path) -> None:
    """The way back after an upgrade, with the older program."""
    change(site, f"PRAGMA user_version = {newest_version() + 1}")
    with pytest.raises(EnvironmentProblem, match="is newer"):
        restore(site, is_forced=False)
    restored = restore(site)
    assert restored.lost is not None
    assert query(site, "PRAGMA user_version")[0][0] % 1000 == newest_version()


def test_an_old_schema_is_restored_and_migrated_at_the_next_start(
    site: Path, tmp_path: Path
) -> None:
    folder = later(tmp_path / "schema", STILL, NOT)
    with open_database(site, folder=folder):
        pass
    backup = site.with_name("backup.db")
    restored = restoring.restore(backup, site, ignore, is_forced=True, folder=folder)
    assert restored.content.schema == NEWEST
    assert restored.lost is not None
    assert query(site, "PRAGMA user_version") == [(NEWEST,)]
    with open_database(site, folder=folder) as connection:
        assert charge(Station(Books(connection))) > restored.last_transaction_id
    assert query(site, "PRAGMA user_version") == [(NEWEST + 2,)]
    change(backup, "PRAGMA journal_mode = DELETE; DROP TRIGGER tx_is_kept")
    with pytest.raises(EnvironmentProblem, match="incomplete: trigger tx_is_kept is missing"):
        restoring.restore(backup, site, ignore, is_forced=True, folder=folder)


@pytest.mark.usefixtures("site")
def test_another_database_is_replaced_only_by_force(tmp_path: Path) -> None:
    make_another(tmp_path / "other.db")
    run(tmp_path / "other.db", charge, charger="CP-2")
    with pytest.raises(
        EnvironmentProblem, match="has facts that are not in the backup, which is no earlier state"
    ):
        restoring.restore(tmp_path / "backup.db", tmp_path / "other.db", ignore)
    restored = restoring.restore(
        tmp_path / "backup.db", tmp_path / "other.db", ignore, is_forced=True
    )
    assert restored.lost is None
    assert query(tmp_path / "other.db", "SELECT DISTINCT cp_id FROM tx") == [("CP-1",)]


@pytest.mark.parametrize("is_forced", [False, True])
def test_files_that_are_never_replaced(site: Path, is_forced: bool) -> None:
    make(site.with_name("levity.db"))
    before = site.with_name("levity.db").read_bytes()
    backup = site.with_name("backup.db")
    for database, text in (
        (site.with_name("levity.db"), "belongs to another program"),
        (backup, "is the database itself"),
    ):
        with pytest.raises(EnvironmentProblem, match=text):
            restoring.restore(backup, database, ignore, is_forced=is_forced)
    assert site.with_name("levity.db").read_bytes() == before


@pytest.mark.parametrize("damage", ["truncated", "page", "foreign", "missing"])
def test_a_backup_that_is_not_whole_replaces_nothing(site: Path, damage: str) -> None:
    backup = site.with_name("backup.db")
    whole = backup.read_bytes()
    if damage == "page":
        ((page,),) = query(backup, "SELECT rootpage FROM sqlite_schema WHERE name = 'repair'")
        backup.write_bytes(whole[: 4096 * (page - 1)] + b"\xa5" * 4096 + whole[4096 * page :])
    elif damage == "truncated":
        backup.write_bytes(whole[:50_000])
    else:
        backup.unlink()
        if damage == "foreign":
            make(backup)
    before = contents(site.parent)
    with pytest.raises(EnvironmentProblem, match=r"damaged|truncated|another program|no file"):
        restore(site)
    assert contents(site.parent) == before


def test_a_database_in_use_is_not_replaced(site: Path) -> None:
    before = site.read_bytes()
    with lock_held(site), pytest.raises(InUse, match="another levity-trio runs"):
        restore(site)
    other_path = site.with_name("same.db")
    other_path.hardlink_to(site)
    command = [sys.executable, "-c", HOLD, str(other_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(InUse, match="is in use by a server or another program"):
            restoring.restore(site.with_name("backup.db"), site, never, is_forced=True)
        other.communicate()
    assert site.read_bytes() == before


def test_a_database_that_is_opened_during_the_copying_is_not_replaced(site: Path) -> None:
    before = site.read_bytes()
    with ExitStack() as stack:

        def open_it(done: int, total: int) -> None:
            if done == total:
                command = [sys.executable, "-c", HOLD, str(site)]
                other = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
                stack.enter_context(other)
                stack.callback(other.communicate)
                assert other.stdout is not None
                assert other.stdout.readline() == "ready\n"

        with pytest.raises(InUse, match="is in use by a server or another program"):
            restoring.restore(site.with_name("backup.db"), site, open_it, is_forced=True)
    assert site.read_bytes() == before
    assert not list(site.parent.glob("site.db.restoring*"))


def test_only_the_owner_may_read_the_restored_file_and_the_replaced_one(site: Path) -> None:
    site.chmod(0o644)
    kept = restore(site).kept
    assert kept is not None
    assert {stat.S_IMODE(path.stat().st_mode) for path in (site, kept)} == {0o600}
    site.unlink()
    restore(site)
    assert stat.S_IMODE(site.stat().st_mode) == 0o600


def test_a_payment_that_would_be_lost_is_told(site: Path) -> None:
    back_up(site, site.with_name("backup.db"), ignore)

    def pay(station: Station) -> None:
        db = station.books.connection
        db.execute(
            "INSERT INTO account (id, name, since, created_at, created_by, updated_at)"
            " VALUES (1, 'A', '2026', '', '', '')"
        )
        names = "account_id, kind, amount, currency, reason, entered_at, entered_by"
        db.execute(
            f"INSERT INTO ledger ({names}) "
            "VALUES (1, 'payment', 452, 'EUR', 'cash', '2026', 'anna')"
        )

    run(site, pay)
    words = (
        r"0 sessions, new or changed since, with 0\.000 kWh and 1 entry of a ledger \(a payment, "
        r"or a charge\)"
    )
    with pytest.raises(EnvironmentProblem, match=words):
        restore(site, is_forced=False)
    restored = restore(site)
    assert restored.lost is not None
    assert restored.lost.entries == 1
