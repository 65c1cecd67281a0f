"""A plan becomes what happens to chargers: people come and go, networks and powers fail.

All of it lies on each charger's own agenda, so that it happens in the order of the plan, whatever else goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from levity_trio.simulator.charger import meters
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.charging import Impossible
from levity_trio.simulator.plan import ChargerPlan, Incident, Visit
from levity_trio.simulator.scenario import Kind

NOTICED_SECONDS: Final = 60.0

Deed = Callable[[Charger, Incident, float], None]


def stage(charger: Charger, plan: ChargerPlan) -> None:
    """Put all that will happen to a charger on its agenda."""
    for visit in plan.visits:
        _stage_visit(charger, visit)
    for incident in plan.incidents:
        begin, end = _STAGED[incident.kind]
        charger.agenda.plan(incident.at, partial(begin, charger, incident), is_own=False)
        charger.agenda.plan(incident.at + incident.seconds, partial(end, charger, incident), is_own=False)


def _stage_visit(charger: Charger, visit: Visit) -> None:
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
    """Whoever finds the charger broken or dark drives on."""
    with suppress(Impossible):
        charger.present_tag(visit.connector, visit.id_tag, at)


def _show_tag_again(charger: Charger, visit: Visit, at: float) -> None:
    """Only who charges ends it; after a power cut there is nothing to end."""
    if charger.connectors[visit.connector].transaction is not None:
        _show_tag(charger, visit, at)


def _leave(charger: Charger, visit: Visit, at: float) -> None:
    with suppress(Impossible):
        charger.unplug(visit.connector, at)


def _die(charger: Charger, incident: Incident, at: float) -> None:
    """The sessions are forgotten; whoever notices shows the tag again."""
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
    meters.swap(charger, incident.register_wh, at)
    charger.power_on(at)


def _restore_power(charger: Charger, incident: Incident, at: float) -> None:
    del incident
    charger.power_on(at)


_STAGED: Final[Mapping[Kind, tuple[Deed, Deed]]] = {
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
"""How each incident begins, and how it ends."""
