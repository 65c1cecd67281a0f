"""Faults of the WebSocket layer."""

from __future__ import annotations

from levity_trio.simulator.quirks.base import Quirk


class NoSubprotocol(Quirk):
    __slots__ = ()
    name = "no-subprotocol"
    does = "offers no subprotocol in its handshake, but speaks OCPP 1.6"
    seen_in = "Grizzl-E Smart (lbbrhzn/ocpp#442, steve#1109, OCPP.Core#43)"
    offers_subprotocol = False


class NoPings(Quirk):
    __slots__ = ()
    name = "no-pings"
    does = "drops the connection instead of answering a WebSocket ping"
    seen_in = "Grizzl-E Smart (mobilityhouse/ocpp#190, lbbrhzn/ocpp#140, evcc#33099)"
    answers_pings = False
