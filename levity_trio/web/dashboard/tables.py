"""Tables of pages: which columns, and how the values of each are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Column(NamedTuple):
    """A column: its head, the field that it shows, and how: text, time, number, size, yes, code or state."""

    title: str
    field: str
    kind: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of rows as the API answers them. `empty` is what stands there without rows."""

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Mapping[str, Any]]
    empty: str
    cursor: str | None = None
    """Of the page with older rows."""
