"""Draining a server before it is stopped."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec

from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StructBody
from levity_trio.web.api.problems import Problem
from levity_trio.web.api.shown import show, shown_as

PATH: Final = "/api/admin/drain"
TAG: Final = "server"
ALONE: Final = "no other server can take the chargers of a file; stop this one instead: they connect when it is back"


class DrainBody(msgspec.Struct, forbid_unknown_fields=True):
    """Over how many seconds the chargers are told to connect again."""

    seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainState:
    """Whether the server is being drained, and how many chargers are still connected to it."""

    is_draining: bool
    chargers: int


async def _get(asked: Asked) -> Any:
    chargers = asked.api.chargers
    return show(DrainState(is_draining=chargers.draining.is_asked, chargers=len(chargers.links())))


async def _drain(asked: Asked) -> Any:
    body: DrainBody = asked.body
    if asked.api.writer.sharing.is_alone:
        raise Problem(HTTPStatus.CONFLICT, "conflict", ALONE)
    asked.api.chargers.draining.ask(body.seconds)
    return await _get(asked)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=PATH,
        role=Role.ADMIN,
        tag=TAG,
        summary="Show whether the server is being drained, and how many chargers are still connected to it.",
        handle=_get,
        answer=shown_as(DrainState),
    ),
    Endpoint(
        method="POST",
        path=PATH,
        role=Role.ADMIN,
        tag=TAG,
        summary="Drain the server before its stop: its chargers are told to connect again, and no new ones admitted.",
        handle=_drain,
        body=StructBody(DrainBody),
        answer=shown_as(DrainState),
        problems=("conflict",),
    ),
)
