"""The manual: its contents, its pages (drivers see those that are written for them), and the
requests of the API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Final

import trio

from levity_trio import manual
from levity_trio.locale import N_, _, language
from levity_trio.manual import makes, rendering
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.engine.openapi import document, in_full
from levity_trio.web.dashboard.fields import FormField, every, fields_of
from levity_trio.web.dashboard.mount import HELP
from levity_trio.web.dashboard.page import HELP as SECTION
from levity_trio.web.dashboard.page import ApiRefused, DashboardPage, PageView, Values

FOLDERS: Final[Mapping[str, str]] = N_(
    {
        "start": "First steps",
        "tasks": "Tasks",
        "explanation": "Background",
        "reference": "Look it up",
        makes.CHARGERS: "Chargers by make",
        "drivers": "For drivers",
    }
)
"""The folders of the manual, in the order of who comes here."""
OTHERS: Final = N_("What is new")
LONGEST: Final = 100
"""Characters of what is looked for."""


async def _contents(view: PageView) -> Values:
    words = view.query.get("q", "")

    def read() -> Values:
        """Read the pages from their files, in a thread."""
        folders: dict[str, list[manual.ManualPage]] = {name: [] for name in FOLDERS}
        folders[""] = []
        for page in manual.pages(language()):
            if page.folder in folders and _may_see(view, page):
                folders[page.folder].append(page)
        found = [
            hit for hit in manual.search(words[:LONGEST], language()) if _may_see(view, hit[0])
        ]
        titles = {**FOLDERS, "": OTHERS}
        by_title = {_(titles[name]): pages for name, pages in folders.items()}
        return {"folders": by_title, "words": words, "found": found}

    return await trio.to_thread.run_sync(read)


async def _page(view: PageView) -> Values:
    topic = view.path["topic"]
    try:
        page = await trio.to_thread.run_sync(manual.find, topic, language())
    except manual.UnknownTopic:
        page = None
    if page is None or not _may_see(view, page):
        words = N_("the manual has no page %(topic)s; %(all)s lists all")
        raise _not_found(_(words, topic=topic, all=HELP))
    return {"topic": page, "html": partial(rendering.to_html, page)}


# The requests of the API


async def _requests(view: PageView) -> Values:
    """Return the groups of requests; those of a group, without its schemas; or all of one
    request."""
    group = view.query.get("group", "")
    request = view.query.get("request", "")
    groups: Counter[str] = Counter()
    of_group: list[Endpoint] = []
    chosen: Endpoint | None = None
    for endpoint in view.api.endpoints.values():
        groups[endpoint.group] += 1
        if endpoint.group == group:
            of_group.append(endpoint)
            if f"{endpoint.method} {endpoint.path}" == request:
                chosen = endpoint
    if group and not of_group:
        raise _not_found(_("the API has no requests of %(group)s", group=group))
    if request and chosen is None:
        raise _not_found(_("the API has no request %(request)s", request=request))

    documented: Values | None = None
    fields: list[FormField] = []
    if chosen is not None:
        documented = await trio.to_thread.run_sync(_documented, chosen)
        fields += every(fields_of(chosen))
    return {
        "groups": groups,
        "group": group,
        "found": of_group,
        "one": chosen,
        "shown": documented,
        "fields": fields,
    }


def _documented(endpoint: Endpoint) -> Values:
    """Return what the documentation says of a request."""
    described = document([endpoint])
    operation = described["paths"][endpoint.path][endpoint.method.lower()]
    contents = operation.get("requestBody", {}).get("content", {})
    components = described["components"]["schemas"]
    schemas = [in_full(content["schema"], components) for content in contents.values()]
    return {**operation, "schemas": schemas}


def _not_found(words: str) -> ApiRefused:
    return ApiRefused(HTTPStatus.NOT_FOUND, {"detail": words})


def _may_see(view: PageView, page: manual.ManualPage) -> bool:
    return view.caller.role > Role.DRIVER or page.folder == manual.OF_DRIVERS


_manual: Final = partial(DashboardPage, section=SECTION)
PAGES: Final = N_(
    (
        _manual(HELP, "Help", "help.html", _contents, role=Role.DRIVER),
        _manual(f"{HELP}/api", "The API", "help/api.html", _requests, help="tasks/call-the-api"),
        _manual(f"{HELP}/{{topic:path}}", "Help", "help/page.html", _page, role=Role.DRIVER),
    )
)
