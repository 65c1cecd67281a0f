"""Logging in and out. An installation without users and tokens is told how to make the first
one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

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
from levity_trio.web.dashboard.pages.driver import PlaceOfCode, place_of
from levity_trio.web.dashboard.renderer import READER, Renderer
from levity_trio.web.http.turns import TurnQueue
from levity_trio.web.logins.browsers import LoggedIn

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
        if (
            self._is_own(request, form)
            and reader.caller is not None
            and reader.caller.login is not None
        ):
            await self._renderer.api.logins.leave(reader.caller.login)
        return RedirectResponse(f"{self._renderer.base}{LOGIN}", HTTPStatus.SEE_OTHER)

    async def _serve(self, request: Request, template: str, enter: Enter) -> Response:
        if request.method != "POST":
            return await self._form(request, template, dict(request.query_params))
        form = await request.form()
        if not self._is_own(request, form):
            return await self._form(
                request, template, given_in(form), _("this form is too old; send it again")
            )
        try:
            entered = await enter(request, given_in(form))
        except Problem as problem:
            return await self._form(
                request, template, given_in(form), problem.detail, problem.status
            )
        response = RedirectResponse(self._renderer.base + next_of(form), HTTPStatus.SEE_OTHER)
        secure = self._renderer.mount.is_secure(request.scope)
        cookie = cookie_header(
            request.scope, entered.cookie, path=self._renderer.base, is_secure=secure
        )
        response.headers["set-cookie"] = cookie
        return response

    def _is_own(self, request: Request, form: FormData) -> bool:
        return self._renderer.is_own_form(request, given_in(form).get(FORM_VALUE, ""))

    async def _of_password(self, request: Request, entered: Mapping[str, str]) -> LoggedIn:
        logins, who = self._renderer.api.logins, self._who(request)
        if (token := entered.get("token", "").strip()) and not self._is_for_drivers:
            return await logins.enter_by_token(token, **who)
        name, password = entered.get("name", "").strip(), entered.get("password", "")
        return await logins.enter(name, password, **who, for_drivers=self._is_for_drivers)

    async def _of_code(self, request: Request, given: Mapping[str, str]) -> LoggedIn:
        code, who = given.get("code", "").strip(), self._who(request)
        return await self._renderer.api.logins.enter_by_invitation(
            code, **who, for_drivers=self._is_for_drivers
        )

    async def _form(
        self,
        request: Request,
        template: str,
        entered: Mapping[str, str],
        problem: str = "",
        status: int = HTTPStatus.OK,
    ) -> Response:
        reader: Browser = request.scope[READER]
        api = self._renderer.api
        wanted = entered.get(NEXT, "/")
        values = {
            "name": entered.get("name", ""),
            "next": wanted,
            "problem": problem,
            "is_open": api.logins.have_managers or api.tokens.are_used,
        }
        if self._is_for_drivers or is_of_drivers(wanted):
            template = "driver_login.html"
        view = PageView(
            api=self._inner, caller=reader.caller or Caller("", Role.OUTSIDE, reader.address)
        )
        if self._pace.waiting >= MOST_WAITING:
            headers = {"retry-after": "3"}
            words = _("Too many people are logging in at the moment. Try again.")
            return PlainTextResponse(f"{words}\n", HTTPStatus.SERVICE_UNAVAILABLE, headers)
        async with self._pace.turn():
            values["place"] = await self._place(reader, wanted)
            return await self._renderer.page(template, view, values, reader=reader, status=status)

    async def _place(self, reader: Browser, wanted: str) -> PlaceOfCode | None:
        """Return the place that the code at a charger names, for a stranger who wants to charge
        there."""
        if not is_of_drivers(wanted):
            return None
        anybody = PageView(api=self._inner, caller=Caller("", Role.DRIVER, reader.address))
        async with self._renderer.api.places.read():
            return await place_of(anybody, wanted)

    @property
    def _is_for_drivers(self) -> bool:
        return self._renderer.mount.door.is_for_drivers

    @staticmethod
    def _who(request: Request) -> dict[str, Any]:
        reader: Browser = request.scope[READER]
        browser = request.headers.get("user-agent", "")[:LONGEST_BROWSER]
        return {"address": reader.address, "cookie": reader.cookie, "browser": browser}
