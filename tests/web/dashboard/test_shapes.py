"""How values are written for people."""

from __future__ import annotations

import pytest

from levity_trio.web.dashboard import shapes


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 minute"),
        (5 * 60, "5 minutes"),
        (2 * 3600 - 60, "119 minutes"),
        (2 * 3600, "2 hours"),
        (2 * 86_400 - 3600, "47 hours"),
        (3 * 86_400 + 3600, "3 days"),
        (30 * 86_400 - 0.001, "30 days"),
    ],
)
def test_a_length_of_time_in_words(seconds: float, words: str) -> None:
    assert shapes.length(seconds) == words
