"""Who sends a request, and whether its Host is ours.

A token is needed unless listener, peer and Host are loopback, there never was a token nor a user,
and no proxy has forwarded the request; then, and on the local socket, whoever asks is an admin. A
Host that is not ours is refused on every path, so that no web page can reach the API under a name
that it controls (DNS rebinding). A browser also sends what pages of other sites ask of this
machine; that is not from the admin who sits at it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from levity_trio.listening.addresses import is_loopback
from levity_trio.records import record
from levity_trio.store.writes.people.users import StoredToken
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import ApiParts, Caller, Role
from levity_trio.web.api.engine.problems import Problem, invalid, refusal
from levity_trio.web.http.server import host_name, is_own_host
from levity_trio.web.logins.browsers import Login

FORWARDING: Final = re.compile(
    r"(?:^|[-_])(?:forwarded|via|ip|clientip|client-?addr|remote|cf|cdn|envoy|proxy|proxied)(?:[-_]|$)"
)
"""The name of a header by which a proxy tells whose request it passes on, or that it does. Each has
its own (X-Real-IP, CF-Connecting-IP, True-Client-IP, X-Envoy-External-Address, CDN-Loop), and no
browser or program of ours sends one."""
NEAR: Final = re.compile(r"[^.]+|.*\.(\d+|local)")
"""An address, or a name that no web page has, so that none reaches us under it (DNS rebinding)."""
LOCAL_ADMIN: Final = "local admin"
LOCAL_SOCKET: Final = "local socket"
SAME_SITE: Final = ("same-origin", "none", "")
TOKEN_PARAMETERS: Final = frozenset({"token", "access_token", "api_key", "apikey", "authorization"})
Scope = Any


@record(kw_only=False)
class Door:
    """A listener of the API. `is_socket`: the local Unix socket, which only its owner can open.

    `is_for_drivers`: the drivers' port, at which everybody but a driver is a stranger. `is_demo`:
    it is reached by each near name. `token`: no listener, but the way of a plug-in, which asks in
    the name of this token.
    """

    is_socket: bool = False
    is_loopback: bool = False
    is_for_drivers: bool = False
    is_demo: bool = False
    allowed_hosts: Collection[str] = ()
    token: str | None = None


def check_host(door: Door, scope: Scope, headers: Headers) -> None:
    """Raise Problem for a request to a host name that is not ours."""
    if door.is_socket or door.token is not None:
        return
    host = headers.get("host", "")
    is_near = door.is_demo and NEAR.fullmatch(host_name(host))
    if is_near or is_own_host(scope, host, door.allowed_hosts):
        return
    flag = "--drivers-url" if door.is_for_drivers else "--api-allowed-hosts"
    detail = Told(
        "this Host is not ours; use an address of this server, or allow the name with {1}", flag
    )
    raise Problem(HTTPStatus.MISDIRECTED_REQUEST, "wrong_host", detail)


def client_of(scope: Scope) -> str:
    """Return the address from which a request comes."""
    address, *_ = scope.get("client") or ["unknown"]
    return str(address)


def find_caller(door: Door, api: ApiParts, scope: Scope, headers: Headers) -> Caller:
    """Return who sends a request. Raises Problem."""
    if door.is_socket:
        return Caller(LOCAL_ADMIN, Role.ADMIN, LOCAL_SOCKET)
    address = client_of(scope)
    if door.token is not None:
        return _caller_of_token(api.tokens.named(door.token), address)

    # A header of another kind is checked, too: nobody who meant to log in is the local admin.
    header = headers.get("authorization")
    if header is not None:
        kind, _, text = header.partition(" ")
        token = text.strip() if kind.casefold() == "bearer" else ""
        return _caller_of_token(api.tokens.check(token), address)

    if not needs_nothing(door, api, scope, headers):
        raise _token_needed(Told("send a token: Authorization: Bearer TOKEN"))
    # A GET changes nothing, and the page from which a link was opened cannot read the answer.
    is_link = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
    is_opened = is_link and headers.get("sec-fetch-dest") == "document"
    if not (is_opened or is_allowed_origin(api, headers) or is_of_own_page(headers)):
        words = Told(
            "a web page from elsewhere sent this; it needs a token: Authorization: Bearer TOKEN"
        )
        raise _token_needed(words)
    return Caller(LOCAL_ADMIN, Role.ADMIN, address)


def _caller_of_token(token: StoredToken, address: str) -> Caller:
    return Caller(token.name, Role[token.role.upper()], address, token.id)


def _token_needed(detail: str) -> Problem:
    problem = refusal("token_needed", detail)
    problem.headers["www-authenticate"] = "Bearer"
    return problem


def is_allowed_origin(api: ApiParts, headers: Headers) -> bool:
    """Whether a request comes from a page of the one other site that may send any."""
    origin = headers.get("origin")
    return origin is not None and origin == api.config.api_cors_origin


def is_of_own_page(headers: Headers, url: str | None = None) -> bool:
    """Whether a browser says that a request comes from a page of ours, or says nothing about that.

    `url`: that of the proxy before us.
    """
    site = headers.get("sec-fetch-site", "")
    if site not in SAME_SITE:
        return False
    # Our pages are sent with no-referrer, which makes their origin null.
    origin = headers.get("origin")
    if origin is None or (origin == "null" and site == "same-origin"):
        return True
    own = {headers.get("host", "").casefold()}
    if url is not None:
        own.add(urlsplit(url).netloc.casefold())
    _, _, host = origin.partition("://")
    return host.casefold() in own - {""}


def check_url(query: str) -> None:
    """Raise Problem for a token in a URL, which ends up in logs."""
    parameters = [part.partition("=") for part in query.split("&")]
    names = {name.casefold() for name, _, _ in parameters}
    # Every token of ours begins like this, whatever its parameter is called.
    if names & TOKEN_PARAMETERS or "levity_" in query:
        words = Told("a token travels only in the header Authorization; revoke this one")
        raise Problem(HTTPStatus.BAD_REQUEST, "token_in_url", words)


def caller_of(login: Login, address: str) -> Caller:
    """Return who sends a request with a log-in. A driver is named by a number: what names stand for
    can be deleted."""
    role = Role[login.role.upper()]
    name = f"driver {login.user}" if role is Role.DRIVER else login.name
    return Caller(name, role, address, login.token, login.id, login.account)


def check_first(caller: Caller, role: str, *, has_password: bool) -> None:
    """Refuse a first user with whom nobody could manage the site. Raises Problem.

    Whoever asks without token and log-in does so for the last time, unless on the local socket.
    """
    is_unnamed = caller.login is None and caller.token is None and caller.address != LOCAL_SOCKET
    if is_unnamed and not (role == Role.ADMIN.word and has_password):
        words = Told(
            "the first user must be an admin, with a password: from then on everybody must log in"
        )
        raise invalid("role", words)


def is_admitted(api: ApiParts, caller: Caller) -> bool:
    """Whether whoever was let in still is, with the same rights. Event streams ask before each
    event."""
    if caller.login is not None:
        login = api.logins.get(caller.login)
        if login is None:
            return False
        return login.role == caller.role.word and login.account == caller.account
    if caller.token is not None:
        return api.tokens.valid(caller.token) is not None
    return caller.address == LOCAL_SOCKET or not (api.tokens.are_used or api.logins.are_used)


def needs_nothing(door: Door, api: ApiParts, scope: Scope, headers: Headers) -> bool:
    """Whether a request without token or log-in is that of the local admin."""
    if api.tokens.are_used or api.logins.are_used:
        return False
    # Some proxies add no header: where there is a public URL, any request may be forwarded.
    if api.config.public_url is not None or any(map(FORWARDING.search, headers)):
        return False
    is_for_us = is_loopback(host_name(headers.get("host", "")))
    return door.is_loopback and is_loopback(client_of(scope)) and is_for_us
