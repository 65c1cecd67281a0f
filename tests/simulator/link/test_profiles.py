"""Our server limits a simulated charger: one that obeys, and each quirk of those that do not, on
the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.simulator.physics import Vehicle
from levity_trio.wire.charging_profiles import CHARGER, DEFAULT, TRANSACTION
from levity_trio.wire.errors import CallRefused
from levity_trio.wire.payloads import call
from levity_trio.wire.times import wire_time
from tests.charger.parts import configure
from tests.simulator.link.living import CAR, TAG, Living, open_living

FULL = 32.0
LEASE = 120
AT_ONCE = [(0, 10)]
LEASED = [(0, 10), (LEASE, 6)]
WAITING = [(0, 0), (LEASE, 6)]
IDS = {CHARGER: 1, DEFAULT: 2, TRANSACTION: 3}
FOLLOWED_SECONDS = 5
Periods = Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Limited:
    """A charger with one connector or more, and the server that limits it."""

    living: Living
    central: Central

    async def ask(self, request: Any) -> Any:
        return await self.living.call(self.central, request)

    async def plug(self, connector: int = 1, vehicle: Vehicle = CAR) -> None:
        """Begin a transaction, and wait until the server knows it."""
        self.arrive(connector, vehicle)
        await self.living.quiet()

    def arrive(self, connector: int = 1, vehicle: Vehicle = CAR) -> None:
        """Begin a transaction, whether the server knows it or not."""
        if not self.living.charger.connectors[connector].meter.is_plugged:
            self.living.charger.plug(connector, vehicle, self.living.at)
        self.living.charger.present_tag(connector, TAG, self.living.at)

    async def leave(self) -> None:
        self.living.charger.unplug(1, self.living.at)
        await self.living.quiet()

    async def set(self, purpose: str, periods: Periods = AT_ONCE, **changes: Any) -> str:
        """Set a profile, and return the charger's answer; `id`, `connector`, `stack`, `kind`,
        `start`, `duration`, `unit` and `lines`."""
        lines = {"numberPhases": changes["lines"]} if "lines" in changes else {}
        schedule = {
            "chargingRateUnit": changes.get("unit", "A"),
            "chargingSchedulePeriod": [
                {"startPeriod": start, "limit": limit} | lines for start, limit in periods
            ],
        }
        schedule |= {"startSchedule": changes["start"]} if "start" in changes else {}
        schedule |= {"duration": changes["duration"]} if "duration" in changes else {}
        connector = changes.get("connector", 0 if purpose == CHARGER else 1)
        profile = {
            "chargingProfileId": changes.get("id", 10 * connector + IDS[purpose]),
            "stackLevel": changes.get("stack", 0),
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": changes.get(
                "kind", "Absolute" if "start" in changes else "Relative"
            ),
            "chargingSchedule": schedule,
        }
        if purpose == TRANSACTION:
            profile["transactionId"] = self._transaction_id(connector)
        answer = await self.ask(
            call.SetChargingProfile(connector_id=connector, cs_charging_profiles=profile)
        )
        status: str = answer.status
        return status

    async def agree(self, purpose: str, periods: Periods = AT_ONCE, **changes: Any) -> None:
        assert await self.set(purpose, periods, **changes) == "Accepted"

    async def lease(self, periods: Periods = LEASED, **changes: Any) -> None:
        """Set a TxProfile that began a minute ago by the charger's clock."""
        start = wire_time(self.living.charger.shown_time(self.living.at) - timedelta(minutes=1))
        await self.agree(TRANSACTION, periods, start=start, **changes)

    async def amps(self, after: float = FOLLOWED_SECONDS, connector: int = 1) -> float:
        """Return the current that the charger reports so many seconds from now, by
        TriggerMessage."""
        await trio.sleep(after)
        await self.ask(call.TriggerMessage(requested_message="MeterValues", connector_id=connector))
        await self.living.quiet()
        (value,) = self.living.sent("MeterValues")[-1]["meterValue"]
        (found,) = [
            one["value"] for one in value["sampledValue"] if one["measurand"] == "Current.Import"
        ]
        return float(found)

    def drawn(self) -> float:
        """Return the current at connector 1, which nobody tells while the connection is cut."""
        meter = self.living.charger.connectors[1].meter
        return meter.snapshot().currents[0]

    async def limits(self, seconds: int = 600) -> list[tuple[int, float]]:
        answer = await self.ask(call.GetCompositeSchedule(connector_id=1, duration=seconds))
        periods = answer.charging_schedule["chargingSchedulePeriod"]
        return [(one["startPeriod"], one["limit"]) for one in periods]

    async def cut(self, seconds: float) -> None:
        """Cut the connection for some time."""
        self.living.charger.act_on_connection("drop", seconds)
        await trio.sleep(1)

    async def reset(self, kind: str) -> None:
        boots = len(self.living.sent("BootNotification"))
        await self.ask(call.Reset(type=kind))
        await self.living.until(lambda: len(self.living.sent("BootNotification")) > boots)
        await self.living.accepted()

    async def brown_out(self, seconds: float = 1) -> None:
        """Cut the power; the transaction continues afterwards."""
        self.living.charger.fail(self.living.at, keeps_sessions=True)
        await trio.sleep(seconds)
        self.living.charger.power_on(self.living.at)
        await self.living.accepted()

    def statuses(self) -> list[str]:
        sent = self.living.sent("StatusNotification")
        return [one["status"] for one in sent if one["connectorId"] == 1]

    def _transaction_id(self, connector: int) -> int | None:
        transaction = self.living.charger.connectors[connector].transaction
        assert transaction is not None
        return transaction.entry.transaction_id


