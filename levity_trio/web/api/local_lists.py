"""The local lists as they are kept at the chargers: how they are, who has no room in them, and the end of a pause."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from levity_trio.store.reads import local_lists as stored
from levity_trio.store.reads.local_lists import LeftOutTag, LocalListStatus
from levity_trio.store.writes.local_lists import resume
from levity_trio.web.api.charger_facts import Whose, both, whose
from levity_trio.web.api.chargers import CHARGER, TAG
from levity_trio.web.api.endpoints import Asked, Endpoint, Role
from levity_trio.web.api.lists import Paged, hidden, page, page_of, wanted, whole
from levity_trio.web.api.problems import not_found
from levity_trio.web.api.shown import show, shown_as

PATH: Final = "local-lists/status"


async def list_statuses(asked: Asked) -> Any:
    return whole(hidden(asked, await _statuses(asked, await whose(asked)), "paused_by"))


async def _statuses(asked: Asked, charger: str | None) -> list[LocalListStatus]:
    api = asked.api
    lines = [charger for charger in api.chargers.connected() if api.chargers.is_served(charger)]
    is_on = api.config.local_list == "on"
    read = partial(stored.statuses, charger=charger, now=api.clock(), open_lines=lines, is_on=is_on)
    return await api.reader.run(read)


async def list_left_out(asked: Asked) -> Any:
    charger = asked.path["id"]
    await whose(asked)
    return await page(asked.api, partial(stored.left_out, charger=charger, wanted=wanted(asked.query)))


async def resume_upkeep(asked: Asked) -> Any:
    charger = asked.path["id"]
    await whose(asked)
    if not await asked.api.writer.run(resume, charger, asked.api.stamp(), asked.caller.name):
        raise not_found(f"local list that is kept at {charger}; start `serve` with --local-list on")
    (status,) = await _statuses(asked, charger)
    return show(status)


ENDPOINTS: Final = (
    *both(PATH, list_statuses, Whose, LocalListStatus, "how the local list is kept"),
    Endpoint(
        method="GET",
        path=f"{CHARGER}/local-lists/left-out",
        role=Role.VIEWER,
        tag=TAG,
        summary="List the tags for which the local list of a charger has no room.",
        handle=list_left_out,
        query=Paged,
        answer=page_of(LeftOutTag),
        problems=("not_found", "invalid"),
    ),
    Endpoint(
        method="POST",
        path=f"{CHARGER}/local-lists/resume",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Keep the local list of a charger again after one was sent by hand, or try again at once.",
        handle=resume_upkeep,
        answer=shown_as(LocalListStatus),
        problems=("not_found",),
    ),
)
