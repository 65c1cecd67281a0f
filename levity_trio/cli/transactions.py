"""`levity-trio transactions`: lists transactions, or sums them by month, charger or tag."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from io import StringIO
from typing import Any, Final

import click

from levity_trio.billing.states import BillState
from levity_trio.cli.named import check_charger
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.site_times import local
from levity_trio.cli.tables import say, show_table
from levity_trio.documents.cells import inert

ADMIN: Final = "admin"
PAGE: Final = 500
TO_THE_MINUTE: Final = len("2026-03-01 12:00")
COLUMNS: Final = ("id", "charger", "connector", "id_tag", "start", "stop", "kwh", "confidence", "review", "bill")
STATES: Final = {state.value.replace("'", "").replace(" ", "-"): state.value for state in BillState}
"""As they are typed, and as the API names them."""
EXAMPLES: Final = """\
\b
Examples:
  levity-trio transactions
  levity-trio transactions --charger CP-1 --from 2026-03-01 --to 2026-04-01
  levity-trio transactions --bill held-back
  levity-trio transactions --by month
  levity-trio transactions --by tag --from 2026-03-01 --csv > march.csv

Times are in the time zone of the site. --from and --to go by the start; --by month
goes by the end, as bills do; those that are open are summed as month -. --csv has all rows, however many there are.
"""
KEYS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "month": lambda row: (row["stop"] or "")[:7],
    "charger": lambda row: row["charger"],
    "tag": lambda row: row["id_tag"],
}


@command("transactions", epilog=EXAMPLES)
@click.option("--charger", metavar="ID", help="Only of this charger.")
@click.option("--connector", type=int, metavar="NUMBER", help="Only of this connector.")
@click.option("--tag", metavar="TAG", help="Only of this tag.")
@click.option("--status", type=click.Choice(["Active", "Completed"]), help="Only those that are open, or have ended.")
@click.option("--from", "since", metavar="TIME", help="Begun at or after this time or day.")
@click.option("--to", "until", metavar="TIME", help="Begun before this time or day.")
@click.option("--review", is_flag=True, help="Only those with an open review.")
@click.option(
    "--bill", type=click.Choice(list(STATES)), metavar="STATE", help=f"Only those in this state: {', '.join(STATES)}."
)
@click.option("--by", type=click.Choice(list(KEYS)), help="Sum them by month of their end, charger or tag.")
@click.option("--csv", "is_csv", is_flag=True, help="Output CSV.")
@click.option("--limit", type=click.IntRange(1, PAGE), default=50, show_default=True, help="How many, the newest.")
def transactions(operator: Operator, by: str | None, is_csv: bool, limit: int, **given: Any) -> None:
    """List transactions, the newest first, or sum them."""
    query = _query(operator, given)
    check_charger(operator, given["charger"])
    is_all = is_csv or by is not None
    rows = [_row(one) for one in _read(operator, query, None if is_all else limit + 1)]
    hidden = [] if is_all else rows[limit:]
    rows = rows[:limit] if hidden else rows
    columns: tuple[str, ...] = COLUMNS
    if by is not None:
        rows, columns = _sums(rows, by), (by, "transactions", "kwh", "in_review")
    if is_csv:
        _write_csv(columns, rows)
    elif operator.is_json:
        say(json.dumps(rows))
    else:
        show_table(columns, [{**row, **_to_the_minute(row)} for row in rows])
        if hidden:
            say(f"only the newest {limit} are shown: --limit NUMBER shows more, --csv all, --by month their sums")


def _to_the_minute(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: row[name][:TO_THE_MINUTE] for name in ("start", "stop") if row.get(name)}


def _query(operator: Operator, given: Mapping[str, Any]) -> dict[str, object]:
    names = {"since": "from", "until": "to"}
    query = {names.get(name, name): value for name, value in given.items() if value is not None and value is not False}
    for name in ("from", "to"):
        if name in query:
            query[name] = operator.instant(str(query[name]), f"--{name}")
    if given["bill"]:
        query["bill"] = STATES[given["bill"]]
    return query | ({"review": "true"} if given["review"] else {})


def _read(operator: Operator, query: Mapping[str, object], limit: int | None) -> Iterator[Mapping[str, Any]]:
    """Read page after page until there are as many as wanted; a page may have fewer rows than its limit."""
    cursor: dict[str, object] = {}
    left = limit
    while left is None or left > 0:
        page = operator.ask("GET", ADMIN, "transactions", query={**query, **cursor, "limit": min(left or PAGE, PAGE)})
        yield from page["data"]
        if not page.get("next_cursor"):
            return
        cursor = {"cursor": page["next_cursor"]}
        left = None if left is None else left - len(page["data"])


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    energy = one["energy_kwh"] if one["energy_kwh"] is not None else one["energy_so_far_kwh"]
    return {
        **{name: one[name] for name in ("id", "charger", "connector", "id_tag", "confidence", "review", "bill")},
        "start": _local(one["start_time"]),
        "stop": one["stop_time"] and _local(one["stop_time"]),
        "kwh": energy,
    }


def _local(text: str) -> str:
    return local(text).strftime("%Y-%m-%d %H:%M:%S")


def _sums(rows: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """Sum whole Wh, so that nothing is lost to rounding."""
    sums: dict[str, list[int]] = {}
    for row in rows:
        total = sums.setdefault(KEYS[by](row) or "", [0, 0, 0])
        total[0] += 1
        total[1] += round((row["kwh"] or 0) * 1000)
        total[2] += row["review"] is not None
    return [
        {by: key or None, "transactions": count, "kwh": wh / 1000, "in_review": reviews}
        for key, (count, wh, reviews) in sorted(sums.items())
    ]


def _write_csv(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    text = StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: inert(value) for name, value in row.items()} for row in rows)
    say(text.getvalue(), ends_line=False)
