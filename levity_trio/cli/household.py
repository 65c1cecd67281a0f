"""`levity-trio household`: households, what belongs to them, whose sessions are, and what happens
at a move-out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.billing.money import CURRENCIES
from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import (
    ANY_FILE,
    HOUSEHOLD,
    Named,
    argument,
    flag,
    option,
)
from levity_trio.cli.operator import Operator
from levity_trio.cli.terminal import (
    counted,
    heading,
    local_words,
    money,
    say,
    show_below,
    show_record,
)
from levity_trio.cli.transfers import (
    FILE,
    PATIENCE_SECONDS,
    download,
    send_file,
    show_file,
    show_results,
)
from levity_trio.config import ConfigError
from levity_trio.nouns import Household
from levity_trio.records import names_of

DETAILS: Final = ("id", *names_of(Household), "since", "until")
BELONGINGS: Final = (
    "what",
    "which",
    "since",
    "until",
    "voided_at",
    "name",
    "vehicle",
    "reason",
    "given_by",
)
FILES: Final = {
    "households": "account",
    "cards": "account-tag",
    "spaces": "account-space",
    "cars": "vehicle",
}
IMPORTED: Final = {"list": "household", **FILES}

household = group_of("household")


_KIND: Final = argument("KIND", type=click.Choice(list(FILES)))


@household.api_command
@HOUSEHOLD
@option(
    "-o --output FILE",
    "Where it goes, by default household-NUMBER.zip.",
    type=ANY_FILE,
)
def export_all(operator: Operator, number: int, output: Path | None) -> None:
    """Download everything about a household as one ZIP file.

    Examples:
      levity-trio household export-all "Flat 3, Anna" -o anna.zip
      levity-trio household export-all 7

    The file has the household and what belonged to it (account.json), its ledger,
    sessions, readings and the decisions about them as CSV, and each closed
    statement as HTML, CSV and JSON.
    """
    target = output or Path(f"household-{number}.zip")
    path = ("accounts", number, "everything")
    download(
        operator, *path, target=target, patience=PATIENCE_SECONDS, another="file", is_shown=True
    )
    done = {"account": number, "path": str(target), "size_bytes": target.stat().st_size}
    operator.tell(done, f"everything about {operator.household(number)} is now in {target}")


@household.api_command
@HOUSEHOLD
@option("--car CAR", "The company car, by number or name.", required=True, type=Named("vehicles"))
@option("--month MONTH", "Such as 2026-10.", required=True)
@option("--flat PRICE", "Choose a flat price of a kWh for the year.")
@flag("--bill", "Choose what the statements ask for.")
@option("--contract PRICE", "Choose what a supplier is paid for a kWh.")
@option(
    "-o --output FILE",
    "Where it goes: a .pdf, .html or .csv; by default car-MONTH.pdf.",
    type=ANY_FILE,
)
def sheet(
    operator: Operator, number: int, car: int, month: str, output: Path | None, **ways: str | None
) -> None:
    """Print the electricity of a company car in a month, for its employer.

    Examples:
      levity-trio household sheet 7 --car Kombi --month 2026-10 --flat 0.34
      levity-trio household sheet 7 --car Kombi --month 2026-10 -o october.pdf

    One way holds for a calendar year: a flat price, what the statements ask for, or
    what a contract costs. Its base fee is entered on the page of the car.
    """
    path = ("accounts", number, "vehicles", car)
    for way, price in ways.items():
        if price:
            given = {} if way == "bill" else {"price": price}
            operator.post(*path, "price", body={"month": month, "way": way, **given})
    from levity_trio.cli.bill import write_into  # noqa: PLC0415 - so that a list answers at once

    target = output or Path(f"car-{month}.pdf")
    query = {"format": target.suffix.removeprefix(".")}
    content = operator.send("GET", *path, "sheets", month, query=query, patience=PATIENCE_SECONDS)
    write_into(target.parent, target.name, content, replaces=True)
    operator.tell({"path": str(target)}, f"the sheet of {month} is now in {target}")


@household.api_command
@argument("KIND", type=click.Choice(list(IMPORTED)))
@FILE
def import_(operator: Operator, kind: str, path: Path) -> None:
    """Import a CSV file: all of its lines, or none.

    KIND is list, households, cards, spaces or cars; `-` is stdin.

    Examples:
      levity-trio household import list households.csv
      levity-trio household export cards > cards.csv
      levity-trio household import cards cards.csv

    A line of a `list` is one of a list on paper: name, card, space, car, since (today by default),
    address and mail; a space is named as you call it. The other columns are those of export. Import
    households first, then cars, then cards and spaces. What a file does not have stays as it is,
    and a file that is imported again changes nothing. Without `since`, a line of these holds from
    now on.
    """
    done = send_file(operator, f"{IMPORTED[kind]}-import", path=path)
    show_results(operator, done, done["results"], counted(done["lines"], "line"))


@household.api_command
@_KIND
def export(operator: Operator, kind: str) -> None:
    """Output households, their cards or spaces, or cars as CSV."""
    show_file(operator, f"{FILES[kind]}-export")


def _reason(fields: Mapping[str, Any]) -> str:
    if not fields["reason"]:
        raise click.UsageError("give --reason")
    return str(fields["reason"])


def _which(belonging: Mapping[str, Any]) -> str:
    if belonging["charger"] is not None:
        return f"{belonging['charger']}" + (
            f" connector {belonging['connector']}" if belonging["connector"] else ""
        )
    return str(belonging["tag"] or f"car {belonging['vehicle']}")


def _option(belonging: Mapping[str, Any]) -> str:
    """Return how a card, a space or a car is named to give or to take it."""
    tag, charger, connector = belonging["tag"], belonging["charger"], belonging["connector"]
    if charger is None:
        return shlex.join(("--card", tag) if tag else ("--car", str(belonging["vehicle"])))
    return shlex.join(
        ("--charger", charger, *(("--connector", str(connector)) if connector else ()))
    )


def show(
    operator: Operator, account: Mapping[str, Any], _given: Mapping[str, Any] | None = None
) -> None:
    """Show a household, what belongs to it, and what did."""
    if operator.is_told(account):
        return
    show_record(account, *DETAILS)
    belongings = account["belongings"]
    names: dict[int, str] = {}
    if any(belonging["vehicle"] for belonging in belongings):
        names = {vehicle["id"]: vehicle["name"] for vehicle in operator.rows("vehicles")}
    rows = []
    for row in belongings:
        what, vehicle = heading(row["what"]), names.get(row["vehicle"])
        rows.append({**row, "which": _which(row), "what": what, "vehicle": vehicle})
    show_below(BELONGINGS, rows)


def whose(
    operator: Operator, owner: Mapping[str, Any], _given: Mapping[str, Any] | None = None
) -> None:
    """Say whose a session is, and why."""
    name = operator.household(owner["account"]) if owner["account"] else "nobody's"
    operator.tell(owner, "\n  ".join((name, *map(local_words, owner["grounds"]))))


def listed(account: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a household, with its balance as people write it."""
    currency = CURRENCIES.get(account.get("currency") or "")
    balance = None if currency is None else money(account["balance"], currency)
    return {**account, "balance": balance}


