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


def _schedule_visit(charger: Charger, visit: Visit) -> None:
    plan = partial(charger.agenda.plan, is_own=False)
    plan(visit.plug_at, partial(_plug, charger, visit))
    plan(visit.tag_at, partial(_show_tag, charger, visit))
    if visit.stop_tag_at is not None:
        plan(visit.stop_tag_at, partial(_show_tag_again, charger, visit))
    plan(visit.unplug_at, partial(_leave, charger, visit))


def _plug(charger: Charger, visit: Visit, at: float) -> None:
    with suppress(Impossible):
        charger.plug(visit.connector, visit.vehicle, at)


def _show_tag(charger: Charger, visit: Visit, at: float) -> None:
    """Present the visitor's tag. A visitor who finds the charger faulted or without power drives on."""
    with suppress(Impossible):
        charger.present_tag(visit.connector, visit.id_tag, at)


def _show_tag_again(charger: Charger, visit: Visit, at: float) -> None:
    """Present the tag to stop the transaction. A power cut may have ended it already."""
    if charger.connectors[visit.connector].transaction is not None:
        _show_tag(charger, visit, at)


def _leave(charger: Charger, visit: Visit, at: float) -> None:
    with suppress(Impossible):
        charger.unplug(visit.connector, at)


def _die(charger: Charger, incident: Incident, at: float) -> None:
    """Cut the power and lose the transactions. Visitors who notice present their tags again after it returns."""
    charging = [(one.number, one.transaction.id_tag) for one in charger.connectors if one.transaction is not None]
    charger.fail(at, keeps_sessions=False)
    if incident.is_noticed:
        noticed_at = incident.at + incident.seconds + NOTICED_SECONDS
        for connector, tag in charging:
            charger.agenda.plan(noticed_at, partial(_show_once_more, charger, connector, tag), is_own=False)


def _show_once_more(charger: Charger, connector: int, tag: str, at: float) -> None:
    one = charger.connectors[connector]
    if one.transaction is None and one.meter.is_plugged:
        with suppress(Impossible):
            charger.present_tag(connector, tag, at)


def _close_cabinet(charger: Charger, incident: Incident, at: float) -> None:
    notifications.swap(charger, incident.register_wh, at)
    charger.power_on(at)


def _restore_power(charger: Charger, _incident: Incident, at: float) -> None:
    charger.power_on(at)


_INCIDENTS: Final[Mapping[Kind, tuple[Deed, Deed]]] = {
    Kind.FAULT: (
        lambda charger, fault, at: charger.fault(fault.connector, fault.error_code, at),
        lambda charger, fault, at: charger.clear_fault(fault.connector, at),
    ),
    Kind.OUTAGE: (lambda charger, _, at: charger.go_offline(at), lambda charger, _, at: charger.go_online(at)),
    Kind.POWER_CUT: (lambda charger, _, at: charger.power_off(at), _restore_power),
    Kind.BROWNOUT: (lambda charger, _, at: charger.fail(at, keeps_sessions=True), _restore_power),
    Kind.DEATH: (_die, _restore_power),
    Kind.METER_SWAP: (lambda charger, _, at: charger.power_off(at), _close_cabinet),
}
"""By kind of incident: how it begins and how it ends."""