@asynccontextmanager
async def limiting(central: Central, *quirks: str, **plate: Any) -> AsyncIterator[Limited]:
    configure(central, strict=True, heartbeat_interval_seconds=86_400)
    async with open_living(central, *quirks, **plate) as living:
        await living.accepted()
        yield Limited(living, central)


# One that obeys


async def test_who_starts_after_the_server_died_waits_for_every_lease_and_then_gets_the_safe_limit(
    central: Central,
) -> None:
    async with limiting(central, keys={"AllowOfflineTxForUnknownId": "true"}) as limited:
        await limited.agree(DEFAULT, WAITING)
        await limited.cut(10 * LEASE)
        limited.arrive()
        await trio.sleep(LEASE - 10)
        connector = limited.living.charger.connectors[1]
        assert (connector.status, limited.drawn()) == ("SuspendedEVSE", 0)
        await trio.sleep(11)
        assert (connector.status, limited.drawn()) == ("Charging", 6)


async def test_a_pause_and_its_end_are_told(central: Central) -> None:
    async with limiting(central) as limited:
        await limited.plug()
        assert await limited.amps() == FULL
        await limited.lease([(0, 0)])
        await trio.sleep(1)
        # the car follows 2 s later
        assert (limited.statuses()[-1], limited.drawn()) == (
            "SuspendedEVSE",
            FULL,
        )
        assert await limited.amps(2) == 0
        await limited.lease([(0, 8)])
        assert await limited.amps() == 8
        assert limited.statuses() == [
            "Available",
            "Preparing",
            "Charging",
            "SuspendedEVSE",
            "Charging",
        ]


@pytest.mark.parametrize("quirk", ["", "clock-wrong"])
async def test_a_lease_counts_by_the_clock_of_the_charger(central: Central, quirk: str) -> None:
    async with limiting(central, *([quirk] if quirk else [])) as limited:
        await limited.plug()
        await limited.lease()
        assert await limited.limits() == [(0, 10), (LEASE - 60, 6)]
        assert await limited.amps() == 10
        assert await limited.amps(LEASE - 60) == 6
        await limited.ask(call.ClearChargingProfile())
        assert await limited.amps() == FULL


async def test_a_schedule_by_the_servers_clock_is_two_hours_off_where_the_clock_is(
    central: Central,
) -> None:
    async with limiting(central, "clock-wrong") as limited:
        await limited.plug()
        now = limited.living.charger.clock.read(limited.living.at)
        await limited.agree(TRANSACTION, [(0, 10), (7_000, 6)], start=wire_time(now))
        assert await limited.amps() == 6  # it counts as 7,200 s old


async def test_a_clock_that_is_set_moves_a_schedule(central: Central) -> None:
    async with limiting(central, "clock-set-late") as limited:
        await limited.plug()
        await limited.lease([(0, 10)])
        assert await limited.amps() == 10
        # it begins hours later
        await limited.living.until(lambda: limited.drawn() == FULL, 6 * 3_600)


async def test_the_seconds_of_a_transaction_need_no_clock(central: Central) -> None:
    async with limiting(central, "clock-1970") as limited:
        await limited.agree(DEFAULT, WAITING)
        await limited.plug()
        assert await limited.amps() == 0
        assert await limited.amps(LEASE) == 6


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
async def test_a_default_survives_a_reset_and_a_power_cut(central: Central, kind: str) -> None:
    async with limiting(central) as limited:
        await limited.agree(DEFAULT)
        await limited.reset(kind)
        await limited.plug()
        assert await limited.amps() == 10
        await limited.lease([(0, 8)])
        await limited.brown_out()
        assert await limited.amps() == 8


