"""System: the server itself, who may use it, and what was done with it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import groupby
from typing import Final

from levity_trio.locale import N_, _
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.page import DashboardPage, PageView, Values, names_of_chargers
from levity_trio.web.dashboard.titles import deed

ADMIN: Final = "/api/admin"
FEW: Final = 20
SECTION: Final = N_("System")
TRUST: Final = "/trust"


async def _system(view: PageView) -> Values:
    system = await view.get("/api/system")
    ordered = sorted(system["settings"] or [], key=lambda one: str(one["group"]))
    return {
        "system": system,
        "known": (await view.get(f"{ADMIN}/chargers", limit=1)).get("total", _("over 10,000")),
        "settings": [
            (name, [*some]) for name, some in groupby(ordered, lambda one: str(one["group"]))
        ],
        "given": sum(1 for one in system["settings"] or [] if one["origin"] != "default"),
        "webhooks": [
            one for one in (await view.get(f"{ADMIN}/webhooks")) if one["removed_at"] is None
        ],
        "mqtt": await view.find(f"{ADMIN}/mqtt"),
        "ways": await view.get(f"{ADMIN}/messages/ways"),
        "values": {one["name"]: one["value"] for one in system["settings"] or []},
        "stations": (await view.get(f"{ADMIN}/stations"))["data"],
    }


async def _people(view: PageView) -> Values:
    users = await view.get(f"{ADMIN}/users")
    tokens = await view.get(f"{ADMIN}/tokens")
    return {
        "users": [one for one in users if one["removed_at"] is None],
        "tokens": [one for one in tokens if one["revoked_at"] is None],
        "logins": await view.get(f"{ADMIN}/logins"),
        "own": view.caller.login,
    }


async def _audit(view: PageView) -> Values:
    actions = await view.get(f"{ADMIN}/audit", before=view.query.get("before"), limit=FEW)
    chargers = await names_of_chargers(view)
    shown = [{**one, "words": _done(one, chargers)} for one in actions]
    return {"actions": shown, "older": actions[-1]["id"] if len(actions) == FEW else None}


async def _trust(view: PageView) -> Values:
    own = await view.find(f"{ADMIN}/pages-certificate")
    if own is None:
        return {"own": None}
    pairs = [own["root"]["fingerprint"][at : at + 2].upper() for at in range(0, 64, 2)]
    return {"own": own, "fingerprint": " ".join(pairs)}


def _done(action: Values, chargers: Mapping[str, str]) -> str | None:
    """Return what was done, and to what; None for what is done by no form."""
    done = deed(action["method"], action["path"])
    if done is None or not done.names:
        return done and done.title
    first, *others = done.names
    named = chargers.get(first, first) if done.is_about_charger else first
    return f"{done.title}: {', '.join((named, *others))}"


_page: Final = partial(DashboardPage, section=SECTION, role=Role.ADMIN)
PAGES: Final = N_(
    (
        _page("/system", "System", "system.html", _system, help="reference/settings"),
        _page(
            "/system/people",
            "Who has access",
            "system/people.html",
            _people,
            help="tasks/phone#1-add-yourself",
        ),
        DashboardPage(TRUST, "Trust this site", "trust.html", _trust, help="tasks/phone#2-at-home"),
        _page(
            "/system/audit",
            "Who did what",
            "system/audit.html",
            _audit,
            help="explanation/security#who-may-do-what",
        ),
    )
)
