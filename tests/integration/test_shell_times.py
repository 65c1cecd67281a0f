"""The command line on a machine whose time zone is not that of the site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.charger import Charger
from tests.integration.serving import Serving, serving
from tests.integration.test_shell import Shell, charge, shell, shown, table

__all__ = ["shell"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", "--time-zone", "Europe/Berlin") as running:
        yield running


def test_a_day_that_was_typed_comes_back_as_that_day(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    told = table(shell, capsys, "household", "add", "Anna", "--since", "2026-01-01")
    assert "since     2026-01-01 00:00" in told
    table(shell, capsys, "household", "add", "Ben", "--since", "2026-02-01")
    table(shell, capsys, "household", "give", "Anna", "--card", "Card", "--since", "2026-01-01")
    assert shell("household", "give", "Ben", "--card", "Card", "--since", "2026-02-01") == 2
    assert "since 2026-01-01 00:00" in capsys.readouterr().err


def test_months_of_transactions_are_those_of_the_bills(
    server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    """It begins on 30 September and ends on 1 October, by the clock of the site."""
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        number = charger.start("TAG", 1000, "2025-09-30T21:30:00Z")
        charger.call(
            "StopTransaction",
            transactionId=number,
            meterStop=3000,
            timestamp="2025-09-30T22:30:00Z",
        )
    (sums,) = shown(shell, capsys, "sessions", "--by", "month")
    assert (sums["month"], sums["kwh"]) == ("2025-10", 2.0)
    assert "2025-09-30 23:30" in table(
        shell, capsys, "sessions", "--wide", "--from", "2025-09-30T23:30"
    )
    assert shown(shell, capsys, "sessions", "--from", "2025-09-30T23:31") == []
    assert shown(shell, capsys, "sessions", "--to", "2025-09-30T23:30") == []
    assert "2.000" in table(shell, capsys, "household", "unowned", "--from", "2025-09-30T23:30")
    assert shown(shell, capsys, "household", "unowned", "--from", "2025-09-30T23:31") == []
    assert shown(shell, capsys, "household", "unowned", "--to", "2025-09-30T23:30") == []


def test_a_table_that_is_cut_says_so(
    server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        for register in (1000, 2000, 3000):
            charge(charger, "TAG", register, register + 1000)
    assert "only the newest 2 are shown" in table(shell, capsys, "sessions", "--limit", 2)
    assert "only" not in table(shell, capsys, "sessions", "--limit", 3)
    for name in ("Anna", "Ben"):
        table(shell, capsys, "household", "add", name)
    assert "only the first 1 are shown; --limit NUMBER shows more" in table(
        shell, capsys, "household", "list", "--limit", 1
    )
