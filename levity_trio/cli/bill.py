"""`levity-trio bill`: statements, from the words on them and the first month to the paper."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from levity_trio.billing.ledger import exact_minor_units, typed_amount
from levity_trio.billing.money import CURRENCIES
from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import (
    ANY_FILE,
    EXISTING_FILE,
    WIDE,
    Named,
    argument,
    flag,
    option,
    present,
)
from levity_trio.cli.operator import Operator, RefusedByApi, command
from levity_trio.cli.terminal import (
    CountProgress,
    confirm,
    counted,
    figure,
    fill,
    local_minute,
    money,
    say,
    show_record,
    show_table,
)
from levity_trio.cli.transfers import read_file
from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.documents.paper import file_name
from levity_trio.documents.template import ENGLISH_TEXT
from levity_trio.nouns import Biller
from levity_trio.output import is_terminal
from levity_trio.records import names_of
from levity_trio.wire.times import in_zone
from levity_trio.writing import DOCUMENT, place, replace

PATIENCE_SECONDS: Final = 600.0
"""The font is held against all statements, and other documents may be made before."""
BILLER_SECONDS: Final = 120.0
MINUTE: Final = timedelta(minutes=1)
FORMS: Final = click.Choice(["html", "pdf", "csv", "json", "quarters.csv"])
_DRAFT: Final = re.compile(r" draft( \d+)?\.(html|pdf|csv|json)$")
"""The end of the name of a draft's file."""
DRAFT_COLUMNS: Final = (
    "account",
    "name",
    "kwh",
    "total",
    "remarks",
    "sessions",
    "amount",
    "carried_in",
)
HEAD: Final = (
    "statement",
    "month",
    "account",
    "name",
    "carried_in",
    "total",
    "is_carried",
    "closed_on",
    "digest",
    "evidence",
)
LINES: Final = ("line", "date", "where", "kwh", "amount", "from", "to")
OWNER_FIELDS: Final = names_of(Biller)

bill = group_of("bill")


owner = group_of("owner")
bill.add_command(owner)
_MONTH: Final = argument("MONTH")
_CARRY: Final = option("--carry-below AMOUNT", "Carry smaller totals on, if a statement follows.")
_HOUSEHOLD: Final = option(
    "--household HOUSEHOLD",
    "Only this one, which has moved out.",
    "account",
    type=Named("accounts"),
)
_PATH: Final = argument("[FILE]", "path", type=EXISTING_FILE)
_OUTPUT: Final = option("-o --output FILE", "Into a file.", type=ANY_FILE)
_REMOVE: Final = flag("--remove", "Go on without it.")


# Drafts and closings


@bill.api_command
@_MONTH
@_CARRY
@_HOUSEHOLD
@WIDE
def preview(operator: Operator, month: str, carry_below: str | None, account: int | None) -> None:
    """Show what the statements of a month would be.

    Examples:
      levity-trio bill preview 2026-10
      levity-trio bill preview 2026-10 --carry-below 5.00
      levity-trio bill preview 2026-10 --household "Flat 3, Anna"
      levity-trio bill print 2026-10 --draft --to october

    Nobody else sees a preview, and it takes no number. The months come in order.
    """
    terms = _terms(operator, carry_below, account)
    draft = _draft(operator, month, terms)
    path = ("admin", "drafts", month, "problems")
    problems = operator.ask("GET", *path, query=terms, patience=PATIENCE_SECONDS)["problems"]
    lacks = [lack["words"] for lack in draft["missing"] if lack["words"]]
    statements = draft.pop("data")
    if operator.is_told({**draft, "statements": statements, "problems": problems}):
        return
    if statements:
        show_table(DRAFT_COLUMNS, map(row, statements))
    nothing = _nothing(operator, month, draft)
    sums = [nothing] if nothing else _sums(draft["sums"])
    for line in [*sums, *_figures(draft), *lacks, *problems]:
        say(fill(line))