async def test_a_lease_survives_the_loss_of_the_link_and_ends_without_it(central: Central) -> None:
    async with limiting(central) as limited:
        await limited.agree(DEFAULT, [(0, 7)])
        await limited.plug()
        await limited.lease([(0, 10), (180, 6)])
        await limited.cut(180)
        await trio.sleep(60)
        assert limited.drawn() == 10
        await trio.sleep(110)
        assert (limited.drawn(), limited.living.charger.is_linked) == (6, False)
        await limited.living.accepted()
        assert await limited.amps() == 6


async def test_a_new_interval_of_readings_begins_at_once(central: Central) -> None:
    async with limiting(central) as limited:
        await limited.plug()
        await limited.ask(call.ChangeConfiguration(key="MeterValueSampleInterval", value="20"))
        limited.living.frames.clear()
        await trio.sleep(61)
        assert len(limited.living.sent("MeterValues")) == 3


async def test_the_limit_of_the_whole_charger_is_divided(central: Central) -> None:
    async with limiting(central, connectors=2) as limited:
        await limited.agree(CHARGER, [(0, 20)])
        await limited.plug()
        assert await limited.amps() == 20
        await limited.plug(2)
        assert (await limited.amps(), await limited.amps(connector=2)) == (10, 10)
        await limited.leave()
        assert await limited.amps(connector=2) == 20


async def test_a_vehicle_that_needs_more_suspends_by_itself(central: Central) -> None:
    async with limiting(central) as limited:
        await limited.plug(vehicle=replace(CAR, least_ac_a=9))
        await limited.lease([(0, 8)])
        assert await limited.amps() == 0
        await limited.lease([(0, 9)])
        assert await limited.amps() == 9
        assert limited.statuses()[-3:] == ["Charging", "SuspendedEV", "Charging"]


# Those that refuse


async def test_one_profile_only(central: Central) -> None:
    async with limiting(central, "one-profile-only") as limited:
        await limited.agree(DEFAULT, WAITING)
        await limited.plug()
        assert await limited.set(TRANSACTION) == await limited.set(DEFAULT, stack=1) == "Rejected"
        assert await limited.amps() == 0
        await limited.agree(DEFAULT, [(0, 10), (3_600, 6)])
        assert await limited.amps() == 10


async def test_one_period_only(central: Central) -> None:
    async with limiting(central, "one-period-only") as limited:
        answer = await limited.ask(call.GetConfiguration(key=["ChargingScheduleMaxPeriods"]))
        assert answer.configuration_key[0]["value"] == "1"
        await limited.agree(DEFAULT, [(0, 6)])
        await limited.plug()
        assert await limited.set(TRANSACTION, LEASED) == "Rejected"
        await limited.agree(TRANSACTION, duration=LEASE)
        assert await limited.amps() == 10
        assert await limited.amps(LEASE) == 6


async def test_no_zero_limit(central: Central) -> None:
    async with limiting(central, "no-zero-limit") as limited:
        assert await limited.set(DEFAULT, WAITING) == "Rejected"
        await limited.agree(DEFAULT, [(0, 6)])


async def test_no_relative_default(central: Central) -> None:
    async with limiting(central, "no-relative-default") as limited:
        assert await limited.set(DEFAULT) == "Rejected"
        await limited.agree(DEFAULT, start="2026-01-01T00:00:00Z")
        await limited.plug()
        await limited.agree(TRANSACTION, [(0, 8)], kind="Relative")
        assert await limited.amps() == 8


async def test_no_absolute(central: Central) -> None:
    async with limiting(central, "no-absolute") as limited:
        await limited.plug()
        assert await limited.set(TRANSACTION, start="2026-01-01T00:00:00Z") == "Rejected"
        await limited.agree(TRANSACTION, [(0, 8)])
        assert await limited.amps() == 8


