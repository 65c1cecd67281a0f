"""Tokens, the record of what was done over the API, and the version of the server."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from levity_trio import __version__
from levity_trio.records import whole_text
from levity_trio.store.reads.people.users import ActionRow, TokenRow, actions, tokens
from levity_trio.store.writes.people import users
from levity_trio.store.writes.people.users import NewToken
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
)
from levity_trio.web.api.engine.lists import Limit
from levity_trio.web.api.engine.problems import not_found, refusal
from levity_trio.web.logins.browsers import make, written

ENDPOINTS: Final = Endpoints("access")

Name = Annotated[
    str,
    whole_text(
        min_length=1,
        max_length=64,
        pattern=r"^\S(.*\S)?$",
        words=Told("it is empty, or has a space at an end"),
    ),
]


class NewTokenBody(ClientInput):
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


class BelowQuery(ClientInput):
    """The newest rows, or those with an id below `before`."""

    before: Annotated[int, Meta(ge=1, le=2**62)] | None = None
    limit: Limit = 50


@ENDPOINTS.get("/api/version", Role.VIEWER, group="server")
async def _version(_request: Request) -> ProgramVersion:
    """The version of the server"""
    return ProgramVersion("levity-trio", __version__)


@ENDPOINTS.get("/api/admin/tokens", Role.ADMIN)
async def _list_tokens(request: Request) -> list[TokenRow]:
    """List the tokens, the newest first"""
    return await request.read(tokens)


@ENDPOINTS.post("/api/admin/tokens", Role.ADMIN, "in_use", status=CREATED)
async def _create_token(request: TypedRequest[None, NewTokenBody]) -> MadeToken:
    """Make a token; its text is shown only in this answer"""
    body, api = request.body, request.api
    made = make()
    at, by = api.stamp(), request.caller.name
    new = NewToken(body.name, body.role, made.salt, made.digest, at, by)
    token = await api.writer.run(users.create, new)
    if token is None:
        words = Told(
            "a token named {1} is in use; revoke it first, or choose another name", body.name
        )
        raise refusal("in_use", words)
    api.tokens.load(await api.writer.run(users.stored))
    return MadeToken(token, body.name, body.role, written(token, made.secret))


@ENDPOINTS.delete("/api/admin/tokens/{id}", Role.ADMIN, "not_found")
async def _revoke_token(request: Request) -> None:
    """Revoke a token"""
    api, token = request.api, request.number()
    if not await request.write(users.revoke, token):
        raise not_found(Told("token {1} in use", token))
    api.tokens.load(await api.writer.run(users.stored))


@ENDPOINTS.get("/api/admin/audit", Role.ADMIN)
async def _list_actions(request: TypedRequest[BelowQuery, None]) -> list[ActionRow]:
    """List the changes that were asked for and the refused attempts, the newest first"""
    query = request.query
    return await request.read(actions, before=query.before, limit=query.limit)
