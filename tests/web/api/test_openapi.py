"""The OpenAPI document for generators of clients; tests/integration/test_openapi.py compares it
with answers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from levity_trio.nouns import UserName
from levity_trio.web.api.engine.endpoints import Endpoint, Role, StructBody
from levity_trio.web.api.engine.openapi import document
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.listeners import ENDPOINTS

AS_BYTES: tuple[str, ...] = (
    "application/x-x509-ca-cert",
    "text/csv",
    "application/x-ndjson",
    "application/zip",
    "application/xml",
    "application/pdf",
    "application/toml",
    "image/*",
    "image/png",
    "image/jpeg",
)
"""Media types that openapi-python-client does not know; it takes them as bytes, if it is told
so."""
NOUNS = {
    "Reading",
    "Listing",
    "Grouping",
    "Billing",
    "Blocking",
    "Belonging",
    "Standing",
    "Securing",
    "Closing",
}
NO_NOUN = re.compile(r"(ing|ed|Of|Who|Whose|Me|May|Out)$")
MEDIA_TYPES = {"text/csv", "text/html", "text/event-stream", "application/toml"}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document(ENDPOINTS)


@pytest.fixture(scope="module")
def schemas(described: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = described["components"]["schemas"]
    return found


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for one in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(one)


def patterns(kind: object) -> Iterator[str]:
    """Yield the patterns that the texts of a type are checked with."""
    pattern = getattr(kind, "pattern", None)
    if isinstance(pattern, str):
        yield pattern
    for name in ("type", "types", "item_type", "item_types", "value_type", "fields"):
        inner = getattr(kind, name, ())
        for one in inner if isinstance(inner, tuple) else (inner,):
            yield from patterns(one)


def test_no_text_of_a_pattern_may_end_with_a_line_feed(described: dict[str, Any]) -> None:
    """`$` of Python lets one through, and that of JSON Schema does not; a person is shown the
    latter."""
    bodies = [one.body.kind for one in ENDPOINTS if isinstance(one.body, StructBody)]
    queries = [one.query for one in ENDPOINTS if one.query is not None]
    used = {
        pattern
        for kind in (*bodies, *queries)
        for pattern in patterns(msgspec.inspect.type_info(kind))
    }
    assert len(used) > 10
    assert not [pattern for pattern in used if pattern.endswith("$")]
    shown = {one["pattern"] for one in nodes(described) if isinstance(one.get("pattern"), str)}
    assert {pattern.replace(r"\Z", "$") for pattern in used} <= shown


@pytest.mark.parametrize("name", ["anna\n", "anna\r\n"])
def test_a_name_with_a_line_feed_is_refused_in_plain_words(name: str) -> None:
    class Named(msgspec.Struct):
        name: UserName

    with pytest.raises(Problem, match=r"^name: begin with a letter, and end without a space$"):
        StructBody(Named).read(msgspec.json.encode({"name": name}))


async def handle(_asked: object) -> None:
    """Answer nothing: only the document is made."""


def of(*answers: type[msgspec.Struct]) -> dict[str, Any]:
    """The schemas of endpoints with these answers."""
    described = document(
        Endpoint(
            method="GET",
            path=f"/api/{number}",
            role=Role.VIEWER,
            group="a",
            summary="b",
            handle=handle,
            answer=answer,
        )
        for number, answer in enumerate(answers)
    )
    found: dict[str, Any] = described["components"]["schemas"]
    return found


def test_a_client_is_generated_with_every_endpoint(
    described: dict[str, Any], tmp_path: Path
) -> None:
    file, config, client = tmp_path / "openapi.json", tmp_path / "config.json", tmp_path / "client"
    file.write_text(json.dumps(described))
    told = {
        "content_type_overrides": dict.fromkeys(AS_BYTES, "application/octet-stream"),
        "post_hooks": [],
    }
    config.write_text(json.dumps(told))
    command = [
        sys.executable,
        "-m",
        "openapi_python_client",
        "generate",
        "--meta",
        "none",
        "--fail-on-warning",
    ]
    command += ["--path", str(file), "--config", str(config), "--output-path", str(client)]
    ended = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    made = [file for file in (client / "api").rglob("*.py") if file.name != "__init__.py"]
    assert len(made) == sum(len(methods) for methods in described["paths"].values())


def test_components_have_nouns_as_names(schemas: dict[str, Any]) -> None:
    assert [name for name in schemas if not re.fullmatch(r"([A-Z][a-z0-9]*)+", name)] == []
    last = {re.findall(r"[A-Z][a-z0-9]*", name)[-1] for name in schemas}
    assert {word for word in last if NO_NOUN.search(word)} <= NOUNS


def test_each_component_is_used_and_there(
    described: dict[str, Any], schemas: dict[str, Any]
) -> None:
    used = {
        one["$ref"].rpartition("/")[2]
        for one in nodes(described)
        if isinstance(one.get("$ref"), str)
    }
    assert used == {*schemas}


def test_each_list_says_what_it_holds(described: dict[str, Any]) -> None:
    lists = [one for one in nodes(described) if one.get("type") == "array"]
    assert len(lists) > 100
    assert [one for one in lists if not isinstance(one["items"], dict) or not one["items"]] == []


@pytest.mark.parametrize(
    ("kind", "items", "length"),
    [
        (tuple[str, str], {"type": "string"}, 2),
        (tuple[int, float], {"type": "number"}, 2),
        (tuple[float, int, int], {"type": "number"}, 3),
        (tuple[str, int, str], {"anyOf": [{"type": "string"}, {"type": "integer"}]}, 3),
        (tuple[str, ...], {"type": "string"}, None),
    ],
)
def test_a_tuple_is_a_list_of_its_length(kind: Any, items: object, length: int | None) -> None:
    described = of(msgspec.defstruct("Thing", [("some", kind)]))["Thing"]["properties"]["some"]
    assert described["items"] == items
    assert (described.get("minItems"), described.get("maxItems")) == (length, length)


def test_each_value_has_a_type(described: dict[str, Any]) -> None:
    """A generator makes no enumeration without one, and none of a `const`."""
    assert [
        one for one in nodes(described) if isinstance(one.get("enum"), list) and "type" not in one
    ] == []
    assert [one for one in nodes(described) if isinstance(one.get("const"), str | bool)] == []


def test_an_answer_has_the_schema_of_its_media_type(described: dict[str, Any]) -> None:
    answers = [
        (media_type, content["schema"])
        for methods in described["paths"].values()
        for one in methods.values()
        for status, response in one["responses"].items()
        if status.startswith("2")
        for media_type, content in response.get("content", {}).items()
    ]
    for media_type, schema in answers:
        if media_type == "application/json":
            assert schema != {"type": "string"}
        elif media_type in MEDIA_TYPES:
            assert schema == {"type": "string"}
        else:
            assert schema == {"type": "string", "format": "binary"}
    assert {"text/csv", "application/pdf", "application/zip", "image/png"} <= {
        media_type for media_type, _ in answers
    }
    assert ("text/csv", {"type": "string"}) in answers
    assert ("application/json", {"$ref": "#/components/schemas/StatementDocument"}) in answers


def test_two_schemas_of_one_name_are_an_error() -> None:
    one, other = (
        msgspec.defstruct("Page_Thing_", [("some", int)]),
        msgspec.defstruct("ThingPage", [("some", str)]),
    )
    with pytest.raises(ValueError, match="two schemas are called ThingPage"):
        of(one, other)


def test_each_way_of_a_body_is_a_schema_of_its_own(
    described: dict[str, Any], schemas: dict[str, Any]
) -> None:
    body = described["paths"]["/api/admin/accounts/{id}/give"]["post"]["requestBody"]["content"][
        "application/json"
    ]
    names = [one["$ref"].rpartition("/")[2] for one in body["schema"]["anyOf"]]
    assert names == ["TagGiveBody", "ChargerGiveBody", "VehicleGiveBody"]
    assert "charger" not in schemas["TagGiveBody"]["properties"]
    assert schemas["TagGiveBody"]["required"] == ["tag"]
    assert schemas["ResetRawCall"]["properties"]["payload"] == {
        "$ref": "#/components/schemas/ResetPayload"
    }
    assert schemas["ResetRawCall"]["properties"]["action"]["enum"] == ["Reset"]


def test_each_field_and_each_parameter_has_a_text(
    described: dict[str, Any], schemas: dict[str, Any]
) -> None:
    bodies: list[Any] = []
    for operations in described["paths"].values():
        for name, operation in operations.items():
            assert all(part["description"].endswith(".") for part in operation["parameters"]), name
            bodies += operation.get("requestBody", {}).get("content", {}).values()
    names = {node["$ref"].rpartition("/")[2] for node in nodes(bodies) if "$ref" in node}
    seen: set[str] = set()
    while names - seen:
        name = (names - seen).pop()
        seen.add(name)
        names |= {
            node["$ref"].rpartition("/")[2] for node in nodes(schemas[name]) if "$ref" in node
        }
        for field, schema in schemas[name].get("properties", {}).items():
            told = schema.get("description")
            assert told or "$ref" in schema, f"{name}.{field} has no text"
    assert len(seen) > 200


def test_a_text_is_that_of_the_field_and_then_that_of_its_type(schemas: dict[str, Any]) -> None:
    card = schemas["TagBody"]["properties"]
    assert card["id_tag"]["description"] == "The card. In upper or lower case."
    changed = schemas["ChangeBody"]["properties"]["notes"]
    assert changed["description"] == card["notes"]["description"] == "Anything else."
    assert "- " not in schemas["TagBody"]["description"]
    given = schemas["ChargerGiveBody"]["properties"]
    assert given["connector"]["description"] == "One connector of the charger."
