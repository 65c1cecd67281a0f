"""`levity-trio backend`: other servers that get a copy of what chargers tell."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Final

import click

from levity_trio.cli.declaring import (
    WIDE,
    argument,
    changes,
    flag,
    limit,
    option,
    present,
    together,
)
from levity_trio.cli.operator import FAILED, Operator, RefusedByApi, api_group, command
from levity_trio.cli.terminal import local_minute, say, show_below, show_record
from levity_trio.config import ConfigError

BACKENDS: Final = "backends"
COLUMNS: Final = (
    *("id", "name", "told", "connected", "behind_since", "refused", "problem"),
    *("paused_at", "certificate_ends_at", "url"),
)
CHARGER_COLUMNS: Final = (
    *("charger", "identity", "is_connected", "since", "behind_since", "problem", "told"),
    *("told_at", "refused", "waiting", "made", "without", "has_password", "begins_at"),
)
REFUSED_COLUMNS: Final = ("at", "charger", "kind", "action", "answer", "transaction", "payload")
NO_BACKEND: Final = "no backend yet: levity-trio backend add NAME URL --charger ID"


@api_group
def backend() -> None:
    """Send a copy of what chargers tell to other servers.

    Examples:
      levity-trio backend add employer wss://backend.example/ocpp/ --charger CP-1
      levity-trio backend list
      levity-trio backend show employer
      levity-trio backend show --toml
      levity-trio backend test employer
      levity-trio backend change employer --certificate new.pem
      levity-trio backend charger employer CP-2 --identity NL-ABC-8
      levity-trio backend charger employer CP-2 --take-out
      levity-trio backend card employer 04A2B3C9 DRIVER-7
      levity-trio backend refused employer
      levity-trio backend again employer
      levity-trio backend pause employer
      levity-trio backend resume employer
      levity-trio backend remove employer

    A backend is named by its name or its id. Each gets what was stored since it was
    added, or since a day, also after it was away.
    """


_NAMED: Final = argument("BACKEND", "named")
_TEXT: Final = click.File("r", encoding="utf-8")
_PASSWORD: Final = option(
    "--password-file FILE", "The password of the charger there; - is stdin.", "password", type=_TEXT
)
_SETTINGS: Final = together(
    option("--root FILE", "Its own root certificate, PEM.", type=_TEXT),
    option("--certificate FILE", "A client certificate with its private key, PEM.", type=_TEXT),
    option(
        "--repaired/--as-sent",
        "Tell repaired messages with right times, or as chargers sent them.",
        "is_repaired",
        default=None,
    ),
    option(
        "--authorize/--no-authorize",
        "Tell which cards were presented, or only sessions.",
        "tells_authorize",
        default=None,
    ),
    option(
        "--with-cards/--with-aliases",
        "Send the numbers of cards, or aliases instead.",
        default=None,
    ),
    option(
        "--with-signed/--without-signed",
        "Send what meters sign, which may name a card, or only with numbers of cards.",
        default=None,
    ),
    option(
        "--others ALIAS",
        'Alias of all cards that have none; "" leaves their sessions out.',
        "other_cards",
    ),
)


ADD_EXAMPLES: Final = """\
\b
Examples:
  levity-trio backend add employer wss://backend.example/ocpp/ \\
      --charger CP-1=NL-ABC-7 --password-file cp-1.txt \\
      --card 04A2B3C9=DRIVER-7
  levity-trio backend add registrar wss://ere.example/ocpp/ \\
      --charger CP-1 --charger CP-2 --begins 2026-01-01
  levity-trio backend add --file backends.toml

\b
A TOML file has a table for each backend; all are checked before any is added:
  [[backend]]
  name = "employer"
  url = "wss://backend.example/ocpp/"
  other_cards = "OTHER"
  begins_on = 2026-01-01

\b
  [[backend.chargers]]
  charger = "CP-1"
  identity = "NL-ABC-7"
  password = "…"

\b
  [[backend.cards]]
  card = "04A2B3C9"
  alias = "DRIVER-7"

Only name, url and a charger are needed, and there are root, certificate (PEM),
is_repaired, tells_authorize, with_cards and with_signed (true or false). An empty
alias leaves the sessions of its card out. `backend show --toml` prints such a file.
"""


@command("add", group=backend, epilog=ADD_EXAMPLES)
@argument("[NAME]")
@argument("[URL]")
@option(
    "--charger ID[=IDENTITY]",
    "A charger, and its name there; repeat it for several.",
    "chargers",
    multiple=True,
)
@_PASSWORD
@option(
    "--card CARD=ALIAS",
    "A card, and its name there (none: its sessions are left out); repeat it for several.",
    "cards",
    multiple=True,
)
@_SETTINGS
@option("--begins DAY", "Tell all since this day, not from now.", "begins_on")
@option("--file FILE", "Add those of a TOML file.", type=click.File("rb"))
def add(
    operator: Operator,
    name: str | None,
    url: str | None,
    chargers: Sequence[str],
    password: Any,
    cards: Sequence[str],
    begins_on: str | None,
    file: BinaryIO | None,
    **settings: Any,
) -> None:
    """Add a backend, or those of a file."""
    if file is not None:
        _add_all(operator, _in_file(file))
        return
    if name is None or url is None or not chargers:
        raise click.UsageError("give NAME, URL and --charger, or --file")
    secret = None if password is None else password.read().strip()
    told = []
    for charger, _, identity in (text.partition("=") for text in chargers):
        fields = {"charger": charger, "identity": identity or None, "password": secret}
        told.append(present(fields))
    body = {"name": name, "url": url, "chargers": told, "cards": _called(cards)}
    one = operator.post(BACKENDS, body=present({"begins_on": begins_on}) | body | _read(settings))
    operator.tell(one, f"backend {name} gets a copy")


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


@backend.api_command
@_NAMED
@option("--name NAME", "What it is called here.")
@option("--url URL", "Where it is.")
@_SETTINGS
def change(operator: Operator, named: str, **settings: Any) -> None:
    """Change a backend; what is not given stays, and "" empties a text."""
    operator.put(*_place(operator, named), body=_read(settings))
    operator.tell({"changed": named}, f"backend {named} is changed")


def _read(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given, of files what is in them."""
    return changes(
        {
            name: value.read() if hasattr(value, "read") else value
            for name, value in settings.items()
        }
    )


