"""The panels of the Grafana dashboard in a compact form: those for the owner, and those for
troubleshooting.

dashboard.py lays them out and converts them for Grafana.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from levity_trio.records import record

Colour = str
Steps = tuple[tuple[float, Colour], ...]
CHARGER: Final = 'cp_id=~"$cp"'
CP: Final = "{{cp_id}}"
CONNECTOR: Final = "{{cp_id}} {{connector_id}}"


@record(kw_only=False)
class Column:
    """A column of a table."""

    shows: str
    """A label, or the letter of a query whose values it shows."""
    name: str
    unit: str = ""
    colours: Mapping[str, Colour] | None = None
    """The colours of certain values."""


@record
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


@record(kw_only=False)
class Row:
    """A group of panels under a heading. It is collapsed unless `is_open`."""

    title: str
    panels: tuple[Panel, ...]
    is_open: bool = False


def stat(
    title: str, description: str, expression: str, unit: str = "short", steps: Steps = ()
) -> Panel:
    """Return a panel with one large number."""
    queries = ((expression, ""),)
    return Panel(
        title=title,
        description=description,
        queries=queries,
        unit=unit,
        kind="stat",
        steps=steps,
        width=4,
        height=4,
    )


def graph(title: str, description: str, expression: str, legend: str, unit: str = "short") -> Panel:
    """Return a time series of one expression."""
    return graphs(title, description, unit, (expression, legend))


def graphs(title: str, description: str, unit: str, *queries: tuple[str, str]) -> Panel:
    """Return a time series of several expressions."""
    return Panel(title=title, description=description, queries=queries, unit=unit)


def table(
    title: str, description: str, columns: tuple[Column, ...], *expressions: str, width: int = 12
) -> Panel:
    """Return a table of the present values. The rows of several expressions are joined by their
    labels."""
    queries = tuple((expression, "") for expression in expressions)
    return Panel(
        title=title,
        description=description,
        queries=queries,
        kind="table",
        columns=columns,
        width=width,
    )


# For the owner: overall state, present sessions, energy (kWh), power (kW) and what needs attention

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
    return (
        f"{expression} * on (job, instance, cp_id, connector_id) group_left (transaction, id_tag) "
        f"{info}"
    )


def _by_charger(title: str, since: str) -> Panel:
    delivered = f"increase(ocpp_cp_energy_total_wh_total{{{CHARGER}}}[$__range])"
    too_much = (
        f'increase(ocpp_energy_corrected_wh_total{{{CHARGER},counter="delivered"}}[$__range])'
    )
    return Panel(
        title=title,
        description=(
            "Energy of completed sessions. This is an estimate from counters: bill from the "
            "database."
        ),
        queries=(
            (f"sort_desc((sum by (cp_id) ({delivered}) - sum by (cp_id) ({too_much})) / 1000)", CP),
        ),
        unit="kwatth",
        kind="bargauge",
        since=since,
        width=12,
    )


FIGURES: Final = (
    replace(
        stat(
            "Server",
            "Whether levity-trio responds.",
            'ocpp_central_up or on (instance) up{job="levity-trio"}',
        ),
        texts={1: ("up", "green"), 0: ("down", "red")},
    ),
    stat(
        "Chargers away",
        "Known chargers that are not connected. They report what they charge once they are back.",
        f"count(ocpp_cp_connected{{{CHARGER}}} == 0) or vector(0)",
        steps=BROKEN,
    ),
    stat(
        "Cars charging",
        "Open sessions, including paused ones.",
        f"sum(ocpp_tx_active{{{CHARGER}}}) or vector(0)",
    ),
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
        (
            "The open sessions, with the tag that started each. Power is as reported, or computed "
            "from the register."
        ),
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
        (
            "Alerts that are firing. The messages of Alertmanager, and levity-alerts.yml, say "
            "what to do."
        ),
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
        (
            "The oldest open reviews. `levity-trio help reviews` says what each reason means and "
            "what to do."
        ),
        (*WHERE, SESSION, Column("code", "Reason"), SINCE, Column("review", "Review")),
        f"1000 * ocpp_review_opened_ts{{{CHARGER}}}",
    ),
    table(
        "Messages set aside",
        (
            "The oldest messages that could not be linked to a session or handled, and that "
            "nobody has looked at."
        ),
        (CHARGER_COLUMN, Column("action", "Message"), SESSION, SINCE, Column("set_aside", "Row")),
        f"1000 * ocpp_set_aside_received_ts{{{CHARGER}}}",
    ),
)
NOW: Final = Row("Now", (*FIGURES, *TABLES), is_open=True)


# For troubleshooting: chargers, sessions, commands, the server and its database


def _per_day(counter: str) -> str:
    return f"increase({counter}{{{CHARGER}}}[1d])"


def _per_hour(counter: str) -> str:
    return f"increase({counter}{{{CHARGER}}}[1h])"


def _kilo(expression: str) -> str:
    return f"{expression} / 1000"


def _within(share: float, histogram: str, by: str) -> str:
    buckets = f"sum by ({by}) (rate({histogram}_bucket[$__rate_interval]))"
    return f"histogram_quantile({share}, {buckets})"


def _of_server(metric: str) -> str:
    return f'{metric}{{job="levity-trio"}}'


CHARGERS: Final = Row(
    "Chargers",
    (
        graph(
            "Connected", "1 while the charger is connected.", f"ocpp_cp_connected{{{CHARGER}}}", CP
        ),
        graph(
            "Last byte",
            "Age of the last received byte, while connected.",
            f"ocpp_cp_link_age_seconds{{{CHARGER}}}",
            CP,
            "s",
        ),
        graph(
            "Last heartbeat",
            "Time since the last Heartbeat. Some chargers send none.",
            f"time() - ocpp_cp_last_heartbeat_ts{{{CHARGER}}}",
            CP,
            "s",
        ),
        graph(
            "Disconnections per day",
            "Lost connections, without those that the server closed when it stopped.",
            _per_day("ocpp_cp_disconnects_total"),
            CP,
        ),
        graph("Boots per day", "BootNotifications.", _per_day("ocpp_cp_boots_total"), CP),
        graph(
            "Errors per day",
            "Reported errorCodes. Each counts once until NoError follows.",
            _per_day("ocpp_cp_errors_total"),
            "{{cp_id}} {{error_type}}",
        ),
        graph(
            "Clock skew",
            "How far the charger's clock is ahead of the server's.",
            f"ocpp_cp_clock_skew_seconds{{{CHARGER}}}",
            CP,
            "s",
        ),
        graph(
            "Repairs per hour",
            "Repaired violations of the OCPP schemas, by kind.",
            f"sum by (cp_id, kind) ({_per_hour('ocpp_repairs_total')})",
            "{{cp_id}} {{kind}}",
        ),
        graph(
            "Refused per hour",
            "Messages answered with a CALLERROR.",
            "sum by (action, code) (increase(ocpp_refusals_total[1h]))",
            "{{action}} {{code}}",
        ),
        graph(
            "Messages not acknowledged per day",
            "Transaction messages above --max-starts or a limit derived from it.",
            _per_day("ocpp_messages_refused_total"),
            CP,
        ),
        graph(
            "Handshakes refused per hour",
            "By HTTP status. 1002: the charger did not offer OCPP 1.6.",
            "increase(ocpp_handshakes_refused_total[1h])",
            "{{status}}",
        ),
        graph(
            "Malformed frames per hour",
            "Frames that are not OCPP-J, and responses to no call.",
            "increase(ocpp_frames_of_no_use_total[1h])",
            "{{kind}}",
        ),
        graph(
            "Shared identities per day",
            "Times that two clients appeared to use one identity.",
            _per_day("ocpp_identity_shared_total"),
            CP,
        ),
    ),
)
CHARGING: Final = Row(
    "Charging",
    (
        graph(
            "Open sessions",
            "1 while a transaction is open.",
            f"ocpp_tx_active{{{CHARGER}}}",
            CONNECTOR,
        ),
        graph(
            "Energy of open sessions",
            "Energy since the start of each session.",
            _kilo(f"ocpp_tx_energy_wh{{{CHARGER}}}"),
            CONNECTOR,
            "kwatth",
        ),
        graph(
            "Power",
            "As reported, or computed from the register.",
            _kilo(f"ocpp_tx_power_w{{{CHARGER}}}"),
            CONNECTOR,
            "kwatt",
        ),
        graphs(
            "Current and its limit",
            "Current of the highest phase, and the current offered to the car.",
            "amp",
            (f"ocpp_cp_current_a{{{CHARGER}}}", CONNECTOR),
            (f"ocpp_cp_current_limit_a{{{CHARGER}}}", f"{CONNECTOR} limit"),
        ),
        graph(
            "Energy per day",
            "Energy of completed sessions.",
            _kilo(_per_day("ocpp_cp_energy_total_wh_total")),
            CP,
            "kwatth",
        ),
        graph("Sessions per day", "Started transactions.", _per_day("ocpp_tx_total"), CP),
        graph(
            "Last session",
            "Time since the end of the last transaction.",
            f"time() - ocpp_cp_last_tx_ts{{{CHARGER}}}",
            CP,
            "s",
        ),
        graph(
            "Interruptions per day",
            "Lost connections and boots during an open transaction.",
            _per_day("ocpp_cp_reconnect_during_tx_total"),
            CP,
        ),
        graph(
            "Suspended",
            "1 while an open transaction is suspended: its charger booted or is away.",
            f"ocpp_tx_suspended{{{CHARGER}}}",
            CONNECTOR,
        ),
        graph(
            "Closed by the system, per day",
            "Orphaned transactions: no stop was received.",
            _per_day("ocpp_tx_orphans_closed_total"),
            "{{cp_id}} {{reason}}",
        ),
        graph(
            "Energy jumps per day",
            "Steps of a register, backwards or forwards, that power and time do not explain.",
            _per_day("ocpp_energy_jump_total"),
            CP,
        ),
        graph(
            "Unbilled energy per day",
            "Advance of a register between two transactions.",
            _kilo(_per_day("ocpp_energy_unbilled_wh_total")),
            CP,
            "kwatth",
        ),
        graph(
            "Automatic starts per day",
            "Outcome of each plug-in, with --enable-auto-start.",
            _per_day("ocpp_auto_start_total"),
            "{{cp_id}} {{outcome}}",
        ),
    ),
)
COMMANDS: Final = Row(
    "Commands",
    (
        graph(
            "Response time (95 %)",
            "Time that chargers take to respond to calls of the server.",
            _within(0.95, "ocpp_central_call_seconds", "le, action"),
            "{{action}}",
            "s",
        ),
        graph(
            "Failed per hour",
            "Calls without a result: timeout, gone (disconnected), or the code of the CALLERROR.",
            _per_hour("ocpp_central_call_errors_total"),
            "{{cp_id}} {{action}} {{error_type}}",
        ),
        graph(
            "Rejected per hour",
            "Calls with a response other than Accepted.",
            _per_hour("ocpp_central_call_rejected_total"),
            "{{cp_id}} {{action}} {{status}}",
        ),
        graph(
            "Late responses per hour",
            "Responses that arrived after --response-timeout.",
            _per_hour("ocpp_central_call_late_total"),
            "{{cp_id}} {{action}}",
        ),
        graph(
            "Waiting",
            "Calls of the server that wait for the charger.",
            f"ocpp_central_call_queue{{{CHARGER}}}",
            CP,
        ),
    ),
)
SERVER: Final = Row(
    "Server",
    (
        graph(
            "Handling time (99 %)",
            "Time from a charger's message to its response, which follows the commit.",
            _within(0.99, "ocpp_msg_handling_seconds", "le, message_type"),
            "{{message_type}}",
            "s",
        ),
        graph(
            "Messages per second",
            "Messages of all chargers, by action.",
            "sum by (message_type) (rate(ocpp_msg_handling_seconds_count[$__rate_interval]))",
            "{{message_type}}",
            "reqps",
        ),
        graph(
            "Loop lag",
            "Maximum delay of the event loop in 15 s.",
            "ocpp_loop_lag_seconds",
            "lag",
            "s",
        ),
        graph(
            "Memory",
            "Resident memory of the process.",
            _of_server("process_resident_memory_bytes"),
            "resident",
            "bytes",
        ),
        graph(
            "CPU",
            "Share of one core.",
            f"rate({_of_server('process_cpu_seconds_total')}[$__rate_interval])",
            "of a core",
            "percentunit",
        ),
        graph(
            "Plugin failures per hour",
            "The log has the tracebacks.",
            "increase(ocpp_plugin_errors_total[1h])",
            "{{plugin}} {{hook}}",
        ),
        graph(
            "Clock trusted",
            "1 while this machine's clock can be trusted.",
            "ocpp_clock_trusted",
            "trusted",
        ),
        table(
            "Version",
            "Installed versions.",
            (
                Column("version", "levity-trio"),
                Column("python", "Python"),
                Column("sqlite", "SQLite"),
            ),
            "ocpp_build_info",
        ),
    ),
)
STORAGE: Final = Row(
    "Storage",
    (
        graph(
            "Commit time (99 %)",
            "Time from BEGIN to COMMIT.",
            _within(0.99, "ocpp_commit_seconds", "le"),
            "commit",
            "s",
        ),
        graph(
            "Writes per commit",
            "Number of writes that share a commit.",
            (
                "rate(ocpp_commit_writes_sum[$__rate_interval]) / "
                "rate(ocpp_commit_writes_count[$__rate_interval])"
            ),
            "writes",
        ),
        graphs(
            "Writer",
            (
                "Number of waiting writes; 1 while the database cannot be written; 1 if its file "
                "is damaged."
            ),
            "short",
            ("ocpp_writer_queue", "waiting"),
            ("ocpp_writer_failing", "failing"),
            ("ocpp_database_damaged", "damaged"),
        ),
        graphs(
            "Database",
            "Sizes of its files, and the free space on its disk.",
            "bytes",
            ("ocpp_database_bytes", "file"),
            ("ocpp_database_wal_bytes", "WAL"),
            ("ocpp_disk_free_bytes", "free on its disk"),
        ),
        graphs(
            "Frame log",
            "Stored frames (--log-days, --log-max-mb), and those pruned or dropped.",
            "short",
            ("ocpp_frame_log_rows", "stored"),
            ("increase(ocpp_frame_log_pruned_total[1h])", "pruned per hour"),
            ("increase(ocpp_frame_log_dropped_total[1h])", "dropped per hour"),
            ("ocpp_frame_log_paused", "paused"),
        ),
        graphs(
            "Audit (Fluentd)",
            "Frames that Fluentd has not acknowledged, and frames pruned before it received them.",
            "short",
            ("ocpp_audit_lag_frames", "waiting"),
            ("increase(ocpp_audit_lost_frames_total[1h])", "lost per hour"),
            ("ocpp_audit_connected", "connected"),
        ),
        graphs(
            "MQTT",
            "Facts that the broker has not acknowledged, and whether it is connected.",
            "short",
            ("ocpp_mqtt_facts_waiting", "waiting"),
            ("ocpp_mqtt_connected", "connected"),
        ),
        graphs(
            "Other backends",
            "How far other backends are behind with what chargers told.",
            "s",
            ("max by (backend) (ocpp_backend_behind_seconds)", "{{backend}}"),
        ),
        graphs(
            "Oldest open item",
            "Age of the oldest message set aside and of the oldest open review.",
            "s",
            ("ocpp_set_aside_oldest_seconds", "set aside"),
            ("ocpp_reviews_oldest_seconds", "review"),
        ),
        table(
            "Open reviews by reason",
            "Number of open reviews for each reason.",
            (Column("code", "Reason"), Column("A", "Reviews")),
            "ocpp_reviews_open > 0",
        ),
    ),
)
ROWS: Final = (CHARGERS, CHARGING, COMMANDS, SERVER, STORAGE)
