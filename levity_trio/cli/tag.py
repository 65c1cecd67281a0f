"""`levity-trio tag`: who may charge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.declaring import an_example, changes, limit, together
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.terminal import counted, say, show_below, show_record
from levity_trio.cli.transfers import FILE, send_file, show_file, show_results

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
_FIELDS: Final = together(
    click.option("--name", help="Whose it is."),
    click.option("--expires", metavar="TIME", help="From when on it is refused; a time or a day at the site."),
    click.option("--parent", metavar="TAG", help="Its group, whose members may stop each other's transactions."),
    click.option("--most", metavar="NUMBER", help="How many transactions it may have at once."),
    click.option("--notes", help="Anything else."),
)


def _body(name: str | None, expires: str | None, parent: str | None, most: str | None, notes: str | None) -> Any:
    """Return the fields that were given, for a body."""
    if most and not most.isdecimal():
        raise click.BadParameter(f"{most}: give a whole number from 1 on", param_hint="--most")
    limits = {"expires_at": expires, "parent_id_tag": parent, "max_transactions": int(most) if most else most}
    return changes({"name": name, "notes": notes, **limits})


@command("list", group=tag)
@click.option("--status", type=click.Choice(STATUSES), help="Only with this status.")
@click.option("--parent", metavar="TAG", help="Only of this group.")
@click.option("--expired", is_flag=True, default=None, help="Only those that have expired.")
@click.option("--search", metavar="TEXT", help="Only with this in the tag or its name.")
@limit()
def show_all(operator: Operator, **query: Any) -> None:
    """List the tags that were added."""
    page = operator.get("id-tags", **{name: "true" if value is True else value for name, value in query.items()})
    operator.show_page(COLUMNS, page, narrower=" with --search, or use export")


@command("show", group=tag, epilog=an_example("tag show 04A1B2C3"))
@_TAG
def show(operator: Operator, id_tag: str) -> None:
    """Show a tag as it is, and as it was."""
    record = operator.get("id-tags", id_tag)
    if not operator.is_told(record):
        show_record(record, *COLUMNS, "created_at", "created_by", "ended_at", "ended_by")
        show_below(PERIODS, record["periods"])


@command("add", group=tag, epilog=EXAMPLES)
@_TAG
@_FIELDS
@click.option("--blocked", is_flag=True, help="Add it as one that may not charge.")
def add(operator: Operator, id_tag: str, *, blocked: bool, **fields: Any) -> None:
    """Add a tag, also one that waits for you (tag asked)."""
    body = {"id_tag": id_tag, **_body(**fields), "status": "Blocked" if blocked else "Accepted"}
    _say(operator, operator.post("id-tags", body=body))


@command("change", group=tag, epilog=CHANGE_EXAMPLES)
@_TAG
@_FIELDS
def change(operator: Operator, id_tag: str, **fields: Any) -> None:
    """Change a tag; what is not given stays."""
    _say(operator, operator.patch("id-tags", id_tag, body=_body(**fields)))


@command("block", group=tag)
@_TAG
def block(operator: Operator, id_tag: str) -> None:
    """Refuse a tag from now on.

    The connected chargers are asked to clear their caches.
    """
    _say(operator, operator.patch("id-tags", id_tag, body={"status": "Blocked"}))


@command("unblock", group=tag)
@_TAG
def unblock(operator: Operator, id_tag: str) -> None:
    """Accept a tag again."""
    _say(operator, operator.patch("id-tags", id_tag, body={"status": "Accepted"}))


@command("remove", group=tag, epilog=an_example("tag remove 04A1B2C3"))
@_TAG
def remove(operator: Operator, id_tag: str) -> None:
    """Remove a tag, which then is unknown (admin).

    To refuse it, block it.
    """
    operator.delete("id-tags", id_tag)
    operator.tell({"removed": id_tag}, f"{id_tag} is removed")


@command("asked", group=tag)
def show_asked(operator: Operator) -> None:
    """List the unknown tags that wait for you (--unknown-tags ask)."""
    operator.show_page(ASKED_COLUMNS, operator.get("asked-id-tags"))


@command("dismiss", group=tag)
@_TAG
def dismiss(operator: Operator, id_tag: str) -> None:
    """Forget an unknown tag until it is presented again."""
    operator.delete("asked-id-tags", id_tag)
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


def _say(operator: Operator, tag: Mapping[str, Any]) -> None:
    if operator.is_told(tag):
        return
    show_record(tag, *COLUMNS)
    if tag["commands"]:
        say(f"asked {counted(len(tag['commands']), 'charger')} to clear the cache")
