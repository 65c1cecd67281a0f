"""Who can charge at a charger that has no connection to us: by its keys, and by the local list that
is kept there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from levity_trio.access import offline
from levity_trio.access.offline import KEYS, OfflineTags, Switch, explain, switch
from levity_trio.operations.templates import Has
from levity_trio.records import record
from levity_trio.store.reads.chargers import configuration
from levity_trio.store.reads.chargers import local_lists as stored
from levity_trio.store.reads.chargers.local_lists import LeftOutTag, LocalListStatus
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.writes.chargers.local_lists import resume
from levity_trio.told import Told
from levity_trio.web.api.chargers.chargers import CHARGER, TAG, Whose, both, known_charger, whose
from levity_trio.web.api.chargers.configuration import KeyResult, change_key, read_back, read_keys
from levity_trio.web.api.chargers.operations import WaitQuery
from levity_trio.web.api.engine.endpoints import ClientInput, Endpoints, Request, Role, TypedRequest
from levity_trio.web.api.engine.lists import Paged, whole
from levity_trio.web.api.engine.problems import not_found

ENDPOINTS: Final = Endpoints(TAG)

PATH: Final = f"{CHARGER}/offline-policy"


class ChangeQuery(WaitQuery):
    read: Annotated[bool, Meta(description="Ask the charger for all six keys first.")] = False


class PolicyBody(
    ClientInput,
    rename={
        "offline": offline.OFFLINE,
        "pre_authorize": offline.PRE_AUTHORIZE,
        "unknown_tags": offline.UNKNOWN_TAGS,
        "stop_invalid": offline.STOP_INVALID,
        "cache": offline.CACHE,
        "local_list": offline.LIST,
    },
):
    """The keys that are to be changed."""

    offline: bool | None = None
    pre_authorize: bool | None = None
    unknown_tags: bool | None = None
    stop_invalid: bool | None = None
    cache: bool | None = None
    local_list: bool | None = None

    def values(self) -> dict[str, str]:
        """Return the values on the wire, by key."""
        switches: Mapping[str, bool | None] = msgspec.to_builtins(self)
        return {key: str(value).lower() for key, value in switches.items() if value is not None}


@record
class PolicyKey:
    """A key as the charger last told it: `value` is true, false, not supported or not known."""

    key: str
    value: str
    readonly: bool
    read_at: str | None


@record
class OfflinePolicy:
    """Who can charge at a charger without us (`who`), by its keys; `notes` say what else follows.

    `changes` are the results of the keys that were to be changed.
    """

    charger: str
    keys: list[PolicyKey]
    who: list[OfflineTags]
    notes: list[str]
    changes: list[KeyResult]


@ENDPOINTS.get(PATH, Role.VIEWER, "not_found")
async def get_policy(request: Request) -> OfflinePolicy:
    """Show who can charge at a charger while it has no connection to us, by its configuration."""
    await known_charger(request)
    return await _policy(request, [])


@ENDPOINTS.post(PATH, Role.OPERATOR, "not_found", "not_connected", "queue_full")
async def change_policy(request: TypedRequest[ChangeQuery, PolicyBody]) -> OfflinePolicy:
    """Change who can charge without us: send the keys that are given, and read them back."""
    charger, wanted = await known_charger(request), request.body.values()
    if request.query.read:
        await read_keys(request, charger, KEYS)
    has = await _has(request)
    results: list[KeyResult] = []
    for key, value in wanted.items():
        known = has.get(key.casefold())
        had = None if known is None else known.value
        result = KeyResult(key=key, result="", wanted=value, had=had)
        results.append(await change_key(request, charger, result))
    return await _policy(request, await read_back(request, charger, results))


async def _policy(request: Request, changes: list[KeyResult]) -> OfflinePolicy:
    has = await _has(request)
    keys: list[PolicyKey] = []
    switches: dict[str, Switch] = {}
    for key in KEYS:
        known = has.get(key.casefold())
        value, readonly, read_at = Switch.NOT_KNOWN, False, None
        if known is not None:
            value = switch(known.value, is_known=known.is_known)
            readonly, read_at = known.readonly, known.read_at
        switches[key] = value
        keys.append(PolicyKey(key=key, value=value.value, readonly=readonly, read_at=read_at))
    explanation = explain(switches)
    return OfflinePolicy(
        charger=request.path["id"],
        keys=keys,
        who=list(explanation.who),
        notes=list(explanation.notes),
        changes=changes,
    )


async def _has(request: Request) -> Mapping[str, Has]:
    return await request.read(configuration.has, charger=request.path["id"])


# The local lists as they are kept at the chargers


@both(ENDPOINTS, "local-lists/status", "how the local list is kept")
async def list_statuses(request: TypedRequest[Whose, None]) -> ListPage[LocalListStatus]:
    return whole(await _statuses(request, await whose(request)))


async def _statuses(request: Request, charger: str | None) -> list[LocalListStatus]:
    api = request.api
    open_lines = [line for line in api.chargers.connected() if api.chargers.is_served(line)]
    read = partial(
        stored.statuses,
        charger=charger,
        policy=api.id_tags.policy,
        now=api.clock(),
        open_lines=open_lines,
        is_on=api.config.local_list == "on",
    )
    return await request.read(read)


@ENDPOINTS.get(f"{CHARGER}/local-lists/left-out", Role.VIEWER, "not_found", "invalid")
async def list_left_out(request: TypedRequest[Paged, None]) -> ListPage[LeftOutTag]:
    """List the tags for which the local list of a charger has no room."""
    query, charger = request.query, await known_charger(request)
    policy, now = request.policy, request.api.stamp()
    read = partial(stored.left_out, charger=charger, policy=policy, at=now)
    tags = await request.read(read)
    begin = (query.page - 1) * query.limit
    shown = tags[begin : begin + query.limit]
    return ListPage(shown, query.page, query.limit, total=len(tags))


@ENDPOINTS.post(f"{CHARGER}/local-lists/resume", Role.OPERATOR, "not_found")
async def resume_upkeep(request: Request) -> LocalListStatus:
    """Keep the local list of a charger again after one was sent by hand, or try again at once."""
    charger = await known_charger(request)
    if not await request.write(resume, charger):
        words = Told("local list that is kept at {1}; start `serve` with --local-list on", charger)
        raise not_found(words)
    (status,) = await _statuses(request, charger)
    return status
