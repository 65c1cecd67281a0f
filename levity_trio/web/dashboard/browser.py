"""Who reads a page: the browser's cookie, the log-in that it names, and the anti-CSRF value that
belongs to it.

Each browser has a random id in a cookie. Where it names a log-in, its reader has that user's role;
otherwise it only ties a form to the browser that was shown it. The cookie is named after the port,
because browsers send the cookies of one port of a host to all.
"""

from __future__ import annotations

from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from levity_trio.records import record
from levity_trio.web.api.engine.endpoints import ApiParts, Caller, Role
from levity_trio.web.api.engine.serving import LOCAL_ADMIN, Door, caller_of, needs_nothing
from levity_trio.web.logins.browsers import form_value, new_cookie

LONGEST_ID: Final = 100
KEPT_SECONDS: Final = 180 * 24 * 3600


@record(kw_only=False)
class Browser:
    """A browser. `caller` is None where nobody has logged in."""

    cookie: str
    caller: Caller | None
    address: str
    is_new: bool = False
    name: str = ""
    """The name of the user who logged in, or of the token."""
    language: str | None = None
    """The language of the reader's household or of the user; None: the browser says it."""

    @property
    def form_value(self) -> str:
        """The anti-CSRF value of its forms."""
        return form_value(self.cookie)


def find_browser(api: ApiParts, door: Door, scope: Scope, headers: Headers) -> Browser:
    """Return who sends a request. The cookie of somebody who has no business at this door is
    none."""
    address = str((scope.get("client") or ["unknown"])[0])
    presented = ""
    with suppress(CookieError):
        cookies = SimpleCookie(headers.get("cookie", ""))
        morsel = cookies.get(cookie_name(scope))
        if morsel is not None and len(morsel.value) <= LONGEST_ID:
            presented = morsel.value
    login = api.logins.find(presented)

    # A demo lets everybody in, each door with a log-in of its own.
    guests = api.config.guests
    if login is None and guests is not None:
        presented = guests.drivers if door.is_for_drivers else guests.dashboard
        login = api.logins.find(presented)

    # Who runs the site has no business at the drivers' door, which strangers can reach.
    if login is not None and door.is_for_drivers and login.role != Role.DRIVER.word:
        login = None
        presented = ""
    cookie = presented or new_cookie()
    is_new = not presented
    if login is not None:
        caller = caller_of(login, address)
        name, language = login.name, login.language
        return Browser(cookie, caller, address, is_new=is_new, name=name, language=language)

    local = None
    if not door.is_for_drivers and needs_nothing(door, api, scope, headers):
        local = Caller(LOCAL_ADMIN, Role.ADMIN, address)
    return Browser(cookie, local, address, is_new=is_new)


def cookie_name(scope: Scope) -> str:
    server = scope.get("server") or ["", 0]
    return f"levity_{server[1]}"


def cookie_header(scope: Scope, cookie: str, *, path: str, is_secure: bool) -> str:
    """Return the header Set-Cookie that gives a browser its id."""
    secure = "; Secure" if is_secure else ""
    return (
        f"{cookie_name(scope)}={cookie}; Path={path or '/'}; Max-Age={KEPT_SECONDS}; HttpOnly; "
        f"SameSite=Lax{secure}"
    )
