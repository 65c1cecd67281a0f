"""`levity-trio token`: makes, lists and revokes tokens of the API, over the local socket beside the database."""

from __future__ import annotations

from typing import Final

import click

from levity_trio.cli.examples import examples_of
from levity_trio.cli.operator import Operator
from levity_trio.cli.over_socket import options, over_socket

ADMIN: Final = "admin"
COLUMNS: Final = ("id", "name", "role", "created_at", "created_by", "last_used_at", "revoked_at")
EXAMPLES: Final = """\
\b
Examples:
  levity-trio token create anna --role admin
  levity-trio token list
  levity-trio token revoke 1

The server must run on this machine. These commands use the socket beside its database, which only the user of the
server can open, so they work without a token, and with --no-api. A token is shown once; give it to a program as
LEVITY_TOKEN, or write it to ~/.config/levity-trio/token (chmod 600).
"""


def create(operator: Operator, name: str, role: str) -> None:
    made = operator.ask("POST", ADMIN, "tokens", given={"name": name, "role": role})
    operator.tell(made, f"{made['token']}\nThis is token {made['id']} of {name} ({role}). It is not shown again.")


def show_all(operator: Operator) -> None:
    operator.table(COLUMNS, operator.ask("GET", ADMIN, "tokens"))


def revoke(operator: Operator, number: int) -> None:
    operator.ask("DELETE", ADMIN, "tokens", str(number))
    operator.tell({"revoked": number}, f"token {number} is revoked")


_ROLE: Final = click.Option(
    ["role", "--role"],
    type=click.Choice(["viewer", "operator", "admin"]),
    required=True,
    help="What it may do: read; also operate; everything.",
)
token = click.Group(
    "token",
    help="Make, list and revoke tokens of the API.",
    epilog=EXAMPLES,
    commands=[
        click.Command(
            "create",
            epilog=examples_of(EXAMPLES, "token", "create"),
            params=[click.Argument(["name"]), _ROLE, *options()],
            callback=over_socket(create),
            help="Make a token and show it, once.",
        ),
        click.Command(
            "list",
            epilog=examples_of(EXAMPLES, "token", "list"),
            params=options(),
            callback=over_socket(show_all),
            help="List the tokens.",
        ),
        click.Command(
            "revoke",
            epilog=examples_of(EXAMPLES, "token", "revoke"),
            params=[click.Argument(["number"], type=int, metavar="ID"), *options()],
            callback=over_socket(revoke),
            help="Revoke a token; what uses it is refused from then on.",
        ),
    ],
)
