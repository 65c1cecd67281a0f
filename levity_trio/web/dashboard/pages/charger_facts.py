"""What a charger did and has: its history, configuration, limits, security, repairs and habits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from levity_trio.locale import N_
from levity_trio.store.reads.chargers import chargers as facts
from levity_trio.store.reads.chargers import configuration
from levity_trio.store.reads.chargers.chargers import links
from levity_trio.store.reads.chargers.configuration import files
from levity_trio.store.reads.chargers.security import decisions
from levity_trio.store.reads.pages import ListPage, WantedPage
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.page import (
    ApiRefused,
    DashboardPage,
    Look,
    PageView,
    Read,
    Values,
    reading,
)
from levity_trio.web.dashboard.pages.charger import PATH, SECTION, head

ROWS: Final = 50
TEMPLATES: Final = "/api/admin/configuration-templates"
SAME: Final = "same"
OF_OTHERS: Final = "conflict"
"""What the API answers for a template that is not for a charger."""


class FactColumn(NamedTuple):
    """A column: its head, the field that it shows, and how: text, time, number, size, yes, code,
    habit, state, person or told."""

    title: str
    field: str
    kind: str


class FactList(NamedTuple):
    """A list that the API has of a charger: the end of its path, and its table. `heads` has the
    head of each column by its field, after which stands how it is shown, if not as text."""

    path: str
    title: str
    heads: Mapping[str, str]
    empty: str

    @property
    def columns(self) -> list[FactColumn]:
        columns: list[FactColumn] = []
        for column, title in self.heads.items():
            field, _space, kind = column.partition(" ")
            columns.append(FactColumn(title, field, kind or "text"))
        return columns


STATUSES: Final = N_(
    FactList(
        "statuses",
        "Statuses",
        {
            "timestamp time": "When",
            "connector number": "Connector",
            "status": "Status",
            "error_code": "Error",
            "vendor_error_code": "Of the vendor",
            "info": "Words",
            "count number": "Times",
        },
        "The charger has not reported a status yet.",
    )
)
FAULTS: Final = N_(
    FactList(
        "faults",
        "Faults and warnings",
        {
            "timestamp time": "Since",
            "resolved_at time": "Until",
            "connector number": "Connector",
            "error_code words": "Fault",
            "vendor_error_code": "Of the vendor",
            "error_description": "Words",
            "is_warning yes": "Only a warning",
        },
        "The charger has reported no fault.",
    )
)
LINKS: Final = N_(
    FactList(
        "links",
        "Connections",
        {
            "connected_at time": "From",
            "ended_at time": "Until",
            "close_code number": "Closed with",
            "close_reason told": "Reason",
            "remote_address": "Address",
        },
        "The charger never connected.",
    )
)
BOOTS: Final = N_(
    FactList(
        "boots",
        "Boots",
        {
            "received_at time": "When",
            "answer": "Answer",
            "firmware_version": "Firmware",
            "vendor": "Vendor",
            "model": "Model",
            "serial_number": "Serial number",
        },
        "The charger has not booted yet.",
    )
)
REPAIRS: Final = N_(
    FactList(
        "repairs",
        "Repairs of its messages",
        {
            "kind words": "What",
            "count number": "Times",
            "first_at time": "First",
            "last_at time": "Last",
            "firmware": "Firmware",
            "sample code": "Example",
        },
        "Nothing: the charger's messages are in order.",
    )
)
HABITS: Final = N_(
    FactList(
        "habits",
        "Habits",
        {
            "kind habit": "What",
            "connector number": "Connector",
            "transactions number": "Sessions",
            "charger": "Shown by",
            "asks_by person": "Asked each time by",
            "since time": "Since",
            "last_at time": "Last",
            "firmware": "Firmware",
        },
        "None is known.",
    )
)
SET_ASIDE: Final = N_(
    FactList(
        "set-aside",
        "Messages set aside",
        {
            "received_at time": "When",
            "action": "Message",
            "reason": "Why",
            "count number": "Times",
            "looked_at time": "Looked at",
            "payload code": "All of it",
        },
        "None.",
    )
)
PROFILES: Final = N_(
    FactList(
        "profiles",
        "Charging profiles",
        {
            "created_at time": "Since",
            "connector number": "Connector",
            "profile number": "Profile",
            "purpose": "Purpose",
            "stack_level number": "Level",
            "state": "State",
            "content code": "All of it",
        },
        "No profile was sent to the charger.",
    )
)
RESERVATIONS: Final = N_(
    FactList(
        "reservations",
        "Reservations",
        {
            "created_at time": "Made",
            "reservation number": "Number",
            "connector number": "Connector",
            "id_tag": "Card",
            "expires_at time": "Until",
            "state": "State",
        },
        "There was no reservation.",
    )
)
LOCAL_LISTS: Final = N_(
    FactList(
        "local-lists",
        "Card lists",
        {
            "created_at time": "Sent",
            "version number": "Version",
            "entries code": "Entries",
        },
        "No list was sent to the charger.",
    )
)
FILES: Final = N_(
    FactList(
        "files",
        "Files",
        {
            "created_at time": "When",
            "kind": "Kind",
            "name": "Name",
            "size_bytes size": "Size",
            "state": "State",
        },
        "The charger has sent no file.",
    )
)
REGISTRATIONS: Final = N_(
    FactList(
        "registrations",
        "Decisions about this charger",
        {
            "decided_at time": "When",
            "decision words": "Decision",
            "decided_by person": "By",
            "reason ground": "Reason",
        },
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
    "profiles": configuration.profiles,
    "reservations": configuration.reservations,
    "local-lists": configuration.local_lists,
    "files": files,
    "registrations": decisions,
}
_OF_NOW: Final = ("profiles", "reservations")
"""How each list is read. Some have a state, which is that of now."""


def _table(look: Look, view: PageView, facts_of: FactList) -> Values:
    """Return the rows of a list, with what its table needs."""
    charger = view.path["id"]
    cursor = None
    if facts_of.path in _WHOLE:
        rows = look(_WHOLE[facts_of.path], charger)
    else:
        wanted = WantedPage(limit=ROWS, cursor=view.cursor)
        state = {"now": view.api.server.now()} if facts_of.path in _OF_NOW else {}
        page = look(_PAGED[facts_of.path], charger=charger, wanted=wanted, **state)
        rows = page.data
        cursor = page.next_cursor
    return {
        "title": facts_of.title,
        "columns": facts_of.columns,
        "empty": facts_of.empty,
        "rows": rows,
        "cursor": cursor,
    }


def _chosen(tab: str, lists: Sequence[FactList], for_operators: Sequence[FactList] = ()) -> Read:
    """Return how a page reads the list that its reader has chosen."""

    def shown(look: Look, view: PageView) -> Values:
        offered = [*lists]
        if view.caller.role >= Role.OPERATOR:
            offered += for_operators
        chosen = offered[0]
        for each in offered:
            if each.path == view.query.get("show"):
                chosen = each
        table = _table(look, view, chosen)
        return {**head(look, view, tab), "kinds": offered, "kind": chosen, "table": table}

    return reading(shown)


def _limits(look: Look, view: PageView) -> Sequence[configuration.ConnectorLimit]:
    return look(configuration.limits, view.path["id"], view.api.server.now())


_limits_of: Final = _chosen("limits", (PROFILES, RESERVATIONS, LOCAL_LISTS, FILES))


async def _read_limits(view: PageView) -> Values:
    chosen = await _limits_of(view)
    limits = await view.look(_limits, view)
    lists = await view.get(f"{api_of(view)}/local-lists/status")
    return {**chosen, "limits": limits, "lists": lists["data"]}


async def _read_configuration(view: PageView) -> Values:
    page = await view.look(head, view, "configuration")
    path = f"{api_of(view)}/configuration"
    entries = await view.get(path)
    newest = await view.get(f"{path}/readings", limit=1)
    try:
        changes = (await view.get(f"{path}/changes"))["data"]
    except ApiRefused:
        # It was not read twice yet.
        changes = []

    # Each template that is for this charger, with the keys that are not as it says.
    compared: list[Values] = []
    for template in (await view.get(TEMPLATES))["data"]:
        name = template["name"]
        try:
            report = await view.get(f"{TEMPLATES}/{name}/report", charger=view.path["id"])
        except ApiRefused as refused:
            if refused.code != OF_OTHERS:
                raise
            continue
        (of_charger,) = report["chargers"]
        differing = [key for key in of_charger["keys"] if key["standing"] != SAME]
        compared.append({"name": name, "differing": differing})
    return {
        **page,
        "entries": entries["data"],
        "readings": newest["data"],
        "changes": changes,
        "templates": compared,
    }


async def _read_security(view: PageView) -> Values:
    page = await view.look(head, view, "security")
    try:
        way = await view.get(f"{api_of(view)}/security-profile")
    except ApiRefused:
        # None was asked for.
        way = None
    return {
        **page,
        "security": await view.get(f"{api_of(view)}/security"),
        "way": way,
        "table": await view.look(_table, view, REGISTRATIONS),
    }


HELP: Final = {
    "oddities": "reference/repairs",
    "limits": "reference/operations",
    "security": "tasks/raise-security",
}
"""The topic of the manual about a tab, where it is not that of the charger's page."""


def _page(
    tab: str, title: str, read: Read, role: Role = Role.VIEWER, template: str = ""
) -> DashboardPage:
    return DashboardPage(
        f"{PATH}/{tab}",
        title,
        f"charger/{template or tab}.html",
        read,
        role=role,
        section=SECTION,
        help=HELP.get(tab, "tasks/a-charger-is-away"),
    )


PAGES: Final = N_(
    (
        _page("history", "History", _chosen("history", (STATUSES, FAULTS, LINKS, BOOTS))),
        _page(
            "oddities",
            "Repairs and habits",
            _chosen("oddities", (REPAIRS, HABITS), (SET_ASIDE,)),
            template="history",
        ),
        _page("limits", "Limits and lists", _read_limits),
        _page("configuration", "Configuration", _read_configuration),
        _page("security", "Security", _read_security, Role.OPERATOR),
    )
)
