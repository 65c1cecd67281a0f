"""The panels for the owner: overall state, present sessions, energy (kWh), power (kW) and what needs attention."""

from __future__ import annotations

from typing import Final

from levity_trio.deploy.dashboard.panels import CHARGER, CP, Column, Panel, Row, stat, table, with_texts

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
    """Return the expression with the transaction id and tag of the open session as labels."""
    info = f"ocpp_tx_info{{{CHARGER}}}"
    return f"{expression} * on (job, instance, cp_id, connector_id) group_left (transaction, id_tag) {info}"


def _by_charger(title: str, since: str) -> Panel:
    delivered = f"increase(ocpp_cp_energy_total_wh_total{{{CHARGER}}}[$__range])"
    too_much = f'increase(ocpp_energy_corrected_wh_total{{{CHARGER},counter="delivered"}}[$__range])'
    return Panel(
        title=title,
        description="Energy of completed sessions. This is an estimate from counters: bill from the database.",
        queries=((f"sort_desc((sum by (cp_id) ({delivered}) - sum by (cp_id) ({too_much})) / 1000)", CP),),
        unit="kwatth",
        kind="bargauge",
        since=since,
        width=12,
    )


FIGURES: Final = (
    with_texts(
        stat("Server", "Whether levity-trio responds.", 'ocpp_central_up or on (instance) up{job="levity-trio"}'),
        {1: ("up", "green"), 0: ("down", "red")},
    ),
    stat(
        "Chargers away",
        "Known chargers that are not connected. They report what they charge once they are back.",
        f"count(ocpp_cp_connected{{{CHARGER}}} == 0) or vector(0)",
        steps=BROKEN,
    ),
    stat("Cars charging", "Open sessions, including paused ones.", f"sum(ocpp_tx_active{{{CHARGER}}}) or vector(0)"),
    stat(
        "Power",
        "Total power as the chargers report it, or as computed from their registers.",
        f"sum(ocpp_tx_power_w{{{CHARGER}}}) / 1000 or vector(0)",
        "kwatt",
    ),
    stat(
        "Alerts",
        "Number of alerts that are firing. The table Needs attention lists them.",
        f"count({FIRING}) or vector(0)",
        steps=ATTENTION,
    ),
    stat(
        "Open reviews",
        "Sessions that a person should check before they are billed.",
        "ocpp_reviews_waiting",
        steps=ATTENTION,
    ),
)
TABLES: Final = (
    table(
        "Charging now",
        "The open sessions, with the tag that started each. Power is as reported, or computed from the register.",
        (
            *WHERE,
            Column("id_tag", "Tag"),
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
        "Alerts that are firing. The messages of Alertmanager, and levity-alerts.yml, say what to do.",
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
        "The last reported status of each connector. Connector 0 is the charger itself.",
        (*WHERE, Column("status", "Status", colours=STATUS_COLOURS)),
        f"ocpp_connector_status{{{CHARGER}}} == 1",
    ),
    table(
        "Reviews",
        "The oldest open reviews. `levity-trio help reviews` says what each reason means and what to do.",
        (*WHERE, SESSION, Column("code", "Reason"), SINCE, Column("review", "Review")),
        f"1000 * ocpp_review_opened_ts{{{CHARGER}}}",
    ),
    table(
        "Messages set aside",
        "The oldest messages that could not be linked to a session or handled, and that nobody has looked at.",
        (CHARGER_COLUMN, Column("action", "Message"), SESSION, SINCE, Column("set_aside", "Row")),
        f"1000 * ocpp_set_aside_received_ts{{{CHARGER}}}",
    ),
)
NOW: Final = Row("Now", (*FIGURES, *TABLES), is_open=True)
