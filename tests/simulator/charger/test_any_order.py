"""One charger under any order of events: people, operators, network, power cuts and a central
system's responses.

Invariants: only transitions of §4.9, no falling register, no energy without a ledger entry, exactly
one stop after each start, and transaction messages in order. Once everything works again, the
central system knows the true statuses.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from levity_trio.simulator.charger.state import Impossible, Message
from levity_trio.simulator.physics import ERROR_CODES, IllegalMove, Status, Vehicle, shown_wh
from levity_trio.simulator.provable import prove
from levity_trio.wire.times import wire_time
from tests.simulator.charger.central import NOON, made
from tests.sizes import size

CONNECTORS = 2
REGISTER_WH = 1_000
SECONDS = st.sampled_from(
    [0.0, 0.25, 1.0, 7.0, 29.0, 30.0, 31.0, 60.0, 61.5, 300.0, 1800.0, 7200.0]
)
PLACES = st.integers(1, CONNECTORS)
ALL_PLACES = st.integers(0, CONNECTORS)
TAGS = st.sampled_from(["GOOD", "BLOCKED", "MOTHER", "SON"])
VERDICTS = {
    "BLOCKED": {"status": "Blocked"},
    "MOTHER": {"status": "Accepted", "parentIdTag": "FAMILY"},
    "SON": {"status": "Accepted", "parentIdTag": "FAMILY"},
}
VEHICLES = st.sampled_from(
    [
        Vehicle(name="small", battery_wh=8_000, soc=0.5),
        Vehicle(name="big", battery_wh=90_000, max_ac_w=11_040, ac_phases=3, soc=0.1),
        Vehicle(name="full", soc=1.0),
    ]
)
TRANSACTION_MESSAGES = ("StartTransaction", "MeterValues", "StopTransaction")
ACTIONS = st.sets(
    st.sampled_from(["Authorize", "BootNotification", "StatusNotification", *TRANSACTION_MESSAGES])
)
KEYS = st.fixed_dictionaries(
    {},
    optional={
        "AllowOfflineTxForUnknownId": st.just("true"),
        "AuthorizeRemoteTxRequests": st.just("true"),
        "ClockAlignedDataInterval": st.sampled_from(["0", "900"]),
        "ConnectionTimeOut": st.sampled_from(["30", "600"]),
        "LocalPreAuthorize": st.just("true"),
        "MeterValueSampleInterval": st.sampled_from(["0", "60", "900"]),
        "MinimumStatusDuration": st.sampled_from(["0", "30"]),
        "StopTransactionOnEVSideDisconnect": st.sampled_from(["true", "false"]),
        "StopTransactionOnInvalidId": st.sampled_from(["true", "false"]),
        "StopTxnSampledData": st.just("Energy.Active.Import.Register"),
        "TransactionMessageAttempts": st.sampled_from(["1", "3"]),
    },
)
PURPOSES = st.sampled_from(
    [("TxDefaultProfile", 0), ("TxDefaultProfile", 1), ("TxProfile", 1), ("TxProfile", 2)]
)
LIMITS = st.sampled_from([0.0, 5.0, 10.0, 16.0])


class Journal(list[Message]):
    """The queued messages, which also records every message that was ever queued, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Message] = []

    def append(self, message: Message) -> None:
        self.kept.append(message)
        super().append(message)


def profile(purpose: str, amps: float, at: float) -> dict[str, Any]:
    """A limit for half an hour from that second on."""
    periods = [{"startPeriod": 0, "limit": amps}]
    schedule = {
        "duration": 1800,
        "chargingRateUnit": "A",
        "startSchedule": wire_time(NOON + timedelta(seconds=at)),
        "chargingSchedulePeriod": periods,
    }
    names = {"chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute"}
    return {"chargingProfileId": 1, "stackLevel": 0, **names, "chargingSchedule": schedule}


