"""`levity-trio bill begin`, `preview` and `close`: from the first month on to sealed statements."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import click

from levity_trio.billing.money import CURRENCIES, minor_units, written
from levity_trio.cli.confirming import confirm
from levity_trio.cli.named import number_of
from levity_trio.cli.operator import Operator, RefusedByApi, command
from levity_trio.cli.progress import CountProgress
from levity_trio.cli.tables import counted, local_minute, say, show_table
from levity_trio.config import ConfigError

DRAFTS: Final = ("admin", "drafts")
PATIENCE_SECONDS: Final = 600.0
"""The font is held against all statements."""
MINUTE: Final = timedelta(minutes=1)
TRIES: Final = 5
"""A month that changes while it is closed is prepared again so often."""
COLUMNS: Final = ("account", "name", "sessions", "energy_kwh", "amount", "carried_in", "total", "remarks")
BEGIN_EXAMPLES: Final = """\
\b
Examples:
  levity-trio bill begin 2026-10-01

What ended before this day is billed elsewhere. Until the first month is closed
the day can be said again.
"""
PREVIEW_EXAMPLES: Final = """\
\b
Examples:
  levity-trio bill preview 2026-10
  levity-trio bill preview 2026-10 --carry-below 5.00
  levity-trio bill preview 2026-10 --account "Flat 3, Anna"
  levity-trio bill print 2026-10 --draft --to october

Nobody else sees a preview, and it takes no number. The months come in order.
"""
CLOSE_EXAMPLES: Final = """\
\b
Examples:
  levity-trio bill close 2026-10
  levity-trio bill close 2026-10 --carry-below 5.00
  levity-trio bill close 2026-10 --account "Flat 3, Anna"

