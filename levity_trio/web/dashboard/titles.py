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
    "backends": "tasks/tell-another-backend",
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


def _by_request(table: Mapping[str, str]) -> Mapping[tuple[str, str], str]:
    """Return a table by method and path. Its paths are those below /api/admin, or whole ones."""
    requests: dict[tuple[str, str], str] = {}
    for request, words in table.items():
        method, _space, path = request.partition(" ")
        if not path.startswith("/api/"):
            path = ADMIN + path
        requests[method, path] = words
    return requests


TITLES: Final = _by_request(
    N_(
        {
            "POST /accounts": "Add a household",
            "PATCH /accounts/{id}": "Change a household",
            "POST /accounts/{id}/close": "Let a household move out",
            "POST /accounts/{id}/give": "Give a household a card, space or car",
            "POST /accounts/{id}/take": "Take a card, space or car away",
            "DELETE /accounts/{id}/personal": "Delete personal data",
            "POST /households": "Enter households",
            "POST /move-ins": "A household moves in",
            "POST /accounts/{id}/move-out": "A household moves out",
            "POST /household-tasks/{id}/undo": "Undo what was entered",
            "POST /household-import": "Import households with cards and spaces",
            "POST /account-import": "Import households",
            "POST /account-tag-import": "Import the cards of households",
            "POST /account-space-import": "Import the spaces of households",
            "PUT /accounts/{id}/limits": "Limit a household",
            "POST /accounts/{id}/vehicles/{vehicle}/price": "Choose how a company car is counted",
            "PUT /load/site": "Enter the feeder",
            "POST /load/site/preview": "Check a feeder",
            "POST /load/what-if": "What another feeder would have done",
            "PUT /load/rotations": "Say how a charger is wired",
            "PUT /load/meters": "Enter a meter",
            "POST /load/meters/{name}": "Tell what a meter shows",
            "PUT /load/limits": "Limit a charger by hand",
            "POST /load/chargers": "Begin to limit chargers",
            "POST /load/chargers/release": "Limit chargers no longer",
            "PUT /load/chargers/{charger}/trust": "Trust a charger without a trial",
            "POST /load/forget": "Forget what is remembered",
            "POST /load/chargers/{charger}/again": "Try again to limit a charger",
            "POST /load/trials": "Try whether a charger obeys",
            "DELETE /load/trials/{charger}": "Cancel a trial",
            "POST /load/boosts": "Let one car charge first",
            "PUT /load/grid-limit": "Enter what the grid operator allows",
            "PUT /id-tag-limits/{tag}": "Limit a card",
            "POST /vehicles": "Add a car",
            "PATCH /vehicles/{id}": "Change a car",
            "DELETE /vehicles/{id}": "Remove a car",
            "POST /vehicle-import": "Import cars",
            "POST /id-tags": "Add a card",
            "PATCH /id-tags/{tag}": "Change a card",
            "DELETE /id-tags/{tag}": "Remove a card",
            "DELETE /asked-id-tags/{tag}": "Forget an unknown card",
            "POST /asked-id-tags/{tag}/same": "Make it the same as a known card",
            "POST /id-tag-import": "Import cards",
            "POST /stations": "Add a station",
            "PUT /stations/{id}": "Change a station",
            "DELETE /stations/{id}": "Delete a station",
            "POST /chargers": "Add a charger",
            "PUT /chargers/{id}/connectors/{connector}": "Describe a connector",
            "POST /chargers/{id}/meter-keys": "Enter the key of a meter",
            "DELETE /chargers/{id}/meter-keys/{key}": "Remove the key of a meter",
            "POST /chargers/{id}/meter": "Say whether it shares a meter",
            "POST /chargers/{id}/serial": "Say whether it was replaced",
            "POST /newcomers/adopt": "Adopt all new chargers with a session",
            "POST /chargers/forget": "Forget wrong names and trials",
            "POST /bulk": "Send a command to many chargers",
            "POST /api/charge-points/{id}/request": "Send any command to a charger",
            "DELETE /commands/{id}": "Cancel a waiting command",
            "PUT /configuration-templates/{name}": "Save a configuration template",
            "DELETE /configuration-templates/{name}": "Remove a configuration template",
            "POST /configuration-templates/{name}/apply": "Apply a template to chargers",
            "POST /certificates": "Adopt a charger's certificate",
            "POST /certificates/{id}/revoke": "Revoke a charger's certificate",
            "POST /certificate-requests/{id}/allow": "Allow the name in a certificate request",
            "POST /files": "Add firmware",
            "DELETE /files/{id}": "Delete a file",
            "POST /transactions/{id}/confirm": "Confirm a session",
            "POST /transactions/{id}/correct": "Correct a session",
            "POST /transactions/{id}/correct/preview": "See what a correction changes",
            "POST /transactions/{id}/close": "Close a session",
            "POST /transactions/{id}/give": "Give a session to a household",
            "POST /transactions/{id}/take-back": "Take a session back from a household",
            "POST /reviews/{id}/dismiss": "Dismiss a doubt",
            "POST /review/groups/{charger}/{cause}/decide": "Settle several sessions",
            "POST /review/groups/{charger}/{cause}/decide-all": "Settle all sessions of a group",
            "POST /habits/{id}/ask": "Ask about a habit each time",
            "DELETE /habits/{id}/ask": "Stop asking about a habit",
            "POST /set-aside/{id}/attach": "Add a message to a session",
            "POST /set-aside/{id}/make-transaction": "Make a message a session",
            "POST /set-aside/{id}/dismiss": "Dismiss a message",
            "POST /tariffs": "Add a tariff",
            "POST /tariff-prices": "Set a price",
            "POST /tariff-previews": "Try a price",
            "POST /tariffs/preview": "Try a version of a tariff",
            "POST /tariffs/{id}/withdraw": "Withdraw a tariff",
            "POST /tariff-assignments": "Assign a tariff",
            "POST /series": "Add a price series",
            "PATCH /series/{id}": "Change a price series",
            "POST /series/try": "Try a source of prices",
            "POST /series/{id}/prices": "Enter a price by hand",
            "POST /series/{id}/import": "Enter or correct prices from a file",
            "POST /series/{id}/fetch": "Fetch prices now",
            "PUT /billing": "Set the day from which you bill",
            "POST /closings/{month}": "Close a month",
            "PUT /biller": "Enter the sender of the bills",
            "PUT /biller/logo": "Set the logo for statements",
            "DELETE /biller/logo": "Remove the logo from statements",
            "PUT /biller/template": "Use your own wording on statements",
            "DELETE /biller/template": "Remove your own wording from statements",
            "POST /meters": "Add a meter",
            "PATCH /meters/{id}": "Change a meter",
            "POST /meters/{id}/readings": "Enter a reading",
            "POST /meters/{id}/readings/{reading}/void": "Void a reading",
            "POST /meter-reading-import": "Import readings of meters",
            "POST /wallets/{id}/payment": "Enter a payment",
            "POST /wallets/{id}/top-up": "Enter money paid in advance",
            "POST /wallets/{id}/refund": "Enter money that was paid out",
            "POST /wallets/{id}/chargeback": "Enter a payment that the bank took back",
            "POST /wallets/{id}/correction": "Correct a balance",
            "POST /wallets/{id}/terms": "Choose how a household pays",
            "POST /bank-files": "Read a file of the bank",
            "POST /bank-lines": "Enter payments of a file of the bank",
            "POST /statements/{id}/reminder": "Mail a reminder",
            "POST /users": "Add a user",
            "PATCH /users/{id}": "Change a user",
            "DELETE /users/{id}": "Remove a user",
            "POST /users/{id}/invitations": "Invite a user",
            "POST /users/{id}/letter": "Print a letter with a log-in",
            "DELETE /logins/{id}": "End a log-in",
            "POST /tokens": "Make a token",
            "DELETE /tokens/{id}": "Revoke a token",
            "POST /webhooks": "Add a webhook",
            "DELETE /webhooks/{id}": "Remove a webhook",
            "POST /webhooks/{id}/test": "Test a webhook",
            "POST /mqtt/replay": "Send facts to the broker again",
            "POST /backends": "Tell another backend",
            "PUT /backends/{id}": "Change a backend",
            "DELETE /backends/{id}": "Remove a backend",
            "POST /backends/{id}/pause": "Pause a backend",
            "POST /backends/{id}/resume": "Go on after a pause",
            "POST /backends/{id}/test": "Test a backend",
            "POST /backends/{id}/again": "Tell a backend again",
            "PUT /backends/{id}/chargers/{charger}": "Say how a backend is told of a charger",
            "DELETE /backends/{id}/chargers/{charger}": "Take a charger out of a backend",
            "PUT /backends/{id}/cards": "Call a card at a backend",
            "DELETE /backends/{id}/cards/{tag}": "Call a card like all others",
            "POST /recipients": "Tell somebody",
            "PUT /recipients/{id}": "Change what somebody is told",
            "DELETE /recipients/{id}": "Tell somebody nothing more",
            "POST /recipients/{id}/topic": "Make a code for push messages",
            "DELETE /recipients/{id}/topic": "End push messages",
            "POST /recipients/{id}/test": "Send somebody a test",
            "POST /messages/test": "Try it",
            "PUT /own-settings/mail": "Set the mail server",
            "PUT /own-settings/push": "Set the server of push messages",
            "PUT /own-settings/ping": "Set who gets a sign of life",
            "PUT /own-settings/backup": "Set where a copy goes each night",
            "DELETE /own-settings/{way}": "Set it no more",
            "POST /closings/{month}/mail": "Mail the statements",
            "POST /closings/{month}/supplements": "Add to the papers of a month",
            "POST /drain": "Drain this server",
            "POST /imports/levity/chargers": "Import chargers from Levity",
            "POST /imports/levity/transactions": "Import sessions from Levity",
            "POST /imports/levity/readings": "Import readings from Levity",
            "POST /imports/levity/errors": "Import errors from Levity",
            "POST /api/me/password": "Change your password",
            "POST /reports/{id}/answer": "Answer a household",
            "POST /api/me/reports": "Report a problem",
            "POST /api/me/tags/{tag}/lost": "Block a lost card",
            "POST /api/me/chargers/{id}/start": "Start a session",
            "POST /api/me/transactions/{id}/stop": "Stop your session",
            "PUT /api/me/transactions/{id}/departure": "Say when you leave",
            "PUT /api/me/transactions/{id}/price-limit": "Wait for a lower price",
            "DELETE /api/me/transactions/{id}/price-limit": "Wait no longer",
            "PUT /api/me/tags/{tag}": "Name a card",
            "PUT /api/me/vehicles/{id}": "Name a car",
            "POST /api/me/vehicles/{vehicle}/price": "Choose how your company car is counted",
            "PUT /api/me/recipient": "Choose what you are told",
            "POST /api/me/recipient/topic": "Make a code for your push messages",
            "DELETE /api/me/recipient/topic": "End your push messages",
        }
    )
)
"""The titles of what is not about one charger: that has its words in `operations`."""
HELPS: Final = _by_request(
    N_(
        {
            "POST /household-tasks/{id}/undo": (
                "Everything that was entered together with it is undone."
            ),
            "POST /household-import": LINES,
            "POST /accounts/{id}/close": (
                "The household keeps its cards, spaces and cars until you give them to another one."
            ),
            "POST /accounts/{id}/give": "The household that had it before loses it.",
            "POST /accounts/{id}/take": "After that, it belongs to no household.",
            "DELETE /accounts/{id}/personal": (
                "Closed statements keep the names as long as the law asks."
            ),
            "POST /drain": (
                "Do this before you stop the server: its chargers move to other servers, and it "
                "accepts no new ones."
            ),
            "POST /account-import": LINES,
            "POST /account-tag-import": LINES,
            "POST /account-space-import": LINES,
            "POST /vehicle-import": LINES,
            "POST /id-tag-import": LINES,
            "POST /meter-reading-import": LINES,
            "DELETE /vehicles/{id}": (
                "After that, it belongs to no household. Its past stays on record."
            ),
            "PATCH /id-tags/{tag}": "If you block a card, the chargers are told to forget it.",
            "DELETE /id-tags/{tag}": "The card is then unknown. Its past stays on record.",
            "DELETE /asked-id-tags/{tag}": "It appears again when somebody holds it to a charger.",
            "DELETE /stations/{id}": "Its chargers then have no station.",
            "POST /chargers": (
                "You can add a charger before it connects, or show one again that was retired or "
                "forgotten."
            ),
            "POST /configuration-templates/{name}/apply": (
                "Only the settings that differ are changed."
            ),
            "POST /certificates": "The certificate is valid for this charger only.",
            "POST /certificates/{id}/revoke": "The connection that was opened with it ends.",
            "POST /tariffs": (
                "The page Tariffs has a shorter form, and examples of everything that a tariff "
                "can say."
            ),
            "POST /tariffs/{id}/withdraw": (
                "A version can be withdrawn until a closed month has used it. Then it never "
                "applied."
            ),
            "POST /series": (
                "Its prices are fetched from a public source or another address. Without both, you "
                "enter them, from files or by hand."
            ),
            "POST /series/{id}/prices": (
                "One price for all of the time. Prices that are stored stay, unless you say why "
                "they are replaced."
            ),
            "POST /closings/{month}": "The statements get their numbers and never change again.",
            "PUT /biller": (
                "These details stand on the statements. Logo and wording have forms of their own."
            ),
            "PUT /biller/logo": "A PNG or JPEG, at most 1,000,000 bytes.",
            "PUT /biller/template": "If the file has a mistake, nothing is changed.",
            "PATCH /meters/{id}": (
                "If a meter is replaced, give the old one an end and add the new one."
            ),
            "POST /meters/{id}/readings/{reading}/void": (
                "The reading stays on record, but no longer counts."
            ),
            "POST /users": "With a password, or with an invitation to choose one.",
            "DELETE /users/{id}": "The user is logged out everywhere.",
            "POST /users/{id}/invitations": (
                "A link or a PIN for one log-in. It is shown only once."
            ),
            "POST /users/{id}/letter": "Give a code of a link or a letter that was made before.",
            "POST /tokens": "It is shown only once.",
            "POST /api/me/password": "You are logged out on your other devices.",
            "POST /recipients/{id}/topic": "It is shown only once. The code before it ends.",
            "POST /api/me/recipient/topic": "It is shown only once. The code before it ends.",
            "POST /messages/test": "Without an address, a mail goes to the sender's own mailbox.",
            "PUT /own-settings/mail": (
                "It holds at once. The password is stored encrypted, and never shown."
            ),
            "PUT /own-settings/push": (
                "It holds at once. An access token is a password without a user. It is stored "
                "encrypted, and never shown."
            ),
            "PUT /own-settings/ping": (
                "Once a minute while all is well. If it stays away, that service tells you. The "
                "address is stored encrypted, and never shown."
            ),
            "PUT /own-settings/backup": (
                "At 02:30, or once the server runs again. Choose another disk than that of the "
                "database, such as a stick."
            ),
            "PUT /chargers/{id}/security": "The profile rises by itself. It is lowered only here.",
            "POST /chargers/{id}/password": "Enter it at the charger. It is shown only once.",
            "POST /chargers/{id}/readmit": (
                "Within the next 10 minutes, for example after a factory reset."
            ),
            "POST /chargers/{id}/security-profile": (
                "This happens step by step. Choosing the same profile again renews its password or "
                "its keys."
            ),
            "DELETE /chargers/{id}/security-profile": (
                "What was already sent to the charger stays there."
            ),
            "DELETE /chargers/{id}": (
                "The charger is hidden until it charges again. Its data stays."
            ),
            "POST /chargers/{id}/forget": (
                "For a wrong name or a trial: the charger is hidden until it charges again. Its "
                "data stays."
            ),
            "POST /chargers/forget": (
                "A pattern fits only chargers that never charged and were not adopted."
            ),
            "POST /chargers/{id}/adopt": "Then people can charge there.",
            "POST /chargers/{id}/refuse": (
                "Nobody can charge there. What the charger reports is kept."
            ),
            "POST /chargers/{id}/configuration/read": (
                "Reads all settings, in parts if the charger does not send them all at once."
            ),
            "POST /chargers/{id}/meter-keys": (
                "Scan the QR code on the label of the meter with your phone, and paste what it "
                "says; or paste a PEM file. The past sessions are checked with it, too."
            ),
            "POST /chargers/{id}/offline-policy": (
                "These settings are sent to the charger and read back."
            ),
            "POST /chargers/{id}/local-lists/resume": (
                "Use this after a list was sent by hand, or to try again at once."
            ),
            "POST /chargers/{id}/remote-start": "As if somebody held the card to the charger.",
            "POST /chargers/{id}/reset": "A running session ends.",
            "POST /chargers/{id}/unlock-connector": "A running session at the connector ends.",
            "POST /chargers/{id}/reserve-now": "Keeps a connector free for a card.",
            "POST /chargers/{id}/clear-cache": (
                "The charger forgets the cards of earlier sessions and asks the server about them "
                "again."
            ),
            "POST /chargers/{id}/send-local-list": (
                "The charger uses the list while it has no connection."
            ),
            "POST /chargers/{id}/get-local-list-version": (
                "0 means that there is no list, -1 that the charger cannot keep one."
            ),
            "POST /chargers/{id}/set-charging-profile": (
                "A limit for the charger, a connector or a session."
            ),
            "POST /chargers/{id}/clear-charging-profile": (
                "All limits that fit what you fill in; if you fill in nothing, all of them."
            ),
            "POST /chargers/{id}/get-composite-schedule": "Shows what all limits together allow.",
            "POST /chargers/{id}/get-diagnostics": "The charger uploads its diagnostics.",
            "POST /chargers/{id}/get-log": (
                "The charger uploads its diagnostics or its security log."
            ),
            "POST /chargers/{id}/raw": "Its content is not checked.",
            "POST /load/chargers": (
                "Without a charger and a circuit, all. Default profiles are set, and profiles from "
                "elsewhere are removed."
            ),
            "POST /load/chargers/release": (
                "Without a charger and a circuit, all. Their settings are put back, and each car "
                "draws what it wants."
            ),
            "POST /load/trials": "A car must charge there. It takes about fifteen minutes.",
        }
    )
)
"""What helps to decide, beneath the title."""