class AnyOrder(RuleBasedStateMachine):
    """The charger and everything around it."""

    def __init__(self) -> None:
        super().__init__()
        self.central = made(connectors=CONNECTORS, phases=3, register_wh=REGISTER_WH)
        self.central.tags = dict(VERDICTS)
        self.charger = self.central.charger
        self.journal = self.charger.memory.messages = Journal()
        self.registers = [float(REGISTER_WH)] * (CONNECTORS + 1)

    @initialize(keys=KEYS, is_on=st.booleans())
    def install(self, keys: dict[str, str], is_on: bool) -> None:
        for key, value in keys.items():
            assert self.charger.configuration.change(key, value) == "Accepted"
        if is_on:
            self.central.then(0.0, self.charger.power_on)

    def do(self, what: Any, *args: object) -> None:
        """Try an action; the shell may be late with the actions due before it."""
        with contextlib.suppress(Impossible):
            what(*args, self.central.at)
        self.central.settle()

    # Time

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: float) -> None:
        self.central.run(self.central.at + seconds)

    @rule(seconds=SECONDS)
    def be_late(self, seconds: float) -> None:
        """Time passes without a call of `advance`: the shell is busy."""
        if self.central.waiting is None:
            self.central.at += seconds

    # People

    @rule(number=PLACES, vehicle=VEHICLES)
    def plug(self, number: int, vehicle: Vehicle) -> None:
        self.do(self.charger.plug, number, vehicle)

    @rule(number=PLACES)
    def unplug(self, number: int) -> None:
        self.do(self.charger.unplug, number)

    @rule(number=PLACES, tag=TAGS)
    def present_tag(self, number: int, tag: str) -> None:
        self.do(self.charger.present_tag, number, tag)

    @rule(number=PLACES, tag=TAGS, vehicle=VEHICLES, seconds=SECONDS)
    def come(self, number: int, tag: str, vehicle: Vehicle, seconds: float) -> None:
        """The most frequent case: a vehicle arrives and charges."""
        self.do(self.charger.clear_fault, number)
        self.do(self.charger.plug, number, vehicle)
        self.do(self.charger.present_tag, number, tag)
        self.pass_time(seconds)

    @rule(number=PLACES, seconds=SECONDS)
    def leave(self, number: int, seconds: float) -> None:
        self.do(self.charger.unplug, number)
        self.pass_time(seconds)

    # Operators

    @rule(number=PLACES)
    def start(self, number: int) -> None:
        self.do(self.charger.start, number, "GOOD")

    @rule(number=PLACES)
    def stop(self, number: int) -> None:
        self.do(self.charger.stop, number)

    @rule(number=ALL_PLACES, code=st.sampled_from(ERROR_CODES))
    def fault(self, number: int, code: str) -> None:
        self.do(self.charger.fault, number, code)

    @rule(number=ALL_PLACES)
    def clear_fault(self, number: int) -> None:
        self.do(self.charger.clear_fault, number)

    @rule(number=ALL_PLACES, status=st.sampled_from(Status))
    def set_status(self, number: int, status: Status) -> None:
        with contextlib.suppress(IllegalMove):
            self.do(self.charger.set_status, number, status.value)

    # Network and power

    @rule(is_away=st.booleans())
    def link(self, is_away: bool) -> None:
        self.central.go(is_away)

    @rule()
    def go_offline(self) -> None:
        self.do(self.charger.go_offline)

    @rule()
    def go_online(self) -> None:
        self.do(self.charger.go_online)

    @rule(silent=ACTIONS, refused=ACTIONS, seconds=SECONDS)
    def misbehave(self, silent: set[str], refused: set[str], seconds: float) -> None:
        """The central system does not respond, or responds with errors."""
        self.central.silent, self.central.refused = silent, refused
        self.pass_time(seconds)

    @rule()
    def be_well(self) -> None:
        self.repair()

    @rule(
        status=st.sampled_from(["Accepted", "Accepted", "Pending", "Rejected"]),
        interval=st.integers(0, 120),
    )
    def register(self, status: str, interval: int) -> None:
        self.central.registration, self.central.interval = status, interval

    @rule(seconds=st.sampled_from([-600, 5, 3600]))
    def change_the_clock(self, seconds: int) -> None:
        """The central system's clock jumps, and the charger's follows."""
        self.central.clock += timedelta(seconds=seconds)

    @rule()
    def power_off(self) -> None:
        self.do(self.charger.power_off)

    @rule()
    def brown_out(self) -> None:
        self.do(partial(self.charger.fail, keeps_sessions=True))

    @rule()
    def power_on(self) -> None:
        self.do(self.charger.power_on)

    # The central system's calls

    def call(self, action: str, **payload: Any) -> None:
        if self.charger.is_linked:
            self.central.ask(
                action, **{name: value for name, value in payload.items() if value is not None}
            )

    @rule(number=st.none() | PLACES, tag=TAGS, amps=st.none() | LIMITS)
    def remote_start(self, number: int | None, tag: str, amps: float | None) -> None:
        brought = None if amps is None else profile("TxProfile", amps, self.central.at)
        self.call("RemoteStartTransaction", connectorId=number, idTag=tag, chargingProfile=brought)

    @precondition(lambda self: self.central.ids)
    @rule()
    def remote_stop(self) -> None:
        self.call("RemoteStopTransaction", transactionId=max(self.central.ids.values()))

    @rule(number=PLACES)
    def unlock(self, number: int) -> None:
        self.call("UnlockConnector", connectorId=number)

    @rule(kind=st.sampled_from(["Hard", "Soft"]))
    def reset(self, kind: str) -> None:
        self.call("Reset", type=kind)

    @rule(number=ALL_PLACES, kind=st.sampled_from(["Operative", "Inoperative"]))
    def change_availability(self, number: int, kind: str) -> None:
        self.call("ChangeAvailability", connectorId=number, type=kind)

    @rule(
        number=ALL_PLACES,
        reservation=st.integers(1, 2),
        tag=TAGS,
        seconds=st.sampled_from([60, 900]),
    )
    def reserve(self, number: int, reservation: int, tag: str, seconds: int) -> None:
        expiry = wire_time(self.central.clock + timedelta(seconds=self.central.at + seconds))
        parent = VERDICTS.get(tag, {}).get("parentIdTag")
        names = {
            "connectorId": number,
            "reservationId": reservation,
            "idTag": tag,
            "parentIdTag": parent,
        }
        self.call("ReserveNow", **names, expiryDate=expiry)

    @rule(reservation=st.integers(1, 2))
    def cancel_reservation(self, reservation: int) -> None:
        self.call("CancelReservation", reservationId=reservation)

    @rule(purpose=PURPOSES, amps=LIMITS)
    def limit(self, purpose: tuple[str, int], amps: float) -> None:
        kind, number = purpose
        self.call(
            "SetChargingProfile",
            connectorId=number,
            csChargingProfiles=profile(kind, amps, self.central.at),
        )

    @rule()
    def lift_limits(self) -> None:
        self.call("ClearChargingProfile")

    @rule(
        message=st.sampled_from(
            ["BootNotification", "Heartbeat", "MeterValues", "StatusNotification"]
        ),
        number=st.none() | ALL_PLACES,
    )
    def trigger(self, message: str, number: int | None) -> None:
        self.call("TriggerMessage", requestedMessage=message, connectorId=number)

    @rule(keys=KEYS)
    def configure(self, keys: dict[str, str]) -> None:
        for key, value in keys.items():
            self.call("ChangeConfiguration", key=key, value=value)

    @rule(is_there=st.booleans())
    def update_firmware(self, is_there: bool) -> None:
        url = "http://files/fw-2.0.1.bin"
        self.central.files = {url: b"firmware"} if is_there else {}
        self.call("UpdateFirmware", location=url, retrieveDate=wire_time(NOON))

    # Invariants

    @invariant()
    def registers_never_fall(self) -> None:
        registers = [connector.meter.register_wh for connector in self.charger.connectors]
        assert all(before <= now for before, now in zip(self.registers, registers, strict=True))
        self.registers = registers

    @invariant()
    def the_charger_itself_knows_three_statuses(self) -> None:
        assert self.charger.connectors[0].status in (
            Status.AVAILABLE,
            Status.UNAVAILABLE,
            Status.FAULTED,
        )

    @invariant()
    def power_flows_in_sessions_only(self) -> None:
        for connector in self.charger.connectors:
            assert not connector.meter.power_w or connector.status is Status.CHARGING

    # The end

    def teardown(self) -> None:
        self.repair()
        self.central.run(self.central.at + 86_400)
        for connector in self.charger.connectors:
            if connector.transaction is not None:
                self.do(self.charger.stop, connector.number)
        self.central.run(self.central.at + 3600)
        self.compare_energy()
        self.compare_messages()
        self.compare_statuses()

    def repair(self) -> None:
        """Restore network, power and central system."""
        central = self.central
        central.silent, central.refused = set(), set()
        central.registration, central.interval = "Accepted", 300
        central.go(is_away=False)
        self.do(self.charger.power_on)
        self.do(self.charger.go_online)

    def compare_energy(self) -> None:
        advanced_wh = sum(
            shown_wh(one.meter.register_wh) - REGISTER_WH for one in self.charger.connectors
        )
        assert sum(entry.energy_wh for entry in self.charger.ledger) == advanced_wh
        for entry in self.charger.ledger:
            assert entry.is_ended
            assert entry.thrown_away or not prove(entry).lost

    def compare_messages(self) -> None:
        assert not self.journal
        sent = [
            (one.item, one.frames[-1][1])
            for one in self.central.sent
            if isinstance(one.item, Message)
        ]
        turns = [
            id(one)
            for (one, _), (following, _) in pairwise([*sent, (None, None)])
            if one is not following
        ]
        assert turns == [id(one) for one in self.journal.kept], (
            "each in its turn, and repeated in its turn"
        )
        for entry, local_id in zip(
            self.charger.ledger, range(-1, -len(self.charger.ledger) - 1, -1), strict=True
        ):
            actions = [one.action for one in self.journal.kept if one.local_id == local_id]
            assert (actions[0], actions[-1]) == ("StartTransaction", "StopTransaction")
            assert set(actions[1:-1]) <= {"MeterValues"}
            told = [payload for one, payload in sent if one.local_id == local_id]
            assert {payload.get("transactionId", local_id) for payload in told} <= {
                entry.transaction_id,
                local_id,
            }

    def compare_statuses(self) -> None:
        for connector in self.charger.connectors:
            told = [
                one
                for one in self.central.said("StatusNotification")
                if one["connectorId"] == connector.number
            ]
            assert (told[-1]["status"], told[-1]["errorCode"]) == (
                connector.status,
                connector.error_code,
            )


AnyOrder.TestCase.settings = settings(
    max_examples=size(60, 8), stateful_step_count=40, deadline=None
)
TestAnyOrder = AnyOrder.TestCase
