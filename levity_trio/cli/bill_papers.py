"""`levity-trio bill list`, `show` and `print`: closed statements, on screen and as files."""

from __future__ import annotations

import io
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import click

from levity_trio.billing.money import CURRENCIES, written
from levity_trio.cli.examples import an_example
from levity_trio.cli.named import number_of
from levity_trio.cli.operator import Operator, RefusedByApi, command
from levity_trio.cli.progress import CountProgress
from levity_trio.cli.tables import counted, say, show_record, show_table
from levity_trio.client import Refusal
from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.output import is_terminal
from levity_trio.wire.times import in_zone
from levity_trio.writing import DOCUMENT, place, replace

STATEMENTS: Final = ("admin", "statements")
CLOSINGS: Final = ("admin", "closings")
DRAFTS: Final = ("admin", "drafts")
FORMS: Final = click.Choice(["html", "pdf", "csv", "json"])
COLUMNS: Final = ("number", "month", "account", "name", "kwh", "total", "remarks")
LINES: Final = ("line", "date", "where", "from", "to", "kwh", "amount", "remarks")
PATIENCE_SECONDS: Final = 600.0
"""Other documents may be made before."""
SHOW_EXAMPLES: Final = """\
\b
Examples:
  levity-trio bill show 17
  levity-trio bill show 17 --as pdf -o anna.pdf
  levity-trio bill show 17 --as csv
"""
PRINT_EXAMPLES: Final = """\
\b
Examples:
  levity-trio bill print 2026-10 --to october
  levity-trio bill print 2026-10 --to october --as csv
  levity-trio bill print 2026-11 --draft --to preview

There is a file for each statement, named by its number, and the covering sheet.
A closed statement always gives the same file, so a print that was interrupted
can be repeated; a file that differs is never replaced.
"""


class File(NamedTuple):
    name: str
    content: bytes


_ACCOUNT: Final = click.option("--account", metavar="ACCOUNT", help="Only of this account.")


@command("list", epilog=an_example("bill list", "bill list --json"))
@_ACCOUNT
@click.option("--month", metavar="MONTH", help="Only of this month, such as 2026-10.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many, the newest.")
def show_all(operator: Operator, account: str | None, month: str | None, limit: int) -> None:
    """List closed statements, the newest first."""
    query: dict[str, Any] = {"limit": limit} | ({"month": month} if month else {})
    if account is not None:
        query["account"] = number_of(operator, "accounts", account)
    page = operator.ask("GET", *STATEMENTS, query=query)
    operator.table(COLUMNS, [_row(one) for one in page["data"]], page)
    if not operator.is_json and page.get("next_cursor"):
        say("… there are more; narrow the list with --month or --account")


@command("show", epilog=SHOW_EXAMPLES)
@click.argument("number", type=click.IntRange(1))
@click.option("--as", "form", type=FORMS, help="As a document.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Into a file.")
def show(operator: Operator, number: int, form: str | None, output: Path | None) -> None:
    """Show a closed statement, or make a document of it."""
    if form is None and output is not None:
        form = output.suffix.removeprefix(".")
        if form not in FORMS.choices:
            raise click.UsageError(f"give --as: one of {', '.join(FORMS.choices)}")
    if form is None:
        found = operator.ask("GET", *STATEMENTS, str(number))
        operator.record(found) if operator.is_json else _show(found)
        return
    if output is None and form == "pdf" and is_terminal(sys.stdout):
        raise click.UsageError("give -o FILE: a PDF is no text")
    content = _document(operator, (*STATEMENTS, str(number)), form)
    if output is None:
        say(content, ends_line=False)
    else:
        _write(output, content)
        operator.tell({"number": number, "path": str(output)}, f"statement {number} is now {output}")


@command("print", epilog=PRINT_EXAMPLES)
@click.argument("month", metavar="MONTH")
@click.option("--to", "folder", metavar="FOLDER", required=True, type=click.Path(file_okay=False, path_type=Path),
              help="Where the files go; it is created.")  # fmt: skip
@click.option("--as", "form", type=FORMS, default="pdf", show_default=True, help="The form of the statements.")
@click.option("--draft", "is_draft", is_flag=True, help="The draft that bill preview made.")
def print_month(operator: Operator, month: str, folder: Path, form: str, *, is_draft: bool) -> None:
    """Print the statements of a closed month, and its covering sheet."""
    total, papers = (_drafted if is_draft else _closed)(operator, month, form)
    with CountProgress("statements", is_json=operator.is_json) as progress:
        for done, file in enumerate(papers, 1):
            _write_into(folder, file, replaces=is_draft)
            progress(done, total)
    cover = "html" if form == "html" else "pdf"
    content = _document(operator, (*(DRAFTS if is_draft else CLOSINGS), month), cover)
    file = File(f"{'draft-' if is_draft else ''}covering-sheet-{month}.{cover}", content)
    _write_into(folder, file, replaces=is_draft)
    words = f"{counted(total, 'statement')} of {month} and the covering sheet are in {folder}"
    operator.tell({"month": month, "statements": total, "folder": str(folder)}, words)


def _closed(operator: Operator, month: str, form: str) -> tuple[int, Iterator[File]]:
    """Return how many closed statements a month has, and their files. Raises ConfigError if there is none."""
    total = sum(1 for _ in operator.rows(*STATEMENTS, month=month))
    if not total:
        raise ConfigError(f"no statement of {month} is closed; see levity-trio bill list")
    return total, _statements(operator, month, form)


