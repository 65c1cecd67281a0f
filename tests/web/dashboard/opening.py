"""Pages as a reader with some role opens them, made of a test's books by the real API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from levity_trio.web.api.engine.endpoints import Caller, Role
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard import assets
from levity_trio.web.dashboard.page import ApiOfPages, DashboardPage, PageView, Snapshots
from levity_trio.web.dashboard.templating import Templates
from tests.integration.browsing import Page as Shown
from tests.web.api.conftest import Site
from tests.web.api.driving import Yard

BERLIN: Final = ZoneInfo("Europe/Berlin")
TEMPLATES: Final = Templates(base="", zone=BERLIN)


class Opening:
    """Whoever opens pages of a site."""

    def __init__(self, site: Site | Yard, who: Role | Caller = Role.ADMIN) -> None:
        self._books = site.books
        endpoints = {(one.method, one.path): one for one in ENDPOINTS}
        snapshots = Snapshots(site.api.reader)
        self._api = ApiOfPages(site.app, endpoints, site.api, snapshots, BERLIN)
        self._caller = who if isinstance(who, Caller) else Caller("cleo", who, "127.0.0.1")

    async def open(self, page: DashboardPage, link: str = "", **path: object) -> Shown:
        """Return a page, with the query of a link. Raises Refused."""
        return Shown(200, page.path, {}, await self.html(page, link, **path))

    async def html(self, page: DashboardPage, link: str = "", **path: object) -> str:
        """Return what is sent of a page. Raises Refused."""
        view = self.view(link, path)
        frame = {
            "page": page,
            "sections": [],
            "assets": assets.names(),
            "site": "levity",
            "notes": [],
        }
        values = {**frame, "zone_name": "Europe/Berlin", "guests": None, **await page.read(view)}
        return TEMPLATES.render(page.template, view, self._books.now, values)

    async def parts(
        self,
        page: DashboardPage,
        changed: Iterable[str] | None = None,
        link: str = "",
        **path: object,
    ) -> Mapping[str, Shown]:
        """Return the live parts of a page that may have changed."""
        assert page.live is not None
        view = self.view(link, path)
        parts = await page.live(view, None if changed is None else frozenset(changed))
        html = TEMPLATES.render_parts(parts, view, self._books.now)
        return {name: Shown(200, page.path, {}, text) for name, text in html.items()}

    def view(self, link: str, path: Mapping[str, object]) -> PageView:
        query = dict(parse_qsl(urlsplit(link).query))
        given = {name: str(value) for name, value in path.items()}
        return PageView(api=self._api, caller=self._caller, path=given, query=query)


def with_class(shown: Shown, name: str) -> list[dict[str, Any]]:
    """Return the attributes of all elements of a class, in their order."""
    return [given for _, given in shown.tags if name in given.get("class", "").split()]


def attributes(shown: Shown, tag: str, name: str) -> list[Any]:
    """Return the values of an attribute of all elements of a kind, in their order."""
    return [given[name] for kind, given in shown.tags if kind == tag and name in given]
