"""`levity-trio account`: households, what belongs to them, whose transactions are, and what happens at a move-out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.declaring import OF_CHARGER, OF_LANGUAGE, an_example, changes, limit, together
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.terminal import confirm, counted, local_words, say, show_below, show_record
from levity_trio.cli.transfers import FILE, PATIENCE_SECONDS, download, send_file, show_file, show_results
from levity_trio.config import ConfigError

COLUMNS: Final = ("id", "name", "contact", "since", "until")
DETAILS: Final = ("id", "name", "address", "contact", "notes", "language", "since", "until")
BELONGINGS: Final = ("what", "which", "name", "vehicle", "since", "until", "given_by", "reason", "voided_at")
OF_TRANSACTION: Final = ("id", "start_time", "charger", "connector", "id_tag", "energy_kwh", "ground", "outside")
FILES: Final = {"accounts": "account", "tags": "account-tag", "spaces": "account-space", "vehicles": "vehicle"}
EXAMPLES: Final = """\
\b
Examples:
  levity-trio account add "Flat 3, Anna" --since 2026-01-01
  levity-trio account give "Flat 3, Anna" --tag 04A1B2C3 --since 2026-01-01
  levity-trio account give 7 --charger CP-1 --connector 2 --name "Space 12"
  levity-trio account give 7 --tag 04A1B2C3 --since 2026-03-15T12:00
  levity-trio account show 7
  levity-trio account transactions 7
  levity-trio account whose 1000017
  levity-trio account change 7 --contact anna@example.org
  levity-trio account close 7 --until 2026-10-31
  levity-trio account unowned
  levity-trio account export accounts > accounts.csv

