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
from levity_trio.locale import N_, _
from levity_trio.manual import rendering
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.engine.openapi import document, in_full
from levity_trio.web.dashboard.fields import every, fields_of
from levity_trio.web.dashboard.mount import HELP
from levity_trio.web.dashboard.page import DashboardPage, PageView, Values
from levity_trio.web.dashboard.refusals import ApiRefused

FOLDERS: Final[Mapping[str, str]] = N_(
    {
        "start": "First steps",
        "tasks": "Tasks",
        "explanation": "Background",
        "reference": "Look it up",
        "drivers": "For drivers",
    }
)
"""The folders of the manual, in the order of who comes here."""
OTHERS: Final = N_("What is new")
LONGEST: Final = 100
"""Characters of what is looked for."""


async def _contents(view: PageView) -> Values:
    words = view.query.get("q", "")
    pages = await trio.to_thread.run_sync(
        lambda: [one for one in manual.pages() if _may_see(view, one)]
    )
    found_pages = await trio.to_thread.run_sync(lambda: [*manual.search(words[:LONGEST])])
    by_folder = {
        _(words): [one for one in pages if one.folder == name] for name, words in FOLDERS.items()
    }
    by_folder[_(OTHERS)] = [one for one in pages if not one.folder]
    return {
        "folders": by_folder,
        "words": words,
        "found": [one for one in found_pages if _may_see(view, one[0])],
    }


async def _page(view: PageView) -> Values:
    topic = view.path["topic"]
    try:
        page = await trio.to_thread.run_sync(manual.find, topic)
    except manual.UnknownTopic:
        page = None
    if page is None or not _may_see(view, page):
        raise ApiRefused(
            HTTPStatus.NOT_FOUND,
            {
                "detail": _(
                    "the manual has no page %(topic)s; %(all)s lists all", topic=topic, all=HELP
                )
            },
        )
    return {"topic": page, "html": partial(rendering.to_html, page)}


# The requests of the API


async def _requests(view: PageView) -> Values:
    """Return the groups of requests; those of a group, without its schemas; or all of one
    request."""
    group, asked = view.query.get("group", ""), view.query.get("request", "")
    groups = Counter(one.group for one in view.api.endpoints.values())
    found = [one for one in view.api.endpoints.values() if one.group == group]
    if group and not found:
        raise ApiRefused(
            HTTPStatus.NOT_FOUND, {"detail": _("the API has no requests of %(group)s", group=group)}
        )
    one = next((one for one in found if f"{one.method} {one.path}" == asked), None)
    if asked and one is None:
        raise ApiRefused(
            HTTPStatus.NOT_FOUND, {"detail": _("the API has no request %(request)s", request=asked)}
        )
    shown = None if one is None else await trio.to_thread.run_sync(_request, one)
    fields = () if one is None else tuple(every(fields_of(one)))
    return {
        "groups": groups,
        "group": group,
        "found": found,
        "one": one,
        "shown": shown,
        "fields": fields,
    }


def _request(one: Endpoint) -> Values:
    """Return what the documentation says of a request."""
    described = document([one])
    operation = described["paths"][one.path][one.method.lower()]
    body = operation.get("requestBody", {}).get("content", {})
    schemas = described["components"]["schemas"]
    return {
        **operation,
        "schemas": [in_full(content["schema"], schemas) for content in body.values()],
    }


def _may_see(view: PageView, page: manual.ManualPage) -> bool:
    return view.caller.role > Role.DRIVER or page.folder == manual.OF_DRIVERS


PAGES: Final = N_(
    (
        DashboardPage(HELP, "Help", "help.html", _contents, role=Role.DRIVER),
        DashboardPage(
            f"{HELP}/api", "The API", "help/api.html", _requests, help="tasks/call-the-api"
        ),
        DashboardPage(f"{HELP}/{{topic:path}}", "Help", "help/page.html", _page, role=Role.DRIVER),
    )
)
