"""README's tables of tolerances and reviews against the modules that they describe."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from levity_trio.charging import tolerances
from levity_trio.charging.energy import CERTAIN, DOUBTFUL
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.chains import METHODS

README = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
TOLERANCES = {name: value for name, value in vars(tolerances).items() if name.isupper()}


def rows(heading: str) -> list[list[str]]:
    """Return the rows of all tables between this heading and the next, without their headers."""
    section = re.split(r"^#+ ", README.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in section.splitlines() if "|" in line]
    return [row for row in cells if row[0].startswith("`")]


def text(value: object) -> str:
    """Return a tolerance in README's notation."""
    if isinstance(value, tuple):
        return "; ".join(map(_pair if isinstance(value[0], tuple) else text, value))
    if value == math.inf:
        return "∞"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"


def _pair(pair: tuple[float, float]) -> str:
    return ": ".join(map(text, pair))


@pytest.mark.parametrize("name", TOLERANCES)
def test_a_tolerance_is_documented(name: str) -> None:
    found = [row[1:] for row in rows("### Tolerances and ceilings") if row[0] == f"`{name}`"]
    assert [row[0] for row in found] == [text(TOLERANCES[name])]
    assert all(found[0]), "unit and meaning are missing"


def test_no_other_tolerances_are_documented() -> None:
    assert [row[0].strip("`") for row in rows("### Tolerances and ceilings")] == list(TOLERANCES)


def test_each_review_is_explained() -> None:
    found = rows("### Reviews")
    assert [row[0].strip("`") for row in found] == [code.value for code in Code]
    assert all(len(row) == 3 and all(row) for row in found)


def test_methods_and_confidence_are_documented() -> None:
    columns = {row[0]: row[1] for row in rows("## How energy is judged")}
    assert all(f"`{method}`" in columns["`energy_method`"] for method in METHODS)
    assert columns["`confidence`"] == f"`{CERTAIN}` or `{DOUBTFUL}`"
