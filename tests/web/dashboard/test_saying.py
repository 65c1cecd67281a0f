"""Words of the API as people read them."""

from __future__ import annotations

import pytest

from levity_trio.web.dashboard.saying import in_words, sentence


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("there is no transaction 7", "There is no session 7."),
        ("there is no account 3.", "There is no household 3."),
        ("two accounts and their transactions", "Two households and their sessions."),
        ("no bank account is given", "No bank account is given."),
        ("charger account-1 is unknown", "Charger account-1 is unknown."),
    ],
)
def test_things_have_the_names_of_pages(words: str, said: str) -> None:
    assert sentence(in_words(words)) == said