async def test_watts_only(central: Central) -> None:
    """Its lines are unknown: it tells no current, and divides watts for one line over all three."""
    of_three_lines = replace(CAR, max_ac_w=22_080, ac_phases=3)
    async with limiting(central, "watts-only", phases=3) as limited:
        assert await limited.set(DEFAULT) == "Rejected"
        await limited.agree(DEFAULT, [(0, 4_140)], unit="W")
        await limited.plug(vehicle=of_three_lines)
        await trio.sleep(FOLLOWED_SECONDS)
        assert limited.drawn() == 6
        await limited.agree(TRANSACTION, [(0, 6_900)], unit="W", lines=1)
        await trio.sleep(FOLLOWED_SECONDS)
        assert limited.drawn() == 10
        await limited.ask(call.TriggerMessage(requested_message="MeterValues", connector_id=1))
        await limited.living.quiet()
        (value,) = limited.living.sent("MeterValues")[-1]["meterValue"]
        assert {one["measurand"] for one in value["sampledValue"]} == {
            "Energy.Active.Import.Register",
            "Power.Active.Import",
        }


async def test_no_smart_charging(central: Central) -> None:
    async with limiting(central, "no-smart-charging", max_current_a=40) as limited:
        told = await limited.ask(call.GetConfiguration())
        keys = {one["key"]: one["value"] for one in told.configuration_key if "value" in one}
        assert "SmartCharging" not in keys["SupportedFeatureProfiles"]
        assert (keys["MinCurrent"], keys["SetCurrent"], "ChargeProfileMaxStackLevel" in keys) == (
            "8000",
            "40000",
            False,
        )
        await limited.plug()
        for request in (
            call.ClearChargingProfile(),
            call.GetCompositeSchedule(connector_id=1, duration=60),
        ):
            with pytest.raises(CallRefused, match="NotSupported"):
                await limited.ask(request)
        with pytest.raises(CallRefused, match="NotSupported"):
            await limited.set(TRANSACTION)
        for milliamperes, status, amps in (
            ("7999", "Rejected", FULL),
            ("8000", "Accepted", 8),
            ("12500", "Accepted", 12.5),
        ):
            answer = await limited.ask(
                call.ChangeConfiguration(key="SetCurrent", value=milliamperes)
            )
            assert (answer.status, await limited.amps()) == (status, amps)
        await limited.cut(60)
        await limited.living.accepted()
        await limited.reset("Hard")
        await limited.plug()
        assert await limited.amps() == 12.5


async def test_a_remote_start_brings_no_profile_to_one_without_smart_charging(
    central: Central,
) -> None:
    async with limiting(central, "no-smart-charging") as limited:
        schedule = {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}],
        }
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": TRANSACTION,
            "chargingProfileKind": "Relative",
            "chargingSchedule": schedule,
        }
        limited.living.charger.plug(1, CAR, limited.living.at)
        await limited.ask(
            call.RemoteStartTransaction(id_tag=TAG, connector_id=1, charging_profile=profile)
        )
        assert await limited.amps() == FULL


# Those that ignore


async def test_profiles_late(central: Central) -> None:
    async with limiting(central, "profiles-late") as limited:
        await limited.agree(DEFAULT)
        await limited.plug()
        assert await limited.amps() == FULL
        assert await limited.amps(90) == 10
        await limited.lease([(0, 8)])
        assert await limited.limits() == [(0, 8)]
        assert (await limited.amps(60), await limited.amps(35)) == (10, 8)
        await limited.leave()
        await limited.plug()
        assert await limited.amps() == 10  # the TxProfile went with its transaction, in time


async def test_a_late_one_has_read_its_memory_after_a_restart(central: Central) -> None:
    async with limiting(central, "profiles-late") as limited:
        await limited.agree(DEFAULT)
        await limited.reset("Hard")
        await limited.plug()
        assert await limited.amps() == 10


async def test_profiles_ignored(central: Central) -> None:
    async with limiting(central, "profiles-ignored") as limited:
        await limited.agree(DEFAULT, WAITING)
        await limited.agree(CHARGER)
        await limited.plug()
        await limited.lease()
        assert await limited.limits() == [(0, 10), (LEASE - 60, 6)]
        assert (await limited.amps(), limited.statuses()[-1]) == (FULL, "Charging")


async def test_stack_level_0_only(central: Central) -> None:
    async with limiting(central, "stack-level-0-only") as limited:
        await limited.agree(DEFAULT)
        await limited.plug()
        await limited.lease([(0, 8)], stack=10)
        assert await limited.amps() == 10
        await limited.lease([(0, 8)])
        assert await limited.amps() == 8


async def test_default_next_time(central: Central) -> None:
    async with limiting(central, "default-next-time") as limited:
        await limited.agree(DEFAULT)
        await limited.plug()
        await limited.agree(DEFAULT, [(0, 6)])
        assert await limited.amps() == 10
        await limited.lease([(0, 8)])
        assert await limited.amps() == 8
        await limited.leave()
        await limited.plug()
        assert await limited.amps() == 6


