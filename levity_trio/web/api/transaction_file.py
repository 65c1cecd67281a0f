"""The file of transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, tzinfo
from functools import partial
from typing import Final

from levity_trio.cells import inert
from levity_trio.store.reads import Reader
from levity_trio.store.reads.billed import BilledTransaction
from levity_trio.store.reads.pages import MOST_ROWS, Page, Wanted
from levity_trio.web.api.sheets import encoded
from levity_trio.wire.times import in_zone

COLUMNS: Final = (
    *("id", "charger", "connector", "space", "who", "id_tag", "start", "stop", "kwh", "confidence", "review", "bill"),
)
"""Those of `levity-trio transactions --csv`, and names."""


async def write(reader: Reader, read: Callable[..., Page[BilledTransaction]], zone: tzinfo) -> AsyncIterator[bytes]:
    """Yield a file of all transactions that `read` reads, page by page, with times of the site."""
    yield encoded([COLUMNS])
    cursor: str | None = None
    while True:
        found = await reader.run(partial(read, wanted=Wanted(limit=MOST_ROWS, cursor=cursor)))
        yield encoded(_cells(one, zone) for one in found.data)
        if (cursor := found.next_cursor) is None:
            return


def _cells(one: BilledTransaction, zone: tzinfo) -> list[object]:
    wh = one.energy_wh if one.energy_wh is not None else one.energy_so_far_wh
    made = {
        "start": _local(one.start_time, zone),
        "stop": None if one.stop_time is None else _local(one.stop_time, zone),
        "kwh": None if wh is None else wh / 1000,
    }
    return [made[name] if name in made else inert(getattr(one, name)) for name in COLUMNS]


def _local(text: str, zone: tzinfo) -> str:
    """Return a time of the site with its offset: an hour that a change of the clock repeats is told apart."""
    return in_zone(datetime.fromisoformat(text), zone).isoformat(timespec="seconds")
