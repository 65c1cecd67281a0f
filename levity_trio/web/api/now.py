"""The site as it is now, in one answer: what a page shows that an owner keeps open."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

from msgspec import Meta

from levity_trio.listening.addresses import present_address
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.now import Now, now
from levity_trio.store.reads.now import View as AskedNow
from levity_trio.store.reads.now.attention import Machine
from levity_trio.web.api.billing import rule
from levity_trio.web.api.bodies import Sent
from levity_trio.web.api.endpoints import Asked, Endpoints, Role

ENDPOINTS: Final = Endpoints("now")

Chargers = Annotated[str, Meta(description="Only these, separated by commas; the rest stays whole.")]


class NowQuery(Sent):
    charger: Chargers | None = None


@ENDPOINTS.get("/api/now", Role.VIEWER, "invalid")
async def get_now(request: Asked[NowQuery, None]) -> Now:
    """Show the site as it is now: power and energy, what wants a look, and each charger."""
    api, query = request.api, request.query
    # The text may also be the identity of one charger that has a comma in it.
    names = None if query.charger is None else [query.charger, *map(str.strip, query.charger.split(","))]
    chosen = names and frozenset(names)
    is_trusted, terms, at = api.is_clock_trusted(), rule(request), api.now()

    def read(db: Database) -> Now:
        machine = Machine.seen_by(api.writer, db, api.config, api.begun_at, is_clock_trusted=is_trusted)
        machine = machine._replace(address=partial(present_address, api.config.host))
        name, tag = api.config.server_name, api.config.auto_start_id_tag
        return now(db, AskedNow(at, terms, name, tag, machine, request.sees_all, chosen), api.sessions)

    return await api.reader.run(read)
