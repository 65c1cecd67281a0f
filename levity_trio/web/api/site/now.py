"""The site as it is now, in one answer: what a page shows that an owner keeps open."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Annotated, Final

from msgspec import Meta

from levity_trio.listening.addresses import present_address
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.now import Now, now
from levity_trio.store.reads.now import NowQuestion as AskedNow
from levity_trio.store.reads.now.attention import MachineState
from levity_trio.web.api.engine.endpoints import (
    ClientInput,
    Endpoints,
    Role,
    Server,
    TypedRequest,
    rule_of,
)

ENDPOINTS: Final = Endpoints("now")

Chargers = Annotated[
    str, Meta(description="Only these, separated by commas; the rest stays whole.")
]


class NowQuery(ClientInput):
    charger: Chargers | None = None


@ENDPOINTS.get("/api/now", Role.VIEWER)
async def get_now(request: TypedRequest[NowQuery, None]) -> Now:
    """Show the site as it is now: power and energy, what wants a look, and each charger."""
    text = request.query.charger
    chosen: frozenset[str] | None = None
    if text is not None:
        # The text may also be the identity of one charger that has a comma in it.
        chosen = frozenset([text, *map(str.strip, text.split(","))])
    sees_all = request.sees_all
    return await request.read(read_now, request.api, sees_all=sees_all, chosen=chosen)


def read_now(
    db: Database, server: Server, *, sees_all: bool, chosen: Collection[str] | None
) -> Now:
    """Return the site as it is now, with these chargers (None: all)."""
    config = server.config
    trusted = server.is_clock_trusted()
    machine = MachineState.seen_by(
        server.writer, db, config, server.begun_at, is_clock_trusted=trusted
    )
    machine = machine._replace(
        backup_problem=server.live.backup_problem, address=partial(present_address, config.host)
    )
    terms, name, tag = rule_of(server), config.server_name, config.auto_start_id_tag
    wanted = AskedNow(server.now(), terms, name, tag, machine, sees_all, chosen)
    return now(db, wanted, server.sessions)
