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
    NoKey,
    SecretKey,
    open_key,
    read_key,
)
from levity_trio.store.engine.file_store import FileStore
from levity_trio.store.engine.opening import open_store
from levity_trio.store.keeping.copies import back_up
from levity_trio.store.keeping.restoring import restore
from tests.store.keeping import ignore

TEXT = "whsec_cGxhaW4gdGV4dCBvZiBhIHdlYmhvb2s="
IN_USE = ["webhook home"]


def start(path: Path, key_file: Path | None = None) -> tuple[SecretKey, list[Any]]:
    """Start on a database; return the key, and the secrets as the server uses them."""
    with open_store(path, "levity") as store:
        key = open_key(store, key_file or Path(f"{path}.key"), is_shared=False)
        assert isinstance(store, FileStore)
        rows = store._connection.execute(
            "SELECT secret FROM webhook WHERE removed_at IS NULL"
        ).fetchall()
    return key, [key.opened(secret) for (secret,) in rows]


def with_webhook(path: Path) -> SecretKey:
    """Make a database with a webhook; return the key of its secret."""
    key, _ = start(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO webhook (name, url, secret, created_at, created_by, position) "
            "VALUES ('home', 'u', ?, '', '', 0)",
            [key.sealed(TEXT)],
        )
    return key


def test_no_file_and_no_copy_has_a_secret_in_plain_or_the_key(tmp_path: Path) -> None:
    path, copy, key_file = (tmp_path / name for name in ("site.db", "copy.db", "site.db.key"))
    key = with_webhook(path)
    again, secrets = start(path)
    assert (again.digest, secrets) == (key.digest, [TEXT])
    assert key_file.stat().st_mode & 0o777 == 0o600
    back_up(path, copy, ignore)
    for file in (path, copy):
        content = file.read_bytes()
        assert TEXT.encode() not in content
        assert key_file.read_bytes().strip() not in content


def test_a_restoration_without_the_key_says_what_is_off(
    tmp_path: Path, log_lines: list[Any]
) -> None:
    path, elsewhere = tmp_path / "site.db", tmp_path / "elsewhere" / "site.db"
    elsewhere.parent.mkdir()
    key = with_webhook(path)
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
    assert SecretKey(None).opened("x") == "x", "a setting that is no secret"


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
