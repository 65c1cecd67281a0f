"""CAMT.053 as banks send it, and files that are not what they seem."""

import io
import tracemalloc
import zipfile
from contextlib import suppress
from decimal import Decimal
from encodings.aliases import aliases

import pytest

from levity_trio.bank import BankFileProblem, keys, payer_of
from levity_trio.bank.marks import LONGEST
from levity_trio.bank.reading import MOST_BYTES, read
from tests.bank.files import IBAN, camt, details, entry


@pytest.mark.parametrize("version", ["02", "08"])
def test_a_statement_of_either_version_is_read(version: str) -> None:
    paid = entry("76.05", details("Anna Müller", "Abrechnung 12", version=version), version=version)
    debit = entry("9.90", side="DBIT", version=version)
    pending = entry("5.00", status="PDNG", version=version)
    info = entry("5.00", status="INFO", version=version)
    found = read(camt(paid, debit, pending, info, version=version).encode(), {}, {})
    first, second = found.lines
    assert (first.amount, first.name, first.iban) == (Decimal("76.05"), "Anna Müller", IBAN)
    assert (first.text, str(first.day)) == ("Abrechnung 12", "2026-03-02")
    assert (first.account, first.currency) == ("DE19120300000000202053", "EUR")
    assert (second.amount, second.text) == (Decimal("-9.90"), "SEPA-Überweisung")
    assert not first.is_return
    assert not second.is_return
    assert found.pending == 2


@pytest.mark.parametrize("version", ["01", "03", "04", "06", "10", "13"])
@pytest.mark.parametrize("kind", ["052 Rpt", "053 Stmt", "054 Ntfctn"])
def test_reports_statements_and_advices_of_all_versions_are_read(version: str, kind: str) -> None:
    number, name = kind.split()
    paid = entry("76.05", details("Anna", "12"))
    future = entry("5.00", status="FUTR")
    text = camt(paid, future, version=version).replace("053", number).replace("Stmt>", f"{name}>")
    found = read(text.encode(), {}, {})
    assert [(line.name, line.amount, line.doubt) for line in found.lines] == [
        ("Anna", Decimal("76.05"), "")
    ]
    assert found.pending == 1


def test_an_entry_that_is_not_understood_is_a_question() -> None:
    strange = entry("76.05", details("Anna", "12"))
    for known, other in ((">CRDT<", ">PLUS<"), (">BOOK<", ">DONT<"), (">BOOK<", "><")):
        (line,) = read(camt(strange.replace(known, other)).encode(), {}, {}).lines
        assert line.doubt
        assert line.amount == Decimal("76.05")


def test_the_fee_of_a_return_is_no_part_of_it() -> None:
    more = '<AmtDtls><InstdAmt><Amt Ccy="EUR">6.91</Amt></InstdAmt></AmtDtls><RtrInf/>'
    (line,) = read(
        camt(entry("11.91", details("Anna", "12", more=more), side="DBIT")).encode(), {}, {}
    ).lines
    assert (line.amount, line.fee) == (Decimal("-6.91"), Decimal("5.00"))
    # In another currency, it is no part of that amount.
    (line,) = read(
        camt(
            entry("11.91", details("Anna", "12", more=more.replace("EUR", "CHF")), side="DBIT")
        ).encode(),
        *({}, {}),
    ).lines
    assert (line.amount, line.fee) == (Decimal("-11.91"), Decimal(0))


def test_parts_in_another_currency_or_direction_are_not_the_whole() -> None:
    parts = [details("Anna", "12", "60.00"), details("Ben", "13", "40.00")]
    for known, other in (
        ('Ccy="EUR">40', 'Ccy="USD">40'),
        ("40.00</Amt><CdtDbtInd>CRDT", "40.00</Amt><CdtDbtInd>DBIT"),
    ):
        changed = [part.replace(known, other) for part in parts]
        assert changed != parts
        (line,) = read(camt(entry("100.00", *changed)).encode(), {}, {}).lines
        assert (line.amount, bool(line.doubt)) == (Decimal(100), True)


def test_any_encoding_is_read_or_refused() -> None:
    """The parser asks Python for a codec of that name."""
    text = camt(entry("5.00", details("Anna", "12")))
    names = [*sorted({*aliases.values()}), "UTF-7", "undefined", "idna", "x" * 5000, "*", "none"]
    for name in names:
        for content in (text.encode(), text.replace("Anna", "Änna").encode("utf-8")):
            changed = content.replace(b"UTF-8", name.encode(), 1)
            with suppress(BankFileProblem):
                (line,) = read(changed, {}, {}).lines
                assert line.amount == 5


@pytest.mark.parametrize("version", ["02", "08"])
def test_a_collective_entry_is_its_transactions(version: str) -> None:
    parts = [
        details("Anna", "12", "76.05", version=version),
        details("Ben", "13", "23.95", version=version),
    ]
    found = read(
        camt(entry("100.00", *parts, version=version), version=version).encode(), {}, {}
    ).lines
    assert [(line.name, line.amount) for line in found] == [
        ("Anna", Decimal("76.05")),
        ("Ben", Decimal("23.95")),
    ]


