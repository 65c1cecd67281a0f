"""The pages that are checked: all of the dashboard, at a furnished site, and those beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import quote

from levity_trio.web.dashboard import pages
from tests.browser.furnished import IMPORTED
from tests.browser.site import Site

OF_STRANGERS: Final = ("/login", "/login?next=/d/at/SPACE-09", "/welcome")
"""The log-in, that of a driver who scanned a code, and the page that takes one-time codes."""
TASKS: Final = tuple(
    f"/do/post/admin/{one}"
    for one in (
        "households",
        "move-ins",
        "accounts/{id}/move-out",
        "accounts/{id}/give?what=card",
        "accounts/{id}/give?what=space",
        "accounts/{id}/give?what=car",
        "transactions/{id}/correct",
        "recipients",
        "backends",
        "series",
        "series/{id}/import",
    )
)
"""Forms with a page of their own."""
TRIED: Final = (
    "/tariffs/new?name=Night&price=0.4&night_price=cheap&since=2030-01-01&whom=site&show=1"
)
"""A price that is refused at its field."""
MOVING: Final = (
    "/tariffs/new?name=Moving&moves=true&series=Market&since=2030-01-01&whom=site&show=1"
)
"""A price by a series that has none yet."""
REQUEST: Final = "/help/api?group=tariffs&request=POST+/api/admin/tariff-prices"
BESIDE: Final = (
    *(
        *OF_STRANGERS,
        IMPORTED,
        *TASKS,
        "/do/post/admin/chargers",
        "/do/post/me/password",
        "/api/docs",
    ),
    *(TRIED, TRIED.replace("cheap", "0.2"), MOVING, REQUEST),
)
"""With forms that are made from a declaration, and the documentation."""
PAGES: Final = (*(one.path for one in pages.PAGES), *BESIDE)
OF_THE_MANUAL: Final = {"help": "reference/settings"}
"""What every site has."""
Scheme = Literal["light", "dark"]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
_PARAMETER: Final = re.compile(r"\{(\w+)(?::\w+)?\}")


def filled(path: str, site: Site) -> str:
    """Fill in a page's path with what the furnished site has."""
    return fill_in(path, site.shown)


def reader_of(path: str) -> str:
    """Return the role in which a page is looked at, "" for a stranger's. A log-in opens pages, but
    not the API."""
    if path in OF_STRANGERS:
        return ""
    if path.startswith("/api/"):
        return "program"
    return "driver" if path.startswith(("/d/", "/do/post/me/")) else "admin"


def fill_in(path: str, shown: Mapping[str, object]) -> str:
    """Replace each parameter by what is known by the word before it (in /chargers/{id} that is
    "chargers").

    Where several belong together, the whole path is known instead.
    """
    known = {**OF_THE_MANUAL, **shown}
    return (
        str(known[path])
        if path in known
        else _PARAMETER.sub(lambda found: quote(str(known[_before(path, found)]), safe=""), path)
    )


def _before(path: str, found: re.Match[str]) -> str:
    return path[: found.start()].strip("/").rpartition("/")[2]