def _find(operator: Operator, named: str) -> Any:
    """Return a backend by its name or its id. Raises ConfigError."""
    for row in operator.get(BACKENDS):
        if named in (row["name"], str(row["id"])):
            return row
    raise ConfigError(f"there is no backend {named!r}; levity-trio backend list shows all")


def _place(operator: Operator, named: str) -> tuple[str, int]:
    """Return where the API has a backend. Raises ConfigError."""
    return BACKENDS, _find(operator, named)["id"]


@backend.api_command
@WIDE
def list_(operator: Operator) -> None:
    """List the backends, and how far each is."""
    found = operator.get(BACKENDS)
    operator.table(COLUMNS, list(map(_summary, found)), found, empty=NO_BACKEND)


def _summary(row: Mapping[str, Any]) -> Mapping[str, Any]:
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
    rows = operator.get(BACKENDS) if named is None else [_find(operator, named)]
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
@_NAMED
@WIDE
def test(operator: Operator, named: str) -> int:
    """Connect each charger once. The exit status is 1 if one failed."""
    results = operator.post(*_place(operator, named), "test")
    operator.table(("charger", "is_connected", "problem"), results)
    return 0 if all(one["is_connected"] for one in results) else FAILED


@backend.api_command
@_NAMED
@argument("CHARGER")
@option("--identity NAME", "Its name there.")
@_PASSWORD
@option(
    "--without CONNECTOR",
    "Leave this connector out; 0: none is left out.",
    multiple=True,
    type=click.IntRange(0),
)
@flag("--take-out", "Tell of it no longer.")
def charger(
    operator: Operator,
    named: str,
    charger: str,
    identity: str | None,
    password: Any,
    without: Sequence[int],
    *,
    take_out: bool,
) -> None:
    """Tell a backend of a charger, change how, or take it out."""
    place = (*_place(operator, named), "chargers", charger)
    if take_out:
        operator.delete(*place)
        operator.tell({"taken_out": charger}, f"backend {named} is told of {charger} no longer")
        return
    body: dict[str, Any] = present({"identity": identity})
    if password is not None:
        body["password"] = password.read().strip() or None
    if without:
        body["without"] = [number for number in without if number]
    operator.put(*place, body=body)
    operator.tell({"charger": charger}, f"backend {named} is told of {charger}")


@backend.api_command
@_NAMED
@argument("CARD")
@argument("[ALIAS]")
def card(operator: Operator, named: str, card: str, alias: str | None) -> None:
    """Say what a card is called there: "" leaves its sessions out, and without ALIAS it is called
    like all others."""
    place = (*_place(operator, named), "cards")
    if alias is None:
        operator.delete(*place, card)
        words = f"{card} is called like all others at backend {named}"
    else:
        operator.put(*place, body={"card": card, "alias": alias})
        words = f"{card} is called {alias} at backend {named}"
        if not alias:
            words = f"backend {named} is not told of sessions of {card}"
    operator.tell({"card": card, "alias": alias}, words)


@backend.api_command
@_NAMED
@limit()
def refused(operator: Operator, named: str, limit: int) -> None:
    """List what a backend refused, what came late, and numbers it must not give."""
    rows = operator.get(*_place(operator, named), "refused", limit=limit)
    operator.table(REFUSED_COLUMNS, rows, empty="nothing was refused")


@backend.api_command
@_NAMED
@argument("[SESSION]", type=int)
def again(operator: Operator, named: str, session: int | None) -> None:
    """Tell a backend again of a session that it did not take, or of all such."""
    operator.post(*_place(operator, named), "again", body={"transaction": session})
    operator.tell({"again": named}, f"backend {named} is told again of what it did not take")


@backend.api_command
@_NAMED
def pause(operator: Operator, named: str) -> None:
    """Tell a backend nothing until it is resumed."""
    operator.post(*_place(operator, named), "pause")
    operator.tell({"paused": named}, f"backend {named} is told nothing until it is resumed")


@backend.api_command
@_NAMED
def resume(operator: Operator, named: str) -> None:
    """Tell a backend what came meanwhile, and go on."""
    operator.post(*_place(operator, named), "resume")
    operator.tell({"resumed": named}, f"backend {named} is told again, first what came meanwhile")


@backend.api_command
@_NAMED
def remove(operator: Operator, named: str) -> None:
    """Remove a backend for ever, with its passwords; what it got stays there."""
    operator.delete(*_place(operator, named))
    operator.tell({"removed": named}, f"backend {named} is removed")
