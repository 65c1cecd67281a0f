"""System: the server itself, who may use it, and what was done with it."""

from __future__ import annotations

from functools import partial
from typing import Final

import trio

from levity_trio.locale import N_, _
from levity_trio.notify.sending import sender_of
from levity_trio.store.upkeep.nightly import is_same_disk
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.site.messages import known_server
from levity_trio.web.api.site.receivers import BACKENDS
from levity_trio.web.dashboard.page import DashboardPage, PageView, Values, names_of_chargers
from levity_trio.web.dashboard.titles import deed

ADMIN: Final = "/api/admin"
FEW: Final = 20
SECTION: Final = N_("System")
TRUST: Final = "/trust"
WAYS_PAGE: Final = "/system/ways"


async def _system(view: PageView) -> Values:
    system = await view.get("/api/system")
    settings = system["settings"] or []
    groups: dict[str, list[Values]] = {}
    for setting in settings:
        groups.setdefault(str(setting["group"]), []).append(setting)

    chargers = await view.get(f"{ADMIN}/chargers", limit=1)
    webhooks = await view.get(f"{ADMIN}/webhooks")
    stations = await view.get(f"{ADMIN}/stations")
    return {
        "system": system,
        "known": chargers.get("total", _("over 10,000")),
        "settings": sorted(groups.items()),
        "given": sum(setting["origin"] != "default" for setting in settings),
        "webhooks": [webhook for webhook in webhooks if webhook["removed_at"] is None],
        "mqtt": await view.find(f"{ADMIN}/mqtt"),
        "values": {setting["name"]: setting["value"] for setting in settings},
        "stations": stations["data"],
    }


async def _ways(view: PageView) -> Values:
    config = view.api.server.config
    return {
        "config": config,
        "rows": {row.name: row for row in config.in_force},
        "mail": known_server(config.mail),
        "sender": sender_of(config),
        "push": known_server(config.ntfy),
        "ping": known_server(config.ping_url).server.partition("/")[0],
        "is_same_disk": await trio.to_thread.run_sync(is_same_disk, config),
        "system": await view.get("/api/system"),
    }


async def _people(view: PageView) -> Values:
    users = await view.get(f"{ADMIN}/users")
    tokens = await view.get(f"{ADMIN}/tokens")
    return {
        "users": [user for user in users if user["removed_at"] is None],
        "tokens": [token for token in tokens if token["revoked_at"] is None],
        "logins": await view.get(f"{ADMIN}/logins"),
        "own": view.caller.login,
    }


async def _audit(view: PageView) -> Values:
    actions = await view.get(f"{ADMIN}/audit", before=view.query.get("before"), limit=FEW)
    chargers = await names_of_chargers(view)
    shown: list[Values] = []
    for action in actions:
        # What is done by no form has no words.
        words = None
        done = deed(action["method"], action["path"])
        if done is not None:
            names = [*done.names]
            if done.is_about_charger:
                names[0] = chargers.get(names[0], names[0])
            words = ": ".join([done.title, ", ".join(names)] if names else [done.title])
        shown.append({**action, "words": words})
    older = actions[-1]["id"] if len(actions) == FEW else None
    return {"actions": shown, "older": older}


async def _backends(view: PageView) -> Values:
    backends = await view.get(BACKENDS)
    for backend in backends:
        backend["refused"] = await view.get(f"{BACKENDS}/{backend['id']}/refused", limit=FEW)
    return {"backends": backends, "names": await names_of_chargers(view)}


async def _trust(view: PageView) -> Values:
    own = await view.find(f"{ADMIN}/pages-certificate")
    if own is None:
        return {"own": None}
    # Browsers and telephones show it in pairs of capital digits, so one can compare them.
    digits = own["root"]["fingerprint"].upper()
    pairs = [digits[at : at + 2] for at in range(0, 64, 2)]
    return {"own": own, "fingerprint": " ".join(pairs)}


_page: Final = partial(DashboardPage, section=SECTION, role=Role.ADMIN)
PAGES: Final = N_(
    (
        _page("/system", "System", "system.html", _system, help="reference/settings"),
        _page(
            WAYS_PAGE,
            "Messages and backup",
            "system/ways.html",
            _ways,
            help="tasks/be-told",
        ),
        _page(
            "/system/people",
            "Who has access",
            "system/people.html",
            _people,
            help="tasks/phone#1-add-yourself",
        ),
        _page(
            TRUST,
            "Trust this site",
            "trust.html",
            _trust,
            role=Role.VIEWER,
            help="tasks/phone#2-at-home",
        ),
        _page(
            "/backends",
            "Other backends",
            "system/backends.html",
            _backends,
            section="Other backends",
            help="tasks/tell-another-backend",
        ),
        _page(
            "/system/audit",
            "Who did what",
            "system/audit.html",
            _audit,
            help="explanation/security#who-may-do-what",
        ),
    )
)
