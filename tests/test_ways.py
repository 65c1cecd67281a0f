"""How many files and functions are on the way of a message, from below the handler to the commit (tests/ways.py)."""

import pytest

from tests.ways import ACTIONS, Figures, Way, trace

LIMITS = {
    "StopTransaction": Figures(30, 200),
    "MeterValues": Figures(13, 50),
    "StartTransaction": Figures(32, 101),
}
"""A reader pays for each jump. Whoever needs one more merges two others."""


@pytest.fixture(scope="module")
def ways() -> dict[str, Way]:
    return trace()


@pytest.mark.parametrize("action", ACTIONS)
def test_a_way_leads_from_the_handler_to_the_commit(ways: dict[str, Way], action: str) -> None:
    first, *_, last = ways[action].functions
    assert first.file == "charger/handlers/charging.py"
    assert last.name == "FileConnection.commit"


@pytest.mark.parametrize("action", ACTIONS)
def test_a_way_is_short(ways: dict[str, Way], action: str) -> None:
    figures, most = ways[action].figures, LIMITS[action]
    assert figures.files <= most.files
    assert figures.functions <= most.functions
