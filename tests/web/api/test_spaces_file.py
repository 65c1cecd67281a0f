"""The file of spaces says which are for their household only, and takes it back."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.datastructures import Headers

from levity_trio.web.api.engine.endpoints import Caller, Role, TypedRequest
from levity_trio.web.api.people import account_files
from tests.store.books import Station
from tests.store.owning import SPACE, House
from tests.web.api.conftest import Site

OPERATOR = Caller("cleo", Role.OPERATOR, "192.0.2.1")


async def exported(site: Site) -> bytes:
    asked = TypedRequest(site.api, OPERATOR, {}, None, None, Headers())
    return bytes((await account_files.export_spaces(asked)).body)


async def imported(site: Site, content: bytes) -> account_files.ImportedLines:
    async def body() -> AsyncGenerator[bytes, None]:
        yield content

    return await account_files.import_spaces(
        TypedRequest(site.api, OPERATOR, {}, None, body(), Headers())
    )


async def test_exclusive_goes_out_and_comes_back(site: Site) -> None:
    Station(site.books)
    house = House(site.books)
    house.give(1, SPACE, exclusive=True)
    content = await exported(site)
    assert content.decode().splitlines() == [
        "account,charger,connector,name,exclusive,since,until,reason",
        "Anna,CP-1,,,true,2026-01-01T00:00:00.000Z,,",
    ]
    assert (await imported(site, content)).same == 1
    done = await imported(site, content.replace(b"true", b"false"))
    assert (done.changed, b",false," in await exported(site)) == (1, True)
    without = content.replace(b",exclusive", b"").replace(b",true", b"")
    assert (await imported(site, without)).same == 1  # as it is
