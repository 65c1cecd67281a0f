"""CAMT.053 (ISO 20022), the statement of an account in XML: versions 02 and 08 as German banks send
them.

Libraries for it need a web framework, pydantic or lxml. Entities, by which XML grows or reads other
files, are declared in a DOCTYPE, so a file with one is refused; its size and tags are bounded.
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
MOST_TAGS: Final = 500_000
BOOKED: Final = "BOOK"
AMOUNT: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,5})?")
RETURN_CODES: Final = frozenset({"UPDD", "PRDD", "RRTN", "RPCR", "108", "109", "159", "181", "184"})
"""Codes of ISO 20022 and of German banks for a direct debit or a transfer that comes back."""


def read_camt(content: bytes) -> BankFile:
    """Read a file. Raises BankFileProblem."""
    if content.count(b"<") > MOST_TAGS:
        raise BankFileProblem(Told("this file is too large; take a shorter time"))
    tree = TreeBuilder()
    parser = ParserCreate(namespace_separator="}")
    parser.StartDoctypeDeclHandler = _refuse_entities
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.data
    try:
        parser.Parse(content, True)
    except (ExpatError, LookupError) as error:
        raise BankFileProblem(Told("this XML is damaged ({1})", str(error))) from None
    root = tree.close()
    namespace, _brace, name = root.tag.rpartition("}")
    kind = namespace.removeprefix(NAMESPACE) or name
    if kind not in VERSIONS:
        raise BankFileProblem(Told("this is {1}; ask your bank for {2} or {3}", kind, *VERSIONS))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]

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


def _refuse_entities(*_names: object) -> None:
    raise BankFileProblem(Told("this file declares entities (DOCTYPE), which no bank does"))


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

    codes = "+".join(text for code in entry.iter("BkTxCd") for text in code.itertext())
    is_return = (
        _text(entry, "RvslInd") == "true"
        or part.find(".//RtrInf") is not None
        or not RETURN_CODES.isdisjoint(codes.split("+"))
    )
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
