"""Words of success, held against every status that the schemas of the answers allow."""

from importlib.resources import files

import orjson
import pytest

from levity_trio.operations.answers import WITH_STATUS, WITHOUT_STATUS, status_of, succeeded

SUCCESSES = {"Accepted", "AcceptedCanceled", "RebootRequired", "Scheduled", "Unlocked"}


def statuses(action: str) -> list[str]:
    schema = orjson.loads(
        files("ocpp.v16").joinpath("schemas", f"{action}Response.json").read_text("utf-8-sig")
    )
    status = schema["properties"].get("status", {})
    if "$ref" in status:
        status = schema["definitions"][status["$ref"].rpartition("/")[2]]
    return list(status.get("enum", ()))


def test_actions_with_and_without_a_status_are_those_of_the_schemas() -> None:
    assert all(statuses(action) for action in WITH_STATUS)
    assert not any(statuses(action) for action in WITHOUT_STATUS)
    assert len(WITH_STATUS | WITHOUT_STATUS) == 26


@pytest.mark.parametrize("action", sorted(WITH_STATUS))
def test_each_status_agrees_or_not(action: str) -> None:
    words = statuses(action)
    assert {word for word in words if succeeded(action, {"status": word})} == SUCCESSES & set(words)
    assert succeeded(action, {"status": "accepted"})
    assert not succeeded(action, {})


@pytest.mark.parametrize("action", sorted(WITHOUT_STATUS))
def test_any_answer_without_a_status_agrees(action: str) -> None:
    assert succeeded(action, {})


def test_a_raw_call_without_a_status_agrees() -> None:
    assert succeeded("VendorAction", {})
    assert not succeeded("VendorAction", {"status": "NotSupported"})


@pytest.mark.parametrize("action", sorted(WITH_STATUS))
def test_each_status_has_its_own_spelling(action: str) -> None:
    for word in statuses(action):
        assert {
            status_of({"status": told}) for told in (word, word.lower(), f" {word.upper()} ")
        } == {word}
    assert status_of({"status": "Vendor "}) == "Vendor "
