"""What a form has done, in words of people. Where there are none, the title of the form says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from levity_trio.web.dashboard.notes import Note
from levity_trio.web.dashboard.shapes import moment

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
    ("POST", "/api/admin/id-tags"): "Added: {id_tag} {can}",
    ("PATCH", "/api/admin/id-tags/{tag}"): "Changed: {id_tag} {can}",
    ("DELETE", "/api/admin/id-tags/{tag}"): "Removed: {tag}",
    ("DELETE", "/api/admin/users/{id}"): "Removed: the code and the log-ins of this user have ended",
    ("DELETE", "/api/admin/asked-id-tags/{tag}"): "Forgotten: {tag}, until it is presented again",
}
TAGS: Final[Mapping[str, str]] = {"Accepted": "may charge", "Blocked": "is blocked"}
"""What a tag can, by its status."""


def told(method: str, path: str, values: Mapping[str, Any]) -> str | None:
    """Return what was done, of the values in the path and in the answer."""
    words = WORDS.get((method, path))
    status = values.get("status")
    return None if words is None else words.format_map({**values, "can": TAGS.get(str(status), f"is {status}")})


def under_way(
    title: str, charger: Mapping[str, Any], command: Mapping[str, Any], said: Callable[[datetime], str]
) -> Note:
    """Return how far a command is: what a charger is asked that is away was not sent, it waits."""
    name = charger["name"] or charger["id"]
    if charger["is_connected"] or command["state"] != "queued":
        return Note("done", f"Sent to {name}: {title}. Its course stands below")
    until = f", until {said(moment(command['deadline_at']))}" if command["deadline_at"] else ""
    return Note("warning", f"Waits for {name}, which is away: {title}{until}")
