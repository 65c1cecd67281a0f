"""`levity-trio template`: what the configuration of several chargers must be, who differs, and
bringing into line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import WIDE, Whole, argument, flag, option, present
from levity_trio.cli.operator import (
    ERROR,
    NO_ANSWER,
    NOT_CONNECTED,
    REJECTED,
    Operator,
)
from levity_trio.cli.terminal import say, show_record, show_table, warn

TEMPLATES: Final = "configuration-templates"
APPLY_SECONDS: Final = 3700.0
OF_RESULT: Final[Mapping[str, int]] = {
    **dict.fromkeys(("same", "accepted", "reboot required"), 0),
    "error": ERROR,
    **dict.fromkeys(("timed out", "gone", "expired", "cancelled"), NO_ANSWER),
    "not connected": NOT_CONNECTED,
}
"""The exit status for the result of a key; every other one is a refusal."""

template = group_of("template")


@template.api_command
@argument("NAME")
@click.argument("entries", nargs=-1, required=True, metavar="KEY=VALUE...")
@option("--model MODEL", "For all chargers of a model.")
@option("--chargers ID,...", "For these chargers.")
def set_(
    operator: Operator, name: str, entries: Sequence[str], model: str | None, chargers: str | None
) -> None:
    """Add a template, or replace it as a whole."""
    identities = None if chargers is None else _listed(chargers)
    body = present({"entries": dict(map(_entry, entries)), "model": model, "chargers": identities})
    shown(operator, operator.put(TEMPLATES, name, body=body))
    known = (
        set() if identities is None else {charger["id"] for charger in operator.rows("chargers")}
    )
    for charger in identities or ():
        if charger not in known:
            warn(f"warning: there is no charger {charger} yet; see levity-trio chargers")


@template.api_command
@argument("NAME")
@click.argument("chargers", required=False, metavar="CHARGER,...")
@flag("--all", "All chargers of the template.", "is_all")
@option("--at-once", "Chargers asked at once.", type=Whole(1, 100), default=5)
@WIDE
def apply(
    operator: Operator, name: str, chargers: str | None, *, is_all: bool, at_once: int
) -> int:
    """Change the keys that differ at these chargers, and show what came of each."""
    if (chargers is None) != is_all:
        raise click.UsageError("give the chargers, or --all")
    body = {"all": True} if chargers is None else {"chargers": _listed(chargers)}
    done = operator.post(
        TEMPLATES, name, "apply", body=body | {"at_once": at_once}, patience=APPLY_SECONDS
    )
    _report(operator, done, "keys", "charger", "key", "result", "had", "has", "detail")
    return max((OF_RESULT.get(result, REJECTED) for result in done["counts"]), default=0)


def reported(operator: Operator, compared: Mapping[str, Any], _given: object) -> None:
    """Show which chargers differ from a template, and in what."""
    columns = ("charger", "key", "standing", "wanted", "has", "read_at")
    _report(operator, compared, "chargers", *columns)


def _report(operator: Operator, report: Mapping[str, Any], what: str, *columns: str) -> None:
    """Show the keys of each charger whose state, in the third column, is not the same, and how many
    have which."""
    if operator.is_told(report):
        return
    keys = [
        {"charger": charger["charger"], **key}
        for charger in report["chargers"]
        for key in charger["keys"]
    ]
    show_table(columns, [key for key in keys if key[columns[2]] != "same"])
    counts = ", ".join(f"{count} {name}" for name, count in report["counts"].items())
    say(f"{what}: {counts or 'none'}")


def shown(
    operator: Operator, template: Mapping[str, Any], _given: Mapping[str, Any] | None = None
) -> None:
    """Show a template."""
    if not operator.is_told(template):
        show_record({name: value for name, value in template.items() if name != "entries"})
        show_table(
            ("key", "value"),
            ({"key": key, "value": value} for key, value in template["entries"].items()),
        )


def _entry(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.UsageError(f"{text}: give KEY=VALUE")
    return key, value


def _listed(chargers: str) -> list[str]:
    return list(filter(None, chargers.split(",")))
