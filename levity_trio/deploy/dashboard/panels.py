"""What a panel of the dashboard is, said in a few lines; how Grafana wants it is in this package's __init__."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

Colour = str
Steps = tuple[tuple[float, Colour], ...]
CHARGER: Final = 'cp_id=~"$cp"'
CP: Final = "{{cp_id}}"
CONNECTOR: Final = "{{cp_id}} {{connector_id}}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the label, or the letter of the query, that it shows; its name, unit, colours by word."""

    shows: str
    name: str
    unit: str = ""
    colours: Mapping[str, Colour] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel: `queries` are pairs of an expression and what stands in its legend.

    `words` say what numbers mean, with their colours; from each of `steps` on, a number has that colour. `since` is a
    stretch of time of its own, as Grafana spells it.
    """

    title: str
    text: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    columns: tuple[Column, ...] = ()
    words: Mapping[int, tuple[str, Colour]] | None = None
    steps: Steps = ()
    since: str = ""
    width: int = 8
    height: int = 8


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that belong together, under a heading; folded, but for what everybody looks at."""

    title: str
    panels: tuple[Panel, ...]
    is_open: bool = False


def stat(title: str, text: str, expression: str, unit: str = "short", steps: Steps = ()) -> Panel:
    """One number, large."""
    return Panel(
        title=title, text=text, queries=((expression, ""),), unit=unit, kind="stat", steps=steps, width=4, height=4
    )


def worded(panel: Panel, words: Mapping[int, tuple[str, Colour]]) -> Panel:
    """The same, with words in place of numbers."""
    return replace(panel, words=words)


def graph(title: str, text: str, expression: str, legend: str, unit: str = "short") -> Panel:
    """One expression over time."""
    return Panel(title=title, text=text, queries=((expression, legend),), unit=unit)


def graphs(title: str, text: str, unit: str, *queries: tuple[str, str]) -> Panel:
    """Several over time."""
    return Panel(title=title, text=text, queries=queries, unit=unit)


def table(title: str, text: str, columns: tuple[Column, ...], *expressions: str, width: int = 12) -> Panel:
    """What there is now, a row each; the rows of several expressions are put together by their labels."""
    queries = tuple((expression, "") for expression in expressions)
    return Panel(title=title, text=text, queries=queries, kind="table", columns=columns, width=width)
