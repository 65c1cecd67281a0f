"""Files of columns (CSV) as banks write them: separator, encoding, decimal mark, order of dates and
the line with the names of columns are found, not asked for."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain
from typing import Final

from levity_trio.bank import BankFile, BankFileProblem, BankLine, BankTable, Columns, digest_of
from levity_trio.told import Told

GUESSES: Final[Mapping[str, str]] = {
    "day": "buchungstag buchungsdatum buchung bookingdate completeddate transactiondate datum date "
    "valutadatum valuta wertstellung",
    "amount": "betrag umsatz amount",
    "credit": "haben gutschrift credit paidin moneyin",
    "debit": "soll debit paidout moneyout",
    "name": "zahlungspflichtiger namezahlungsbeteiligter beguenstigterzahlungspflichtiger "
    "auftraggeberempfaenger auftraggeberbeguenstigter beguenstigterauftraggeber senderempfaenger "
    "partnername auftraggeber empfaenger payee name",
    "text": "verwendungszweck paymentreference vorgangverwendungszweck buchungsdetails "
    "buchungstext reference description details memo text",
    "iban": "ibanzahlungsbeteiligter kontonummeriban ibankontonummer partneriban iban kontonummer "
    "accountnumber",
    "account": "auftragskonto ibanauftragskonto ibankontoinhaber",
    "currency": "waehrung currency",
}
"""The names of columns that banks use, without what is not a letter; the first that is there
counts."""
MOST_LINES: Final = 5_000
SEPARATORS: Final = ";,\t|"
MOST_COLUMNS: Final = 200
HEAD_WITHIN: Final = 40
"""Rows at the begin, among which the names of columns are looked for."""
PENDING: Final = frozenset({"vorgemerkt", "umsatz vorgemerkt", "offen", "pending"})
DAYS: Final = ("%d-%m-%Y", "%d-%m-%y", "%Y-%m-%d", "%m-%d-%Y", "%m-%d-%y")
LETTERS: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ı": "i", "ł": "l", "ø": "o"}
)
"""How banks write letters that they do not have."""
_UNIT: Final = re.compile(r"\(.*?\)| in [A-Z]{3}$")
"""What stands behind the name of a column, such as its currency."""
_RETURN: Final = re.compile(
    r"r(?:ü|ue)ck(?:lastschrift|buchung|gabe|zahlung|weisung)|retoure|storn|zur(?:ü|ue)ckgewiesen"
    r"|returned|chargeback|reversal",
    re.IGNORECASE,
)


def read_table(content: bytes, chosen: Columns, kept: Mapping[str, Columns]) -> BankFile:
    """Read a file. `chosen` are columns by what they are, `kept` those that were chosen for a head
    with this digest. Raises BankFileProblem."""
    text = _decoded(content)
    if text.count("\n") > MOST_LINES:
        words = Told("there are more than {1} lines; divide the file", MOST_LINES)
        raise BankFileProblem(words)
    # Above its table, a bank writes what it wants.
    table = max(
        _tables(text, chosen, kept),
        key=lambda one: (one.is_readable, sum(map(bool, one.head))),
        default=BankTable(),
    )
    if sum(map(bool, table.head)) < 2:
        words = Told("this is no file of account movements; give CSV or CAMT.053 of your bank")
        raise BankFileProblem(words)
    if table.is_readable:
        return _read(table)
    if chosen:
        raise BankFileProblem(Told("this file has not all of these columns"))
    return BankFile((), table=table)


def _decoded(content: bytes) -> str:
    """Return the text of a file: some banks write UTF-16, and old ones the code page of Windows."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _tables(text: str, chosen: Columns, kept: Mapping[str, Columns]) -> Iterator[BankTable]:
    """Yield each line that may be the head of a table, with the rows below it."""
    for separator in SEPARATORS:
        # A quotation mark that is never closed would swallow payments: then nothing is read.
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows: list[tuple[int, list[str]]] = []
        with suppress(csv.Error):
            for row in reader:
                cells = [cell.strip() for cell in row[:MOST_COLUMNS]]
                if any(cells):
                    rows.append((reader.line_num, cells))
            for place, (_number, head) in enumerate(rows[:HEAD_WITHIN], 1):
                columns = {**_columns(head), **(chosen or kept.get(digest_of(head), {}))}
                yield BankTable(head, columns, rows[place:])


