"""`levity-trio user`: who logs in with a browser: users, their passwords and one-time codes, and
their log-ins."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import (
    ANY_FILE,
    argument,
    flag,
    option,
)
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.terminal import local_minute
from levity_trio.config import EnvironmentProblem
from levity_trio.writing import replace

SAY_WHERE: Final = "start the server with --public-url, or for drivers with --drivers-url"
LETTER_SECONDS: Final = 120.0
"""Other documents may be made before."""
PAGE: Final = "/welcome"
"""The page of the dashboard that takes codes."""

user = group_of("user")


@command("invite", group=user, is_local=True)
@argument("USER", "named")
@flag("--link", "Make a one-time code for a link (a day).", "is_link")
@flag("--pin", "Make a one-time PIN (15 minutes).", "is_pin")
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
    number = operator.number("users", named)
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


def with_secret(_operator: Operator, fields: dict[str, Any]) -> bool:
    """Ask for the password of a new user who is not invited."""
    kind = _kind(is_link=fields["is_link"], is_pin=fields["is_pin"])
    password = None if kind else _password(is_from_stdin=fields["is_stdin"])
    fields["more"] = {"invite": kind} if kind else {"password": password}
    return False


def with_password(_operator: Operator, fields: dict[str, Any]) -> bool:
    """Ask for a new password, if that is wanted. Raises UsageError if nothing is to change."""
    if fields["is_without"]:
        fields["more"] = {"password": None}
    elif fields["is_asked"] or fields["is_stdin"]:
        fields["more"] = {"password": _password(is_from_stdin=fields["is_stdin"])}
    elif not any(fields[name] is not None for name in ("role", "account", "language")):
        raise click.UsageError(
            "give what is to change: --role, --household, --language, --password or --no-password"
        )
    return False


def added(operator: Operator, made: Mapping[str, Any], _given: object) -> None:
    """Say who was added, and how a user who is invited logs in."""
    words = f"This is user {made['id']}, {made['name']} ({made['role']})."
    if made["invitation"]:
        words += f"\n{_invitation(made['invitation'])}"
    operator.tell(made, words)


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
