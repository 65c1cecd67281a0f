"""The key of the secrets: no file of a database and no backup has a secret in plain, and a wrong
key is seen."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.store.beside.secret_key import (
    SECRETS_VERSION,
    NoKey,
    SecretKey,
    open_key,
    read_key,
)
from levity_trio.store.engine.file_store import FileStore
from levity_trio.store.engine.opening import open_store
from levity_trio.store.engine.schema import migrate
from levity_trio.store.keeping.backup import back_up
from levity_trio.store.keeping.checking import check
from levity_trio.store.keeping.restoring import restore
from tests.store.keeping import ignore
from tests.store.older import program_of

TEXT = "whsec_cGxhaW4gdGV4dCBvZiBhIHdlYmhvb2s="
ERASED = "backups and replicas that were made before still have secrets in plain; delete them"
IN_USE = ["webhook home"]


def make_plain(path: Path) -> None:
    """A database of the version before, whose secrets were changed, removed and copied about."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = OFF").fetchall()
        with program_of(SECRETS_VERSION - 1):
            migrate(connection)
        webhook = (
            "INSERT INTO webhook (name, url, secret, created_at, created_by, position) "
            "VALUES (?, 'u', ?, '', '', 0)"
        )
        for number in range(200):  # so that pages are divided, and leave bytes behind
            connection.execute(webhook, (f"{number}", TEXT))
        connection.execute("UPDATE webhook SET removed_at = '2026', secret = ''")
        connection.execute(webhook, ("home", TEXT))
        connection.execute("CREATE TABLE gone (secret TEXT)")
        connection.executemany("INSERT INTO gone VALUES (?)", [(TEXT,)] * 2000)
        connection.execute("DROP TABLE gone")


def start(path: Path, key_file: Path | None = None) -> tuple[SecretKey, list[Any]]:
    """Start on a database; return the key, and the secrets as the server uses them."""
    with open_store(path, "levity") as store:
        key = open_key(store, key_file or Path(f"{path}.key"), is_shared=False)
        assert isinstance(store, FileStore)
        rows = store._connection.execute(
            "SELECT secret FROM webhook WHERE removed_at IS NULL"
        ).fetchall()
    return key, [key.opened(secret) for (secret,) in rows]


def plain(folder: Path) -> list[str]:
    """The files in which a secret stands in plain."""
    return [
        path.name
        for path in folder.iterdir()
        if path.is_file() and TEXT.encode() in path.read_bytes()
    ]


def test_plain_secrets_are_moved_and_none_stays_in_a_file(
    tmp_path: Path, log_lines: list[Any]
) -> None:
    path = tmp_path / "site.db"
    make_plain(path)
    assert plain(tmp_path)
    with open_store(path, "levity") as store:  # also while the server runs
        key = open_key(store, tmp_path / "site.db.key", is_shared=False)
        assert not plain(tmp_path)
    assert ERASED in [line["event"] for line in log_lines]
    again, secrets = start(path)
    assert again.digest == key.digest
    assert secrets == [TEXT]
    assert (tmp_path / "site.db.key").stat().st_mode & 0o777 == 0o600
    back_up(path, tmp_path / "copy.db", ignore)
    assert not plain(tmp_path)
    assert not check(tmp_path / "copy.db", lambda _name: None).problems
    assert (tmp_path / "site.db.key").read_bytes().strip() not in (
        tmp_path / "copy.db"
    ).read_bytes()


def test_a_crash_before_the_end_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "site.db"
    make_plain(path)

    def fail(_store: FileStore) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(FileStore, "forget_plain_secrets", fail)
        assert start(path)[1] == [TEXT]  # and the server serves
    assert plain(tmp_path)
    assert start(path)[1] == [TEXT]
    assert not plain(tmp_path)


def test_a_restoration_without_the_key_says_what_is_off(
    tmp_path: Path, log_lines: list[Any]
) -> None:
    path, elsewhere = tmp_path / "site.db", tmp_path / "elsewhere" / "site.db"
    elsewhere.parent.mkdir()
    make_plain(path)
    key, _ = start(path)
    back_up(path, elsewhere.with_name("copy.db"), ignore)
    key_file = elsewhere.with_name("site.db.key")
    assert (
        restore(elsewhere.with_name("copy.db"), elsewhere, ignore, key_file=key_file).unknown
        == IN_USE
    )
    log_lines.clear()
    other, secrets = start(elsewhere)
    assert secrets == [None]
    assert [
        line["of"] for line in log_lines if line["event"].startswith("secrets are unknown here")
    ] == [IN_USE]
    key_file.write_bytes((tmp_path / "site.db.key").read_bytes())  # it was found again
    assert start(elsewhere)[1] == [TEXT]
    restored = restore(
        elsewhere.with_name("copy.db"), elsewhere, ignore, key_file=key_file, is_forced=True
    )
    assert not restored.unknown
    assert other.digest != key.digest


def test_a_file_that_is_no_key(tmp_path: Path, log_lines: list[Any]) -> None:
    file = tmp_path / "key"
    for content in (b"", b"secret", b"\xff" * 44, b"A" * 44):
        file.write_bytes(content)
        with pytest.raises(EnvironmentProblem, match=r"is no key of this program|cannot read"):
            read_key(file)
    file.write_bytes(b"A" * 43 + b"=\n")
    file.chmod(0o644)
    assert read_key(file) is not None
    assert file.stat().st_mode & 0o777 == 0o600
    assert "others could read the key" in log_lines[-1]["event"]
    with pytest.raises(EnvironmentProblem, match="cannot write the key"):
        start(tmp_path / "site.db", tmp_path / "missing" / "key")


def test_without_a_key_nothing_is_kept_and_nothing_opened() -> None:
    with pytest.raises(NoKey):
        SecretKey(None).sealed("x")
    sealed = SecretKey("A" * 43 + "=").sealed("x")
    assert SecretKey(None).opened(sealed) is None
    assert SecretKey(None).opened("x") == "x"


def test_a_backend_needs_the_key_of_its_secrets(tmp_path: Path, log_lines: list[Any]) -> None:
    path = tmp_path / "site.db"
    key, _ = start(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executemany(
            "INSERT INTO backend (name, url, certificate, is_repaired, tells_authorize, "
            "with_cards, begins_at, added_at, added_by) VALUES (?, '', ?, 0, 0, 0, '', '', '')",
            [("employer", key.sealed("pem")), ("open", None)],
        )
        connection.executemany(
            "INSERT INTO backend_cp (backend_id, cp_id, identity, password, without, begins_at, "
            "log_id) VALUES (?, ?, '', ?, '[]', '', 0)",
            [(1, "CP-1", key.sealed("x")), (1, "CP-2", None), (2, "CP-1", None)],
        )
    start(path, tmp_path / "another.key")
    needing = [line["of"] for line in log_lines if line["event"].startswith("secrets are unknown")]
    assert needing == [["backend employer", "backend employer, CP-1"]]
    with (
        open_store(path, "levity") as store,
        pytest.raises(EnvironmentProblem, match="backend employer, CP-1"),
    ):
        open_key(store, None, is_shared=False)
