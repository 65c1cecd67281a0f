"""What stands in a charge point after it refused something, and how often it is asked again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import cycle
from typing import Any

import pytest
import trio

from levity_trio.events import LimitIgnored
from levity_trio.store.writes.load import load
from levity_trio.store.writes.people.accounts import ChangeRefused
from levity_trio.wire.times import stamp
from tests.charger.parts import InlineWriter
from tests.load.foreign.charge_point import Car, ChargePoint, Make
from tests.load.foreign.evening import HOUR, MINUTE, open_evening
from tests.load.foreign.kinds import HONEST, KINDS, Kind

pytestmark = pytest.mark.night  # evenings of the feeder
VIRTUAL_TIME = True
NO_TX_PROFILE = Kind(Make(purposes=("ChargePointMaxProfile", "TxDefaultProfile")))


def installed(point: ChargePoint, purpose: str) -> list[dict[str, Any]]:
    there = [profile for profiles in point.profiles.installed.values() for profile in profiles]
    return [
        profile["chargingSchedule"]
        for profile in there
        if profile["chargingProfilePurpose"] == purpose
    ]


async def test_what_holds_instead_of_a_default_is_not_cleared(writer: InlineWriter) -> None:
    async with open_evening(writer, [KINDS["no TxDefaultProfile"]], 32.0) as evening:
        await evening.manage()
        (schedule,) = installed(evening.points[0], "ChargePointMaxProfile")
        assert [period["limit"] for period in schedule["chargingSchedulePeriod"]] == [0]


async def test_a_limit_that_was_set_as_a_default_does_not_outlast_its_car(
    writer: InlineWriter,
) -> None:
    """A refusal of a TxProfile is believed for one transaction, and its limit stood in the default
    profile."""
    async with open_evening(writer, [NO_TX_PROFILE], 32.0) as evening:
        await evening.manage()
        point = evening.points[0]
        evening.arrive(0)
        await trio.sleep(2 * MINUTE)
        assert evening.current(0) == 16
        point.unplug()
        await trio.sleep(MINUTE)
        (schedule,) = installed(point, "TxDefaultProfile")
        assert [period["limit"] for period in schedule["chargingSchedulePeriod"]] == [0]
        point.is_down = True
        await point.cut()
        evening.arrive(0)
        await trio.sleep(MINUTE)
        assert evening.current(0) == 0


async def test_a_limit_that_is_being_recorded_is_not_sent_to_one_that_is_let_go(
    writer: InlineWriter,
) -> None:
    """It answers after 25 s, so that it is let go for more than a minute."""
    async with open_evening(writer, [KINDS["answers after 25 s"]], 32.0) as evening:
        await evening.manage()
        await trio.sleep(10 * MINUTE)
        evening.arrive(0)
        await trio.sleep(0.5)
        writer.answer_seconds = 60.0
        await trio.sleep(10)
        writer.answer_seconds = 0.0
        await evening.load.let_go(["CP-0"], by="anna")
        await trio.sleep(5 * MINUTE)
        assert evening.load.limited.chargers == []
        assert not any(evening.points[0].profiles.installed.values())


async def test_who_refuses_everything_is_asked_seldom(writer: InlineWriter) -> None:
    async with open_evening(writer, [HONEST], 32.0) as evening:
        await evening.manage()
        point = evening.points[0]
        evening.arrive(0)
        await trio.sleep(2 * MINUTE)
        point.make = replace(point.make, purposes=())
        await evening.load.limit_by_hand(("CP-0", 1), 8, reason="", by="anna")
        before = len(point.calls)
        await trio.sleep(10 * MINUTE)
        assert len(point.calls) - before < 12
        point.unplug()
        before = len(point.calls)
        await trio.sleep(20 * MINUTE)
        assert len(point.calls) - before <= 6


async def test_a_car_that_takes_less_than_its_limit_does_not_show_its_lines(
    writer: InlineWriter,
) -> None:
    """30 A in all are 2 × 15 as well as 3 × 10, and remain so when the limit goes from 16 to 14
    A."""
    async with open_evening(writer, [Kind(Make(tells=("register", "power")))], 32.0) as evening:
        await evening.manage()
        evening.arrive(0, Car(lines=3, most=10.0))
        await trio.sleep(2 * MINUTE)
        await evening.load.limit_by_hand(("CP-0", 1), 14, reason="", by="anna")
        await trio.sleep(2 * MINUTE)
        assert evening.load.now is not None
        assert [car.drawn_a for car in evening.load.now.cars] != [15.0]


@pytest.mark.parametrize("lost", ["link", "server"])
async def test_a_clock_that_was_set_back_stays_known(writer: InlineWriter, lost: str) -> None:
    async with open_evening(writer, [KINDS["clock set back"]], 32.0) as evening:
        await evening.manage()
        point = evening.points[0]
        evening.arrive(0)
        await trio.sleep(14 * MINUTE)
        if lost == "link":
            point.is_down = True
            await point.cut()
            await trio.sleep(15)
            point.is_down = False
        else:
            await evening.die()
        before = len(point.calls)
        await trio.sleep(30 * MINUTE)
        starts = [
            call[2]["csChargingProfiles"]["chargingSchedule"]["startSchedule"]
            for call in point.calls[before:]
            if call[1] == "SetChargingProfile"
        ]
        assert starts
        assert all(start < f"{point.clock():%Y-%m-%dT%H:%M:%SZ}" for start in starts)
        assert max(starts) < f"{evening.central.clock():%Y-%m-%dT%H:00:00Z}", "an hour behind"
        assert trio.current_time() < HOUR


async def test_who_ignores_its_limit_is_told_although_its_readings_come_by_a_slow_way(
    writer: InlineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its messages take from no time to a minute and a half, as those of a meter in a cloud."""
    slow = cycle((0, 31, 62, 93, 47, 78))

    def sent(point: ChargePoint) -> str:
        return (point.clock() - timedelta(seconds=next(slow))).strftime("%Y-%m-%dT%H:%M:%SZ")

    monkeypatch.setattr(ChargePoint, "_now", sent)
    async with open_evening(writer, [Kind(Make(obeys_seconds=0.0)), HONEST], 20.0) as evening:
        await evening.manage()
        evening.arrive(0)
        evening.arrive(1)
        await trio.sleep(8 * MINUTE)
        assert {fact.charger for fact in evening.facts(LimitIgnored)} == {"CP-0"}


