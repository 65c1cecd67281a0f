"""The ways of three messages, from below the handler to the commit, are counted (tests/ways.py)."""

import pytest

from tests.ways import ACTIONS, Way, trace


@pytest.fixture(scope="module")
def ways() -> dict[str, Way]:
    return trace()


@pytest.mark.parametrize("action", ACTIONS)
def test_a_way_leads_from_the_handler_to_the_commit(ways: dict[str, Way], action: str) -> None:
    first, *_, last = ways[action].functions
    assert first.file == "charger/handlers/charging.py"
    assert last.name == "FileConnection.commit"
