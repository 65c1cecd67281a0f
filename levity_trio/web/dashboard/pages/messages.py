"""Messages: who is told what, by which way, and what was sent; for drivers, their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from levity_trio.locale import N_
from levity_trio.notify.kinds import OF_DRIVER, OF_SITE
from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.page import Page, View
from levity_trio.web.dashboard.pages.driver import is_nobody

ADMIN: Final = "/api/admin"
WAYS: Final = f"{ADMIN}/messages/ways"
FEW: Final = 20
KINDS: Final[Mapping[str, str]] = {**OF_SITE, **OF_DRIVER}


async def _all(view: View) -> Mapping[str, Any]:
    sent = await view.get(f"{ADMIN}/messages", before=view.query.get("before"), limit=FEW)
    recipients = await view.get(f"{ADMIN}/recipients")
    return {
        "ways": await view.get(WAYS),
        "recipients": recipients,
        "must_scan": [one for one in recipients if one["must_scan"]],
        "kinds": KINDS,
        "sent": sent,
        "older": sent[-1]["id"] if len(sent) == FEW else None,
    }


async def _own(view: View) -> Mapping[str, Any]:
    if is_nobody(view):
        return {"is_nobody": True}
    return {
        "is_nobody": False,
        "own": await view.get("/api/me/recipient"),
        "kinds": OF_DRIVER,
        "sent": await view.get("/api/me/messages", limit=FEW),
    }


PAGES: Final = N_(
    (
        Page(
            "/messages", "Messages", "messages.html", _all, section="System", role=Role.OPERATOR, help="tasks/be-told"
        ),
        Page(
            "/d/messages",
            "Messages",
            "driver/messages.html",
            _own,
            section="Me",
            role=Role.DRIVER,
            help="drivers/card-log-in-trouble",
        ),
    )
)