async def test_a_clock_that_is_set_back_between_two_cars_hides_nobody(writer: InlineWriter) -> None:
    async with open_evening(writer, [HONEST] * 2, 25.0) as evening:
        await evening.manage()
        point = evening.points[0]
        evening.arrive(0)
        await trio.sleep(4 * MINUTE)
        point.unplug()
        await trio.sleep(5 * MINUTE)
        point.set_clock(-HOUR)
        evening.arrive(0)
        evening.arrive(1)
        await trio.sleep(6 * MINUTE)
        assert [evening.current(0), evening.current(1)] == [13, 12]
        assert evening.load.now is not None
        assert [car.drawn_a for car in evening.load.now.cars] == [13, 12]


async def test_who_refused_each_default_is_tried_again_from_the_first_way_on(
    writer: InlineWriter,
) -> None:
    """It was only busy, and others with its firmware have nothing to do with it."""
    async with open_evening(writer, [KINDS["no TxDefaultProfile"]], 32.0) as evening:
        await evening.manage()
        point = evening.points[0]
        assert writer.rows("SELECT way FROM load_charger") == [(3,)]
        assert writer.rows("SELECT what FROM load_model WHERE what = 'way'") == []
        point.make = Make()
        await evening.load.try_again("CP-0")
        await trio.sleep(MINUTE)
        assert writer.rows("SELECT way FROM load_charger") == [(1,)]
        assert installed(point, "TxDefaultProfile")


async def test_who_refused_all_is_asked_at_once_when_a_person_wants_that(
    writer: InlineWriter,
) -> None:
    """By itself, no more is asked in this hour."""
    async with open_evening(writer, [Kind(Make(purposes=()))], 32.0) as evening:
        await evening.manage()
        point = evening.points[0]
        point.make = Make()
        await trio.sleep(5 * MINUTE)
        assert installed(point, "TxDefaultProfile") == []
        await evening.load.try_again("CP-0")
        await trio.sleep(MINUTE)
        assert installed(point, "TxDefaultProfile") != []


async def test_who_refuses_each_default_has_shown_nothing_of_its_words(
    writer: InlineWriter,
) -> None:
    """It knows no TxDefaultProfile at all, so that says nothing of waits and of 0 A, here and at
    its sisters."""
    async with open_evening(writer, [KINDS["no TxDefaultProfile"]], 32.0) as evening:
        await evening.manage()
        asked = [
            status
            for _, action, _, status in evening.points[0].calls
            if action == "SetChargingProfile"
        ]
        assert asked.count("Rejected") <= 7
        assert writer.rows("SELECT what FROM load_model") == []
        assert writer.rows("SELECT way FROM load_charger") == [(3,)]


