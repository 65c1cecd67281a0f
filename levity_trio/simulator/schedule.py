"""Schedule a plan's visits and incidents on each charger's agenda.

The agenda runs them in the order of their simulated times, whatever else the charger does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from levity_trio.simulator.charger import notifications
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.state import Impossible
from levity_trio.simulator.plan import ChargerPlan, Incident, Visit
from levity_trio.simulator.scenario import Kind

NOTICED_SECONDS: Final = 60.0

Deed = Callable[[Charger, Incident, float], None]


def schedule(charger: Charger, plan: ChargerPlan) -> None:
    """Put all visits and incidents of a plan on the charger's agenda."""
    for visit in plan.visits:
        _schedule_visit(charger, visit)
    for incident in plan.incidents:
        begin, end = _INCIDENTS[incident.kind]
        charger.agenda.plan(incident.at, partial(begin, charger, incident), is_own=False)
        charger.agenda.plan(incident.at + incident.seconds, partial(end, charger, incident), is_own=False)


def _attempt(deed: Callable[..., None], *details: object) -> None:
    """Do what a visitor does. One who finds the charger faulted, without power or in use drives on."""
    with suppress(Impossible):
        deed(*details)


def _schedule_visit(charger: Charger, visit: Visit) -> None:
    plan, number = partial(charger.agenda.plan, is_own=False), visit.connector
    show_tag = partial(_attempt, charger.present_tag, number, visit.id_tag)

    def show_again(at: float) -> None:
        if charger.connectors[number].transaction is not None:  # else a power cut ended it already
            show_tag(at)

    plan(visit.plug_at, partial(_attempt, charger.plug, number, visit.vehicle))
    plan(visit.tag_at, show_tag)
    if visit.stop_tag_at is not None:
        plan(visit.stop_tag_at, show_again)
    plan(visit.unplug_at, partial(_attempt, charger.unplug, number))


def _die(charger: Charger, incident: Incident, at: float) -> None:
    """Cut the power and lose the transactions. Visitors who notice present their tags again after it returns."""
    charging = [
        (connector, transaction.id_tag)
        for connector in charger.connectors
        if (transaction := connector.transaction) is not None
    ]
    charger.fail(at, keeps_sessions=False)
    if incident.is_noticed:
        noticed_at = incident.at + incident.seconds + NOTICED_SECONDS
        for connector, tag in charging:
            charger.agenda.plan(noticed_at, partial(_show_once_more, charger, connector, tag), is_own=False)


def _show_once_more(charger: Charger, connector: Connector, tag: str, at: float) -> None:
    if connector.transaction is None and connector.meter.is_plugged:
        _attempt(charger.present_tag, connector.number, tag, at)


def _close_cabinet(charger: Charger, incident: Incident, at: float) -> None:
    notifications.swap(charger, incident.register_wh, at)
    charger.power_on(at)


_INCIDENTS: Final[Mapping[Kind, tuple[Deed, Deed]]] = {
    Kind.FAULT: (
        lambda charger, fault, at: charger.fault(fault.connector, fault.error_code, at),
        lambda charger, fault, at: charger.clear_fault(fault.connector, at),
    ),
    Kind.OUTAGE: (lambda charger, _, at: charger.go_offline(at), lambda charger, _, at: charger.go_online(at)),
    Kind.POWER_CUT: (lambda charger, _, at: charger.power_off(at), lambda charger, _, at: charger.power_on(at)),
    Kind.BROWNOUT: (
        lambda charger, _, at: charger.fail(at, keeps_sessions=True),
        lambda charger, _, at: charger.power_on(at),
    ),
    Kind.DEATH: (_die, lambda charger, _, at: charger.power_on(at)),
    Kind.METER_SWAP: (lambda charger, _, at: charger.power_off(at), _close_cabinet),
}
"""By kind of incident: how it begins and how it ends."""
