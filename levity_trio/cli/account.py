"""`levity-trio account`: households, what belongs to them, and whose transactions are."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli import account_leaving
from levity_trio.cli.examples import an_example
from levity_trio.cli.files_of_lines import FILE, send_file, show_file, show_results
from levity_trio.cli.named import check_charger, number_of
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.tables import counted, local_words, say, show_below, show_record
from levity_trio.config import ConfigError

ACCOUNTS: Final = ("admin", "accounts")
TRANSACTIONS: Final = ("admin", "transactions")
COLUMNS: Final = ("id", "name", "contact", "since", "until")
DETAILS: Final = ("id", "name", "address", "contact", "notes", "since", "until")
BELONGINGS: Final = ("what", "which", "name", "vehicle", "since", "until", "given_by", "reason", "voided_at")
OF_TRANSACTION: Final = ("id", "start_time", "charger", "connector", "id_tag", "energy_kwh", "ground", "outside")
FILES: Final = {
    "accounts": "account",
    "tags": "account-tag",
    "spaces": "account-space",
    "vehicles": "vehicle",
}
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

account = click.Group("account", help="Say who is billed, and what belongs to whom.", epilog=EXAMPLES)
for one in account_leaving.COMMANDS:
    account.add_command(one)
_ACCOUNT: Final = click.argument("named", metavar="ACCOUNT")
Options = Callable[[Callable[..., Any]], Callable[..., Any]]


def _options(*options: Options) -> Options:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_FIELDS: Final = _options(
    click.option("--address", help="Where statements go."),
    click.option("--contact", help="Mail, telephone."),
    click.option("--notes", help="Anything else."),
    click.option("--since", metavar="TIME", help="Since when it is open."),
    click.option("--until", metavar="TIME", help="Until when it is open."),
)
_THING: Final = _options(
    click.option("--tag", metavar="TAG", help="A tag."),
    click.option("--charger", metavar="ID", help="A charger with all its connectors."),
    click.option("--connector", type=click.IntRange(1), metavar="NUMBER", help="One connector of --charger."),
    click.option("--vehicle", metavar="VEHICLE", help="A vehicle, or the one that --tag names."),
    click.option("--transaction", type=click.IntRange(1), metavar="ID", help="A transaction, by hand."),
    click.option("--since", metavar="TIME", help="Since when; now by default."),
    click.option("--reason", help="Why, for those who ask later."),
)
_KIND: Final = click.argument("kind", metavar="KIND", type=click.Choice(list(FILES)))


@command("list", group=account, epilog=an_example("account list"))
@click.option("--search", metavar="TEXT", help="Only with this in the name.")
@click.option("--open/--closed", "is_open", default=None, help="Only those that are open now, or are not.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many.")
def show_all(operator: Operator, search: str | None, *, is_open: bool | None, limit: int) -> None:
    """List accounts."""
    given = {"search": search, "open": None if is_open is None else str(is_open).lower(), "limit": limit}
    page = operator.ask("GET", *ACCOUNTS, query={name: value for name, value in given.items() if value is not None})
    operator.table(COLUMNS, page["data"], page)
    if not operator.is_json and page.get("next_cursor"):
        say("… there are more; narrow the list with --search, or use export")


@command("show", group=account)
@_ACCOUNT
def show(operator: Operator, named: str) -> None:
    """Show an account, what belongs to it, and what did."""
    _say(operator, operator.ask("GET", *ACCOUNTS, number_of(operator, "accounts", named)))


@command("add", group=account, epilog=EXAMPLES)
@click.argument("name")
@_FIELDS
def add(operator: Operator, **given: Any) -> None:
    """Add an account."""
    _say(operator, operator.ask("POST", *ACCOUNTS, given=_given(given)))


@command("change", group=account)
@_ACCOUNT
@click.option("--name", help="Its new name.")
@_FIELDS
def change(operator: Operator, named: str, **given: Any) -> None:
    """Change an account; what is not given stays.

    An empty text empties the field.
    """
    _say(operator, operator.ask("PATCH", *ACCOUNTS, number_of(operator, "accounts", named), given=_given(given)))


@command("close", group=account)
@_ACCOUNT
@click.option("--until", metavar="TIME", help="Until when it is open; now by default.")
def close(operator: Operator, named: str, until: str | None) -> None:
    """Close an account, as after a move-out.

    What belongs to it goes on to, until you take it or give it to another.
    """
    number = number_of(operator, "accounts", named)
    found = operator.ask("POST", *ACCOUNTS, number, "close", given=_given({"until": until}))
    _say(operator, found)
    still = [one for one in found["belongings"] if one["until"] is None and one["voided_at"] is None]
    for one in [] if operator.is_json else still:
        take = f"levity-trio account take {number} {_option(one)} --since {found['until']} --reason 'moved out'"
        say(f"still belongs to it: {_which(one)}; take it: {take}")


@command("give", group=account, epilog=GIVE_EXAMPLES)
@_ACCOUNT
@_THING
@click.option("--until", metavar="TIME", help="Until when, if that is known.")
@click.option("--name", help="The name of a space.")
def give(operator: Operator, named: str, transaction: int | None, **given: Any) -> None:
    """Make a tag, a space, a vehicle or a transaction belong to an account."""
    number = number_of(operator, "accounts", named)
    if transaction is not None:
        body = {"account": int(number), "reason": _reason(given)}
        _say_whose(operator, operator.ask("POST", *TRANSACTIONS, str(transaction), "give", given=body))
        return
    _say(operator, operator.ask("POST", *ACCOUNTS, number, "give", given=_thing(operator, given)))


@command("take", group=account, epilog=TAKE_EXAMPLES)
@_ACCOUNT
@_THING
def take(operator: Operator, named: str, transaction: int | None, **given: Any) -> None:
    """Take a tag, a space, a vehicle or a transaction from an account."""
    number = number_of(operator, "accounts", named)
    if transaction is not None:
        whose = operator.ask("GET", *TRANSACTIONS, str(transaction), "account")
        if whose["account"] != int(number):
            raise ConfigError(f"transaction {transaction} does not belong to account {number}")
        body = {"reason": _reason(given)}
        _say_whose(operator, operator.ask("POST", *TRANSACTIONS, str(transaction), "take-back", given=body))
        return
    _say(operator, operator.ask("POST", *ACCOUNTS, number, "take", given=_thing(operator, given)))


@command("whose", group=account)
@click.argument("transaction", type=click.IntRange(1))
def whose(operator: Operator, transaction: int) -> None:
    """Say whose a transaction is, and why."""
    _say_whose(operator, operator.ask("GET", *TRANSACTIONS, str(transaction), "account"))


@command("transactions", group=account)
@_ACCOUNT
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many, the newest.")
def show_transactions(operator: Operator, named: str, limit: int) -> None:
    """List the transactions of an account, the newest first."""
    number = number_of(operator, "accounts", named)
    found = _read(operator, (*ACCOUNTS, number, "transactions"), {}, limit)
    rows = [one["transaction"] | {"ground": one["ground"], "outside": one["outside"]} for one in found]
    operator.table(OF_TRANSACTION, rows, found)


@command("unowned", group=account)
@click.option("--charger", metavar="ID", help="Only of this charger.")
@click.option("--from", metavar="TIME", help="Begun at or after this time or day.")
@click.option("--to", metavar="TIME", help="Begun before this time or day.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many, the newest.")
def show_unowned(operator: Operator, limit: int, **given: Any) -> None:
    """List the transactions that belong to nobody, the newest first."""
    query = {name: value for name, value in given.items() if value is not None}
    query |= {name: operator.instant(str(query[name]), f"--{name}") for name in ("from", "to") if name in query}
    check_charger(operator, given["charger"])
    found = _read(operator, ("admin", "unowned-transactions"), query, limit)
    operator.table(OF_TRANSACTION[:-2], found, found)


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


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that were given, for a body; an empty text empties one."""
    return {name: value or None for name, value in fields.items() if value is not None}


