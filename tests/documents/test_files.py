"""CSV and JSON: stable names, the statement's figures, read back by real readers."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import jsonschema
import msgspec
import pytest

from levity_trio.billing.statement import Statement
from levity_trio.documents.cells import FORMULAS, plain
from levity_trio.documents.csv_file import COLUMNS, csv_text
from levity_trio.documents.json_file import StatementDocument, json_bytes, json_schema
from levity_trio.documents.statement_sheet import statement_sheet
from levity_trio.documents.template import ENGLISH_TEXT, parse
from levity_trio.locale import speaking
from levity_trio.told import Quantity, Told
from tests.documents import statements as forms

ALL = [forms.one_line(), forms.with_windows(), forms.correction(), forms.credit(), forms.draft()]
ALL += [
    forms.in_currency(forms.JPY, "38.5"),
    forms.in_currency(forms.KWD, "0.0275"),
    forms.statement([]),
]


def rows_of(statement: Statement) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_text(statement, ",", "."), newline="")))


@pytest.mark.parametrize("made", ALL)
def test_csv_adds_up_to_the_statement(made: Statement) -> None:
    rows = rows_of(made)
    assert tuple(rows[0]) == COLUMNS
    scale = 10**made.currency.exponent
    lines = [row for row in rows if row["row"] == "line"]
    assert len(lines) == sum(len(position.lines) for position in made.positions)
    gross = sum(tax.gross for tax in made.taxes)
    assert sum(Decimal(row["amount"]) for row in lines) * scale == gross
    for is_prepaid, sums in (("0", made.taxes), ("1", made.prepaid_taxes)):
        taxes = [
            (row["tax_rate"], *(Decimal(row[name]) * scale for name in ("net", "tax", "gross")))
            for row in rows
            if row["row"] == "tax" and row["is_prepaid"] == is_prepaid
        ]
        assert taxes == [(str(tax.rate), tax.net, tax.tax, tax.gross) for tax in sums]
    total = rows[-1]
    assert total["row"] == "total"
    assert (Decimal(total["carried_in"]) * scale, Decimal(total["total"]) * scale) == (
        made.carried_in,
        made.total,
    )


def test_csv_names_what_a_line_is() -> None:
    first, _, prepaid, credit, *_ = rows_of(forms.correction())
    assert (first["quantity"], first["unit"], first["price"], first["amount"]) == (
        "10.000",
        "kWh",
        "0.35",
        "3.50",
    )
    assert (first["started_at"], first["month"]) == ("2026-10-20T18:04:00+02:00", "2026-10")
    assert (prepaid["amount"], prepaid["from_wallet"], prepaid["is_prepaid"]) == (
        "0.00",
        "1.75",
        "1",
    )
    assert (credit["amount"], credit["corrects"], credit["corrected_statement"]) == (
        "-1.05",
        "9",
        "2026-0003",
    )
    waiting = [row for row in rows_of(forms.with_windows()) if row["row"] == "held back"]
    assert [(row["position"], row["quantity"], row["amount"]) for row in waiting] == [
        ("99", "7.250", "")
    ]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "'=1", 'a,b;c"d"', "a\r\n=1"])
def test_no_cell_runs_in_a_spreadsheet(name: str) -> None:
    rows = rows_of(forms.with_names(name))
    texts = [
        row[column]
        for row in rows
        for column in ("name", "space", "tag", "vehicle", "reason", "tariff", "window")
    ]
    assert not [text for text in texts if text.startswith(FORMULAS)]
    assert {plain(row["name"]) for row in rows} == {" ".join(name.split())}


def test_csv_for_a_spreadsheet_with_a_decimal_comma() -> None:
    text = ENGLISH_TEXT.replace('separator = ","', 'separator = ";"').replace(
        '[csv]\nseparator = ";"    # with the decimal sign "," use ";" here\ndecimal = "."',
        '[csv]\nseparator = ";"\ndecimal = ","',
    )
    file = csv_text(forms.correction(), *statement_sheet(forms.correction(), parse(text)).csv)
    row = list(csv.DictReader(io.StringIO(file, newline=""), delimiter=";"))[3]
    assert (row["quantity"], row["price"], row["amount"]) == ("-3,000", "0,35", "-1,05")


@pytest.mark.parametrize("made", ALL)
def test_json_follows_its_schema_and_has_the_figures(made: Statement) -> None:
    content = json_bytes(made)
    document = msgspec.json.decode(content, type=StatementDocument)
    assert (document.total, document.energy_wh) == (made.total, made.energy_wh)
    assert [position.amount for position in document.positions] == [
        position.amount for position in made.positions
    ]
    plain_document: Any = msgspec.json.decode(content)
    jsonschema.Draft202012Validator(json_schema()).validate(plain_document)
    assert "logo" not in plain_document["owner"]


def test_a_reason_that_is_told_as_data_is_english_in_json_and_for_people_in_csv() -> None:
    reason = Told("less than {1}", Quantity(100, "Wh"))
    made = forms.statement([replace(forms.position(7, energy_wh=50), reason=reason)])
    assert msgspec.json.decode(json_bytes(made))["positions"][0]["reason"] == "less than 100 Wh"
    assert "less than 0.1 kWh" in csv_text(made, ",", ".")
    with speaking("de"):
        assert "weniger als 0,1 kWh" in csv_text(made, ";", ",")


def test_the_names_of_json_are_stable() -> None:
    document = msgspec.json.decode(json_bytes(forms.correction()))
    assert set(document) == {
        "number", "printed_number", "account", "month", "first_day", "last_day", "zone", "currency",
        "prices_are_gross", "is_untaxed", "to", "owner", "positions", "taxes", "carried_in",
        "total", "is_carried", "energy_wh", "held_back", "closed_on", "due_on", "digest",
        "previous_digest", "before", "to_pay_in_all", "evidence",
        "prepaid_taxes",
    }  # fmt: skip
    position = document["positions"][-1]
    assert position["started_at"] == "2026-10-22T16:04:00Z"
    assert position["lines"] == [
        {
            "kind": "energy",
            "tariff": "House",
            "version": "2026-01-01",
            "window": None,
            "quantity": -3000,
            "of_days": None,
            "price": "0.35",
            "amount": -105,
            "tax_rate": "19",
            "is_mean": False,
            "times": [],
        }
    ]
