"""Output for people: tables below something, and how many there are of something."""

from __future__ import annotations

import pytest

from levity_trio.cli.tables import counted, show_below


def test_a_table_below_something_is_shown_only_with_rows(capsys: pytest.CaptureFixture[str]) -> None:
    show_below(("id", "name"), iter([{"id": 1, "name": "Anna"}]))
    assert capsys.readouterr().out == "\nid  name\n1   Anna\n"
    show_below(("id", "name"), iter([]))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("number", "words"), [(0, "0 tags"), (1, "1 tag"), (2, "2 tags"), (1000, "1,000 tags")])
def test_how_many_there_are(number: int, words: str) -> None:
    assert counted(number, "tag") == words
