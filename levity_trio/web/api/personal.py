"""The deletion of what is personal of an account that has moved out."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec

from levity_trio.store.forgetting import forget_due, scrub
from levity_trio.store.reads import accounts as stored
from levity_trio.store.reads.personal import Obstacle, PersonalDeletion, deletion, obstacles
from levity_trio.store.writes import personal as writes
from levity_trio.web.api.accounts import ACCOUNT, TAG, refusals
from levity_trio.web.api.endpoints import Asked, Endpoint, Role
from levity_trio.web.api.owned import rule_of
from levity_trio.web.api.problems import Problem, not_found
from levity_trio.web.api.shown import show, shown_as

PERSONAL: Final = f"{ACCOUNT}/personal"
KEEP_YEARS: Final = 10
MOST_YEARS: Final = 100


class DeletionQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why, and for how many years closed statements keep their names."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"\S")]
    keep_years: Annotated[int, msgspec.Meta(ge=0, le=MOST_YEARS)] = KEEP_YEARS
    force: Annotated[bool, msgspec.Meta(description="Although something of it is not billed.")] = False


async def get_deletion(asked: Asked) -> Any:
    found = await asked.api.reader.run(partial(deletion, account=asked.number()))
    if found is None:
        raise not_found(f"deletion of account {asked.number()}")
    return show(found)


async def delete_personal(asked: Asked) -> Any:
    api, number, query = asked.api, asked.number(), asked.query
    zone = api.config.time_zone
    if not api.is_clock_trusted():
        raise Problem(HTTPStatus.CONFLICT, "conflict", "this machine's clock cannot be trusted; set it, and try again")
    if await api.reader.run(partial(stored.account, number=number)) is None:
        raise not_found(f"account {number}")
    look = partial(obstacles, account=number, rule=rule_of(asked), now=api.now(), zone=zone)
    _refuse(await api.reader.run(look), is_forced=query.force)
    told = writes.Deletion(query.keep_years, query.reason.strip(), api.stamp(), asked.caller.name)
    with refusals():
        await api.logins.change(writes.delete, number, told)
    async with api.places.wait():
        if not await forget_due(api.writer, api.now, zone):
            await scrub(api.writer)
    return await get_deletion(asked)


def _refuse(found: list[Obstacle], *, is_forced: bool) -> None:
    """Raise Problem if something is in the way."""
    if left := [one for one in found if not (is_forced and one.may_be_forced)]:
        words = "; ".join(one.words for one in left)
        force = " (or leave it so, with force)" if all(one.may_be_forced for one in left) else ""
        raise Problem(HTTPStatus.CONFLICT, "conflict", f"nothing was deleted: {words}{force}")


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=PERSONAL,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Say when what was personal of an account was deleted, and how many statements still have names.",
        handle=get_deletion,
        answer=shown_as(PersonalDeletion),
        problems=("not_found", "invalid"),
    ),
    Endpoint(
        method="DELETE",
        path=PERSONAL,
        role=Role.ADMIN,
        tag=TAG,
        summary="Delete what is personal of a closed account; closed statements keep names for the years of keeping.",
        handle=delete_personal,
        query=DeletionQuery,
        answer=shown_as(PersonalDeletion),
        problems=("not_found", "invalid", "conflict", "in_use", "too_many_waiting"),
    ),
)