@pytest.mark.parametrize(
    ("lowest", "facts"), [(0.0, {"counts_from"}), (6.0, {"counts_from", "zero"})]
)
async def test_a_default_is_set_in_the_words_that_a_charger_takes(
    writer: InlineWriter, lowest: float, facts: set[str]
) -> None:
    """It takes one period, and Relative schedules only; what its default has shown is used for its
    first limit."""
    kind = Kind(Make(kinds=("Relative",), most_periods=1, lowest=lowest))
    async with open_evening(writer, [kind], 32.0) as evening:
        await evening.manage()
        point = evening.points[0]
        assert writer.rows("SELECT way FROM load_charger") == [(1,)]
        learned = {what for (what,) in writer.rows("SELECT what FROM load_model")}
        assert learned - {"waits"} == facts
        (schedule,) = installed(point, "TxDefaultProfile")
        assert [period["limit"] for period in schedule["chargingSchedulePeriod"]] == [lowest]
        before = len(point.calls)
        evening.arrive(0)
        await trio.sleep(MINUTE)
        assert evening.current(0) >= 6
        asked = [
            status
            for _, action, _, status in point.calls[before:]
            if action == "SetChargingProfile"
        ]
        assert asked == ["Accepted"]


async def test_what_a_refusal_taught_holds_until_its_own_car_leaves(writer: InlineWriter) -> None:
    """What the other connector was refused meanwhile, and when its car left, has nothing to do with
    it."""
    async with open_evening(writer, [replace(NO_TX_PROFILE, connectors=2)], 32.0) as evening:
        await evening.manage()
        point = evening.points[0]
        evening.arrive(0)
        await trio.sleep(MINUTE)
        point.make = replace(point.make, kinds=("Relative",))
        evening.arrive(0, connector=2)
        await trio.sleep(MINUTE)
        point.unplug(2)
        await trio.sleep(MINUTE)
        before = len(point.calls)
        await evening.load.limit_by_hand(("CP-0", 1), 9, reason="", by="anna")
        await trio.sleep(MINUTE)
        asked = [
            payload
            for _, action, payload, _ in point.calls[before:]
            if action == "SetChargingProfile"
        ]
        assert {profile["csChargingProfiles"]["chargingProfilePurpose"] for profile in asked} == {
            "TxDefaultProfile"
        }
        assert evening.current(0) == 9


async def test_a_session_that_obeys_in_no_way_is_asked_to_stop_once(writer: InlineWriter) -> None:
    async with open_evening(writer, [Kind(Make(obeys_seconds=0.0))], 32.0) as evening:
        await evening.manage()
        document = evening.document() + "[options]\nstop_who_ignores = true\n"
        await writer.run(load.set_site, document, stamp(evening.central.clock()), "anna")
        point = evening.points[0]
        point._on_RemoteStopTransaction = lambda _: {"status": "Rejected"}  # type: ignore[assignment, method-assign]
        evening.arrive(0)
        await evening.load.limit_by_hand(("CP-0", 1), 9, reason="", by="anna")
        await trio.sleep(40 * MINUTE)
        assert writer.rows("SELECT way FROM load_charger") == [(5,)]
        assert writer.rows("SELECT action, state FROM command WHERE action LIKE '%Stop%'") == [
            ("RemoteStopTransaction", "rejected")
        ]
        assert len(evening.facts(LimitIgnored)) == 1


async def test_two_cars_that_ignore_a_way_leave_out_none(writer: InlineWriter) -> None:
    """What each of them ignores says nothing of a way in which only the other, or neither, was
    told."""
    async with open_evening(writer, [Kind(Make(obeys_seconds=0.0), connectors=2)], 63.0) as evening:
        await evening.manage()
        point = evening.points[0]
        for connector in (1, 2):
            evening.arrive(0, connector=connector)
            await evening.load.limit_by_hand(("CP-0", connector), 9, reason="", by="anna")
        before = len(point.calls)
        await trio.sleep(10 * MINUTE)
        asked = [
            payload
            for _, action, payload, _ in point.calls[before:]
            if action == "SetChargingProfile"
        ]
        purposes = {
            (payload["connectorId"], payload["csChargingProfiles"]["chargingProfilePurpose"])
            for payload in asked
        }
        told = {
            (1, "TxProfile"),
            (2, "TxProfile"),
            (1, "TxDefaultProfile"),
            (2, "TxDefaultProfile"),
        }
        assert purposes == told | {(0, "ChargePointMaxProfile")}


async def test_who_refuses_to_be_paused_is_not_said_to_disobey(writer: InlineWriter) -> None:
    """The house leaves it 4 A."""
    house = [5.0]
    async with open_evening(
        writer, [KINDS["refuses 0 A"]], 20.0, house=lambda _: (house[0],) * 3
    ) as evening:
        await evening.manage()
        evening.arrive(0)
        await trio.sleep(2 * MINUTE)
        house[0] = 16.0
        await trio.sleep(2 * MINUTE)
        assert evening.current(0) == 6
        assert evening.load.now is not None
        assert [car.says for car in evening.load.now.cars] == [
            "cannot be paused, so 6 A are kept for it"
        ]


