"""Files of columns (CSV) as banks write them: separator, encoding, decimal mark, order of dates and
the line with the names of columns are found, not asked for.

A line is certain only if each cell that may bear a sign, an amount, a currency or a state was
understood. Texts, names, accounts, references and categories are not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Final, NamedTuple

from levity_trio.bank import (
    MOST_LINES,
    BankFile,
    BankFileProblem,
    BankLine,
    BankTable,
    Columns,
    digest_of,
)
from levity_trio.bank.marks import (
    LONGEST,
    LONGEST_MARK,
    BankMark,
    SumNotation,
    WrittenSum,
    currency_in,
    letters_of,
    meaning,
    sum_in,
)
from levity_trio.told import Told

GUESSES: Final[Mapping[str, str]] = {
    "day": "buchungstag buchungsdatum buchung bookingdate completeddate finishedon "
    "transactiondate postedtransactionsdate abschlussdatum boekingsdatum boekdatum "
    "transactiedatum dateop dateoperation datedeloperation datedecomptabilisation "
    "fechaoperacion fechadeoperacion foperativa fechacontable dataoperazione datacontabile "
    "datadicontabilizzazione dataregistrazione bookedat datum date fecha data valutadatum valuta "
    "wertstellung fvalor",
    "credit": "haben gutschrift credit paidin moneyin creditamount credito crediteuros abono "
    "abonos haber ingreso ingresos avere accredito accrediti entrata entrate bij",
    "debit": "soll belastung lastschrift debit paidout moneyout debitamount debito debiteuros "
    "cargo cargos debe gasto gastos dare addebito addebiti uscita uscite af",
    "amount": "betrag umsatz amount bedrag transactiebedrag montant montantdeloperation "
    "montantoperation montantoperationeneuro importe importo brutto gross creditdebitamount "
    "targetamount value",
    "name": "zahlungspflichtiger namezahlungsbeteiligter beguenstigterzahlungspflichtiger "
    "empfaengerzahlungspflichtiger auftraggeberempfaenger auftraggeberbeguenstigter "
    "beguenstigterauftraggeber senderempfaenger partnername payername sourcename auftraggeber "
    "empfaenger naamtegenpartij naamtegenrekening naamomschrijving counterpartyname "
    "counterparty namecounterparty payee ordinante beneficiario contrepartie contraparte "
    "controparte naam nombre nome name",
    "text": "verwendungszweck zahlungszweck paymentreference vorgangverwendungszweck betreff "
    "mededelingen mededeling omschrijving libelleoperation libelledeloperation detaildelecriture "
    "libelle label concepto observaciones descripcion descrizionecompleta descrizioneoperazione "
    "descrizioneoperazioni descrizione avisierungstext buchungsdetails buchungstext reference "
    "description transactiondescription details memo narrative notes buchungsinfo movimiento text",
    "iban": "ibanzahlungsbeteiligter kontonummeriban ibankontonummer partneriban "
    "counterpartyiban counterptyibanbban tegenrekeningibanbban tegenrekening ibantegenpartij "
    "counterpartyaccount iban kontonummer",
    "account": "auftragskonto ibanauftragskonto ibankontoinhaber ibanbban rekening rekeningnummer "
    "accountnumber accountnum",
    "currency": "waehrung currency munt devise divisa moneda valutasoortmutatie devies whg "
    "targetcurrency postedcurrency",
    "state": "status state stato statut estado etat buchungsstatus transaktionsstatus",
}
"""The names of columns that banks use, folded, without what is not a letter; the first that is
there counts."""
KINDS: Final = (
    "typ type art umsatzart umsatztyp buchungsart buchungsschluessel bewegungstyp vorgang "
    "transaktionstyp transaktionsart transactiontype transactionkind mutatiesoort soort "
    "code internetransactiecode globaletransactiecode subcategory causale mezzo tipo "
    "tipooperazione tipomovimento tipodeoperacion operation typeoperation typedoperation nature "
    "transactie"
)
"""Names of columns that say by which way money moved: what is not known there counts only where
nothing else in the file tells money in from money out."""
FREE: Final = (
    # texts, and names
    "text zweck betreff hinweis notiz note bemerk comment kommentar memo stichwort beschreib "
    "descri omschri mededel concepto observ libelle label intitule detail dettagli motif causal "
    "communic comunic narrative suggest supplier merchant haendler counterpar controp contrap "
    "tegen empfaeng auftrag beguenst partner payee payer name nombre naam nom nome titular intest "
    "ordinant benefici remit absender sender mail telefon adres land country pais plaats datos "
    "emoji imagen product produkt "
    # accounts, references, and categories
    "konto iban bic swift account compte cuenta conto rekening blz sortcode bank banque banca "
    "banco card karte carte carta tarjeta referen riferimento nummer number numero mandat creditor "
    "glaeubiger sammler kenmerk transaktionscode kategor categor rubri gruppe moneymap merkmal "
    "gekennzeichnet geteilt attachment receipt pointage highlight favorit "
    # balances, times, fees, and sums beside the amount
    "saldo balance solde date datum fecha data zeit zone time uhr wert valor kurs rate koers tasso "
    "cambio gebuehr entgelt fee commission spesen original ursprung oorspr local foreign fremd "
    "source exchange instr"
)
"""Parts of the names of columns that are not judged."""
SIGNS: Final = "soll haben debet debit debe dare avere direction richtung sens vorzeichen afbij"
"""Parts of the names of columns that are judged, whatever else they say."""
KIND, ANOTHER, OTHER = "kind", "another amount", "other"
TEXTS: Final = ("name", "text", "iban", "account")
"""What the columns are that are not judged."""
AMOUNTS: Final[Mapping[str, frozenset[BankMark]]] = {
    "amount": frozenset(),
    "credit": frozenset({BankMark.IN}),
    "debit": frozenset({BankMark.OUT}),
}
"""What the columns are that have the amount, and what they say of it by themselves."""
LONGEST_LINE: Final = 100_000
LINES_OF_A_CELL: Final = 20
SEPARATORS: Final = ";,\t|"
MOST_COLUMNS: Final = 200
HEAD_WITHIN: Final = 40
"""Rows at the begin, among which the names of columns are looked for."""
MOST_WORDS: Final = 3
"""Words of a cell that may be a mark; more are a text."""
DAYS: Final = (
    *("%d-%m-%Y", "%d-%m-%y", "%Y-%m-%d", "%m-%d-%Y", "%m-%d-%y"),
    *("%Y%m%d", "%d-%b-%Y", "%d-%b-%y"),
)
_DAY: Final = re.compile(
    r"[0-9]{8}(?![0-9])|[0-9]{1,4}([-./ ])(?:[0-9]{1,2}|[A-Za-z]{3})\1[0-9]{2,4}(?![0-9])"
)
_CENTS: Final = re.compile(r"[0-9][.,][0-9]{2}(?![0-9])")
_UNIT: Final = re.compile(r"\(([^()]*+)\)| in ([A-Z]{3})$| (EUR|CHF|GBP)$")
"""What stands behind the name of a column, such as its currency."""
_RETURN: Final = re.compile(
    r"r(?:ü|ue)ck(?:lastschrift|buchung|gabe|weisung)|retoure|storn|zur(?:ü|ue)ckgewiesen"
    r"|returned|chargeback|reversal|unpaid|impay|rejet|devol|impagad|insolut|(r(?:ü|ue)ckzahlung)",
    re.IGNORECASE,
)
"""What a bank writes to a payment that it takes back; the last word may also be the owner's."""
_NO_TABLE: Final = Told("this is no file of account movements; give CSV or CAMT.053 of your bank")


