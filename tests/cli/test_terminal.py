"""Output for people: how tables are aligned and times are told, and how many there are of
something."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from levity_trio import cli
from levity_trio.billing.money import CURRENCIES
from levity_trio.cli import terminal
from levity_trio.cli.terminal import counted, money, show_below, show_record, show_table
from levity_trio.locale import writing

STAMP = "2026-11-24T15:05:37.000Z"


@pytest.fixture
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    terminal.forget()  # what a server said to a test before
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_table_below_something_is_shown_only_with_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_below(("id", "name"), iter([{"id": 1, "name": "Anna"}]))
    assert capsys.readouterr().out == "\nid  name\n 1  Anna\n"
    show_below(("id", "name"), iter([]))
    assert capsys.readouterr().out == ""


def test_numbers_and_money_are_those_of_a_language(capsys: pytest.CaptureFixture[str]) -> None:
    with writing("de"):
        rows: list[dict[str, object]] = [
            {"kwh": 0.5, "total": money(-123_456, CURRENCIES["EUR"]), "share": 12.5},
            {"kwh": 12, "total": None},
        ]
        show_table(("kwh", "total", "share"), rows)
    assert capsys.readouterr().out.splitlines() == [
        "   kWh         total  share",
        " 0,500  -1234,56 EUR   12,5",
        "12,000             -      -",
    ]


def test_numbers_are_aligned_by_their_decimals(capsys: pytest.CaptureFixture[str]) -> None:
    rows = (
        {
            "tag": "04",
            "size_bytes": 5,
            "kwh": 0,
            "kw": 7.2,
            "total": "1.75 EUR",
            "firmware_version": "1.2",
            "ended": None,
        },
        {
            "tag": "TAG",
            "size_bytes": 12_345,
            "kwh": 15.3,
            "kw": None,
            "total": "-101.00 EUR",
            "firmware_version": "1.10",
        },
    )
    show_table(("tag", "size_bytes", "kwh", "kw", "total", "firmware_version", "ended"), rows)
    assert capsys.readouterr().out.splitlines() == [
        "card  size bytes     kWh    kW        total  firmware version",
        "04             5   0.000  7.20     1.75 EUR  1.2",
        "TAG        12345  15.300     -  -101.00 EUR  1.10",
    ]


@pytest.mark.usefixtures("_berlin")
def test_times_are_those_of_this_machine_to_the_minute(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("read_at", "since", "value"), [{"read_at": STAMP, "since": STAMP, "value": STAMP}])
    show_record({"last_seen_at": STAMP, "value": STAMP})
    assert capsys.readouterr().out.splitlines() == [
        "read at           since             value",
        f"2026-11-24 16:05  2026-11-24 16:05  {STAMP}",
        "last seen at  2026-11-24 16:05",
        f"value         {STAMP}",
    ]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            "load site --amperes 16,5",
            "'16,5' is no number; write one with a point, such as 2.5. See levity-trio load",
        ),
        ("wallet list --limit x", "'x': give a whole number from 1 to 500"),
        ("load site nothing.toml", "'nothing.toml' does not exist"),
        ("statsu", "No such command 'statsu'. Did you mean 'status'? See levity-trio --help."),
        ("xyzzy", "No such command 'xyzzy'. See levity-trio --help."),
    ],
)
def test_what_was_typed_wrong_is_told_in_words_of_people(
    command: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(command.split()) == 2
    assert told in capsys.readouterr().err


def test_a_bank_account_is_no_household(capsys: pytest.CaptureFixture[str]) -> None:
    show_record({"account": 1, "account_name": "Anna", "bank_account": "DE02 1203"})
    names = [line.partition("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["household", "household name", "bank account"]


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 tags"), (1, "1 tag"), (2, "2 tags"), (1000, "1,000 tags")]
)
def test_how_many_there_are(number: int, words: str) -> None:
    assert counted(number, "tag") == words


def test_what_is_shown_passes_through_the_functions_that_escape_it() -> None:
    others = {
        one.name: line
        for one in Path(cli.__file__).parent.glob("*.py")
        for line in one.read_text().splitlines()
        if re.search(r"click\.s?echo|\bprint\(|sys\.std(out|err)\.write", line)
        and "readable(" not in line
    }
    assert others == {  # our own texts, which no charger writes
        "__init__.py": "        click.echo(context.get_help())",
        "help.py": "        console.print(Markdown(text, hyperlinks=False))",
    }


ROW: dict[str, object] = {
    "id": 7,
    "name": "A" * 50,
    "since": STAMP,
    "value": "Flat 3, the one on the left",
    "notes": "n" * 40,
}


def told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    width: int,
    *,
    wide: bool,
    row: dict[str, object] = ROW,
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    with click.Context(click.Command("x")) as context:
        context.meta[terminal.WIDE] = wide
        show_table([*row], [row])
    return capsys.readouterr().out.splitlines()


def test_a_table_shortens_times_cuts_texts_and_leaves_out_its_last_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fits = told(monkeypatch, capsys, 200, wide=False)
    assert [len(fits), fits[0].split()] == [2, list(ROW)]
    for width in (80, 60, 40, 24):
        lines = told(monkeypatch, capsys, width, wide=False)
        assert max(map(len, lines[:2])) <= width
        assert "…" in lines[1]
        assert lines[2].startswith("--wide shows ")
    for width, left_out in ((60, "notes"), (24, "since, value, notes")):
        assert told(monkeypatch, capsys, width, wide=False)[2] == f"--wide shows also: {left_out}"
    assert told(monkeypatch, capsys, 40, wide=True) == fits
    wei = 10**20  # a figure is never cut
    counted = told(monkeypatch, capsys, 40, wide=False, row={"name": "A" * 50, "wei": wei})
    assert counted[1] == f"AAAAAAAA…AAAAAAAA  {wei}"


def test_a_long_text_of_a_record_goes_over_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    show_record({"id": 7, "notes": "a text of many words for a narrow line", "key": "k" * 40})
    assert capsys.readouterr().out.splitlines() == [
        "id     7",
        "notes  a text of many words",
        "       for a narrow line",
        "key",
        f"       {'k' * 40}",
    ]
