"""Logging in and out. An installation without users and tokens is told how to make the first
one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Final

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from levity_trio.locale import _
from levity_trio.web.api.engine.endpoints import Caller, Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.dashboard.browser import Browser, cookie_header
from levity_trio.web.dashboard.forms import FORM_VALUE, NEXT, given_in, next_of
from levity_trio.web.dashboard.mount import is_of_drivers
from levity_trio.web.dashboard.page import ApiOfPages, PageView
from levity_trio.web.dashboard.pages.driver import place_of
from levity_trio.web.dashboard.renderer import READER, Renderer
from levity_trio.web.http.turns import TurnQueue
from levity_trio.web.logins.browsers import LoggedIn, Visit

LOGIN, LOGOUT, INVITATION = "/login", "/logout", "/welcome"
OPEN_PATHS: Final = (LOGIN, INVITATION)
"""What is shown without a log-in."""
LONGEST_BROWSER: Final = 200
MOST_WAITING: Final = 50
"""Strangers for whom the form is still to be made; each takes the processor for some
milliseconds."""
Enter = Callable[[Request, Mapping[str, str]], Awaitable[LoggedIn]]


def routes(renderer: Renderer, inner: ApiOfPages) -> Iterator[Route]:
    """Yield the routes of logging in and out."""
    entrance = _LogInPages(renderer, inner)
    yield Route(LOGIN, entrance.login, methods=["GET", "POST"])
    yield Route(INVITATION, entrance.welcome, methods=["GET", "POST"])
    yield Route(LOGOUT, entrance.logout, methods=["POST"])


class _LogInPages:
    def __init__(self, renderer: Renderer, inner: ApiOfPages) -> None:
        self._renderer = renderer
        self._inner = inner
        self._pace = TurnQueue()

    async def login(self, request: Request) -> Response:
        """Ask for a name and a password, or a token, and take them."""
        return await self._serve(request, "login.html", self._of_password)

    async def welcome(self, request: Request) -> Response:
        """Take a one-time code, which the operator handed out. A GET uses nothing up: mail programs
        look at links."""
        return await self._serve(request, "welcome.html", self._of_code)

    async def logout(self, request: Request) -> Response:
        """End the log-in."""
        reader: Browser = request.scope[READER]
        form = await request.form()
        login = None if reader.caller is None else reader.caller.login
        if login is not None and self._is_own(request, form):
            await self._renderer.api.logins.leave(login)
        return RedirectResponse(f"{self._renderer.base}{LOGIN}", HTTPStatus.SEE_OTHER)

    async def _serve(self, request: Request, template: str, enter: Enter) -> Response:
        if request.method != "POST":
            return await self._form(request, template, dict(request.query_params))
        form = await request.form()
        entered = given_in(form)
        if not self._is_own(request, form):
            problem = _("this form is too old; send it again")
            return await self._form(request, template, entered, problem)
        try:
            logged_in = await enter(request, entered)
        except Problem as refused:
            return await self._form(request, template, entered, refused.detail, refused.status)

        base = self._renderer.base
        response = RedirectResponse(base + next_of(form), HTTPStatus.SEE_OTHER)
        is_secure = self._renderer.mount.is_secure(request.scope)
        cookie = cookie_header(request.scope, logged_in.cookie, path=base, is_secure=is_secure)
        response.headers["set-cookie"] = cookie
        return response

    def _is_own(self, request: Request, form: FormData) -> bool:
        return self._renderer.is_own_form(request, given_in(form).get(FORM_VALUE, ""))

    async def _of_password(self, request: Request, entered: Mapping[str, str]) -> LoggedIn:
        logins = self._renderer.api.logins
        visit = self._visit(request)
        token = entered.get("token", "").strip()
        if token and not self._is_for_drivers:
            return await logins.enter_by_token(token, visit)
        name = entered.get("name", "").strip()
        password = entered.get("password", "")
        return await logins.enter(name, password, visit)

    async def _of_code(self, request: Request, entered: Mapping[str, str]) -> LoggedIn:
        code = entered.get("code", "").strip()
        logins = self._renderer.api.logins
        return await logins.enter_by_invitation(code, self._visit(request))

    async def _form(
        self,
        request: Request,
        template: str,
        entered: Mapping[str, str],
        problem: str = "",
        status: int = HTTPStatus.OK,
    ) -> Response:
        if self._pace.waiting >= MOST_WAITING:
            headers = {"retry-after": "3"}
            words = _("Too many people are logging in at the moment. Try again.")
            return PlainTextResponse(f"{words}\n", HTTPStatus.SERVICE_UNAVAILABLE, headers)

        reader: Browser = request.scope[READER]
        api = self._renderer.api
        wanted = entered.get(NEXT, "/")
        if self._is_for_drivers or is_of_drivers(wanted):
            template = "driver_login.html"
        stranger = Caller("", Role.OUTSIDE, reader.address)
        view = PageView(api=self._inner, caller=reader.caller or stranger)
        async with self._pace.turn():
            # The code at a charger leads here: whoever has scanned it sees where he is.
            place = None
            if is_of_drivers(wanted):
                driver = Caller("", Role.DRIVER, reader.address)
                async with api.places.read():
                    place = await place_of(PageView(api=self._inner, caller=driver), wanted)
            values = {
                "name": entered.get("name", ""),
                "next": wanted,
                "problem": problem,
                "is_open": api.logins.have_managers or api.tokens.are_used,
                "place": place,
            }
            return await self._renderer.page(template, view, values, reader=reader, status=status)

    @property
    def _is_for_drivers(self) -> bool:
        return self._renderer.mount.door.is_for_drivers

    def _visit(self, request: Request) -> Visit:
        reader: Browser = request.scope[READER]
        browser = request.headers.get("user-agent", "")[:LONGEST_BROWSER]
        return Visit(reader.address, reader.cookie, browser, self._is_for_drivers)
