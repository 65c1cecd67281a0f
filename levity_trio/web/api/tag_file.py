"""The file of all tags."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from levity_trio.cells import inert
from levity_trio.store.reads import Reader
from levity_trio.store.reads.tags import tags_from
from levity_trio.store.writes.tags import TagData
from levity_trio.web.api.sheets import encoded

COLUMNS: Final = TagData._fields
NEEDED: Final = ("id_tag",)
PAGE_ROWS: Final = 500
MOST_TAGS: Final = 200_000


async def write(reader: Reader) -> AsyncIterator[bytes]:
    """Yield the file of all tags, by their normal form."""
    yield encoded([COLUMNS])
    last = ""
    while rows := await reader.run(partial(tags_from, key=last, most=PAGE_ROWS)):
        yield encoded([[inert(getattr(row, name)) for name in COLUMNS] for _, row in rows])
        last = rows[-1][0]