An account is named by its number or its name. Times are in the time zone of the
site (the server's --time-zone); a day is its midnight. Take what a household
still has when you close it (account take).
"""
GIVE_EXAMPLES: Final = """\
\b
Examples:
  levity-trio account give 7 --tag 04A1B2C3 --vehicle "Anna's car"
  levity-trio account give 7 --tag 04A1B2C3 --since 2026-03-15T12:00
  levity-trio account give 7 --charger CP-1
  levity-trio account give 7 --charger CP-1 --connector 2 --name "Space 12"
  levity-trio account give 7 --charger CP-1 --connector 2 --only
  levity-trio account give 7 --vehicle "Anna's car" --until 2026-12-31
  levity-trio account give 7 --transaction 1000017 --reason "their guest"

Whoever had it has it no longer. Without --since it is from now on. To take time
before now from another account, or to give a transaction, give a reason.
"""
TAKE_EXAMPLES: Final = """\
\b
Examples:
  levity-trio account take 7 --tag 04A1B2C3
  levity-trio account take 7 --charger CP-1 --connector 2 --since 2026-04-01
  levity-trio account take 7 --transaction 1000017 --reason "not their guest"
"""
IMPORT_EXAMPLES: Final = """\
\b
Examples:
  levity-trio account export tags > tags.csv
  levity-trio account import tags tags.csv

The columns are those of export. Import accounts first, then vehicles, then tags
and spaces. What a file does not have stays as it is, and a file that is
imported again changes nothing. Without `since`, a line holds from now on.
"""
EXPORT_EXAMPLES: Final = """\
\b
Examples:
  levity-trio account export-all "Flat 3, Anna" -o anna.zip
  levity-trio account export-all 7

The file has the account and what belonged to it (account.json), its ledger,
transactions, readings and the decisions about them as CSV, and each closed
statement as HTML, CSV and JSON.
"""
DELETE_EXAMPLES: Final = """\
\b
Examples:
  levity-trio account close "Flat 3, Anna" --until 2026-10-31
  levity-trio bill close 2026-10 --account "Flat 3, Anna"
  levity-trio account export-all "Flat 3, Anna" -o anna.zip
  levity-trio account delete-personal "Flat 3, Anna" --reason "moved out"

Refused while the account is open, something still belongs to it, a transaction
of it is open, it owes or is owed money, or something of it is not billed. Names
stay on closed statements until their month is --keep-years past.
"""

account = click.Group("account", help="Say who is billed, and what belongs to whom.", epilog=EXAMPLES)
_ACCOUNT: Final = click.argument("named", metavar="ACCOUNT")
_FIELDS: Final = together(
    click.option("--address", help="Where statements go."),
    click.option("--contact", help="Mail, telephone."),
    click.option("--notes", help="Anything else."),
    OF_LANGUAGE,
    click.option("--since", metavar="TIME", help="Since when it is open."),
    click.option("--until", metavar="TIME", help="Until when it is open."),
)
_BELONGING: Final = together(
    click.option("--tag", metavar="TAG", help="A tag."),
    click.option("--charger", metavar="ID", help="A charger with all its connectors."),
    click.option("--connector", type=click.IntRange(1), metavar="NUMBER", help="One connector of --charger."),
    click.option("--vehicle", metavar="VEHICLE", help="A vehicle, or the one that --tag names."),
    click.option("--transaction", type=click.IntRange(1), metavar="ID", help="A transaction, by hand."),
    click.option("--since", metavar="TIME", help="Since when; now by default."),
    click.option("--reason", help="Why, for those who ask later."),
)
_KIND: Final = click.argument("kind", metavar="KIND", type=click.Choice(list(FILES)))


@command("export-all", group=account, epilog=EXPORT_EXAMPLES)
@_ACCOUNT
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Where it goes, by default account-NUMBER.zip.")  # fmt: skip
def export_all(operator: Operator, named: str, output: Path | None) -> None:
    """Download everything about an account as one ZIP file."""
    number = operator.number("accounts", named)
    target = output or Path(f"account-{number}.zip")
    path = ("accounts", number, "everything")
    download(operator, *path, target=target, patience=PATIENCE_SECONDS, another="file", is_shown=True)
    done = {"account": int(number), "path": str(target), "size_bytes": target.stat().st_size}
    operator.tell(done, f"everything about account {number} is now in {target}")


@command("delete-personal", group=account, epilog=DELETE_EXAMPLES)
@_ACCOUNT
@click.option("--reason", required=True, help="Why; it stays, so write no name.")
@click.option("--keep-years", type=click.IntRange(0, 100), default=10, show_default=True,
              help="How long closed statements keep names.")  # fmt: skip
@click.option("--force", is_flag=True, help="Although something of it is not billed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_personal(operator: Operator, named: str, reason: str, *, keep_years: int, force: bool, yes: bool) -> None:
    """Delete what is personal of an account that was closed (admin)."""
    number = operator.number("accounts", named)
    if not yes:
        confirm(f"Delete names and address of account {number} for good?")
    query = {"reason": reason, "keep_years": keep_years, "force": str(force).lower()}
    done = operator.delete("accounts", number, "personal", query=query, patience=PATIENCE_SECONDS)
    words = f"what was personal of account {number} is deleted"
    if done["named_statements"]:
        words += f"; closed statements that keep names for {done['keep_years']} years: {done['named_statements']}"
    operator.tell(done, words)


@command("list", group=account, epilog=an_example("account list"))
@click.option("--search", metavar="TEXT", help="Only with this in the name.")
@click.option("--open/--closed", "is_open", default=None, help="Only those that are open now, or are not.")
@limit()
def show_all(operator: Operator, search: str | None, *, is_open: bool | None, limit: int) -> None:
    """List accounts."""
    state = None if is_open is None else str(is_open).lower()
    page = operator.get("accounts", search=search, open=state, limit=limit)
    operator.show_page(COLUMNS, page, narrower=" with --search, or use export")


@command("show", group=account)
@_ACCOUNT
def show(operator: Operator, named: str) -> None:
    """Show an account, what belongs to it, and what did."""
    _say(operator, operator.get("accounts", operator.number("accounts", named)))


@command("add", group=account, epilog=EXAMPLES)
@click.argument("name")
@_FIELDS
def add(operator: Operator, **fields: Any) -> None:
    """Add an account."""
    _say(operator, operator.post("accounts", body=changes(fields)))


@command("change", group=account)
@_ACCOUNT
@click.option("--name", help="Its new name.")
@_FIELDS
def change(operator: Operator, named: str, **fields: Any) -> None:
    """Change an account; what is not given stays.

    An empty text empties the field.
    """
    _say(operator, operator.patch("accounts", operator.number("accounts", named), body=changes(fields)))


@command("close", group=account)
@_ACCOUNT
@click.option("--until", metavar="TIME", help="Until when it is open; now by default.")
def close(operator: Operator, named: str, until: str | None) -> None:
    """Close an account, as after a move-out.

    What belongs to it goes on to, until you take it or give it to another.
    """
    number = operator.number("accounts", named)
    closed = operator.post("accounts", number, "close", body=changes({"until": until}))
    _say(operator, closed)
    for belonging in [] if operator.is_json else closed["belongings"]:
        if belonging["until"] is None and belonging["voided_at"] is None:
            option = _option(belonging)
            take = f"levity-trio account take {number} {option} --since {closed['until']} --reason 'moved out'"
            say(f"still belongs to it: {_which(belonging)}; take it: {take}")


@command("give", group=account, epilog=GIVE_EXAMPLES)
@_ACCOUNT
@_BELONGING
@click.option("--until", metavar="TIME", help="Until when, if that is known.")
@click.option("--name", help="The name of a space.")
@click.option("--only/--for-everybody", "exclusive", default=None, help="Whether only this household may charge there.")
def give(operator: Operator, named: str, transaction: int | None, **fields: Any) -> None:
    """Make a tag, a space, a vehicle or a transaction belong to an account."""
    number = operator.number("accounts", named)
    if transaction is None:
        _say(operator, operator.post("accounts", number, "give", body=_belonging(operator, fields)))
        return
    body = {"account": int(number), "reason": _reason(fields)}
    _say_whose(operator, operator.post("transactions", str(transaction), "give", body=body))


@command("take", group=account, epilog=TAKE_EXAMPLES)
@_ACCOUNT
@_BELONGING
def take(operator: Operator, named: str, transaction: int | None, **fields: Any) -> None:
    """Take a tag, a space, a vehicle or a transaction from an account."""
    number = operator.number("accounts", named)
    if transaction is None:
        _say(operator, operator.post("accounts", number, "take", body=_belonging(operator, fields)))
        return
    path = ("transactions", str(transaction))
    if operator.get(*path, "account")["account"] != int(number):
        raise ConfigError(f"transaction {transaction} does not belong to account {number}")
    _say_whose(operator, operator.post(*path, "take-back", body={"reason": _reason(fields)}))


@command("whose", group=account)
@click.argument("transaction", type=click.IntRange(1))
def whose(operator: Operator, transaction: int) -> None:
    """Say whose a transaction is, and why."""
    _say_whose(operator, operator.get("transactions", str(transaction), "account"))


@command("transactions", group=account)
@_ACCOUNT
@limit("How many, the newest.")
def show_transactions(operator: Operator, named: str, limit: int) -> None:
    """List the transactions of an account, the newest first."""
    records = list(operator.some_rows(limit, "accounts", operator.number("accounts", named), "transactions"))
    rows = [{**record["transaction"], "ground": record["ground"], "outside": record["outside"]} for record in records]
    operator.table(OF_TRANSACTION, rows, records)


@command("unowned", group=account)
@OF_CHARGER
@click.option("--from", metavar="TIME", help="Begun at or after this time or day.")
@click.option("--to", metavar="TIME", help="Begun before this time or day.")
@limit("How many, the newest.")
def show_unowned(operator: Operator, limit: int, **query: Any) -> None:
    """List the transactions that belong to nobody, the newest first."""
    for name in ("from", "to"):
        query[name] = None if query[name] is None else operator.instant(query[name], f"--{name}")
    operator.check_charger(query["charger"])
    records = list(operator.some_rows(limit, "unowned-transactions", **query))
    operator.table(OF_TRANSACTION[:-2], records, records)


@command("import", group=account, epilog=IMPORT_EXAMPLES)
@_KIND
@FILE
def import_file(operator: Operator, kind: str, path: Path) -> None:
    """Import a CSV file: all of its lines, or none.

    KIND is accounts, tags, spaces or vehicles; `-` is stdin.
    """
    done = send_file(operator, f"{FILES[kind]}-import", path)
    show_results(operator, done, done["results"], counted(done["lines"], "line"))


@command("export", group=account)
@_KIND
def export(operator: Operator, kind: str) -> None:
    """Output accounts, their tags or spaces, or vehicles as CSV."""
    show_file(operator, f"{FILES[kind]}-export")


def _belonging(operator: Operator, fields: Mapping[str, Any]) -> dict[str, Any]:
    body = changes(fields)
    if body.get("vehicle") is not None:
        body["vehicle"] = int(operator.number("vehicles", body["vehicle"]))
    return body


def _reason(fields: Mapping[str, Any]) -> str:
    if not fields["reason"]:
        raise click.UsageError("give --reason")
    return str(fields["reason"])


def _which(belonging: Mapping[str, Any]) -> str:
    if belonging["charger"] is not None:
        return f"{belonging['charger']}" + (f" connector {belonging['connector']}" if belonging["connector"] else "")
    return str(belonging["tag"] or f"vehicle {belonging['vehicle']}")


def _option(belonging: Mapping[str, Any]) -> str:
    """Return how a tag, a space or a vehicle is named to give or to take it."""
    tag, charger, connector = belonging["tag"], belonging["charger"], belonging["connector"]
    if charger is None:
        return shlex.join(("--tag", tag) if tag else ("--vehicle", str(belonging["vehicle"])))
    return shlex.join(("--charger", charger, *(("--connector", str(connector)) if connector else ())))


def _say(operator: Operator, account: Mapping[str, Any]) -> None:
    if operator.is_told(account):
        return
    show_record(account, *DETAILS)
    belongings = account["belongings"]
    names: dict[int, str] = {}
    if any(belonging["vehicle"] for belonging in belongings):
        names = {vehicle["id"]: vehicle["name"] for vehicle in operator.rows("vehicles")}
    show_below(BELONGINGS, ({**row, "which": _which(row), "vehicle": names.get(row["vehicle"])} for row in belongings))


def _say_whose(operator: Operator, owner: Mapping[str, Any]) -> None:
    whose = f"account {owner['account']}" if owner["account"] else "nobody's"
    operator.tell(owner, "\n  ".join((whose, *map(local_words, owner["grounds"]))))
