"""Panels for the owner: state, current charging, energy, and what needs attention. Energy in kWh, power in kW."""

from __future__ import annotations

from typing import Final

from levity_trio.deploy.dashboard.panels import CHARGER, CP, Column, Panel, Row, stat, table, worded

ATTENTION: Final = ((0, "green"), (1, "orange"))
BROKEN: Final = ((0, "green"), (1, "red"))
STATUS_COLOURS: Final = {
    "Charging": "green",
    "SuspendedEV": "blue",
    "SuspendedEVSE": "blue",
    "Faulted": "red",
    "Unavailable": "orange",
}
SEVERITY_COLOURS: Final = {"critical": "red", "warning": "orange"}
CHARGER_COLUMN: Final = Column("cp_id", "Charger")
WHERE: Final = (CHARGER_COLUMN, Column("connector_id", "Connector"))
SESSION: Final = Column("transaction", "Session")
SINCE: Final = Column("A", "Since", "dateTimeAsIsoNoDateIfToday")
FIRING: Final = 'ALERTS{alertstate="firing",alertname=~"Levity.+"}'


def _of_open(expression: str) -> str:
    """Add the transaction and ID tag of the open session to a per-connector expression."""
    info = f"ocpp_tx_info{{{CHARGER}}}"
    return f"{expression} * on (job, instance, cp_id, connector_id) group_left (transaction, id_tag) {info}"


def _by_charger(title: str, since: str) -> Panel:
    delivered = f"increase(ocpp_cp_energy_total_wh_total{{{CHARGER}}}[$__range])"
    too_much = f'increase(ocpp_energy_corrected_wh_total{{{CHARGER},counter="delivered"}}[$__range])'
    return Panel(
        title=title,
        text="Energy of ended sessions; an open one is added at its end. An estimate: bill from the database.",
        queries=((f"sort_desc((sum by (cp_id) ({delivered}) - sum by (cp_id) ({too_much})) / 1000)", CP),),
        unit="kwatth",
        kind="bargauge",
        since=since,
        width=12,
    )


FIGURES: Final = (
    worded(
        stat(
            "Server",
            "Whether levity-trio responds to scrapes.",
            'ocpp_central_up or on (instance) up{job="levity-trio"}',
        ),
        {1: ("up", "green"), 0: ("down", "red")},
    ),
    stat(
        "Chargers offline",
        "Known chargers that are not connected. They report sessions from this time when they reconnect.",
        f"count(ocpp_cp_connected{{{CHARGER}}} == 0) or vector(0)",
        steps=BROKEN,
    ),
    stat("Cars charging", "Open sessions, including paused ones.", f"sum(ocpp_tx_active{{{CHARGER}}}) or vector(0)"),
    stat(
        "Power",
        "Total power of all cars, as reported by the chargers or derived from their registers.",
        f"sum(ocpp_tx_power_w{{{CHARGER}}}) / 1000 or vector(0)",
        "kwatt",
    ),
    stat(
        "Alerts",
        "Number of firing alerts; see Needs attention.",
        f"count({FIRING}) or vector(0)",
        steps=ATTENTION,
    ),
    stat(
        "Open reviews",
        "Sessions that a person should review before billing.",
        "ocpp_reviews_waiting",
        steps=ATTENTION,
    ),
)
TABLES: Final = (
    table(
        "Charging now",
        "Open sessions. Who: the ID tag that started the session. Power as reported, or derived from the register.",
        (
            *WHERE,
            Column("id_tag", "Who"),
            SINCE,
            Column("B", "Energy", "kwatth"),
            Column("C", "Power", "kwatt"),
            SESSION,
        ),
        _of_open(f"1000 * ocpp_tx_start_ts{{{CHARGER}}}"),
        _of_open(f"ocpp_tx_energy_wh{{{CHARGER}}} / 1000"),
        _of_open(f"ocpp_tx_power_w{{{CHARGER}}} / 1000"),
        width=24,
    ),
    _by_charger("Energy today", "now/d"),
    _by_charger("Energy this month", "now/M"),
    table(
        "Needs attention",
        "Firing alerts. Alertmanager's messages and levity-alerts.yml describe what to do about each.",
        (
            Column("alertname", "Alert"),
            *WHERE,
            SESSION,
            Column("severity", "Severity", colours=SEVERITY_COLOURS),
        ),
        FIRING,
    ),
    table(
        "Connectors",
        "Last reported status. Connector 0 is the charger itself.",
        (*WHERE, Column("status", "Status", colours=STATUS_COLOURS)),
        f"ocpp_connector_status{{{CHARGER}}} == 1",
    ),
    table(
        "Reviews",
        "The oldest open reviews. The README explains each reason and what to do.",
        (*WHERE, SESSION, Column("code", "Reason"), SINCE, Column("review", "Review")),
        f"1000 * ocpp_review_opened_ts{{{CHARGER}}}",
    ),
    table(
        "Messages set aside",
        "The oldest messages that could not be handled or linked to a session, and that nobody has looked at.",
        (CHARGER_COLUMN, Column("action", "Message"), SESSION, SINCE, Column("set_aside", "Row")),
        f"1000 * ocpp_set_aside_received_ts{{{CHARGER}}}",
    ),
)
NOW: Final = Row("Now", (*FIGURES, *TABLES), is_open=True)
