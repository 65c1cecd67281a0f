"""Limits reach chargers: real messages to simulated chargers, in virtual time."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.charger.commands import Chargers
from levity_trio.events import LimitIgnored, LimitObeyed
from levity_trio.simulator.charger import operations
from levity_trio.store.writes.chargers.registration import DecidedBy
from levity_trio.store.writes.load import load
from levity_trio.wire.times import stamp
from tests.charger.parts import InlineWriter
from tests.load.block import ONE, THREE, Block, open_block, site
from tests.sizes import size

VIRTUAL_TIME = True
MINUTE = 60.0
FOLLOWED = 5.0


def actions(block: Block, number: int) -> list[str]:
    """What a charger was asked."""
    return [
        one.removeprefix("<")
        for one in block.chargers[number].order()
        if one.startswith("<") and one != "<answer"
    ]


async def test_a_car_alone_gets_its_maximum_and_two_share(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 2) as block:
        await block.manage(site(20, 2))
        block.arrive(0)
        await trio.sleep(20)
        assert block.current(0) == 16
        block.arrive(1)
        await trio.sleep(30)
        assert (block.current(0), block.current(1)) == (10, 10)
        told = block.load.limited
        assert [(one.charger, one.state) for one in told.chargers] == [
            ("CP-0", "managed"),
            ("CP-1", "managed"),
        ]
        assert [(one.charger, one.connector, one.amperes) for one in told.leases] == [
            ("CP-0", 1, 10),
            ("CP-1", 1, 10),
        ]
        assert told.writes_a_day == 100
        assert block.over(20) == []
        assert writer.rows("SELECT count(*) FROM charging_profile") == [(0,)]


async def test_a_car_waits_under_its_default_until_it_is_told(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 1) as block:
        await block.manage(site(20, 1))
        (lease,) = [
            one
            for one in block.chargers[0].frames
            if "TxDefaultProfile" in one[2] and "SetCharging" in one[2]
        ]
        assert '"startPeriod":0' in lease[2].replace(" ", "")
        block.kill()
        block.arrive(0)
        await trio.sleep(60)
        assert block.current(0) == 0


async def test_the_house_takes_more_and_cars_give_way(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 3) as block:
        house = [2.0]
        block.house = lambda: (house[0],) * 3
        await block.manage(site(40, 3))
        for number in range(3):
            block.arrive(number)
        await trio.sleep(10 * MINUTE)
        assert [block.current(n) for n in range(3)] == [13, 13, 12]
        house[0] = 20.0
        began = trio.current_time()
        await trio.sleep(MINUTE)
        above = block.over(40, began)
        assert above
        assert above[-1].at - began <= 10
        assert all(one.at >= began for one in block.over(40))


async def test_nobody_is_raised_before_another_was_seen_to_obey(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 2, {0: ["profiles-late"]}) as block:
        await block.manage(site(20, 2))
        block.arrive(0)
        await trio.sleep(2 * MINUTE)
        block.arrive(1)
        await trio.sleep(5 * MINUTE)
        assert block.over(20) == []


JUMP = 30.0


async def test_other_load_jumps_at_a_feeder_of_63_a(central: Central, writer: InlineWriter) -> None:
    """20 chargers on 63 A: the other load jumps by 30 A in a second, and cars follow within 5 s."""
    async with open_block(central, writer, 20) as block:
        house = [5.0]
        block.house = lambda: (house[0],) * 3
        await block.manage(site(63, 20))
        for number in range(20):
            block.arrive(number, replace(ONE if number % 4 == 0 else THREE, follow_seconds=5.0))
            await trio.sleep(size(20, 5))
        await trio.sleep(size(10, 6) * MINUTE)
        jumps = []
        for _ in range(size(3, 1)):
            house[0] += JUMP
            jumps.append(trio.current_time())
            await trio.sleep(size(5, 1) * MINUTE)
            house[0] -= JUMP
            await trio.sleep(size(20, 1) * MINUTE)
        late = [min(one.at - at for at in jumps if at <= one.at) for one in block.over(63)]
        print(
            f"at most {max(late):.0f} s above 63 A after a jump, in {len(late)} seconds of "
            f"{len(block.moments)}"
        )
        assert late
        assert max(late) <= 10


# Those that do not obey


async def test_a_charger_that_heeds_one_way_only_is_told_in_that_way(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 2, {0: ["charger-limit-only"]}) as block:
        await block.manage(site(40, 2))
        block.arrive(0)
        await trio.sleep(MINUTE)
        await block.limit(0, 10)
        await trio.sleep(6 * MINUTE)
        assert [one.way for one in writer.recorded(LimitIgnored)] == [1], "one cause, one message"
        assert block.current(0) == 10
        for amperes in (8, 12, 8, 12, 8):
            await block.limit(0, amperes)
            await trio.sleep(7 * MINUTE)
            assert block.current(0) == amperes
        assert len(writer.recorded(LimitObeyed)) == 1
        assert writer.rows("SELECT way, disobeys_since FROM load_charger WHERE cp_id = 'CP-0'") == [
            (3, None)
        ]
        assert writer.rows("SELECT what, value FROM load_model") == [("way", "3")]


async def test_a_charger_that_ignores_all_is_booked_with_its_maximum(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 3, {0: ["profiles-ignored"]}) as block:
        await block.manage(site(40, 3))
        block.arrive(0)
        await trio.sleep(MINUTE)
        await block.limit(0, 6)
        await trio.sleep(10 * MINUTE)
        assert [one.way for one in writer.recorded(LimitIgnored)] == [1], "one cause, one message"
        assert writer.rows("SELECT way FROM load_charger WHERE cp_id = 'CP-0'") == [(5,)]
        block.arrive(1)
        block.arrive(2)
        await trio.sleep(10 * MINUTE)
        assert block.current(0) == 16
        assert block.current(1) + block.current(2) <= 40 - 32
        assert block.over(40) == []


async def test_a_session_that_obeys_in_no_way_is_stopped_where_the_owner_wants_that(
    central: Central, writer: InlineWriter
) -> None:
    options = "[options]\nstop_who_ignores = true\n"
    async with open_block(central, writer, 1, {0: ["profiles-ignored"]}) as block:
        await block.manage(site(40, 1, options=options))
        block.arrive(0)
        await trio.sleep(MINUTE)
        await block.limit(0, 6)
        await trio.sleep(10 * MINUTE)
        assert block.current(0) == 0
        assert writer.rows("SELECT state FROM command WHERE action = 'RemoteStopTransaction'") == [
            ("accepted",)
        ]


async def test_a_free_charger_that_cannot_be_limited_is_closed_while_it_does_not_fit(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 3, {0: ["no-smart-charging"]}) as block:
        await block.manage(site(40, 3))
        writer.run_now(load.learn_of_firmware, "CP-0", {"way": 5}, stamp(central.clock()))
        await trio.sleep(MINUTE)
        connector = block.chargers[0].charger.connectors[1]
        assert connector.status == "Available"
        block.arrive(1)
        await trio.sleep(MINUTE)
        assert connector.status == "Unavailable"
        block.leave(1)
        await trio.sleep(MINUTE)
        assert connector.status == "Available"


async def test_a_charger_that_is_not_opened_again_is_asked_seldom(
    central: Central, writer: InlineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_block(central, writer, 3, {0: ["no-smart-charging"]}) as block:
        await block.manage(site(40, 3))
        writer.run_now(load.learn_of_firmware, "CP-0", {"way": 5}, stamp(central.clock()))
        block.arrive(1)
        await trio.sleep(MINUTE)
        monkeypatch.setitem(operations.OPERATIONS, "ChangeAvailability", lambda *_: "Rejected")
        block.leave(1)
        before = actions(block, 0).count("ChangeAvailability")
        await trio.sleep(10 * MINUTE)
        assert actions(block, 0).count("ChangeAvailability") - before in (1, 2)
        monkeypatch.undo()
        await trio.sleep(6 * MINUTE)
        assert block.chargers[0].charger.connectors[1].status == "Available"


# Away, and back


async def test_an_away_charger_is_booked_with_its_lease_if_it_is_trusted(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 2) as block:
        await block.manage(site(30, 2, safe=6))
        block.learn(passed=True)
        block.arrive(0)
        block.arrive(1)
        await trio.sleep(10 * MINUTE)
        assert (block.current(0), block.current(1)) == (15, 15)
        block.cut(0, 60 * MINUTE)
        await trio.sleep(20 * MINUTE)
        assert (block.current(0), block.current(1)) == (15, 15)
        await trio.sleep(25 * MINUTE)  # its lease has ended
        assert (block.current(0), block.current(1)) == (6, 16)
        assert block.over(30) == []


async def test_an_away_charger_without_a_trial_is_booked_with_its_maximum(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 2, {0: ["profiles-lost-offline"]}) as block:
        await block.manage(site(40, 2, most=16))
        block.arrive(0)
        await trio.sleep(MINUTE)
        await block.limit(0, 6)
        block.arrive(1)
        await trio.sleep(10 * MINUTE)
        assert (block.current(0), block.current(1)) == (6, 16)
        block.cut(0, 60 * MINUTE)
        await trio.sleep(10 * MINUTE)
        assert block.current(0) == 16
        assert block.limits()["CP-0"] == 6, "it was seen to obey, and its lease has not ended"
        await trio.sleep(30 * MINUTE)
        assert block.limits()["CP-0"] == 16


async def test_a_server_that_starts_goes_on_from_what_it_had_sent(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 2) as block:
        await block.manage(site(30, 2, safe=6))
        block.learn(passed=True)
        block.arrive(0)
        block.arrive(1)
        await trio.sleep(10 * MINUTE)
        block.kill()
        await trio.sleep(5 * MINUTE)
        before = len(actions(block, 0))
        await block.serve()
        await trio.sleep(MINUTE)
        assert (block.current(0), block.current(1)) == (15, 15)
        assert actions(block, 0)[before:] == ["SetChargingProfile"]
        block.kill()
        await trio.sleep(40 * MINUTE)
        assert (block.current(0), block.current(1)) == (6, 6)
        await block.serve()
        await trio.sleep(10 * MINUTE)
        assert (block.current(0), block.current(1)) == (15, 15)
        assert block.over(30) == []


async def test_a_charger_that_is_refused_keeps_no_other_from_being_limited(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 2) as block:
        block.learn(way=2)
        await block.manage(site(20, 1))  # which does not name CP-1
        block.arrive(1)
        await trio.sleep(MINUTE)
        assert block.current(1) == 16
        block.leave(1)
        await trio.sleep(MINUTE)
        decided = DecidedBy(stamp(central.clock()), "anna", "")
        await Chargers(central).refuse("CP-1", decided)
        block.kill()
        await block.serve()
        block.arrive(0)
        await trio.sleep(MINUTE)
        assert block.current(0) == 16


async def test_a_database_that_stalls_delays_no_lowering(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 1) as block:
        house = [2.0]
        block.house = lambda: (house[0],) * 3
        await block.manage(site(20, 1))
        block.arrive(0)
        await trio.sleep(10 * MINUTE)
        assert block.current(0) == 16
        writer.is_unavailable = True
        house[0], began = 12.0, trio.current_time()
        await trio.sleep(MINUTE)
        assert block.current(0) == 8
        assert block.over(20, began)[-1].at - began <= 10
        house[0] = 2.0
        await trio.sleep(10 * MINUTE)
        assert block.current(0) == 8
        writer.is_unavailable = False
        await trio.sleep(15 * MINUTE)
        # A jump is remembered once the chargers have told since, too, and nothing that they told
        # could be stored.
        assert block.current(0) == 16


async def test_another_site_holds_for_cars_that_charge(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 1) as block:
        await block.manage(site(20, 1))
        block.arrive(0)
        await trio.sleep(30)
        assert block.current(0) == 16
        await writer.run(load.set_site, site(12, 1), stamp(central.clock()), "anna")
        await trio.sleep(30)
        assert block.current(0) == 12


async def test_another_site_while_a_raise_is_recorded_holds_no_car_back(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 1) as block:
        await block.manage(site(20, 1))
        block.arrive(0)
        await block.chargers[0].until(lambda: writer.rows("SELECT 1 FROM tx"))
        writer.answer_seconds = 3
        await block.chargers[0].until(lambda: writer.rows("SELECT 1 FROM load_lease"))
        await writer.run(load.set_site, site(18, 1), stamp(central.clock()), "anna")
        writer.answer_seconds = 0
        assert block.current(0) == 0
        await trio.sleep(2 * MINUTE)
        assert block.current(0) == 16


# The end


async def test_switching_off_leaves_nothing_of_ours(central: Central, writer: InlineWriter) -> None:
    async with open_block(central, writer, 2) as block:
        keys = block.chargers[0].charger.configuration
        before = {
            key: keys.text(key) for key in ("MeterValueSampleInterval", "MeterValuesSampledData")
        }
        await block.manage(site(20, 2))
        block.arrive(0)
        block.arrive(1)
        await trio.sleep(10 * MINUTE)
        assert block.current(0) == 10
        block.cut(1, 20 * MINUTE)
        await trio.sleep(10)
        await block.load.let_go(["CP-0", "CP-1"], by="anna")
        await trio.sleep(2 * MINUTE)
        assert block.current(0) == 16
        assert {key: keys.text(key) for key in before} == before
        assert writer.rows("SELECT cp_id, state FROM load_charger") == [("CP-1", "leaving")]
        await trio.sleep(30 * MINUTE)
        assert block.current(1) == 16
        assert writer.rows("SELECT cp_id FROM load_charger") == []
        assert writer.rows("SELECT cp_id FROM load_lease") == []


# Money, memory


async def test_what_a_car_waited_is_stored_with_its_transaction(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 3) as block:
        await block.manage(site(13, 3))
        for number in range(3):
            block.arrive(number)
        await trio.sleep(60 * MINUTE)
        spans = writer.rows("SELECT DISTINCT tx_id, why FROM load_span ORDER BY why, tx_id")
        assert {why for _, why in spans} == {"waited", "paused"}
        assert writer.rows("SELECT count(*) FROM load_span WHERE until IS NULL") == [(1,)]
        for number in range(3):
            block.leave(number)
        await trio.sleep(MINUTE)
        assert writer.rows("SELECT count(*) FROM load_span WHERE until IS NULL") == [(0,)]


async def test_a_span_that_a_dead_server_left_open_ends(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 2) as block:
        await block.manage(site(13, 2, safe=6))
        block.learn(passed=True)
        house = [0.0]
        block.house = lambda: (house[0],) * 3
        block.arrive(0)
        block.arrive(1)
        await trio.sleep(5 * MINUTE)
        house[0] = 8.0
        await trio.sleep(2 * MINUTE)
        assert writer.rows("SELECT count(*) FROM load_span WHERE until IS NULL") == [(2,)]
        block.kill()
        await trio.sleep(size(300, 90) * MINUTE)  # both have their safe limits again
        house[0] = 0.0
        await block.serve()
        await trio.sleep(15 * MINUTE)
        assert writer.rows("SELECT count(*) FROM load_span WHERE until IS NULL") == [(0,)]


async def test_a_connector_is_written_no_more_than_it_may_be(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 1) as block:
        house = [2.0]
        block.house = lambda: (house[0],) * 3
        await block.manage(site(20, 1, safe=6, options="[options]\nwrites_a_day = 8\n"))
        block.arrive(0)
        for turn in range(size(40, 24)):
            house[0] = 2.0 if turn % 2 else 10.0
            await trio.sleep(6 * MINUTE)
        await trio.sleep(40 * MINUTE)
        ((reasons,),) = writer.rows("SELECT reasons FROM load_lease")
        writes = sum(json.loads(reasons).values())
        assert writes <= 8
        assert block.current(0) == 6


async def test_a_profile_that_somebody_else_sends_is_booked_until_it_was_measured(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 2) as block:
        await block.manage(site(24, 2))
        block.arrive(0, ONE)
        block.arrive(1)
        await trio.sleep(10 * MINUTE)
        assert (block.current(0), block.current(1)) == (12, 12)
        ((transaction,),) = writer.rows("SELECT id FROM tx WHERE cp_id = 'CP-0'")
        schedule = {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 20}],
        }
        profile = {"chargingProfileId": 1, "transactionId": transaction, "stackLevel": 9}
        profile |= {"chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative"}
        payload = {"connectorId": 1, "csChargingProfiles": profile | {"chargingSchedule": schedule}}
        await Chargers(central).submit("CP-0", "SetChargingProfile", payload, asked_by="anna")
        began = trio.current_time()
        await trio.sleep(10 * MINUTE)
        assert [one for one in block.over(24, began) if one.at > began + 100] == []
        assert block.current(0) == 12


async def test_a_car_that_answers_a_pause_is_not_full(
    central: Central, writer: InlineWriter
) -> None:
    """Less than its own least current makes it say SuspendedEV; it charges again when it can."""
    async with open_block(central, writer, 2) as block:
        await block.manage(site(16, 2))
        block.arrive(0, replace(THREE, least_ac_a=10.0))
        await trio.sleep(2 * MINUTE)
        assert block.current(0) == 16
        block.arrive(1)
        await trio.sleep(2 * MINUTE)
        assert "SuspendedEV" in [
            one["status"] for one in block.chargers[0].sent("StatusNotification")
        ]
        block.leave(1)
        await trio.sleep(10 * MINUTE)
        assert block.current(0) == 16
