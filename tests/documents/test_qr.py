"""The QR code of a payment (EPC069-12): what it says, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
import segno

from levity_trio.billing.statement import Statement
from levity_trio.documents.qr import payment_modules
from levity_trio.documents.statement_sheet import HIGHEST_CENTS, payment_code
from tests.documents import statements as forms

REFERENCE = "Statement 2026-0007, Anna Schäfer"


def owned(name: str = "Bauhof 12 eG", account: str = forms.IBAN) -> Statement:
    made = forms.one_line()
    party = replace(made.owner.party, name=name)
    return replace(made, owner=replace(made.owner, party=party, bank_account=account))


def printed(made: Statement, reference: str = REFERENCE) -> tuple[str, ...]:
    return payment_modules(payment_code(made, reference))


def matrix(payload: str) -> tuple[str, ...]:
    code = segno.make_qr(payload.encode(), error="m", boost_error=False)
    return tuple("".join(str(int(module)) for module in row) for row in code.matrix)


@pytest.mark.parametrize("account", ["DE02120300000000202051", "de02 1203 0000 0000 2020 51"])
def test_what_the_code_says(account: str) -> None:
    lines = ("BCD", "002", "1", "SCT", "", "Bauhof 12 eG", forms.IBAN, "EUR3.97", "", "", REFERENCE)
    assert printed(owned(account=account)) == matrix("\n".join(lines))


def test_a_name_orders_nothing_and_is_cut_at_70_characters() -> None:
    lines = (
        "BCD",
        "002",
        "1",
        "SCT",
        "",
        "A " + "b" * 68,
        forms.IBAN,
        "EUR3.97",
        "",
        "",
        REFERENCE,
    )
    assert printed(owned("A\n" + "b" * 100)) == matrix("\n".join(lines))


def test_a_reference_is_cut_at_140_bytes() -> None:
    lines = (
        "BCD",
        "002",
        "1",
        "SCT",
        "",
        "Bauhof 12 eG",
        forms.IBAN,
        "EUR3.97",
        "",
        "",
        "7, " + "ä" * 68,
    )
    assert printed(owned(), "7, " + "ä" * 100) == matrix("\n".join(lines))


@pytest.mark.parametrize(
    "made",
    [
        replace(forms.one_line(), number=None),
        replace(forms.one_line(), total=0),
        replace(forms.one_line(), total=-1),
        replace(forms.one_line(), total=HIGHEST_CENTS + 1),
        replace(forms.one_line(), is_carried=True),
        forms.in_currency(forms.JPY, "38.5"),
        owned(account="DE03120300000000202051"),
        owned(account="4711"),
        owned(account=""),
        owned(name=" "),
        owned(name="😀" * 70),
    ],
)
def test_where_it_could_be_wrong_there_is_none(made: Statement) -> None:
    assert printed(made) == ()


@pytest.mark.parametrize("total", [1, 700, HIGHEST_CENTS])
def test_no_code_exceeds_331_bytes(total: int) -> None:
    made = replace(owned("ä" * 70), total=total)
    code = payment_code(made, "Abrechnung 2026-6, " + "ö" * 121)
    assert len(code.encode()) <= 331
    assert code.splitlines()[-1].startswith("Abrechnung 2026-6, ööö")
