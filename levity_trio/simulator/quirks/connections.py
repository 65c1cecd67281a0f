"""Connections that misbehave: handshakes, silence, drops, floods of calls, and missing or garbled
responses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Final

import orjson

from levity_trio.simulator.charger.configuration import Key, Keys
from levity_trio.simulator.charger.state import Frame, Quirk, SendText, State
from levity_trio.simulator.charger.station import boot
from levity_trio.simulator.physics import Status
from levity_trio.simulator.quirks.messages import Repeats, SessionReadings
from levity_trio.wire.payloads import call

HOUR: Final = 3600.0
SILENCE_SECONDS: Final = (1200.0, 2400.0)
"""Longer than the time-out of a central system: three of the usual intervals of 300 s."""
HALF_CLOSED_SECONDS: Final = (60.0, 600.0)
DROPS: Final = (8, 20)
BETWEEN_DROPS_SECONDS: Final = (10.0, 40.0)
AWAY_SECONDS: Final = 0.5
HEARTBEAT: Final = "Heartbeat"
BOOT: Final = "BootNotification"
SILENT_SHARE: Final = 0.5
GARBLED_SHARE: Final = 0.7
LATE_SECONDS: Final = (35.0, 65.0)
GARBAGE: Final = (
    *(
        "AT+CSQ",
        "+CSQ: 17,99",
        "\x00\x00\x00",
        "ping",
        "[2]",
        '[2,"1","Heartbeat",{},]',
        '{"status":"Accepted"}',
    ),
    *('[3,"AT+CSQ",{"status":"Accepted"}]', '[9,"1",{}]', '[3,"1",NaN]', "[[[[[[[["),
)


class NowAndThen(Quirk):
    """Misbehaves at random intervals while the power is on and the charger is connected."""

    pause_seconds: ClassVar[tuple[float, float]]
    """Minimum and maximum interval, in simulated seconds."""

    def power_on(self, charger: State, at: float) -> None:
        def act(at: float) -> None:
            if charger.is_linked:
                self.misbehave(charger, at)
            self.power_on(charger, at)

        charger.agenda.plan(at + self.random.uniform(*self.pause_seconds), act)

    def misbehave(self, charger: State, at: float) -> None:
        """Called at each interval while the charger is connected."""


class NoSubprotocol(Quirk):
    name = "no-subprotocol"
    does = "offers no subprotocol in its handshake, but speaks OCPP 1.6"
    seen_in = "Grizzl-E Smart (lbbrhzn/ocpp#442, steve#1109, OCPP.Core#43)"
    offers_subprotocol = False


class NoPings(Quirk):
    name = "no-pings"
    does = "drops the connection instead of answering a WebSocket ping"
    seen_in = "Grizzl-E Smart (mobilityhouse/ocpp#190, lbbrhzn/ocpp#140, evcc#33099)"
    answers_pings = False


class GrizzlE(SessionReadings, NoSubprotocol, NoPings):
    name = "grizzl-e"
    does = "behaves as a Grizzl-E Smart: no-subprotocol, session-readings and no-pings combined"
    seen_in = "Grizzl-E Smart (lbbrhzn/ocpp#442, lbbrhzn/ocpp#176)"


class SilentDeath(NowAndThen):
    name = "silent-death"
    does = (
        "stops reading and sending for 20 to 40 minutes with an open socket, also during "
        "transactions"
    )
    seen_in = "chargers shown as charging long after they were gone (steve#1193, steve#1309)"
    pause_seconds = (1 * HOUR, 4 * HOUR)

    def misbehave(self, charger: State, _at: float) -> None:
        charger.act_on_connection("freeze", self.random.uniform(*SILENCE_SECONDS))


class HalfClosed(NowAndThen):
    name = "half-closed"
    does = "closes the sending half of its connection, and leaves the other half open"
    seen_in = (
        "chargers that reconnect before their old connection is closed (lbbrhzn/ocpp#2122, steve#4)"
    )
    pause_seconds = (1 * HOUR, 4 * HOUR)

    def misbehave(self, charger: State, _at: float) -> None:
        charger.act_on_connection("half-close", self.random.uniform(*HALF_CLOSED_SECONDS))


class ReconnectStorm(NowAndThen):
    name = "reconnect-storm"
    does = "drops its connection 8 to 20 times in a row, 10 to 40 seconds apart"
    seen_in = "Wallbox and EN+ in a reconnect loop (lbbrhzn/ocpp#1503, evcc#25069)"
    pause_seconds = (1 * HOUR, 5 * HOUR)

    def misbehave(self, charger: State, at: float) -> None:
        self._drop(charger, self.random.randint(*DROPS), at)

    def _drop(self, charger: State, left: int, at: float) -> None:
        if charger.is_linked:
            charger.act_on_connection("drop", AWAY_SECONDS)
            left -= 1
        if left:
            due = at + self.random.uniform(*BETWEEN_DROPS_SECONDS)
            charger.agenda.plan(due, partial(self._drop, charger, left))


class BootsAgain(NowAndThen):
    name = "boots-again"
    does = (
        "repeats BootNotification every 1 to 6 hours, on the same connection and during "
        "transactions"
    )
    seen_in = "Metron Duo, every 10 s (dallmann-consulting/OCPP.Core#31)"
    pause_seconds = (1 * HOUR, 6 * HOUR)

    def misbehave(self, charger: State, _at: float) -> None:
        boot(charger)


class NoOfflineStart(Quirk):
    name = "no-offline-start"
    does = (
        "starts no transaction without a connection: no list, no cache, and no key that allows it"
    )
    seen_in = "Tinkerforge WARP, with LocalAuthorizeOffline false"
    keys: ClassVar[Keys] = {
        name: Key(name, "false")
        for name in (
            "LocalAuthListEnabled",
            "AuthorizationCacheEnabled",
            "AllowOfflineTxForUnknownId",
            "LocalAuthorizeOffline",
        )
    }


class AvailableAfterBoot(Quirk):
    name = "available-after-boot"
    does = "reports each connector as Available after a boot, and then its true status"
    seen_in = (
        "MicroOcpp after a power cut (MicroOcpp#174), chargestation-one "
        "(road-labs/chargestation-one#177)"
    )

    def accepted(self, charger: State, at: float) -> None:
        for connector in charger.connectors[1:]:
            request = call.StatusNotification(
                connector_id=connector.number,
                error_code="NoError",
                status=Status.AVAILABLE.value,
                timestamp=charger.timestamp(at),
            )
            charger.send_if_allowed(request)
            if connector.transaction is not None:
                connector.transaction.entry.lies.append("Available while it charged")


class TwoCalls(Quirk):
    name = "two-calls"
    does = "sends a Heartbeat before each call, and waits for the response to the call only"
    seen_in = "chargers with two calls in flight (mobilityhouse/ocpp#130, evcc#26837)"

    def ahead(self, frame: Frame) -> Sequence[Frame]:
        return () if frame[0] in (HEARTBEAT, BOOT) else ((HEARTBEAT, {}),)


class StatusFlood(Repeats):
    name = "status-flood"
    does = "sends each StatusNotification twenty times in a row"
    seen_in = "chargers that flood the central system (lbbrhzn/ocpp#337, steve#848)"
    action = "StatusNotification"
    times = 20


class NeverAnswers(Quirk):
    name = "never-answers"
    does = "executes all calls of the central system, but sends no response to half of them"
    seen_in = (
        "chargers that do not respond to GetConfiguration (evcc#15869, lbbrhzn/ocpp#1275, "
        "lbbrhzn/ocpp#1487)"
    )

    def replies(self, text: str) -> Sequence[tuple[float, str]]:
        return () if self.random.random() < SILENT_SHARE else ((0.0, text),)


class AnswersLate(Quirk):
    name = "answers-late"
    does = "responds to the central system's calls after 35 to 65 seconds"
    seen_in = "Mennekes, after 60 s (evcc#26837)"

    def replies(self, text: str) -> Sequence[tuple[float, str]]:
        return ((self.random.uniform(*LATE_SECONDS), text),)


class AnswersGarbage(NowAndThen):
    name = "answers-garbage"
    does = (
        "garbles 70 % of its responses (invalid JSON, wrong id, wrong type), and sends garbage "
        "now and then"
    )
    seen_in = (
        "Grizzl-E Smart, truncated JSON (lbbrhzn/ocpp#442); ZJ BENY (lbbrhzn/ocpp#1078); Wallbe, "
        "NUL (evcc#3685)"
    )
    pause_seconds = (600.0, 7200.0)

    def misbehave(self, charger: State, _at: float) -> None:
        charger.do(SendText(self.random.choice(GARBAGE)))

    def replies(self, text: str) -> Sequence[tuple[float, str]]:
        if self.random.random() >= GARBLED_SHARE:
            return ((0.0, text),)
        return ((0.0, self.random.choice(GARBLED)(text)),)


def _garbled(change: Callable[[Any, Any, Any], Sequence[Any]]) -> Callable[[str], str]:
    """Return what garbles a response, whose frame is its type, its id, and the rest."""

    def garble(text: str) -> str:
        kind, message_id, *rest = orjson.loads(text)
        return orjson.dumps(change(kind, message_id, rest)).decode()

    return garble


GARBLED: Final[Sequence[Callable[[str], str]]] = (
    lambda text: text[: len(text) // 2],
    _garbled(lambda kind, message_id, rest: [kind, f"{message_id}?", *rest]),
    _garbled(lambda _kind, message_id, rest: [5, message_id, *rest]),
    _garbled(lambda kind, message_id, _rest: [kind, message_id, "Accepted"]),
    # Every field of the payload, or of an error's details, becomes 1.
    _garbled(
        lambda kind, message_id, rest: [
            kind,
            message_id,
            *rest[:-1],
            dict.fromkeys(rest[-1] or ["status"], 1),
        ]
    ),
)
