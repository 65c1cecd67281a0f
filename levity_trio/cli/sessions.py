"""`levity-trio sessions` and `explain`: charging sessions, their sums by month, charger or card,
and all about one."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.billing.states import BillState
from levity_trio.cli.declaring import ANY_FILE, OF_CHARGER, SESSION, flag, limit, option
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.terminal import cell, fill, local_second, none_yet, say
from levity_trio.cli.transfers import PATIENCE_SECONDS, download
from levity_trio.documents.cells import inert
from levity_trio.locale.formats import in_sheet, separator

COLUMNS: Final[tuple[str, ...]] = (
    "id",
    "charger",
    "connector",
    "id_tag",
    "start",
    "stop",
    "kwh",
    "confidence",
    "review",
    "bill",
)
"""Those of CSV."""
SHOWN: Final = (
    "id",
    "charger",
    "connector",
    "start_time",
    "kwh",
    "id_tag",
    "bill",
    "review",
    "stop_time",
    "confidence",
)
NO_SESSION: Final = "no session yet: levity-trio status shows what the chargers do"
STATES: Final = {state.value.replace("'", "").replace(" ", "-"): state.value for state in BillState}
"""The states of the bill as people type them, each with its name in the API."""
BY: Final = {"month": "month", "charger": "charger", "card": "tag"}
"""What they are summed by, as people type it, and its name in the result."""
KEYS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "month": lambda row: (row["stop"] or "")[:7],
    "charger": lambda row: row["charger"],
    "tag": lambda row: row["id_tag"],
}
EXAMPLES: Final = """\
\b
Examples:
  levity-trio sessions
  levity-trio sessions --charger CP-1 --from 2026-03-01 --to 2026-04-01
  levity-trio sessions --bill held-back
  levity-trio sessions --by month
  levity-trio sessions --by card --from 2026-03-01 --csv > march.csv

Times are in the time zone of the site. --from and --to go by the start; --by month goes by the
end, as bills do; those that are open are summed as month -. --csv has all rows, however many
there are.
"""


@command("sessions", epilog=EXAMPLES)
@OF_CHARGER
@option("--connector NUMBER", "Only of this connector.", type=int)
@option("--card CARD", "Only of this card.", "tag")
@option(
    "--status",
    "Only those that are open, or have ended.",
    type=click.Choice(["Active", "Completed"]),
)
@option("--from TIME", "Begun at or after this time or day.", "since")
@option("--to TIME", "Begun before this time or day.", "until")
@flag("--review", "Only those with an open review.")
@option(
    "--bill STATE",
    f"Only those in this state: {', '.join(STATES)}.",
    type=click.Choice(list(STATES)),
)
@option("--by", "Sum them by month of their end, charger or card.", type=click.Choice(list(BY)))
@flag("--csv", "Output CSV.", "is_csv")
@limit("How many, the newest.")
def sessions(
    operator: Operator,
    by: str | None,
    limit: int,
    *,
    since: str | None,
    until: str | None,
    bill: str | None,
    review: bool,
    is_csv: bool,
    **filters: Any,
) -> None:
    """List charging sessions, the newest first, or sum them."""
    query = {
        **filters,
        "from": since and operator.instant(since, "--from"),
        "to": until and operator.instant(until, "--to"),
        "bill": bill and STATES[bill],
        "review": "true" if review else None,
    }
    operator.check_charger(filters["charger"])
    wanted = None if is_csv or by is not None else limit + 1
    records = list(operator.some_rows(wanted, "transactions", **query))
    is_cut = wanted is not None and len(records) >= wanted
    records = records[:limit] if is_cut else records
    rows, columns = list(map(_row, records)), COLUMNS
    if by is not None:
        rows, columns = _sums(rows, BY[by]), (BY[by], "transactions", "kwh", "in_review")
    if is_csv:
        _write_csv(columns, rows)
    elif by is not None:
        operator.table(columns, rows, empty=none_yet(NO_SESSION))
    else:
        operator.table(
            SHOWN,
            [{**record, **row} for record, row in zip(records, rows, strict=True)],
            rows,
            none_yet(NO_SESSION),
        )
        if is_cut and not operator.is_json:
            say(
                fill(
                    f"only the newest {limit} are shown: --limit NUMBER shows more, --csv all, "
                    "--by month their sums"
                )
            )


def _row(transaction: Mapping[str, Any]) -> dict[str, Any]:
    energy, stop = transaction["energy_kwh"], transaction["stop_time"]
    names = ("id", "charger", "connector", "id_tag", "confidence", "review", "bill")
    return {
        **{name: transaction[name] for name in names},
        "start": local_second(transaction["start_time"]),
        "stop": stop and local_second(stop),
        "kwh": transaction["energy_so_far_kwh"] if energy is None else energy,
    }


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
    writer = csv.DictWriter(
        text, columns, extrasaction="ignore", delimiter=separator(), lineterminator="\n"
    )
    writer.writeheader()
    for row in rows:
        writer.writerow({name: in_sheet(inert(value)) for name, value in row.items()})
    say(text.getvalue(), ends_line=False)


# Explain


@command("explain")
@SESSION
@option(
    "--signed FILE", "Write what its meter signed, for the transparency software.", type=ANY_FILE
)
def explain(operator: Operator, transaction: int, signed: Path | None) -> None:
    """Show how the energy of a session was found, and how its bill came about.

    Each message, each candidate and each doubt; then whose it is and why, the
    tariff, the arithmetic of each line, statements and corrections. Of one that
    is not billed: why not, and what to do.

    Examples:
      levity-trio explain 1000017
      levity-trio explain 1000017 --signed session.xml
    """
    path = ("transactions", transaction)
    if signed is not None:
        download(
            operator, *path, "signed", target=signed, patience=PATIENCE_SECONDS, another="FILE"
        )
        operator.tell({"file": str(signed)}, f"what its meter signed is in {signed}")
        return
    explained = operator.get(*path, "explain")
    if not operator.is_told(explained):
        for line in explained["lines"]:
            say(cell(line))
