"""The reader in its thread, on a file that cannot always be read."""

from pathlib import Path

import pytest

from levity_trio.store.engine.faults import Unreadable
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.site.frames import audit_position
from tests.store.files import make_ours


async def test_what_cannot_be_read_is_told_in_our_own_words(tmp_path: Path) -> None:
    path = tmp_path / "levity.db"
    reader = Reader(path)
    with pytest.raises(Unreadable, match="unable to open"):
        await reader.run(audit_position)
    make_ours(path, "DROP TABLE audit_cursor;")
    with pytest.raises(Unreadable, match="no such table"):
        await reader.run(audit_position)
