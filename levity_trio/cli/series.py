"""`levity-trio series`: price series. What is no more than a request is in its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import Named, argument, present
from levity_trio.cli.operator import Operator
from levity_trio.cli.terminal import show_below, show_record
from levity_trio.config import ConfigError

COLUMNS: Final = ("id", "name", "currency", "prices", "until", "failure")
PRICES: Final = ("at", "price")
series = group_of("series")
_SERIES: Final = argument("SERIES", "number", type=Named("series"))


def changed(operator: Operator, fields: Mapping[str, Any]) -> bool:
    """Change the price series of this name, if there is one; return whether there was."""
    given = present(fields)
    if given.get("preset") == "none":
        given |= {"preset": None, "url": ""}
    known = operator.get("series", name=given.pop("name"))["data"]
    if known:
        record = operator.patch("series", known[0]["id"], body=present(given))
        if not operator.is_told(record):
            show_record(record, *COLUMNS, "source")
    return bool(known)


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
