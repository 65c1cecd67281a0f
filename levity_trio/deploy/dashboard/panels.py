"""A compact description of dashboard panels; the package's __init__ converts it to Grafana's JSON."""

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
    """A table column. `shows` is a label or the letter of a query; `colours` maps values to colours."""

    shows: str
    name: str
    unit: str = ""
    colours: Mapping[str, Colour] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel. `queries` are pairs of a PromQL expression and its legend.

    `words` maps numbers to texts and colours. Each of `steps` is a lower bound and the colour from there on. `since`
    overrides the dashboard's time range, in Grafana's notation.
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
    """A group of panels under a heading; collapsed unless `is_open`."""

    title: str
    panels: tuple[Panel, ...]
    is_open: bool = False


def stat(title: str, text: str, expression: str, unit: str = "short", steps: Steps = ()) -> Panel:
    """Return a panel that shows one large number."""
    return Panel(
        title=title, text=text, queries=((expression, ""),), unit=unit, kind="stat", steps=steps, width=4, height=4
    )


def worded(panel: Panel, words: Mapping[int, tuple[str, Colour]]) -> Panel:
    """Return the panel with texts in place of numbers."""
    return replace(panel, words=words)


def graph(title: str, text: str, expression: str, legend: str, unit: str = "short") -> Panel:
    """Return a graph of one expression over time."""
    return Panel(title=title, text=text, queries=((expression, legend),), unit=unit)


def graphs(title: str, text: str, unit: str, *queries: tuple[str, str]) -> Panel:
    """Return a graph of several expressions over time."""
    return Panel(title=title, text=text, queries=queries, unit=unit)


def table(title: str, text: str, columns: tuple[Column, ...], *expressions: str, width: int = 12) -> Panel:
    """Return a table of present values; rows of several expressions are merged by their labels."""
    queries = tuple((expression, "") for expression in expressions)
    return Panel(title=title, text=text, queries=queries, kind="table", columns=columns, width=width)
