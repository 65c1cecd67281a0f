"""What a cell of a bank's file says beside numbers: money in or out, booked or not, and a currency.

A mark that is not known is never dropped: it makes its line a question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from itertools import filterfalse
from typing import Final, NamedTuple
from unicodedata import combining, normalize

LONGEST: Final = 1_000
"""Letters of a cell or text that are looked at: no pattern meets more."""
LONGEST_MARK: Final = 30


class BankMark(Enum):
    """What a word of a bank means."""

    IN = "in"
    OUT = "out"
    BOOKED = "booked"
    NOT_BOOKED = "not booked"
    """Not yet, or never: reserved, declined, taken back."""


WORDS: Final[Mapping[BankMark, str]] = {
    BankMark.IN: "h haben c cr crdt credit kredit credito credite bij plus in eingang zugang "
    "gutschrift einzahlung einnahme zahlungseingang bijschrijving bijgeschreven inkomend "
    "ontvangen moneyin paidin incoming deposit received income entree recette encaissement recu "
    "abono haber ingreso ingresos entrada recibido avere accredito entrata entrate incasso "
    "ricevuto",
    BankMark.OUT: "s soll d dr dbit debit debet debito debite af minus out ausgang abgang "
    "belastung auszahlung ausgabe zahlungsausgang afschrijving afgeschreven uitgaand verzonden "
    "moneyout paidout outgoing withdrawal sent expense sortie depense decaissement emis cargo "
    "debe gasto gastos salida retiro enviado dare addebito uscita uscite inviato",
    BankMark.BOOKED: "book booked gebucht umsatzgebucht verbucht ausgefuehrt abgeschlossen "
    "erledigt posted complete completed settled cleared executed success successful geboekt "
    "verwerkt uitgevoerd voltooid afgerond comptabilise comptabilisee execute executee effectue "
    "effectuee termine terminee realise realisee contabilizado contabilizada realizado realizada "
    "ejecutado ejecutada completado completada contabilizzato contabilizzata eseguito eseguita "
    "completato completata",
    BankMark.NOT_BOOKED: "pdng futr info vorgemerkt umsatzvorgemerkt offen ausstehend geplant "
    "inbearbeitung reserviert pending processing scheduled authorised authorized inprogress "
    "openstaand gereserveerd gepland inbehandeling inafwachting enattente avenir encours "
    "pendiente encurso retenido inattesa insospeso incorso autorizzato autorizzata prenotato "
    "reverted reversed declined failed cancelled canceled rejected expired refused voided "
    "storniert abgelehnt abgebrochen fehlgeschlagen zurueckgewiesen widerrufen annulliert "
    "afgewezen geweigerd geannuleerd mislukt teruggedraaid annule annulee refuse refusee rejete "
    "rejetee echoue echouee rechazado rechazada cancelado cancelada anulado anulada fallido "
    "fallida revertido revertida denegado denegada annullato annullata rifiutato rifiutata "
    "respinto respinta fallito fallita stornato stornata",
}
"""Words for sign and state in German, English, Dutch, French, Spanish and Italian, their letters
only. A is missing: it takes away in Dutch (af), and brings in Italian (avere)."""
SYMBOLS: Final = {"€": "EUR", "euro": "EUR", "£": "GBP", "fr": "CHF", "sfr": "CHF"}
LETTERS: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ı": "i", "ł": "l", "ø": "o"}
)
"""How banks write letters that they do not have."""
_SIGNS: Final = str.maketrans(
    "\u2212\u2013\u2014\u2010\u2011\u2012\ufe63\uff0d’\xa0\u202f", "--------'  "
)
_NUMBER: Final = re.compile(r"[^0-9.,']*+([0-9][0-9.,' ]*+)")
_CODE: Final = re.compile(r"[A-Z]{3}")


def folded(text: str) -> str:
    """Return a text as banks may write it: Müller, MUELLER and MULLER are one name, and so are
    François and FRANCOIS."""
    apart = normalize("NFKD", normalize("NFC", text[:LONGEST]).casefold().translate(LETTERS))
    bare = "".join(filterfalse(combining, apart))
    return re.sub(r"([aou])e", r"\1", bare)


def letters_of(text: str) -> str:
    """Return the letters of a text, folded."""
    return re.sub(r"[^a-z]", "", folded(text))


_MEANINGS: Final = {letters_of(word): mark for mark in BankMark for word in WORDS[mark].split()}


def meaning(text: str) -> BankMark | None:
    """Return what a cell or a word means, None if that is not known."""
    if len(text) > LONGEST_MARK:
        return None
    sign = text.translate(_SIGNS)
    if sign in ("+", "-"):
        return BankMark.IN if sign == "+" else BankMark.OUT
    return _MEANINGS.get(letters_of(text)) if not re.search(r"[0-9]", text) else None


def currency_in(text: str) -> str:
    """Return the currency that a text is, "" if it is none."""
    known = SYMBOLS.get(text.rstrip(".").casefold())
    return known or (text if _CODE.fullmatch(text) else "")


class WrittenSum(NamedTuple):
    """What a cell with an amount says: the number without its sign, the marks beside it, its
    currency, and the cell itself, if not all of it was understood."""

    number: str
    marks: frozenset[BankMark]
    currency: str
    doubt: str


def sum_in(cell: str) -> WrittenSum | None:
    """Return the amount of a cell, None if it has no number."""
    text = cell.translate(_SIGNS)
    found = _NUMBER.match(text)
    if found is None:
        return None
    beside = f"{text[: found.start(1)]} {text[found.end(1) :]}"
    marks: set[BankMark] = set()
    if "(" in text[: found.start(1)] and text.rstrip().endswith(")"):
        beside = beside.replace("(", " ", 1).replace(")", " ", 1)
        marks.add(BankMark.OUT)
    for sign in "+-":
        if sign in beside:
            beside = beside.replace(sign, " ", 1)
            marks.add(BankMark.IN if sign == "+" else BankMark.OUT)
    currency = doubt = ""
    for word in beside.split():
        mark, code = _MEANINGS.get(letters_of(word)), currency_in(word)
        if mark is not None:
            marks.add(mark)
        elif code and currency in ("", code):
            currency = code
        else:
            doubt = cell
    return WrittenSum(found[1].strip(), frozenset(marks), currency, doubt)


class SumNotation:
    """How the numbers of a column are written."""

    def __init__(self, numbers: list[str]) -> None:
        ends = [re.search(r"([.,])[0-9]{1,2}$", number) for number in numbers]
        marks = [end[1] for end in ends if end is not None]
        self._is_shown = bool(marks)
        self._decimal, thousands = ",." if marks.count(",") >= marks.count(".") else ".,"
        digits = rf"[0-9]{{1,15}}|[0-9]{{1,3}}(?:[{thousands}' ][0-9]{{3}}){{1,4}}"
        self._written = re.compile(rf"(?:{digits})(?:[{self._decimal}][0-9]{{1,2}}0{{0,9}})?")

    def amount(self, number: str) -> Decimal | None:
        """Return a number; None if it is written in another way: a mark that is misread would make
        it a hundred times more."""
        if not self._is_shown and re.search("[.,]", number):
            return None  # 1.234 may be a little more than one, or a thousand
        if not self._written.fullmatch(number):
            return None
        whole, _mark, decimals = number.partition(self._decimal)
        return Decimal(f"{re.sub('[^0-9]', '', whole)}.{decimals}")
