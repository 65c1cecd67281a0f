"""Commands: what was asked of chargers, what they answered, and what came of it."""

from __future__ import annotations

from functools import partial
from typing import Final

from levity_trio.store.reads import commands as stored
from levity_trio.store.reads.commands import Command
from levity_trio.web.api.charger_facts import PagedWhose, both, whose
from levity_trio.web.api.endpoints import Asked, Endpoint, Role
from levity_trio.web.api.lists import page, wanted
from levity_trio.web.api.problems import not_found
from levity_trio.web.api.shown import show, shown_as


async def list_commands(asked: Asked) -> object:
    charger = await whose(asked)
    return await page(asked.api, partial(stored.commands, charger=charger, wanted=wanted(asked.query)))


async def get_command(asked: Asked) -> object:
    number = asked.number()
    found = await asked.api.reader.run(partial(stored.command, number=number))
    if found is None:
        raise not_found(f"command {number}")
    return show(found)


ENDPOINTS: Final = (
    *both("commands", list_commands, PagedWhose, Command, "the commands, newest first,", Role.OPERATOR),
    Endpoint(
        method="GET",
        path="/api/admin/commands/{id}",
        role=Role.OPERATOR,
        tag="commands",
        summary="Show a command: its state, its answer, and its outcome so far.",
        handle=get_command,
        answer=shown_as(Command),
        problems=("not_found",),
    ),
)
