"""`levity-trio user`: who logs in with a browser: users, their passwords and one-time codes, and
their log-ins."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.declaring import (
    ANY_FILE,
    ID,
    OF_LANGUAGE,
    WIDE,
    argument,
    changes,
    flag,
    option,
)
from levity_trio.cli.operator import Operator, api_group
from levity_trio.cli.terminal import local_minute
from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.writing import replace

SAY_WHERE: Final = "start the server with --public-url, or for drivers with --drivers-url"
LETTER_SECONDS: Final = 120.0
"""Other documents may be made before."""
PAGE: Final = "/welcome"
"""The page of the dashboard that takes codes."""
COLUMNS: Final = (
    "id",
    "name",
    "role",
    "account",
    "removed_at",
    "last_used_at",
    "has_password",
    "invited_until",
)
LOGIN_COLUMNS: Final = (
    "id",
    "name",
    "role",
    "last_used_at",
    "ended_at",
    "browser",
    "address",
    "made_at",
    "ended_by",
)


@api_group
def user() -> None:
    """Say who may log in with a browser, and see who did.

    Examples:
      levity-trio user add anna --role admin
      levity-trio user add ben --role driver --household 7 --pin
      levity-trio user add cleo --role operator --link
      levity-trio user list
      levity-trio user change cleo --role viewer
      levity-trio user change anna --password
      levity-trio user invite ben --pin
      levity-trio user invite ben --letter ben.pdf
      levity-trio user remove cleo
      levity-trio user logins
      levity-trio user end 12

    A user is named by its name or its id. These commands use the socket beside the
    database of the server, which only the user of the server can open, so they work
    without a token. Give --api to use the API of another machine.
    """


_NAMED: Final = argument("USER", "named")
_ROLES: Final = click.Choice(["driver", "viewer", "operator", "admin"])
_HOUSEHOLD: Final = option("--household HOUSEHOLD", "The household of a driver.", "account")
_STDIN: Final = flag("--password-stdin", "Read the password from stdin.", "is_stdin")
_LINK: Final = flag("--link", "Make a one-time code for a link (a day).", "is_link")
_PIN: Final = flag("--pin", "Make a one-time PIN (15 minutes).", "is_pin")


@user.socket_command
@argument("NAME")
@option("--role", "What the user may do.", "role", type=_ROLES, required=True)
@_HOUSEHOLD
@OF_LANGUAGE
@_STDIN
@_LINK
@_PIN
def add(
    operator: Operator,
    account: str | None,
    *,
    is_stdin: bool,
    is_link: bool,
    is_pin: bool,
    **given: str | None,
) -> None:
    """Add a user. The password is asked for, unless you invite the user."""
    kind = _kind(is_link=is_link, is_pin=is_pin)
    secret = {"invite": kind} if kind else {"password": _password(is_from_stdin=is_stdin)}
    number = None if account is None else operator.number("accounts", account)
    made = operator.post("users", body={**changes(given), "account": number, **secret})
    words = f"This is user {made['id']}, {made['name']} ({made['role']})."
    operator.tell(
        made, f"{words}\n{_invitation(made['invitation'])}" if made["invitation"] else words
    )


@user.socket_command
@WIDE
def list_(operator: Operator) -> None:
    """List the users."""
    operator.table(
        COLUMNS, operator.get("users"), empty="no user yet: levity-trio user add NAME --role admin"
    )


@user.socket_command
@_NAMED
@option("--role", "What the user may do.", "role", type=_ROLES)
@_HOUSEHOLD
@OF_LANGUAGE
@flag("--password", "Ask for a new password.", "is_asked")
@flag("--no-password", "Forget the password; then invite.", "is_without")
@_STDIN
def change(
    operator: Operator,
    named: str,
    role: str | None,
    account: str | None,
    language: str | None,
    **password: bool,
) -> None:
    """Change role, household, language or password. A new household or password ends log-ins."""
    fields: dict[str, object] = changes({"role": role, "language": language})
    if account is not None:
        fields["account"] = operator.number("accounts", account)
    if password["is_without"]:
        fields["password"] = None
    elif password["is_asked"] or password["is_stdin"]:
        fields["password"] = _password(is_from_stdin=password["is_stdin"])
    if not fields:
        raise click.UsageError(
            "give what is to change: --role, --household, --language, --password or --no-password"
        )
    changed = operator.patch("users", _number(operator, named), body=fields)
    operator.tell(changed, f"user {changed['id']}, {changed['name']}, is changed")


@user.socket_command
@_NAMED
def remove(operator: Operator, named: str) -> None:
    """Remove a user; the user's log-ins end."""
    number = _number(operator, named)
    operator.delete("users", number)
    operator.tell({"removed": number}, f"user {number} is removed")


