"""The panels of the dashboard in a compact form. This package's __init__ converts them for Grafana."""

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
    """A column of a table."""

    shows: str
    """A label, or the letter of a query whose values it shows."""
    name: str
    unit: str = ""
    colours: Mapping[str, Colour] | None = None
    """The colours of certain values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel of the dashboard."""

    title: str
    description: str
    queries: tuple[tuple[str, str], ...]
    """Pairs of a PromQL expression and its legend."""
    unit: str = "short"
    kind: str = "timeseries"
    columns: tuple[Column, ...] = ()
    texts: Mapping[int, tuple[str, Colour]] | None = None
    """Texts and colours that replace certain numbers."""
    steps: Steps = ()
    """Lower bounds of numbers, each with the colour from there on."""
    since: str = ""
    """A time range that overrides the dashboard's, in Grafana's notation."""
    width: int = 8
    height: int = 8


@dataclass(frozen=True, slots=True)
class Row:
    """A group of panels under a heading. It is collapsed unless `is_open`."""

    title: str
    panels: tuple[Panel, ...]
    is_open: bool = False


def stat(title: str, description: str, expression: str, unit: str = "short", steps: Steps = ()) -> Panel:
    """Return a panel with one large number."""
    queries = ((expression, ""),)
    return Panel(
        title=title, description=description, queries=queries, unit=unit, kind="stat", steps=steps, width=4, height=4
    )


def with_texts(panel: Panel, texts: Mapping[int, tuple[str, Colour]]) -> Panel:
    """Return the panel with texts in place of numbers."""
    return replace(panel, texts=texts)


def graph(title: str, description: str, expression: str, legend: str, unit: str = "short") -> Panel:
    """Return a time series of one expression."""
    return Panel(title=title, description=description, queries=((expression, legend),), unit=unit)


def graphs(title: str, description: str, unit: str, *queries: tuple[str, str]) -> Panel:
    """Return a time series of several expressions."""
    return Panel(title=title, description=description, queries=queries, unit=unit)


def table(title: str, description: str, columns: tuple[Column, ...], *expressions: str, width: int = 12) -> Panel:
    """Return a table of the present values. The rows of several expressions are joined by their labels."""
    queries = tuple((expression, "") for expression in expressions)
    return Panel(title=title, description=description, queries=queries, kind="table", columns=columns, width=width)
