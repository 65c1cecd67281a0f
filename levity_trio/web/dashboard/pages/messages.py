"""Messages: who is told what, by which way, and what was sent; for drivers, their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from levity_trio.locale import N_
from levity_trio.notify.kinds import OF_DRIVER, OF_SITE
from levity_trio.store.reads.people import messages as stored
from levity_trio.web.api.engine.endpoints import Role, asked
from levity_trio.web.api.site.messages import ways_of
from levity_trio.web.api.site.system import BelowQuery
from levity_trio.web.dashboard.page import DashboardPage, Look, PageView, Values, reading
from levity_trio.web.dashboard.pages.driver import is_nobody

FEW: Final = 20
KINDS: Final[Mapping[str, str]] = {**OF_SITE, **OF_DRIVER}


def _sent(look: Look, view: PageView) -> Values:
    before = view.query.get("before")
    query = asked(BelowQuery, {"before": before} if before else {})
    sent = look(stored.messages, before=query.before, limit=FEW)
    recipients = look(stored.recipients, account=None)
    return {
        "ways": ways_of(view.api.server.config),
        "recipients": recipients,
        "must_scan": [recipient for recipient in recipients if recipient.must_scan],
        "kinds": KINDS,
        "sent": sent,
        "older": sent[-1].id if len(sent) == FEW else None,
    }


async def _own(view: PageView) -> Values:
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
        DashboardPage(
            "/messages",
            "Messages",
            "messages.html",
            reading(_sent),
            section="System",
            role=Role.OPERATOR,
            help="tasks/be-told",
        ),
        DashboardPage(
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
