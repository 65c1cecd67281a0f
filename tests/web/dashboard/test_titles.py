"""Titles of forms: every form has one, short and in words of people, and what was done is found by
its path."""

from __future__ import annotations

import re

import pytest

from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.operations import ASKED, CHARGER
from levity_trio.web.dashboard.titles import HELPS, TITLES, deed, help_of, title_of

MOST_CHARACTERS = 40
FORMS = {(one.method, one.path) for one in ENDPOINTS if one.changes}
OF_PROGRAMMERS = re.compile(
    r"\b(transactions?|accounts?|idempotency|toml|api|csv|json|endpoint|body)\b", re.IGNORECASE
)


def test_every_form_has_a_title_and_none_is_left_over() -> None:
    assert {*TITLES, *ASKED} == FORMS
    assert not TITLES.keys() & ASKED.keys()
    assert HELPS.keys() <= FORMS


@pytest.mark.parametrize(("method", "path"), sorted(FORMS))
def test_a_title_is_short_and_for_people(method: str, path: str) -> None:
    title, help_ = title_of(method, path), help_of(method, path)
    assert len(title) <= MOST_CHARACTERS
    assert title[0].isupper()
    assert not title.endswith(".")
    assert not OF_PROGRAMMERS.search(f"{title} {help_}")
    assert help_ == "" or help_.endswith(".")


@pytest.mark.parametrize(
    ("sent", "done"),
    [
        (("POST", "/api/admin/id-tags"), ("Add a card", (), False)),
        (("PATCH", "/api/admin/id-tags/04/A2"), ("Change a card", ("04/A2",), False)),
        (("POST", "/api/admin/chargers/SPACE-01/reset"), ("Restart", ("SPACE-01",), True)),
        (("PUT", "/api/admin/chargers/SPACE-01"), (ASKED["PUT", CHARGER], ("SPACE-01",), True)),
        (("PUT", "/api/admin/chargers/S/connectors/2"), ("Describe a connector", ("S", "2"), True)),
        (
            ("POST", "/api/admin/newcomers/adopt"),
            ("Adopt all new chargers with a session", (), False),
        ),
    ],
)
def test_what_was_done_is_found_by_its_path(
    sent: tuple[str, str], done: tuple[object, ...]
) -> None:
    assert deed(*sent) == done


@pytest.mark.parametrize(
    "sent", [("GET", "/api/admin/id-tags"), ("POST", "/api/nothing"), ("PUT", "/api/admin/id-tags")]
)
def test_what_no_form_does_has_no_title(sent: tuple[str, str]) -> None:
    assert deed(*sent) is None
