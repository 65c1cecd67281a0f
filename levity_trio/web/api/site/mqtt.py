"""The broker of MQTT: whether it is connected, how many facts wait for it, and which ones it gets
again."""

from __future__ import annotations

from typing import Final

from levity_trio.records import record
from levity_trio.store.reads.site.events import MqttState, before, state
from levity_trio.store.writes.site import mqtt as writes
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import ClientInput, Endpoints, Request, Role, TypedRequest
from levity_trio.web.api.engine.lists import GivenTime, local_moment
from levity_trio.web.api.engine.problems import conflict, invalid, refusal

ENDPOINTS: Final = Endpoints("mqtt")
PATH: Final = "/api/admin/mqtt"
UNUSED: Final = Told("this site never used MQTT; start the server with --mqtt")


class ReplayBody(ClientInput):
    """The time from which on the broker gets the facts again."""

    since: GivenTime


@record
class Replay:
    """How many facts the broker gets again. `is_pruned`: older ones of this time are kept no
    longer."""

    facts: int
    is_pruned: bool


@ENDPOINTS.get(PATH, Role.VIEWER, "not_found")
async def _get(request: Request) -> MqttState:
    """Show whether the broker of MQTT is connected, since when, and how many facts wait for it"""
    connection = await request.read(state)
    if connection is None:
        raise refusal("not_found", UNUSED)
    return connection


@ENDPOINTS.post(f"{PATH}/replay", Role.ADMIN, "conflict")
async def _replay(request: TypedRequest[None, ReplayBody]) -> Replay:
    """Send the facts since a time again, for example those that a broker lost when it was killed"""
    since = local_moment(request.body.since, "since", request.zone)
    assert since is not None  # noqa: S101 - it was given
    if since > request.api.stamp():
        words = Told(
            "it is in the future; give a time from which on the broker gets the facts again"
        )
        raise invalid("since", words)
    position, is_pruned = await request.read(before, since=since)
    facts = await request.write(writes.replay, position, since)
    if facts is None:
        raise conflict(UNUSED)
    return Replay(facts=facts, is_pruned=is_pruned)
