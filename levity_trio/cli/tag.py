"""`levity-trio tag`: who may charge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.examples import an_example
from levity_trio.cli.files_of_lines import FILE, send_file, show_file, show_results
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.tables import counted, say, show_below, show_record

ID_TAGS: Final = ("admin", "id-tags")
ASKED: Final = ("admin", "asked-id-tags")
COLUMNS: Final = ("id_tag", "name", "status", "expires_at", "parent_id_tag", "max_transactions", "notes")
PERIODS: Final = ("created_at", "created_by", "ended_at", "ended_by", *COLUMNS[1:])
STATUSES: Final = ("Accepted", "Blocked")
ASKED_COLUMNS: Final = ("id_tag", "charger", "first_at", "last_at", "count")
EXAMPLES: Final = """\
\b
Examples:
  levity-trio tag add 04A1B2C3 --name "Anna, flat 3" --parent FLAT-3
  levity-trio tag change 04A1B2C3 --expires 2027-01-01
  levity-trio tag block 04A1B2C3
  levity-trio tag unblock 04A1B2C3
  levity-trio tag list --search anna
  levity-trio tag asked
  levity-trio tag dismiss 04A1B2C3
  levity-trio tag export > tags.csv
  levity-trio tag import tags.csv

The server's --unknown-tags says what becomes of tags that nobody added.
"""
CHANGE_EXAMPLES: Final = """\
\b
Examples:
  levity-trio tag change 04A1B2C3 --name "Ben, flat 3"
  levity-trio tag change 04A1B2C3 --expires "" --most ""

An empty text empties the field.
"""
IMPORT_EXAMPLES: Final = """\
\b
Examples:
  levity-trio tag export > tags.csv
  levity-trio tag import tags.csv

The columns are those of export; only id_tag is needed. What a file does not
have stays as it is: neither columns nor tags are removed. An empty cell empties
the field.
"""

tag = click.Group("tag", help="Say who may charge: add, change, block and import tags.", epilog=EXAMPLES)
_TAG: Final = click.argument("id_tag", metavar="TAG")


def _fields(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for the fields of a tag."""
    for option in (
        click.option("--notes", help="Anything else."),
        click.option("--most", metavar="NUMBER", help="How many transactions it may have at once."),
        click.option("--parent", metavar="TAG", help="Its group, whose members may stop each other's transactions."),
        click.option("--expires", metavar="TIME", help="From when on it is refused; a time or a day at the site."),
        click.option("--name", help="Whose it is."),
    ):
        function = option(function)
    return function


def _given(name: str | None, expires: str | None, parent: str | None, most: str | None, notes: str | None) -> Any:
    """Return the fields that were given, for a body."""
    given: dict[str, Any] = {"name": name, "expires_at": expires, "parent_id_tag": parent, "notes": notes}
    given = {field: value or None for field, value in given.items() if value is not None}
    if most is not None:
        if most and not most.isdecimal():
            raise click.BadParameter(f"{most}: give a whole number from 1 on", param_hint="--most")
        given["max_transactions"] = int(most) if most else None
    return given


@command("list", group=tag)
@click.option("--status", type=click.Choice(STATUSES), help="Only with this status.")
@click.option("--parent", metavar="TAG", help="Only of this group.")
@click.option("--expired", is_flag=True, default=None, help="Only those that have expired.")
@click.option("--search", metavar="TEXT", help="Only with this in the tag or its name.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many.")
def show_all(operator: Operator, **given: Any) -> None:
    """List the tags that were added."""
    query = {name: str(value).lower() if value is True else value for name, value in given.items() if value is not None}
    page = operator.ask("GET", *ID_TAGS, query=query)
    operator.table(COLUMNS, page["data"], page)
    if not operator.is_json and page.get("next_cursor"):
        say("… there are more; narrow the list with --search, or use export")


@command("show", group=tag, epilog=an_example("tag show 04A1B2C3"))
@_TAG
def show(operator: Operator, id_tag: str) -> None:
    """Show a tag as it is, and as it was."""
    found = operator.ask("GET", *ID_TAGS, id_tag)
    if operator.is_json:
        operator.record(found)
        return
    show_record({name: found[name] for name in (*COLUMNS, "created_at", "created_by", "ended_at", "ended_by")})
    show_below(PERIODS, found["periods"])


@command("add", group=tag, epilog=EXAMPLES)
@_TAG
@_fields
@click.option("--blocked", is_flag=True, help="Add it as one that may not charge.")
def add(operator: Operator, id_tag: str, *, blocked: bool, **given: Any) -> None:
    """Add a tag, also one that waits for you (tag asked)."""
    body = {"id_tag": id_tag, **_given(**given), "status": "Blocked" if blocked else "Accepted"}
    _say(operator, operator.ask("POST", *ID_TAGS, given=body))


@command("change", group=tag, epilog=CHANGE_EXAMPLES)
@_TAG
@_fields
def change(operator: Operator, id_tag: str, **given: Any) -> None:
    """Change a tag; what is not given stays."""
    _change(operator, id_tag, _given(**given))


@command("block", group=tag)
@_TAG
def block(operator: Operator, id_tag: str) -> None:
    """Refuse a tag from now on.

    The connected chargers are asked to clear their caches.
    """
    _change(operator, id_tag, {"status": "Blocked"})


@command("unblock", group=tag)
@_TAG
def unblock(operator: Operator, id_tag: str) -> None:
    """Accept a tag again."""
    _change(operator, id_tag, {"status": "Accepted"})


@command("remove", group=tag, epilog=an_example("tag remove 04A1B2C3"))
@_TAG
def remove(operator: Operator, id_tag: str) -> None:
    """Remove a tag, which then is unknown (admin).

    To refuse it, block it.
    """
    operator.ask("DELETE", *ID_TAGS, id_tag)
    operator.tell({"removed": id_tag}, f"{id_tag} is removed")


@command("asked", group=tag)
def show_asked(operator: Operator) -> None:
    """List the unknown tags that wait for you (--unknown-tags ask)."""
    page = operator.ask("GET", *ASKED)
    operator.table(ASKED_COLUMNS, page["data"], page)


@command("dismiss", group=tag)
@_TAG
def dismiss(operator: Operator, id_tag: str) -> None:
    """Forget an unknown tag until it is presented again."""
    operator.ask("DELETE", *ASKED, id_tag)
    operator.tell({"dismissed": id_tag}, f"{id_tag} is forgotten")


@command("import", group=tag, epilog=IMPORT_EXAMPLES)
@FILE
def import_file(operator: Operator, path: Path) -> None:
    """Add and change tags by a CSV file: all of it, or nothing.

    `-` is stdin.
    """
    done = send_file(operator, "id-tag-import", path, {"status": STATUSES})
    show_results(operator, done, done["lines"], counted(done["tags"], "tag"))


@command("export", group=tag)
def export(operator: Operator) -> None:
    """Output all tags as CSV."""
    show_file(operator, "id-tag-export")


def _change(operator: Operator, id_tag: str, fields: Mapping[str, Any]) -> None:
    _say(operator, operator.ask("PATCH", *ID_TAGS, id_tag, given=fields))


def _say(operator: Operator, found: Mapping[str, Any]) -> None:
    if operator.is_json:
        operator.record(found)
        return
    show_record({name: found[name] for name in COLUMNS})
    if found["commands"]:
        say(f"asked {counted(len(found['commands']), 'charger')} to clear the cache")
