"""What engineers look at when something is wrong: chargers, sessions, commands, the server and its database."""

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
        graph("Last byte", "Age of its last byte, while connected.", f"ocpp_cp_link_age_seconds{{{CHARGER}}}", CP, "s"),
        graph(
            "Last heartbeat",
            "Time since its last Heartbeat; some chargers send none.",
            f"time() - ocpp_cp_last_heartbeat_ts{{{CHARGER}}}",
            CP,
            "s",
        ),
        graph("Disconnections a day", "But for our own stops.", _a_day("ocpp_cp_disconnects_total"), CP),
        graph("Boots a day", "BootNotifications.", _a_day("ocpp_cp_boots_total"), CP),
        graph(
            "Errors a day",
            "errorCodes that it reported, each once until NoError follows.",
            _a_day("ocpp_cp_errors_total"),
            "{{cp_id}} {{error_type}}",
        ),
        graph("Clock skew", "How far its clock is ahead of ours.", f"ocpp_cp_clock_skew_seconds{{{CHARGER}}}", CP, "s"),
        graph(
            "Repairs an hour",
            "What broke the OCPP schemas in its messages and was repaired, by kind.",
            f"sum by (cp_id, kind) ({_an_hour('ocpp_repairs_total')})",
            "{{cp_id}} {{kind}}",
        ),
        graph(
            "Refused an hour",
            "Messages that were answered with a CALLERROR.",
            "sum by (action, code) (increase(ocpp_refusals_total[1h]))",
            "{{action}} {{code}}",
        ),
        graph(
            "Handshakes refused an hour",
            "By HTTP status; 1002: the charger offered no OCPP 1.6.",
            "increase(ocpp_handshakes_refused_total[1h])",
            "{{status}}",
        ),
        graph(
            "Malformed frames an hour",
            "What was no OCPP-J frame, or answered nothing.",
            "increase(ocpp_frames_of_no_use_total[1h])",
            "{{kind}}",
        ),
        graph(
            "Identity shared, a day",
            "Times that two chargers seemed to use one identity.",
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
            "Since their start.",
            _kilo(f"ocpp_tx_energy_wh{{{CHARGER}}}"),
            CONNECTOR,
            "kwatth",
        ),
        graph(
            "Power", "As reported, else by the register.", _kilo(f"ocpp_tx_power_w{{{CHARGER}}}"), CONNECTOR, "kwatt"
        ),
        graphs(
            "Current and its limit",
            "The largest phase, and what the car is offered.",
            "amp",
            (f"ocpp_cp_current_a{{{CHARGER}}}", CONNECTOR),
            (f"ocpp_cp_current_limit_a{{{CHARGER}}}", f"{CONNECTOR} limit"),
        ),
        graph("Energy a day", "Of sessions that ended.", _kilo(_a_day("ocpp_cp_energy_total_wh_total")), CP, "kwatth"),
        graph("Sessions a day", "Transactions that were started.", _a_day("ocpp_tx_total"), CP),
        graph(
            "Last session",
            "Time since the end of its last transaction.",
            f"time() - ocpp_cp_last_tx_ts{{{CHARGER}}}",
            CP,
            "s",
        ),
        graph(
            "Left while charging, a day",
            "Lost connections and boots with a transaction open.",
            _a_day("ocpp_cp_reconnect_during_tx_total"),
            CP,
        ),
        graph(
            "Suspended",
            "1 while an open transaction has no sign of its charger.",
            f"ocpp_tx_suspended{{{CHARGER}}}",
            CONNECTOR,
        ),
        graph(
            "Closed by the system, a day",
            "Transactions whose stop did not come.",
            _a_day("ocpp_tx_orphans_closed_total"),
            "{{cp_id}} {{reason}}",
        ),
        graph(
            "Energy jumps a day",
            "Steps of a register, back or on, that power and time do not explain.",
            _a_day("ocpp_energy_jump_total"),
            CP,
        ),
        graph(
            "Energy on no bill, a day",
            "What a register went on by between two transactions.",
            _kilo(_a_day("ocpp_energy_unbilled_wh_total")),
            CP,
            "kwatth",
        ),
        graph(
            "Automatic starts a day",
            "What became of each plug-in, with --enable-auto-start.",
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
            "How long chargers take to answer our calls.",
            _within(0.95, "ocpp_central_call_seconds", "le, action"),
            "{{action}}",
            "s",
        ),
        graph(
            "Failed an hour",
            "Calls without a result: timeout, gone, or the code of the CALLERROR.",
            _an_hour("ocpp_central_call_errors_total"),
            "{{cp_id}} {{action}} {{error_type}}",
        ),
        graph(
            "Rejected an hour",
            "Calls that were answered, but not with Accepted.",
            _an_hour("ocpp_central_call_rejected_total"),
            "{{cp_id}} {{action}} {{status}}",
        ),
        graph(
            "Answered late, an hour",
            "Answers that came after --response-timeout.",
            _an_hour("ocpp_central_call_late_total"),
            "{{cp_id}} {{action}}",
        ),
        graph("Waiting", "Our calls that wait for the charger.", f"ocpp_central_call_queue{{{CHARGER}}}", CP),
    ),
)
SERVER: Final = Row(
    "Server",
    (
        graph(
            "Messages answered within (99 %)",
            "From a charger's message to its answer, which follows the commit.",
            _within(0.99, "ocpp_msg_handling_seconds", "le, message_type"),
            "{{message_type}}",
            "s",
        ),
        graph(
            "Messages a second",
            "Of all chargers, by action.",
            "sum by (message_type) (rate(ocpp_msg_handling_seconds_count[$__rate_interval]))",
            "{{message_type}}",
            "reqps",
        ),
        graph("Loop lag", "The latest that the event loop was in 15 s.", "ocpp_loop_lag_seconds", "lag", "s"),
        graph("Memory", "Resident.", _of_server("process_resident_memory_bytes"), "resident", "bytes"),
        graph(
            "CPU",
            "Share of one core.",
            f"rate({_of_server('process_cpu_seconds_total')}[$__rate_interval])",
            "of a core",
            "percentunit",
        ),
        graph(
            "Plugins failed, an hour",
            "The log has the traceback.",
            "increase(ocpp_plugin_errors_total[1h])",
            "{{plugin}} {{hook}}",
        ),
        graph("Clock trusted", "1 while this machine's clock can be trusted.", "ocpp_clock_trusted", "trusted"),
        table(
            "Version",
            "What runs.",
            (Column("version", "levity-trio"), Column("python", "Python"), Column("sqlite", "SQLite")),
            "ocpp_build_info",
        ),
    ),
)
STORAGE: Final = Row(
    "Storage",
    (
        graph("Commits within (99 %)", "BEGIN to COMMIT.", _within(0.99, "ocpp_commit_seconds", "le"), "commit", "s"),
        graph(
            "Writes a commit",
            "How many share one.",
            "rate(ocpp_commit_writes_sum[$__rate_interval]) / rate(ocpp_commit_writes_count[$__rate_interval])",
            "writes",
        ),
        graphs(
            "Writer",
            "Writes that wait, and 1 while the database refuses.",
            "short",
            ("ocpp_writer_queue", "waiting"),
            ("ocpp_writer_failing", "failing"),
        ),
        graphs(
            "Database",
            "Its files, and what is free beside them.",
            "bytes",
            ("ocpp_database_bytes", "file"),
            ("ocpp_database_wal_bytes", "WAL"),
            ("ocpp_disk_free_bytes", "free on its disk"),
        ),
        graphs(
            "Frame log",
            "Frames that are kept (--log-days, --log-max-mb), and those that are not.",
            "short",
            ("ocpp_frame_log_rows", "kept"),
            ("increase(ocpp_frame_log_pruned_total[1h])", "pruned an hour"),
            ("increase(ocpp_frame_log_dropped_total[1h])", "dropped an hour"),
            ("ocpp_frame_log_paused", "paused"),
        ),
        graphs(
            "Audit (Fluentd)",
            "Frames that Fluentd has not acknowledged, and those that it will never get.",
            "short",
            ("ocpp_audit_lag_frames", "waiting"),
            ("increase(ocpp_audit_lost_frames_total[1h])", "lost an hour"),
            ("ocpp_audit_connected", "connected"),
        ),
        graphs(
            "Oldest that waits for a person",
            "Of the messages set aside, and of the open reviews.",
            "s",
            ("ocpp_set_aside_oldest_seconds", "set aside"),
            ("ocpp_reviews_oldest_seconds", "review"),
        ),
        table(
            "Open reviews by reason",
            "All of them.",
            (Column("code", "Reason"), Column("A", "Reviews")),
            "ocpp_reviews_open > 0",
        ),
    ),
)
ROWS: Final = (CHARGERS, CHARGING, COMMANDS, SERVER, STORAGE)