@user.socket_command
@_NAMED
@_LINK
@_PIN
@option(
    "--letter FILE",
    "Write a letter to a driver (PDF), with a code for 14 days.",
    type=ANY_FILE,
)
def invite(operator: Operator, named: str, letter: Path | None, **kinds: bool) -> None:
    """Make a one-time code with which a user logs in."""
    kind = _kind(**kinds)
    if kind and letter:
        raise click.UsageError("give --letter, --link or --pin, not several")
    number = _number(operator, named)
    made = operator.post(
        "users", number, "invitations", body={"kind": "letter" if letter else kind or "link"}
    )
    if letter is None:
        operator.tell(made, _invitation(made))
        return
    body = json.dumps({"code": made["code"]}).encode()
    content = operator.send("POST", "users", number, "letter", body=body, patience=LETTER_SECONDS)
    try:
        replace(letter, content)
    except OSError as problem:
        raise EnvironmentProblem(f"{letter} cannot be written: {problem.strerror}") from None
    words = f"{letter} logs user {number} in, once, until {local_minute(made['expires_at'])}"
    operator.tell({**made, "path": str(letter)}, words)


@user.socket_command
@flag("--ended", "Also log-ins that were ended.", "is_ended")
@WIDE
def logins(operator: Operator, *, is_ended: bool) -> None:
    """List the browsers that are logged in."""
    operator.table(
        LOGIN_COLUMNS,
        operator.get("logins", ended=str(is_ended).lower(), limit=500),
        empty="nobody is logged in",
    )


@user.socket_command
@ID
def end(operator: Operator, number: int) -> None:
    """End a log-in."""
    operator.delete("logins", number)
    operator.tell({"ended": number}, f"log-in {number} is ended")


def _number(operator: Operator, named: str) -> int:
    """Return the id of a user in use. Raises ConfigError."""
    if named.isascii() and named.isdecimal():
        return int(named)
    for known in operator.get("users"):
        if known["removed_at"] is None and known["name"].casefold() == named.casefold():
            return int(known["id"])
    raise ConfigError(f"there is no user {named!r}; see levity-trio user list")


def _kind(*, is_pin: bool, is_link: bool) -> str | None:
    if is_pin and is_link:
        raise click.UsageError("give --link or --pin, not both")
    return "pin" if is_pin else "link" if is_link else None


def _password(*, is_from_stdin: bool) -> str:
    """Return a password that somebody types twice, or the first line of stdin. Raises
    UsageError."""
    if is_from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError(
            "there is no terminal to ask for the password; give --password-stdin, --link or --pin"
        )
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _invitation(made: dict[str, Any]) -> str:
    """Return the code, then where it is given and how long it works. A link that only this machine
    opens is none."""
    is_pin, page = made["kind"] == "pin", made["page"] or PAGE
    is_sent = not is_pin and not made["is_local"]
    where = f"open {page}#{made['code']}" if is_sent else f"open {page} and type it"
    until = f"It works once, until {local_minute(made['expires_at'])}, and is not shown again."
    local = (
        f"\nOnly programs on this machine reach {page}: {SAY_WHERE}." if made["is_local"] else ""
    )
    return (
        f"{made['code']}\nThis {'PIN' if is_pin else 'code'} logs user {made['user']} in: "
        f"{where}.\n{until}{local}"
    )
