"""What can be asked of a charger, in words of people and in groups; and the course of what was
asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

from levity_trio.locale import N_, _
from levity_trio.operations import OPERATIONS
from levity_trio.web.dashboard.page import View

CHARGER: Final = "/api/admin/chargers/{id}"


class Asking(NamedTuple):
    """A request about a charger: the end of its path in the API, and what it does."""

    path: str
    words: str
    method: str = "POST"

    @property
    def endpoint(self) -> str:
        """The path as it is declared."""
        return f"{CHARGER}/{self.path}".rstrip("/")


class Group(NamedTuple):
    """Requests that belong together."""

    title: str
    askings: tuple[Asking, ...]


GROUPS: Final = N_(
    (
        Group(
            "Everyday",
            (
                Asking("remote-start", "Start a session"),
                Asking("remote-stop", "Stop a session"),
                Asking("unlock-connector", "Release the cable"),
                Asking("reset", "Restart"),
                Asking("change-availability", "Take out of use, or put back"),
                Asking("reserve-now", "Reserve"),
                Asking("cancel-reservation", "End a reservation"),
                Asking("trigger-message", "Request a message now"),
            ),
        ),
        Group(
            "Charging profiles",
            (
                Asking("set-charging-profile", "Limit current or power"),
                Asking("clear-charging-profile", "Remove limits"),
                Asking("get-composite-schedule", "Ask which limits hold"),
            ),
        ),
        Group(
            "Firmware and logs",
            (
                Asking("update-firmware", "Update the firmware"),
                Asking("signed-update-firmware", "Update the firmware, signed"),
                Asking("get-diagnostics", "Fetch diagnostics"),
                Asking("get-log", "Fetch a log"),
            ),
        ),
        Group(
            "Security",
            (
                Asking("security-profile", "Raise the security profile"),
                Asking("security-profile", "Cancel raising the security profile", "DELETE"),
                Asking("security", "Require a security profile", "PUT"),
                Asking("password", "Make a password"),
                Asking("readmit", "Let it connect once with a lower profile"),
                Asking("get-installed-certificate-ids", "List its root certificates"),
                Asking("install-certificate", "Install a root certificate"),
                Asking("delete-certificate", "Delete a root certificate"),
                Asking("certificate-signed", "Send its own certificate"),
                Asking("extended-trigger-message", "Request a security message now"),
            ),
        ),
        Group(
            "Cards in the charger",
            (
                Asking("local-lists/resume", "Keep its card list up to date again"),
                Asking("send-local-list", "Send a card list"),
                Asking("get-local-list-version", "Get the version of its card list"),
                Asking("clear-cache", "Make it forget the cards it remembers"),
                Asking("offline-policy", "Change who may charge when offline"),
            ),
        ),
        Group(
            "Configuration",
            (
                Asking("configuration/read", "Read the configuration"),
                Asking("get-configuration", "Read single settings"),
                Asking("change-configuration", "Change a setting"),
            ),
        ),
        Group(
            "Name and place",
            (
                Asking("", "Rename, or move to a station", "PUT"),
                Asking("adopt", "Adopt"),
                Asking("refuse", "Refuse"),
                Asking("", "Retire", "DELETE"),
                Asking("forget", "Forget"),
            ),
        ),
        Group(
            "Raw",
            (
                Asking("data-transfer", "Send a vendor's message"),
                Asking("raw", "Send any OCPP call"),
            ),
        ),
    )
)
ASKED: Final[Mapping[tuple[str, str], str]] = {
    (one.method, one.endpoint): one.words for group in GROUPS for one in group.askings
}
"""What each request about a charger does."""


def groups_for(view: View) -> list[Group]:
    """Return what this reader may ask for."""
    allowed = [
        Group(
            _(group.title),
            tuple(_told(one) for one in group.askings if view.may(one.method, one.endpoint)),
        )
        for group in GROUPS
    ]
    return [group for group in allowed if group.askings]


def _told(asking: Asking) -> Asking:
    return asking._replace(words=_(asking.words))


def words_of(action: str) -> str:
    """Return what an action of OCPP does; the action itself, if it was sent raw."""
    operation = OPERATIONS.get(action)
    return action if operation is None else _(ASKED["POST", f"{CHARGER}/{operation.path}"])


def page_of(charger: str) -> str:
    """Return the path of a charger's page."""
    return f"/chargers/{quote(charger, safe='')}"
