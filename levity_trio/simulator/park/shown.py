"""A charger's JSON form in the API."""

from __future__ import annotations

from typing import Any

from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.model.meter import shown_wh
from levity_trio.simulator.park import forms
from levity_trio.simulator.park.registry import StoredCharger

ABSENT = "disconnected"


def summary(stored: StoredCharger, charger: Charger | None) -> dict[str, Any]:
    """Return a charger's entry in the list, without its password."""
    shown = forms.plain(stored.spec) | forms.plain(stored.placement)
    del shown["password"]
    return {
        **shown,
        "firmware_version": stored.memory.firmware_version,
        "state": _state(charger),
        "statuses": [] if charger is None else [one.status.value for one in charger.connectors[1:]],
    }


def details(stored: StoredCharger, charger: Charger | None, at: float) -> dict[str, Any]:
    """Return everything the API shows of a charger at this simulated moment."""
    shown = summary(stored, charger)
    if charger is None:
        return shown
    charger.advance(at)
    charger.on_change()
    return {
        **shown,
        "state": _state(charger),
        "registration": charger.registration,
        "waiting_messages": len(charger.memory.messages),
        "forced_answers": charger.forced_answers,
        "connector": [_connector(charger, one, at) for one in charger.connectors],
    }


def _state(charger: Charger | None) -> str:
    if charger is None:
        return ABSENT
    if not charger.is_on:
        return "off"
    if charger.is_offline:
        return "offline"
    return "accepted" if charger.may_send else "booting" if charger.is_linked else "connecting"


def _connector(charger: Charger, connector: Connector, at: float) -> dict[str, Any]:
    if not charger.agenda.is_held:  # else its time is stopped, and due actions have yet to happen
        connector.meter.advance(at)
    transaction, meter = connector.transaction, connector.meter
    ids = charger.memory.transaction_ids
    return {
        "number": connector.number,
        "status": connector.status.value,
        "error_code": connector.error_code,
        "is_plugged": meter.is_plugged,
        "soc": None if meter.soc is None else round(meter.soc, 4),
        "power_w": round(meter.power_w, 1),
        "register_wh": shown_wh(meter.register_wh) + charger.memory.offsets[connector.number],
        "id_tag": transaction.id_tag if transaction else None,
        "transaction_id": ids.get(str(transaction.local_id), transaction.local_id) if transaction else None,
    }
