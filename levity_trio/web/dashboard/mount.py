"""The place where the dashboard is served: beside the API with all pages, or at the drivers' port
with those of drivers only."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.types import Scope

from levity_trio.locale import FOLDER
from levity_trio.records import record
from levity_trio.web.api.engine.serving import Door, is_of_own_page
from levity_trio.web.http.proxy_path import base_of

DRIVERS: Final = "/d/"
"""The first page of drivers; the others stand below it."""
HELP: Final = "/help"
"""The path of the manual."""
HELP_API: Final = "/help/api"
"""The path of the page that shows what the API can be asked."""
OWN: Final = "/api/me/"
"""The path below which stands what drivers may ask the API for."""


@record
class Mount:
    """One address of the dashboard. `url` is the one by which a proxy before it is reached.

    `at_work`: requests that are served at once. More wait here, not in the queue that all share.
    Strangers have queues of their own (logging_in.py), and event streams have places.
    """

    door: Door
    url: str | None = None
    at_work: float = math.inf
    catalogues: Path = FOLDER
    """The folder of the languages that its readers may have."""

    @property
    def base(self) -> str:
        """The path of the proxy, "" for none."""
        return base_of(self.url)

    def shows(self, path: str) -> bool:
        """Whether it has the page, or the form or file of the API, with this path."""
        if not self.door.is_for_drivers:
            return True
        return path.startswith((DRIVERS, OWN, HELP)) and not path.startswith(HELP_API)

    def is_secure(self, scope: Scope) -> bool:
        """Whether the browser speaks TLS with us, or with the proxy before us."""
        return bool(scope["scheme"] == "https" or (self.url or "").startswith("https:"))

    def is_own_origin(self, request: Request) -> bool:
        """Whether a browser says that a request comes from a page of ours, or says nothing about
        that."""
        return is_of_own_page(request.headers, self.url)


def is_of_drivers(path: str) -> bool:
    """Whether a path is that of a page of drivers."""
    return path.startswith(DRIVERS)
