"""README's chapter on the judge: its tables against the modules that they describe, its limits, and its pages."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from levity_trio.charging import refute, tolerances
from levity_trio.charging.energy import CERTAIN, DOUBTFUL
from levity_trio.charging.refute.refutation import Group, Weight
from levity_trio.charging.sent.chains import METHODS
from levity_trio.manual import FOLDER
from tests.manual import chapter

README = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
OWNERS, DEVELOPERS = chapter.section(README, "For owners"), chapter.section(README, "For developers")
OWNERS_LINES, OWNERS_WIDTH, DEVELOPERS_WORDS = 45, 100, 2_000
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


def test_each_refutation_is_listed_with_its_question() -> None:
    assert rows("### For developers")[: len(chapter.refutations())] == [*map(list, chapter.refutations())], (
        "run `just manual`"
    )


def test_each_group_and_weight_is_explained() -> None:
    assert re.findall(r"^(\d)\. \*\*(.*?)\.?\*\*", OWNERS, re.MULTILINE) == [
        (number, group.value) for group, number in chapter.GROUPS.items()
    ]
    assert [*chapter.GROUPS] == [*Group]
    assert re.findall(r"^- `(\w+)`: ", DEVELOPERS, re.MULTILINE) == [weight.name.lower() for weight in Weight]


def test_the_package_lists_the_groups_in_the_words_of_the_owners_section() -> None:
    told = [
        " ".join(one.replace("*", "").split())
        for one in re.findall(r"^(\d\. .*?)\n(?=\d|\n)", OWNERS, re.MULTILINE | re.DOTALL)
    ]
    assert len(told) == len(Group)
    assert " ".join(told) in " ".join((refute.__doc__ or "").split())


def test_each_review_is_explained() -> None:
    assert rows("### Reviews") == [*map(list, chapter.reviews())], "run `just manual`"


def test_the_owners_section_is_one_screen() -> None:
    lines = OWNERS.splitlines()
    assert len(lines) <= OWNERS_LINES
    assert max(map(len, lines)) <= OWNERS_WIDTH


def test_the_developers_section_with_its_tables_is_read_in_ten_minutes() -> None:
    assert len(re.sub(r"\||---", " ", DEVELOPERS).split()) <= DEVELOPERS_WORDS


@pytest.mark.parametrize("topic", chapter.PAGES)
def test_a_page_of_the_manual_has_the_words_of_readme(topic: str) -> None:
    assert (FOLDER / f"{topic}.md").read_text(encoding="utf-8") == chapter.pages(README)[topic], "run `just manual`"


def test_methods_and_confidence_are_documented() -> None:
    columns = {row[0]: row[1] for row in rows("### For developers")}
    assert all(f"`{method}`" in columns["`energy_method`"] for method in METHODS)
    assert columns["`confidence`"] == f"`{CERTAIN}` or `{DOUBTFUL}`"
