"""Chargers that go away together are told once, on Now, in the API and in the metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from levity_trio.store.reads.now.present import counted, listed, present, together
from tests.store.books import Books, Station
from tests.store.nows import Page
from tests.store.reading import view
from tests.store.test_attention import name


@pytest.fixture
def page(books: Books) -> Page:
    return Page(books)


@pytest.fixture
def spaces(books: Books) -> Sequence[Station]:
    """Twenty chargers, Space 1 to Space 20, all connected."""
    stations = [Station(books, f"CP-{number}") for number in range(1, 21)]
    for number in range(1, 21):
        name(books, f"CP-{number}", f"Space {number}")
    return stations


def lose(books: Books, stations: Iterable[Station], seconds: float = 5) -> None:
    for one in stations:
        one.lose()
        books.wait(seconds / 60)


def told(page: Page) -> list[tuple[str, int, list[str]]]:
    return [(one.words, one.count, one.chargers) for one in page.attention()]


def test_one_dead_switch_is_one_line(books: Books, page: Page, spaces: Sequence[Station]) -> None:
    lost = books.at
    lose(books, spaces[:12])
    (one,) = page.attention()
    words = "12 of 20 chargers have been away since 13:00: Space 1–12. Probably the network there"
    assert (one.words, one.since, one.count, one.charger, one.kind) == (
        words,
        lost,
        12,
        None,
        "offline",
    )
    assert one.chargers == [f"CP-{number}" for number in range(1, 13)]
    assert sum(card.needs_attention for card in page.read().chargers) == 12


def test_all_of_them(books: Books, page: Page, spaces: Sequence[Station]) -> None:
    lose(books, spaces)
    books.wait(24 * 60)
    assert [words for words, *_ in told(page)] == [
        "All 20 chargers have been away since 1 Mar 13:00. Probably the network there"
    ]


def test_two_switches_and_one_alone(books: Books, page: Page, spaces: Sequence[Station]) -> None:
    lose(books, spaces[:3])
    books.wait(10)
    lose(books, [spaces[7]])
    books.wait(10)
    lose(books, [spaces[4], spaces[5], spaces[9]])
    words = [words for words, *_ in told(page)]
    assert sorted(words) == [
        "3 of 20 chargers have been away since 13:00: Space 1–3. Probably the network there",
        (
            "3 of 20 chargers have been away since 13:20: Space 5–6, Space 10. Probably the "
            "network there"
        ),
        "Space 8 is away",
    ]
    found = present(view(books.connection)).away
    books.connection.rollback()
    assert {found[f"CP-{number}"] for number in (1, 2, 3)} == {3}
    assert found["CP-8"] == 1
    assert "CP-13" not in found


def test_those_that_come_back_leave_the_line(
    books: Books, page: Page, spaces: Sequence[Station]
) -> None:
    lose(books, spaces[:4])
    spaces[0].connect()
    assert [words for words, *_ in told(page)] == [
        "3 of 20 chargers have been away since 13:00: Space 2–4. Probably the network there"
    ]
    spaces[1].connect()
    assert [words for words, *_ in told(page)] == ["Space 3 is away", "Space 4 is away"]


@pytest.mark.parametrize(
    ("seconds", "groups"),
    [
        ({}, []),
        ({"A": 0}, [["A"]]),
        ({"A": 0, "B": 1}, [["A"], ["B"]]),
        ({"A": 0, "B": 120, "C": 240}, [["A", "B", "C"]]),
        ({"A": 0, "B": 121, "C": 241}, [["A"], ["B"], ["C"]]),
        ({"B": 0, "A": 0, "C": 100, "D": 200, "E": 400}, [["A", "B", "C", "D"], ["E"]]),
    ],
)
def test_together(seconds: dict[str, int], groups: list[list[str]]) -> None:
    since = {one: f"2026-03-01T12:{at // 60:02}:{at % 60:02}.000Z" for one, at in seconds.items()}
    assert list(together(since)) == groups
    assert counted(since) == {one: len(group) for group in groups for one in group}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["Space 10", "Space 9", "Space 8"], "Space 8–10"),
        (["CP-01", "CP-03", "CP-02"], "CP-01–03"),
        (["CP-09", "CP-10"], "CP-09–10"),
        (["Space 1", "Guest", "Space 3"], "Guest, Space 1, Space 3"),
        (["7", "8"], "7–8"),
        (["A", "A"], "A, A"),
        (["12345678901234", "12345678901235"], "12345678901234–678901235"),
        ([f"{letter}1" for letter in "abcdefgh"], "a1, b1, c1, d1, e1, f1, 2 more"),
    ],
)
def test_names_in_a_list(names: list[str], words: str) -> None:
    assert listed(names) == words
