"""Search: chargers, households, cards, cars, transactions and statements by one text."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from levity_trio.store.reads.site.search import Searched, SearchResult, search
from levity_trio.web.api.engine.bodies import ClientInput
from levity_trio.web.api.engine.context import rule_of
from levity_trio.web.api.engine.endpoints import Endpoints, Role, TypedRequest

ENDPOINTS: Final = Endpoints("search")
MOST: Final = 50
USUAL: Final = 5
OF_TEXT: Final = (
    "A part of a name or number, a day, a month such as 2026-10; case, accents and blanks do not "
    "matter."
)


class SearchQuery(ClientInput):
    text: Annotated[str, Meta(max_length=200, description=OF_TEXT)]
    limit: Annotated[int, Meta(ge=1, le=MOST, description="How many of each kind.")] = USUAL


@ENDPOINTS.get("/api/search", Role.OPERATOR)
async def find(request: TypedRequest[SearchQuery, None]) -> SearchResult:
    """Find chargers, households, cards, cars, transactions and statements, the best of each kind
    first."""
    query = request.query
    rule, now = rule_of(request.api), request.api.now()
    wanted = Searched(query.text, query.limit, rule, now)
    return await request.read(search, wanted=wanted)
