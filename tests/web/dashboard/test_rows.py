"""Tables whose rows a phone shows on three lines (`.rows` in bills.css)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from levity_trio.web import dashboard

TEMPLATES: Final = Path(dashboard.__file__).parent / "templates"
TABLE: Final = re.compile(r'class="table rows\b.*?</table>', re.DOTALL)
PLACED: Final = re.compile(r'<td[^>]*class="[^"]*\b(r1|[lr][23]|all|wide)\b')
FOUND: Final = [
    (path, table)
    for path in TEMPLATES.rglob("*.html")
    for table in TABLE.findall(path.read_text("utf-8"))
]


@pytest.mark.parametrize(("path", "table"), FOUND, ids=[path.name for path, _ in FOUND])
def test_each_cell_has_its_place_on_a_phone(path: Path, table: str) -> None:
    """One without is put beside the longest text, and there its words stand a letter below the
    other."""
    cells = re.findall(r"<td[^>]*>", table)
    assert [cell for cell in cells if not PLACED.match(cell)] == [], path
    assert len(FOUND) > 10
