"""The panels for troubleshooting: chargers, sessions, commands, the server and its database."""

from __future__ import annotations

from typing import Final

from levity_trio.deploy.dashboard.panels import CHARGER, CONNECTOR, CP, Column, Row, graph, graphs, table


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
        graph("Connected", "1 while the charger is connected.", f"ocpp_cp_connected{{{CHARGER}}}", CP),
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
        graph("Open sessions", "1 while a transaction is open.", f"ocpp_tx_active{{{CHARGER}}}", CONNECTOR),
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
        graph("Waiting", "Calls of the server that wait for the charger.", f"ocpp_central_call_queue{{{CHARGER}}}", CP),
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
        graph("Loop lag", "Maximum delay of the event loop in 15 s.", "ocpp_loop_lag_seconds", "lag", "s"),
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
        graph("Clock trusted", "1 while this machine's clock can be trusted.", "ocpp_clock_trusted", "trusted"),
        table(
            "Version",
            "Installed versions.",
            (Column("version", "levity-trio"), Column("python", "Python"), Column("sqlite", "SQLite")),
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
            "rate(ocpp_commit_writes_sum[$__rate_interval]) / rate(ocpp_commit_writes_count[$__rate_interval])",
            "writes",
        ),
        graphs(
            "Writer",
            "Number of waiting writes; 1 while the database cannot be written; 1 if its file is damaged.",
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
