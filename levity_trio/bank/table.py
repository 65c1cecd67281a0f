"""Files of columns (CSV) as banks write them: separator, encoding, decimal mark, order of dates and
the line with the names of columns are found, not asked for."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from typing import Final, NamedTuple

from levity_trio.bank import MOST_LINES, BankFile, BankFileProblem, BankLine, BankTable
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
TEXTS: Final = ("name", "text", "iban", "account")
SEPARATORS: Final = ";,\t|"
MOST_COLUMNS: Final = 200
HEAD_WITHIN: Final = 40
"""Rows at the begin, among which the names of columns are looked for."""
SAMPLE: Final = 5
PENDING: Final = frozenset({"vorgemerkt", "umsatz vorgemerkt", "offen", "pending"})
EARLIEST: Final = 2000
LETTERS: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ı": "i", "ł": "l", "ø": "o"}
)
"""How banks write letters that they do not have."""
_UNIT: Final = re.compile(r"\((?:([A-Z]{3})|.*?)\)| in ([A-Z]{3})$")
"""What stands behind the name of a column, such as its currency."""
_DAY: Final = re.compile(r"(\d{1,4})[./-](\d{1,2})[./-](\d{2,4})(?!\d)")
_NUMBER: Final = re.compile(r"[+-]?[\d.,']*\d-?")
_DECIMALS: Final = re.compile(r"([.,])\d{1,2}\D*$")
_RETURN: Final = re.compile(
    r"r(?:ü|ue)ck(?:lastschrift|buchung|gabe|zahlung|weisung)|retoure|storn|zur(?:ü|ue)ckgewiesen"
    r"|returned|chargeback|reversal",
    re.IGNORECASE,
)

Columns = Mapping[str, str]


class _HeadedTable(NamedTuple):
    """A line that may be the head of a table, the columns by what they are, and the numbered rows
    below it. Heads are compared by whether they have a day and an amount, then by their length."""

    is_head: bool
    cells: int
    head: list[str]
    columns: Columns
    rows: list[tuple[int, list[str]]]


def read_table(content: bytes, chosen: Columns, kept: Mapping[str, Columns]) -> BankFile:
    """Read a file. `chosen` are columns by what they are, `kept` those that were chosen for a head
    with this digest. Raises BankFileProblem."""
    found = _table(_decoded(content), chosen, kept)
    sample = tuple(tuple(row) for _number, row in found.rows[:SAMPLE])
    table = BankTable(tuple(found.head), _digest(found.head), sample, found.columns)
    if not found.is_head:
        if chosen:
            raise BankFileProblem(Told("this file has not all of these columns"))
        return BankFile((), table=table)

    cells = _Cells(found)
    lines: list[BankLine] = []
    unread: list[int] = []
    pending = 0
    for number, row in found.rows:
        if PENDING.intersection(cell.casefold() for cell in row):
            pending += 1
            continue
        day, amount = cells.day(row), cells.amount(row)
        if day is not None and amount is not None:
            is_return = amount < 0 and _RETURN.search(" ".join(row)) is not None
            currency = cells.text(row, "currency").upper() or cells.currency
            name, text, iban, account = (cells.text(row, field) for field in TEXTS)
            line = BankLine(day, amount, currency, name, iban, text, account, is_return=is_return)
            lines.append(line)
        elif day is not None or amount is not None:
            unread.append(number)
    return BankFile(lines, pending, tuple(unread), table)


def _decoded(content: bytes) -> str:
    """Return the text of a file: some banks write UTF-16, and old ones the code page of Windows."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _digest(head: Sequence[str]) -> str:
    return sha256("\n".join(head).encode()).hexdigest()


