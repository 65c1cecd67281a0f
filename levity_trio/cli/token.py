"""`levity-trio token`: makes, lists and revokes tokens of the API, over the local socket beside the database."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import click

from levity_trio.cli.operator import Operator
from levity_trio.cli.serve import database_options
from levity_trio.config import socket_path
from levity_trio.config_sources import load

ADMIN: Final = "admin"
COLUMNS: Final = ("id", "name", "role", "created_at", "created_by", "last_used_at", "revoked_at")
EXAMPLES: Final = """\
\b
Examples:
  levity-trio token create anna --role operator
  levity-trio token list
  levity-trio token revoke 1

The server must run on this machine. These commands use the socket beside its database, which only the user of the
server can open, so they work without a token, and with --no-api. A token is shown once; give it to a program as
LEVITY_TOKEN, or write it to ~/.config/levity-trio/token (chmod 600).
"""


def _over_socket(function: Callable[..., None]) -> Callable[..., None]:
    """Give a function the API on the socket of the database that the options name."""

    def run(*, is_json: bool, **given: Any) -> None:
        settings = {name: given.pop(name) for name in ("database", "config") if name in given}
        config, _ = load({name: value for name, value in settings.items() if value is not None}, os.environ)
        url = f"unix:{socket_path(config.database.resolve())}"
        function(Operator(url, is_json=is_json), **given)

    return run


def _options() -> list[click.Parameter]:
    return [*database_options(), click.Option(["is_json", "--json"], is_flag=True, help="Output JSON, for programs.")]


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
            params=[click.Argument(["name"]), _ROLE, *_options()],
            callback=_over_socket(create),
            help="Make a token and show it, once.",
        ),
        click.Command("list", params=_options(), callback=_over_socket(show_all), help="List the tokens."),
        click.Command(
            "revoke",
            params=[click.Argument(["number"], type=int, metavar="ID"), *_options()],
            callback=_over_socket(revoke),
            help="Revoke a token; what uses it is refused from then on.",
        ),
    ],
)
