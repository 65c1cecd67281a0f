"""`levity-trio token`: makes, lists and revokes tokens of the API, by default over the socket
beside the database."""

from __future__ import annotations

from typing import Final

import click

from levity_trio.cli.declaring import ID, WIDE, argument, option
from levity_trio.cli.operator import Operator, api_group

COLUMNS: Final = ("id", "name", "role", "revoked_at", "last_used_at", "created_at", "created_by")


@api_group
def token() -> None:
    """Make, list and revoke tokens of the API.

    Examples:
      levity-trio token create anna --role admin
      levity-trio token list
      levity-trio token revoke 1

    These commands use the socket beside the database of the server, which only the user of the
    server can open, so they work without a token, and with --no-api. Give --api to use the API of
    another machine. A token is shown once; give it to a program as LEVITY_TOKEN, or write it to
    ~/.config/levity-trio/token (chmod 600).
    """


@token.socket_command
@argument("NAME")
@option(
    "--role",
    "What it may do: read; also operate; everything.",
    "role",
    type=click.Choice(["viewer", "operator", "admin"]),
    required=True,
)
def create(operator: Operator, name: str, role: str) -> None:
    """Make a token and show it, once."""
    made = operator.post("tokens", body={"name": name, "role": role})
    operator.tell(
        made,
        f"{made['token']}\nThis is token {made['id']} of {name} ({role}). It is not shown again.",
    )


@token.socket_command
@WIDE
def list_(operator: Operator) -> None:
    """List the tokens."""
    operator.table(
        COLUMNS,
        operator.get("tokens"),
        empty="no token yet: levity-trio token create NAME --role viewer",
    )


@token.socket_command
@ID
def revoke(operator: Operator, number: int) -> None:
    """Revoke a token; what uses it is refused from then on."""
    operator.delete("tokens", number)
    operator.tell({"revoked": number}, f"token {number} is revoked")
