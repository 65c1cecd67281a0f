"""What the API refuses, in words for people: no type and no limit of a program reaches them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
import pytest

from levity_trio.config.settings import MAIL_ADDRESS
from levity_trio.records import whole_text
from levity_trio.refusals import Typed, plain_words
from levity_trio.web.api.bodies import MONTH_PATTERN, NAME_PATTERN, StructBody, of_validation
from levity_trio.web.api.files import TITLE
from levity_trio.web.api.problems import Problem
from levity_trio.web.api.tags import TAG_PATTERN
from levity_trio.web.dashboard.refused import Refused

MAIL = f"^{MAIL_ADDRESS.pattern}$"


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    needed: str = ""
    count: Annotated[int, msgspec.Meta(ge=1, le=500)] | None = None
    share: Annotated[float, msgspec.Meta(gt=0.5, lt=5)] | None = None
    step: Annotated[int, msgspec.Meta(multiple_of=5)] | None = None
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=5, pattern=r"\S")] | None = None
    even: Annotated[str, msgspec.Meta(pattern="^(..)*$")] | None = None
    code: Annotated[str, msgspec.Meta(min_length=4)] | None = None
    rows: Annotated[list[int], msgspec.Meta(min_length=2, max_length=3)] | None = None
    kind: Literal["AC", "DC"] | None = None
    flag: bool | None = None


class Strict(msgspec.Struct):
    needed: str


def told(given: Mapping[str, Any], kind: type[msgspec.Struct] = Body) -> Refused:
    with pytest.raises(Problem) as caught:
        StructBody(kind).read(msgspec.json.encode(given))
    return Refused(422, {"detail": caught.value.detail, **caught.value.members})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"count": 0}, "give 1 or more"),
        ({"count": 501}, "give 500 at most"),
        ({"count": "many"}, "give a whole number"),
        ({"count": 1.5}, "give a whole number"),
        ({"share": 0.5}, "give more than 0.5"),
        ({"share": 9}, "give less than 5.0"),
        ({"share": "much"}, "give a number"),
        ({"step": 3}, "give a multiple of 5"),
        ({"text": ""}, "this is needed"),
        ({"text": "longer"}, "give 5 characters at most"),
        ({"text": " "}, "give a text; it is empty"),
        ({"even": "x"}, "it is empty, or not written as it must be"),
        ({"code": "abc"}, "give 4 characters or more"),
        ({"rows": [1]}, "give 2 or more"),
        ({"rows": [1, 2, 3, 4]}, "give 3 at most"),
        ({"rows": "one"}, "give a list"),
        ({"kind": "HVDC"}, "choose one of the list"),
        ({"flag": "maybe"}, "say yes or no"),
        ({"other": 1}, "this is not asked for here"),
    ],
    ids=str,
)
def test_no_type_of_a_program_reaches_a_person(given: Mapping[str, Any], words: str) -> None:
    refused = told(given)
    (field,) = given
    assert (refused.field, refused.words) == (field, words)


@pytest.mark.parametrize("pattern", [TAG_PATTERN, NAME_PATTERN, MONTH_PATTERN, TITLE, MAIL])
def test_how_a_text_must_be_written_is_said(pattern: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert("\n", Annotated[str, whole_text(pattern=pattern)])
    words = plain_words(of_validation(caught.value).detail.removeprefix("body: "))
    assert words.startswith(("it is empty, begins", "use ", "give a month", "give a mail address"))


def test_what_is_missing_names_its_field() -> None:
    refused = told({}, Strict)
    assert (refused.field, refused.words, refused.sentence) == ("needed", "this is needed", "Needed: this is needed.")


def test_numbers_are_in_the_unit_in_which_they_are_typed() -> None:
    typed = Typed(unit=lambda cents: f"{cents / 100:.2f} EUR", choices=("AC", "DC"), example="04A2")
    assert plain_words(told({"count": -500}).told, typed) == "give 0.01 EUR or more"
    assert plain_words(told({"kind": "x"}).told, typed) == "choose one of AC, DC"
    assert plain_words(told({"text": " "}).told, typed) == "write it as in 04A2"


def test_plain_words_stay() -> None:
    refused = Refused(409, {"detail": "since: another version holds", "field": "since"})
    assert (refused.words, refused.sentence) == ("another version holds", "Since: another version holds.")
    assert Refused(422, {"detail": "body: give one of both", "field": "body"}).sentence == "Give one of both."
