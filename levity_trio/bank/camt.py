"""CAMT.053 (ISO 20022), the statement of an account in XML: versions 02 and 08 as German banks send
them.

Libraries for it need a web framework, pydantic or lxml. Entities, by which XML grows or reads other
files, are declared in a DOCTYPE, so a file with one is refused; its size and elements are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers.expat import ExpatError, ParserCreate

from levity_trio.bank import BankFile, BankFileProblem, BankLine
from levity_trio.told import Told

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:"
VERSIONS: Final = ("camt.053.001.02", "camt.053.001.08")
MOST_ELEMENTS: Final = 400_000
BOOKED: Final = "BOOK"
AMOUNT: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,5})?")
RETURNED: Final = re.compile(r"\b(?:UPDD|PRDD|RRTN|RPCR)\b|\+(?:108|109|159|181|184)\+")
"""Codes of ISO 20022 and of German banks for a direct debit or a transfer that comes back."""


class _Builder:
    """Builds a tree without namespaces, and remembers that of its root."""

    def __init__(self) -> None:
        self.kind = ""
        self._elements = 0
        self._tree = TreeBuilder()

    def build(self, content: bytes) -> Element:
        """Return the root of a document. Raises BankFileProblem."""
        parser = ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = lambda name: self._tree.end(name.rpartition("}")[2])
        parser.CharacterDataHandler = self._tree.data
        try:
            parser.Parse(content, True)
        except (ExpatError, LookupError) as error:
            raise BankFileProblem(Told("this XML is damaged ({1})", str(error))) from None
        return self._tree.close()

    def _refuse(self, *_names: object) -> None:
        raise BankFileProblem(Told("this file declares entities (DOCTYPE), which no bank does"))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise BankFileProblem(Told("this file is too large; take a shorter time"))
        namespace, _brace, bare = name.rpartition("}")
        self.kind = self.kind or namespace.removeprefix(NAMESPACE) or bare
        self._tree.start(bare, attributes)


def read_camt(content: bytes) -> BankFile:
    """Read a file. Raises BankFileProblem."""
    builder = _Builder()
    root = builder.build(content)
    if builder.kind not in VERSIONS:
        raise BankFileProblem(
            Told("this is {1}; ask your bank for {2} or {3}", builder.kind, *VERSIONS)
        )
    lines: list[BankLine] = []
    pending = 0
    for statement in root.iter("Stmt"):
        account = _text(statement, "Acct/Id/IBAN", "Acct/Id/Othr/Id")
        for entry in statement.iter("Ntry"):
            if _text(entry, "Sts/Cd", "Sts") == BOOKED:
                lines += _lines(entry, account)
            else:
                pending += 1
    return BankFile(lines, pending)


def _lines(entry: Element, account: str) -> Iterator[BankLine]:
    """Yield the transactions of an entry; those of a collective one count only if they are the
    whole of it."""
    parts = [*entry.iter("TxDtls")]
    whole = _amount(entry, "Amt")
    amounts = [_amount(part, "Amt", "AmtDtls/TxAmt/Amt") for part in parts]
    if len(parts) == 1 or None in amounts or sum(filter(None, amounts)) != whole:
        yield _line(entry, entry, whole, account)
        return
    for part, amount in zip(parts, amounts, strict=True):
        yield _line(entry, part, amount, account)


def _line(entry: Element, part: Element, amount: Decimal | None, account: str) -> BankLine:
    day = _text(entry, "BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm")[: len("2026-03-01")]
    try:
        booked = date.fromisoformat(day)
    except ValueError:
        raise BankFileProblem(Told("an entry has no day: {1}", day)) from None
    if amount is None:
        raise BankFileProblem(Told("an entry of {1} has no amount", day))
    amount = amount if _text(entry, "CdtDbtInd") == "CRDT" else -amount

    codes = [f"+{code.text}+" for name in ("Cd", "SubFmlyCd") for code in entry.iter(name)]
    is_return = _text(entry, "RvslInd") == "true" or part.find(".//RtrInf") is not None
    is_return = is_return or RETURNED.search(" ".join(codes)) is not None
    # A household is the debtor of what it pays, and of what a bank takes back.
    side = "Dbtr" if amount > 0 or is_return else "Cdtr"
    texts = [*part.iterfind(".//RmtInf/Ustrd"), *part.iterfind(".//RmtInf/Strd/CdtrRefInf/Ref")]
    text = " ".join(" ".join(one.text or "" for one in texts).split())
    currency = entry.find("Amt")
    return BankLine(
        day=booked,
        amount=amount,
        currency="" if currency is None else currency.get("Ccy", ""),
        name=_text(part, f".//RltdPties/{side}/Pty/Nm", f".//RltdPties/{side}/Nm"),
        iban=_text(part, f".//RltdPties/{side}Acct/Id/IBAN"),
        text=text or _text(entry, "AddtlNtryInf"),
        account=account,
        reference=_text(part, ".//Refs/AcctSvcrRef") or _text(entry, "AcctSvcrRef", "NtryRef"),
        is_return=is_return,
    )


def _text(element: Element, *paths: str) -> str:
    """Return the text at the first of these paths that has one, "" if none has."""
    for path in paths:
        if text := (element.findtext(path) or "").strip():
            return text
    return ""


def _amount(element: Element, *paths: str) -> Decimal | None:
    """Return an amount, None if there is none."""
    text = _text(element, *paths)
    return Decimal(text) if AMOUNT.fullmatch(text) else None