def _statements(operator: Operator, month: str, form: str) -> Iterator[File]:
    """Yield the files of a month; they come some at once."""
    after = 0
    while files := _archive(operator, month, form, after):
        yield from files
        after = int(files[-1].name.partition(".")[0].removeprefix("statement-"))


def _drafted(operator: Operator, month: str, form: str) -> tuple[int, Iterator[File]]:
    """Return how many statements a draft has, and their files. Raises RefusedByApi if there is no draft."""
    rows = list(operator.rows(*DRAFTS, month))
    of_account: Counter[int] = Counter()

    def files() -> Iterator[File]:
        for row in rows:
            account = row["account"]
            of_account[account] += 1
            further = f"-{of_account[account]}" if of_account[account] > 1 else ""
            content = _document(operator, (*DRAFTS, month, "statements", str(row["id"])), form)
            yield File(f"draft-{month}-account-{account}{further}.{form}", content)

    return len(rows), files()


def _archive(operator: Operator, month: str, form: str, after: int) -> list[File]:
    try:
        query = {"format": form, "after": after}
        content = operator.api.send("GET", *CLOSINGS, month, "archive", query=query, patience=PATIENCE_SECONDS)
    except Refusal as refusal:
        if refusal.code == "not_found" and after:
            return []
        raise RefusedByApi(refusal) from None
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        return [File(Path(name).name, zipped.read(name)) for name in zipped.namelist()]


def _document(operator: Operator, path: tuple[str, ...], form: str) -> bytes:
    try:
        return operator.api.send("GET", *path, "document", query={"format": form}, patience=PATIENCE_SECONDS)
    except Refusal as refusal:
        raise RefusedByApi(refusal) from None


def _write_into(folder: Path, file: File, *, replaces: bool) -> None:
    """Write a file into a folder, which is created."""
    try:
        place(folder).mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise EnvironmentProblem(f"{folder} cannot be created: {problem.strerror}") from None
    _write(folder / file.name, file.content, replaces=replaces)


def _write(path: Path, content: bytes, *, replaces: bool = False) -> None:
    """Write a file; one that is there is replaced, or must be the same."""
    try:
        if not replaces and path.exists() and path.read_bytes() != content:
            raise EnvironmentProblem(f"{path} exists and differs; remove it, or give another place")
        replace(path, content, DOCUMENT)
    except OSError as problem:
        raise EnvironmentProblem(f"{path} cannot be written: {problem.strerror}") from None


# On screen


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    remarks = [words for words, is_true in (("carried on", one["is_carried"]),) if is_true]
    remarks += [f"{one[name]} {name.replace('_', ' ')}" for name in ("corrections", "held_back") if one[name]]
    return {
        **one,
        "kwh": _kwh(one["energy_wh"]),
        "total": written(one["total"], CURRENCIES[one["currency"]]),
        "remarks": ", ".join(remarks) or None,
    }


def _show(found: Mapping[str, Any]) -> None:
    currency = CURRENCIES[found["currency"]["code"]]
    zone = ZoneInfo(found["zone"])
    head = {
        "statement": found["number"],
        "month": found["month"][:7],
        "account": found["account"],
        "name": found["to"] and found["to"]["name"],
        "carried_in": written(found["carried_in"], currency),
        "total": written(found["total"], currency),
        "is_carried": found["is_carried"],
        "closed_on": found["closed_on"],
        "digest": found["digest"],
    }
    show_record(head)
    say("")
    positions = [(one, False) for one in found["positions"]] + [(one, True) for one in found["held_back"]]
    show_table(LINES, [_line(one, zone, currency, is_held_back=held) for one, held in positions])
    say("")
    taxes = [
        {**one, **{name: written(one[name], currency) for name in ("net", "tax", "gross")}} for one in found["taxes"]
    ]
    show_table(("rate", "net", "tax", "gross"), taxes)


def _line(one: Mapping[str, Any], zone: ZoneInfo, currency: Any, *, is_held_back: bool) -> dict[str, Any]:
    start, end = (_local(one[name], zone) for name in ("started_at", "ended_at"))
    where = one["space"] or " ".join(str(part) for part in (one["charger"], one["connector"]) if part)
    return {
        "line": one["id"],
        "date": start and f"{start:%Y-%m-%d}",
        "where": where or "base fee",
        "from": start and f"{start:%H:%M}",
        "to": end and start and (f"{end:%H:%M}" if end.date() == start.date() else f"{end:%m-%d %H:%M}"),
        "kwh": _kwh(one["energy_wh"]),
        "amount": None if is_held_back else written(0 if one["is_prepaid"] else one["amount"], currency),
        "remarks": _remarks(one, currency, is_held_back=is_held_back),
    }


def _remarks(one: Mapping[str, Any], currency: Any, *, is_held_back: bool) -> str | None:
    remarks = ["held back"] if is_held_back else []
    if one["corrects"]:
        remarks.append(f"corrects line {one['corrects']} of statement {one['corrected_statement']}")
    if one["is_prepaid"]:
        remarks.append(f"from the wallet: {written(one['amount'], currency)}")
    return "; ".join([*remarks, *([one["reason"]] if one["reason"] else [])]) or None


def _local(text: str | None, zone: ZoneInfo) -> datetime | None:
    return in_zone(datetime.fromisoformat(text), zone) if text else None


def _kwh(energy_wh: int) -> str:
    return f"{Decimal(energy_wh).scaleb(-3):f}"


COMMANDS: Final = (show_all, show, print_month)
