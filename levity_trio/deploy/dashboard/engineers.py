"""Panels for troubleshooting: chargers, sessions, commands, the server and its database."""

from __future__ import annotations

from typing import Final

from levity_trio.deploy.dashboard.panels import CHARGER, CONNECTOR, CP, Column, Row, graph, graphs, table


def _a_day(counter: str) -> str:
    return f"increase({counter}{{{CHARGER}}}[1d])"


def _an_hour(counter: str) -> str:
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
            "Time since the last byte from a connected charger.",
            f"ocpp_cp_link_age_seconds{{{CHARGER}}}",
            CP,
            "s",
        ),
        graph(
            "Last heartbeat",
            "Time since the charger's last Heartbeat; some chargers send none.",
            f"time() - ocpp_cp_last_heartbeat_ts{{{CHARGER}}}",
            CP,
            "s",
        ),
        graph(
            "Disconnections a day",
            "Connections that ended, except at server stops.",
            _a_day("ocpp_cp_disconnects_total"),
            CP,
        ),
        graph("Boots a day", "BootNotifications received.", _a_day("ocpp_cp_boots_total"), CP),
        graph(
            "Errors a day",
            "Reported errorCodes; each is counted once until NoError clears it.",
            _a_day("ocpp_cp_errors_total"),
            "{{cp_id}} {{error_type}}",
        ),
        graph(
            "Clock skew",
            "Time by which the charger's clock is ahead of the server's.",
            f"ocpp_cp_clock_skew_seconds{{{CHARGER}}}",
            CP,
            "s",
        ),
        graph(
            "Repairs an hour",
            "Repaired violations of the OCPP schemas in the charger's messages, by kind.",
            f"sum by (cp_id, kind) ({_an_hour('ocpp_repairs_total')})",
            "{{cp_id}} {{kind}}",
        ),
        graph(
            "Refused an hour",
            "Messages answered with a CALLERROR.",
            "sum by (action, code) (increase(ocpp_refusals_total[1h]))",
            "{{action}} {{code}}",
        ),
        graph(
            "Not acknowledged a day",
            "Transaction messages above --max-starts or a limit derived from it.",
            _a_day("ocpp_messages_refused_total"),
            CP,
        ),
        graph(
            "Handshakes refused an hour",
            "Refused handshakes by HTTP status; 1002: OCPP 1.6 was not offered as a subprotocol.",
            "increase(ocpp_handshakes_refused_total[1h])",
            "{{status}}",
        ),
        graph(
            "Malformed frames an hour",
            "Malformed OCPP-J frames, and responses that match no call.",
            "increase(ocpp_frames_of_no_use_total[1h])",
            "{{kind}}",
        ),
        graph(
            "Identity shared, a day",
            "Times that two chargers appeared to share an identity.",
            _a_day("ocpp_identity_shared_total"),
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
            "Energy of open sessions since their start.",
            _kilo(f"ocpp_tx_energy_wh{{{CHARGER}}}"),
            CONNECTOR,
            "kwatth",
        ),
        graph(
            "Power",
            "Power as reported, or derived from the register.",
            _kilo(f"ocpp_tx_power_w{{{CHARGER}}}"),
            CONNECTOR,
            "kwatt",
        ),
        graphs(
            "Current and its limit",
            "Current of the largest phase, and the current offered to the car.",
            "amp",
            (f"ocpp_cp_current_a{{{CHARGER}}}", CONNECTOR),
            (f"ocpp_cp_current_limit_a{{{CHARGER}}}", f"{CONNECTOR} limit"),
        ),
        graph(
            "Energy a day", "Energy of ended sessions.", _kilo(_a_day("ocpp_cp_energy_total_wh_total")), CP, "kwatth"
        ),
        graph("Sessions a day", "Transactions started.", _a_day("ocpp_tx_total"), CP),
        graph(
            "Last session",
            "Time since the end of the charger's last transaction.",
            f"time() - ocpp_cp_last_tx_ts{{{CHARGER}}}",
            CP,
            "s",
        ),
        graph(
            "Disconnected while charging, a day",
            "Lost connections and boots during a transaction.",
            _a_day("ocpp_cp_reconnect_during_tx_total"),
            CP,
        ),
        graph(
            "Suspended",
            "1 while the open transaction is suspended: its charger is away or has booted.",
            f"ocpp_tx_suspended{{{CHARGER}}}",
            CONNECTOR,
        ),
        graph(
            "Closed by the system, a day",
            "Orphaned transactions, whose stop did not arrive.",
            _a_day("ocpp_tx_orphans_closed_total"),
            "{{cp_id}} {{reason}}",
        ),
        graph(
            "Energy jumps a day",
            "Changes of a register, up or down, that power and time do not explain.",
            _a_day("ocpp_energy_jump_total"),
            CP,
        ),
        graph(
            "Unbilled energy, a day",
            "Energy registered between two transactions.",
            _kilo(_a_day("ocpp_energy_unbilled_wh_total")),
            CP,
            "kwatth",
        ),
        graph(
            "Automatic starts a day",
            "Outcomes of automatic remote starts (--enable-auto-start).",
            _a_day("ocpp_auto_start_total"),
            "{{cp_id}} {{outcome}}",
        ),
    ),
)
COMMANDS: Final = Row(
    "Commands",
    (
        graph(
            "Answered within (95 %)",
            "Time until chargers respond to calls.",
            _within(0.95, "ocpp_central_call_seconds", "le, action"),
            "{{action}}",
            "s",
        ),
        graph(
            "Failed an hour",
            "Calls without a result: timeout, gone (connection ended), or the CALLERROR code.",
            _an_hour("ocpp_central_call_errors_total"),
            "{{cp_id}} {{action}} {{error_type}}",
        ),
        graph(
            "Rejected an hour",
            "Calls answered with a status other than success.",
            _an_hour("ocpp_central_call_rejected_total"),
            "{{cp_id}} {{action}} {{status}}",
        ),
        graph(
            "Answered late, an hour",
            "Responses that arrived after --response-timeout.",
            _an_hour("ocpp_central_call_late_total"),
            "{{cp_id}} {{action}}",
        ),
        graph(
            "Queued calls",
            "Calls queued for the charger or awaiting its response.",
            f"ocpp_central_call_queue{{{CHARGER}}}",
            CP,
        ),
    ),
)
SERVER: Final = Row(
    "Server",
    (
        graph(
            "Messages answered within (99 %)",
            "Time from a charger's message to the response, which is sent after the commit.",
            _within(0.99, "ocpp_msg_handling_seconds", "le, message_type"),
            "{{message_type}}",
            "s",
        ),
        graph(
            "Messages a second",
            "Messages of all chargers, by action.",
            "sum by (message_type) (rate(ocpp_msg_handling_seconds_count[$__rate_interval]))",
            "{{message_type}}",
            "reqps",
        ),
        graph("Loop lag", "Maximum delay of the event loop in the last 15 s.", "ocpp_loop_lag_seconds", "lag", "s"),
        graph("Memory", "Resident memory.", _of_server("process_resident_memory_bytes"), "resident", "bytes"),
        graph(
            "CPU",
            "CPU time as a share of one core.",
            f"rate({_of_server('process_cpu_seconds_total')}[$__rate_interval])",
            "of a core",
            "percentunit",
        ),
        graph(
            "Plugins failed, an hour",
            "Failures of plugins; the log has the tracebacks.",
            "increase(ocpp_plugin_errors_total[1h])",
            "{{plugin}} {{hook}}",
        ),
        graph("Clock trusted", "1 while the server's clock is trusted.", "ocpp_clock_trusted", "trusted"),
        table(
            "Version",
            "Running versions.",
            (Column("version", "levity-trio"), Column("python", "Python"), Column("sqlite", "SQLite")),
            "ocpp_build_info",
        ),
    ),
)
STORAGE: Final = Row(
    "Storage",
    (
        graph(
            "Commits within (99 %)",
            "Time from BEGIN to COMMIT.",
            _within(0.99, "ocpp_commit_seconds", "le"),
            "commit",
            "s",
        ),
        graph(
            "Writes a commit",
            "Average number of writes per commit.",
            "rate(ocpp_commit_writes_sum[$__rate_interval]) / rate(ocpp_commit_writes_count[$__rate_interval])",
            "writes",
        ),
        graphs(
            "Writer",
            "Writes waiting for a commit, and 1 while the database rejects commits.",
            "short",
            ("ocpp_writer_queue", "waiting"),
            ("ocpp_writer_failing", "failing"),
        ),
        graphs(
            "Database",
            "Sizes of the database's files, and free space on their disk.",
            "bytes",
            ("ocpp_database_bytes", "file"),
            ("ocpp_database_wal_bytes", "WAL"),
            ("ocpp_disk_free_bytes", "free on its disk"),
        ),
        graphs(
            "Frame log",
            "Frames kept (--log-days, --log-max-mb), pruned and dropped.",
            "short",
            ("ocpp_frame_log_rows", "kept"),
            ("increase(ocpp_frame_log_pruned_total[1h])", "pruned an hour"),
            ("increase(ocpp_frame_log_dropped_total[1h])", "dropped an hour"),
            ("ocpp_frame_log_paused", "paused"),
        ),
        graphs(
            "Audit (Fluentd)",
            "Frames not yet acknowledged by Fluentd, and frames pruned before they were.",
            "short",
            ("ocpp_audit_lag_frames", "waiting"),
            ("increase(ocpp_audit_lost_frames_total[1h])", "lost an hour"),
            ("ocpp_audit_connected", "connected"),
        ),
        graphs(
            "Oldest item awaiting a person",
            "Age of the oldest message set aside and of the oldest open review.",
            "s",
            ("ocpp_set_aside_oldest_seconds", "set aside"),
            ("ocpp_reviews_oldest_seconds", "review"),
        ),
        table(
            "Open reviews by reason",
            "Number of open reviews by review code.",
            (Column("code", "Reason"), Column("A", "Reviews")),
            "ocpp_reviews_open > 0",
        ),
    ),
)
ROWS: Final = (CHARGERS, CHARGING, COMMANDS, SERVER, STORAGE)
