"""`levity-trio events`: shows facts as they are committed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import click

from levity_trio.cli.named import check_charger
from levity_trio.cli.operator import Operator, RefusedByApi, command
from levity_trio.cli.site_times import local
from levity_trio.cli.tables import cell, say
from levity_trio.client import Refusal

SILENCE_SECONDS: Final = 60.0
"""The server sends a comment each 15 s."""
EXAMPLES: Final = """\
\b
Examples:
  levity-trio events
  levity-trio events --charger CP-1 --kind StatusChanged,reading
  levity-trio events --after 1200 --json

It runs until Ctrl-C, or until the server stops.
"""


@command("events", epilog=EXAMPLES)
@click.option("--charger", metavar="ID", help="Only of this charger.")
@click.option("--kind", metavar="KINDS", help="Only of these kinds, separated by commas.")
@click.option("--after", type=click.IntRange(min=0), metavar="EVENT", help="Begin after the event with this id.")
def events(operator: Operator, charger: str | None, kind: str | None, after: int | None) -> None:
    """Show what happens, as it happens: one line for each fact."""
    query = {name: value for name, value in (("charger", charger), ("kind", kind)) if value is not None}
    check_charger(operator, charger)
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    try:
        lines = operator.api.lines("events", query=query, headers=headers, patience=SILENCE_SECONDS)
        for event in _events(lines):
            say(json.dumps(event) if operator.is_json else _shown(event))
    except Refusal as refusal:
        raise RefusedByApi(refusal) from None


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


def _local(at: str) -> str:
    return local(at).strftime("%Y-%m-%d %H:%M:%S")


def _shown(event: dict[str, Any]) -> str:
    at, charger, kind = event.pop("at", ""), event.pop("charger", None), event.pop("kind")
    event.pop("id", None)
    details = " ".join(f"{name}={cell(value)}" for name, value in event.items() if value not in (None, ""))
    return f"{_local(at) if at else '-':19}  {cell(charger):16}  {kind}  {details}".rstrip()
