"""The Grafana dashboard: lays out the panels and converts them to the JSON that Grafana imports.

The variable `$cp` selects chargers, `$datasource` the Prometheus data source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from levity_trio.deploy.panels import NOW, ROWS, Colour, Column, Panel, Row

COLUMNS: Final = 24
SCHEMA_VERSION: Final = 38
"""The schema of Grafana 10; newer versions read it."""
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
NO_COLOUR: Final = ((0.0, "text"),)
NOTHING: Final = "–"
SERVER: Final = "{{instance}}"
INSTANT: Final = ("table", "bargauge", "stat")
OPTIONS: Final[Mapping[str, dict[str, Any]]] = {
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"]},
        "colorMode": "value",
        "graphMode": "none",
    },
    "bargauge": {
        "reduceOptions": {"calcs": ["lastNotNull"]},
        "orientation": "horizontal",
        "displayMode": "basic",
        "showUnfilled": True,
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
}
_SERIES: Final = re.compile(r"\b(?:ocpp|process)_\w+")
_SUMS: Final = re.compile(r"\b(?:sum|count) (?:by )?\(|\b(?:sum|count)\(")


def dashboard(of_site: Collection[str] = ()) -> str:
    """Return the dashboard as JSON. For several servers, `of_site` names the series that are not
    about one of them."""
    board = {
        "uid": "levity-trio",
        "title": "levity-trio",
        "description": (
            "Charging sessions, energy and what needs attention. The collapsed rows below have "
            "the details."
        ),
        "tags": ["ocpp", "levity"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": list(
            _laid_out([_by_server(row, of_site) if of_site else row for row in (NOW, *ROWS)])
        ),
    }
    return json.dumps(board, indent=2, ensure_ascii=False) + "\n"


def _variables() -> list[dict[str, Any]]:
    chargers = "label_values(ocpp_cp_connected, cp_id)"
    return [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
        {
            "name": "cp",
            "label": "Charger",
            "type": "query",
            "datasource": DATASOURCE,
            "definition": chargers,
            "query": {"query": chargers, "refId": "cp"},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        },
    ]


def _by_server(row: Row, of_site: Collection[str]) -> Row:
    """Return the row with the server in the legend of each series about one."""
    panels = (
        panel
        if panel.kind == "table"
        else replace(
            panel,
            queries=tuple(
                (query, f"{legend} {SERVER}".strip() if _is_of_server(query, of_site) else legend)
                for query, legend in panel.queries
            ),
        )
        for panel in row.panels
    )
    return replace(row, panels=tuple(panels))


def _is_of_server(query: str, of_site: Collection[str]) -> bool:
    """Whether it has a series for each server: it is about no series of the site, and sums nothing
    up."""
    names = set(_SERIES.findall(query))
    return bool(names) and not names & set(of_site) and not _SUMS.search(query)


def _laid_out(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Yield each row's heading and panels. The panels of a collapsed row are nested in its
    heading."""
    top = number = 0
    for row in rows:
        panels = list(_placed(row.panels, number + 2, top + 1))
        heading = {
            "type": "row",
            "title": row.title,
            "collapsed": not row.is_open,
            **_at(0, top, COLUMNS, 1),
        }
        yield {"id": number + 1, **heading, "panels": [] if row.is_open else panels}
        if row.is_open:
            yield from panels
        number += 1 + len(panels)
        places = [panel["gridPos"] for panel in panels]
        top = max(place["y"] + place["h"] for place in places) if row.is_open else top + 1


def _placed(panels: Iterable[Panel], number: int, top: int) -> Iterator[dict[str, Any]]:
    """Place panels from left to right and from top to bottom."""
    left, height = 0, 0
    for offset, panel in enumerate(panels):
        if left + panel.width > COLUMNS:
            left, top, height = 0, top + height, 0
        yield {"id": number + offset, **_panel(panel), **_at(left, top, panel.width, panel.height)}
        left, height = left + panel.width, max(height, panel.height)


def _at(left: int, top: int, width: int, height: int) -> dict[str, Any]:
    return {"gridPos": {"x": left, "y": top, "w": width, "h": height}}


def _panel(panel: Panel) -> dict[str, Any]:
    is_graph = panel.kind == "timeseries"
    # The first colour has no lower bound.
    steps = [
        {"color": colour, "value": value if index else None}
        for index, (value, colour) in enumerate(panel.steps or NO_COLOUR)
    ]
    defaults = {
        **_unit(panel.unit),
        **({"min": 0} if panel.kind == "bargauge" else {}),
        "noValue": NOTHING,
        "color": {"mode": "palette-classic" if is_graph else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": _mappings({str(number): text for number, text in (panel.texts or {}).items()}),
        "custom": {"fillOpacity": 10, "spanNulls": False} if is_graph else {},
    }
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": list(map(_override, panel.columns))},
        "options": OPTIONS[panel.kind],
        "targets": [_target(panel, *query) for query in enumerate(panel.queries)],
        **({"timeFrom": panel.since} if panel.since else {}),
        **({"transformations": _transformations(panel)} if panel.columns else {}),
    }


def _target(panel: Panel, index: int, query: tuple[str, str]) -> dict[str, Any]:
    expression, legend = query
    is_instant = panel.kind in INSTANT
    return {
        "refId": _letter(index),
        "datasource": DATASOURCE,
        "expr": expression,
        "legendFormat": legend,
        "instant": is_instant,
        "range": not is_instant,
        "format": "table" if panel.kind == "table" else "time_series",
    }


def _letter(index: int) -> str:
    return chr(ord("A") + index)


def _unit(unit: str) -> dict[str, Any]:
    """Return the properties for a unit. kW and kWh have one decimal."""
    return {
        **({"unit": unit} if unit else {}),
        **({"decimals": 1} if unit.startswith("kwatt") else {}),
    }


def _mappings(texts: Mapping[str, tuple[str, Colour]]) -> list[dict[str, Any]]:
    options = {
        value: {"text": text, "color": colour, "index": index}
        for index, (value, (text, colour)) in enumerate(texts.items())
    }
    return [{"type": "value", "options": options}] if options else []


def _override(column: Column) -> dict[str, Any]:
    """Return a column's unit and the colours of its values."""
    properties: list[dict[str, Any]] = [
        {"id": name, "value": value} for name, value in _unit(column.unit).items()
    ]
    if column.colours:
        texts = {text: (text, colour) for text, colour in column.colours.items()}
        properties += [
            {"id": "mappings", "value": _mappings(texts)},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
        ]
    return {"matcher": {"id": "byName", "options": column.name}, "properties": properties}


def _transformations(panel: Panel) -> list[dict[str, Any]]:
    """Merge the rows of all queries, then select, name and order the columns.

    Grafana's name of a field is a label's name, `Value` of a single query, or `Value #A` of
    several.
    """
    letters = [_letter(index) for index in range(len(panel.queries))]
    values = {letter: f"Value #{letter}" if len(letters) > 1 else "Value" for letter in letters}
    fields = {values.get(column.shows, column.shows): column.name for column in panel.columns}
    return [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": {"names": list(fields)}}},
        {
            "id": "organize",
            "options": {
                "renameByName": fields,
                "indexByName": {name: index for index, name in enumerate(fields)},
            },
        },
    ]
