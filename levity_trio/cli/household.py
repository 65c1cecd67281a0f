"""`levity-trio household`: households, what belongs to them, whose sessions are, and what happens
at a move-out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.bill import write_into
from levity_trio.cli.declaring import (
    ANY_FILE,
    HOUSEHOLD,
    OF_CHARGER,
    OF_LANGUAGE,
    SESSION,
    WIDE,
    Named,
    argument,
    changes,
    flag,
    limit,
    option,
    options_of,
    together,
)
from levity_trio.cli.limits import LIMITS, set_limits, take_limits
from levity_trio.cli.operator import Operator, api_group, command
from levity_trio.cli.terminal import (
    confirm,
    counted,
    heading,
    local_words,
    none_yet,
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

COLUMNS: Final = ("id", "name", "contact", "since", "until")
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
NO_HOUSEHOLD: Final = 'no household yet; add one: levity-trio household add "Flat 3, Anna"'
NO_SESSION: Final = "no session yet; what belongs to it: levity-trio household show HOUSEHOLD"
ALL_OWNED: Final = "every session belongs to somebody"
OF_TRANSACTION: Final = (
    "id",
    "start_time",
    "charger",
    "connector",
    "energy_kwh",
    "id_tag",
    "ground",
    "outside",
)
FILES: Final = {
    "households": "account",
    "cards": "account-tag",
    "spaces": "account-space",
    "cars": "vehicle",
}
IMPORTED: Final = {"list": "household", **FILES}


@api_group
def household() -> None:
    """Say who is billed, and what belongs to whom.

    Examples:
      levity-trio household add "Flat 3, Anna" --since 2026-01-01
      levity-trio household give "Flat 3, Anna" --card 04A1B2C3 --since 2026-01-01
      levity-trio household give 7 --charger CP-1 --connector 2 --name "Space 12"
      levity-trio household give 7 --card 04A1B2C3 --since 2026-03-15T12:00
      levity-trio household show 7
      levity-trio household sessions 7
      levity-trio household whose 1000017
      levity-trio household change 7 --mail anna@example.org
      levity-trio household close 7 --until 2026-10-31
      levity-trio household unowned
      levity-trio household export households > households.csv

    A household is named by its number or its name. Times are in the time zone of the
    site (the server's --time-zone); a day is its midnight. Take what a household
    still has when you close it (household take).
    """


_FIELDS: Final = together(
    options_of(Household),
    OF_LANGUAGE,
    option("--since TIME", "Since when it is open."),
    option("--until TIME", "Until when it is open."),
)
_BELONGING: Final = together(
    option("--card CARD", "A card.", "tag"),
    option("--charger ID", "A charger with all its connectors."),
    option("--connector NUMBER", "One connector of --charger.", type=click.IntRange(1)),
    option("--car CAR", "A car, or that of --card.", "vehicle"),
    option("--session SESSION", "A session, by hand.", "transaction", type=click.IntRange(1)),
    option("--since TIME", "Since when; now by default."),
    option("--reason", "Why, for those who ask later."),
)
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
    target = output or Path(f"car-{month}.pdf")
    query = {"format": target.suffix.removeprefix(".")}
    content = operator.send("GET", *path, "sheets", month, query=query, patience=PATIENCE_SECONDS)
    write_into(target.parent, target.name, content, replaces=True)
    operator.tell({"path": str(target)}, f"the sheet of {month} is now in {target}")


@household.api_command
@HOUSEHOLD
@option("--reason", "Why; it stays, so write no name.", required=True)
@option(
    "--keep-years",
    "How long closed statements keep names.",
    type=click.IntRange(0, 100),
    default=10,
)
@flag("--force", "Although something of it is not billed.")
@flag("--yes", "Do not ask.")
def delete_personal(
    operator: Operator, number: int, reason: str, *, keep_years: int, force: bool, yes: bool
) -> None:
    """Delete what is personal of a household that was closed (admin).

    Examples:
      levity-trio household close "Flat 3, Anna" --until 2026-10-31
      levity-trio bill close 2026-10 --household "Flat 3, Anna"
      levity-trio household export-all "Flat 3, Anna" -o anna.zip
      levity-trio household delete-personal "Flat 3, Anna" --reason "moved out"

    Refused while the household is open, something still belongs to it, a session of
    it is open, it owes or is owed money, or something of it is not billed. Names
    stay on closed statements until their month is --keep-years past.
    """
    name = operator.household(number)
    if not yes:
        confirm(f"Delete names and address of {name} for good?")
    query = {"reason": reason, "keep_years": keep_years, "force": str(force).lower()}
    done = operator.delete("accounts", number, "personal", query=query, patience=PATIENCE_SECONDS)
    words = f"what was personal of {name} is deleted"
    if done["named_statements"]:
        words += (
            f"; closed statements that keep names for {done['keep_years']} years: "
            f"{done['named_statements']}"
        )
    operator.tell(done, words)


@household.api_command
@option("--search TEXT", "Only with this in the name.")
@option("--open/--closed", "Only those that are open now, or are not.", "is_open", default=None)
@limit()
def list_(operator: Operator, search: str | None, *, is_open: bool | None, limit: int) -> None:
    """List households.

    Examples:
      levity-trio household list
    """
    state = None if is_open is None else str(is_open).lower()
    page = operator.get("accounts", search=search, open=state, limit=limit)
    operator.show_page(COLUMNS, page, narrower=" with --search, or use export", empty=NO_HOUSEHOLD)


@household.api_command
@HOUSEHOLD
@WIDE
def show(operator: Operator, number: int) -> None:
    """Show a household, what belongs to it, and what did."""
    _say(operator, operator.get("accounts", number))


@command("add", group=household, epilog=household.epilog)
@argument("NAME")
@_FIELDS
def add(operator: Operator, **fields: Any) -> None:
    """Add a household."""
    _say(operator, operator.post("accounts", body=changes(fields)))


@household.api_command
@HOUSEHOLD
@option("--name", "Its new name.")
@_FIELDS
@LIMITS
def change(operator: Operator, number: int, **fields: Any) -> None:
    """Change a household; what is not given stays.

    An empty text empties the field.
    """
    if given := take_limits(fields):
        set_limits(operator, "accounts", number, "limits", given=given)
    if (body := changes(fields)) or not given:
        _say(operator, operator.patch("accounts", number, body=body))


@household.api_command
@HOUSEHOLD
@option("--until TIME", "Until when it is open; now by default.")
def close(operator: Operator, number: int, until: str | None) -> None:
    """Close a household, as after a move-out.

    What belongs to it goes on to, until you take it or give it to another.
    """
    closed = operator.post("accounts", number, "close", body=changes({"until": until}))
    _say(operator, closed)
    for belonging in [] if operator.is_json else closed["belongings"]:
        if (belonging["until"] or "9999") > closed["until"] and belonging["voided_at"] is None:
            option = _option(belonging)
            take = (
                f"levity-trio household take {number} {option} --since {closed['until']} --reason "
                "'moved out'"
            )
            say(f"still belongs to it: {_which(belonging)}; take it: {take}")


@household.api_command
@HOUSEHOLD
@option("--until TIME", "The first day on which it is no longer there.", required=True)
@flag("--block-cards", "Block its cards, which it has not given back.")
@option("--reason", "Why, for those who ask later.")
def move_out(
    operator: Operator, number: int, until: str, reason: str | None, *, block_cards: bool
) -> None:
    """Let a household move out: end its cards, spaces, cars and log-ins then.

    Examples:
      levity-trio household move-out "Flat 3, Anna" --until 2026-11-01
      levity-trio household move-out 7 --until 2026-11-01 --block-cards

    Its cards charge until then, and can be given to the next household. What is left
    to do is its last bill (bill close MONTH --household), and its personal data
    (household delete-personal).
    """
    body = changes({"until": until, "reason": reason, "cards": "block" if block_cards else None})
    done = operator.post("accounts", number, "move-out", body=body)
    operator.tell(
        done,
        (
            f"{operator.household(number)} ends at {done['until']}; to undo it: "
            f"levity-trio household undo {done['task']}"
        ),
    )


@household.api_command
@argument("TASK", type=click.IntRange(1))
def undo(operator: Operator, task: int) -> None:
    """Undo a move-out or an entry of households, by its number, until it is billed.

    Examples:
      levity-trio household undo 3
    """
    done = operator.post("household-tasks", task, "undo", body={})
    names = ", ".join(map(operator.household, done["accounts"]))
    operator.tell(done, f"task {task} is undone: {names}")


@household.api_command
@HOUSEHOLD
@_BELONGING
@option("--until TIME", "Until when, if that is known.")
@option("--name", "The name of a space.")
@option(
    "--only/--for-everybody",
    "Whether only this household may charge there.",
    "exclusive",
    default=None,
)
def give(operator: Operator, number: int, transaction: int | None, **fields: Any) -> None:
    """Make a card, a space, a car or a session belong to a household.

    Examples:
      levity-trio household give 7 --card 04A1B2C3 --car "Anna's car"
      levity-trio household give 7 --card 04A1B2C3 --since 2026-03-15T12:00
      levity-trio household give 7 --charger CP-1
      levity-trio household give 7 --charger CP-1 --connector 2 --name "Space 12"
      levity-trio household give 7 --charger CP-1 --connector 2 --only
      levity-trio household give 7 --car "Anna's car" --until 2026-12-31
      levity-trio household give 7 --session 1000017 --reason "their guest"

    From then on it belongs to no other household. Without --since that is now. To
    take time before now from another household, or to give a session, give a reason.
    """
    if transaction is None:
        _say(operator, operator.post("accounts", number, "give", body=_belonging(operator, fields)))
        return
    body = {"account": number, "reason": _reason(fields)}
    _say_whose(operator, operator.post("transactions", transaction, "give", body=body))


@household.api_command
@HOUSEHOLD
@_BELONGING
def take(operator: Operator, number: int, transaction: int | None, **fields: Any) -> None:
    """Take a card, a space, a car or a session from a household.

    Examples:
      levity-trio household take 7 --card 04A1B2C3
      levity-trio household take 7 --charger CP-1 --connector 2 --since 2026-04-01
      levity-trio household take 7 --session 1000017 --reason "not their guest"
    """
    if transaction is None:
        _say(operator, operator.post("accounts", number, "take", body=_belonging(operator, fields)))
        return
    path = ("transactions", transaction)
    if operator.get(*path, "account")["account"] != number:
        name = operator.household(number)
        raise ConfigError(f"session {transaction} does not belong to {name}")
    _say_whose(operator, operator.post(*path, "take-back", body={"reason": _reason(fields)}))


@household.api_command
@SESSION
def whose(operator: Operator, transaction: int) -> None:
    """Say whose a session is, and why."""
    _say_whose(operator, operator.get("transactions", transaction, "account"))


@household.api_command
@HOUSEHOLD
@limit("How many, the newest.")
def sessions(operator: Operator, number: int, limit: int) -> None:
    """List the sessions of a household, the newest first."""
    records = list(operator.some_rows(limit, "accounts", number, "transactions"))
    rows = [
        {**record["transaction"], "ground": record["ground"], "outside": record["outside"]}
        for record in records
    ]
    operator.table(OF_TRANSACTION, rows, records, NO_SESSION)


@household.api_command
@OF_CHARGER
@option("--from TIME", "Begun at or after this time or day.")
@option("--to TIME", "Begun before this time or day.")
@limit("How many, the newest.")
def unowned(operator: Operator, limit: int, **query: Any) -> None:
    """List the sessions that belong to nobody, the newest first."""
    for name in ("from", "to"):
        query[name] = None if query[name] is None else operator.instant(query[name], f"--{name}")
    operator.check_charger(query["charger"])
    records = list(operator.some_rows(limit, "unowned-transactions", **query))
    operator.table(OF_TRANSACTION[:-2], records, records, none_yet(ALL_OWNED))


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
    done = send_file(operator, f"{IMPORTED[kind]}-import", path)
    show_results(operator, done, done["results"], counted(done["lines"], "line"))


@household.api_command
@_KIND
def export(operator: Operator, kind: str) -> None:
    """Output households, their cards or spaces, or cars as CSV."""
    show_file(operator, f"{FILES[kind]}-export")


@household.api_command
@option("--month MONTH", "Such as 2026-10.")
@option("--from DAY", "From this day on.")
@option("--to DAY", "Before this day.")
@option("--household HOUSEHOLD", "Only of this household.", "account", type=Named("accounts"))
def export_quarters(operator: Operator, **query: Any) -> None:
    """Output the energy of households by the quarter of an hour as CSV.

    Examples:
      levity-trio household export-quarters --month 2026-10 > october.csv

    It is for who settles the electricity of the house. Quarters without energy are left
    out. Where state is missing, a session waits for a review: its energy is not in kwh.
    """
    given = {name: value for name, value in query.items() if value is not None}
    path = ("GET", "quarter-export")
    say(operator.send(*path, query=given, patience=PATIENCE_SECONDS), ends_line=False)


def _belonging(operator: Operator, fields: Mapping[str, Any]) -> dict[str, Any]:
    body = changes(fields)
    if body.get("vehicle") is not None:
        body["vehicle"] = operator.number("vehicles", body["vehicle"])
    return body


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


def _say(operator: Operator, account: Mapping[str, Any]) -> None:
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


def _say_whose(operator: Operator, owner: Mapping[str, Any]) -> None:
    whose = operator.household(owner["account"]) if owner["account"] else "nobody's"
    operator.tell(owner, "\n  ".join((whose, *map(local_words, owner["grounds"]))))
