"""All metrics: the twenty of Levity, unchanged for its dashboards and alerts, and further ones."""

from __future__ import annotations

from typing import Any, TypeVar

from levity_trio.plugins.prometheus.series import (
    CHARGER,
    Counter,
    Family,
    Gauge,
    Histogram,
    Series,
    WriteHistogram,
)

S = TypeVar("S", bound=Series)
CONNECTOR = ("cp_id", "connector_id")


class Metrics:
    """The metric families of one server, in the order of the page."""

    def __init__(self) -> None:
        self.families: list[Family[Any]] = []
        self._add_levitys_chargers()
        self._add_levitys_transactions()
        self._add_chargers()
        self._add_messages()
        self._add_access()
        self._add_energy()
        self._add_calls()
        self._add_server()
        self._add_store()
        self._add_waiting()
        self._add_frames()
        self._add_mqtt()
        self._add_backends()
        self._add_local_lists()
        self._add_load()
        self._add_limited()

    def begin(self, *, is_audited: bool, has_mqtt: bool) -> None:
        """Create all series without labels; those of the audit and of MQTT only if they are
        enabled."""
        left_out: list[Family[Any]] = []
        if not is_audited:
            left_out += [self.audit_lag, self.audit_lost, self.audit_connected]
        if not has_mqtt:
            left_out += [self.mqtt_connected, self.mqtt_waiting]
        for family in self.families:
            if not family.labels and family not in left_out:
                series = family[()]
                if isinstance(series, Counter):
                    series.set(0)
        self.up[()].value = 1

    def _add(
        self, kind: type[S], name: str, labels: tuple[str, ...], text: str, *, is_own: bool = True
    ) -> Family[S]:
        family = Family(kind, name, text, labels, is_own=is_own)
        self.families.append(family)
        return family

    def _add_of_site(
        self, kind: type[S], name: str, labels: tuple[str, ...], text: str
    ) -> Family[S]:
        """Add a family about the whole site, which one server exports for all: the one that has its
        duties."""
        return self._add(kind, name, labels, text, is_own=False)

    def _add_levitys_chargers(self) -> None:
        add, site = self._add, self._add_of_site
        self.up = add(Gauge, "ocpp_central_up", (), "1 while the server runs.")
        self.handling = add(
            Histogram,
            "ocpp_msg_handling_seconds",
            ("cp_id", "message_type"),
            "Seconds from receiving a charger's message to sending the response.",
        )
        self.connected = site(
            Gauge, "ocpp_cp_connected", CHARGER, "1 while the charger is connected."
        )
        self.away_together = site(
            Gauge,
            "ocpp_cp_away_together",
            CHARGER,
            "How many chargers went away together with this one, each within two minutes of "
            "another, if at least three did; 1 if not. Only while it is away.",
        )
        self.heartbeat_at = site(
            Gauge,
            "ocpp_cp_last_heartbeat_ts",
            CHARGER,
            "Unix time of the charger's last Heartbeat.",
        )
        self.message_at = add(
            Gauge, "ocpp_cp_last_msg_ts", CHARGER, "Unix time of the charger's last message."
        )
        self.stop_at = site(
            Gauge,
            "ocpp_cp_last_tx_ts",
            CHARGER,
            "Unix time at which the charger's last transaction ended.",
        )
        self.status = site(
            Gauge,
            "ocpp_cp_status",
            CHARGER,
            "Status of connector 0: Available 0, Preparing 1, Charging 2, SuspendedEVSE 3, "
            "SuspendedEV 4, Finishing 5, Reserved 6, Unavailable 7, Faulted 8, any other -1.",
        )
        self.disconnects = site(
            Counter,
            "ocpp_cp_disconnects_total",
            CHARGER,
            "Connections that ended, except at a server stop.",
        )
        self.errors = site(
            Counter,
            "ocpp_cp_errors_total",
            ("cp_id", "error_type"),
            "Errors reported by the charger; each is counted once until NoError clears it.",
        )
        self.boots = site(Counter, "ocpp_cp_boots_total", CHARGER, "BootNotifications received.")
        self.outages = site(
            Counter,
            "ocpp_cp_reconnect_during_tx_total",
            CHARGER,
            "Lost connections and boots during a transaction; each outage is counted once.",
        )

    def _add_levitys_transactions(self) -> None:
        add, site = self._add, self._add_of_site
        self.active = site(Gauge, "ocpp_tx_active", CONNECTOR, "1 while a transaction is open.")
        self.open = site(
            Gauge,
            "ocpp_tx_info",
            (*CONNECTOR, "transaction", "id_tag"),
            "1 for the open transaction, with its identifier and ID tag as labels.",
        )
        self.started_at = site(
            Gauge, "ocpp_tx_start_ts", CONNECTOR, "Unix time at which the open transaction started."
        )
        self.power = site(
            Gauge,
            "ocpp_tx_power_w",
            CONNECTOR,
            "Power of the open transaction in W, reported or derived from its register.",
        )
        self.energy = site(
            Gauge, "ocpp_tx_energy_wh", CONNECTOR, "Energy of the open transaction in Wh."
        )
        self.current = site(
            Gauge,
            "ocpp_cp_current_a",
            CONNECTOR,
            "Current of the open transaction in A, largest phase.",
        )
        self.limit = site(
            Gauge, "ocpp_cp_current_limit_a", CONNECTOR, "Current offered to the vehicle in A."
        )
        self.transactions = site(Counter, "ocpp_tx_total", CHARGER, "Transactions started.")
        self.delivered = site(
            Counter, "ocpp_cp_energy_total_wh_total", CHARGER, "Energy of ended transactions in Wh."
        )
        self.jumps = site(
            Counter,
            "ocpp_energy_jump_total",
            CHARGER,
            (
                "Register decreases, and increases above 10 kWh that power and time do not "
                "explain, between two readings."
            ),
        )
        self.call_errors = add(
            Counter,
            "ocpp_central_call_errors_total",
            ("cp_id", "action", "error_type"),
            (
                "Calls to the charger without a result: timeout, gone (connection ended), or the "
                "error code."
            ),
        )
        self.call_rejections = add(
            Counter,
            "ocpp_central_call_rejected_total",
            ("cp_id", "action", "status"),
            "Calls to the charger answered with a status other than success.",
        )

    def _add_chargers(self) -> None:
        add, site = self._add, self._add_of_site
        self.connector_status = site(
            Gauge,
            "ocpp_connector_status",
            (*CONNECTOR, "status"),
            "1 for the present status of a connector; connector 0 is the charger.",
        )
        self.differs = site(
            Gauge,
            "ocpp_connector_availability_differs",
            CONNECTOR,
            "1 while the connector's status differs from the availability that it was told.",
        )
        self.link_age = add(
            Gauge,
            "ocpp_cp_link_age_seconds",
            CHARGER,
            "Seconds since the last byte from a connected charger.",
        )
        self.answers_pings = add(
            Gauge,
            "ocpp_cp_answers_pings",
            CHARGER,
            "1 if the charger has answered a ping on its present connection.",
        )
        self.pings_off = site(
            Gauge,
            "ocpp_cp_pings_off",
            CHARGER,
            "1 if pings are off for the charger because it closed connections after them.",
        )
        self.certificate_expires_at = site(
            Gauge,
            "ocpp_cp_certificate_expires_ts",
            CHARGER,
            (
                "Unix time at which the last client certificate of a charger at security profile "
                "3 expires."
            ),
        )
        self.skew = site(
            Gauge,
            "ocpp_cp_clock_skew_seconds",
            CHARGER,
            "Seconds by which the charger's clock is ahead of the server's.",
        )

    def _add_messages(self) -> None:
        add, site = self._add, self._add_of_site
        self.repairs = add(
            Counter,
            "ocpp_repairs_total",
            ("cp_id", "kind"),
            "Repairs to malformed messages of the charger, by kind of fault.",
        )
        self.refusals = add(
            Counter,
            "ocpp_refusals_total",
            ("action", "code"),
            "Messages answered with a CALLERROR.",
        )
        self.malformed_frames = add(
            Counter,
            "ocpp_frames_of_no_use_total",
            ("kind",),
            "Malformed frames, and responses that match no call.",
        )
        self.refused = site(
            Counter,
            "ocpp_messages_refused_total",
            CHARGER,
            (
                "Transaction messages not acknowledged: the charger exceeded --max-starts or a "
                "limit derived from it."
            ),
        )
        self.facts_counted = site(
            Counter,
            "ocpp_facts_counted_total",
            ("cp_id", "kind"),
            (
                "Facts of the charger counted instead of stored, above the daily ceiling of their "
                "kind."
            ),
        )
        self.shared = site(
            Counter,
            "ocpp_identity_shared_total",
            CHARGER,
            "Times that two chargers appeared to share this identity.",
        )

    def _add_access(self) -> None:
        add, site = self._add, self._add_of_site
        self.authorizations = add(
            Counter,
            "ocpp_authorizations_total",
            ("action", "status"),
            "Tags that chargers presented, by the message and by what they were told.",
        )
        self.refused_handshakes = add(
            Counter,
            "ocpp_handshakes_refused_total",
            ("status", "reason"),
            "Refused handshakes by HTTP status and kind of reason; status 1002 means that OCPP "
            "1.6 was not offered as a subprotocol, 0 that the TLS handshake failed.",
        )
        self.messages = add(
            *(Counter, "ocpp_messages_to_people_total", ("channel", "outcome")),
            "Tries to send messages to people, by mail or push: sent, failed (tried again), "
            "refused (for good) or given up.",
        )
        self.digits = add(
            Counter,
            "ocpp_passwords_in_digits_total",
            CHARGER,
            (
                "Handshakes in which the charger presented the hexadecimal digits of its "
                "password, not its bytes."
            ),
        )
        self.security_events = site(
            Counter,
            "ocpp_security_events_total",
            ("cp_id", "type"),
            (
                "Security events that the charger reported, by the type of the whitepaper; any "
                "other type is `other`."
            ),
        )

    def _add_energy(self) -> None:
        add, site = self._add, self._add_of_site
        self.unbilled = site(
            Counter,
            "ocpp_energy_unbilled_wh_total",
            CHARGER,
            "Energy registered between two transactions in Wh.",
        )
        self.odd = add(
            Counter,
            "ocpp_charger_odd_total",
            ("cp_id", "cause"),
            "Facts ChargerOdd by cause: meter_exchanged, measures_nothing, comes_and_goes, "
            "new_serial.",
        )
        self.corrected = site(
            Counter,
            "ocpp_energy_corrected_wh_total",
            ("cp_id", "counter"),
            "Energy in Wh counted as delivered or unbilled and subtracted later.",
        )
        self.suspended = site(
            Gauge,
            "ocpp_tx_suspended",
            CONNECTOR,
            "1 while the open transaction is suspended: its charger is away or has booted.",
        )
        self.orphans = site(
            Counter,
            "ocpp_tx_orphans_closed_total",
            ("cp_id", "reason"),
            "Orphaned transactions closed by the system.",
        )
        self.auto_starts = add(
            Counter,
            "ocpp_auto_start_total",
            ("cp_id", "outcome"),
            "Automatic remote starts, by outcome.",
        )

    def _add_calls(self) -> None:
        add = self._add
        self.call_seconds = add(
            Histogram,
            "ocpp_central_call_seconds",
            ("action",),
            "Seconds until chargers responded to calls.",
        )
        self.call_late = add(
            Counter,
            "ocpp_central_call_late_total",
            ("cp_id", "action"),
            "Responses to calls that arrived after --response-timeout.",
        )
        self.call_queue = add(
            Gauge,
            "ocpp_central_call_queue",
            CHARGER,
            "Calls queued for the charger or awaiting its response.",
        )

    def _add_server(self) -> None:
        add = self._add
        self.loop_lag = add(
            Gauge, "ocpp_loop_lag_seconds", (), "Maximum delay of the event loop in the last 15 s."
        )
        self.plugin_errors = add(
            Counter, "ocpp_plugin_errors_total", ("plugin", "hook"), "Plugin failures, by hook."
        )
        self.clock_trusted = add(
            Gauge, "ocpp_clock_trusted", (), "1 while the server's clock is trusted."
        )
        self.build = add(
            Gauge,
            "ocpp_build_info",
            ("version", "python", "sqlite"),
            "Versions of levity-trio, Python and SQLite as labels; always 1.",
        )

    def _add_store(self) -> None:
        add, site = self._add, self._add_of_site
        self.writer_queue = add(Gauge, "ocpp_writer_queue", (), "Writes waiting for a commit.")
        self.writer_failing = add(
            Gauge, "ocpp_writer_failing", (), "1 while the database rejects commits."
        )
        self.database_damaged = add(
            Gauge,
            "ocpp_database_damaged",
            (),
            "1 after a write met a damaged page of the database file.",
        )
        self.commit_seconds = add(
            Histogram, "ocpp_commit_seconds", (), "Duration of a commit in seconds."
        )
        self.commit_writes = add(WriteHistogram, "ocpp_commit_writes", (), "Writes per commit.")
        self.wal_bytes = add(
            Gauge, "ocpp_database_wal_bytes", (), "Size of the write-ahead log in bytes."
        )
        self.database_bytes = site(
            Gauge,
            "ocpp_database_bytes",
            (),
            "Size of the database file in bytes, without the write-ahead log.",
        )
        self.disk_free = add(
            Gauge,
            "ocpp_disk_free_bytes",
            (),
            "Free space in bytes on the disk that holds the database.",
        )

    def _add_waiting(self) -> None:
        site = self._add_of_site
        self.set_aside = site(
            Gauge, "ocpp_set_aside_waiting", (), "Messages set aside that nobody has looked at."
        )
        self.set_aside_age = site(
            Gauge,
            "ocpp_set_aside_oldest_seconds",
            (),
            "Age of the oldest waiting message set aside.",
        )
        self.newcomers = site(
            Gauge, "ocpp_newcomers_waiting", (), "Chargers that wait to be adopted or refused."
        )
        words = (
            "Sessions that could not be booked, or of which the book was wrong when it was last "
            "compared."
        )
        self.not_booked = site(Gauge, "ocpp_sessions_not_booked", (), words)
        self.spent = site(
            Gauge, "ocpp_accounts_spent", (), "Prepaid accounts that may not charge until they pay."
        )
        self.reviews = site(Gauge, "ocpp_reviews_waiting", (), "Transactions with an open review.")
        self.reviews_open = site(
            Gauge, "ocpp_reviews_open", ("code",), "Open reviews, by review code."
        )
        self.open_review = site(
            Gauge,
            "ocpp_review_opened_ts",
            ("cp_id", "connector_id", "transaction", "code", "review"),
            (
                "Unix time at which a review was opened, for the oldest open reviews; label "
                "review is its identifier."
            ),
        )
        self.one_set_aside = site(
            Gauge,
            "ocpp_set_aside_received_ts",
            ("cp_id", "action", "transaction", "set_aside"),
            (
                "Unix time of receipt of a message set aside, for the oldest waiting; label "
                "set_aside is its identifier."
            ),
        )
        self.reviews_age = site(
            Gauge, "ocpp_reviews_oldest_seconds", (), "Age of the oldest open review."
        )

    def _add_frames(self) -> None:
        add, site = self._add, self._add_of_site
        self.frame_rows = site(Gauge, "ocpp_frame_log_rows", (), "Frames in the frame log.")
        self.frames_dropped = add(
            Counter,
            "ocpp_frame_log_dropped_total",
            (),
            "Frames not logged because too many were waiting.",
        )
        self.frames_pruned = site(
            Counter, "ocpp_frame_log_pruned_total", (), "Frames pruned from the frame log."
        )
        self.frames_paused = add(
            Gauge,
            "ocpp_frame_log_paused",
            (),
            "1 while the frame log is paused for lack of disk space.",
        )
        self.audit_lag = site(
            Gauge, "ocpp_audit_lag_frames", (), "Frames not yet acknowledged by Fluentd."
        )
        self.audit_lost = site(
            Counter,
            "ocpp_audit_lost_frames_total",
            (),
            "Frames pruned before Fluentd acknowledged them.",
        )
        self.webhook_given_up = site(
            Counter, "ocpp_webhook_given_up_total", (), "Facts never delivered to a webhook."
        )
        self.audit_connected = site(
            Gauge, "ocpp_audit_connected", (), "1 while Fluentd accepts frames."
        )

    def _add_mqtt(self) -> None:
        add = self._add_of_site
        self.mqtt_connected = add(
            Gauge, "ocpp_mqtt_connected", (), "1 while the broker of MQTT is connected."
        )
        self.mqtt_waiting = add(
            Gauge,
            "ocpp_mqtt_facts_waiting",
            (),
            "Facts that the broker of MQTT has not acknowledged.",
        )

    def _add_backends(self) -> None:
        site, copy = self._add_of_site, (*CHARGER, "backend")
        self.backend_connected = site(
            Gauge,
            "ocpp_backend_connected",
            copy,
            "1 while the copy of the charger is connected to the backend.",
        )
        self.backend_behind = site(
            Gauge,
            "ocpp_backend_behind_seconds",
            copy,
            "Seconds since when the backend lacks something of the charger, or is not connected.",
        )
        self.backend_told = site(
            Counter,
            "ocpp_backend_told_total",
            copy,
            "Messages of the charger that the backend has answered.",
        )
        self.backend_refused = site(
            Counter,
            "ocpp_backend_refused_total",
            ("backend",),
            "Messages that the backend refused, or that came too late for it.",
        )
        self.backend_certificate = site(
            Gauge,
            "ocpp_backend_certificate_expires_ts",
            ("backend",),
            "Unix time at which our certificate at the backend expires.",
        )

    def _add_local_lists(self) -> None:
        site = self._add_of_site
        self.list_version = site(
            Gauge,
            "ocpp_cp_local_list_version",
            CHARGER,
            "Version of the charger's local list; -1: it keeps none.",
        )
        self.list_behind = site(
            Gauge,
            "ocpp_cp_local_list_behind",
            CHARGER,
            "Tags that the charger's local list does not have as they should be.",
        )
        self.list_left_out = site(
            Gauge,
            "ocpp_cp_local_list_left_out",
            CHARGER,
            "Tags for which the charger's local list has no room.",
        )
        self.list_failures = site(
            Gauge,
            "ocpp_cp_local_list_failures",
            CHARGER,
            "Failures in a row to bring the charger its local list.",
        )
        self.list_paused = site(
            Gauge,
            "ocpp_cp_local_list_paused",
            CHARGER,
            "1 after a local list was sent by hand, until `local-list resume`.",
        )

    def _add_load(self) -> None:
        add, line = self._add_of_site, ("circuit", "phase")
        self.load = add(
            Gauge,
            "ocpp_load_amperes",
            (*line, "kind"),
            (
                "Current at a phase of a circuit in A: of the house, of the cars, and what cars "
                "may draw (permitted)."
            ),
        )
        self.load_limit = add(
            Gauge, "ocpp_load_limit_amperes", line, "Limit of a phase of a circuit in A."
        )
        self.load_over = add(
            Counter,
            "ocpp_load_over_limit_seconds_total",
            line,
            "Seconds for which the measured current at a phase of a circuit was above its limit.",
        )
        self.load_waiting = add(Gauge, "ocpp_load_waiting_cars", (), "Cars that wait for current.")
        self.load_meter_age = add(
            Gauge,
            "ocpp_load_meter_age_seconds",
            ("meter",),
            "Seconds since a meter of a circuit showed its currents.",
        )
        self.load_meter_silent = add(
            Gauge,
            "ocpp_load_meter_silent",
            ("meter",),
            "1 while a meter is silent: its highest of seven days counts.",
        )

        self.prices_missing = add(
            Gauge,
            "ocpp_prices_missing",
            ("series",),
            "1 while a series that is fetched lacks prices of today, or after 20:00 of tomorrow.",
        )

    def _add_limited(self) -> None:
        add = self._add_of_site
        self.load_limited = add(
            Gauge,
            "ocpp_load_limited",
            CHARGER,
            "1 while load management limits the charger, 0 until what it sent there is cleared.",
        )
        self.load_trusted = add(
            Gauge,
            "ocpp_load_trusted",
            CHARGER,
            (
                "1 if the charger passed a trial or a person trusts it, so that its maximum is "
                "not kept while it is away."
            ),
        )
        self.load_disobeys = add(
            Gauge, "ocpp_load_disobeys", CHARGER, "1 while the charger does not obey its limits."
        )
        self.load_ignored = add(
            Counter,
            "ocpp_load_limits_ignored_total",
            CHARGER,
            "Limits after which the car drew more all the same, or that were refused.",
        )
        self.load_lease = add(
            Gauge,
            "ocpp_load_lease_amperes",
            CONNECTOR,
            "Limit that load management last sent to a connector, in A.",
        )
        self.load_lease_ends_at = add(
            Gauge,
            "ocpp_load_lease_ends_ts",
            CONNECTOR,
            "Unix time at which that limit ends and the safe limit begins, if it ends.",
        )
        self.load_writes = add(
            Gauge,
            "ocpp_load_writes_today",
            CONNECTOR,
            (
                "Charging profiles sent to a connector on this day of UTC; they wear its flash "
                "memory out."
            ),
        )
        self.load_writes_most = add(
            Gauge,
            "ocpp_load_writes_a_day",
            (),
            "Charging profiles that may be sent to each connector a day.",
        )
