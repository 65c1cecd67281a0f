"""`levity-trio backend`: other servers that get a copy of what chargers tell."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Final

import click

from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import (
    WIDE,
    argument,
    flag,
    present,
)
from levity_trio.cli.operator import Operator, RefusedByApi
from levity_trio.cli.terminal import local_minute, say, show_below, show_record
from levity_trio.config import ConfigError

BACKENDS: Final = "backends"
CHARGER_COLUMNS: Final = (
    *("charger", "identity", "is_connected", "since", "behind_since", "problem", "told"),
    *("told_at", "refused", "waiting", "made", "without", "has_password", "begins_at"),
)

backend = group_of("backend")


def put_together(operator: Operator, fields: dict[str, Any]) -> bool:
    """Put chargers and cards together as the API takes them, or add the backends of a file; return
    whether that was all."""
    if fields["file"] is not None:
        _add_all(operator, _in_file(fields["file"]))
        return True
    chargers, password = fields["chargers"], fields["password"]
    if fields["name"] is None or fields["url"] is None or not chargers:
        raise click.UsageError("give NAME, URL and --charger, or --file")
    secret = None if password is None else password.read().strip()
    told = []
    for charger, _, identity in (text.partition("=") for text in chargers):
        one = {"charger": charger, "identity": identity or None, "password": secret}
        told.append(present(one))
    fields["more"] = {"chargers": told, "cards": _called(fields["cards"])}
    return False


def _called(cards: Sequence[str]) -> list[dict[str, str]]:
    """Return what cards are called, each given as CARD=ALIAS."""
    pairs = [text.rpartition("=") for text in cards]
    return [{"card": card, "alias": alias} for card, _, alias in pairs]


def _add_all(operator: Operator, wanted: list[dict[str, Any]]) -> None:
    """Add several backends, if all can be added."""
    for body in wanted:
        _post(operator, body, query={"check": True})
    added = [_post(operator, body) for body in wanted]
    operator.tell(added, "\n".join(f"backend {one['name']} gets a copy" for one in added))


def _in_file(file: BinaryIO) -> list[dict[str, Any]]:
    """Return the tables of a file, whose names differ. Raises ConfigError."""
    try:
        tables = tomllib.load(file).get("backend")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{file.name} is no TOML: {problem}") from None
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{file.name} has no table [[backend]]; see backend add --help")
    names = [table.get("name") for table in tables]
    if len({*names}) < len(names):
        raise ConfigError(f"two backends in {file.name} have the same name")
    days = (
        {"begins_on": str(table["begins_on"])} if "begins_on" in table else {} for table in tables
    )
    return [table | day for table, day in zip(tables, days, strict=True)]


def _post(operator: Operator, body: Mapping[str, Any], **options: Any) -> Any:
    try:
        return operator.post(BACKENDS, body=body, **options)
    except RefusedByApi as refused:
        refused.args = (f"backend {body.get('name')}: {refused}",)
        raise


def taken_out(operator: Operator, fields: Mapping[str, Any]) -> bool:
    """Take a charger out, if that is wanted; return whether that was all."""
    if fields["take_out"]:
        charger, named = fields["charger"], click.get_current_context().params["backend"]
        operator.delete(BACKENDS, fields["backend"], "chargers", charger)
        words = f"backend {named} is told of {charger} no longer"
        operator.tell({"taken_out": charger}, words)
    return bool(fields["take_out"])


def summary(row: Mapping[str, Any]) -> Mapping[str, Any]:
    chargers = row["chargers"]
    behind = [one["behind_since"] for one in chargers if one["behind_since"]]
    problems = [one["problem"] for one in chargers if one["problem"]]
    return {
        **row,
        "told": sum(one["told"] for one in chargers),
        "connected": f"{sum(one['is_connected'] for one in chargers)} of {len(chargers)}",
        "behind_since": min(behind, default=None),
        "refused": sum(one["refused"] for one in chargers),
        "problem": problems[0] if problems else None,
    }


@backend.api_command
@argument("[BACKEND]", "named")
@flag("--toml", "As a file for add --file, without secrets.", "is_toml")
@WIDE
def show(operator: Operator, named: str | None, *, is_toml: bool) -> None:
    """Show a backend, its chargers and cards; with --toml also all of them."""
    if named is None and not is_toml:
        raise click.UsageError("give a BACKEND, or --toml")
    rows = operator.get(BACKENDS)
    if named is not None:
        number = operator.number("backends", named)
        rows = [row for row in rows if row["id"] == number]
    if is_toml:
        say("\n\n".join(map(_toml, rows)))
    elif not operator.is_told(rows[0]):
        lists = ("chargers", "cards")
        show_record(rows[0], *(name for name in rows[0] if name not in lists))
        show_below(CHARGER_COLUMNS, rows[0]["chargers"])
        show_below(("card", "alias"), rows[0]["cards"])


def _toml(row: Mapping[str, Any]) -> str:
    """Return a backend as a table of TOML; null is an empty text there."""
    lines = ["[[backend]]"]

    def put(record: Mapping[str, Any], *names: str) -> None:
        for name in names:
            value = "" if record[name] is None else record[name]
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")

    put(
        row,
        "name",
        "url",
        "is_repaired",
        "tells_authorize",
        "with_cards",
        "with_signed",
        "other_cards",
    )
    if row["begins_at"] != row["added_at"]:
        lines.append(f"begins_on = {local_minute(row['begins_at'])[:10]}")
    lines += [f"# {name} = " for name in ("root", "certificate") if row[f"has_{name}"]]
    for charger in row["chargers"]:
        lines += ["", "[[backend.chargers]]"]
        put(charger, "charger", "identity", "without")
        lines += ["# password = "] if charger["has_password"] else []
    for card in row["cards"]:
        lines += ["", "[[backend.cards]]"]
        put(card, "card", "alias")
    return "\n".join(lines)


@backend.api_command
@argument("BACKEND", "named")
@argument("CARD")
@argument("[ALIAS]")
def card(operator: Operator, named: str, card: str, alias: str | None) -> None:
    """Say what a card is called there: "" leaves its sessions out, and without ALIAS it is called
    like all others."""
    place = (BACKENDS, operator.number("backends", named), "cards")
    if alias is None:
        operator.delete(*place, card)
        words = f"{card} is called like all others at backend {named}"
    else:
        operator.put(*place, body={"card": card, "alias": alias})
        words = f"{card} is called {alias} at backend {named}"
        if not alias:
            words = f"backend {named} is not told of sessions of {card}"
    operator.tell({"card": card, "alias": alias}, words)
