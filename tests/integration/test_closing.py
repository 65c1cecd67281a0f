"""`levity-trio bill` from the first session to a sealed month, against a running server and over
its API."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from levity_trio.client import Refusal
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving
from tests.integration.test_api import ask, make_token
from tests.integration.test_shell import Shell, shell, shown, table
from tests.store.bills import BERLIN, FLAT

__all__ = ["shell"]
TODAY = datetime.now(BERLIN)
LAST = (TODAY.replace(day=1) - timedelta(days=10)).replace(
    hour=12, minute=0, second=0, microsecond=0, tzinfo=UTC
)
MONTH = f"{LAST:%Y-%m}"
THIS = f"{TODAY:%Y-%m}"
YEAR = f"{TODAY:%Y}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", "--time-zone", "Europe/Berlin") as running:
        yield running


def charge(charger: Charger, tag: str, begin: int, end: int, day: int = 0) -> int:
    """Return a transaction of last month, of which the charger tells only now."""
    start = LAST + timedelta(days=day)
    told = charger.call(
        "StartTransaction", connectorId=1, idTag=tag, meterStart=begin, timestamp=start.isoformat()
    )
    transaction = int(told["transactionId"])
    stop = (start + timedelta(hours=2)).isoformat()
    charger.call("StopTransaction", transactionId=transaction, meterStop=end, timestamp=stop)
    return transaction


@pytest.fixture
def site(
    server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> list[int]:
    """Two households with a session each, one of nobody, and a tariff."""
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        made = [
            charge(charger, tag, 4000 * at, 4000 * at + 4000, at)
            for at, tag in enumerate(("Anna", "Ben", "X"))
        ]
    (tmp_path / "flat.toml").write_text(FLAT)
    for name in ("Anna", "Ben"):
        table(shell, capsys, "household", "add", name, "--since", "2026-01-01")
        table(shell, capsys, "household", "give", name, "--card", name, "--since", "2026-01-01")
    table(shell, capsys, "tariff", "add", tmp_path / "flat.toml")
    table(shell, capsys, "tariff", "assign", "Flat", "--site", "--since", "2026-01-01")
    return made


def test_a_month_from_preview_to_the_next_statement(
    site: list[int],
    shell: Shell,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert shell("bill", "preview", MONTH) != 0
    assert "bill begin DATE" in capsys.readouterr().err
    table(shell, capsys, "bill", "begin", LAST.date().replace(day=1))
    preview = table(shell, capsys, "bill", "preview", MONTH)
    assert "Anna" in preview
    assert "2 statements, 2 charging sessions, 8.000 kWh" in preview
    assert "nobody's: 1 (4.000 kWh)" in preview
    assert f"{MONTH} has 12.000 kWh, 2.40 EUR: nobody's 4.000 kWh; to be billed" in preview
    assert shell("bill", "close", MONTH, "--yes") != 0
    assert "bill owner set" in capsys.readouterr().err
    table(shell, capsys, "bill", "owner", "set", "--name", "Owner")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert shell("bill", "close", MONTH) == 2
    assert (
        "not confirmed, because there is no terminal to ask; give --yes\n"
        in capsys.readouterr().err
    )
    closed = shown(shell, capsys, "bill", "close", MONTH, "--yes")
    assert closed == {"month": MONTH, "account": None, "statements": 2, "first": "1", "last": "2"}
    year = shown(shell, capsys, "bill", "year", YEAR)
    assert [one["gross"] for one in year["households"]] == [120, 120]
    bookings = table(shell, capsys, "bill", "year", YEAR)
    assert "Anna,Charging" in bookings
    books = tmp_path / "books.csv"
    assert f"are now {books}" in table(shell, capsys, "bill", "year", YEAR, "-o", books)
    assert len(books.read_text().splitlines()) == len(bookings.splitlines()) == 3
    assert shell("bill", "close", MONTH, "--yes") != 0
    assert (
        f"{MONTH} is closed already; {THIS} is the month to close next" in capsys.readouterr().err
    )
    assert shell("bill", "close", THIS, "--yes") != 0
    assert f"{THIS} is not over" in capsys.readouterr().err
    assert table(shell, capsys, "bill", "preview", THIS).startswith("no statements\n")
    table(shell, capsys, "correct", site[0], "--kwh", 3, "--reason", "read from its display")
    told = shown(shell, capsys, "bill", "preview", THIS)
    assert told["sums"]["corrections"] == 1
    assert told["sums"]["charged"] == -30
    assert "corrects line 1 of statement 1" not in table(shell, capsys, "bill", "show", 1)
    assert shell("bill", "show", 1, "--supplement") == 2
    assert "give --as: one of html, pdf" in capsys.readouterr().err
    explained = table(shell, capsys, "explain", site[0])
    assert "Statement 1" in explained
    assert shell("bill", "begin", "2026-01-01") != 0
    assert "the day stays" in capsys.readouterr().err


@pytest.mark.usefixtures("site")
def test_only_an_admin_closes(server: Serving) -> None:
    begun = {"begun_on": LAST.date().replace(day=1).isoformat()}
    operator, viewer = (make_token(server, role, role) for role in ("operator", "viewer"))
    assert ask(server, "PUT", "/api/admin/billing", operator, begun).status == 403
    assert api_of(server).ask("PUT", "admin", "billing", given=begun)
    assert ask(server, "POST", f"/api/admin/closings/{MONTH}", operator, {}).status == 403
    assert ask(server, "GET", f"/api/admin/drafts/{MONTH}", viewer).status == 403
    assert ask(server, "GET", f"/api/admin/drafts/{MONTH}", operator).document["month"] == MONTH


@pytest.mark.parametrize(
    ("month", "field"), [("2026-13", "month"), ("October", "month"), ("2026-1", "month")]
)
def test_a_month_is_written_as_2026_10(server: Serving, month: str, field: str) -> None:
    with pytest.raises(Refusal) as refused:
        api_of(server).ask("GET", "admin", "drafts", month)
    assert (refused.value.status, refused.value.document["field"]) == (422, field)


@pytest.mark.usefixtures("site")
def test_of_two_closings_at_once_one_wins_and_the_other_is_told(server: Serving) -> None:
    api_of(server).ask(
        "PUT", "admin", "billing", given={"begun_on": LAST.date().replace(day=1).isoformat()}
    )
    api_of(server).ask("PUT", "admin", "biller", given={"name": "Owner"})
    with ThreadPoolExecutor(2) as threads:
        asked = [
            threads.submit(ask, server, "POST", f"/api/admin/closings/{MONTH}", None, {})
            for _ in range(2)
        ]
        won, lost = sorted((one.result() for one in asked), key=lambda one: one.status)
    assert (won.status, lost.status, lost.document["code"]) == (200, 409, "conflict")
    assert won.document["statements"] > 0
    assert server.query("SELECT count(*) FROM statement") == [(won.document["statements"],)]


def test_small_amounts_are_typed_with_comma_or_point(
    site: list[int], shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(site) == 3
    table(shell, capsys, "bill", "begin", LAST.date().replace(day=1))
    for amount in ("5.00", "5,00"):
        assert "carried on" in table(
            shell, capsys, "bill", "preview", MONTH, "--carry-below", amount
        )
    assert shell("bill", "preview", MONTH, "--carry-below", "5.000,00") == 2
    assert "5.000,00: write a number" in capsys.readouterr().err


def test_a_bill_for_a_move_out_says_what_is_too_late_for_it(
    site: list[int], shell: Shell, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table(shell, capsys, "bill", "begin", LAST.date().replace(day=1))
    table(shell, capsys, "bill", "owner", "set", "--name", "Owner")
    table(
        shell,
        capsys,
        "household",
        "close",
        "Anna",
        "--until",
        (LAST + timedelta(hours=1)).isoformat(),
    )
    early = ("--household", "Anna")
    told = table(shell, capsys, "bill", "preview", MONTH, *early)
    end = (LAST + timedelta(hours=1)).astimezone(BERLIN)
    assert f"nothing to bill Anna for in {MONTH} until its end, {end:%Y-%m-%d %H:%M}" in told
    assert "1 charging session of it ended later" in told
    assert shell("bill", "close", MONTH, *early, "--yes") == 2
    assert told.startswith(capsys.readouterr().err.removeprefix("levity-trio: "))
    shell("household", "delete-personal", 1, "--reason", "moved out", "--yes")
    words = (
        f"it is not billed for: session {site[0]}; bill it: levity-trio bill close {MONTH}, when "
        f"{MONTH} is over"
    )
    assert words in capsys.readouterr().err
    later = f"{LAST + timedelta(hours=2, minutes=1):%Y-%m-%dT%H:%MZ}"
    assert f"levity-trio household close 1 --until {later}" in told
    table(shell, capsys, "household", "close", "Anna", "--until", later)
    told = table(shell, capsys, "bill", "preview", MONTH, *early)
    assert "1 statement, 1 charging session" in told
    assert "nobody's" not in told
    told = table(shell, capsys, "bill", "close", MONTH, *early, "--yes")
    assert told.splitlines()[-1] == f"Anna is billed for {MONTH}: statement 1"
    _set_the_price_back_in_time(shell, capsys, tmp_path / "dearer.toml")
    assert f"{MONTH} is closed: 1 statement, number 2" in table(
        shell, capsys, "bill", "close", MONTH, "--yes"
    )


def _set_the_price_back_in_time(
    shell: Shell, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    """A dearer version that reaches back to the bill of who moved out is refused; with its flag it
    says what it does.

    It is withdrawn again.
    """
    text = table(shell, capsys, "tariff", "show", "Flat", "--toml")
    day = str(LAST.date())
    file.write_text(
        text.replace("valid_from = 2026-01-01", f"valid_from = {day}").replace("0.30", "0.40")
    )
    assert shell("tariff", "add", file) == 2
    told = capsys.readouterr().err
    assert told.startswith(
        "levity-trio: --correct-statements: this is needed, because what is closed is corrected: "
    )
    assert told.endswith(f"statement 1 (Anna, {MONTH}) by +0.40 EUR; or choose a later day\n")
    told = table(shell, capsys, "tariff", "add", file, "--correct-statements")
    assert f"statement 1 (Anna, {MONTH}) is corrected by +0.40 EUR, on the next statement" in told
    assert shell("tariff", "withdraw", "Flat", day) == 2
    assert "by -0.40 EUR" in capsys.readouterr().err
    table(shell, capsys, "tariff", "withdraw", "Flat", day, "--correct-statements")
