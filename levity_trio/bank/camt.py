"""CAMT (ISO 20022), the movements of an account in XML: reports (052), statements (053) and advices
(054), in all versions whose entries are understood.

Libraries for it need a web framework, pydantic or lxml. Entities, by which XML grows or reads other
files, are declared in a DOCTYPE, so a file with one is refused; its size, tags and depth are
bounded. It is parsed in slices, so that the threads of the server take turns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from levity_trio.bank import MOST_LINES, BankFile, BankFileProblem, BankLine
from levity_trio.bank.marks import LONGEST, BankMark, meaning
from levity_trio.told import Told

KIND: Final = re.compile(r"camt\.05([234])\.001\.[0-9]{2}(?![0-9])")
LISTS: Final = {"2": "Rpt", "3": "Stmt", "4": "Ntfctn"}
"""What has the entries, by the kind of the message."""
ASK_FOR: Final = ("camt.053.001.02", "camt.053.001.08")
MOST_TAGS: Final = 500_000
MOST_DEPTH: Final = 64
SLICE: Final = 64 * 1024
AMOUNT: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,5})?")
RETURN_CODES: Final = frozenset({"UPDD", "PRDD", "RRTN", "RPCR", "108", "109", "159", "181", "184"})
"""Codes of ISO 20022 and of German banks for a direct debit or a transfer that comes back."""
SIDES: Final = {"CRDT": 1, "DBIT": -1}


class _CamtTree(TreeBuilder):
    """Builds a tree of elements without their namespaces, of which the first one shows the kind of
    the message."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self.kind = ""

    def start(self, name: str, attributes: dict[str, str], /) -> Element:
        """Begin an element. Raises BankFileProblem."""
        namespace, _brace, tag = name.rpartition("}")
        self.kind = self.kind or namespace or tag
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise BankFileProblem(Told("this XML is nested too deeply"))
        return super().start(tag, attributes)

    def end(self, name: str, /) -> Element:
        """End an element."""
        self._depth -= 1
        return super().end(name.rpartition("}")[2])

    def doctype(self, *_names: object) -> None:
        """Refuse entities."""
        raise BankFileProblem(Told("this file declares entities (DOCTYPE), which no bank does"))


def read_camt(content: bytes) -> BankFile:
    """Read a file. Raises BankFileProblem."""
    if content.count(b"<") > MOST_TAGS:
        raise BankFileProblem(Told("this file is too large; take a shorter time"))
    tree = _CamtTree()
    parser = XMLParser(target=tree)  # noqa: S314 - no DOCTYPE, few tags, little depth
    try:
        for begin in range(0, len(content), SLICE):
            parser.feed(content[begin : begin + SLICE])
        root = parser.close()
    except BankFileProblem:
        raise
    except (ParseError, LookupError, ValueError) as error:
        # The file may name any codec of Python, and each refuses bytes in its own way.
        raise BankFileProblem(Told("this XML is damaged ({1})", str(error))) from None
    kind = KIND.search(tree.kind[:LONGEST])
    if kind is None:
        words = Told("this is {1}; ask your bank for {2} or {3}", tree.kind[:LONGEST], *ASK_FOR)
        raise BankFileProblem(words)

    lines: list[BankLine] = []
    pending = 0
    for statement in root.iterfind(f"./*/{LISTS[kind[1]]}"):
        account = _text(statement, "Acct/Id/IBAN", "Acct/Id/Othr/Id")
        for entry in statement.iterfind("Ntry"):
            status = _text(entry, "Sts/Cd", "Sts")
            if meaning(status) is BankMark.NOT_BOOKED:
                pending += 1
            else:
                doubt = "" if meaning(status) is BankMark.BOOKED else f"Sts {status}"
                lines += _lines(entry, account, doubt)
    return BankFile(lines, pending)