def _columns(head: Sequence[str]) -> dict[str, str]:
    """Return the column of each field that the names of columns show."""
    names: dict[str, str] = {}
    for name in head:
        bare = _UNIT.sub("", name).casefold().translate(LETTERS)
        names.setdefault(re.sub(r"[^a-z]", "", bare), name)
    found: dict[str, str] = {}
    for field, guesses in GUESSES.items():
        for guess in guesses.split():
            if guess in names:
                found.setdefault(field, names[guess])
    # Where what came in has a column of its own, that is the amount.
    if "credit" in found:
        found.setdefault("amount", found["credit"])
    return found


def _read(table: BankTable) -> BankFile:
    cells: dict[str, list[str]] = {}
    for field in GUESSES:
        place = len(table.head)
        if field in table.columns:
            place = table.head.index(table.columns[field])
        cells[field] = [" ".join("".join(row[place : place + 1]).split()) for _n, row in table.rows]
    unit = re.search(r"(?:\(| in )([A-Z]{3})(?:\)|$)", table.columns["amount"])
    currency = unit[1] if unit is not None else ""
    days = _days(cells["day"])
    outgoing = [f"-{cell.strip('-')}" for cell in cells["debit"]]
    amounts = _amounts(cells["amount"], cells["credit"], outgoing)

    lines: list[BankLine] = []
    unread: list[int] = []
    pending = 0
    for place, (number, row) in enumerate(table.rows):
        day, amount = days[place], amounts[place]
        if PENDING.intersection(cell.casefold() for cell in row):
            pending += 1
        elif day is not None and amount is not None:
            # Some banks write amounts without a sign, and in a cell of its own S for what went out.
            amount = -abs(amount) if "S" in row else amount
            line = BankLine(
                day,
                amount,
                cells["currency"][place].upper() or currency,
                cells["name"][place],
                cells["iban"][place],
                cells["text"][place],
                cells["account"][place],
                is_return=amount < 0 and _RETURN.search(" ".join(row)) is not None,
            )
            lines.append(line)
        elif day is not None or amount is not None:
            unread.append(number)
    return BankFile(lines, pending, tuple(unread), table)


def _days(cells: Sequence[str]) -> Sequence[date | None]:
    """Return days as most cells of a column write them, None where there is none."""
    bare = [re.sub(r"[^\d./-].*", "", cell) for cell in cells]
    written = [re.sub(r"[./]", "-", text) for text in bare]
    read = [[_day(text, notation) for text in written] for notation in DAYS]
    return max(read, key=lambda days: len(days) - days.count(None))


def _day(text: str, notation: str) -> date | None:
    try:
        return datetime.strptime(text, notation).replace(tzinfo=UTC).date()
    except ValueError:
        return None


def _amounts(*columns: Sequence[str]) -> Sequence[Decimal | None]:
    """Return the first amount of each row, None where there is none, in the notation that the
    columns show. A mark that is misread would make it a hundred times more: then there is none."""
    rows = [
        [re.sub(r"[^\d.,'+-]", "", cell.replace("−", "-")) for cell in row]
        for row in zip(*columns, strict=True)
    ]
    text = "\n".join(chain.from_iterable(rows))
    marks = re.findall(r"([.,])\d\d?-?$", text, re.MULTILINE)
    decimal, thousands = ",." if marks.count(",") >= marks.count(".") else ".,"
    digits = rf"\d{{1,15}}|\d{{1,3}}(?:[{thousands}']\d{{3}}){{1,4}}"
    notation = re.compile(rf"[+-]?(?:{digits})(?:[{decimal}]\d{{1,5}})?-?")
    found: list[Decimal | None] = []
    for row in rows:
        cell = next(filter(notation.fullmatch, row), None)
        amount = None
        if cell is not None:
            bare = re.sub(rf"[{thousands}'+-]", "", cell)
            amount = Decimal(bare.replace(decimal, ".")) * (-1 if "-" in cell else 1)
        found.append(amount)
    return found
