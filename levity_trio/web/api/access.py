"""Who sends a request, and whether its Host is ours (rules.md, Operators).

A token is needed unless listener, peer and Host are loopback, there never was a token, and no proxy has forwarded the
request; then, and on the local socket, whoever asks is an admin. A Host that is not ours is refused on every path, so
that no web page can reach the API under a name that it controls (DNS rebinding).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final

from starlette.datastructures import Headers

from levity_trio.web.api.endpoints import Caller, Role
from levity_trio.web.api.problems import Problem
from levity_trio.web.api.tokens import Tokens

FORWARDING: Final = ("forwarded", "via")
LOCAL_ADMIN: Final = "local admin"
LOCAL_SOCKET: Final = "local socket"
SERVICE: Final = "a service outside"
SIGNED: Final = "/api/payments/"
"""Requests below this path prove themselves by a signature; a token opens nothing there."""
TOKEN_PARAMETERS: Final = frozenset({"token", "access_token", "api_key", "apikey", "authorization"})
Scope = Any


@dataclass(frozen=True, slots=True)
class Door:
    """A listener of the API. `is_socket`: the local Unix socket, which only its owner can open."""

    is_socket: bool = False
    is_loopback: bool = False
    allowed_hosts: Collection[str] = ()


def check_host(door: Door, scope: Scope, headers: Headers) -> None:
    """Raise Problem for a request to a host name that is not ours."""
    if door.is_socket:
        return
    name = host_name(headers.get("host", ""))
    if is_loopback(name) or name in door.allowed_hosts or name == _server_address(scope):
        return
    detail = "this Host is not ours; use an address of this server, or allow the name with --api-allowed-hosts"
    raise Problem(HTTPStatus.MISDIRECTED_REQUEST, "wrong_host", detail)


def find_caller(door: Door, tokens: Tokens, scope: Scope, headers: Headers) -> Caller:
    """Return who sends a request. Raises Problem."""
    address = LOCAL_SOCKET if door.is_socket else (scope.get("client") or ["unknown"])[0]
    if scope["path"].startswith(SIGNED):
        return Caller(SERVICE, Role.OUTSIDE, address)
    if door.is_socket:
        return Caller(LOCAL_ADMIN, Role.ADMIN, address)
    text = _presented(headers)
    if text is not None:
        return _of_token(tokens, text, address)
    if _needs_none(door, tokens, scope, headers):
        return Caller(LOCAL_ADMIN, Role.ADMIN, address)
    problem = Problem(HTTPStatus.UNAUTHORIZED, "token_needed", "send a token: Authorization: Bearer TOKEN")
    problem.headers["www-authenticate"] = "Bearer"
    raise problem


def check_url(query: str) -> None:
    """Raise Problem for a token in a URL, which ends up in logs."""
    names = {part.partition("=")[0].casefold() for part in query.split("&")}
    if names & TOKEN_PARAMETERS or "levity_" in query:
        raise Problem(400, "token_in_url", "a token travels only in the header Authorization; revoke this one")


def _presented(headers: Headers) -> str | None:
    given = headers.get("authorization")
    if given is None:
        return None
    kind, _, text = given.partition(" ")
    return text.strip() if kind.casefold() == "bearer" else ""


def _of_token(tokens: Tokens, text: str, address: str) -> Caller:
    if (seconds := tokens.wait_seconds(address, text)) > 0:
        problem = Problem(HTTPStatus.UNAUTHORIZED, "too_many_failures", "too many wrong tokens; wait")
        problem.headers["retry-after"] = str(math.ceil(seconds))
        raise problem
    token = tokens.find(text)
    if token is None:
        tokens.fail(address, text)
        problem = Problem(HTTPStatus.UNAUTHORIZED, "wrong_token", "this token is not valid; it may be revoked")
        problem.headers["www-authenticate"] = 'Bearer error="invalid_token"'
        raise problem
    tokens.succeed(address, token.id)
    return Caller(token.name, Role[token.role.upper()], address, token.id)


def _needs_none(door: Door, tokens: Tokens, scope: Scope, headers: Headers) -> bool:
    peer = (scope.get("client") or [""])[0]
    is_local = door.is_loopback and is_loopback(peer) and is_loopback(host_name(headers.get("host", "")))
    is_forwarded = any(name in FORWARDING or name.startswith("x-forwarded-") for name in headers)
    return is_local and not is_forwarded and not tokens.are_used


def host_name(host: str) -> str:
    """Return the name or address in a Host header, without its port and in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].casefold()
    return (host.rpartition(":")[0] or host).rstrip(".").casefold() if host.count(":") == 1 else host.casefold()


def is_loopback(name: str) -> bool:
    """Whether a host name or address is that of the loopback interface."""
    if name == "localhost":
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _server_address(scope: Scope) -> str:
    return str((scope.get("server") or [""])[0])
