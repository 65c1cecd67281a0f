"""What decorators declare beside the annotations fits these: mypy does not see that."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from levity_trio.operations.operation import Payload
from levity_trio.web.api.bodies import SignedBody, StreamedBody, StructBody
from levity_trio.web.api.endpoints import Asked, Endpoint
from levity_trio.web.api.operations import OperationBody
from levity_trio.web.api.server import ENDPOINTS

NOTHING = (object, type(None))


def taken(endpoint: Endpoint) -> tuple[Any, Any]:
    """The query and the body that a function is annotated with."""
    hints = get_type_hints(endpoint.handle).values()
    (annotated,) = [get_args(hint) for hint in hints if get_origin(hint) is Asked]
    return annotated[0], annotated[1]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
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
        case SignedBody():
            assert body is bytes
        case OperationBody():
            assert body == Payload
        case other:
            raise AssertionError(other)
