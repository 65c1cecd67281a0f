"""What a charger did and has: its history, configuration, limits, security, repairs and habits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from levity_trio.locale import N_
from levity_trio.store.reads.chargers import charger_facts as facts
from levity_trio.store.reads.chargers import plans
from levity_trio.store.reads.chargers.files import files
from levity_trio.store.reads.chargers.links import links
from levity_trio.store.reads.chargers.security import decisions
from levity_trio.store.reads.pages import ListPage, WantedPage
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.page import DashboardPage, PageView, Read, Values
from levity_trio.web.dashboard.pages.charger import PATH, SECTION, head
from levity_trio.web.dashboard.refusals import ApiRefused
from levity_trio.web.dashboard.snapshots import Look

ROWS: Final = 50
SAME: Final = "same"
OF_OTHERS: Final = "conflict"
"""What the API answers for a template that is not for a charger."""


class FactColumn(NamedTuple):
    """A column: its head, the field that it shows, and how: text, time, number, size, yes, code,
    habit, state, person or told."""

    title: str
    field: str
    kind: str = "text"


class FactList(NamedTuple):
    """A list that the API has of a charger: the end of its path, and its table."""

    path: str
    title: str
    columns: tuple[FactColumn, ...]
    empty: str


_TIME: Final = N_(FactColumn("When", "timestamp", "time"))
_HISTORY: Final = N_(
    (
        FactList(
            "statuses",
            "Statuses",
            (
                _TIME,
                FactColumn("Connector", "connector", "number"),
                FactColumn("Status", "status"),
                FactColumn("Error", "error_code"),
                FactColumn("Of the vendor", "vendor_error_code"),
                FactColumn("Words", "info"),
                FactColumn("Times", "count", "number"),
            ),
            "The charger has not reported a status yet.",
        ),
        FactList(
            "faults",
            "Faults and warnings",
            (
                FactColumn("Since", "timestamp", "time"),
                FactColumn("Until", "resolved_at", "time"),
                FactColumn("Connector", "connector", "number"),
                FactColumn("Fault", "error_code", "words"),
                FactColumn("Of the vendor", "vendor_error_code"),
                FactColumn("Words", "error_description"),
                FactColumn("Only a warning", "is_warning", "yes"),
            ),
            "The charger has reported no fault.",
        ),
        FactList(
            "links",
            "Connections",
            (
                FactColumn("From", "connected_at", "time"),
                FactColumn("Until", "ended_at", "time"),
                FactColumn("Closed with", "close_code", "number"),
                FactColumn("Reason", "close_reason", "told"),
                FactColumn("Address", "remote_address"),
            ),
            "The charger never connected.",
        ),
        FactList(
            "boots",
            "Boots",
            (
                FactColumn("When", "received_at", "time"),
                FactColumn("Answer", "answer"),
                FactColumn("Firmware", "firmware_version"),
                FactColumn("Vendor", "vendor"),
                FactColumn("Model", "model"),
                FactColumn("Serial number", "serial_number"),
            ),
            "The charger has not booted yet.",
        ),
    )
)
_ODDITIES: Final = N_(
    (
        FactList(
            "repairs",
            "Repairs of its messages",
            (
                FactColumn("What", "kind", "words"),
                FactColumn("Times", "count", "number"),
                FactColumn("First", "first_at", "time"),
                FactColumn("Last", "last_at", "time"),
                FactColumn("Firmware", "firmware"),
                FactColumn("Example", "sample", "code"),
            ),
            "Nothing: the charger's messages are in order.",
        ),
        FactList(
            "habits",
            "Habits",
            (
                FactColumn("What", "kind", "habit"),
                FactColumn("Connector", "connector", "number"),
                FactColumn("Sessions", "transactions", "number"),
                FactColumn("Shown by", "charger"),
                FactColumn("Asked each time by", "asks_by", "person"),
                FactColumn("Since", "since", "time"),
                FactColumn("Last", "last_at", "time"),
                FactColumn("Firmware", "firmware"),
            ),
            "None is known.",
        ),
    )
)
_SET_ASIDE: Final = N_(
    FactList(
        "set-aside",
        "Messages set aside",
        (
            FactColumn("When", "received_at", "time"),
            FactColumn("Message", "action"),
            FactColumn("Why", "reason"),
            FactColumn("Times", "count", "number"),
            FactColumn("Looked at", "looked_at", "time"),
            FactColumn("All of it", "payload", "code"),
        ),
        "None.",
    )
)
_LIMITS: Final = N_(
    (
        FactList(
            "profiles",
            "Charging profiles",
            (
                FactColumn("Since", "created_at", "time"),
                FactColumn("Connector", "connector", "number"),
                FactColumn("Profile", "profile", "number"),
                FactColumn("Purpose", "purpose"),
                FactColumn("Level", "stack_level", "number"),
                FactColumn("State", "state"),
                FactColumn("All of it", "content", "code"),
            ),
            "No profile was sent to the charger.",
        ),
        FactList(
            "reservations",
            "Reservations",
            (
                FactColumn("Made", "created_at", "time"),
                FactColumn("Number", "reservation", "number"),
                FactColumn("Connector", "connector", "number"),
                FactColumn("Card", "id_tag"),
                FactColumn("Until", "expires_at", "time"),
                FactColumn("State", "state"),
            ),
            "There was no reservation.",
        ),
        FactList(
            "local-lists",
            "Card lists",
            (
                FactColumn("Sent", "created_at", "time"),
                FactColumn("Version", "version", "number"),
                FactColumn("Entries", "entries", "code"),
            ),
            "No list was sent to the charger.",
        ),
    )
)
_FILES: Final = N_(
    FactList(
        "files",
        "Files",
        (
            FactColumn("When", "created_at", "time"),
            FactColumn("Kind", "kind"),
            FactColumn("Name", "name"),
            FactColumn("Size", "size_bytes", "size"),
            FactColumn("State", "state"),
        ),
        "The charger has sent no file.",
    )
)
_REGISTRATIONS: Final = N_(
    FactList(
        "registrations",
        "Decisions about this charger",
        (
            FactColumn("When", "decided_at", "time"),
            FactColumn("Decision", "decision", "words"),
            FactColumn("By", "decided_by", "person"),
            FactColumn("Reason", "reason", "ground"),
        ),
        "Nobody has decided yet.",
    )
)


def api_of(view: PageView) -> str:
    """Return the path of the charger in the API."""
    return f"/api/admin/chargers/{view.path['id']}"


_WHOLE: Final[Mapping[str, Callable[..., Sequence[object]]]] = {
    "repairs": facts.repairs,
    "habits": facts.habits,
}
_PAGED: Final[Mapping[str, Callable[..., ListPage[Any]]]] = {
    "statuses": partial(facts.statuses, connector=None),
    "faults": facts.faults,
    "links": links,
    "boots": facts.boots,
    "set-aside": facts.set_aside,
    "profiles": plans.profiles,
    "reservations": plans.reservations,
    "local-lists": plans.local_lists,
    "files": files,
    "registrations": decisions,
}
_OF_NOW: Final = ("profiles", "reservations")
"""How each list is read. Some have a state, which is that of now."""


def _table(look: Look, view: PageView, kind: FactList) -> Values:
    charger, wanted = (
        view.path["id"],
        WantedPage(limit=ROWS, cursor=view.query.get("cursor") or None),
    )
    if kind.path in _WHOLE:
        return {**kind._asdict(), "rows": look(_WHOLE[kind.path], charger), "cursor": None}
    state = {"now": view.api.server.now()} if kind.path in _OF_NOW else {}
    found = look(_PAGED[kind.path], charger=charger, wanted=wanted, **state)
    return {**kind._asdict(), "rows": found.data, "cursor": found.next_cursor}


def _chosen(tab: str, kinds: Sequence[FactList], for_operators: Sequence[FactList] = ()) -> Read:
    """Return how a page reads the list that its reader has chosen."""

    def shown(look: Look, view: PageView) -> Values:
        offered = (*kinds, *(for_operators if view.caller.role >= Role.OPERATOR else ()))
        kind = next((one for one in offered if one.path == view.query.get("show")), offered[0])
        return {
            **head(look, view, tab),
            "kinds": offered,
            "kind": kind,
            "table": _table(look, view, kind),
        }

    async def read(view: PageView) -> Values:
        return await view.look(shown, view)

    return read


def _limits(look: Look, view: PageView) -> Sequence[plans.ConnectorLimit]:
    return look(plans.limits, view.path["id"], view.api.server.now())


async def _read_limits(view: PageView) -> Values:
    return {
        **await _chosen("limits", (*_LIMITS, _FILES))(view),
        "limits": await view.look(_limits, view),
        "lists": (await view.get(f"{api_of(view)}/local-lists/status"))["data"],
    }


async def _read_configuration(view: PageView) -> Values:
    return {
        **await view.look(head, view, "configuration"),
        "entries": (await view.get(f"{api_of(view)}/configuration"))["data"],
        "readings": (await view.get(f"{api_of(view)}/configuration/readings", limit=1))["data"],
        "changes": await _changes(view),
        "templates": [one async for one in _compared(view)],
        "policy": await view.get(f"{api_of(view)}/offline-policy"),
    }


async def _changes(view: PageView) -> Sequence[Values]:
    try:
        changes: list[Values] = (await view.get(f"{api_of(view)}/configuration/changes"))["data"]
    except ApiRefused:  # it was not read twice yet
        return []
    return changes


async def _compared(view: PageView) -> AsyncIterator[Values]:
    """Yield each template that is for this charger, with the keys that are not as it says."""
    for template in (await view.get("/api/admin/configuration-templates"))["data"]:
        path = f"/api/admin/configuration-templates/{template['name']}/report"
        try:
            (one,) = (await view.get(path, charger=view.path["id"]))["chargers"]
        except ApiRefused as refused:
            if refused.code != OF_OTHERS:
                raise
            continue
        yield {
            "name": template["name"],
            "differing": [key for key in one["keys"] if key["standing"] != SAME],
        }


async def _read_security(view: PageView) -> Values:
    return {
        **await view.look(head, view, "security"),
        "security": await view.get(f"{api_of(view)}/security"),
        "way": await _way(view),
        "table": await view.look(_table, view, _REGISTRATIONS),
    }


async def _way(view: PageView) -> Values | None:
    try:
        way: Values = await view.get(f"{api_of(view)}/security-profile")
    except ApiRefused:  # none was asked for
        return None
    return way


HELP: Final = {
    "oddities": "reference/repairs",
    "limits": "reference/operations",
    "security": "tasks/raise-security",
}
"""The topic of the manual about a tab, where it is not that of the charger's page."""


def _page(
    tab: str, title: str, read: Read, role: Role = Role.VIEWER, template: str = ""
) -> DashboardPage:
    chosen, help_ = f"charger/{template or tab}.html", HELP.get(tab, "tasks/a-charger-is-away")
    return DashboardPage(
        f"{PATH}/{tab}", title, chosen, read, role=role, section=SECTION, help=help_
    )


PAGES: Final = N_(
    (
        _page("history", "History", _chosen("history", _HISTORY)),
        _page(
            "oddities",
            "Repairs and habits",
            _chosen("oddities", _ODDITIES, (_SET_ASIDE,)),
            template="history",
        ),
        _page("limits", "Limits and lists", _read_limits),
        _page("configuration", "Configuration", _read_configuration),
        _page("security", "Security", _read_security, Role.OPERATOR),
    )
)
