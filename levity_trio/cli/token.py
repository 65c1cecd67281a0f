"""`levity-trio token`: makes, lists and revokes tokens of the API, by default over the socket
beside the database."""

from __future__ import annotations

from typing import Final

import click

from levity_trio.cli.declaring import ID, WIDE, Group, option
from levity_trio.cli.operator import API, Operator, over_socket

COLUMNS: Final = ("id", "name", "role", "revoked_at", "last_used_at", "created_at", "created_by")
EXAMPLES: Final = """\
\b
Examples:
  levity-trio token create anna --role admin
  levity-trio token list
  levity-trio token revoke 1

These commands use the socket beside the database of the server, which only the user of the server
can open, so they work without a token, and with --no-api. Give --api to use the API of another
machine. A token is shown once; give it to a program as LEVITY_TOKEN, or write it to
~/.config/levity-trio/token (chmod 600).
"""

token = Group("token", help="Make, list and revoke tokens of the API.", epilog=EXAMPLES)


@over_socket("create", token)
@click.argument("name")
@option(
    "--role",
    "What it may do: read; also operate; everything.",
    "role",
    type=click.Choice(["viewer", "operator", "admin"]),
    required=True,
)
@API
def create(operator: Operator, name: str, role: str) -> None:
    """Make a token and show it, once."""
    made = operator.post("tokens", body={"name": name, "role": role})
    operator.tell(
        made,
        f"{made['token']}\nThis is token {made['id']} of {name} ({role}). It is not shown again.",
    )


@over_socket("list", token)
@WIDE
@API
def show_all(operator: Operator) -> None:
    """List the tokens."""
    operator.table(
        COLUMNS,
        operator.get("tokens"),
        empty="no token yet: levity-trio token create NAME --role viewer",
    )


@over_socket("revoke", token)
@ID
@API
def revoke(operator: Operator, number: int) -> None:
    """Revoke a token; what uses it is refused from then on."""
    operator.delete("tokens", str(number))
    operator.tell({"revoked": number}, f"token {number} is revoked")