DONE: Final = _by_request(
    N_(
        {
            "POST /bank-lines": "Entered: {entered}. No payments of households: {nobodys}",
            "POST /transactions/{id}/confirm": "Confirmed: {energy_kwh} kWh",
            "POST /transactions/{id}/correct": "Corrected: the session has {energy_kwh} kWh",
            "POST /transactions/{id}/close": "Closed: the session has {energy_kwh} kWh",
            "POST /reviews/{id}/dismiss": "Done: the session keeps its {energy_kwh} kWh",
            "POST /review/groups/{charger}/{cause}/decide": (
                "Settled: {decided}. Left out: {left_out}"
            ),
            "POST /review/groups/{charger}/{cause}/decide-all": (
                "Settled: {decided}. Left out: {left_out}"
            ),
            "POST /habits/{id}/ask": (
                "You will be asked about each such session. Figures that are certain stay"
            ),
            "DELETE /habits/{id}/ask": "Such sessions are billed without asking from now on",
            "POST /set-aside/{id}/attach": "Done: the message belongs to session {id}",
            "POST /set-aside/{id}/make-transaction": "Done: the message became session {id}",
            "POST /set-aside/{id}/dismiss": "Done: the message does not matter",
            "POST /chargers/{id}/adopt": "{charger} is adopted",
            "POST /chargers/{id}/refuse": "{charger} is refused",
            "POST /households": "New households: {added}. Changed: {changed}. Unchanged: {same}",
            "POST /move-ins": "{name} has moved in",
            "POST /accounts/{id}/move-out": (
                "The last day is set: cards, spaces and log-ins end with it"
            ),
            "POST /household-tasks/{id}/undo": "Undone: everything is as before",
            "POST /id-tags": "Added: {id_tag} {can}",
            "PATCH /id-tags/{tag}": "Changed: {id_tag} {can}",
            "DELETE /id-tags/{tag}": "Removed: {tag}",
            "POST /reports/{id}/answer": "Answered: {household} reads it where the report was made",
            "POST /closings/{month}/mail": (
                "Mails that go out now: {mails}. Mails that wait or were sent already: {earlier}"
            ),
            "POST /closings/{month}/supplements": "Added: mail it, or print it beside each paper",
            "POST /recipients/{id}/test": "The test was sent",
            "PUT /api/me/recipient": "Done: messages come as you chose",
            "POST /api/me/reports": "Thank you. The answer will appear here",
            "POST /api/me/tags/{tag}/lost": "{id_tag} is blocked, and the owner knows it",
            "DELETE /users/{id}": "Removed: the code and the log-ins of this user have ended",
            "DELETE /asked-id-tags/{tag}": "Forgotten: {tag}, until somebody uses it again",
            "POST /asked-id-tags/{tag}/same": "{tag} is the same card now",
            "POST /load/chargers": "Limits go to the chargers now",
            "POST /load/chargers/release": "What the chargers were sent is being cleared",
            "PUT /load/chargers/{charger}/trust": "Done: the page says whether it is trusted",
            "POST /load/forget": "It is forgotten",
            "POST /load/chargers/{charger}/again": "It is told in the first way again",
            "POST /load/trials": "The trial has begun",
            "DELETE /load/trials/{charger}": "The trial is cancelled",
        }
    )
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
    if words is None:
        return None
    status = str(values.get("status"))
    can = _(TAGS[status]) if status in TAGS else _("is %(status)s", status=status)
    return _(words).format_map({**values, "can": can})


def deed(method: str, path: str) -> Deed | None:
    """Return what a request did, by the path to which it was sent; None if no form does that."""
    for declared, pattern in _patterns(method):
        match = pattern.fullmatch(path)
        if match is not None:
            title = title_of(method, declared)
            return Deed(title, match.groups(), declared.startswith(CHARGER))
    return None


@cache
def _patterns(method: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return how paths of a method look, those with fewer names first. A tag may hold slashes."""
    patterns: list[tuple[str, re.Pattern[str]]] = []
    for known, path in (*TITLES, *ASKED):
        if known == method:
            gaps = _NAME.sub(lambda name: "(.+)" if name[1] == "tag" else "([^/]+)", path)
            patterns.append((path, re.compile(gaps)))
    # A gap matches any name, also one that another path has there.
    patterns.sort(key=lambda pattern: pattern[0].count("{"))
    return tuple(patterns)


_NAME: Final = re.compile(r"\{(\w+)\}")
