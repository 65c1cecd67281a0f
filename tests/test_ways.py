"""How many files and functions are on the way of a message, from below the handler to the commit
(tests/tools/ways.py)."""

import re

import pytest

from levity_trio.manual import FOLDER
from tests.tools.ways import ACTIONS, Figures, Way, trace

LIMITS = {
    # Of the functions, four ask whether the energy can have flowed when it was told.
    "StopTransaction": Figures(36, 244),
    "MeterValues": Figures(12, 54),
    "StartTransaction": Figures(34, 130),
}
"""A reader pays for each jump. Whoever needs one more merges two others."""
STATEMENTS = {"StopTransaction": 36, "StartTransaction": 30}
"""Those of SQL, for a household whose tariff has a night window; the book is in all figures."""
PAGE = FOLDER / "explanation" / "what-happens-to-a-message.md"


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


@pytest.mark.parametrize(("action", "most"), STATEMENTS.items())
def test_a_way_asks_the_database_little(ways: dict[str, Way], action: str, most: int) -> None:
    assert 0 < ways[action].statements <= most


@pytest.mark.parametrize(
    ("heading", "action"), list(zip(("A stop", "A reading", "A start"), ACTIONS, strict=True))
)
def test_the_manual_tells_the_way(ways: dict[str, Way], heading: str, action: str) -> None:
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z_/]+\.py)`", section)
    passed = {function.file for function in ways[action].functions}
    assert len(named) >= 3
    assert set(named) <= passed
