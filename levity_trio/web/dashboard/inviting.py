"""What is handed to a driver who was invited: the code, where it is typed, and for a link its URL and QR code, unless
only this machine opens it.

In the URL the code stands behind `#`: browsers keep that part to themselves, so it reaches no log and no proxy.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from levity_trio.config import ServerConfig
from levity_trio.web.api.endpoints import Endpoint
from levity_trio.web.api.users import USER, USERS
from levity_trio.web.dashboard.page import View
from levity_trio.web.drivers_address import drivers_address
from levity_trio.web.invitations import LINK

DRIVER: Final = "driver"
WELCOME: Final = "/welcome"
"""The page that takes codes."""
TEMPLATE: Final = "invited.html"


async def handed_out(view: View, endpoint: Endpoint, answer: Any, config: ServerConfig) -> Mapping[str, Any] | None:
    """Return what the page of a new code shows, None unless it is a driver's."""
    made = _invitation(endpoint, answer)
    address = drivers_address(config)
    if made is None or address is None:
        return None
    user = await view.get(f"{USERS}/{made['user']}")
    if user["role"] != DRIVER:
        return None
    is_link = made["kind"] == LINK and not made["is_local"]
    url = f"{address}{WELCOME}#{made['code']}" if is_link else None
    return {
        "user": user,
        "invitation": made,
        "url": url,
        "rows": url and _rows(url),
        "welcome": f"{address}{WELCOME}",
    }


def _invitation(endpoint: Endpoint, answer: Any) -> Mapping[str, Any] | None:
    if endpoint.status != HTTPStatus.CREATED:
        return None
    found: Any = {USERS: lambda: answer["invitation"], f"{USER}/invitations": lambda: answer}.get(endpoint.path)
    return None if found is None else found()


def _rows(url: str) -> tuple[str, ...]:
    from levity_trio.documents.qr import text_code  # noqa: PLC0415 - its library takes memory, and is needed only here

    return text_code(url)
