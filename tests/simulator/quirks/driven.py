"""A charger under the control of a test, and a small central system that accepts everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import orjson

from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import (
    ChargerSpec,
    ConnectionEffect,
    Frame,
    Memory,
    Message,
    Payload,
    SendText,
)
from levity_trio.simulator.physics import Vehicle
from levity_trio.simulator.quirks import made
from levity_trio.wire.frames import CallError, CallResult, result_text
from levity_trio.wire.times import wire_time

EPOCH = datetime(2026, 6, 1, 8, tzinfo=UTC)
RECONNECT_SECONDS = 5.0
MAX_STEPS = 100_000
TAG = "TAG-1"
CAR = Vehicle(name="Car", battery_wh=60_000, soc=0.2)
REGISTER_WH = 5_000_000
REFUSAL = CallError("1", "InternalError", "", {})


class Driven:
    """Advances the time of one charger, and keeps its frames in `frames`: each call with those sent
    ahead of it."""

    def __init__(self, *quirks: str, refuses_first: bool = False, **plate: Any) -> None:
        self.refuses_first = refuses_first
        """Whether each transaction message gets a CALLERROR before it is accepted."""
        plate = {"id": "CP-1", "register_wh": REGISTER_WH, **plate}
        self.quirks = made(quirks, "seed")
        self.charger = Charger(ChargerSpec(quirks=quirks, **plate), quirks=self.quirks)
        self.charger.configuration.change("AllowOfflineTxForUnknownId", "true")
        self.frames: list[list[Frame]] = []
        self.texts: list[str] = []
        self.connection_effects: list[tuple[float, ConnectionEffect]] = []
        self.at = 0.0
        self._transactions = 1_000_000
        self._back_at: float | None = 0.0
        self.charger.power_on(0.0)

    def later(self, at: float, what: Any, *args: Any) -> None:
        """Do something to the charger."""
        self.charger.agenda.plan(at, partial(what, *args), is_own=False)

    def session(
        self, begin: float, seconds: float, connector: int = 1, vehicle: Vehicle = CAR
    ) -> None:
        """One visit: plug in, present a tag, unplug later."""
        charger = self.charger
        self.later(begin, charger.plug, connector, vehicle)
        self.later(begin + 10, charger.present_tag, connector, TAG)
        self.later(begin + seconds, charger.unplug, connector)

    def run(self, until: float) -> None:
        """Advance the time, in steps from one due action to the next."""
        for _ in range(MAX_STEPS):
            self._talk()
            moments = [
                one
                for one in (self.charger.next_due, self._back_at)
                if one is not None and one <= until
            ]
            if not moments:
                self.at = until
                return
            self.at = max(self.at, min(moments))
            self._connect()
            self.charger.advance(self.at)
        raise AssertionError("time stands still")

    def ask(self, action: str, payload: Payload) -> list[tuple[float, str]]:
        """Send a call of the central system, and return the response texts with their delays in
        seconds."""
        answer = self.charger.execute(action, payload, self.at)
        return list(self.charger.quirks.replies(result_text('"17"', answer)))

    def restart(self) -> None:
        """Restart the simulator with the charger's memory only."""
        spec, memory = self.charger.spec, Memory.from_json(self.charger.memory.to_json())
        self.charger = Charger(spec, memory, made(spec.quirks, "seed"))
        self.charger.power_on(self.at)
        self._back_at = self.at

    def told(self, action: str) -> list[Payload]:
        """The payloads of one action, in order, those sent ahead included."""
        return [payload for frames in self.frames for name, payload in frames if name == action]

    def _connect(self) -> None:
        if self._back_at is None or self._back_at > self.at:
            return
        if self.charger.wants_link:
            self._back_at = None
            self.charger.connected(self.at)
        else:
            self._back_at = self.at + RECONNECT_SECONDS

    def _talk(self) -> None:
        while True:
            for effect in self.charger.take_effects():
                if isinstance(effect, ConnectionEffect):
                    self._act_on_connection(effect)
                elif isinstance(effect, SendText):
                    self.texts.append(effect.text)
            outgoing = self.charger.next_call(self.at)
            if outgoing is None:
                return
            self.frames.append(
                [(name, payload) for name, payload in orjson.loads(orjson.dumps(outgoing.frames))]
            )
            is_first = isinstance(outgoing.item, Message) and outgoing.item.attempts == 0
            answer = (
                REFUSAL if is_first and self.refuses_first else self._answer(outgoing.frames[-1][0])
            )
            self.charger.settle(outgoing, answer, self.at)

    def _act_on_connection(self, effect: ConnectionEffect) -> None:
        self.connection_effects.append((self.at, effect))
        self._back_at = self.at + effect.seconds + RECONNECT_SECONDS
        if self.charger.is_linked:
            self.charger.disconnected(self.at)

    def _answer(self, action: str) -> CallResult:
        now = wire_time(EPOCH + timedelta(seconds=self.at))
        self._transactions += action == "StartTransaction"
        accepted = {"status": "Accepted"}
        answers: dict[str, Payload] = {
            "BootNotification": {"currentTime": now, "interval": 300, **accepted},
            "Heartbeat": {"currentTime": now},
            "Authorize": {"idTagInfo": accepted},
            "StartTransaction": {"transactionId": self._transactions, "idTagInfo": accepted},
            "DataTransfer": accepted,
        }
        return CallResult("1", answers.get(action, {}))


def registers(payload: Payload) -> list[str]:
    """The values of the energy register in a MeterValues or a StopTransaction."""
    values = payload.get("meterValue") or payload.get("transactionData") or []
    return [
        sample["value"]
        for value in values
        for sample in value["sampledValue"]
        if sample.get("measurand") == "Energy.Active.Import.Register"
    ]


def an_hour(*quirks: str, **how: Any) -> Driven:
    """One transaction of an hour, with readings in MeterValues and in the stop."""
    driven = Driven(*quirks, **how)
    driven.charger.configuration.change("StopTxnSampledData", "Energy.Active.Import.Register")
    driven.session(100, 3_700)
    driven.run(5_000)
    return driven
