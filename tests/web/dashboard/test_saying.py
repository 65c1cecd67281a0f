"""Words of the API as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from levity_trio.locale import speaking
from levity_trio.web.dashboard.saying import after_colon, in_words, owner, person, sentence, told, with_commas


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("there is no session 7", "There is no session 7."),
        ("there is no account 3.", "There is no household 3."),
        ("two accounts and their transactions", "Two households and their sessions."),
        ("no bank account is given", "No bank account is given."),
        ("charger account-1 is unknown", "Charger account-1 is unknown."),
    ],
)
def test_things_have_the_names_of_pages(words: str, said: str) -> None:
    assert sentence(in_words(words)) == said


NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "german"),
    [
        ("connector 1 is SuspendedEV", "Anschluss 1: Vom Auto pausiert"),
        ("Space 9 is faulted: GroundFailure", "Space 9 ist gestört: Erdschluss"),
        (
            "waited for current until 2026-11-27T11:40:00.000Z, because the feeder was full; costs nothing",
            "wartete bis 11:40:00 auf Strom, weil die Zuleitung voll war; kostete nichts",
        ),
    ],
)
def test_what_happened_in_german(words: str, german: str) -> None:
    with speaking("de"):
        assert told(words, NOW, UTC) == german


def test_what_stands_for_a_person_is_translated_and_a_name_is_not() -> None:
    with speaking("de"):
        assert (person("local admin"), person("Bank"), person(None)) == ("Admin am Server", "Bank", None)
        assert person("load management") == "Lastmanagement"
        assert (owner("local admin"), owner("Clara")) == ("Der Betreiber", "Clara")
    assert (person("driver 2"), person("driver")) == ("a driver", "driver")


def test_german_nouns_keep_their_capital_after_a_colon() -> None:
    assert after_colon("The meter made a leap") == "the meter made a leap"
    with speaking("de"):
        assert after_colon("Der Zähler machte einen Sprung") == "Der Zähler machte einen Sprung"


def test_a_refusal_has_no_point_that_german_reads_as_thousands() -> None:
    words = (
        "no charger delivers 999.000 kWh in 0 h 45 min, the most is 313.555 kWh; if it took longer, correct its times"
    )
    with speaking("de"):
        assert with_commas(words).startswith("no charger delivers 999,000 kWh in 0 h 45 min, the most is 313,555 kWh")
    assert with_commas(words) == words