def read_table(content: bytes, chosen: Columns, kept: Mapping[str, Columns]) -> BankFile:
    """Read a file. `chosen` are columns by what they are, `kept` those that were chosen for a head
    with this digest. Raises BankFileProblem."""
    text = _decoded(content).replace("\r\n", "\n").replace("\r", "\n")
    if text.count("\n") > MOST_LINES:
        words = Told("there are more than {1} lines; divide the file", MOST_LINES)
        raise BankFileProblem(words)
    lines = text.split("\n")
    if max(map(len, lines)) > LONGEST_LINE:
        raise BankFileProblem(_NO_TABLE)
    # Above its table, a bank writes what it wants.
    table, separator = max(
        _heads(lines, chosen, kept),
        key=lambda one: (one[0].is_readable, sum(map(bool, one[0].head))),
        default=(BankTable(), ""),
    )
    if sum(map(bool, table.head)) < 2:
        raise BankFileProblem(_NO_TABLE)

    rows = [*_rows(lines, separator)]
    if not table.is_readable and _is_payment(table.head):
        # There are no names of columns, and this is the first payment.
        most = max(len(row) for _number, row in rows)
        table = BankTable([str(place + 1) for place in range(most)], chosen, rows, is_named=False)
    else:
        place = [row for _number, row in rows].index(table.head)
        table = table._replace(rows=rows[place + 1 :])
    if table.is_readable:
        return _read(table)
    if chosen:
        raise BankFileProblem(Told("this file has not all of these columns"))
    return BankFile((), table=table)


def _heads(
    lines: Sequence[str], chosen: Columns, kept: Mapping[str, Columns]
) -> Iterator[tuple[BankTable, str]]:
    """Yield each row that may be the head of a table, with the separator of its cells."""
    for separator in SEPARATORS:
        # The one that is right fails again, when all rows are read.
        with suppress(BankFileProblem):
            for _number, head in islice(_rows(lines, separator), HEAD_WITHIN):
                columns = {**_columns(head), **(chosen or kept.get(digest_of(head), {}))}
                yield BankTable(head, columns), separator


