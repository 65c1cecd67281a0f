"""The plugin that increments counters and histograms as events happen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import product
from typing import Any, ClassVar, Final

from levity_trio import events
from levity_trio.clock import Clock
from levity_trio.events import Event
from levity_trio.plugins.base import Plugin
from levity_trio.plugins.prometheus.labels import (
    ERRORS,
    OTHER,
    REJECTIONS,
    SECURITY_EVENTS,
    SUCCESS,
    known,
)
from levity_trio.plugins.prometheus.metrics import Metrics
from levity_trio.plugins.prometheus.series import Counter, Family, Gauge, Histogram
from levity_trio.store.reads.chargers.chargers import NO_OUTAGES, STOPPING
from levity_trio.store.reads.site.totals import DELIVERED, UNBILLED, CounterTotals
from levity_trio.store.writes.transactions.stops import OTHER as OTHER_REASON
from levity_trio.store.writes.transactions.stops import REBOOT
from levity_trio.wire.errors import ErrorCode

REPAIR_KINDS: Final = 32
"""Maximum kinds of repairs per charger. There are thousands of kinds; further ones are labelled
`other`."""
ERROR_CODES: Final = frozenset(code.value for code in ErrorCode)
CHANNELS, OUTCOMES = ("mail", "push"), ("sent", "failed", "refused", "given up")
"""Of messages to people. Each has a series from the start on."""
NO_ANSWER: Final = {"timed out": "timeout", "gone": "gone"}
"""Labels for calls without a response, as Levity spells them."""

Count = Callable[[Any], None]


class PrometheusMetrics(Plugin):
    """Count events. Gauges are read from the database instead; see gauges.py."""

    name: ClassVar[str] = "prometheus"
    learns: ClassVar[bool] = True

    def __init__(self, metrics: Metrics, clock: Clock, counted: CounterTotals) -> None:
        self._metrics = metrics
        self._clock = clock
        self._chargers: dict[str, _Charger] = {}
        self._families_of_facts = {
            "EnergyJumped": metrics.jumps,
            "IdentityShared": metrics.shared,
            "MessagesRefused": metrics.refused,
        }
        self._energies = {DELIVERED: metrics.delivered, UNBILLED: metrics.unbilled}
        self._occurrences: dict[type[Event], Family[Counter]] = {
            events.ChargerBooted: metrics.boots,
            events.IdentityShared: metrics.shared,
            events.TransactionStarted: metrics.transactions,
            events.EnergyJumped: metrics.jumps,
            events.MessagesRefused: metrics.refused,
            events.PasswordInDigits: metrics.digits,
            events.LimitIgnored: metrics.load_ignored,
        }
        """Events that are only counted, for each charger."""
        self._counts: dict[type[Event], Count] = {
            events.MessageHandled: self._message_handled,
            events.ChargerConnected: self._connected,
            events.ChargerDisconnected: self._disconnected,
            events.ErrorOpened: self._error_opened,
            events.TransactionSuspended: self._transaction_suspended,
            events.TransactionStopped: self._energy_judged,
            events.TransactionClosed: self._transaction_closed,
            events.TransactionRejudged: self._energy_judged,
            events.TransactionCorrected: self._energy_judged,
            events.EnergyUnbilled: self._energy_judged,
            events.ChargerOdd: self._charger_odd,
            events.SecurityEventReported: self._security_event_reported,
            events.FactsCounted: self._facts_counted,
            events.CallEnded: self._call_ended,
            events.MalformedFrame: self._malformed_frame,
            events.HandshakeRefused: self._handshake_refused,
            events.BatchCommitted: self._batch_committed,
            events.PluginFailed: self._plugin_failed,
            events.AutoStart: self._auto_started,
            events.TagJudged: self._tag_judged,
            events.AuditProgress: self._audit_progressed,
            events.AuditLost: self._audit_lost,
            events.WebhookGivenUp: self._webhook_given_up,
            events.MessageTried: self._message_tried,
        }
        self._restore(counted)

    def observe(self, event: Event) -> None:
        if (family := self._occurrences.get(type(event))) is not None:
            family[str(event.charger),].value += 1
        elif (count := self._counts.get(type(event))) is not None:
            count(event)

    def _restore(self, counted: CounterTotals) -> None:
        """Set counters to the totals of earlier runs; begin those whose labels are known."""
        metrics = self._metrics
        for tried in product(CHANNELS, OUTCOMES):
            metrics.messages[tried].value = 0
        for charger, at in counted.message_at.items():
            self._know(charger).message_at.value = datetime.fromisoformat(at).timestamp()
            for counter in self._counters(charger):
                counter.set(0)
        for family, counts in (
            (metrics.boots, counted.boots),
            (metrics.disconnects, counted.disconnects),
            (metrics.outages, counted.outages),
            (metrics.transactions, counted.transactions),
        ):
            for charger, count in counts.items():
                family[charger,].set(count)
        for (charger, code), count in counted.errors.items():
            errors = metrics.errors[charger, known(code, ERRORS)]
            errors.set(errors.value + count)
        self._restore_facts(counted)

    def _restore_facts(self, counted: CounterTotals) -> None:
        for (charger, kind), count in counted.facts.items():
            if kind in self._families_of_facts:
                self._families_of_facts[kind][charger,].set(count)
        for pair, count in counted.facts_counted.items():
            self._metrics.facts_counted[pair].set(count)
        for (charger, counter), (added, subtracted) in counted.energy.items():
            self._energies[counter][charger,].set(added)
            self._metrics.corrected[charger, counter].set(subtracted)
        self._metrics.webhook_given_up[()].set(counted.webhook_given_up)
        for (charger, reason), count in counted.closed.items():
            self._metrics.orphans[charger, reason].set(count)

    def _know(self, charger: str) -> _Charger:
        """Return the state of a charger that has a row in the database; create its counters at
        0."""
        state = self._chargers.get(charger)
        if state is None:
            state = self._chargers[charger] = _Charger(charger, self._metrics.message_at[charger,])
            self._counters(charger)
        return state

    def _counters(self, charger: str) -> list[Counter]:
        metrics, key = self._metrics, (charger,)  # one for all: each would be a new object
        families = (
            *(
                metrics.boots,
                metrics.disconnects,
                metrics.outages,
                metrics.transactions,
                metrics.delivered,
            ),
            *(metrics.jumps, metrics.shared, metrics.unbilled, metrics.refused),
        )
        corrected = [metrics.corrected[charger, counter] for counter in self._energies]
        orphans = [metrics.orphans[charger, reason] for reason in (OTHER_REASON, REBOOT)]
        return [family[key] for family in families] + corrected + orphans

    def _message_handled(self, event: events.MessageHandled) -> None:
        charger = self._chargers.get(event.charger or "")
        if charger is None:
            return
        handling = charger.handling.get(event.action)
        if handling is None:
            handling = charger.handling[event.action] = self._metrics.handling[
                charger.name, event.action
            ]
        handling.observe(event.seconds)
        charger.message_at.value = self._clock().timestamp()
        if event.code is not None:
            self._metrics.refusals[event.action, known(event.code, ERROR_CODES)].value += 1
        for kind in event.repairs:
            self._metrics.repairs[charger.name, charger.repair_label(kind)].value += 1

    def _connected(self, event: events.ChargerConnected) -> None:
        self._know(str(event.charger))

    def _disconnected(self, event: events.ChargerDisconnected) -> None:
        if event.reason != STOPPING:
            self._metrics.disconnects[str(event.charger),].value += 1

    def _error_opened(self, event: events.ErrorOpened) -> None:
        self._metrics.errors[str(event.charger), known(event.error_code, ERRORS)].value += 1

    def _transaction_suspended(self, event: events.TransactionSuspended) -> None:
        """Count an outage once: it suspends all transactions of a charger at the same time."""
        charger = self._know(str(event.charger))
        if event.reason not in NO_OUTAGES and charger.outage_at != event.at:
            charger.outage_at = event.at
            self._metrics.outages[charger.name,].value += 1

    def _transaction_closed(self, event: events.TransactionClosed) -> None:
        charger = str(event.charger)
        self._metrics.orphans[charger, event.reason].value += 1
        self._step(DELIVERED, charger, event.energy_wh - event.before_wh)

    def _energy_judged(
        self,
        event: events.TransactionStopped
        | events.TransactionRejudged
        | events.TransactionCorrected
        | events.EnergyUnbilled,
    ) -> None:
        counter = UNBILLED if isinstance(event, events.EnergyUnbilled) else DELIVERED
        self._step(counter, str(event.charger), event.energy_wh - event.before_wh)

    def _step(self, counter: str, charger: str, wh: int) -> None:
        """Add energy; a negative amount is added to `corrected` instead, since counters never
        decrease."""
        if wh < 0:
            self._metrics.corrected[charger, counter].value -= wh
        else:
            self._energies[counter][charger,].value += wh

    def _charger_odd(self, event: events.ChargerOdd) -> None:
        self._metrics.odd[str(event.charger), event.cause].value += 1

    def _security_event_reported(self, event: events.SecurityEventReported) -> None:
        self._metrics.security_events[
            str(event.charger), known(event.event_type, SECURITY_EVENTS)
        ].value += 1

    def _facts_counted(self, event: events.FactsCounted) -> None:
        self._metrics.facts_counted[str(event.charger), event.kind].value += event.count

    def _call_ended(self, event: events.CallEnded) -> None:
        metrics, charger = self._metrics, str(event.charger)
        if event.late:
            metrics.call_late[charger, event.action].value += 1
        elif event.state in NO_ANSWER:
            metrics.call_errors[charger, event.action, NO_ANSWER[event.state]].value += 1
        else:
            metrics.call_seconds[event.action,].observe(event.seconds)
            self._call_answered(charger, event)

    def _call_answered(self, charger: str, event: events.CallEnded) -> None:
        if event.state == "error":
            error = known(event.error_code or "", ERROR_CODES)
            self._metrics.call_errors[charger, event.action, error].value += 1
        elif event.status is not None and event.status not in SUCCESS:
            self._metrics.call_rejections[
                charger, event.action, known(event.status, REJECTIONS)
            ].value += 1

    def _auto_started(self, event: events.AutoStart) -> None:
        self._metrics.auto_starts[str(event.charger), event.outcome].value += 1

    def _tag_judged(self, event: events.TagJudged) -> None:
        self._metrics.authorizations[event.action, event.status].value += 1

    def _malformed_frame(self, event: events.MalformedFrame) -> None:
        self._metrics.malformed_frames[event.kind,].value += 1

    def _handshake_refused(self, event: events.HandshakeRefused) -> None:
        self._metrics.refused_handshakes[str(event.status), event.kind].value += 1

    def _batch_committed(self, event: events.BatchCommitted) -> None:
        self._metrics.commit_seconds[()].observe(event.seconds)
        self._metrics.commit_writes[()].observe(event.writes)

    def _plugin_failed(self, event: events.PluginFailed) -> None:
        self._metrics.plugin_errors[event.plugin, event.hook].value += 1

    def _audit_progressed(self, event: events.AuditProgress) -> None:
        self._metrics.audit_lag[()].value = event.lag
        self._metrics.audit_connected[()].value = int(event.connected)

    def _audit_lost(self, event: events.AuditLost) -> None:
        self._metrics.audit_lost[()].value += event.count

    def _webhook_given_up(self, event: events.WebhookGivenUp) -> None:
        self._metrics.webhook_given_up[()].value += event.facts

    def _message_tried(self, event: events.MessageTried) -> None:
        self._metrics.messages[event.channel, event.outcome].value += 1


class _Charger:
    """State kept per charger, to look up its series without rebuilding labels."""

    __slots__ = ("_repairs", "handling", "message_at", "name", "outage_at")

    def __init__(self, name: str, message_at: Gauge) -> None:
        self.name = name
        self.handling: dict[str, Histogram] = {}
        self.message_at = message_at
        self.outage_at = ""
        self._repairs: set[str] = set()

    def repair_label(self, kind: str) -> str:
        """Return the kind if it is among the first REPAIR_KINDS of this charger, else `other`."""
        if len(self._repairs) < REPAIR_KINDS:
            self._repairs.add(kind)
        return kind if kind in self._repairs else OTHER
