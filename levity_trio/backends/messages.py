"""What a backend is told: payloads as chargers sent them or repaired, with its own numbers of
sessions and with aliases instead of cards.

A figure that was judged is never told as a register: a session that the server ended stops there at
the last register that the meter told.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from levity_trio.store.reads.site.receivers import (
    SAMPLE,
    CopiedCharger,
    CopiedSession,
    Fresh,
    number_in,
)
from levity_trio.wire.errors import Refused
from levity_trio.wire.numbers import is_signed
from levity_trio.wire.payloads import read_request, write_payload
from levity_trio.wire.times import parse_time, shifted, wire_time

LONGEST_CARD: Final = 20
"""Characters of an idTag (CiString20Type)."""
NO_POWER: Final = frozenset({"Reboot", "PowerLoss"})
"""Reasons of ours for the end of a session whose charger was away."""
Key = Callable[[str], str]
"""Returns the normal form of a card."""


class NotTold(Exception):
    """A backend is not told of this."""


def told_of(copied: CopiedCharger, fresh: Fresh, key: Key) -> dict[str, Any]:
    """Return the payload of a message. Raises NotTold for what the backend is not told."""
    session = fresh.session
    if fresh.action == "Authorize":
        if not copied.tells_authorize:
            raise NotTold
        card = (fresh.payload or {}).get("idTag") or ""
        return {"idTag": _called(copied, str(card), key)}
    if fresh.action == "StartTransaction" and session is not None:
        payload = _start(copied, fresh, session, key)
    elif fresh.action == "StopTransaction" and session is not None:
        payload = _stop(copied, fresh, session, key)
    elif fresh.action == "MeterValues":
        payload = _readings(copied, fresh, session)
    else:
        payload = _repaired(copied, fresh, timedelta())
    # Readings of no session may be those of a connector or a card that is left out.
    is_of_none = fresh.action == "MeterValues" and session is None
    others = copied.with_cards or copied.other_cards
    leaves_out = copied.without or not others or None in copied.aliases.values()
    is_left_out = number_in(payload, "connectorId") in copied.without
    if is_left_out or not payload.get("meterValue", True) or (is_of_none and leaves_out):
        raise NotTold
    return payload


def _called(copied: CopiedCharger, id_tag: str | None, key: Key) -> str:
    """Return what a card is called at the backend. Raises NotTold."""
    card = id_tag or ""
    others = card if copied.with_cards else copied.other_cards
    name = copied.aliases.get(key(card), others)
    if name is None:
        raise NotTold
    return name[:LONGEST_CARD]


def _start(copied: CopiedCharger, fresh: Fresh, session: CopiedSession, key: Key) -> dict[str, Any]:
    card = _called(copied, session.id_tag, key)
    if session.connector in copied.without:
        raise NotTold
    if fresh.payload is not None and not copied.is_repaired:
        return _without_cards(copied, fresh) | {"idTag": card}

    # Without a register of its start, it has no energy there: any other start would invent some.
    registers = session.meter_start, session.last_register, session.meter_stop, 0
    payload = {
        "connectorId": session.connector or 1,
        "idTag": card,
        "meterStart": next(wh for wh in registers if wh is not None),
        "timestamp": _on_wire(session.start_time),
    }
    if session.reservation is not None:
        payload["reservationId"] = session.reservation
    return payload


def _stop(copied: CopiedCharger, fresh: Fresh, session: CopiedSession, key: Key) -> dict[str, Any]:
    if session.their_id is None:
        raise NotTold
    payload: dict[str, Any] = {"transactionId": session.their_id}
    if session.stop_id_tag:
        # The session is told to its end, whoever stopped it; only the card is left out.
        with suppress(NotTold):
            payload["idTag"] = _called(copied, session.stop_id_tag, key)
    if fresh.payload is not None and not copied.is_repaired:
        return _without_cards(copied, fresh) | payload

    start, stop, last = session.meter_start, session.meter_stop, session.last_register
    # Registers of some chargers count each session from 0; those cannot stand beside its start.
    if session.is_closed and last is not None and last >= (start or 0):
        stop = last
    payload["meterStop"] = next(wh for wh in (stop, last, start, 0) if wh is not None)
    payload["timestamp"] = _on_wire(session.stop_time or session.start_time)
    if session.is_closed:
        payload["reason"] = "PowerLoss" if session.reason in NO_POWER else "Other"
    elif session.reason:
        payload["reason"] = session.reason
    data = _repaired(copied, fresh, _correction(session)).get("transactionData")
    return payload | ({"transactionData": data} if data else {})


def _readings(copied: CopiedCharger, fresh: Fresh, session: CopiedSession | None) -> dict[str, Any]:
    if session is None:
        # They belong to no session here, so they belong to none there.
        payload = _repaired(copied, fresh, timedelta())
        return {name: value for name, value in payload.items() if name != "transactionId"}
    if session.their_id is None:
        raise NotTold
    payload = _repaired(copied, fresh, _correction(session))
    return payload | {"transactionId": session.their_id}


def _repaired(copied: CopiedCharger, fresh: Fresh, correction: timedelta) -> dict[str, Any]:
    """Return what was sent; if the backend wants that repaired, what can be read of it, with the
    times of a clock that was right."""
    sent = _without_cards(copied, fresh)
    if not copied.is_repaired or fresh.payload is None:
        return sent
    try:
        payload = write_payload(read_request(fresh.action, sent, strict=False).message)
    except (Refused, ValueError):
        return sent
    for value in [payload, *payload.get("meterValue", ()), *payload.get("transactionData", ())]:
        at = parse_time(value.get("timestamp") or "")
        if at is not None:
            value["timestamp"] = wire_time(shifted(at, correction))
    return payload


def _without_cards(copied: CopiedCharger, fresh: Fresh) -> dict[str, Any]:
    """Return what was sent without cards, also where OCPP has none, and without what meters signed
    if that is not told."""
    return {
        name: part if copied.with_signed else _unsigned(part)
        for name, part in (fresh.payload or {}).items()
        if not name.lower().endswith("idtag")
    }


def _unsigned(told: Any) -> Any:
    """Return readings without what their meter may have signed, and without what OCPP does not name
    there, which may be the same; None for one of which nothing is left."""
    if isinstance(told, list):
        return [left for one in told if isinstance(one, dict) and (left := _unsigned(one))]
    if not isinstance(told, dict):
        return told
    names = ("timestamp", "sampledValue", *SAMPLE)
    named = {name: _unsigned(part) for name, part in told.items() if name in names}
    is_empty = not named.get("sampledValue", True)
    return None if is_empty or is_signed(str(named.get("value", 0)), named.get("format")) else named


def _correction(session: CopiedSession) -> timedelta:
    """Return by how much the judged time of a session is later than its charger's clock."""
    own, judged = session.own_start_time, session.start_time
    return datetime.fromisoformat(judged) - datetime.fromisoformat(own)


def _on_wire(at: str) -> str:
    return wire_time(datetime.fromisoformat(at))
