"""`levity-trio events`: shows facts as they are committed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from levity_trio.cli.declaring import OF_CHARGER, Whole, option, present
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.terminal import cell, local_second, say

SILENCE_SECONDS: Final = 60.0
"""The server sends a comment each 15 s."""


@command("events")
@OF_CHARGER
@option("--kind KINDS", "Only of these kinds, separated by commas.")
@option("--after EVENT", "Begin after the event with this id.", type=Whole(0))
def events(operator: Operator, charger: str | None, kind: str | None, after: int | None) -> None:
    """Show what happens, as it happens: one line for each fact.

    Examples:
      levity-trio events
      levity-trio events --charger CP-1 --kind StatusChanged,reading
      levity-trio events --after 1200 --json

    It runs until Ctrl-C, or until the server stops.
    """
    operator.check_charger(charger)
    query = present({"charger": charger, "kind": kind})
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    for event in _events(
        operator.lines("events", query=query, headers=headers, patience=SILENCE_SECONDS)
    ):
        if operator.is_told(event):
            continue
        at, of_charger, kind = event.pop("at", ""), event.pop("charger", None), event.pop("kind")
        event.pop("id", None)
        details = " ".join(
            f"{name}={cell(value)}" for name, value in event.items() if value not in (None, "")
        )
        begin = f"{local_second(at) if at else '-':19}  {cell(of_charger):16}"
        say(f"{begin}  {kind}  {details}".rstrip())


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield each event with its id, its kind and its fields."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line == "" and "data" in fields:
            number = {"id": int(fields["id"])} if "id" in fields else {}
            yield {**number, "kind": fields["event"], **json.loads(fields["data"])}
            fields = {}
        elif name:
            fields[name] = value
