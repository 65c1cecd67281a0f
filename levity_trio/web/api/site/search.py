"""Search: chargers, households, cards, cars, transactions and statements by one text."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from levity_trio.locale.formats import typed_day
from levity_trio.store.reads.site.search import Searched, SearchResult, search
from levity_trio.web.api.engine.endpoints import (
    ClientInput,
    Endpoints,
    Role,
    Server,
    TypedRequest,
    local_today,
    rule_of,
)

ENDPOINTS: Final = Endpoints("search")
MOST: Final = 50
USUAL: Final = 5


class SearchQuery(ClientInput):
    """What is asked for.

    + limit: How many of each kind.
    + text: A part of a name or number, a day such as 6 Jan, a month such as 2026-10; case,
      accents and blanks do not matter.
    """

    text: Annotated[str, Meta(max_length=200)]
    limit: Annotated[int, Meta(ge=1, le=MOST)] = USUAL


@ENDPOINTS.get("/api/search", Role.OPERATOR)
async def find(request: TypedRequest[SearchQuery, None]) -> SearchResult:
    """Find chargers, households, cards, cars, transactions and statements, the best of each kind
    first."""
    query = request.query
    wanted = wanted_by(request.api, query.text, query.limit)
    return await request.read(search, wanted=wanted)


def wanted_by(server: Server, text: str, most: int) -> Searched:
    """Return what a text looks for; a day is read as people of any language write it."""
    day = typed_day(text, local_today(server))
    return Searched(text, most, rule_of(server), server.now(), day)