def _lines(entry: Element, account: str, doubt: str) -> Iterator[BankLine]:
    """Yield the transactions of an entry; those of a collective one count only if they are the
    whole of it."""
    day = _text(entry, "BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm")[: len("2026-03-01")]
    try:
        booked = date.fromisoformat(day)
    except ValueError:
        raise BankFileProblem(Told("an entry has no day: {1}", day)) from None
    amount, currency = _amount(entry, "Amt")
    if amount is None:
        raise BankFileProblem(Told("an entry of {1} has no amount", day))
    side = _text(entry, "CdtDbtInd")
    if side not in SIDES:
        doubt = f"CdtDbtInd {side}"
    codes = {text for code in entry.iterfind("BkTxCd") for text in code.itertext()}
    whole = BankLine(
        day=booked,
        amount=amount * SIDES.get(side, 1),
        currency=currency,
        name="",
        iban="",
        text=_text(entry, "AddtlNtryInf"),
        account=account,
        reference=_text(entry, "AcctSvcrRef"),
        is_return=_text(entry, "RvslInd") == "true",
        doubt=doubt,
    )

    parts = entry.findall("NtryDtls/TxDtls")
    if len(parts) < 2:
        yield _line(whole, parts[0] if parts else entry, codes)
        return
    amounts: list[Decimal] = []
    for part in parts[:MOST_LINES]:
        of_part, in_currency = _amount(part, "Amt", "AmtDtls/TxAmt/Amt")
        if in_currency == currency and _text(part, "CdtDbtInd") in ("", side):
            amounts.append(of_part or Decimal(0))
    if len(amounts) < len(parts) or sum(amounts) != amount:
        # It is shown with the first one, which is not all of it.
        yield _line(whole, parts[0], codes)._replace(doubt=doubt or f"{len(parts)} TxDtls")
        return
    for part, of_part in zip(parts, amounts, strict=True):
        # The reference of the whole is that of each part, so it tells none of them.
        line = whole._replace(amount=of_part * SIDES.get(side, 1), reference="")
        yield _line(line, part, codes)


def _line(line: BankLine, part: Element, codes: set[str]) -> BankLine:
    """Return a line with what one transaction says of it."""
    told = codes.union(*(code.itertext() for code in part.iterfind("BkTxCd")))
    told = {one for text in told for one in text.split("+")}
    is_return = (
        line.is_return or part.find(".//RtrInf") is not None or not RETURN_CODES.isdisjoint(told)
    )
    # A household is the debtor of what it pays, and of what a bank takes back.
    side = "Dbtr" if line.amount > 0 or is_return else "Cdtr"
    texts = [*part.iterfind(".//RmtInf/Ustrd"), *part.iterfind(".//RmtInf/Strd/CdtrRefInf/Ref")]
    text = " ".join(" ".join(one.text or "" for one in texts).split())
    fee = Decimal(0)
    if is_return and line.amount < 0:
        # The bank takes what was paid, and its own fee beside.
        paid, currency = _amount(part, "AmtDtls/InstdAmt/Amt")
        if paid is not None and currency == line.currency and paid < -line.amount:
            fee = -line.amount - paid
    return line._replace(
        amount=line.amount + fee,
        fee=fee,
        name=_text(part, f".//RltdPties/{side}/Pty/Nm", f".//RltdPties/{side}/Nm"),
        iban=_text(part, f".//RltdPties/{side}Acct/Id/IBAN"),
        text=(text or line.text)[:LONGEST],
        reference=_text(part, ".//Refs/AcctSvcrRef") or line.reference,
        is_return=is_return,
    )


def _text(element: Element, *paths: str) -> str:
    """Return the text at the first of these paths that has one, "" if none has."""
    for path in paths:
        if text := (element.findtext(path) or "").strip():
            return text[:LONGEST]
    return ""


def _amount(element: Element, *paths: str) -> tuple[Decimal | None, str]:
    """Return the first amount and its currency; None and "" if there is none."""
    for path in paths:
        found = element.find(path)
        if found is not None and AMOUNT.fullmatch(text := (found.text or "").strip()):
            return Decimal(text), found.get("Ccy", "")
    return None, ""
