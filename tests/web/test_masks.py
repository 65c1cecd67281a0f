"""What viewers see."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from levity_trio.records import ForOperators, record
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.transactions.transactions import Reading
from levity_trio.told import Told
from levity_trio.web.masks import masked


@record
class Card:
    number: str
    owner: ForOperators[str | None]


@record
class Renamed(Card):
    before: tuple[Card, ...]


def test_a_viewer_sees_null_for_what_is_for_operators() -> None:
    """In a page, in what a record has from another one, and in records within records."""
    row = Renamed(number="1", owner="Anna", before=(Card(number="1", owner="Ben"),))
    page = ListPage(data=[row], page=1, limit=1, total=1)
    assert masked(page).data == [
        Renamed(number="1", owner=None, before=(Card(number="1", owner=None),))
    ]


def test_a_viewer_sees_no_signed_value_but_its_row() -> None:
    """A number stays, also one with a decimal comma; what is no number may be signed."""
    fields: dict[str, Any] = {part.name: None for part in dataclasses.fields(Reading)}

    def shown(value: str, form: str) -> str:
        (row,) = masked([Reading(**{**fields, "id": 1, "value": value, "format": form})])
        assert row.id == 1
        return row.value

    for number in ("7350.5", "-1,5", "1E3"):
        assert shown(number, "Raw") == number
    for value in ("OCMF|{}|{}", "4F434D46", "04A1B2", ""):
        assert shown(value, "Raw") == "***"
    assert shown("7350", "SignedData") == "***"


def test_cards_are_masked_in_their_fields_and_in_sentences_of_the_same_answer() -> None:
    told: dict[str, Any] = {
        "id_tag": "04A2",
        "stop_id_tag": None,
        "charger": "CP-1",
        "page": 1,
        "at": "2026-03-01T04:00:00.000Z",
        "words": "started with 04A2, stopped with page; 04A25 is another, and (+) is one",
        "entries": [{"idTag": "page", "idTagInfo": {"parentIdTag": 'a"b'}}, {"sample": "(+)"}],
    }
    assert masked(told) == {
        **told,
        "id_tag": "***",
        "words": "started with ***, stopped with ***; 04A25 is another, and *** is one",
        "entries": [{"idTag": "***", "idTagInfo": {"parentIdTag": "***"}}, {"sample": "***"}],
    }


@pytest.mark.parametrize(
    "field", ["id_tag", "idTag", "parent_id_tag", "parentIdTag", "stop_id_tag"]
)
def test_each_field_with_a_card_hides_it_by_itself(field: str) -> None:
    """A session may be stopped with a card that stands nowhere else in the answer."""
    assert masked({field: "04A2", "words": "told 04A2"}) == {field: "***", "words": "told ***"}


def test_a_card_is_masked_in_the_values_of_a_text() -> None:
    told: Any = masked(
        {"idTag": "04A2", "words": Told("{1} was refused at {2}", "04A2", Told("space {1}", 2))}
    )
    assert (told["words"], told["words"].values) == (
        "*** was refused at space 2",
        ("***", "space 2"),
    )