def _table(text: str, chosen: Columns, kept: Mapping[str, Columns]) -> _HeadedTable:
    """Return the table of a file; above it, banks write what they want. Raises BankFileProblem."""
    best = _HeadedTable(False, 1, [], {}, [])
    for separator in SEPARATORS:
        # A quotation mark that is never closed would swallow payments: then nothing is read.
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        try:
            rows = [(reader.line_num, row) for row in islice(reader, MOST_LINES + 1)]
        except csv.Error:
            continue
        if len(rows) > MOST_LINES:
            words = Told("there are more than {1} lines; divide the file", MOST_LINES)
            raise BankFileProblem(words)
        if max([len(row) for _number, row in rows], default=0) > MOST_COLUMNS:
            continue
        rows = [(number, [cell.strip() for cell in row]) for number, row in rows]
        for place, (_number, head) in enumerate(rows[:HEAD_WITHIN]):
            columns = {**_columns(head), **(chosen or kept.get(_digest(head), {}))}
            is_head = {"day", "amount"} <= {*columns} and {*columns.values()} <= {*head}
            found = _HeadedTable(is_head, sum(map(bool, head)), head, columns, rows[place + 1 :])
            if found[:2] > best[:2]:
                best = found
    if not best.head:
        words = Told("this is no file of account movements; give CSV or CAMT.053 of your bank")
        raise BankFileProblem(words)
    return best._replace(rows=[row for row in best.rows if any(row[1])])


def _columns(head: Sequence[str]) -> dict[str, str]:
    """Return the column of each field that the names of columns show."""
    names: dict[str, str] = {}
    for name in head:
        bare = _UNIT.sub("", name).casefold().translate(LETTERS)
        names.setdefault(re.sub(r"[^a-z]", "", bare), name)
    found: dict[str, str] = {}
    for field, guesses in GUESSES.items():
        known = [names[guess] for guess in guesses.split() if guess in names]
        if known:
            found[field] = known[0]
    # Where what came in has a column of its own, that is the amount.
    if "credit" in found:
        found.setdefault("amount", found["credit"])
    return found


class _Cells:
    """The cells of rows by what they are, in the notation that their whole column shows."""

    def __init__(self, found: _HeadedTable) -> None:
        self._places = {field: found.head.index(name) for field, name in found.columns.items()}
        amounts: list[str] = []
        for field in ("amount", "credit", "debit"):
            amounts += [self.text(row, field) for _number, row in found.rows]
        marks = [decimals[1] for decimals in map(_DECIMALS.search, amounts) if decimals]
        decimal, thousands = (",", ".") if marks.count(",") >= marks.count(".") else (".", ",")
        # A mark that is misread would make it a hundred times more: then it is no amount.
        digits = rf"\d{{1,15}}|\d{{1,3}}(?:[{thousands}']\d{{3}}){{1,4}}"
        self._amount = re.compile(rf"([+-]?)({digits})(?:{re.escape(decimal)}(\d{{1,5}}))?(-?)")
        days = [_DAY.match(self.text(row, "day")) for _number, row in found.rows]
        firsts, seconds = ([int(day[place]) for day in days if day] for place in (1, 2))
        self._is_month_first = max(firsts, default=0) <= 12 < max(seconds, default=0)
        unit = _UNIT.search(found.columns["amount"])
        self.currency = "EUR" if "€" in found.columns["amount"] else ""
        if unit is not None:
            self.currency = unit[1] or unit[2] or self.currency

    def text(self, row: Sequence[str], field: str) -> str:
        """Return a cell without needless space, "" if there is none."""
        place = self._places.get(field, len(row))
        return " ".join(row[place].split()) if place < len(row) else ""

    def day(self, row: Sequence[str]) -> date | None:
        """Return the day of a row, None if there is none."""
        found = _DAY.match(self.text(row, "day"))
        if found is None:
            return None
        day, month, year = [int(part) for part in found.groups()]
        if len(found[1]) == len("2026"):
            year, day = day, year
        elif self._is_month_first:
            day, month = month, day
        if year < 100:
            year += EARLIEST
        try:
            return date(year, month, day) if year >= EARLIEST else None
        except ValueError:
            return None

    def amount(self, row: Sequence[str]) -> Decimal | None:
        """Return what came in, negative if it went out, None if there is none."""
        for field in ("amount", "credit", "debit"):
            found = _NUMBER.search(re.sub(r"\s", "", self.text(row, field)).replace("−", "-"))
            parts = self._amount.fullmatch(found[0]) if found is not None else None
            if parts is None:
                continue
            sign, whole, decimals, sign_behind = parts.groups()
            digits = re.sub(r"\D", "", whole)
            amount = Decimal(f"{digits}.{decimals or 0}")
            # Some banks write amounts without a sign, and in a cell of its own S for what went out.
            is_out = "-" in (sign, sign_behind) or field == "debit" or "S" in row
            return -amount if is_out else amount
        return None