def _decoded(content: bytes) -> str:
    """Return the text of a file: some banks write UTF-16, and old ones the code page of Windows."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _rows(lines: Sequence[str], separator: str) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield rows that are not empty, with the number of their last line. Raises BankFileProblem for
    a quotation mark that is never closed: it would swallow payments."""
    begun: list[str] = []
    for number, line in enumerate(lines, 1):
        begun.append(line)
        cells = _cells("\n".join(begun), separator)
        if cells is not None:
            begun = []
            if any(cells):
                yield number, cells
        elif len(begun) > LINES_OF_A_CELL or number == len(lines):
            first = number - len(begun) + 1
            raise BankFileProblem(Told("line {1}: a quotation mark is not closed", first))


def _cells(line: str, separator: str) -> Sequence[str] | None:
    """Return the cells of a row, None if one of them goes on in the next line.

    Some banks leave a quotation mark within a text as it is, so a mark closes a cell only before a
    separator.
    """
    cells: list[str] = []
    cell: str | None = None
    for piece in line.split(separator, MOST_COLUMNS):
        cell = (piece if cell is None else f"{cell}{separator}{piece}").strip()
        if not cell.startswith('"'):
            cells.append(cell[:LONGEST])
            cell = None
            continue
        inner = cell[1:-1]
        is_even = cell.count('"') % 2 == 0
        ends = len(cell) > 1 and (len(cell) - len(cell.rstrip('"'))) % 2 == 1
        is_plain = '"' not in inner.replace('""', "")
        # A text of several lines is written well, or it is none.
        if (is_even and ends and is_plain) if "\n" in cell else (is_even or ends):
            text = inner if cell.endswith('"') else cell
            cells.append(text.replace('""', '"')[:LONGEST])
            cell = None
    return [" ".join(one.split()) for one in cells] if cell is None else None


def _columns(head: Sequence[str]) -> dict[str, str]:
    """Return the column of each field that the names of columns show."""
    names: dict[str, str] = {}
    for name in head:
        names.setdefault(_bare(name), name)
    found: dict[str, str] = {}
    for field, guesses in _GUESSES.items():
        for guess in guesses:
            if guess in names:
                found.setdefault(field, names[guess])
    # Where what came in has a column of its own, that is the amount.
    if "credit" in found:
        found.setdefault("amount", found["credit"])
    return found


def _bare(name: str) -> str:
    return letters_of(_UNIT.sub("", name))


_GUESSES: Final = {
    field: [letters_of(guess) for guess in guesses.split()] for field, guesses in GUESSES.items()
}
_TEXTS: Final = frozenset(
    guess for field in ("day", "name", "text", "iban", "account") for guess in _GUESSES[field]
)
_KINDS: Final = frozenset(letters_of(name) for name in KINDS.split())
_FREE: Final = [letters_of(part) for part in FREE.split()]


def _is_payment(row: Sequence[str]) -> bool:
    """Whether a row has a day and an amount, so that it is no names of columns."""
    others = [cell for cell in row if not _DAY.match(cell)]
    return len(others) < len(row) and any(map(_CENTS.search, others))


def _roles(table: BankTable, places: Mapping[str, int]) -> Mapping[int, str]:
    """Return what each column is. One without a name may have another amount."""
    roles = dict.fromkeys(range(len(table.head), MOST_COLUMNS + 1), ANOTHER)
    for field, place in places.items():
        roles.setdefault(place, field)
    for place, name in enumerate(table.head):
        bare = _bare(name)
        if bare in _KINDS:
            roles.setdefault(place, KIND)
        elif bare in _GUESSES["amount"]:
            roles.setdefault(place, ANOTHER)
        elif bare in _TEXTS or any(part in bare for part in _FREE):
            is_sign = any(part in bare for part in SIGNS.split())
            roles.setdefault(place, OTHER if is_sign else "text")
    return roles


class _RowSays(NamedTuple):
    """What a row says: its amounts, and beside them marks with their cells, currencies, other
    amounts, how money moved, and what was not understood."""

    sums: list[WrittenSum]
    marks: dict[BankMark, str]
    codes: list[str]
    numbers: list[str]
    kinds: list[str]
    doubts: list[str]