@bill.api_command
@_MONTH
@_CARRY
@_HOUSEHOLD
@flag("--yes", "Do not ask.")
def close(
    operator: Operator, month: str, carry_below: str | None, account: int | None, *, yes: bool
) -> None:
    """Close a month: number and seal its statements.

    Examples:
      levity-trio bill close 2026-10
      levity-trio bill close 2026-10 --carry-below 5.00
      levity-trio bill close 2026-10 --household "Flat 3, Anna"

    A closed statement never changes. What turns up or is corrected later stands on
    the next one. --household closes the month early for a household that has moved
    out (levity-trio household close); its small sums are not carried.
    """
    terms = _terms(operator, carry_below, account)
    draft = _draft(operator, month, terms)
    if nothing := _nothing(operator, month, draft):
        raise ConfigError(nothing)
    if not operator.is_json:
        say("\n".join(_sums(draft["sums"])))
    if not yes:
        confirm(f"Close {month}? Closed statements never change")
    totals = [f"{one['account']}:{one['total']}" for one in draft["data"]]
    shown = {"statements": draft["sums"]["statements"], "shown": " ".join(totals)}
    closed = operator.post("closings", month, body={**terms, **shown}, patience=PATIENCE_SECONDS)
    several = f" {closed['first']}"
    if closed["statements"] > 1:
        several = f"s {closed['first']} to {closed['last']}"
    if closed["account"] is None:
        numbers = f", number{several}" if closed["statements"] else ""
        words = (
            f"{closed['month']} is closed: {counted(closed['statements'], 'statement')}{numbers}"
        )
    else:
        name = operator.household(closed["account"])
        words = f"{name} is billed for {closed['month']}: statement{several}"
    operator.tell(closed, words)


def _draft(operator: Operator, month: str, terms: Mapping[str, Any]) -> Any:
    return operator.ask("GET", "admin", "drafts", month, query=terms, patience=PATIENCE_SECONDS)


def _nothing(operator: Operator, month: str, draft: Mapping[str, Any]) -> str | None:
    """Return why an account that moves out cannot be billed early; None if it can, or if all are
    billed."""
    if draft["account"] is None or draft["sums"]["statements"]:
        return None
    number = draft["account"]
    household = operator.get("accounts", number)
    until = household["until"]
    words = (
        f"there is nothing to bill {household['name']} for in {month} until its end, "
        f"{local_minute(until)}"
    )
    after = list(operator.rows("accounts", number, "transactions", ended_since=until))
    if not after:
        return words
    stops = max(record["transaction"]["stop_time"] for record in after)
    later = (datetime.fromisoformat(stops) + MINUTE).strftime("%Y-%m-%dT%H:%MZ")
    return (
        f"{words}; {counted(len(after), 'charging session')} of it ended later: move its end with "
        f"levity-trio household close {number} --until {later}, or close {month} when it is over"
    )


def _terms(operator: Operator, carry_below: str | None, account: int | None) -> dict[str, Any]:
    """Return what is to be billed, with amounts in minor units of the site's currency. Raises
    ConfigError."""
    terms = present({"account": account})
    if carry_below is None:
        return terms
    tariffs = operator.get("tariffs")["data"]
    if not tariffs:
        raise ConfigError(
            "there is no tariff, and so no currency; add one with levity-trio tariff add"
        )
    try:
        exact = exact_minor_units(typed_amount(carry_below), CURRENCIES[tariffs[0]["currency"]])
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from None
    return terms | {"carry_below": exact}


def row(statement: Mapping[str, Any]) -> dict[str, Any]:
    """Return a closed statement, or one that is not, as a row of a table."""
    amounts = ("amount", "carried_in", "total", "open")
    texts = {name: _money(statement, name) for name in amounts if name in statement}
    counts = {
        "held_back": "held back",
        "unpriced": "without a price",
        "corrections": "corrections",
    }
    remarks = [
        f"{statement[name]} {words}" for name, words in counts.items() if statement.get(name)
    ]
    if "printed_number" in statement:
        texts["number"] = statement["printed_number"]
    # The state of a closed one says it.
    if statement["is_carried"] and "state" not in statement:
        remarks.append("carried on")
    return {**statement, **texts, "kwh": _kwh(statement), "remarks": ", ".join(remarks) or None}


