"""`levity-trio bill owner` and `bill template`: who bills, and the words and formats of statements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.examples import an_example
from levity_trio.cli.operator import Operator, RefusedByApi, command
from levity_trio.cli.tables import say
from levity_trio.client import Refusal
from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.documents.template import ENGLISH_TEXT

BILLER: Final = ("admin", "biller")
FIELDS: Final = ("name", "address", "contact", "bank_account", "bank_name", "tax_number", "payment_days")
EXAMPLES: Final = """\
\b
Examples:
  levity-trio bill owner set --name "Bauhof 12 eG" --address "Bauhof 12
  10115 Berlin" --contact strom@bauhof12.example
  levity-trio bill owner set --bank-account "DE02 1203 0000 0000 2020 51"
  levity-trio bill owner logo house.png
  levity-trio bill template > german.toml
  levity-trio bill owner template german.toml

Closed statements keep what was set when they were closed.
"""
PATIENCE_SECONDS: Final = 120.0
_PATH: Final = click.argument(
    "path", metavar="[FILE]", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
_REMOVE: Final = click.option("--remove", is_flag=True, help="Go on without it.")

owner = click.Group("owner", help="Say who bills, as it stands on statements.", epilog=EXAMPLES)


@command("show", group=owner, epilog=an_example("bill owner show"))
def show(operator: Operator) -> None:
    """Show who bills."""
    operator.record(operator.ask("GET", *BILLER))


@command("set", group=owner, epilog=EXAMPLES)
@click.option("--name", help="The house, or whoever bills.")
@click.option("--address", help="Its lines.")
@click.option("--contact", help="Whom to ask about a line.")
@click.option("--bank-account", metavar="ACCOUNT", help="Where to pay to; an IBAN is checked.")
@click.option("--bank-name", metavar="NAME", help="The bank.")
@click.option("--tax-number", metavar="NUMBER", help="As it must stand on a bill.")
@click.option("--payment-days", type=click.IntRange(0, 365), help="Days to pay after closing; 14 by default.")
def set_fields(operator: Operator, **given: Any) -> None:
    """Say who bills (admin); what is not given stays.

    An empty text empties the field.
    """
    changed = {name: value if value != "" else None for name, value in given.items() if value is not None}
    if not changed:
        raise click.UsageError("give at least one of the options")
    operator.record(operator.ask("PUT", *BILLER, given=_before(operator) | changed))


@command("logo", group=owner)
@_PATH
@_REMOVE
def logo(operator: Operator, path: Path | None, *, remove: bool) -> None:
    """Give the logo of statements, a PNG or JPEG file (admin)."""
    _put(operator, "logo", path, "image/*", remove=remove)


@command("template", group=owner)
@_PATH
@_REMOVE
def set_template(operator: Operator, path: Path | None, *, remove: bool) -> None:
    """Give own words and formats of statements (admin).

    Begin with a copy of those of this program: levity-trio bill template.
    """
    _put(operator, "template", path, "application/toml", remove=remove)


@click.command("template", epilog=an_example("bill template > german.toml"))
def template() -> None:
    """Print the words and formats of this program."""
    say(ENGLISH_TEXT, ends_line=False)


def _before(operator: Operator) -> dict[str, Any]:
    try:
        found = operator.api.ask("GET", *BILLER)
    except Refusal as refusal:
        if refusal.code == "not_found":
            return {}
        raise RefusedByApi(refusal) from None
    return {name: found[name] for name in FIELDS}


def _put(operator: Operator, name: str, path: Path | None, media_type: str, *, remove: bool) -> None:
    if remove == (path is not None):
        raise click.UsageError("give a file, or --remove")
    if path is None:
        operator.ask("DELETE", *BILLER, name)
        operator.tell({"removed": name}, f"the {name} is removed")
        return
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise EnvironmentProblem(f"{path} cannot be read: {problem.strerror}") from None
    try:
        answer = json.loads(
            operator.api.send("PUT", *BILLER, name, body=content, media_type=media_type, patience=PATIENCE_SECONDS)
        )
    except Refusal as refusal:
        faults = refusal.document.get("faults")
        raise (ConfigError(*(f"{path}: {one}" for one in faults)) if faults else RefusedByApi(refusal)) from None
    operator.tell(answer, f"the {name} is now that of {path}")


COMMANDS: Final = (owner, template)