def remember(operator: Operator, fields: dict[str, Any]) -> bool:
    """Remember the name of a household, which is deleted."""
    fields["name"] = operator.household(fields["household"])
    return False


def session(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a session, and why it belongs to a household."""
    return {**record["transaction"], "ground": record["ground"], "outside": record["outside"]}


def given(operator: Operator, fields: dict[str, Any]) -> bool:
    """Give a session, if one is named; return whether that was all."""
    session = fields.pop("session")
    if session is not None:
        body = {"account": fields["household"], "reason": _reason(fields)}
        whose(operator, operator.post("transactions", session, "give", body=body))
    return session is not None


def taken(operator: Operator, fields: dict[str, Any]) -> bool:
    """Take a session back, if one is named; return whether that was all."""
    session, number = fields.pop("session"), fields["household"]
    if session is None:
        return False
    path = ("transactions", session)
    if operator.get(*path, "account")["account"] != number:
        raise ConfigError(f"session {session} does not belong to {operator.household(number)}")
    whose(operator, operator.post(*path, "take-back", body={"reason": _reason(fields)}))
    return True


def closed(operator: Operator, account: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Show a household that was closed, and how to take what still belongs to it."""
    show(operator, account)
    until = account["until"]
    for belonging in [] if operator.is_json else account["belongings"]:
        if (belonging["until"] or "9999") > until and belonging["voided_at"] is None:
            take = (
                f"levity-trio household take {given['household']} {_option(belonging)} --since "
                f"{until} --reason 'moved out'"
            )
            say(f"still belongs to it: {_which(belonging)}; take it: {take}")
