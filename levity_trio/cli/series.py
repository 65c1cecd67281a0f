"""`levity-trio series`: price series, where they come from, and what their prices are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.declaring import Named, argument, limit, option, present, together
from levity_trio.cli.operator import Operator, api_group
from levity_trio.cli.terminal import show_below, show_record
from levity_trio.cli.transfers import FILE, PATIENCE_SECONDS, read_file
from levity_trio.config import ConfigError

COLUMNS: Final = ("id", "name", "currency", "prices", "until", "failure")
PRICES: Final = ("at", "price")
NO_SERIES: Final = (
    "no price series yet; add one: levity-trio series set Day-ahead --currency EUR "
    "--source energy-charts"
)


@api_group
def series() -> None:
    """Keep price series: prices of energy by the quarter-hour.

    Examples:
      levity-trio series set Day-ahead --currency EUR --source energy-charts
      levity-trio series try Day-ahead
      levity-trio series fetch Day-ahead --day 2026-10-01
      levity-trio series show Day-ahead
      levity-trio series add Contract prices.csv --unit ct/kWh

    A tariff may name a series and add to its prices. Prices of tomorrow are fetched
    from 13:00 on, until they are there. A stored price is never overwritten: one
    that was wrong is corrected with a reason.
    """


_SERIES: Final = argument("SERIES", "number", type=Named("series"))
_READ: Final = together(
    option("--format", "Of the document.", "form", type=click.Choice(["csv", "json"])),
    option("--list PATH", "Where JSON has the list of prices."),
    option("--time NAME", "The column of the time, or its path in the list."),
    option("--price NAME", "The column of the price, or its path in the list."),
    option("--unit UNIT", "Of the prices, such as EUR/MWh or ct/kWh."),
    option("--minutes N", "For how many a row holds that stands alone: 15, 30, 60.", type=int),
)


@series.api_command
@limit()
def list_(operator: Operator, limit: int) -> None:
    """List the price series, and until when their prices are known.

    Examples:
      levity-trio series list
    """
    operator.show_page(COLUMNS, operator.get("series", limit=limit), empty=NO_SERIES)


@series.api_command
@_SERIES
@option("--since DAY", "The first day; today, if not given.")
@option("--until DAY", "The last day; the one after the first, if not given.")
def show(operator: Operator, number: int, **days: str | None) -> None:
    """Show a price series and its prices, of today and tomorrow or of other days."""
    record = operator.get("series", number)
    prices = operator.get("series", number, "prices", **days)["prices"]
    if not operator.is_told(record | {"prices": prices}):
        show_record(record, *COLUMNS, "missing", "source")
        show_below(PRICES, prices)


@series.api_command
@argument("NAME")
@option("--currency CODE", "Such as EUR; needed for a new series.")
@option("--prices KIND", "With tax or without.", type=click.Choice(["gross", "net"]))
@option("--source NAME", "energy-charts, awattar, smard, or none.", "preset")
@option("--url URL", "Where prices are fetched; it may have {date} in it.")
@_READ
def set_(operator: Operator, name: str, **fields: Any) -> None:
    """Add a price series, or change the one of this name.

    Examples:
      levity-trio series set Day-ahead --currency EUR --source energy-charts
      levity-trio series set Mine --currency EUR --unit ct/kWh --list data \\
          --time start --price value --url "https://example.org/{date}.json"
      levity-trio series set Mine --source none

    The three sources are of the German market; `series show` has the --url, which
    may be changed to another one. {date} becomes the day that is wanted.
    """
    if fields["preset"] == "none":
        fields |= {"preset": None, "url": ""}
    body = present(fields)
    known = operator.get("series", name=name)["data"]
    if known:
        record = operator.patch("series", known[0]["id"], body=body)
    else:
        record = operator.post("series", body=body | {"name": name})
    if not operator.is_told(record):
        show_record(record, *COLUMNS, "source")


@series.api_command
@_SERIES
@FILE
@_READ
@option("--reason", "Why stored prices are replaced by these.")
def add(operator: Operator, number: int, path: Path, **query: Any) -> None:
    """Add prices from a file: CSV with the columns time and price, or JSON.

    Examples:
      levity-trio series add Contract prices.csv --unit ct/kWh
      levity-trio series add Contract prices.csv --reason "wrong contract"

    Times without an offset are those of the site. The file is added as a whole, or
    not at all. Prices that are stored stay, unless a reason is given.
    """
    content = operator.send(
        "POST",
        "series",
        number,
        "import",
        query=present(query),
        body=read_file(path),
        media_type="text/csv",
        patience=PATIENCE_SECONDS,
    )
    _tell(operator, json.loads(content))


@series.api_command
@_SERIES
def try_(operator: Operator, number: int) -> None:
    """Fetch the prices of today and show them; nothing is stored."""
    record = operator.get("series", number)
    if record["source"] is None:
        raise ConfigError(f"{record['name']} has no source; see levity-trio series set --help")
    fields = {name: record[name] for name in ("name", "currency", "prices")}
    tried = operator.post("series", "try", body=fields | record["source"])
    if not operator.is_told(tried):
        show_below(PRICES, tried["prices"])


@series.api_command
@_SERIES
@option("--day DAY", "Of which day; today, if not given.")
def fetch(operator: Operator, number: int, day: str | None) -> None:
    """Fetch prices of a day now, and store those that are new."""
    _tell(operator, operator.post("series", number, "fetch", body=present({"day": day})))


def _tell(operator: Operator, done: Mapping[str, Any]) -> None:
    words = [f"{done['added']} added, {done['same']} the same", done["words"], done["lacks"]]
    operator.tell(done, "; ".join(filter(None, words)))
