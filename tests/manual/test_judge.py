"""The two pages on the judge name what the program has, and are as short as their readers were
promised."""

from __future__ import annotations

import re

from levity_trio import manual
from levity_trio.charging import refute
from levity_trio.charging.energy import CERTAIN, DOUBTFUL
from levity_trio.charging.refute.table import Group, Weight
from levity_trio.charging.sent.figures import CORRECTED, METHODS
from levity_trio.web.dashboard import words

OWNERS, DEVELOPERS = (manual.find(topic).text for topic in ("how-energy-is-judged", "the-judge"))
OWNERS_LINES, OWNERS_WIDTH, DEVELOPERS_WORDS = 47, 100, 2_000


def test_each_group_and_weight_is_explained() -> None:
    groups = re.findall(r"^\d\. \*\*(.*?)\.?\*\*", OWNERS, re.MULTILINE)
    assert groups == [group.value for group in Group]
    assert re.findall(r"^- `(\w+)`: ", DEVELOPERS, re.MULTILINE) == [
        weight.name.lower() for weight in Weight
    ]


def test_the_package_lists_the_groups_in_the_words_of_the_owners_page() -> None:
    told = [
        " ".join(one.replace("*", "").split())
        for one in re.findall(r"^(\d\. .*?)\n(?=\d|\n)", OWNERS, re.MULTILINE | re.DOTALL)
    ]
    assert len(told) == len(Group)
    assert " ".join(told) in " ".join((refute.__doc__ or "").split())


def test_the_owners_page_is_one_screen() -> None:
    lines = OWNERS.splitlines()
    assert len(lines) <= OWNERS_LINES
    assert max(map(len, lines)) <= OWNERS_WIDTH


def test_the_developers_page_is_read_in_ten_minutes() -> None:
    assert len(re.sub(r"\||---", " ", DEVELOPERS).split()) <= DEVELOPERS_WORDS


def test_methods_and_confidence_are_documented() -> None:
    assert {*METHODS, CORRECTED} < words.METHODS.keys()
    assert f"`{CERTAIN}` or `{DOUBTFUL}`" in DEVELOPERS
