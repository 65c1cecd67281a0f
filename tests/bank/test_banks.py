"""Files in the manners of banks of eight countries, with what each of them booked beside it.

They were written by hand after public examples; names and accounts are invented, and each file has
traps: money that went out, that was not booked, or with a mark that nobody knows.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from levity_trio.bank import BankFile
from levity_trio.bank.matching import BookedSum, Books, Matching, UnpaidStatement
from levity_trio.bank.reading import read

FOLDER: Final = Path(__file__).parent / "banks"
FILES: Final = sorted(path for path in FOLDER.iterdir() if path.suffix != ".toml")
MOST_QUESTIONS: Final = 0.05
"""The part of honest exact payments that may be asked for."""
VRIES: Final = 4
HOUSE: Final = Books(
    names={
        1: "Wohnung 4, Anna Müller",
        2: "Wohnung 5, Ben Okafor",
        3: "Wohnung 6, Céline Dubois",
        VRIES: "Wohnung 7, Jan de Vries",
    },
    open=[
        UnpaidStatement(account, f"2026-{number}", amount)
        for account, number, amount in (
            (1, 12, 7605),
            (2, 13, 4120),
            (3, 14, 691),
            (VRIES, 15, 12000),
        )
    ],
    payments=[BookedSum(VRIES, "statement:2026-9", 5000, "2026-02-01")],
)


def expected_of(path: Path) -> Mapping[str, Any]:
    return tomllib.loads(path.with_suffix(".toml").read_text("utf-8"))


def read_file(path: Path) -> BankFile:
    told = expected_of(path)
    content = path.read_text("utf-8").encode(told["encoding"], errors="replace")
    return read(content, told.get("columns", {}), {})


def sure_ones(path: Path) -> list[str]:
    """Return whose each line of a file surely is, "" for a question and for what was paid."""
    matching = Matching(HOUSE)
    found: list[str] = []
    for line in read_file(path).lines:
        proposal = None
        if line.currency in ("", "EUR"):
            proposal = matching.propose(line, int(line.amount * 100))
        is_sure = proposal is not None and proposal.is_sure
        found.append(proposal.to.replace("2026-", "") if proposal and is_sure else "")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_line_is_read_or_named(path: Path) -> None:
    told, file = expected_of(path), read_file(path)
    lines = [(line["day"], Decimal(line["amount"])) for line in told["lines"]]
    assert [(str(line.day), line.amount) for line in file.lines] == lines
    assert (file.pending, len(file.unread)) == (told["pending"], told["unread"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_line_is_sure_and_wrong(path: Path) -> None:
    whose = [line["whose"] for line in expected_of(path)["lines"]]
    for sure, right in zip(sure_ones(path), whose, strict=True):
        assert sure in ("", right)


def test_honest_exact_payments_are_sure() -> None:
    asked: list[str] = []
    honest = 0
    for path in FILES:
        lines = expected_of(path)["lines"]
        for sure, line in zip(sure_ones(path), lines, strict=True):
            honest += bool(line["whose"])
            if line["whose"] != sure:
                asked.append(f"{path.stem}: {line['day']} {line['amount']}")
    assert len(FILES) >= 40
    assert honest >= 80
    assert len(asked) <= MOST_QUESTIONS * honest, asked