def _figures(draft: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a month has, and what of its statements is of earlier months."""
    figures, earlier_wh = draft["figures"], draft["sums"]["earlier_wh"]
    parts = [f"{part['state']} {_has(part)}" for part in figures["parts"]]
    if parts:
        yield f"{draft['month']} has {_has(figures)}: {'; '.join(parts)}"
    for wh, words in (
        (figures["before_wh"], "of this flowed before the month"),
        (figures["later_wh"], "more flowed by its end, and count in a later month"),
        (earlier_wh, "on the statements are of earlier months"),
    ):
        if wh:
            yield f"{figure(wh / 1000, 3)} kWh {words}"


def _has(one: Mapping[str, Any]) -> str:
    """Return what a month has, or a part of it: its energy, and what it comes to."""
    texts = [f"{_kwh(one)} kWh"] if one["sessions"] else []
    for cost in one["costs"]:
        if cost["to_bill"] is not None:
            whole = {**cost, "whole": cost["billed"] + cost["to_bill"]}
            texts.append(_money(whole, "whole"))
    return ", ".join(texts)


def _sums(sums: Mapping[str, Any]) -> list[str]:
    if sums["currency"] is None:
        lines = ["no statements"]
    else:
        wallets = (
            f", of it {_money(sums, 'from_wallets')} from wallets" if sums["from_wallets"] else ""
        )
        energy = f"{figure(sums['energy_wh'] / 1000, 3)} kWh"
        lines = [
            (
                f"{counted(sums['statements'], 'statement')}, "
                f"{counted(sums['sessions'], 'charging session')}, {energy}"
            ),
            f"{_money(sums, 'charged')}{wallets}, of it to pay now {_money(sums, 'to_pay')}",
        ]
    if sums["held_back"]:
        lines.append(
            f"held back: {sums['held_back']} ({figure(sums['held_back_wh'] / 1000, 3)} kWh): "
            "levity-trio review list"
        )
    if sums["unpriced"]:
        lines.append(
            f"without a price: {sums['unpriced']}; levity-trio tariff assign, or series add"
        )
    if sums["nobody"]:
        lines.append(
            f"nobody's: {sums['nobody']} ({figure(sums['nobody_wh'] / 1000, 3)} kWh): levity-trio "
            "household unowned"
        )
    return lines


def _money(record: Mapping[str, Any], name: str) -> str:
    return money(record[name], CURRENCIES[record["currency"]])


# Closed statements


@bill.api_command
@argument("NUMBER", type=Named("statements"))
@option("--as", "As a document.", "form", type=FORMS)
@_OUTPUT
@flag("--supplement", "What was added to it, as a document.", "is_supplement")
@WIDE
def show(
    operator: Operator, number: int, form: str | None, output: Path | None, *, is_supplement: bool
) -> None:
    """Show a closed statement, or make a document of it.

    Examples:
      levity-trio bill show 2026-17
      levity-trio bill show 2026-17 --as pdf -o anna.pdf
      levity-trio bill show 17 --as csv
    """
    path = ("statements", number)
    if form is None and (output is not None or is_supplement):
        name = "" if output is None else output.name
        fitting = [one for one in FORMS.choices if name.endswith(f".{one}")]
        form = max(fitting, key=len, default=None)
        if form is None:
            raise click.UsageError(f"give --as: one of {', '.join(FORMS.choices)}")
    if form is None:
        statement = operator.get(*path)
        if not operator.is_told(statement):
            _show(statement)
        return
    if output is None and form == "pdf" and is_terminal(sys.stdout):
        raise click.UsageError("give -o FILE: a PDF is no text")
    which = "supplement" if is_supplement else "document"
    content = operator.send("GET", *path, which, query={"format": form}, patience=PATIENCE_SECONDS)
    if output is None:
        say(content, ends_line=False)
    else:
        _write(output, content)
        operator.tell({"number": number, "path": str(output)}, f"the statement is now {output}")


def _show(statement: Mapping[str, Any]) -> None:
    currency, zone = CURRENCIES[statement["currency"]["code"]], ZoneInfo(statement["zone"])
    amounts = {name: money(statement[name], currency) for name in ("carried_in", "total")}
    name = statement["to"] and statement["to"]["name"]
    head = {"statement": statement["printed_number"], "month": statement["month"][:7], "name": name}
    show_record({**statement, **amounts, **head}, *HEAD)
    say("")
    rows = [_line(position, zone, currency) for position in statement["positions"]]
    rows += [
        _line(position, zone, currency, is_held_back=True) for position in statement["held_back"]
    ]
    show_table(LINES, rows)
    for row in rows:
        if row["remarks"]:
            say(fill(f"line {row['line']}: {row['remarks']}"))
    say("")
    names = ("net", "tax", "gross")
    taxes = [
        {**tax, **{name: money(tax[name], currency) for name in names}}
        for tax in statement["taxes"]
    ]
    if not statement["is_untaxed"]:
        show_table(("rate", *names), taxes)


def _line(
    position: Mapping[str, Any], zone: ZoneInfo, currency: Any, *, is_held_back: bool = False
) -> dict[str, Any]:
    times = (position["started_at"], position["ended_at"])
    start, end = (in_zone(datetime.fromisoformat(text), zone) if text else None for text in times)
    where = position["space"] or " ".join(
        str(position[name]) for name in ("charger", "connector") if position[name]
    )
    amount = money(position["amount"], currency)
    remarks = ["held back"] if is_held_back else []
    if position["corrects"]:
        remarks.append(
            f"corrects line {position['corrects']} of statement {position['corrected_number']}"
        )
    if position["is_prepaid"]:
        remarks.append(f"from the wallet: {amount}")
        amount = money(0, currency)
    return {
        "line": position["id"],
        "date": start and f"{start:%Y-%m-%d}",
        "where": where or "base fee",
        "from": start and f"{start:%H:%M}",
        "to": end
        and start
        and (f"{end:%H:%M}" if end.date() == start.date() else f"{end:%m-%d %H:%M}"),
        "kwh": _kwh(position),
        "amount": None if is_held_back else amount,
        "remarks": "; ".join([*remarks, *filter(None, (position["reason"],))]) or None,
    }


def _kwh(record: Mapping[str, Any]) -> str:
    return f"{Decimal(record['energy_wh']).scaleb(-3):f}"


# A year


@bill.api_command
@argument("YEAR", type=int)
@flag("--by-energy", "Statements count in the month of their energy.")
@_OUTPUT
def year(operator: Operator, year: int, output: Path | None, *, by_energy: bool) -> None:
    """Give the bookings of a year as CSV; with --json its sums.

    Examples:
      levity-trio bill year 2026
      levity-trio bill year 2026 -o 2026.csv

    The file is for a tax adviser: a line for each statement and tax rate, and for each
    payment. Statements count on the day of their invoice, payments on theirs.
    """
    path, by = ("years", year), "energy" if by_energy else "invoice"
    if output is None and operator.is_json:
        operator.is_told(operator.get(*path, by=by))
        return
    content = operator.send("GET", *path, query={"by": by, "format": "csv"})
    if output is None:
        say(content, ends_line=False)
        return
    _write(output, content, replaces=True)
    operator.tell({"year": year, "path": str(output)}, f"the bookings of {year} are now {output}")


# Paper


@bill.api_command
@_MONTH
@option(
    "--to FOLDER",
    "Where the files go; it is created.",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
)
@option("--as", "The form of the statements.", "form", type=FORMS, default="pdf")
@flag("--draft", "What bill preview shows.", "is_draft")
@_CARRY
def print_(
    operator: Operator,
    month: str,
    folder: Path,
    form: str,
    carry_below: str | None,
    *,
    is_draft: bool,
) -> None:
    """Print the statements of a closed month, and its covering sheet.

    Examples:
      levity-trio bill print 2026-10 --to october
      levity-trio bill print 2026-10 --to october --as csv
      levity-trio bill print 2026-11 --draft --to preview

    There is a file for each statement, named by its number, and the covering sheet.
    A closed statement always gives the same file, so a print that was interrupted
    can be repeated; a file that differs is never replaced. --draft makes all drafts of
    the month anew and removes those that were printed before.
    """
    if carry_below is not None and not is_draft:
        raise click.UsageError("--carry-below is for --draft: a closed month has carried already")
    terms = _terms(operator, carry_below, None)
    kind, which = "closings", ""
    if is_draft:
        kind, which = "drafts", " draft"
        statements = _draft(operator, month, terms)["data"]
        papers = _drafts(operator, month, form, statements, terms)
        _remove_drafts(folder, month)
    else:
        statements = list(operator.rows("statements", month=month))
        papers = _statements(operator, month, form, statements)
    if not statements and not is_draft:
        raise ConfigError(f"no statement of {month} is closed; see levity-trio bill list")
    with CountProgress("statements", is_json=operator.is_json) as progress:
        for done, (name, content) in enumerate(papers, 1):
            write_into(folder, name, content, replaces=is_draft)
            progress(done, len(statements))
    cover = "html" if form == "html" else "pdf"
    content = _document(operator, kind, month, form=cover, **terms)
    write_into(folder, f"{month} covering sheet{which}.{cover}", content, replaces=is_draft)
    words = (
        f"{counted(len(statements), 'statement')} of {month} and the covering sheet are in {folder}"
    )
    operator.tell({"month": month, "statements": len(statements), "folder": str(folder)}, words)


def _remove_drafts(folder: Path, month: str) -> None:
    """Remove the drafts of a month that were printed before: a household may have another name, or
    no statement any longer."""
    try:
        for path in place(folder).glob(f"{month} *"):
            if _DRAFT.search(path.name):
                path.unlink()
    except OSError as problem:
        raise EnvironmentProblem(f"{folder} cannot be used: {problem.strerror}") from None


def _statements(
    operator: Operator, month: str, form: str, statements: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the files of a closed month; they come some at once."""
    numbers = sorted(statement["number"] for statement in statements)
    done = 0
    while done < len(numbers):
        query = {"format": form, "after": numbers[done] - 1}
        path = ("closings", month, "archive")
        archive = operator.send("GET", *path, query=query, patience=PATIENCE_SECONDS)
        with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
            files = [(Path(name).name, zipped.read(name)) for name in zipped.namelist()]
        yield from files
        done += len(files)


def _drafts(
    operator: Operator,
    month: str,
    form: str,
    statements: Sequence[Mapping[str, Any]],
    terms: Mapping[str, Any],
) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the files of a draft. Households may have the same name, but
    for its case."""
    named: Counter[str] = Counter()
    for statement in statements:
        name = file_name(month, statement["name"] or f"household {statement['account']}", "draft")
        named[name.casefold()] += 1
        further = f" {named[name.casefold()]}" if named[name.casefold()] > 1 else ""
        path = ("drafts", month, "statements", statement["id"])
        content = _document(operator, *path, form=form, **terms)
        yield f"{name}{further}.{form}", content


def _document(operator: Operator, *path: object, form: str, **terms: Any) -> bytes:
    query = {"format": form, **terms}
    return operator.send("GET", *path, "document", query=query, patience=PATIENCE_SECONDS)


def write_into(folder: Path, name: str, content: bytes, *, replaces: bool) -> None:
    """Write a file into a folder, which is created."""
    try:
        place(folder).mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise EnvironmentProblem(f"{folder} cannot be created: {problem.strerror}") from None
    _write(folder / name, content, replaces=replaces)


def _write(path: Path, content: bytes, *, replaces: bool = False) -> None:
    """Write a file; one that is there is replaced, or must be the same."""
    try:
        if not replaces and path.exists() and path.read_bytes() != content:
            raise EnvironmentProblem(f"{path} exists and differs; remove it, or give another place")
        replace(path, content, DOCUMENT)
    except OSError as problem:
        raise EnvironmentProblem(f"{path} cannot be written: {problem.strerror}") from None


# Who bills, and the words


def kept(operator: Operator, fields: dict[str, Any]) -> bool:
    """Keep what is not given of who bills."""
    if not present(fields):
        raise click.UsageError("give at least one of the options")
    try:
        before = operator.get("biller")
    except RefusedByApi as refused:
        if refused.code != "not_found":
            raise
        before = {}
    fields["more"] = {name: value for name, value in before.items() if name in OWNER_FIELDS}
    return False


@owner.api_command
@_PATH
@_REMOVE
def logo(operator: Operator, path: Path | None, *, remove: bool) -> None:
    """Give the logo of statements, a PNG or JPEG file (admin)."""
    _put(operator, "logo", path, "image/*", remove=remove)


@command("template", group=owner)
@_PATH
@_REMOVE
def set_template(operator: Operator, path: Path | None, *, remove: bool) -> None:
    """Give own words and formats of statements (admin).

    Begin with a copy of those of this program: levity-trio bill template.
    """
    _put(operator, "template", path, "application/toml", remove=remove)


def _put(
    operator: Operator, name: str, path: Path | None, media_type: str, *, remove: bool
) -> None:
    if remove == (path is not None):
        raise click.UsageError("give a file, or --remove")
    if path is None:
        operator.delete("biller", name)
        operator.tell({"removed": name}, f"the {name} is removed")
        return
    body = {"body": read_file(path), "media_type": media_type, "patience": BILLER_SECONDS}
    try:
        answer = operator.send("PUT", "biller", name, **body)
    except RefusedByApi as refused:
        if faults := refused.document.get("faults"):
            raise ConfigError(*(f"{path}: {fault}" for fault in faults)) from None
        raise
    operator.tell(json.loads(answer), f"the {name} is now that of {path}")


@bill.command("template", epilog="\b\nExamples:\n  levity-trio bill template > german.toml\n")
def template() -> None:
    """Print the words and formats of this program."""
    say(ENGLISH_TEXT, ends_line=False)
