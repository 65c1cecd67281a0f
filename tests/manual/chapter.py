"""README's chapter on the judge: the tables in it that the program declares, and its two pages of the manual.

`just manual` writes both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from levity_trio.charging.refute.refutation import Group
from levity_trio.charging.refute.table import REFUTATIONS
from levity_trio.charging.reviews import Code
from levity_trio.web.dashboard.doubts import doubt
from tests.manual.reference import code, rows

GENERATED: Final = "<!-- Written by `just manual` from README.md: change that. -->\n"
REFUTATIONS_HEAD: Final = ("name", "group", "question", "code", "weight")
REVIEWS_HEAD: Final = ("code", "what happened", "what helps to decide")
GROUPS: Final = {group: str(number) for number, group in enumerate(Group, 1)}
PAGES: Final = {
    "explanation/how-energy-is-judged": ("How energy is judged", "For owners"),
    "explanation/the-judge": ("The judge of energy", "For developers"),
}
"""The title of each page by its topic, and the section of README that it has."""


def refutations() -> list[tuple[str, ...]]:
    """Return the cells of the table of refutations."""
    return [
        (code(one.name), GROUPS[one.group], one.question, code(one.code.value), one.weight.name.lower())
        for one in REFUTATIONS
    ]


def reviews() -> list[tuple[str, ...]]:
    """Return the cells of the table of reviews."""
    told = {one.value: doubt(one.value) for one in Code}
    return [(code(name), one.title, one.advice) for name, one in told.items()]


def section(readme: str, heading: str) -> str:
    """Return the text of a section of README, up to the next heading."""
    found = readme.partition(f"\n### {heading}\n")[2]
    return re.split(r"^#+ ", found, maxsplit=1, flags=re.MULTILINE)[0].strip()


def with_tables(readme: str) -> str:
    """Return README with the tables that the program declares."""
    return _with(_with(readme, REFUTATIONS_HEAD, refutations()), REVIEWS_HEAD, reviews())


def _with(readme: str, head: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    before, found, rest = readme.partition(f"| {' | '.join(head)} |\n")
    assert found, f"README has no table with {head}"
    return "\n\n".join([before + rows(*head, of=cells), rest.partition("\n\n")[2]])


def pages(readme: str) -> Mapping[str, str]:
    """Return the text of each page by its topic."""
    told = {topic: (title, section(readme, heading)) for topic, (title, heading) in PAGES.items()}
    return {topic: f"{GENERATED}\n# {title}\n\n{words}\n" for topic, (title, words) in told.items()}
