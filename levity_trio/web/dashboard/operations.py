"""What can be asked of a charger, in words of people and in groups; and the course of what was
asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

from levity_trio.locale import N_, _
from levity_trio.operations import OPERATIONS
from levity_trio.web.dashboard.page import PageView

CHARGER: Final = "/api/admin/chargers/{id}"


class ChargerRequest(NamedTuple):
    """A request about a charger: the end of its path in the API, and what it does."""

    path: str
    words: str
    method: str = "POST"

    @property
    def endpoint(self) -> str:
        """The path as it is declared."""
        return f"{CHARGER}/{self.path}".rstrip("/")


class RequestGroup(NamedTuple):
    """Requests that belong together."""

    title: str
    askings: tuple[ChargerRequest, ...]
    tab: str = "commands"
    """The tab of the charger that offers them."""


GROUPS: Final = N_(
    (
        RequestGroup(
            "Everyday",
            (
                ChargerRequest("remote-start", "Start a session"),
                ChargerRequest("remote-stop", "Stop a session"),
                ChargerRequest("unlock-connector", "Release the cable"),
                ChargerRequest("reset", "Restart"),
                ChargerRequest("change-availability", "Take out of use, or put back"),
                ChargerRequest("reserve-now", "Reserve"),
                ChargerRequest("cancel-reservation", "End a reservation"),
                ChargerRequest("trigger-message", "Request a message now"),
            ),
            tab="",
        ),
        RequestGroup(
            "Charging profiles",
            (
                ChargerRequest("set-charging-profile", "Limit current or power"),
                ChargerRequest("clear-charging-profile", "Remove limits"),
                ChargerRequest("get-composite-schedule", "Ask which limits hold"),
            ),
        ),
        RequestGroup(
            "Firmware and logs",
            (
                ChargerRequest("update-firmware", "Update the firmware"),
                ChargerRequest("signed-update-firmware", "Update the firmware, signed"),
                ChargerRequest("get-diagnostics", "Fetch diagnostics"),
                ChargerRequest("get-log", "Fetch a log"),
            ),
        ),
        RequestGroup(
            "Security",
            (
                ChargerRequest("security-profile", "Raise the security profile"),
                ChargerRequest("security-profile", "Cancel raising the security profile", "DELETE"),
                ChargerRequest("security", "Require a security profile", "PUT"),
                ChargerRequest("password", "Make a password"),
                ChargerRequest("readmit", "Let it connect once with a lower profile"),
                ChargerRequest("get-installed-certificate-ids", "List its root certificates"),
                ChargerRequest("install-certificate", "Install a root certificate"),
                ChargerRequest("delete-certificate", "Delete a root certificate"),
                ChargerRequest("certificate-signed", "Send its own certificate"),
                ChargerRequest("extended-trigger-message", "Request a security message now"),
            ),
        ),
        RequestGroup(
            "Cards in the charger",
            (
                ChargerRequest("local-lists/resume", "Keep its card list up to date again"),
                ChargerRequest("send-local-list", "Send a card list"),
                ChargerRequest("get-local-list-version", "Get the version of its card list"),
                ChargerRequest("clear-cache", "Make it forget the cards it remembers"),
                ChargerRequest("offline-policy", "Change who may charge when offline"),
            ),
        ),
        RequestGroup(
            "Configuration",
            (
                ChargerRequest("configuration/read", "Read the configuration"),
                ChargerRequest("get-configuration", "Read single settings"),
                ChargerRequest("change-configuration", "Change a setting"),
            ),
        ),
        RequestGroup(
            "Name and place",
            (
                ChargerRequest("", "Rename, or move to a station", "PUT"),
                ChargerRequest("adopt", "Adopt"),
                ChargerRequest("refuse", "Refuse"),
                ChargerRequest("replacement", "Replace by another charger"),
                ChargerRequest("", "Retire", "DELETE"),
                ChargerRequest("forget", "Forget"),
            ),
            tab="settings",
        ),
        RequestGroup(
            "Raw",
            (
                ChargerRequest("data-transfer", "Send a vendor's message"),
                ChargerRequest("raw", "Send any OCPP call"),
            ),
        ),
    )
)
_REQUESTS: Final = [request for group in GROUPS for request in group.askings]
ASKED: Final[Mapping[tuple[str, str], str]] = {
    (request.method, request.endpoint): request.words for request in _REQUESTS
}
"""What each request about a charger does."""


def groups_for(view: PageView, *tabs: str) -> list[RequestGroup]:
    """Return what this reader may ask for on these tabs."""
    allowed: list[RequestGroup] = []
    for group in GROUPS:
        if group.tab not in tabs:
            continue
        requests = [
            request._replace(words=_(request.words))
            for request in group.askings
            if view.may(request.method, request.endpoint)
        ]
        if requests:
            allowed.append(RequestGroup(_(group.title), tuple(requests)))
    return allowed


def words_of(action: str) -> str:
    """Return what an action of OCPP does; the action itself, if it was sent raw."""
    operation = OPERATIONS.get(action)
    if operation is None:
        return action
    return _(ASKED["POST", f"{CHARGER}/{operation.path}"])


def page_of(charger: str) -> str:
    """Return the path of a charger's page."""
    return f"/chargers/{quote(charger, safe='')}"
