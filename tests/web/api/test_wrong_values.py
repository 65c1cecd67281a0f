"""What the API refuses, in words for people: no type and no limit of a program reaches them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
import pytest
from starlette.datastructures import QueryParams

from levity_trio.cli import operator
from levity_trio.locale import speaking
from levity_trio.locale.texts import said
from levity_trio.records import WORDS, whole_text
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    MINOR_UNITS,
    NEEDED,
    NOT_BLANK,
    WATT_HOURS,
    StructBody,
    read_query,
)
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.money import in_currency
from levity_trio.web.dashboard.page import ApiRefused


class Row(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    wh: Annotated[int, msgspec.Meta(ge=1000, extra_json_schema=WATT_HOURS)] | None = None
    of: (
        dict[Annotated[str, msgspec.Meta(min_length=2)], Annotated[int, msgspec.Meta(le=9)]] | None
    ) = None


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename={"since": "from"}):
    needed: str = ""
    count: Annotated[int, msgspec.Meta(ge=1, le=500)] | None = None
    share: Annotated[float, msgspec.Meta(gt=0.5, lt=5)] | None = None
    step: Annotated[int, msgspec.Meta(multiple_of=5)] | None = None
    text: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=5, pattern=r"\S", extra=NOT_BLANK)]
        | None
    ) = None
    even: Annotated[str, msgspec.Meta(pattern="^(..)*$")] | None = None
    month: (
        Annotated[str, whole_text(pattern="^2...-..$", words=Told("give a month such as 2026-10"))]
        | None
    ) = None
    code: Annotated[str, msgspec.Meta(min_length=4)] | None = None
    one: Annotated[str, msgspec.Meta(max_length=1)] | None = None
    rows: Annotated[list[Row], msgspec.Meta(min_length=2, max_length=3)] | None = None
    kind: Literal["DC", "AC"] | None = None
    hour: Literal[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] | None = None
    flag: bool | None = None
    since: Annotated[int, msgspec.Meta(ge=3)] | None = None
    amount: (
        Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1, extra_json_schema=MINOR_UNITS)] | None
    ) = None


class Strict(msgspec.Struct):
    needed: str


def told(given: object, kind: type[msgspec.Struct] = Body) -> ApiRefused:
    with pytest.raises(Problem) as caught:
        StructBody(kind).read(msgspec.json.encode(given))
    return ApiRefused(422, {"detail": caught.value.detail, **caught.value.members})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"count": 0}, "give 1 or more"),
        ({"count": 501}, "give 500 at most"),
        ({"count": "many"}, "give a whole number"),
        ({"count": 1.5}, "give a whole number"),
        ({"from": 2}, "give 3 or more"),
        ({"share": 0.5}, "give more than 0.5"),
        ({"share": 9}, "give less than 5"),
        ({"share": "much"}, "give a number"),
        ({"step": 3}, "give a multiple of 5"),
        ({"text": ""}, "this is needed"),
        ({"text": "longer"}, "give 5 characters at most"),
        ({"one": "more"}, "give 1 character at most"),
        ({"text": " "}, "give a text; it is empty"),
        ({"even": "x"}, "it is empty, or not written as it must be"),
        ({"month": "today"}, "give a month such as 2026-10"),
        ({"code": "abc"}, "give 4 characters or more"),
        ({"rows": [{}]}, "give 2 or more"),
        ({"rows": [{}, {}, {}, {}]}, "give 3 at most"),
        ({"rows": "one"}, "give a list"),
        ({"kind": "HVDC"}, "choose one of AC, DC"),
        ({"kind": 1}, "choose one of AC, DC"),
        ({"kind": "x` - at `$.flag`"}, "choose one of AC, DC"),
        ({"hour": 13}, "choose one of the list"),
        ({"flag": "maybe"}, "say yes or no"),
        ({"other": 1}, "this is not asked for here"),
    ],
    ids=str,
)
def test_no_type_of_a_program_reaches_a_person(given: Mapping[str, Any], words: str) -> None:
    refused = told(given)
    (field,) = given
    assert (refused.field, refused.told, refused.words) == (field, words, words)


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"rows": [{}, {"wh": 5}]}, "rows[1].wh", "give 1000 Wh or more"),
        ({"rows": [{}, {"of": {"ab": 10}}]}, "rows[1].of[...]", "give 9 at most"),
        ({"rows": [{}, {"of": {"a": 1}}]}, "rows[1].of", "give 2 characters or more"),
        ({"rows": [{}, {"other": 1}]}, "rows[1].other", "this is not asked for here"),
        ([], "body", "give an object"),
    ],
    ids=str,
)
def test_the_field_is_found_in_what_is_inside(given: object, field: str, words: str) -> None:
    refused = told(given)
    assert (refused.field, refused.told) == (field, words)


def test_a_query_is_refused_as_a_body_is() -> None:
    with pytest.raises(Problem) as caught:
        read_query(Body, QueryParams("count=501"))
    assert caught.value.detail == "count: give 500 at most"


def _unwritten(kind: msgspec.inspect.Type, words: object = None) -> Iterator[str]:
    """Yield the patterns of texts that say nothing about how to write them."""
    if isinstance(kind, msgspec.inspect.Metadata):
        words = (kind.extra or {}).get(WORDS)
    if getattr(kind, "pattern", None) and not isinstance(words, Told):
        yield str(kind.pattern)  # type: ignore[attr-defined]
    for name in ("type", "types", "item_type", "value_type", "fields"):
        inner = getattr(kind, name, ())
        for one in inner if isinstance(inner, tuple) else (inner,):
            yield from _unwritten(one, words if name == "type" else None)


def test_how_each_text_of_the_api_must_be_written_is_said() -> None:
    bodies = [one.body.kind for one in ENDPOINTS if isinstance(one.body, StructBody)]
    queries = [one.query for one in ENDPOINTS if one.query is not None]
    kinds = map(msgspec.inspect.type_info, (*bodies, *queries))
    assert not [pattern for kind in kinds for pattern in _unwritten(kind)]


def test_what_is_missing_names_its_field() -> None:
    assert operator.NEEDED == NEEDED
    refused = told({}, Strict)
    assert (refused.field, refused.words, refused.sentence) == (
        "needed",
        "this is needed",
        "Needed: this is needed.",
    )


def test_bounds_are_in_the_unit_in_which_they_are_typed() -> None:
    energy, amount = told({"rows": [{"wh": 5}, {}]}).told, told({"amount": 0}).told
    assert (said(energy), amount) == ("give 1 kWh or more", "give 1 or more")
    assert isinstance(amount, Told)
    with speaking("de"):
        assert said(energy) == "geben Sie 1 kWh oder mehr an"
        assert said(in_currency(amount, "EUR")) == "geben Sie 0,01\N{NO-BREAK SPACE}€ oder mehr an"
        assert said(in_currency(amount, "JPY")) == "geben Sie 1\N{NO-BREAK SPACE}JPY oder mehr an"


def test_plain_words_stay() -> None:
    refused = ApiRefused(409, {"detail": "since: another version holds", "field": "since"})
    assert (refused.words, refused.sentence) == (
        "another version holds",
        "Since: another version holds.",
    )
    assert (
        ApiRefused(422, {"detail": "body: give one of both", "field": "body"}).sentence
        == "Give one of both."
    )
