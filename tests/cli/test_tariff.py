"""`levity-trio tariff`: what it says of a right file, and of a faulty one."""

from __future__ import annotations

from pathlib import Path

import pytest

from levity_trio.billing.examples import EXAMPLES
from levity_trio.cli import main

COLUMNS = 100


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_example_passes_the_check(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tariff", "example", kind]) == 0
    Path("tariff.toml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert main(["tariff", "check", "tariff.toml"]) == 0
    shown = capsys.readouterr()
    assert not shown.err
    assert max(map(len, shown.out.splitlines())) <= COLUMNS


def test_the_worked_example(capsys: pytest.CaptureFixture[str]) -> None:
    Path("tariff.toml").write_text(EXAMPLES["blocking"], encoding="utf-8")
    assert main(["tariff", "check", "tariff.toml"]) == 0
    said = capsys.readouterr().out
    assert "10 kWh on Thu 2026-10-01 00:00, energy: 3.20 EUR\n" in said
    assert (
        "  blocking fee: 180 min × 0.05 = 9.00 EUR\n  maximum, blocking fee: 1 × -3.00 = "
        "-3.00 EUR\n"
    ) in said
    assert said.endswith("  net 8.15 EUR + 19 % tax 1.55 EUR = 9.70 EUR\n  total 9.70 EUR\n")


def test_all_faults_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = (
        EXAMPLES["flat"]
        .replace("0.32", "0,32")
        .replace("tax = 19", "tax = 0.19")
        .replace("EUR", "EURO")
    )
    Path("tariff.toml").write_text(wrong, encoding="utf-8")
    assert main(["tariff", "check", "tariff.toml"]) == 2
    shown = capsys.readouterr()
    assert not shown.out
    lines = shown.err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("levity-trio: tariff.toml: ") for line in lines)


@pytest.mark.parametrize(("content", "status"), [(None, 1), (b"\xff\xfe\x00", 2)])
def test_a_file_that_cannot_be_read(
    content: bytes | None, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path("tariff.toml").write_bytes(content)
    assert main(["tariff", "check", "tariff.toml"]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("levity-trio: tariff.toml: ")


def test_a_file_of_a_windows_editor(capsys: pytest.CaptureFixture[str]) -> None:
    Path("tariff.toml").write_bytes(
        b"\xef\xbb\xbf" + EXAMPLES["flat"].replace("\n", "\r\n").encode()
    )
    assert main(["tariff", "check", "tariff.toml"]) == 0
    assert capsys.readouterr().out.startswith("Flat, from 2026-10-01 on\n")
