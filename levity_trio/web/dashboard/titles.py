"""What each form of the dashboard does: one short title in words of people, for heading, button and
note.

The summaries of endpoints are written for programmers. A test holds that every form has a title,
and none is left over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from levity_trio.locale import N_, _
from levity_trio.web.dashboard.operations import ASKED, CHARGER

ADMIN: Final = "/api/admin"
LINES: Final = N_(
    "Either all lines of the file are taken, or none; then you see what is wrong with each line."
)
TOPICS: Final[Mapping[str, str]] = {
    "accounts": "tasks/household",
    "billing": "tasks/close-a-month",
    "certificates": "tasks/raise-security",
    "chargers": "tasks/raise-security",
    "configuration": "tasks/charger-settings",
    "files": "tasks/charger-settings",
    "id tags": "tasks/cards",
    "imports": "tasks/come-from-levity",
    "messages": "tasks/be-told",
    "mqtt": "tasks/be-told",
    "load": "tasks/feeder",
    "meters": "tasks/does-it-add-up",
    "operations": "reference/operations",
    "reports": "tasks/a-neighbour-asks",
    "review": "tasks/a-session-in-doubt",
    "security": "tasks/raise-security",
    "access": "tasks/phone",
    "statements": "tasks/close-a-month",
    "tariffs": "tasks/night-tariff",
    "wallets": "tasks/payments",
    "webhooks": "tasks/be-told",
}
"""The topic of the manual about the forms of a group of endpoints, for those who run a site."""
OF_DRIVERS: Final = "drivers/card-log-in-trouble"
"""The same for drivers, whatever the form."""
TITLES: Final[Mapping[tuple[str, str], str]] = N_(
    {
        ("POST", f"{ADMIN}/accounts"): "Add a household",
        ("PATCH", f"{ADMIN}/accounts/{{id}}"): "Change a household",
        ("POST", f"{ADMIN}/accounts/{{id}}/close"): "Let a household move out",
        ("POST", f"{ADMIN}/accounts/{{id}}/give"): "Give a household a card, space or car",
        ("POST", f"{ADMIN}/accounts/{{id}}/take"): "Take a card, space or car away",
        ("DELETE", f"{ADMIN}/accounts/{{id}}/personal"): "Delete personal data",
        ("POST", f"{ADMIN}/households"): "Enter households",
        ("POST", f"{ADMIN}/move-ins"): "A household moves in",
        ("POST", f"{ADMIN}/accounts/{{id}}/move-out"): "A household moves out",
        ("POST", f"{ADMIN}/household-tasks/{{id}}/undo"): "Undo what was entered",
        ("POST", f"{ADMIN}/household-import"): "Import households with cards and spaces",
        ("POST", f"{ADMIN}/account-import"): "Import households",
        ("POST", f"{ADMIN}/account-tag-import"): "Import the cards of households",
        ("POST", f"{ADMIN}/account-space-import"): "Import the spaces of households",
        ("PUT", f"{ADMIN}/accounts/{{id}}/limits"): "Limit a household",
        ("PUT", f"{ADMIN}/load/site"): "Enter the feeder",
        ("POST", f"{ADMIN}/load/site/preview"): "Check a feeder",
        ("POST", f"{ADMIN}/load/what-if"): "What another feeder would have done",
        ("PUT", f"{ADMIN}/load/rotations"): "Say how a charger is wired",
        ("POST", f"{ADMIN}/load/meters/{{name}}"): "Tell what a meter shows",
        ("PUT", f"{ADMIN}/load/limits"): "Limit a charger by hand",
        ("POST", f"{ADMIN}/load/chargers"): "Begin to limit chargers",
        ("POST", f"{ADMIN}/load/chargers/release"): "Limit chargers no longer",
        ("PUT", f"{ADMIN}/load/chargers/{{charger}}/trust"): "Trust a charger without a trial",
        ("POST", f"{ADMIN}/load/forget"): "Forget what is remembered",
        ("POST", f"{ADMIN}/load/chargers/{{charger}}/again"): "Try again to limit a charger",
        ("POST", f"{ADMIN}/load/trials"): "Try whether a charger obeys",
        ("DELETE", f"{ADMIN}/load/trials/{{charger}}"): "Cancel a trial",
        ("POST", f"{ADMIN}/load/boosts"): "Let one car charge first",
        ("PUT", f"{ADMIN}/load/grid-limit"): "Enter what the grid operator allows",
        ("PUT", f"{ADMIN}/id-tag-limits/{{tag}}"): "Limit a card",
        ("POST", f"{ADMIN}/vehicles"): "Add a car",
        ("PATCH", f"{ADMIN}/vehicles/{{id}}"): "Change a car",
        ("DELETE", f"{ADMIN}/vehicles/{{id}}"): "Remove a car",
        ("POST", f"{ADMIN}/vehicle-import"): "Import cars",
        ("POST", f"{ADMIN}/id-tags"): "Add a card",
        ("PATCH", f"{ADMIN}/id-tags/{{tag}}"): "Change a card",
        ("DELETE", f"{ADMIN}/id-tags/{{tag}}"): "Remove a card",
        ("DELETE", f"{ADMIN}/asked-id-tags/{{tag}}"): "Forget an unknown card",
        ("POST", f"{ADMIN}/id-tag-import"): "Import cards",
        ("POST", f"{ADMIN}/stations"): "Add a station",
        ("PUT", f"{ADMIN}/stations/{{id}}"): "Change a station",
        ("DELETE", f"{ADMIN}/stations/{{id}}"): "Delete a station",
        ("POST", f"{ADMIN}/chargers"): "Add a charger",
        ("PUT", f"{CHARGER}/connectors/{{connector}}"): "Describe a connector",
        ("POST", f"{ADMIN}/newcomers/adopt"): "Adopt all new chargers with a session",
        ("POST", f"{ADMIN}/chargers/forget"): "Forget wrong names and trials",
        ("POST", f"{ADMIN}/bulk"): "Send a command to many chargers",
        ("POST", "/api/charge-points/{id}/request"): "Send any command to a charger",
        ("DELETE", f"{ADMIN}/commands/{{id}}"): "Cancel a waiting command",
        ("PUT", f"{ADMIN}/configuration-templates/{{name}}"): "Save a configuration template",
        ("DELETE", f"{ADMIN}/configuration-templates/{{name}}"): "Remove a configuration template",
        ("POST", f"{ADMIN}/configuration-templates/{{name}}/apply"): "Apply a template to chargers",
        ("POST", f"{ADMIN}/certificates"): "Adopt a charger's certificate",
        ("POST", f"{ADMIN}/certificates/{{id}}/revoke"): "Revoke a charger's certificate",
        (
            "POST",
            f"{ADMIN}/certificate-requests/{{id}}/allow",
        ): "Allow the name in a certificate request",
        ("POST", f"{ADMIN}/files"): "Add firmware",
        ("DELETE", f"{ADMIN}/files/{{id}}"): "Delete a file",
        ("POST", f"{ADMIN}/transactions/{{id}}/confirm"): "Confirm a session",
        ("POST", f"{ADMIN}/transactions/{{id}}/correct"): "Correct a session",
        ("POST", f"{ADMIN}/transactions/{{id}}/correct/preview"): "See what a correction changes",
        ("POST", f"{ADMIN}/transactions/{{id}}/close"): "Close a session",
        ("POST", f"{ADMIN}/transactions/{{id}}/give"): "Give a session to a household",
        ("POST", f"{ADMIN}/transactions/{{id}}/take-back"): "Take a session back from a household",
        ("POST", f"{ADMIN}/reviews/{{id}}/dismiss"): "Dismiss a doubt",
        ("POST", f"{ADMIN}/review/groups/{{charger}}/{{cause}}/decide"): "Settle several sessions",
        (
            "POST",
            f"{ADMIN}/review/groups/{{charger}}/{{cause}}/decide-all",
        ): "Settle all sessions of a group",
        ("POST", f"{ADMIN}/habits/{{id}}/ask"): "Ask about a habit each time",
        ("DELETE", f"{ADMIN}/habits/{{id}}/ask"): "Stop asking about a habit",
        ("POST", f"{ADMIN}/set-aside/{{id}}/attach"): "Add a message to a session",
        ("POST", f"{ADMIN}/set-aside/{{id}}/make-transaction"): "Make a message a session",
        ("POST", f"{ADMIN}/set-aside/{{id}}/dismiss"): "Dismiss a message",
        ("POST", f"{ADMIN}/tariffs"): "Add a tariff",
        ("POST", f"{ADMIN}/tariff-prices"): "Set a price",
        ("POST", f"{ADMIN}/tariff-previews"): "Try a price",
        ("POST", f"{ADMIN}/tariffs/preview"): "Try a version of a tariff",
        ("POST", f"{ADMIN}/tariffs/{{id}}/withdraw"): "Withdraw a tariff",
        ("POST", f"{ADMIN}/tariff-assignments"): "Assign a tariff",
        ("PUT", f"{ADMIN}/billing"): "Set the day from which you bill",
        ("POST", f"{ADMIN}/closings/{{month}}"): "Close a month",
        ("PUT", f"{ADMIN}/biller"): "Enter the sender of the bills",
        ("PUT", f"{ADMIN}/biller/logo"): "Set the logo for statements",
        ("DELETE", f"{ADMIN}/biller/logo"): "Remove the logo from statements",
        ("PUT", f"{ADMIN}/biller/template"): "Use your own wording on statements",
        ("DELETE", f"{ADMIN}/biller/template"): "Remove your own wording from statements",
        ("POST", f"{ADMIN}/meters"): "Add a meter",
        ("PATCH", f"{ADMIN}/meters/{{id}}"): "Change a meter",
        ("POST", f"{ADMIN}/meters/{{id}}/readings"): "Enter a reading",
        ("POST", f"{ADMIN}/meters/{{id}}/readings/{{reading}}/void"): "Void a reading",
        ("POST", f"{ADMIN}/meter-reading-import"): "Import readings of meters",
        ("POST", f"{ADMIN}/wallets/{{id}}/payment"): "Enter a payment",
        ("POST", f"{ADMIN}/wallets/{{id}}/top-up"): "Enter money paid in advance",
        ("POST", f"{ADMIN}/wallets/{{id}}/refund"): "Enter money that was paid out",
        ("POST", f"{ADMIN}/wallets/{{id}}/chargeback"): "Enter a payment that the bank took back",
        ("POST", f"{ADMIN}/wallets/{{id}}/correction"): "Correct a balance",
        ("POST", f"{ADMIN}/wallets/{{id}}/terms"): "Choose how a household pays",
        ("POST", f"{ADMIN}/users"): "Add a user",
        ("PATCH", f"{ADMIN}/users/{{id}}"): "Change a user",
        ("DELETE", f"{ADMIN}/users/{{id}}"): "Remove a user",
        ("POST", f"{ADMIN}/users/{{id}}/invitations"): "Invite a user",
        ("POST", f"{ADMIN}/users/{{id}}/letter"): "Print a letter with a log-in",
        ("DELETE", f"{ADMIN}/logins/{{id}}"): "End a log-in",
        ("POST", f"{ADMIN}/tokens"): "Make a token",
        ("DELETE", f"{ADMIN}/tokens/{{id}}"): "Revoke a token",
        ("POST", f"{ADMIN}/webhooks"): "Add a webhook",
        ("DELETE", f"{ADMIN}/webhooks/{{id}}"): "Remove a webhook",
        ("POST", f"{ADMIN}/webhooks/{{id}}/test"): "Test a webhook",
        ("POST", f"{ADMIN}/mqtt/replay"): "Send facts to the broker again",
        ("POST", f"{ADMIN}/recipients"): "Tell somebody",
        ("PUT", f"{ADMIN}/recipients/{{id}}"): "Change what somebody is told",
        ("DELETE", f"{ADMIN}/recipients/{{id}}"): "Tell somebody nothing more",
        ("POST", f"{ADMIN}/recipients/{{id}}/topic"): "Make a code for push messages",
        ("DELETE", f"{ADMIN}/recipients/{{id}}/topic"): "End push messages",
        ("POST", f"{ADMIN}/recipients/{{id}}/test"): "Send somebody a test",
        ("POST", f"{ADMIN}/messages/test"): "Test messages",
        ("POST", f"{ADMIN}/closings/{{month}}/mail"): "Mail the statements",
        ("POST", f"{ADMIN}/drain"): "Drain this server",
        ("POST", f"{ADMIN}/imports/levity/chargers"): "Import chargers from Levity",
        ("POST", f"{ADMIN}/imports/levity/transactions"): "Import sessions from Levity",
        ("POST", f"{ADMIN}/imports/levity/readings"): "Import readings from Levity",
        ("POST", f"{ADMIN}/imports/levity/errors"): "Import errors from Levity",
        ("POST", "/api/me/password"): "Change your password",
        ("POST", f"{ADMIN}/reports/{{id}}/answer"): "Answer a household",
        ("POST", "/api/me/reports"): "Report a problem",
        ("POST", "/api/me/tags/{tag}/lost"): "Block a lost card",
        ("POST", "/api/me/chargers/{id}/start"): "Start a session",
        ("POST", "/api/me/transactions/{id}/stop"): "Stop your session",
        ("PUT", "/api/me/transactions/{id}/departure"): "Say when you leave",
        ("PUT", "/api/me/tags/{tag}"): "Name a card",
        ("PUT", "/api/me/vehicles/{id}"): "Name a car",
        ("PUT", "/api/me/recipient"): "Choose what you are told",
        ("POST", "/api/me/recipient/topic"): "Make a code for your push messages",
        ("DELETE", "/api/me/recipient/topic"): "End your push messages",
    }
)
"""The titles of what is not about one charger: that has its words in `operations`."""
HELPS: Final[Mapping[tuple[str, str], str]] = N_(
    {
        (
            "POST",
            f"{ADMIN}/household-tasks/{{id}}/undo",
        ): "Everything that was entered together with it is undone.",
        ("POST", f"{ADMIN}/household-import"): LINES,
        (
            "POST",
            f"{ADMIN}/accounts/{{id}}/close",
        ): "The household keeps its cards, spaces and cars until you give them to another one.",
        ("POST", f"{ADMIN}/accounts/{{id}}/give"): "The household that had it before loses it.",
        ("POST", f"{ADMIN}/accounts/{{id}}/take"): "After that, it belongs to no household.",
        (
            "DELETE",
            f"{ADMIN}/accounts/{{id}}/personal",
        ): "Closed statements keep the names as long as the law asks.",
        (
            "POST",
            f"{ADMIN}/drain",
        ): (
            "Do this before you stop the server: its chargers move to other servers, and it "
            "accepts no new ones."
        ),
        **{
            ("POST", f"{ADMIN}/{one}-import"): LINES
            for one in (
                "account",
                "account-tag",
                "account-space",
                "vehicle",
                "id-tag",
                "meter-reading",
            )
        },
        (
            "DELETE",
            f"{ADMIN}/vehicles/{{id}}",
        ): "After that, it belongs to no household. Its past stays on record.",
        (
            "PATCH",
            f"{ADMIN}/id-tags/{{tag}}",
        ): "If you block a card, the chargers are told to forget it.",
        (
            "DELETE",
            f"{ADMIN}/id-tags/{{tag}}",
        ): "The card is then unknown. Its past stays on record.",
        (
            "DELETE",
            f"{ADMIN}/asked-id-tags/{{tag}}",
        ): "It appears again when somebody holds it to a charger.",
        ("DELETE", f"{ADMIN}/stations/{{id}}"): "Its chargers then have no station.",
        (
            "POST",
            f"{ADMIN}/chargers",
        ): (
            "You can add a charger before it connects, or show one again that was retired or "
            "forgotten."
        ),
        (
            "POST",
            f"{ADMIN}/configuration-templates/{{name}}/apply",
        ): "Only the settings that differ are changed.",
        ("POST", f"{ADMIN}/certificates"): "The certificate is valid for this charger only.",
        (
            "POST",
            f"{ADMIN}/certificates/{{id}}/revoke",
        ): "The connection that was opened with it ends.",
        (
            "POST",
            f"{ADMIN}/tariffs",
        ): "The page Tariffs has a shorter form, and examples of everything that a tariff can say.",
        (
            "POST",
            f"{ADMIN}/tariffs/{{id}}/withdraw",
        ): "A version can be withdrawn until a closed month has used it. Then it never applied.",
        (
            "POST",
            f"{ADMIN}/closings/{{month}}",
        ): "The statements get their numbers and never change again.",
        (
            "PUT",
            f"{ADMIN}/biller",
        ): "These details stand on the statements. Logo and wording have forms of their own.",
        ("PUT", f"{ADMIN}/biller/logo"): "A PNG or JPEG, at most 1,000,000 bytes.",
        ("PUT", f"{ADMIN}/biller/template"): "If the file has a mistake, nothing is changed.",
        (
            "PATCH",
            f"{ADMIN}/meters/{{id}}",
        ): "If a meter is replaced, give the old one an end and add the new one.",
        (
            "POST",
            f"{ADMIN}/meters/{{id}}/readings/{{reading}}/void",
        ): "The reading stays on record, but no longer counts.",
        ("POST", f"{ADMIN}/users"): "With a password, or with an invitation to choose one.",
        ("DELETE", f"{ADMIN}/users/{{id}}"): "The user is logged out everywhere.",
        (
            "POST",
            f"{ADMIN}/users/{{id}}/invitations",
        ): "A link or a PIN for one log-in. It is shown only once.",
        (
            "POST",
            f"{ADMIN}/users/{{id}}/letter",
        ): "Give a code of a link or a letter that was made before.",
        ("POST", f"{ADMIN}/tokens"): "It is shown only once.",
        ("POST", "/api/me/password"): "You are logged out on your other devices.",
        **dict.fromkeys(
            (("POST", f"{ADMIN}/recipients/{{id}}/topic"), ("POST", "/api/me/recipient/topic")),
            "It is shown only once. The code before it ends.",
        ),
        (
            "POST",
            f"{ADMIN}/messages/test",
        ): "Without an address, a mail goes to the sender's own mailbox.",
        ("PUT", f"{CHARGER}/security"): "The profile rises by itself. It is lowered only here.",
        ("POST", f"{CHARGER}/password"): "Enter it at the charger. It is shown only once.",
        (
            "POST",
            f"{CHARGER}/readmit",
        ): "Within the next 10 minutes, for example after a factory reset.",
        (
            "POST",
            f"{CHARGER}/security-profile",
        ): (
            "This happens step by step. Choosing the same profile again renews its password or "
            "its keys."
        ),
        (
            "DELETE",
            f"{CHARGER}/security-profile",
        ): "What was already sent to the charger stays there.",
        ("DELETE", CHARGER): "The charger is hidden until it charges again. Its data stays.",
        (
            "POST",
            f"{CHARGER}/forget",
        ): (
            "For a wrong name or a trial: the charger is hidden until it charges again. Its data "
            "stays."
        ),
        (
            "POST",
            f"{ADMIN}/chargers/forget",
        ): "A pattern fits only chargers that never charged and were not adopted.",
        ("POST", f"{CHARGER}/adopt"): "Then people can charge there.",
        ("POST", f"{CHARGER}/refuse"): "Nobody can charge there. What the charger reports is kept.",
        (
            "POST",
            f"{CHARGER}/configuration/read",
        ): "Reads all settings, in parts if the charger does not send them all at once.",
        (
            "POST",
            f"{CHARGER}/offline-policy",
        ): "These settings are sent to the charger and read back.",
        (
            "POST",
            f"{CHARGER}/local-lists/resume",
        ): "Use this after a list was sent by hand, or to try again at once.",
        ("POST", f"{CHARGER}/remote-start"): "As if somebody held the card to the charger.",
        ("POST", f"{CHARGER}/reset"): "A running session ends.",
        ("POST", f"{CHARGER}/unlock-connector"): "A running session at the connector ends.",
        ("POST", f"{CHARGER}/reserve-now"): "Keeps a connector free for a card.",
        (
            "POST",
            f"{CHARGER}/clear-cache",
        ): (
            "The charger forgets the cards of earlier sessions and asks the server about them "
            "again."
        ),
        (
            "POST",
            f"{CHARGER}/send-local-list",
        ): "The charger uses the list while it has no connection.",
        (
            "POST",
            f"{CHARGER}/get-local-list-version",
        ): "0 means that there is no list, -1 that the charger cannot keep one.",
        (
            "POST",
            f"{CHARGER}/set-charging-profile",
        ): "A limit for the charger, a connector or a session.",
        (
            "POST",
            f"{CHARGER}/clear-charging-profile",
        ): "All limits that fit what you fill in; if you fill in nothing, all of them.",
        ("POST", f"{CHARGER}/get-composite-schedule"): "Shows what all limits together allow.",
        ("POST", f"{CHARGER}/get-diagnostics"): "The charger uploads its diagnostics.",
        ("POST", f"{CHARGER}/get-log"): "The charger uploads its diagnostics or its security log.",
        ("POST", f"{CHARGER}/raw"): "Its content is not checked.",
        (
            "POST",
            f"{ADMIN}/load/chargers",
        ): (
            "Without a charger and a circuit, all. Default profiles are set, and profiles from "
            "elsewhere are removed."
        ),
        (
            "POST",
            f"{ADMIN}/load/chargers/release",
        ): (
            "Without a charger and a circuit, all. Their settings are put back, and each car "
            "draws what it wants."
        ),
        (
            "POST",
            f"{ADMIN}/load/trials",
        ): "A car must charge there. It takes about fifteen minutes.",
    }
)
"""What helps to decide, beneath the title."""


DONE: Final[Mapping[tuple[str, str], str]] = N_(
    {
        ("POST", "/api/admin/transactions/{id}/confirm"): "Confirmed: {energy_kwh} kWh",
        (
            "POST",
            "/api/admin/transactions/{id}/correct",
        ): "Corrected: the session has {energy_kwh} kWh",
        ("POST", "/api/admin/transactions/{id}/close"): "Closed: the session has {energy_kwh} kWh",
        ("POST", "/api/admin/reviews/{id}/dismiss"): "Done: the session keeps its {energy_kwh} kWh",
        (
            "POST",
            "/api/admin/review/groups/{charger}/{cause}/decide",
        ): "Settled: {decided}. Left out: {left_out}",
        (
            "POST",
            "/api/admin/review/groups/{charger}/{cause}/decide-all",
        ): "Settled: {decided}. Left out: {left_out}",
        (
            "POST",
            "/api/admin/habits/{id}/ask",
        ): "You will be asked about each such session. Figures that are certain stay",
        (
            "DELETE",
            "/api/admin/habits/{id}/ask",
        ): "Such sessions are billed without asking from now on",
        ("POST", "/api/admin/set-aside/{id}/attach"): "Done: the message belongs to session {id}",
        (
            "POST",
            "/api/admin/set-aside/{id}/make-transaction",
        ): "Done: the message became session {id}",
        ("POST", "/api/admin/set-aside/{id}/dismiss"): "Done: the message does not matter",
        ("POST", "/api/admin/chargers/{id}/adopt"): "{charger} is adopted",
        ("POST", "/api/admin/chargers/{id}/refuse"): "{charger} is refused",
        (
            "POST",
            "/api/admin/households",
        ): "New households: {added}. Changed: {changed}. Unchanged: {same}",
        ("POST", "/api/admin/move-ins"): "{name} has moved in",
        (
            "POST",
            "/api/admin/accounts/{id}/move-out",
        ): "The last day is set: cards, spaces and log-ins end with it",
        ("POST", "/api/admin/household-tasks/{id}/undo"): "Undone: everything is as before",
        ("POST", "/api/admin/id-tags"): "Added: {id_tag} {can}",
        ("PATCH", "/api/admin/id-tags/{tag}"): "Changed: {id_tag} {can}",
        ("DELETE", "/api/admin/id-tags/{tag}"): "Removed: {tag}",
        (
            "POST",
            "/api/admin/reports/{id}/answer",
        ): "Answered: {household} reads it where the report was made",
        ("POST", "/api/admin/messages/test"): "The test went to {to}",
        (
            "POST",
            "/api/admin/closings/{month}/mail",
        ): "Mails that go out now: {mails}. Mails that wait or were sent already: {earlier}",
        ("POST", "/api/admin/recipients/{id}/test"): "The test was sent",
        ("PUT", "/api/me/recipient"): "Done: messages come as you chose",
        ("POST", "/api/me/reports"): "Thank you. The answer will appear here",
        ("POST", "/api/me/tags/{tag}/lost"): "{id_tag} is blocked, and the owner knows it",
        (
            "DELETE",
            "/api/admin/users/{id}",
        ): "Removed: the code and the log-ins of this user have ended",
        (
            "DELETE",
            "/api/admin/asked-id-tags/{tag}",
        ): "Forgotten: {tag}, until somebody uses it again",
        ("POST", f"{ADMIN}/load/chargers"): "Limits go to the chargers now",
        ("POST", f"{ADMIN}/load/chargers/release"): "What the chargers were sent is being cleared",
        (
            "PUT",
            f"{ADMIN}/load/chargers/{{charger}}/trust",
        ): "Done: the page says whether it is trusted",
        ("POST", f"{ADMIN}/load/forget"): "It is forgotten",
        ("POST", f"{ADMIN}/load/chargers/{{charger}}/again"): "It is told in the first way again",
        ("POST", f"{ADMIN}/load/trials"): "The trial has begun",
        ("DELETE", f"{ADMIN}/load/trials/{{charger}}"): "The trial is cancelled",
    }
)
TAGS: Final[Mapping[str, str]] = N_({"Accepted": "may charge", "Blocked": "is blocked"})
"""What a tag can, by its status."""


class Deed(NamedTuple):
    """What was done, and to what: the names in its path."""

    title: str
    names: tuple[str, ...]
    is_about_charger: bool


def title_of(method: str, path: str) -> str:
    """Return what the form of a request does; `path` is that of its endpoint."""
    return _(ASKED.get((method, path)) or TITLES[method, path])


def help_of(method: str, path: str) -> str:
    """Return what to know before, "" where the title says it all."""
    return _(HELPS.get((method, path), ""))


def done_of(method: str, path: str, values: Mapping[str, Any]) -> str | None:
    """Return what was done, of the values in the path and in the answer."""
    words = DONE.get((method, path))
    status = str(values.get("status"))
    can = _(TAGS[status]) if status in TAGS else _("is %(status)s", status=status)
    return None if words is None else _(words).format_map({**values, "can": can})


def deed(method: str, path: str) -> Deed | None:
    """Return what a request did, by the path to which it was sent; None if no form does that."""
    for declared, pattern in _patterns(method):
        if found := pattern.fullmatch(path):
            return Deed(title_of(method, declared), found.groups(), declared.startswith(CHARGER))
    return None


@cache
def _patterns(method: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return how paths of a method look, those with fewer names first. A tag may hold slashes."""
    known = [path for one, path in (*TITLES, *ASKED) if one == method]
    gaps = [
        _NAME.sub(lambda name: "(.+)" if name[1] == "tag" else "([^/]+)", path) for path in known
    ]
    return tuple(
        sorted(zip(known, map(re.compile, gaps), strict=True), key=lambda one: one[0].count("{"))
    )


_NAME: Final = re.compile(r"\{(\w+)\}")
