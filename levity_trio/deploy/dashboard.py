"""The Grafana dashboard: each panel said in a line or two, laid out and written as Grafana imports it.

`$cp` chooses chargers, `$datasource` the Prometheus.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

COLUMNS: Final = 24
SCHEMA_VERSION: Final = 38
"""Grafana 10's; newer ones read it."""
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
CHARGER: Final = 'cp_id=~"$cp"'


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: `queries` are pairs of an expression and what stands in its legend."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of Grafana's grid."""
        return {"stat": (4, 4), "table": (12, 9)}.get(self.kind, (8, 8))


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that belong together, under a heading."""

    title: str
    panels: tuple[Panel, ...]


def stat(title: str, expression: str, unit: str = "short") -> Panel:
    return Panel(title, ((expression, ""),), unit, "stat")


def graph(title: str, expression: str, legend: str, unit: str = "short") -> Panel:
    return Panel(title, ((expression, legend),), unit)


def table(title: str, expression: str) -> Panel:
    return Panel(title, ((expression, ""),), kind="table")


CP: Final = "{{cp_id}}"
CONNECTOR: Final = "{{cp_id}} {{connector_id}}"

SITE: Final = Row(
    "Site",
    (
        stat("Server", "ocpp_central_up"),
        stat("Chargers connected", f"sum(ocpp_cp_connected{{{CHARGER}}})"),
        stat("Active transactions", f"sum(ocpp_tx_active{{{CHARGER}}})"),
        stat("Connectors faulted", f'sum(ocpp_connector_status{{{CHARGER},status="Faulted"}})'),
        stat("Energy, last 24 h", f"sum(increase(ocpp_cp_energy_total_wh_total{{{CHARGER}}}[1d]))", "watth"),
        stat("Waiting for the operator", "sum(ocpp_set_aside_waiting) + sum(ocpp_reviews_waiting)"),
    ),
)
CHARGERS: Final = Row(
    "Chargers",
    (
        table("Status of each connector", f"ocpp_connector_status{{{CHARGER}}} == 1"),
        table("Seconds since the last heartbeat", f"time() - ocpp_cp_last_heartbeat_ts{{{CHARGER}}}"),
        graph("Connected", f"ocpp_cp_connected{{{CHARGER}}}", CP),
        graph("Age of the last byte", f"ocpp_cp_link_age_seconds{{{CHARGER}}}", CP, "s"),
        graph("Disconnections a day", f"increase(ocpp_cp_disconnects_total{{{CHARGER}}}[1d])", CP),
        graph("Boots a day", f"increase(ocpp_cp_boots_total{{{CHARGER}}}[1d])", CP),
        graph("Errors a day", f"increase(ocpp_cp_errors_total{{{CHARGER}}}[1d])", f"{CP} {{{{error_type}}}}"),
        graph("Clock skew", f"ocpp_cp_clock_skew_seconds{{{CHARGER}}}", CP, "s"),
        graph(
            "Repairs an hour",
            f"sum by (cp_id, kind) (increase(ocpp_repairs_total{{{CHARGER}}}[1h]))",
            "{{cp_id}} {{kind}}",
        ),
        graph("Refused an hour", "sum by (action, code) (increase(ocpp_refusals_total[1h]))", "{{action}} {{code}}"),
        graph("Handshakes refused an hour", "increase(ocpp_handshakes_refused_total[1h])", "{{status}}"),
        graph("Frames of no use an hour", "increase(ocpp_frames_of_no_use_total[1h])", "{{kind}}"),
    ),
)
CHARGING: Final = Row(
    "Charging",
    (
        graph("Transactions open", f"ocpp_tx_active{{{CHARGER}}}", CONNECTOR),
        graph("Energy of open transactions", f"ocpp_tx_energy_wh{{{CHARGER}}}", CONNECTOR, "watth"),
        Panel(
            "Current and its limit",
            (
                (f"ocpp_cp_current_a{{{CHARGER}}}", CONNECTOR),
                (f"ocpp_cp_current_limit_a{{{CHARGER}}}", f"{CONNECTOR} limit"),
            ),
            "amp",
        ),
        graph("Energy a day", f"increase(ocpp_cp_energy_total_wh_total{{{CHARGER}}}[1d])", CP, "watth"),
        graph("Transactions a day", f"increase(ocpp_tx_total{{{CHARGER}}}[1d])", CP),
        graph("Days since the last transaction", f"(time() - ocpp_cp_last_tx_ts{{{CHARGER}}}) / 86400", CP, "d"),
        graph("Left while charging, a day", f"increase(ocpp_cp_reconnect_during_tx_total{{{CHARGER}}}[1d])", CP),
        graph("Suspended", f"ocpp_tx_suspended{{{CHARGER}}}", CONNECTOR),
        graph(
            "Closed by the system, a day",
            f"increase(ocpp_tx_orphans_closed_total{{{CHARGER}}}[1d])",
            "{{cp_id}} {{reason}}",
        ),
        graph("Energy jumps a day", f"increase(ocpp_energy_jump_total{{{CHARGER}}}[1d])", CP),
        graph("Energy on no bill, a day", f"increase(ocpp_energy_unbilled_wh_total{{{CHARGER}}}[1d])", CP, "watth"),
        graph("Automatic starts a day", f"increase(ocpp_auto_start_total{{{CHARGER}}}[1d])", "{{cp_id}} {{outcome}}"),
    ),
)
COMMANDS: Final = Row(
    "Commands",
    (
        graph(
            "Answered within (95 %)",
            "histogram_quantile(0.95, sum by (le, action) (rate(ocpp_central_call_seconds_bucket[$__rate_interval])))",
            "{{action}}",
            "s",
        ),
        graph(
            "Failed an hour",
            f"increase(ocpp_central_call_errors_total{{{CHARGER}}}[1h])",
            "{{cp_id}} {{action}} {{error_type}}",
        ),
        graph(
            "Rejected an hour",
            f"increase(ocpp_central_call_rejected_total{{{CHARGER}}}[1h])",
            "{{cp_id}} {{action}} {{status}}",
        ),
        graph(
            "Answered late, an hour", f"increase(ocpp_central_call_late_total{{{CHARGER}}}[1h])", "{{cp_id}} {{action}}"
        ),
        graph("Waiting", f"ocpp_central_call_queue{{{CHARGER}}}", CP),
    ),
)
SERVER: Final = Row(
    "Server",
    (
        graph(
            "Messages answered within (99 %)",
            "histogram_quantile(0.99,"
            " sum by (le, message_type) (rate(ocpp_msg_handling_seconds_bucket[$__rate_interval])))",
            "{{message_type}}",
            "s",
        ),
        graph(
            "Messages a second",
            "sum by (message_type) (rate(ocpp_msg_handling_seconds_count[$__rate_interval]))",
            "{{message_type}}",
        ),
        graph(
            "Commits within (99 %)",
            "histogram_quantile(0.99, sum by (le) (rate(ocpp_commit_seconds_bucket[$__rate_interval])))",
            "commit",
            "s",
        ),
        graph(
            "Writes a commit",
            "rate(ocpp_commit_writes_sum[$__rate_interval]) / rate(ocpp_commit_writes_count[$__rate_interval])",
            "writes",
        ),
        Panel("Writer", (("ocpp_writer_queue", "waiting"), ("ocpp_writer_failing", "failing"))),
        graph("Loop lag", "ocpp_loop_lag_seconds", "lag", "s"),
        graph("Memory", 'process_resident_memory_bytes{job="levity-trio"}', "resident", "bytes"),
        graph(
            "CPU", 'rate(process_cpu_seconds_total{job="levity-trio"}[$__rate_interval])', "of a core", "percentunit"
        ),
        Panel(
            "Database",
            (
                ("ocpp_database_bytes", "file"),
                ("ocpp_database_wal_bytes", "WAL"),
                ("ocpp_disk_free_bytes", "free on its disk"),
            ),
            "bytes",
        ),
        Panel(
            "Frame log",
            (
                ("ocpp_frame_log_rows", "kept"),
                ("increase(ocpp_frame_log_pruned_total[1h])", "pruned an hour"),
                ("increase(ocpp_frame_log_dropped_total[1h])", "dropped an hour"),
                ("ocpp_frame_log_paused", "paused"),
            ),
        ),
        Panel(
            "Audit (Fluentd)",
            (
                ("ocpp_audit_lag_frames", "waiting"),
                ("increase(ocpp_audit_lost_frames_total[1h])", "lost an hour"),
                ("ocpp_audit_connected", "connected"),
            ),
        ),
        Panel(
            "For the operator: oldest",
            (("ocpp_set_aside_oldest_seconds", "set aside"), ("ocpp_reviews_oldest_seconds", "for review")),
            "s",
        ),
        table("Open reviews by code", "ocpp_reviews_open > 0"),
        graph("Plugins failed, an hour", "increase(ocpp_plugin_errors_total[1h])", "{{plugin}} {{hook}}"),
        graph("Clock trusted", "ocpp_clock_trusted", "trusted"),
        table("Version", "ocpp_build_info"),
    ),
)
IDENTITIES: Final = Row(
    "Identities", (graph("Identity shared, a day", f"increase(ocpp_identity_shared_total{{{CHARGER}}}[1d])", CP),)
)
ROWS: Final = (SITE, CHARGERS, CHARGING, COMMANDS, SERVER, IDENTITIES)


def dashboard() -> str:
    """The dashboard as JSON."""
    board = {
        "uid": "levity-trio",
        "title": "levity-trio",
        "tags": ["ocpp", "levity"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": list(_laid_out(ROWS)),
    }
    return json.dumps(board, indent=2) + "\n"


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


def _laid_out(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """The panels from left to right and from top to bottom, each row under its heading."""
    number, top = 0, 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            **_at(0, top, COLUMNS, 1),
        }
        left, top, height = 0, top + 1, 0
        for panel in row.panels:
            width, rows_high = panel.size
            if left + width > COLUMNS:
                left, top, height = 0, top + height, 0
            number += 1
            yield {"id": number, **_panel(panel), **_at(left, top, width, rows_high)}
            left, height = left + width, max(height, rows_high)
        top += height


def _at(left: int, top: int, width: int, height: int) -> dict[str, Any]:
    return {"gridPos": {"x": left, "y": top, "w": width, "h": height}}


def _panel(panel: Panel) -> dict[str, Any]:
    is_table = panel.kind == "table"
    return {
        "type": panel.kind,
        "title": panel.title,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": DATASOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": is_table,
                "range": not is_table,
                "format": "table" if is_table else "time_series",
            }
            for index, (expression, legend) in enumerate(panel.queries)
        ],
    }
