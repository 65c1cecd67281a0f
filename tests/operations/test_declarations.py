"""The declarations, held against the schemas of the `ocpp` package: the same structure, the same
judgement."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.operations import OPERATIONS, FieldProblem, Operation, check
from levity_trio.operations.catalogue import find, table
from levity_trio.operations.operation import Allotted, Object, example, filled, left_out
from levity_trio.wire.payloads import SERVER_ACTIONS
from tests.operations.schemas import ALLOTTED, TIMES, allows, near, schema_of, without_allotted
from tests.sizes import size

ACTIONS = sorted(OPERATIONS)
FOR_PEOPLE = ("title", "description", "comment", "examples", "javaType")


def bare(schema: dict[str, Any]) -> dict[str, Any]:
    """Without what is for people; required fields in the order of their names."""
    schema = {name: value for name, value in schema.items() if name not in FOR_PEOPLE}
    if "properties" in schema:
        schema["properties"] = {name: bare(child) for name, child in schema["properties"].items()}
    if "items" in schema:
        schema["items"] = bare(schema["items"])
    if "required" in schema:
        schema["required"] = sorted(schema["required"])
    return {name: value for name, value in schema.items() if value != [] or name != "required"}


def expected(action: str) -> dict[str, Any]:
    return without_allotted(schema_of(action), ALLOTTED.get(action, set()))


def test_every_action_of_the_package_is_declared_but_for_those_of_ocpp_2() -> None:
    assert set(OPERATIONS) == SERVER_ACTIONS
    assert len(OPERATIONS) == 26
    assert [*OPERATIONS][:19] == [
        name for name, one in OPERATIONS.items() if one.feature_profile != "Security"
    ]


@pytest.mark.parametrize("action", ACTIONS)
def test_the_declared_schema_is_that_of_the_package(action: str) -> None:
    assert bare(OPERATIONS[action].payload.json_schema()) == bare(expected(action))


@given(
    st.sampled_from(ACTIONS).flatmap(
        lambda action: st.tuples(st.just(action), near(schema_of(action)))
    )
)
@settings(max_examples=size(600, 120), deadline=None)
def test_check_and_schema_agree(drawn: tuple[str, Any]) -> None:
    action, values = drawn
    if allows(expected(action), values):
        assert_can_be_sent(OPERATIONS[action], check(OPERATIONS[action], values))
    else:
        with pytest.raises(FieldProblem):
            check(OPERATIONS[action], values)


def assert_can_be_sent(operation: Operation, payload: dict[str, Any]) -> None:
    for path, allotted in left_out(operation, payload):
        payload = filled(payload, path, "http://x" if allotted is Allotted.UPLOAD else 7)
    text = repr(payload)
    for sent in re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text):
        text = text.replace(sent, TIMES[0])
    # Only times change: those that are sent have another spelling than those given.
    assert allows(schema_of(operation.action), eval(text))  # noqa: S307 - of a repr of JSON values


@pytest.mark.parametrize("action", ACTIONS)
def test_the_example_can_be_sent(action: str) -> None:
    operation = OPERATIONS[action]
    payload = check(operation, example(operation))
    assert payload == example(operation)
    assert_can_be_sent(operation, payload)


PATHS = {"RemoteStartTransaction": "remote-start", "RemoteStopTransaction": "remote-stop"}


@pytest.mark.parametrize("action", ACTIONS)
def test_paths_are_kebab_case_but_for_those_of_the_csms(action: str) -> None:
    kebab = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", action).lower()
    assert OPERATIONS[action].path == PATHS.get(action, kebab)
    assert find(OPERATIONS[action].path) is find(action) is OPERATIONS[action]


@pytest.mark.parametrize("action", ACTIONS)
def test_every_field_has_help(action: str) -> None:
    def helps(kind: Object) -> list[str]:
        nested = [
            text
            for field in kind.fields
            if isinstance(field.kind, Object)
            for text in helps(field.kind)
        ]
        return [field.help for field in kind.fields] + nested

    texts = [OPERATIONS[action].summary, *helps(OPERATIONS[action].payload)]
    assert all(text.endswith(".") and text[0].isupper() and len(text) <= 100 for text in texts)


@pytest.mark.parametrize("name", ["reset", "Reset"])
def test_find(name: str) -> None:
    assert find(name).action == "Reset"


def test_an_unknown_operation_is_named_with_what_was_meant() -> None:
    with pytest.raises(
        FieldProblem, match=re.escape("remotestarttransaction is no operation (did you mean Remote")
    ):
        find("remotestarttransaction")
    with pytest.raises(FieldProblem, match="Explode is no operation: there are RemoteStart"):
        find("Explode")


def test_the_table_has_one_row_for_each_operation() -> None:
    head, line, *rows = table().splitlines()
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [*OPERATIONS]
    assert {row.count(" | ") for row in (head, line, *rows)} == {4}
    assert (
        "`set-charging-profile` | `SetChargingProfile connectorId= csChargingProfiles=`" in table()
    )