def test_a_collective_entry_whose_transactions_are_not_the_whole_is_one_line() -> None:
    parts = [details("Anna", "12", "76.05"), details("Ben", "13", "20.00")]
    (line,) = read(camt(entry("100.00", *parts)).encode(), {}, {}).lines
    assert line.amount == 100
    (line,) = read(
        camt(entry("100.00", details("Anna", "12"), details("Ben", "1"))).encode(), {}, {}
    ).lines
    assert line.amount == 100


@pytest.mark.parametrize(
    "returned",
    [
        entry("76.05", details("Anna", "12"), side="DBIT", more="<RvslInd>true</RvslInd>"),
        entry("76.05", details("Anna", "12"), side="DBIT", code="NRTI+109+00931"),
        entry(
            "76.05",
            details("Anna", "12", more="<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"),
            side="DBIT",
        ),
        entry("76.05", details("Anna", "12"), side="DBIT").replace("ESCT", "UPDD"),
    ],
)
def test_money_that_a_bank_took_back_is_a_return(returned: str) -> None:
    (line,) = read(camt(returned).encode(), {}, {}).lines
    assert (line.amount, line.name, line.iban, line.is_return) == (
        Decimal("-76.05"),
        "Anna",
        IBAN,
        True,
    )


def zipped(**members: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.xml", text)
    return content.getvalue()


def test_statements_of_an_archive_may_overlap() -> None:
    paid = entry("76.05", details("Anna", "12"))
    archive = zipped(monday=camt(paid, paid), week=camt(paid, paid, entry("5.00")))
    found = read(archive, {}, {}).lines
    assert [line.amount for line in found] == [Decimal("76.05"), Decimal("76.05"), Decimal(5)]
    assert keys(found[:2]) == keys(read(camt(paid, paid).encode(), {}, {}).lines)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_an_archive_may_have_one_name() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for amount in ("5.00", "6.00"):
            archive.writestr("day.xml", camt(entry(amount)))
    found = read(content.getvalue(), {}, {}).lines
    assert [line.amount for line in found] == [5, 6]


def test_a_member_that_lies_about_its_size_is_not_unpacked() -> None:
    content = bytearray(zipped(bomb="0" * 3 * MOST_BYTES))
    place = content.find(b"PK\x01\x02") + len("PK\x01\x02") + 20
    content[place : place + 4] = (10).to_bytes(4, "little")
    tracemalloc.start()
    try:
        with pytest.raises(BankFileProblem, match="damaged"):
            read(bytes(content), {}, {})
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("declared", [BOMB, OUTSIDE, '<!DOCTYPE a SYSTEM "http://evil.example/">'])
def test_a_file_that_declares_entities_is_refused(declared: str) -> None:
    text = camt(entry("5.00", details("Anna", "&a;"))).replace("<Document", f"{declared}<Document")
    with pytest.raises(BankFileProblem, match="entities"):
        read(text.encode(), {}, {})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \r\n", "empty"),
        (b"%PDF-1.7", "this is PDF"),
        (b"\r\n:20:STARTUMSE\r\n:25:12030000/202053", "MT940"),
        (b"{1:F01BYLADEM1001}", "MT940"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel"),
        (camt().replace("camt.053.001.08", "camt.056.001.08").encode(), r"camt\.056\.001\.08"),
        (camt().replace("camt.053.001.08", "pain.001.001.03").encode(), r"pain\.001\.001\.03"),
        (b"<html><body>Log in</body></html>", "html"),
        (camt(entry("5.00"))[:-30].encode(), "damaged"),
        (b"<a>" * 500_001, "too large"),
        (camt("<Ntry>" * 4000, "</Ntry>" * 4000).encode(), "too deeply"),
        *[(camt(entry(text)).encode(), "no amount") for text in ("five", "NaN", "1E9", "9" * 30)],
        (
            camt(entry("5.00"))
            .replace("<Dt>2026-03-02</Dt>", "")
            .replace("2026-03-03", "x")
            .encode(),
            "no day",
        ),
        (b"hello", "no file of account movements"),
        (zipped(), "no CAMT"),
        (b"PK\x03\x04garbage", "damaged"),
        (zipped(bomb="0" * (MOST_BYTES + 1)), "too large"),
        (zipped(**{"xl/workbook": "<a/>"}), "Excel"),
    ],
)
def test_another_file_is_called_by_its_name(content: bytes, words: str) -> None:
    with pytest.raises(BankFileProblem, match=words):
        read(content, {}, {})


def test_texts_are_cut_and_more_lines_than_are_taken_are_refused() -> None:
    text = camt(entry("5.00", details("a" * 30_000, "b" * 30_000)))
    (line,) = read(text.encode(), {}, {}).lines
    assert (len(line.name), len(line.text)) == (LONGEST, LONGEST)
    with pytest.raises(BankFileProblem, match="more than 5000 lines"):
        read(camt(entry("5.00") * 5001).encode(), {}, {})


def test_an_account_is_known_again_however_it_is_written() -> None:
    assert payer_of(IBAN) == payer_of("de02 1203 0000 0000 2020 51")
    assert payer_of(" ") is None