A closed statement never changes. What turns up or is corrected later stands on
the next one. --account closes the month early for an account that has moved out
(levity-trio account close); its small sums are not carried.
"""
_MONTH: Final = click.argument("month", metavar="MONTH")
_CARRY: Final = click.option("--carry-below", metavar="AMOUNT", help="Carry smaller totals to the next statement.")
_ACCOUNT: Final = click.option("--account", metavar="ACCOUNT", help="Only this one, which has moved out.")


@command("begin", epilog=BEGIN_EXAMPLES)
@click.argument("day", metavar="DAY")
def begin(operator: Operator, day: str) -> None:
    """Say since when this system bills."""
    found = operator.ask("PUT", "admin", "billing", given={"begun_on": day})
    operator.tell(found, f"this system has billed since {found['begun_on']}; {found['open_month']} is the first month")


@command("preview", epilog=PREVIEW_EXAMPLES)
@_MONTH
@_CARRY
@_ACCOUNT
def preview(operator: Operator, month: str, carry_below: str | None, account: str | None) -> None:
    """Show what the statements of a month would be."""
    draft = _prepared(operator, month, _terms(operator, carry_below, account))
    rows = list(operator.rows(*DRAFTS, month))
    problems = operator.ask("GET", *DRAFTS, month, "problems", patience=PATIENCE_SECONDS)["problems"]
    if operator.is_json:
        operator.record({**draft, "statements": rows, "problems": problems})
        return
    if rows:
        show_table(COLUMNS, [_row(row) for row in rows])
    nothing = _nothing(operator, month, draft)
    for line in [*([nothing] if nothing else _sums(draft["sums"])), *problems]:
        say(line)


@command("close", epilog=CLOSE_EXAMPLES)
@_MONTH
@_CARRY
@_ACCOUNT
@click.option("--yes", is_flag=True, help="Do not ask.")
def close(operator: Operator, month: str, carry_below: str | None, account: str | None, *, yes: bool) -> None:
    """Close a month: number and seal its statements."""
    terms = _terms(operator, carry_below, account)
    draft = _prepared(operator, month, terms)
    if nothing := _nothing(operator, month, draft):
        raise ConfigError(nothing)
    if not operator.is_json:
        for line in _sums(draft["sums"]):
            say(line)
    if not yes:
        confirm(f"Close {month}? Closed statements never change")
    closed = _closed(operator, month, terms)
    operator.tell(closed, _closed_words(closed))


def _closed_words(closed: Mapping[str, Any]) -> str:
    several = f"s {closed['first']} to {closed['last']}" if closed["statements"] > 1 else f" {closed['first']}"
    if closed["account"] is not None:
        return f"account {closed['account']} is billed for {closed['month']}: statement{several}"
    numbers = f", number{several}" if closed["statements"] else ""
    return f"{closed['month']} is closed: {counted(closed['statements'], 'statement')}{numbers}"


def _closed(operator: Operator, month: str, terms: Mapping[str, Any]) -> Any:
    """Close a month; if something changed since it was prepared, prepare it again."""
    for tried in range(1, TRIES + 1):
        try:
            return operator.ask("POST", "admin", "closings", month, given=terms)
        except RefusedByApi as refused:
            if refused.code != "not_ready" or tried == TRIES:
                raise
        _prepared(operator, month, terms)
    return None


def _prepared(operator: Operator, month: str, terms: Mapping[str, Any]) -> Any:
    with CountProgress("accounts", is_json=operator.is_json) as progress:
        while True:
            draft = operator.ask("POST", *DRAFTS, month, given=terms)
            if draft["ready"]:
                return draft
            progress(draft["done"], draft["accounts"])


def _nothing(operator: Operator, month: str, draft: Mapping[str, Any]) -> str | None:
    """Return why an account that moves out cannot be billed early; None if it can, or if all are billed."""
    if draft["account"] is None or draft["sums"]["statements"]:
        return None
    number = str(draft["account"])
    until = operator.ask("GET", "admin", "accounts", number)["until"]
    words = f"there is nothing to bill account {number} for in {month} until its end, {local_minute(until)}"
    after = list(operator.rows("admin", "accounts", number, "transactions", ended_since=until))
    if not after:
        return words
    stops = max(one["transaction"]["stop_time"] for one in after)
    later = (datetime.fromisoformat(stops) + MINUTE).strftime("%Y-%m-%dT%H:%MZ")
    return (
        f"{words}; {counted(len(after), 'charging session')} of it ended later: move its end with levity-trio account"
        f" close {number} --until {later}, or close {month} when it is over"
    )


def _terms(operator: Operator, carry_below: str | None, account: str | None) -> dict[str, Any]:
    terms: dict[str, Any] = {}
    if account is not None:
        terms["account"] = int(number_of(operator, "accounts", account))
    if carry_below is not None:
        terms["carry_below"] = _minor(operator, carry_below)
    return terms


def _minor(operator: Operator, text: str) -> int:
    """Return an amount in minor units of the site's currency. Raises ConfigError."""
    tariffs = operator.ask("GET", "admin", "tariffs")["data"]
    if not tariffs:
        raise ConfigError("there is no tariff, and so no currency; add one with levity-trio tariff add")
    try:
        return minor_units(Decimal(text), CURRENCIES[tariffs[0]["currency"]])
    except InvalidOperation:
        raise ConfigError(f"{text} is no amount; give one such as 5.00") from None


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    currency = CURRENCIES[row["currency"]]
    amounts = {name: written(row[name], currency) for name in ("amount", "carried_in", "total")}
    return {**row, **amounts, "energy_kwh": f"{row['energy_wh'] / 1000:.3f}", "remarks": _remarks(row)}


def _remarks(row: Mapping[str, Any]) -> str:
    counted = {"held back": row["held_back"], "without a tariff": row["unpriced"], "corrections": row["corrections"]}
    told = [f"{count} {words}" for words, count in counted.items() if count]
    return ", ".join([*told, "carried on"] if row["is_carried"] else told)


def _sums(sums: Mapping[str, Any]) -> list[str]:
    if sums["currency"] is None:
        lines = ["no statements"]
    else:
        currency = CURRENCIES[sums["currency"]]
        paid = sums["from_wallets"]
        wallets = f", of it {written(paid, currency)} from wallets" if paid else ""
        energy = f"{sums['energy_wh'] / 1000:.3f} kWh"
        lines = [
            f"{counted(sums['statements'], 'statement')}, {counted(sums['sessions'], 'charging session')}, {energy}",
            f"{written(sums['charged'], currency)}{wallets}, of it to pay now {written(sums['to_pay'], currency)}",
        ]
    if sums["held_back"]:
        lines.append(f"held back: {sums['held_back']} ({sums['held_back_wh'] / 1000:.3f} kWh): levity-trio review list")
    if sums["unpriced"]:
        lines.append(f"without a tariff: {sums['unpriced']}; assign one with levity-trio tariff assign")
    if sums["nobody"]:
        lines.append(f"nobody's: {sums['nobody']} ({sums['nobody_wh'] / 1000:.3f} kWh): levity-trio account unowned")
    return lines


COMMANDS: Final = (begin, preview, close)
