"""`levity-trio user`: who logs in with a browser: users, their passwords and one-time codes, and their log-ins."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import click

from levity_trio.cli.examples import examples_of
from levity_trio.cli.named import number_of
from levity_trio.cli.operator import Operator
from levity_trio.cli.over_socket import options, over_socket
from levity_trio.cli.tables import local_minute
from levity_trio.config import ConfigError

USERS: Final = ("admin", "users")
LOGINS: Final = ("admin", "logins")
SAY_WHERE: Final = "start the server with --public-url, or for drivers with --drivers-url"
PAGE: Final = "/welcome"
"""The page of the dashboard that takes codes."""
COLUMNS: Final = ("id", "name", "role", "account", "has_password", "invited_until", "last_used_at", "removed_at")
LOGIN_COLUMNS: Final = ("id", "name", "role", "address", "browser", "made_at", "last_used_at", "ended_at", "ended_by")
EXAMPLES: Final = """\
\b
Examples:
  levity-trio user add anna --role admin
  levity-trio user add ben --role driver --account 7 --pin
  levity-trio user add cleo --role operator --link
  levity-trio user list
  levity-trio user change cleo --role viewer
  levity-trio user change anna --password
  levity-trio user invite ben --pin
  levity-trio user remove cleo
  levity-trio user logins
  levity-trio user end 12

A user is named by its name or its id. These commands use the socket beside the
database of the server, which only the user of the server can open, so they work
without a token. Give --api to use the API of another machine.
"""


def add(operator: Operator, name: str, role: str, account: str | None, **given: Any) -> None:
    kind = _kind(given)
    secret = {"invite": kind} if kind else {"password": _password(is_from_stdin=given["is_stdin"])}
    number = None if account is None else int(number_of(operator, "accounts", account))
    made = operator.ask("POST", *USERS, given={"name": name, "role": role, "account": number, **secret})
    words = f"This is user {made['id']}, {name} ({role})."
    operator.tell(made, f"{words}\n{_invitation(made['invitation'])}" if made["invitation"] else words)


def show_all(operator: Operator) -> None:
    operator.table(COLUMNS, operator.ask("GET", *USERS))


def change(operator: Operator, named: str, role: str | None, account: str | None, **given: Any) -> None:
    fields: dict[str, object] = {} if role is None else {"role": role}
    if account is not None:
        fields["account"] = int(number_of(operator, "accounts", account))
    if given["is_without"]:
        fields["password"] = None
    elif given["is_asked"] or given["is_stdin"]:
        fields["password"] = _password(is_from_stdin=given["is_stdin"])
    if not fields:
        raise click.UsageError("give what is to change: --role, --account, --password or --no-password")
    changed = operator.ask("PATCH", *USERS, _user(operator, named), given=fields)
    operator.tell(changed, f"user {changed['id']}, {changed['name']}, is changed")


def remove(operator: Operator, named: str) -> None:
    number = _user(operator, named)
    operator.ask("DELETE", *USERS, number)
    operator.tell({"removed": int(number)}, f"user {number} is removed")


def invite(operator: Operator, named: str, **given: Any) -> None:
    made = operator.ask("POST", *USERS, _user(operator, named), "invitations", given={"kind": _kind(given) or "link"})
    operator.tell(made, _invitation(made))


def logins(operator: Operator, *, is_ended: bool) -> None:
    query = {"ended": str(is_ended).lower(), "limit": 500}
    operator.table(LOGIN_COLUMNS, operator.ask("GET", *LOGINS, query=query))


def end(operator: Operator, number: int) -> None:
    operator.ask("DELETE", *LOGINS, str(number))
    operator.tell({"ended": number}, f"log-in {number} is ended")


def _user(operator: Operator, named: str) -> str:
    """Return the id of a user in use. Raises ConfigError."""
    if named.isascii() and named.isdecimal():
        return named
    for user in operator.ask("GET", *USERS):
        if user["removed_at"] is None and user["name"].casefold() == named.casefold():
            return str(user["id"])
    raise ConfigError(f"there is no user {named!r}; see levity-trio user list")


def _kind(given: dict[str, Any]) -> str | None:
    if given["is_pin"] and given["is_link"]:
        raise click.UsageError("give --link or --pin, not both")
    return "pin" if given["is_pin"] else "link" if given["is_link"] else None


def _password(*, is_from_stdin: bool) -> str:
    """Return a password that somebody types twice, or the first line of stdin. Raises UsageError."""
    if is_from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask for the password; give --password-stdin, --link or --pin")
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


def _invitation(made: dict[str, Any]) -> str:
    """Return the code, then where it is given and how long it works. A link that only this machine opens is none."""
    is_pin, page = made["kind"] == "pin", made["page"] or PAGE
    is_sent = not is_pin and not made["is_local"]
    where = f"open {page}#{made['code']}" if is_sent else f"open {page} and type it"
    until = f"It works once, until {local_minute(made['expires_at'])}, and is not shown again."
    local = f"\nOnly programs on this machine reach {page}: {SAY_WHERE}." if made["is_local"] else ""
    return f"{made['code']}\nThis {'PIN' if is_pin else 'code'} logs user {made['user']} in: {where}.\n{until}{local}"


_NAMED: Final = click.Argument(["named"], metavar="USER")
_ROLES: Final = click.Choice(["driver", "viewer", "operator", "admin"])
_ACCOUNT: Final = click.Option(["account", "--account"], metavar="ACCOUNT", help="The household of a driver.")
_STDIN: Final = click.Option(["is_stdin", "--password-stdin"], is_flag=True, help="Read the password from stdin.")
_LINK: Final = click.Option(["is_link", "--link"], is_flag=True, help="Make a one-time code for a link (a day).")
_PIN: Final = click.Option(["is_pin", "--pin"], is_flag=True, help="Make a one-time PIN (15 minutes).")


def _command(name: str, callback: Callable[..., None], words: str, *parameters: click.Parameter) -> click.Command:
    api = click.Option(
        ["api", "--api"], metavar="URL", envvar="LEVITY_API", help="URL of an API instead of the socket."
    )
    return click.Command(
        name,
        params=[*parameters, api, *options()],
        callback=over_socket(callback),
        help=words,
        epilog=examples_of(EXAMPLES, "user", name),
    )


user = click.Group(
    "user",
    help="Say who may log in with a browser, and see who did.",
    epilog=EXAMPLES,
    commands=[
        _command(
            "add",
            add,
            "Add a user. The password is asked for, unless you invite the user.",
            click.Argument(["name"]),
            click.Option(["role", "--role"], type=_ROLES, required=True, help="What the user may do."),
            *(_ACCOUNT, _STDIN, _LINK, _PIN),
        ),
        _command("list", show_all, "List the users."),
        _command(
            "change",
            change,
            "Change role, account or password. A new password ends the user's log-ins.",
            _NAMED,
            click.Option(["role", "--role"], type=_ROLES, help="What the user may do."),
            _ACCOUNT,
            click.Option(["is_asked", "--password"], is_flag=True, help="Ask for a new password."),
            click.Option(["is_without", "--no-password"], is_flag=True, help="Forget the password; then invite."),
            _STDIN,
        ),
        _command("remove", remove, "Remove a user; the user's log-ins end.", _NAMED),
        _command("invite", invite, "Make a one-time code with which a user logs in.", _NAMED, _LINK, _PIN),
        _command(
            "logins",
            logins,
            "List the browsers that are logged in.",
            click.Option(["is_ended", "--ended"], is_flag=True, help="Also log-ins that were ended."),
        ),
        _command("end", end, "End a log-in.", click.Argument(["number"], type=int, metavar="ID")),
    ],
)
