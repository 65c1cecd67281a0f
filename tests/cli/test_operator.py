"""What the API refuses, in the words of the command line."""

from __future__ import annotations

import pwd
from typing import Any

import pytest

from levity_trio.cli import terminal
from levity_trio.cli.operator import in_words, read_token
from levity_trio.client import Refusal
from levity_trio.config.time_zones import named


def no_answer(state: str) -> str:
    detail = f"command 7: the charger gave no answer: {state}"
    return in_words(
        Refusal(504, {"code": "no_answer", "detail": detail, "command": {"id": 7, "state": state}})
    )


def test_an_answer_that_may_still_come_is_followed_and_not_asked_for_again() -> None:
    """Whoever repeats a start that the charger carries out late starts two."""
    assert no_answer("timed out").endswith(
        "do not repeat it before you looked: levity-trio commands 7"
    )
    assert no_answer("gone") == "command 7: the charger gave no answer: gone"


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        (
            "there is no session 1000017",
            "there is no session 1000017; levity-trio sessions shows all",
        ),
        ("there is no statement 1", "there is no statement 1; levity-trio bill list shows all"),
        ("there is no tariff 7", "there is no tariff 7; levity-trio tariff list shows all"),
        ("there is no household 'x'; give one", "there is no household 'x'; give one"),
        (
            "there is no backend 9 in use",
            "there is no backend 9 in use; levity-trio backend list shows all",
        ),
    ],
)
def test_who_typed_a_number_of_the_manual_learns_where_the_own_ones_are(
    detail: str, told: str
) -> None:
    assert in_words(Refusal(404, {"code": "not_found", "detail": detail})) == told


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ("it is Anna's since 2025-12-31T23:00:00.000Z", "it is Anna's since 2026-01-01 00:00"),
        ("try levity-trio household take 1 --since 2025-12-31T23:00:00.000Z", None),
    ],
)
def test_times_are_those_of_the_site_but_exact_in_a_command(
    detail: str, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    document: dict[str, Any] = {"code": "conflict", "detail": detail}
    monkeypatch.setattr(terminal, "zone", lambda: named("Europe/Berlin"))
    assert in_words(Refusal(409, document)) == (told or detail)


def test_who_has_no_home_has_no_token_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a user of a container, who has only a number."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    assert read_token({}) is None
    refusal = Refusal(401, {"code": "token_needed", "detail": "a token is needed"})
    assert "set LEVITY_TOKEN, or write it to ~/.config/levity-trio/token" in in_words(refusal)
