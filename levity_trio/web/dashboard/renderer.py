"""What all pages are served with: the templates, the notes, the site's zone, and the checks of
forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from typing import Final, NamedTuple

import trio
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from levity_trio.locale import N_, _
from levity_trio.web.api.engine.endpoints import ApiParts, Role
from levity_trio.web.dashboard import assets
from levity_trio.web.dashboard.browser import Browser
from levity_trio.web.dashboard.mount import Mount
from levity_trio.web.dashboard.page import (
    ApiRefused,
    DashboardPage,
    PageView,
    Values,
    sections_of,
    shown_section,
    start_of,
)
from levity_trio.web.dashboard.templating import Templates, personal
from levity_trio.web.dashboard.words import sentence
from levity_trio.web.http.negotiation import accepts_gzip, compressed
from levity_trio.web.logins.browsers import is_form_value

READER: Final = "levity.reader"
"""The key of a request's scope under which the browser that sent it stands."""
RENDERS: Final = 2
"""Pages that are rendered at once, each in a thread, so that chargers are answered meanwhile."""
HEADINGS: Final[Mapping[int, str]] = N_(
    {
        HTTPStatus.FORBIDDEN: "This is not for you",
        HTTPStatus.NOT_FOUND: "This page does not exist",
        HTTPStatus.SERVICE_UNAVAILABLE: "Not now",
    }
)
"""The headings of pages for failures, by status."""
OTHERWISE: Final = N_("That did not work")


class Renderer:
    """Serves pages of one dashboard."""

    def __init__(self, api: ApiParts, mount: Mount) -> None:
        self.api = api
        self.mount = mount
        self.base = mount.base
        self.zone: tzinfo = api.config.time_zone
        self.templates = Templates(base=self.base, zone=self.zone)
        self._notes = Notes()
        self._renders = trio.CapacityLimiter(RENDERS)

    async def page(
        self,
        template: str,
        view: PageView,
        values: Values,
        *,
        page: DashboardPage | None = None,
        reader: Browser | None = None,
        status: int = HTTPStatus.OK,
    ) -> Response:
        """Return a page with the frame around it. A `reader` is shown the notes that wait for
        them."""
        notes: list[Note] = []
        if reader is not None:
            notes = self._notes.take(reader.cookie)
        shown = {
            "page": page,
            "sections": sections_of(view.caller.role),
            "assets": assets.names(),
            "site": self.api.config.server_name,
            "guests": self.api.config.guests,
            "zone_name": str(self.zone),
            "notes": notes,
            **values,
        }
        section = page.section if page is not None else shown.get("section", "")
        shown["section"] = shown_section(view.caller.role, section)
        render = partial(self.templates.render, template, view, self.api.now(), shown)
        html = await trio.to_thread.run_sync(render, limiter=self._renders)
        return _HtmlPage(html, status)

    async def forbidden(self, view: PageView, role: Role) -> Response:
        """Return the page for something that this reader may not do."""
        if view.caller.role is Role.DRIVER:
            words = _("This page is for the owner, not for you")
        else:
            words = N_(
                "This needs the role %(needed)s; yours is %(own)s. Ask an admin of this site."
            )
            own = view.caller.role
            words = _(words, needed=_(role.word), own=_(own.word))
        return await self.problem(view, HTTPStatus.FORBIDDEN, words)

    async def refused(self, view: PageView, refused: ApiRefused) -> Response:
        """Return the page for something that the API refused."""
        return await self.problem(view, refused.status, refused.words)

    async def problem(self, view: PageView, status: int, words: str) -> Response:
        """Return the page for a failure: what it is, and what to do."""
        title = _(HEADINGS.get(status, OTHERWISE))
        start = start_of(view.caller.role)
        shown = {"title": title, "words": sentence(words), "start": start}
        return await self.page("problem.html", view, shown, status=status)

    def is_own_form(self, request: Request, form_value: str) -> bool:
        """Whether a form was sent from a page that this browser was shown."""
        reader: Browser = request.scope[READER]
        return self.mount.is_own_origin(request) and is_form_value(reader.cookie, form_value)

    def leave_notes(self, request: Request, notes: Sequence[Note]) -> None:
        """Keep notes for the next page of this reader."""
        reader: Browser = request.scope[READER]
        self._notes.leave(reader.cookie, list(notes))


class _HtmlPage(HTMLResponse):
    """A page, whose forms get the anti-CSRF value of its reader when it is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader: Browser = scope[READER]
        body = personal(bytes(self.body), reader.form_value)
        headers = {"vary": "accept-encoding"}
        if accepts_gzip(Headers(scope=scope).get("accept-encoding", "")):
            body = compressed(body)
            headers["content-encoding"] = "gzip"
        response = Response(body, self.status_code, headers, "text/html")
        await response(scope, receive, send)


MOST_READERS: Final = 1000
MOST_NOTES: Final = 5


class Note(NamedTuple):
    """A line for the reader. `kind` is done, warning or problem."""

    kind: str
    words: str


class Notes:
    """Notes by reader. They are few and short-lived, so memory is their place."""

    def __init__(self) -> None:
        self._notes: dict[str, list[Note]] = {}

    def leave(self, cookie: str, notes: list[Note]) -> None:
        """Keep notes for a reader."""
        key = _key(cookie)
        kept = self._notes.pop(key, []) + notes
        self._notes[key] = kept[-MOST_NOTES:]

        # The first one has waited longest: whoever gets a note moves to the end.
        if len(self._notes) > MOST_READERS:
            longest = next(iter(self._notes))
            del self._notes[longest]

    def take(self, cookie: str) -> list[Note]:
        """Return the notes of a reader, once."""
        return self._notes.pop(_key(cookie), [])


def _key(cookie: str) -> str:
    # Cookies are secrets, so none is kept.
    return sha256(cookie.encode()).hexdigest()
