"""Tokens, the record of what was done over the API, and the version of the server."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import msgspec

from levity_trio import __version__
from levity_trio.store.reads.access import ActionRow, TokenRow, actions, tokens
from levity_trio.store.writes import tokens as token_writes
from levity_trio.store.writes.tokens import NewToken
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StructBody
from levity_trio.web.api.problems import Problem, not_found
from levity_trio.web.api.shown import list_of, show
from levity_trio.web.api.tokens import make, written

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^\S(.*\S)?$")]


class NewTokenBody(msgspec.Struct, forbid_unknown_fields=True):
    """A token to be made."""

    name: Name
    role: Literal["viewer", "operator", "admin"]


class MadeToken(msgspec.Struct):
    """A new token. `token` is shown only now."""

    id: int
    name: str
    role: str
    token: str


class ProgramVersion(msgspec.Struct):
    """The program, and the run that answers."""

    program: str
    version: str


class ActionsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which actions: those with an id below `before`."""

    before: Annotated[int, msgspec.Meta(ge=1, le=2**62)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50


async def _version(_asked: Asked) -> ProgramVersion:
    return ProgramVersion("levity-trio", __version__)


async def _list_tokens(asked: Asked) -> object:
    return show(await asked.api.reader.run(tokens))


async def _create_token(asked: Asked) -> MadeToken:
    body: NewTokenBody = asked.body
    made, api = make(), asked.api
    new = NewToken(body.name, body.role, made.salt, made.digest, api.stamp(), asked.caller.name)
    token = await api.writer.run(token_writes.create, new)
    if token is None:
        raise Problem(409, "in_use", f"a token named {body.name} is in use; revoke it first, or choose another name")
    api.tokens.load(await api.writer.run(token_writes.stored))
    return MadeToken(token, body.name, body.role, written(token, made.secret))


async def _revoke_token(asked: Asked) -> None:
    api, token = asked.api, asked.number()
    if not await api.writer.run(token_writes.revoke, token, api.stamp(), asked.caller.name):
        raise not_found(f"token {token} in use")
    api.tokens.load(await api.writer.run(token_writes.stored))


async def _list_actions(asked: Asked) -> object:
    query: ActionsQuery = asked.query
    return show(await asked.api.reader.run(partial(actions, before=query.before, limit=query.limit)))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/version",
        role=Role.VIEWER,
        tag="server",
        summary="The version of the server",
        handle=_version,
        answer=ProgramVersion,
    ),
    Endpoint(
        method="GET",
        path="/api/admin/tokens",
        role=Role.ADMIN,
        tag="access",
        summary="List the tokens, the newest first",
        handle=_list_tokens,
        answer=list_of(TokenRow),
    ),
    Endpoint(
        method="POST",
        path="/api/admin/tokens",
        role=Role.ADMIN,
        tag="access",
        summary="Make a token; its text is shown only in this answer",
        handle=_create_token,
        body=StructBody(NewTokenBody),
        answer=MadeToken,
        status=201,
        problems=("in_use",),
    ),
    Endpoint(
        method="DELETE",
        path="/api/admin/tokens/{id}",
        role=Role.ADMIN,
        tag="access",
        summary="Revoke a token",
        handle=_revoke_token,
        problems=("not_found",),
    ),
    Endpoint(
        method="GET",
        path="/api/admin/audit",
        role=Role.ADMIN,
        tag="access",
        summary="List the changes that were asked for and the refused attempts, the newest first",
        handle=_list_actions,
        query=ActionsQuery,
        answer=list_of(ActionRow),
    ),
)
