"""Words of the API as people read them."""

from __future__ import annotations

from levity_trio.locale import speaking
from levity_trio.web.dashboard.words import after_colon, owner, person


def test_what_stands_for_a_person_is_translated_and_a_name_is_not() -> None:
    with speaking("de"):
        assert (person("local admin"), person("Bank"), person(None)) == (
            "Admin am Server",
            "Bank",
            None,
        )
        assert person("load management") == "Lastmanagement"
        assert (owner("local admin"), owner("Clara")) == ("Der Betreiber", "Clara")
    assert (person("driver 2"), person("driver")) == ("a driver", "driver")


def test_german_nouns_keep_their_capital_after_a_colon() -> None:
    assert after_colon("The meter made a leap") == "the meter made a leap"
    with speaking("de"):
        assert after_colon("Der Zähler machte einen Sprung") == "Der Zähler machte einen Sprung"
