"""All names: Levity's twenty as they were, so that its board and its alerts go on working, and ours beside them."""

from __future__ import annotations

from typing import Any, TypeVar

from levity_trio.plugins.prometheus.series import CHARGER, Counter, Family, Gauge, Histogram, Series, WriteHistogram

S = TypeVar("S", bound=Series)
CONNECTOR = ("cp_id", "connector_id")


class Metrics:
    """The families of one server, in the order in which they are told."""

    def __init__(self) -> None:
        self.families: list[Family[Any]] = []
        self._add_levitys_chargers()
        self._add_levitys_transactions()
        self._add_chargers()
        self._add_energy()
        self._add_calls()
        self._add_server()
        self._add_store()
        self._add_waiting()
        self._add_frames()

    def begin(self, is_audited: bool) -> None:
        """Let all series begin that have no labels, those of the audit only where there is one."""
        audit: tuple[Family[Any], ...] = (self.audit_lag, self.audit_lost, self.audit_connected)
        for family in self.families:
            if not family.labels and (is_audited or family not in audit):
                series = family[()]
                if isinstance(series, Counter):
                    series.set(0)
        self.up[()].value = 1

    def _add(self, kind: type[S], name: str, labels: tuple[str, ...], text: str) -> Family[S]:
        family = Family(kind, name, text, labels)
        self.families.append(family)
        return family

    def _add_levitys_chargers(self) -> None:
        add = self._add
        self.up = add(Gauge, "ocpp_central_up", (), "1 while the server runs.")
        self.handling = add(
            Histogram,
            "ocpp_msg_handling_seconds",
            ("cp_id", "message_type"),
            "Seconds from a charger's message to its answer.",
        )
        self.connected = add(Gauge, "ocpp_cp_connected", CHARGER, "1 while the charger is connected.")
        self.heartbeat_at = add(Gauge, "ocpp_cp_last_heartbeat_ts", CHARGER, "Unix time of its last Heartbeat.")
        self.message_at = add(Gauge, "ocpp_cp_last_msg_ts", CHARGER, "Unix time of its last message.")
        self.stop_at = add(Gauge, "ocpp_cp_last_tx_ts", CHARGER, "Unix time of the end of its last transaction.")
        self.status = add(
            Gauge,
            "ocpp_cp_status",
            CHARGER,
            "Status of connector 0: Available 0, Preparing 1, Charging 2, SuspendedEVSE 3, SuspendedEV 4, Finishing 5,"
            " Reserved 6, Unavailable 7, Faulted 8, else -1.",
        )
        self.disconnects = add(Counter, "ocpp_cp_disconnects_total", CHARGER, "Connections that ended but by our stop.")
        self.errors = add(
            Counter,
            "ocpp_cp_errors_total",
            ("cp_id", "error_type"),
            "Errors that it reported, each once until NoError follows.",
        )
        self.boots = add(Counter, "ocpp_cp_boots_total", CHARGER, "BootNotifications.")
        self.outages = add(
            Counter,
            "ocpp_cp_reconnect_during_tx_total",
            CHARGER,
            "Lost connections and boots with a transaction running, an outage once.",
        )

    def _add_levitys_transactions(self) -> None:
        add = self._add
        self.active = add(Gauge, "ocpp_tx_active", CONNECTOR, "1 while a transaction is open.")
        self.open = add(
            Gauge,
            "ocpp_tx_info",
            (*CONNECTOR, "transaction", "id_tag"),
            "1 for the open transaction, with its id and its tag.",
        )
        self.started_at = add(Gauge, "ocpp_tx_start_ts", CONNECTOR, "Unix time of the start of the open transaction.")
        self.power = add(
            Gauge, "ocpp_tx_power_w", CONNECTOR, "Power of the open transaction, as reported or by its register."
        )
        self.energy = add(Gauge, "ocpp_tx_energy_wh", CONNECTOR, "Energy of the open transaction.")
        self.current = add(Gauge, "ocpp_cp_current_a", CONNECTOR, "Current of the open transaction, the largest phase.")
        self.limit = add(Gauge, "ocpp_cp_current_limit_a", CONNECTOR, "Current that it is offered.")
        self.transactions = add(Counter, "ocpp_tx_total", CHARGER, "Transactions that were started.")
        self.delivered = add(
            Counter, "ocpp_cp_energy_total_wh_total", CHARGER, "Energy of the transactions that were stopped."
        )
        self.jumps = add(
            Counter,
            "ocpp_energy_jump_total",
            CHARGER,
            "Steps back, or of over 10 kWh and more than the power comes to, between two readings.",
        )
        self.call_errors = add(
            Counter,
            "ocpp_central_call_errors_total",
            ("cp_id", "action", "error_type"),
            "Our calls without a result: timeout, gone, or the code of the error.",
        )
        self.call_rejections = add(
            Counter,
            "ocpp_central_call_rejected_total",
            ("cp_id", "action", "status"),
            "Our calls that were answered other than Accepted.",
        )

    def _add_chargers(self) -> None:
        add = self._add
        self.connector_status = add(
            Gauge, "ocpp_connector_status", (*CONNECTOR, "status"), "1 for the status of a connector; 0: the charger."
        )
        self.link_age = add(
            Gauge, "ocpp_cp_link_age_seconds", CHARGER, "Seconds since its last byte, while it is connected."
        )
        self.answers_pings = add(
            Gauge, "ocpp_cp_answers_pings", CHARGER, "1 once it has answered a ping on its present connection."
        )
        self.pings_off = add(
            Gauge,
            "ocpp_cp_pings_off",
            CHARGER,
            "1 where it is sent no pings, since it closed its connections after them.",
        )
        self.skew = add(Gauge, "ocpp_cp_clock_skew_seconds", CHARGER, "How far its clock is ahead of ours.")
        self.repairs = add(
            Counter, "ocpp_repairs_total", ("cp_id", "kind"), "What was mended in its messages, by what was wrong."
        )
        self.refusals = add(Counter, "ocpp_refusals_total", ("action", "code"), "Messages answered with an error.")
        self.useless = add(Counter, "ocpp_frames_of_no_use_total", ("kind",), "What was no frame, or answered nothing.")
        self.strangers = add(
            Counter,
            "ocpp_handshakes_refused_total",
            ("status",),
            "Handshakes that were refused, by the HTTP status; 1002: for their subprotocols.",
        )
        self.shared = add(
            Counter, "ocpp_identity_shared_total", CHARGER, "Times that two chargers seemed to use its identity."
        )

    def _add_energy(self) -> None:
        add = self._add
        self.unbilled = add(
            Counter,
            "ocpp_energy_unbilled_wh_total",
            CHARGER,
            "Energy that left between two transactions.",
        )
        self.corrected = add(
            Counter,
            "ocpp_energy_corrected_wh_total",
            ("cp_id", "counter"),
            "Energy that was counted as delivered or as unbilled and found too much later.",
        )
        self.suspended = add(
            Gauge, "ocpp_tx_suspended", CONNECTOR, "1 while an open transaction has no sign of its charger."
        )
        self.orphans = add(
            Counter, "ocpp_tx_orphans_closed_total", ("cp_id", "reason"), "Transactions that the system closed."
        )
        self.auto_starts = add(
            Counter, "ocpp_auto_start_total", ("cp_id", "outcome"), "Plug-ins, by what became of our own start."
        )

    def _add_calls(self) -> None:
        add = self._add
        self.call_seconds = add(
            Histogram, "ocpp_central_call_seconds", ("action",), "Seconds until our calls were answered."
        )
        self.call_late = add(
            Counter,
            "ocpp_central_call_late_total",
            ("cp_id", "action"),
            "Answers to our calls that came after their time was over.",
        )
        self.call_queue = add(Gauge, "ocpp_central_call_queue", CHARGER, "Our calls that wait for it.")

    def _add_server(self) -> None:
        add = self._add
        self.loop_lag = add(Gauge, "ocpp_loop_lag_seconds", (), "The latest that the event loop was in the last 15 s.")
        self.plugin_errors = add(Counter, "ocpp_plugin_errors_total", ("plugin", "hook"), "Failures of plugins.")
        self.clock_trusted = add(Gauge, "ocpp_clock_trusted", (), "1 while our own clock can be trusted.")
        self.build = add(Gauge, "ocpp_build_info", ("version", "python", "sqlite"), "What runs here.")

    def _add_store(self) -> None:
        add = self._add
        self.writer_queue = add(Gauge, "ocpp_writer_queue", (), "Writes that wait for a commit.")
        self.writer_failing = add(Gauge, "ocpp_writer_failing", (), "1 while the database refuses.")
        self.commit_seconds = add(Histogram, "ocpp_commit_seconds", (), "Seconds that a commit took.")
        self.commit_writes = add(WriteHistogram, "ocpp_commit_writes", (), "Writes that a commit held.")
        self.wal_bytes = add(Gauge, "ocpp_database_wal_bytes", (), "Size of the write-ahead log.")
        self.database_bytes = add(Gauge, "ocpp_database_bytes", (), "Size of the database without it.")
        self.disk_free = add(Gauge, "ocpp_disk_free_bytes", (), "What is free on the database's disk.")

    def _add_waiting(self) -> None:
        add = self._add
        self.set_aside = add(Gauge, "ocpp_set_aside_waiting", (), "Messages set aside that nobody looked at.")
        self.set_aside_age = add(Gauge, "ocpp_set_aside_oldest_seconds", (), "How long the oldest of them waits.")
        self.reviews = add(Gauge, "ocpp_reviews_waiting", (), "Transactions that a person should look at.")
        self.reviews_open = add(Gauge, "ocpp_reviews_open", ("code",), "Open reviews, by what is doubtful.")
        self.open_review = add(
            Gauge,
            "ocpp_review_opened_ts",
            ("cp_id", "connector_id", "transaction", "code", "review"),
            "Unix time at which a review was opened, for the oldest that are open; review: its id.",
        )
        self.one_set_aside = add(
            Gauge,
            "ocpp_set_aside_received_ts",
            ("cp_id", "action", "transaction", "set_aside"),
            "Unix time of receipt of a message set aside, for the oldest that wait; set_aside: its id.",
        )
        self.reviews_age = add(Gauge, "ocpp_reviews_oldest_seconds", (), "How long the oldest of them waits.")

    def _add_frames(self) -> None:
        add = self._add
        self.frame_rows = add(Gauge, "ocpp_frame_log_rows", (), "Frames in the log.")
        self.frames_dropped = add(
            Counter, "ocpp_frame_log_dropped_total", (), "Frames that were not logged, since too many waited."
        )
        self.frames_pruned = add(Counter, "ocpp_frame_log_pruned_total", (), "Frames that were pruned.")
        self.frames_paused = add(Gauge, "ocpp_frame_log_paused", (), "1 while no frames are logged.")
        self.audit_lag = add(Gauge, "ocpp_audit_lag_frames", (), "Frames that Fluentd has not acknowledged.")
        self.audit_lost = add(
            Counter, "ocpp_audit_lost_frames_total", (), "Frames that were pruned before Fluentd had them."
        )
        self.audit_connected = add(Gauge, "ocpp_audit_connected", (), "1 while Fluentd takes frames.")
