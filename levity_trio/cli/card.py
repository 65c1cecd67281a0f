"""`levity-trio card`: who may charge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.declaring import (
    WIDE,
    argument,
    changes,
    flag,
    limit,
    option,
    together,
)
from levity_trio.cli.limits import EVERYWHERE, LIMITS, set_limits, take_limits
from levity_trio.cli.operator import Operator, api_group, command
from levity_trio.cli.terminal import counted, say, show_below, show_record
from levity_trio.cli.transfers import FILE, send_file, show_file, show_results
from levity_trio.nouns import Card
from levity_trio.records import names_of

COLUMNS: Final = names_of(Card)
NO_CARD: Final = "no card yet; add one: levity-trio card add NUMBER --name NAME"
PERIODS: Final = ("created_at", "created_by", "ended_at", "ended_by", *COLUMNS[1:])
STATUSES: Final = ("Accepted", "Blocked")
ASKED_COLUMNS: Final = ("id_tag", "charger", "first_at", "last_at", "count", "looks_like")


@api_group
def card() -> None:
    """Say who may charge: add, change, block and import cards.

    Examples:
      levity-trio card add 04A1B2C3 --name "Anna, flat 3" --parent FLAT-3
      levity-trio card change 04A1B2C3 --expires 2027-01-01
      levity-trio card block 04A1B2C3
      levity-trio card unblock 04A1B2C3
      levity-trio card list --search anna
      levity-trio card asked
      levity-trio card same C3B2A104 04A1B2C3
      levity-trio card dismiss 04A1B2C3
      levity-trio card export > cards.csv
      levity-trio card import cards.csv

    The server's --unknown-tags says what becomes of cards that nobody added.
    """


_CARD: Final = argument("CARD", "id_tag")
_FIELDS: Final = together(
    option("--name", "Whose it is."),
    option("--expires TIME", "From when on it is refused; a time or a day at the site."),
    option("--parent CARD", "Its group, whose members may stop each other's sessions."),
    option("--most NUMBER", "How many sessions it may have at once."),
    option("--notes", "Anything else."),
)


def _body(
    name: str | None, expires: str | None, parent: str | None, most: str | None, notes: str | None
) -> Any:
    """Return the fields that were given, for a body."""
    if most and not most.isdecimal():
        raise click.BadParameter(f"{most}: give a whole number from 1 on", param_hint="--most")
    limits = {
        "expires_at": expires,
        "parent_id_tag": parent,
        "max_transactions": int(most) if most else most,
    }
    return changes({"name": name, "notes": notes, **limits})


@card.api_command
@option("--status", "Only with this status.", type=click.Choice(STATUSES))
@option("--parent CARD", "Only of this group.")
@flag("--expired", "Only those that have expired.", default=None)
@option("--search TEXT", "Only with this in the card or its name.")
@limit()
def list_(operator: Operator, **query: Any) -> None:
    """List the cards that were added."""
    page = operator.get(
        "id-tags", **{name: "true" if value is True else value for name, value in query.items()}
    )
    operator.show_page(COLUMNS, page, narrower=" with --search, or use export", empty=NO_CARD)


@card.api_command
@_CARD
@WIDE
def show(operator: Operator, id_tag: str) -> None:
    """Show a card as it is, and as it was.

    Examples:
      levity-trio card show 04A1B2C3
    """
    record = operator.get("id-tags", id_tag)
    if not operator.is_told(record):
        show_record(record, *COLUMNS, "created_at", "created_by", "ended_at", "ended_by")
        show_below(PERIODS, record["periods"])


@command("add", group=card, epilog=card.epilog)
@_CARD
@_FIELDS
@flag("--blocked", "Add it as one that may not charge.")
def add(operator: Operator, id_tag: str, *, blocked: bool, **fields: Any) -> None:
    """Add a card, also one that waits for you (card asked)."""
    body = {"id_tag": id_tag, **_body(**fields), "status": "Blocked" if blocked else "Accepted"}
    _say(operator, operator.post("id-tags", body=body))


@card.api_command
@_CARD
@_FIELDS
@LIMITS
@EVERYWHERE
def change(operator: Operator, id_tag: str, **fields: Any) -> None:
    """Change a card; what is not given stays.

    Examples:
      levity-trio card change 04A1B2C3 --name "Ben, flat 3"
      levity-trio card change 04A1B2C3 --expires "" --most ""
      levity-trio card change 04A1B2C3 --only-at CP-1 --only-at CP-2
      levity-trio card change 04A1B2C3 --anywhere --month-kwh 150
      levity-trio card change 04A1B2C3 --everywhere

    An empty text empties the field.
    """
    if given := take_limits(fields):
        set_limits(operator, "id-tag-limits", id_tag, given=given)
    if (body := _body(**fields)) or not given:
        _say(operator, operator.patch("id-tags", id_tag, body=body))


@card.api_command
@_CARD
def block(operator: Operator, id_tag: str) -> None:
    """Refuse a card from now on.

    The connected chargers are asked to clear their caches.
    """
    _say(operator, operator.patch("id-tags", id_tag, body={"status": "Blocked"}))


@card.api_command
@_CARD
def unblock(operator: Operator, id_tag: str) -> None:
    """Accept a card again."""
    _say(operator, operator.patch("id-tags", id_tag, body={"status": "Accepted"}))


@card.api_command
@_CARD
def remove(operator: Operator, id_tag: str) -> None:
    """Remove a card, which then is unknown (admin).

    To refuse it, block it.

    Examples:
      levity-trio card remove 04A1B2C3
    """
    operator.delete("id-tags", id_tag)
    operator.tell({"removed": id_tag}, f"{id_tag} is removed")


@card.api_command
@WIDE
def asked(operator: Operator) -> None:
    """List the unknown cards that wait for you (--unknown-tags ask)."""
    empty = (
        "no unknown card waits; with `serve --unknown-tags ask`, one that is held to a charger does"
    )
    operator.show_page(ASKED_COLUMNS, operator.get("asked-id-tags"), _with_words, empty=empty)


def _with_words(asked: Mapping[str, Any]) -> dict[str, Any]:
    cards = [f"{card} ({how})" for card, how in (asked["looks_like"] or {}).items()]
    return {**asked, "looks_like": ", ".join(cards)}


@card.api_command
@_CARD
@argument("KNOWN")
def same(operator: Operator, id_tag: str, known: str) -> None:
    """Make an unknown card the KNOWN one, which a charger reads so.

    It may what the known one may, and is blocked with it. To take it back, remove it.

    Examples:
      levity-trio card same C3B2A104 04A1B2C3
    """
    _say(operator, operator.post("asked-id-tags", id_tag, "same", body={"id_tag": known}))


@card.api_command
@_CARD
def dismiss(operator: Operator, id_tag: str) -> None:
    """Forget an unknown card until it is presented again."""
    operator.delete("asked-id-tags", id_tag)
    operator.tell({"dismissed": id_tag}, f"{id_tag} is forgotten")


@card.api_command
@FILE
def import_(operator: Operator, path: Path) -> None:
    """Add and change cards by a CSV file: all of it, or nothing.

    `-` is stdin.

    Examples:
      levity-trio card export > cards.csv
      levity-trio card import cards.csv

    The columns are those of export; only id_tag is needed. What a file does not
    have stays as it is: neither columns nor cards are removed. An empty cell empties
    the field.
    """
    done = send_file(operator, "id-tag-import", path)
    show_results(operator, done, done["lines"], counted(done["tags"], "card"))


@card.api_command
def export(operator: Operator) -> None:
    """Output all cards as CSV."""
    show_file(operator, "id-tag-export")


def _say(operator: Operator, changed: Mapping[str, Any]) -> None:
    if operator.is_told(changed):
        return
    show_record(changed, *COLUMNS)
    if changed["commands"]:
        say(f"asked {counted(len(changed['commands']), 'charger')} to clear the cache")
