"""What decorators declare beside the annotations fits these: mypy does not see that."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest

from levity_trio.operations.operation import Payload
from levity_trio.records import personal_in
from levity_trio.web.api.chargers.operations import OperationBody
from levity_trio.web.api.engine.endpoints import Endpoint, StreamedBody, StructBody, TypedRequest
from levity_trio.web.api.listeners import ENDPOINTS

NOTHING = (object, type(None))


def taken(endpoint: Endpoint) -> tuple[Any, Any]:
    """The query and the body that a function is annotated with."""
    hints = get_type_hints(endpoint.handle).values()
    (annotated,) = [get_args(hint) for hint in hints if get_origin(hint) is TypedRequest]
    return annotated[0], annotated[1]


@pytest.mark.parametrize(
    "endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}"
)
def test_a_function_gets_what_it_is_annotated_with(endpoint: Endpoint) -> None:
    query, body = taken(endpoint)
    assert endpoint.query is query or (endpoint.query is None and query in NOTHING)
    match endpoint.body:
        case None:
            assert body in NOTHING
        case StructBody():
            assert endpoint.body.kind is body
        case StreamedBody():
            assert body == AsyncGenerator[bytes, None]
        case OperationBody():
            assert body == Payload
        case other:
            raise AssertionError(other)


OF_THINGS = {
    *(
        "action",
        "at",
        "begun_on",
        "card",
        "charger",
        "chargers",
        "charges_at",
        "circuit",
        "currency",
        "departure",
        "entries",
    ),
    *(
        "expires_at",
        "figure",
        "id",
        "id_tag",
        "kinds",
        "like",
        "model",
        "month",
        "most_price",
        "number_prefix",
        "paid_on",
        "parent_id_tag",
        "path",
        "payload",
    ),
    *(
        "pem",
        "price",
        "quiet_from",
        "quiet_until",
        "rotation",
        "since",
        "source",
        "space",
        "start_time",
        "stop_time",
        "tag",
    ),
    *("toml", "topic", "type", "until", "url", "value", "vendor"),
}
"""Texts that are no words about people. Numbers of cards stay, as they do with sessions."""
WORDS_ABOUT_THINGS = {
    "shown": ("closings",),  # numbers
    "address": ("stations", "chargers/{id}/security-profile", "load/meters"),
    "name": ("tokens", "stations", "chargers", "webhooks", "backends", "load/meters"),
    "root": ("backends",),
    "other_cards": ("backends",),
    "begins_on": ("backends",),
    "identity": ("backends",),
    "reason": ("newcomers", "chargers/{id}", "certificate", "meters", "load/limits", "load/boosts"),
    "password": (
        "chargers/{id}/password",
        "own-settings",
        "backends",
    ),  # which is masked, as all are
    "folder": ("own-settings",),
    "serial_number": ("chargers/{id}/serial",),
}
"""Words about chargers, meters, prices and programs, by where they are sent."""


def is_text(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        return is_text(hint.__origin__)
    return hint is str or (get_origin(hint) is not Literal and any(map(is_text, get_args(hint))))


@pytest.mark.parametrize(
    "endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}"
)
def test_words_about_people_are_not_recorded(endpoint: Endpoint) -> None:
    """What may name a person is marked at its field: a record of a request is never rewritten."""
    if not endpoint.changes or not isinstance(endpoint.body, StructBody):
        return
    kind = endpoint.body.kind
    texts = {
        name for name, hint in get_type_hints(kind, include_extras=True).items() if is_text(hint)
    }
    for name in texts - personal_in(kind) - OF_THINGS:
        # those have prices and times, and their names
        places = (
            *WORDS_ABOUT_THINGS.get(name, ()),
            *("tariff-pr", "series"),
        )
        assert endpoint.path.startswith(tuple(f"/api/admin/{place}" for place in places)), (
            f"is {name} about people?"
        )