def _said(roles: Mapping[int, str], row: Sequence[str]) -> _RowSays:
    """Return what the cells of a row say. A column that is not known may bear any mark."""
    said = _RowSays([], {}, [], [], [], [])
    for place, cell in enumerate(row):
        role = roles.get(place, OTHER)
        if not cell or role in TEXTS:
            continue
        mark, code, found = meaning(cell), currency_in(cell), sum_in(cell)
        is_word = found is None and len(cell) <= LONGEST_MARK and len(cell.split()) <= MOST_WORDS
        if role in AMOUNTS:
            if found is not None:
                marks = AMOUNTS[role] if role == "debit" else found.marks or AMOUNTS[role]
                said.sums.append(found._replace(marks=marks))
        elif mark is not None:
            said.marks[mark] = cell
        elif role == "currency" or (code and role == OTHER):
            said.codes.append(code or currency_in(cell.upper()) or cell)
        elif role == ANOTHER and found is not None:
            said.numbers.append(found.number)
        elif is_word and role == KIND:
            said.kinds.append(cell)
        elif is_word and role in (ANOTHER, OTHER):
            said.doubts.append(cell)
    return said


def _read(table: BankTable) -> BankFile:
    columns = table.columns
    places = {field: table.head.index(columns[field]) for field in GUESSES if field in columns}
    rows = [row for _number, row in table.rows]
    cells: dict[str, list[str]] = {}
    for field in GUESSES:
        place = places.get(field, MOST_COLUMNS + 1)
        cells[field] = ["".join(row[place : place + 1]) for row in rows]
    if len({*cells["iban"]}) == 1 < len({*cells["name"]}):
        cells["iban"] = [""] * len(rows)  # it is the own account
    days = _days(cells["day"])

    # How numbers are written, and whether they tell money in from money out, is seen from all rows.
    roles = _roles(table, places)
    told = [_said(roles, row) for row in rows]
    sums = [one for said in told for one in said.sums]
    notation = SumNotation([one.number for one in sums])
    if any(one.marks for one in sums):
        told = [said._replace(kinds=[]) for said in told]
    heading = _UNIT.search(columns["amount"])
    unit = "" if heading is None else currency_in(heading[1] or heading[2] or heading[3])

    lines: list[BankLine] = []
    unread: list[int] = []
    pending = 0
    for place, said in enumerate(told):
        day = days[place]
        if day is None and not said.sums:
            continue
        if BankMark.NOT_BOOKED in said.marks:
            pending += 1
            continue
        amounts = [notation.amount(one.number) for one in said.sums]
        if day is None or not amounts or None in amounts:
            unread.append(table.rows[place][0])
            continue

        read = [
            (one, abs(amount)) for one, amount in zip(said.sums, amounts, strict=True) if amount
        ]
        amount, code, doubts = _judged(said, read, notation, unit)
        if "state" in columns and meaning(cells["state"][place]) is not BankMark.BOOKED:
            doubts.append(cells["state"][place] or columns["state"])
        returned = _RETURN.search(" ".join(rows[place])) if amount < 0 else None
        if returned is not None:
            doubts.append(returned[1] or "")
        line = BankLine(
            day,
            amount,
            code,
            cells["name"][place],
            cells["iban"][place],
            cells["text"][place],
            cells["account"][place],
            is_return=returned is not None,
            doubt=next(filter(None, doubts), ""),
        )
        lines.append(line)
    return BankFile(lines, pending, tuple(unread), table)


def _judged(
    said: _RowSays, read: Sequence[tuple[WrittenSum, Decimal]], notation: SumNotation, unit: str
) -> tuple[Decimal, str, list[str]]:
    """Return the amount of a row with its sign, its currency, and what was not understood. Where
    each direction has a column of its own, the other one may say 0, which was not read."""
    amount = read[0][1] if read else Decimal(0)
    marks = {*said.marks}.union(*(one.marks for one, _amount in read))
    codes = {one.currency for one, _amount in read} | {*said.codes, unit}
    codes.discard("")
    doubts = [one.doubt for one, _amount in read] + said.doubts
    if said.marks.keys().isdisjoint((BankMark.IN, BankMark.OUT)):
        doubts += said.kinds
    if marks >= {BankMark.IN, BankMark.OUT}:
        doubts += [*said.marks.values(), "+ -"]
    others = {notation.amount(text) for text in said.numbers} | {one for _sum, one in read}
    if others - {amount}:
        doubts.append(" / ".join(sorted(map(str, {*others, amount}))))
    if len(codes) > 1:
        doubts.append(" / ".join(sorted(codes)))
    return -amount if BankMark.OUT in marks else amount, min(codes, default=""), doubts


def _days(cells: Sequence[str]) -> Sequence[date | None]:
    """Return days as most cells of a column write them, None where there is none."""
    written: list[str] = []
    for cell in cells:
        found = _DAY.match(cell)
        written.append("" if found is None else re.sub("[./ ]", "-", found[0]))
    read = [[_day(text, notation) for text in written] for notation in DAYS]
    return max(read, key=lambda days: len(days) - days.count(None))


def _day(text: str, notation: str) -> date | None:
    try:
        return datetime.strptime(text, notation).replace(tzinfo=UTC).date()
    except ValueError:
        return None
