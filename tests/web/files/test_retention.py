"""What chargers sent is deleted when it is old enough, each file for itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.store.beside.file_folder import FileFolder
from levity_trio.store.engine.writer import Writer
from levity_trio.store.writes.chargers import files
from levity_trio.web.files.listener import _enforce_retention
from tests.charger.parts import InlineWriter
from tests.store.books import in_memory


async def test_a_file_that_cannot_be_deleted_keeps_no_other_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log_lines: list[EventDict]
) -> None:
    """Somebody made a folder where the first of them was."""
    folder = FileFolder(tmp_path / "site.db")
    folder.path("odd").mkdir(parents=True)
    folder.path("other").write_bytes(b"diagnostics")
    monkeypatch.setattr(files, "expire", lambda *_: ["odd", "other"])
    writer = cast(Writer, InlineWriter(in_memory()))
    with trio.move_on_after(2):
        await _enforce_retention(
            folder, writer, lambda: datetime(2026, 3, 1, tzinfo=UTC), timedelta(1), lambda: True
        )
    assert not folder.path("other").exists()
    assert [line["file"] for line in log_lines] == ["odd"]
