"""The paths that lead to the API and to the dashboard, also below the path of a proxy
(--public-url)."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from levity_trio.records import record

API: Final = "/api"
FORM: Final = "/do/post/"
"""A part of the path of the form of a POST."""


@record(kw_only=False)
class Below:
    """ASGI middleware: takes the path of the proxy away, and hands on to the API or to the
    pages."""

    base: str
    api: ASGIApp
    pages: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if self.base and (path == self.base or path.startswith(f"{self.base}/")):
            path = path[len(self.base) :] or "/"
            scope = {**scope, "path": path}
        await (self.api if is_api(path) else self.pages)(scope, receive, send)


def base_of(public_url: str | None) -> str:
    """Return the path of --public-url, "" for none."""
    return urlsplit(public_url or "").path.rstrip("/")


def is_api(path: str) -> bool:
    return path == API or path.startswith(f"{API}/")


def of_form(path: str) -> str:
    """Return the path of the API that a form sends to; any other path as it is."""
    _, found, rest = path.partition(FORM)
    return f"{API}/{rest}" if found else path
