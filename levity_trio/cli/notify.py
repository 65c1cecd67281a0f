"""`levity-trio notify`: messages to people: try each way out, and see what was sent."""

from __future__ import annotations

from typing import Final

import click

from levity_trio.cli.declaring import limit, option
from levity_trio.cli.operator import FAILED, Operator, RefusedByApi, api_group
from levity_trio.cli.transfers import PATIENCE_SECONDS

WAYS: Final = {
    "mail": "--mail",
    "push": "--ntfy",
    "ping": "--ping-url",
    "backup": "--backup-folder",
}
COLUMNS: Final = ("created_at", "state", "to", "subject", "problem", "id")


@api_group
def notify() -> None:
    """Try the messages to people, and see what was sent.

    Examples:
      levity-trio notify test
      levity-trio notify test mail --to anna@example.org
      levity-trio notify log

    Who is told what is chosen on the page Messages of the dashboard.
    """


@notify.api_command
@click.argument("way", type=click.Choice([*WAYS]), required=False)
@option("--to ADDRESS", "Mail the test to this address, not to the sender's own mailbox.")
def test(operator: Operator, way: str | None, to: str | None) -> int:
    """Try mail, push, ping or backup, which makes a copy; without a way, each that is set.

    The exit status is 1 if one failed.
    """
    known = operator.get("messages", "ways")
    ways = [way] if way else [name for name in WAYS if known[name]]
    results = []
    for name in ways:
        body = {"way": name, "to": to} if name == "mail" and to else {"way": name}
        try:
            done = operator.post("messages", "test", body=body, patience=PATIENCE_SECONDS)
            results.append({**done, "problem": None})
        except RefusedByApi as refused:
            results.append({"way": name, "to": None, "problem": str(refused)})
    words = [f"{one['way']}: {one['problem'] or one['words']}" for one in results]
    operator.tell(
        results,
        "\n".join(words) or f"nothing is set; start the server with {' or '.join(WAYS.values())}",
    )
    return 0 if results and all(one["problem"] is None for one in results) else FAILED


@notify.api_command
@limit("So many at most.")
def log(operator: Operator, limit: int) -> None:
    """List what was sent, to whom and when, and what still waits, the newest first."""
    found = operator.get("messages", limit=limit)
    for message in [] if operator.is_json else found:
        message["state"] = "given up" if message["given_up_at"] else "waits"
        if message["sent_at"]:
            message["state"] = "sent"
            message["problem"] = "perhaps twice" if message["perhaps_twice"] else message["problem"]
        by_push = " (push)" if message["channel"] == "push" else ""
        message["to"] = message["sent_to"] or f"{message['name']}{by_push}"
    operator.table(COLUMNS, found, empty="no message yet")