@pytest.mark.parametrize(
    ("quirk", "amps"), [("charger-limit-ignored", 12), ("charger-limit-only", 10)]
)
async def test_one_kind_of_profile_is_ignored(central: Central, quirk: str, amps: float) -> None:
    async with limiting(central, quirk) as limited:
        await limited.agree(CHARGER, [(0, 10)])
        await limited.plug()
        assert await limited.amps() == (FULL if amps == 12 else 10)
        await limited.lease([(0, 12)])
        assert await limited.amps() == amps
        await limited.lease([(0, 8)])
        assert await limited.amps() == (8 if amps == 12 else 10)


# Those that read or keep them otherwise


@pytest.mark.parametrize(("quirk", "amps"), [((), 6), (("relative-from-receipt",), 10)])
async def test_relative_from_receipt(central: Central, quirk: tuple[str, ...], amps: float) -> None:
    async with limiting(central, *quirk) as limited:
        await limited.plug()
        await trio.sleep(2 * LEASE)
        await limited.agree(TRANSACTION, LEASED)
        assert (await limited.limits())[0] == (0, amps)  # so the server can find out
        assert await limited.amps() == amps
        assert await limited.amps(LEASE) == 6


@pytest.mark.parametrize(("asked", "amps"), [(0, 0), (3, 6), (6, 8), (8, 8), (8.1, 12), (30, 32)])
async def test_limits_rounded(central: Central, asked: float, amps: float) -> None:
    async with limiting(central, "limits-rounded") as limited:
        await limited.plug()
        await limited.lease([(0, asked)])
        assert await limited.amps() == amps


async def test_zero_is_least(central: Central) -> None:
    async with limiting(central, "zero-is-least") as limited:
        await limited.plug()
        for asked, amps in ((0, 6), (5, 6), (8, 8)):
            await limited.lease([(0, asked)])
            assert await limited.amps() == amps
        assert limited.statuses()[-1] == "Charging"


@pytest.mark.parametrize("restart", ["Soft", "Hard", "power"])
async def test_profiles_forgotten(central: Central, restart: str) -> None:
    async with limiting(central, "profiles-forgotten") as limited:
        await limited.agree(DEFAULT)
        await limited.plug()
        assert await limited.amps() == 10
        if restart == "power":
            await limited.brown_out()
        else:
            await limited.reset(restart)
            await limited.plug()
        assert await limited.amps() == FULL
        await limited.agree(DEFAULT)
        assert await limited.amps() == 10


async def test_highest_level_forgotten(central: Central) -> None:
    async with limiting(central, "highest-level-forgotten") as limited:
        await limited.agree(DEFAULT)
        await limited.agree(DEFAULT, [(0, 7)], stack=7, id=8)
        await limited.agree(DEFAULT, [(0, 6)], stack=8, id=9)
        await limited.plug()
        assert await limited.amps() == 6
        await limited.brown_out()
        assert await limited.amps() == 7


async def test_one_profile_kept(central: Central) -> None:
    async with limiting(central, "one-profile-kept") as limited:
        await limited.agree(CHARGER, [(0, 8)])
        await limited.agree(DEFAULT)
        await limited.reset("Hard")
        await limited.plug()
        assert await limited.amps() == 8
        await limited.brown_out()
        assert await limited.amps() == 10


@pytest.mark.parametrize(("quirks", "begins"), [((), True), (("no-offline-start",), False)])
async def test_no_offline_start(central: Central, quirks: tuple[str, ...], begins: bool) -> None:
    """The tag is in the cache, unless there is none."""
    async with limiting(central, *quirks) as limited:
        await limited.plug()
        await limited.leave()
        answer = await limited.ask(
            call.ChangeConfiguration(key="LocalAuthorizeOffline", value="true")
        )
        assert answer.status == ("Accepted" if begins else "Rejected")
        await limited.cut(60)
        limited.arrive()
        assert (limited.living.charger.connectors[1].transaction is not None) is begins


async def test_profiles_lost_offline(central: Central) -> None:
    async with limiting(central, "profiles-lost-offline") as limited:
        await limited.agree(DEFAULT)
        await limited.plug()
        await limited.lease([(0, 0)])
        assert await limited.amps() == 0
        await limited.cut(60)
        await trio.sleep(FOLLOWED_SECONDS)
        assert (limited.drawn(), limited.living.charger.is_linked) == (FULL, False)
        await limited.living.accepted()
        assert await limited.amps() == FULL
        await limited.lease([(0, 8)])
        assert await limited.amps() == 8
