"""The manual: its contents, and its pages. Drivers see those that are written for them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import trio

from levity_trio import manual
from levity_trio.locale import N_, _
from levity_trio.manual import rendering
from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.front import HELP
from levity_trio.web.dashboard.inside import Refused
from levity_trio.web.dashboard.page import Page, View

FOLDERS: Final[Mapping[str, str]] = N_(
    {
        "start": "Begin",
        "tasks": "Do something",
        "explanation": "Understand it",
        "reference": "Look something up",
        "drivers": "For those who charge",
    }
)
"""The folders of the manual, in the order of who comes here."""
OTHERS: Final = N_("What is new")
LONGEST: Final = 100
"""Characters of what is looked for."""


async def _contents(view: View) -> Mapping[str, Any]:
    words = view.query.get("q", "")
    pages = await trio.to_thread.run_sync(lambda: [one for one in manual.pages() if _may_see(view, one)])
    found_pages = await trio.to_thread.run_sync(lambda: [*manual.search(words[:LONGEST])])
    by_folder = {_(words): [one for one in pages if one.folder == name] for name, words in FOLDERS.items()}
    by_folder[_(OTHERS)] = [one for one in pages if not one.folder]
    return {"folders": by_folder, "words": words, "found": [one for one in found_pages if _may_see(view, one[0])]}


async def _page(view: View) -> Mapping[str, Any]:
    topic = view.path["topic"]
    try:
        page = await trio.to_thread.run_sync(manual.find, topic)
    except manual.UnknownTopic:
        page = None
    if page is None or not _may_see(view, page):
        raise Refused(
            HTTPStatus.NOT_FOUND,
            {"detail": _("the manual has no page %(topic)s; %(all)s lists all", topic=topic, all=HELP)},
        )
    return {"topic": page, "html": partial(rendering.to_html, page)}


def _may_see(view: View, page: manual.ManualPage) -> bool:
    return view.caller.role > Role.DRIVER or page.folder == manual.OF_DRIVERS


PAGES: Final = N_(
    (
        Page(HELP, "Help", "help.html", _contents, role=Role.DRIVER),
        Page(f"{HELP}/{{topic:path}}", "Help", "help/page.html", _page, role=Role.DRIVER),
    )
)