async def test_who_is_to_be_tried_again_while_it_is_prepared_is_prepared_once_more(
    writer: InlineWriter,
) -> None:
    slow = Make(purposes=("ChargePointMaxProfile", "TxProfile"), answers_after=20.0)
    async with open_evening(writer, [Kind(slow)], 32.0) as evening:
        await evening.manage()
        point = evening.points[0]
        await trio.sleep(3.5 * MINUTE)
        assert writer.rows("SELECT way, prepared_at FROM load_charger") == [(3, None)]
        point.make = Make(answers_after=20.0)
        await evening.load.try_again("CP-0")
        await trio.sleep(10 * MINUTE)
        assert writer.rows("SELECT way FROM load_charger") == [(1,)]
        assert installed(point, "TxDefaultProfile")


async def test_who_boots_and_forgets_while_it_is_prepared_is_prepared_once_more(
    writer: InlineWriter,
) -> None:
    async with open_evening(writer, [Kind(Make(answers_after=20.0))], 32.0) as evening:
        await evening.manage()
        point = evening.points[0]
        await trio.sleep(50)
        assert installed(point, "TxDefaultProfile")
        point.profiles.installed.clear()
        point._has_booted = False
        # over a new link, before the old one is known to be lost
        evening.nursery.start_soon(point._converse)
        await trio.sleep(10 * MINUTE)
        assert installed(point, "TxDefaultProfile")


async def test_a_trial_does_not_begin_while_its_charger_is_prepared(writer: InlineWriter) -> None:
    """To prepare a charger clears profiles, and those of the trial may be among them."""
    async with open_evening(writer, [Kind(Make(answers_after=20.0))], 32.0) as evening:
        await evening.manage()
        with pytest.raises(ChangeRefused, match="is being prepared"):
            await evening.load.begin_trial(("CP-0", 1), by="anna")
        await trio.sleep(5 * MINUTE)
        assert await evening.load.begin_trial(("CP-0", 1), by="anna")


@pytest.mark.parametrize("kinds", [("Absolute", "Relative"), ("Relative",)])
async def test_what_was_set_before_a_refusal_does_not_outlast_it(
    writer: InlineWriter, kinds: tuple[str, ...]
) -> None:
    """A profile for the transaction comes before the default profile, in which the charger is told
    from now on."""
    async with open_evening(writer, [HONEST], 32.0) as evening:
        await evening.manage()
        point = evening.points[0]
        evening.arrive(0)
        await trio.sleep(8 * MINUTE)
        point.make = Make(purposes=("ChargePointMaxProfile", "TxDefaultProfile"), kinds=kinds)
        await evening.load.limit_by_hand(("CP-0", 1), 7, reason="", by="anna")
        await trio.sleep(20)
        assert evening.current(0) == 7
        await evening.load.limit_by_hand(("CP-0", 1), 12, reason="", by="anna")
        await trio.sleep(40 * MINUTE)
        assert evening.current(0) == 12
        assert evening.facts(LimitIgnored) == []


async def test_a_limit_of_the_whole_charger_does_not_outlast_the_refusals_that_led_to_it(
    writer: InlineWriter,
) -> None:
    async with open_evening(writer, [HONEST], 32.0) as evening:
        await evening.manage()
        point = evening.points[0]
        evening.arrive(0)
        await trio.sleep(8 * MINUTE)
        point.make = Make(purposes=("ChargePointMaxProfile",))
        await evening.load.limit_by_hand(("CP-0", 1), 7, reason="", by="anna")
        await trio.sleep(30)
        assert evening.current(0) == 7
        await trio.sleep(5 * MINUTE)
        assert evening.current(0) == 7
        point.make = HONEST.make
        point.unplug()
        await trio.sleep(MINUTE)
        await evening.load.limit_by_hand(("CP-0", 1), None, reason="", by="anna")
        evening.arrive(0)
        await trio.sleep(40 * MINUTE)
        assert evening.current(0) == 16


async def test_a_connector_that_is_not_opened_again_keeps_no_limit_back(
    writer: InlineWriter,
) -> None:
    async with open_evening(writer, [HONEST, HONEST], 20.0) as evening:
        await evening.manage()
        point, at = evening.points[0], stamp(evening.central.clock())
        await writer.run(load.learn_of_firmware, "CP-0", {"way": 5}, at)
        evening.arrive(1)
        await trio.sleep(MINUTE)
        assert "ChangeAvailability" in [action for _, action, _, _ in point.calls]
        point._on_ChangeAvailability = lambda _: {"status": "Rejected"}  # type: ignore[assignment, method-assign]
        await writer.run(load.learn_of_firmware, "CP-0", {"way": 1}, at)
        await trio.sleep(MINUTE)
        evening.arrive(0)
        before = len(point.calls)
        await trio.sleep(MINUTE)
        assert "SetChargingProfile" in [action for _, action, _, _ in point.calls[before:]]