def _thing(operator: Operator, given: Mapping[str, Any]) -> dict[str, Any]:
    body = _given(given)
    if body.get("vehicle") is not None:
        body["vehicle"] = int(number_of(operator, "vehicles", body["vehicle"]))
    return body


def _reason(given: Mapping[str, Any]) -> str:
    if not given["reason"]:
        raise click.UsageError("give --reason")
    return str(given["reason"])


def _read(operator: Operator, path: tuple[str, ...], query: Mapping[str, Any], limit: int) -> list[Any]:
    """Read parts of a list until there are enough rows."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while len(found) < limit:
        page = operator.ask("GET", *path, query={**query, **cursor, "limit": limit - len(found)})
        found += page["data"]
        if not page.get("next_cursor"):
            break
        cursor = {"cursor": page["next_cursor"]}
    return found


def _which(one: Mapping[str, Any]) -> str:
    if one["charger"] is not None:
        return f"{one['charger']}" + (f" connector {one['connector']}" if one["connector"] else "")
    return str(one["tag"] or f"vehicle {one['vehicle']}")


def _option(one: Mapping[str, Any]) -> str:
    """Return how a thing is named to give or to take it."""
    if one["charger"] is None:
        return shlex.join(("--tag", one["tag"]) if one["tag"] else ("--vehicle", str(one["vehicle"])))
    connector = ("--connector", str(one["connector"])) if one["connector"] else ()
    return shlex.join(("--charger", one["charger"], *connector))


def _say(operator: Operator, found: Mapping[str, Any]) -> None:
    if operator.is_json:
        operator.record(found)
        return
    show_record({name: found[name] for name in DETAILS})
    names = _vehicle_names(operator) if any(one["vehicle"] for one in found["belongings"]) else {}
    rows = ({**one, "which": _which(one), "vehicle": names.get(one["vehicle"])} for one in found["belongings"])
    show_below(BELONGINGS, rows)


def _vehicle_names(operator: Operator) -> dict[int, str]:
    return {one["id"]: one["name"] for one in operator.rows("admin", "vehicles")}


def _say_whose(operator: Operator, found: Mapping[str, Any]) -> None:
    grounds = map(local_words, found["grounds"])
    words = [f"account {found['account']}" if found["account"] else "nobody's", *grounds]
    operator.tell(found, "\n  ".join(words))
