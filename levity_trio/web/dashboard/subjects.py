"""What a form is about beside a charger: the session, the household or the tag that its path names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from levity_trio.web.api.endpoints import Endpoint
from levity_trio.web.dashboard.inside import Refused
from levity_trio.web.dashboard.page import View

SESSION, WALLET, TAG = "/api/admin/transactions/{id}", "/api/admin/wallets/{id}", "/api/admin/id-tags/{tag}"
SOURCES: Final[Mapping[str, tuple[str, str]]] = {
    SESSION: ("session", SESSION),
    WALLET: ("wallet", WALLET),
    "/api/admin/accounts/{id}": ("wallet", WALLET),
    TAG: ("tag", TAG),
}
"""By the beginning of an endpoint's path: which subject it names, and where the API shows that."""


class Subject(NamedTuple):
    """As the API shows it; None for what the path does not name."""

    session: Mapping[str, Any] | None = None
    wallet: Mapping[str, Any] | None = None
    """Of a household."""
    tag: Mapping[str, Any] | None = None


async def subject_of(view: View, endpoint: Endpoint) -> Subject | None:
    """Return what a request is about, None if that is nothing of these, or if there is none."""
    for begin, (name, path) in SOURCES.items():
        if f"{endpoint.path}/".startswith(f"{begin}/"):
            try:
                return Subject(**{name: await view.get(path.format(**view.path))})
            except Refused:
                return None
    return None
