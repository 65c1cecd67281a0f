"""What a form has done, in words of people. Where there are none, the summary of the endpoint says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

WORDS: Final[Mapping[tuple[str, str], str]] = {
    ("POST", "/api/admin/transactions/{id}/confirm"): "Confirmed: {energy_kwh} kWh",
    ("POST", "/api/admin/transactions/{id}/correct"): "Corrected: the session has {energy_kwh} kWh",
    ("POST", "/api/admin/transactions/{id}/close"): "Closed: the session has {energy_kwh} kWh",
    ("POST", "/api/admin/reviews/{id}/dismiss"): "Done: the session keeps its {energy_kwh} kWh",
    ("POST", "/api/admin/set-aside/{id}/attach"): "Done: the message belongs to session {id}",
    ("POST", "/api/admin/set-aside/{id}/make-transaction"): "Done: the message became session {id}",
    ("POST", "/api/admin/set-aside/{id}/dismiss"): "Done: the message does not matter",
    ("POST", "/api/admin/chargers/{id}/adopt"): "{charger} is adopted",
    ("POST", "/api/admin/chargers/{id}/refuse"): "{charger} is refused",
    ("POST", "/api/admin/id-tags"): "Added: {id_tag} is {status}",
    ("PATCH", "/api/admin/id-tags/{tag}"): "Changed: {id_tag} is {status}",
    ("DELETE", "/api/admin/id-tags/{tag}"): "Removed: {tag}",
    ("DELETE", "/api/admin/users/{id}"): "Removed: the code and the log-ins of this user have ended",
    ("DELETE", "/api/admin/asked-id-tags/{tag}"): "Forgotten: {tag}, until it is presented again",
}


def told(method: str, path: str, values: Mapping[str, Any]) -> str | None:
    """Return what was done, of the values in the path and in the answer."""
    words = WORDS.get((method, path))
    return None if words is None else words.format_map(values)
