"""Several servers on PostgreSQL have one key; another one, or none, is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.beside.secret_key import SecretKey, open_key
from levity_trio.store.engine.opening import open_store
from levity_trio.store.keeping.restoring import go_on
from tests.postgresql import Server

from .stored import change, new_database

HOME = (
    "SET session_replication_role = replica; INSERT INTO webhook (name, url, secret, created_at, "
    "created_by, position) VALUES ('home', 'u', '{}', '', '', 0)"
)


def start(address: PostgresqlAddress, file: Path | None, server: str = "a") -> SecretKey:
    with open_store(address, server) as store:
        return open_key(store, file, is_shared=True)


def test_one_key_for_all(server: Server, tmp_path: Path, log_lines: list[Any]) -> None:
    address, (first, second) = new_database(server), (tmp_path / "first", tmp_path / "second")
    start(address, None)  # nothing needs a key yet
    key = start(address, first)
    sealed = key.sealed("whsec_home")
    change(address, HOME.format(sealed))
    assert start(address, first).opened(sealed) == "whsec_home"
    for file, why in (
        (second, "is missing: copy that of another server"),
        (None, "give --secrets-key FILE .webhook home"),
    ):
        with pytest.raises(EnvironmentProblem, match=why):
            start(address, file, "b")
        assert not second.exists()
    second.write_text("A" * 43 + "=\n")
    with pytest.raises(
        EnvironmentProblem, match="is not the key of this database: copy that of another server"
    ):
        start(address, second, "b")
    shutil.copy(first, second)
    assert start(address, second, "b").digest == key.digest
    second.write_text("A" * 43 + "=\n")  # the key is lost with the machine
    go_on(address, None)
    assert start(address, second, "b").opened(sealed) is None
    assert log_lines[-1]["of"] == ["webhook home"]
