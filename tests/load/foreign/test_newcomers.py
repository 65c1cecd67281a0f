"""Foreign charge points that come to a feeder whose charge points are all limited, with a car that
charges already."""

from __future__ import annotations

import trio

from levity_trio.events import LoadManagementChanged
from tests.charger.parts import InlineWriter
from tests.load.foreign.charge_point import Car, Make
from tests.load.foreign.evening import HOUR, MINUTE, Evening, open_evening
from tests.load.foreign.kinds import HONEST, KINDS, Kind

VIRTUAL_TIME = True


def by_itself(evening: Evening) -> list[str]:
    """Return the charge points that load management began to limit by itself."""
    return [
        one.charger for one in evening.facts(LoadManagementChanged) if one.by == "load management"
    ]


async def test_a_newcomer_is_limited_like_all_others(writer: InlineWriter) -> None:
    async with open_evening(writer, [HONEST] * 2, 28.0) as evening:
        await evening.manage()
        evening.arrive(0)
        evening.arrive(1)
        await trio.sleep(20 * MINUTE)
        assert [evening.current(0), evening.current(1)] == [14, 14]
        began = trio.current_time()
        new = evening.join(HONEST, Car())
        await trio.sleep(HOUR / 2)
        assert by_itself(evening) == ["CP-2"]
        assert writer.rows("SELECT prepared_at IS NULL FROM load_charger WHERE cp_id = 'CP-2'") == [
            (0,)
        ]
        assert evening.current(new) >= 8
        assert evening.longest_above(1.0, began) <= 10
        lowest = [
            min(one.points[number] for one in evening.seconds if one.at > began + 90)
            for number in range(2)
        ]
        assert min(lowest) >= 8, "it keeps no others from charging"


async def test_a_newcomer_that_answers_late_is_told_of_and_shown_as_it_draws(
    writer: InlineWriter,
) -> None:
    async with open_evening(writer, [HONEST] * 2, 20.0) as evening:
        await evening.manage()
        evening.arrive(0)
        await trio.sleep(10 * MINUTE)
        began = trio.current_time()
        new = evening.join(Kind(Make(answers_after=35.0)), Car())
        await trio.sleep(66)
        assert evening.load.now is not None
        (shown,) = [one for one in evening.load.now.cars if one.charger == "CP-2"]
        assert shown.says == "is being prepared for limits, so 32 A are kept for it"
        assert shown.drawn_a == evening.load.now.lines[0].cars_a == evening.current(new) == 6, (
            "its session goes on with the least"
        )
        await trio.sleep(HOUR / 2)
        assert (evening.current(new), evening.current(0)) == (10, 10)
        assert evening.longest_above(1.0, began) <= 10


async def test_an_open_session_is_told_watts_for_one_line_until_its_lines_are_known(
    writer: InlineWriter,
) -> None:
    """It may put all of its watts on one line."""
    async with open_evening(writer, [HONEST], 32.0) as evening:
        await evening.manage()
        new = evening.join(KINDS["W, lines unknown"], Car())
        await trio.sleep(5 * MINUTE)
        profiles = [
            payload["csChargingProfiles"]
            for _, action, payload, _ in evening.points[new].calls
            if action == "SetChargingProfile"
        ]
        assert profiles[0]["chargingProfilePurpose"] == "TxProfile"
        first = profiles[0]["chargingSchedule"]["chargingSchedulePeriod"][0]
        assert (first["limit"], first["numberPhases"]) == (6 * 230, 1)


async def test_where_not_all_are_limited_a_person_decides(writer: InlineWriter) -> None:
    """CP-1 was let go; so neither it nor a newcomer is limited by itself."""
    async with open_evening(writer, [HONEST] * 2, 63.0) as evening:
        await evening.manage()
        await evening.load.let_go(["CP-1"], by="anna")
        await trio.sleep(2 * MINUTE)
        evening.join(HONEST, Car())
        await trio.sleep(10 * MINUTE)
        assert writer.rows("SELECT cp_id FROM load_charger") == [("CP-0",)]
        assert by_itself(evening) == []
        await evening.load.manage(["CP-1"], by="anna")
        await trio.sleep(2 * MINUTE)
        assert by_itself(evening) == ["CP-2"]


async def test_before_the_first_is_limited_nobody_is(writer: InlineWriter) -> None:
    async with open_evening(writer, [HONEST] * 2, 63.0) as evening:
        evening.join(HONEST, Car())
        await evening.load.manage(["CP-0"], by="anna")
        await trio.sleep(10 * MINUTE)
        assert writer.rows("SELECT cp_id FROM load_charger") == [("CP-0",)]


async def test_the_place_of_one_that_is_gone_for_good_is_taken_by_another(
    writer: InlineWriter,
) -> None:
    async with open_evening(writer, [HONEST] * 2, 20.0) as evening:
        await evening.manage()
        evening.points[1].is_down = True
        await evening.points[1].cut()
        await trio.sleep(2 * MINUTE)
        await evening.load.let_go(["CP-1"], by="anna")
        new = evening.join(HONEST, Car())
        await trio.sleep(10 * MINUTE)
        assert by_itself(evening) == ["CP-2"]
        assert evening.current(new) == 16
