"""The file of spaces says which are for their household only, and takes it back."""

from __future__ import annotations

from typing import Any

from levity_trio.web.api.people import accounts
from tests.store.books import Station
from tests.store.owning import SPACE, House
from tests.web.api.conftest import Site

EXPORT, IMPORT = (
    next(one for one in accounts.ENDPOINTS if one.path.endswith(f"/account-space-{end}"))
    for end in ("export", "import")
)


async def exported(site: Site) -> bytes:
    return (await site.ask(EXPORT)).body


async def imported(site: Site, content: bytes) -> Any:
    return await site.call(IMPORT, body=content)


async def test_exclusive_goes_out_and_comes_back(site: Site) -> None:
    Station(site.books)
    house = House(site.books)
    house.give(1, SPACE, exclusive=True)
    content = await exported(site)
    assert content.decode().splitlines() == [
        "account,charger,connector,name,exclusive,since,until,reason",
        "Anna,CP-1,,,true,2026-01-01T00:00:00.000Z,,",
    ]
    assert (await imported(site, content))["same"] == 1
    done = await imported(site, content.replace(b"true", b"false"))
    assert (done["changed"], b",false," in await exported(site)) == (1, True)
    without = content.replace(b",exclusive", b"").replace(b",true", b"")
    assert (await imported(site, without))["same"] == 1  # as it is
