"""The reader in its thread, on a file that cannot always be read."""

from pathlib import Path

import pytest

from levity_trio.store.engine.database import Database
from levity_trio.store.engine.faults import Unreadable
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.site.frames import audit_position
from tests.store.files import make_ours


class Taken(list[Database]):
    """A list whose last one another thread takes between a look and the taking."""

    def __bool__(self) -> bool:
        return True


async def test_a_connection_that_another_thread_took_is_opened_anew(tmp_path: Path) -> None:
    make_ours(path := tmp_path / "levity.db", "SELECT 1;")
    reader = Reader(path)
    reader._idle = Taken()
    assert (await reader.run(audit_position)).log_id == 0


async def test_what_cannot_be_read_is_told_in_our_own_words(tmp_path: Path) -> None:
    path = tmp_path / "levity.db"
    reader = Reader(path)
    with pytest.raises(Unreadable, match="unable to open"):
        await reader.run(audit_position)
    make_ours(path, "DROP TABLE audit_cursor;")
    with pytest.raises(Unreadable, match="no such table"):
        await reader.run(audit_position)
