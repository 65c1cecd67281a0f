"""`levity-trio notify`: messages to people: try each way out, and see what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import option
from levity_trio.cli.operator import FAILED, Operator, RefusedByApi
from levity_trio.cli.transfers import PATIENCE_SECONDS

WAYS: Final = {
    "mail": "--mail",
    "push": "--ntfy",
    "ping": "--ping-url",
    "backup": "--backup-folder",
}


notify = group_of("notify")


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


def row(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a message: to whom it went, and what became of it."""
    state = "given up" if message["given_up_at"] else "waits"
    problem = message["problem"]
    if message["sent_at"]:
        state = "sent"
        problem = "perhaps twice" if message["perhaps_twice"] else problem
    by_push = " (push)" if message["channel"] == "push" else ""
    to = message["sent_to"] or f"{message['name']}{by_push}"
    return {**message, "state": state, "problem": problem, "to": to}
