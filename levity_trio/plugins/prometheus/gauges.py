"""The gauges, set at each scrape from the database and the server's present state.

Because they are read from the database, they have the same values before and after a restart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from levity_trio.charging.reviews import Code
from levity_trio.plugins.base import Limited, LinkState, Load
from levity_trio.plugins.prometheus.labels import (
    NO_STATUS_NUMBER,
    OTHER,
    STATUS_NUMBERS,
    connector_label,
)
from levity_trio.plugins.prometheus.metrics import Metrics
from levity_trio.plugins.prometheus.series import Family, Gauge
from levity_trio.store.engine.database import DatabaseSpace
from levity_trio.store.reads.chargers.configuration import LocalListStatus
from levity_trio.store.reads.money.tariffs import SeriesState
from levity_trio.store.reads.now.copies import CopyState
from levity_trio.store.reads.now.present import OperatorItems, Present, PresentCharger
from levity_trio.store.reads.site.receivers import MqttState
from levity_trio.store.reads.transactions.transactions import RunningTransaction
from levity_trio.store.writes.load.load import MANAGED

NO_CHARGERS = Present([], [], [], frozenset())
NO_STATUS = "Unknown"
"""The status of a charger that has not reported one."""
LABEL_CHARACTERS: Final = 40


class Gauges:
    """Sets the gauges at each scrape, in the thread that renders them."""

    def __init__(self, metrics: Metrics, connectors: Sequence[tuple[str, int | None]]) -> None:
        self._metrics = metrics
        self._statuses: dict[tuple[str, str], str] = {}
        for charger, connector in connectors:
            self._know(charger, connector)

    def update(
        self, present: Present, links: Sequence[LinkState], connected: Collection[str]
    ) -> None:
        """Set the gauges of chargers, connectors, transactions and connections."""
        for one in present.chargers:
            self._update_charger(one)
        differing = {(one.charger, one.connector) for one in present.differing}
        for charger, connector, status in present.connectors:
            self._know(charger, connector)
            self._set_status(charger, connector_label(connector), status)
            differs = (charger, connector) in differing
            self._metrics.differs[charger, connector_label(connector)].value = int(differs)
        self._update_transactions(present.transactions)
        expiries: dict[tuple[str, ...], str] = {
            (charger,): at for charger, at in present.certificates.items()
        }
        _set_times(self._metrics.certificate_expires_at, expiries)
        known = {charger.charger for charger in present.chargers}
        for charger in known:
            self._metrics.connected[charger,].value = int(charger in connected)
            together = None if charger in connected else present.away.get(charger)
            _set_known(self._metrics.away_together, (charger,), together)
        self._update_links(known, links)

    def update_waiting(self, waiting: OperatorItems, now: datetime) -> None:
        """Set the gauges of open reviews, messages set aside, newcomers and spent accounts."""
        metrics = self._metrics
        metrics.set_aside[()].value = waiting.set_aside
        metrics.set_aside_age[()].value = _seconds_since(waiting.set_aside_since, now)
        metrics.newcomers[()].value = waiting.newcomers
        metrics.spent[()].value = waiting.spent
        metrics.not_booked[()].value = waiting.not_booked
        metrics.reviews[()].value = waiting.reviews
        for code in Code:
            metrics.reviews_open[code.value,].value = waiting.open_reviews.get(code, 0)
        metrics.reviews_age[()].value = _seconds_since(waiting.reviews_since, now)
        _set_times(
            metrics.open_review,
            {
                (
                    review.charger,
                    connector_label(review.connector),
                    str(review.transaction),
                    review.code,
                    str(review.id),
                ): review.opened_at
                for review in waiting.oldest_reviews
            },
        )
        _set_times(
            metrics.one_set_aside,
            {
                (
                    message.charger,
                    _label(message.action),
                    _label(message.transaction),
                    str(message.id),
                ): message.received_at
                for message in waiting.oldest_set_aside
            },
        )

    def update_space(self, space: DatabaseSpace) -> None:
        """Set the gauges of sizes and free space, where these are known."""
        metrics = self._metrics
        metrics.wal_bytes[()].value, metrics.database_bytes[()].value = space.wal, space.database
        _set_known(metrics.disk_free, (), space.disk_free)

    def update_lists(self, lists: Sequence[LocalListStatus]) -> None:
        """Set the gauges of the local lists, where they are kept."""
        metrics = self._metrics
        for status in lists:
            key = (status.charger,)
            _set_known(metrics.list_version, key, status.version)
            metrics.list_behind[key].value = status.behind
            metrics.list_left_out[key].value = status.left_out
            metrics.list_failures[key].value = status.failures
            metrics.list_paused[key].value = int(status.paused_at is not None)

    def update_mqtt(self, state: MqttState | None) -> None:
        """Set the gauges of the broker of MQTT. Until its first use it is not connected, and
        nothing waits."""
        self._metrics.mqtt_connected[()].value = int(state is not None and state.is_connected)
        self._metrics.mqtt_waiting[()].value = 0 if state is None else state.waiting

    def update_backends(
        self, copies: Sequence[CopyState], refused: Mapping[str, int], now: datetime
    ) -> None:
        """Set the series of the copies for other backends, and remove those of all others."""
        metrics = self._metrics
        states = {(copy.charger, copy.name): copy for copy in copies}
        for family in (metrics.backend_connected, metrics.backend_behind, metrics.backend_told):
            _keep(family, states)
        for key, copy in states.items():
            metrics.backend_connected[key].value = copy.is_connected
            metrics.backend_behind[key].value = _seconds_since(copy.behind_since, now)
            metrics.backend_told[key].set(copy.told)
        _keep(metrics.backend_refused, [(name,) for name in refused])
        for name, count in refused.items():
            metrics.backend_refused[name,].set(count)
        ends = {(copy.name,): copy.certificate_ends_at for copy in copies}
        _set_times(
            metrics.backend_certificate, {key: at for key, at in ends.items() if at is not None}
        )

    def update_prices(self, series: Sequence[SeriesState]) -> None:
        """Set the gauge of each price series that is fetched."""
        family = self._metrics.prices_missing
        _keep(family, [(one.name,) for one in series])
        for one in series:
            family[one.name,].value = int(one.missing is not None)

    def update_load(self, load: Load, now: datetime) -> None:
        """Set the series of load management, where this server decides."""
        metrics, found = self._metrics, load.now
        lines = {(line.circuit, line.phase): line for line in found.lines} if found else {}
        meters = found.meters if found else []
        _keep(metrics.load_limit, lines)
        _keep(
            metrics.load, [(*key, kind) for key in lines for kind in ("house", "cars", "permitted")]
        )
        for key, line in lines.items():
            metrics.load_limit[key].value = line.limit_a
            metrics.load[*key, "house"].value = line.house_a
            metrics.load[*key, "cars"].value = line.cars_a
            metrics.load[*key, "permitted"].value = line.permitted_a
            metrics.load_over.begin(key).value = round(load.over_seconds.get(key, 0.0))
        metrics.load_waiting[()].value = (
            sum(car.place_in_queue is not None for car in found.cars) if found else 0
        )
        for family in (metrics.load_meter_age, metrics.load_meter_silent):
            _keep(family, [(meter.name,) for meter in meters])
        for meter in meters:
            metrics.load_meter_silent[meter.name,].value = int(meter.is_stale)
            age = None if meter.at is None else _seconds_since(meter.at, now)
            _set_known(metrics.load_meter_age, (meter.name,), age)
        self._update_limited(load.limited, now)

    def _update_limited(self, limited: Limited, now: datetime) -> None:
        """Set the series of chargers that load management limits, and of what it has sent to their
        connectors."""
        metrics = self._metrics
        metrics.load_writes_most[()].value = limited.writes_a_day
        for family in (metrics.load_limited, metrics.load_trusted, metrics.load_disobeys):
            _keep(family, [(one.charger,) for one in limited.chargers])
        for one in limited.chargers:
            metrics.load_ignored.begin((one.charger,))
            metrics.load_limited[one.charger,].value = int(one.state == MANAGED)
            metrics.load_trusted[one.charger,].value = int(one.is_trusted)
            metrics.load_disobeys[one.charger,].value = int(one.disobeys_since is not None)
        leases = {(one.charger, connector_label(one.connector)): one for one in limited.leases}
        _set_times(
            metrics.load_lease_ends_at,
            {key: one.ends_at for key, one in leases.items() if one.ends_at},
        )
        for family in (metrics.load_lease, metrics.load_writes):
            _keep(family, leases)
        for key, lease in leases.items():
            metrics.load_lease[key].value = lease.amperes
            metrics.load_writes[key].value = lease.writes_of(now)

    def _update_charger(self, charger: PresentCharger) -> None:
        metrics, key = self._metrics, (charger.charger,)
        metrics.status[key].value = STATUS_NUMBERS.get(charger.status, NO_STATUS_NUMBER)
        if charger.status != NO_STATUS:
            self._set_status(charger.charger, "0", charger.status)
        _set_time(metrics.heartbeat_at, key, charger.heartbeat_at)
        _set_time(metrics.stop_at, key, charger.stop_at)
        metrics.pings_off[key].value = int(charger.pings_off)
        if charger.skew_seconds is not None:
            metrics.skew[key].value = charger.skew_seconds

    def _know(self, charger: str, connector: int | None) -> None:
        key = (charger, connector_label(connector))
        if connector != 0:
            for family in self._transaction_gauges:
                family.begin(key)

    @property
    def _transaction_gauges(self) -> tuple[Family[Gauge], ...]:
        metrics = self._metrics
        return metrics.active, metrics.suspended, metrics.energy, metrics.current

    def _set_status(self, charger: str, connector: str, status: str) -> None:
        """Set the series of this status to 1 and the others to 0; a status outside OCPP is labelled
        `other`."""
        key, word = (charger, connector), status if status in STATUS_NUMBERS else OTHER
        before = self._statuses.get(key)
        if before == word:
            return
        family = self._metrics.connector_status
        for each in (*STATUS_NUMBERS, word):
            family[*key, each].value = 0
        if before is not None:
            family[*key, before].value = 0
        family[*key, word].value = 1
        self._statuses[key] = word

    def _update_transactions(self, transactions: Sequence[RunningTransaction]) -> None:
        metrics = self._metrics
        present = {
            (transaction.charger, connector_label(transaction.connector)): transaction
            for transaction in transactions
        }
        for key in metrics.active.known():
            if key not in present:
                for family in self._transaction_gauges:
                    family[key].value = 0
                for family in (metrics.limit, metrics.power, metrics.started_at):
                    family.remove(key)
        for key, transaction in present.items():
            metrics.active[key].value = 1
            metrics.suspended[key].value = int(transaction.is_suspended)
            metrics.energy[key].value = transaction.energy_wh
            metrics.current[key].value = transaction.current_a or 0
            _set_known(metrics.limit, key, transaction.limit_a)
            _set_known(metrics.power, key, transaction.power_w)
            _set_time(metrics.started_at, key, transaction.started_at)
        opened = {
            (*key, str(transaction.id), _label(transaction.id_tag))
            for key, transaction in present.items()
        }
        _keep(metrics.open, opened)
        for series in opened:
            metrics.open[series].value = 1

    def _update_links(self, known: set[str], links: Sequence[LinkState]) -> None:
        """Set the gauges of connections, except those without a row: their identity could be
        anything."""
        metrics, by_charger = self._metrics, {link.charger: link for link in links}
        for charger in known:
            link, key = by_charger.get(charger), (charger,)
            metrics.call_queue[key].value = 0 if link is None else link.waiting_calls
            if link is None:
                metrics.link_age.remove(key)
                metrics.answers_pings.remove(key)
            else:
                metrics.answers_pings[key].value = int(link.answers_pings)
                metrics.link_age[key].value = round(link.silent_seconds, 3)


def _keep(family: Family[Any], wanted: Collection[tuple[str, ...]]) -> None:
    """Remove all other series."""
    for key in family.known():
        if key not in wanted:
            family.remove(key)


def _set_times(family: Family[Gauge], times: Mapping[tuple[str, ...], str]) -> None:
    """Set the series of these times and remove all others."""
    _keep(family, times)
    for key, at in times.items():
        _set_time(family, key, at)


def _label(value: object) -> str:
    """Return a value sent by a charger as a label, shortened to LABEL_CHARACTERS."""
    text = "" if value is None else str(value)
    return text if len(text) <= LABEL_CHARACTERS else f"{text[:LABEL_CHARACTERS]}…"


def _set_known(family: Family[Gauge], key: tuple[str, ...], value: float | None) -> None:
    """Set the series, or remove it if the value is unknown; 0 would be a value."""
    if value is None:
        family.remove(key)
    else:
        family[key].value = value


def _set_time(family: Family[Gauge], key: tuple[str, ...], at: str | None) -> None:
    """Set the series if the time is known; 0 would mean 1970."""
    if at is not None:
        family[key].value = datetime.fromisoformat(at).timestamp()


def _seconds_since(at: str | None, now: datetime) -> float:
    return 0 if at is None else max(0.0, (now - datetime.fromisoformat(at)).total_seconds())
