"""The trial of a charger, with a simulated one and a person beside it, in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.load.trial import ChargerTrial
from levity_trio.store.reads.load.load import PluggedIn
from levity_trio.store.writes.load import load
from levity_trio.wire.times import stamp
from tests.charger.parts import InlineWriter
from tests.load.block import ONE, Block, open_block, site
from tests.sizes import size

VIRTUAL_TIME = True
QUARTER = 15 * 60.0
OFFLINE = {"AllowOfflineTxForUnknownId": "true"}
NOBODY_OFFLINE = {
    **dict.fromkeys(("AllowOfflineTxForUnknownId", "LocalAuthorizeOffline"), "false"),
    **dict.fromkeys(("LocalAuthListEnabled", "AuthorizationCacheEnabled"), "false"),
}


def steps(writer: InlineWriter) -> list[dict[str, Any]]:
    found = writer.rows("SELECT steps FROM load_trial ORDER BY id DESC LIMIT 1")
    return list(orjson.loads(found[0][0])) if found else []


async def stand_beside(block: Block) -> None:
    """Do what the page asks for: start the car again after the reset, and plug it in anew while the
    link is cut."""
    began: set[str] = set()
    while True:
        await trio.sleep(1)
        charger, told = block.chargers[0].charger, steps(block.writer)
        step = told[-1]["step"] if told else ""
        if (
            step == "reset"
            and "reset" not in began
            and block.chargers[0].sent("BootNotification")[1:]
        ):
            began.add("reset")
            await trio.sleep(5)
            if charger.connectors[1].transaction is None:
                block.leave(0)
                block.arrive(0, ONE)
        if step == "waits" and "waits" not in began and not charger.may_send:
            began.add("waits")
            await trio.sleep(5)
            block.leave(0)
            block.arrive(0, ONE)


async def tried(
    central: Central, writer: InlineWriter, *quirks: str, keys: Mapping[str, str] = OFFLINE
) -> tuple[str, dict[str, bool], dict[str, Any]]:
    """Return the result of a trial, its steps, and what was learned."""
    async with open_block(central, writer, 1, {0: quirks}, keys=keys) as block:
        await block.manage(site(40, 1))
        block.arrive(0, ONE)
        await trio.sleep(60)
        block.nursery.start_soon(stand_beside, block)
        await block.load.begin_trial(("CP-0", 1), by="anna")
        await block.chargers[0].until(
            lambda: writer.rows("SELECT 1 FROM load_trial WHERE ended_at IS NOT NULL"), QUARTER
        )
        found = {one["step"]: bool(one["is_passed"]) for one in steps(writer)}
        facts = {
            what: orjson.loads(value)
            for what, value in writer.rows("SELECT what, value FROM load_model")
        }
        ((result,),) = writer.rows("SELECT result FROM load_trial")
        return result, found, facts


async def test_one_that_obeys_passes(central: Central, writer: InlineWriter) -> None:
    result, found, facts = await tried(central, writer)
    assert found == dict.fromkeys(
        ("limit", "ends", "zero", "least", "reset", "link", "waits"), True
    )
    assert (result, facts) == (
        "passed",
        {
            "passed": True,
            "way": 1,
            "level": 9,
            "counts_from": "",
            "zero": True,
            "least": 6,
            "waits": True,
        },
    )


FAILING = {
    "profiles-ignored": "limit",
    "profiles-late": "limit",
    "limits-rounded": "limit",
    "profiles-forgotten": "reset",
    "profiles-lost-offline": "reset",
    "no-smart-charging": "ends",
}
PASSING: dict[str, dict[str, Any]] = {
    "one-profile-only": {"way": 2},
    "stack-level-0-only": {"level": 0},
    "charger-limit-only": {"way": 3},
    "no-zero-limit": {"zero": False},
    "zero-is-least": {"zero": False},
    "no-relative-default": {"waits": False},
    "relative-from-receipt": {"way": 1},
    "charger-limit-ignored": {"way": 1},
    "one-period-only": {"way": 1},
    "clock-wrong": {"way": 1},
    "no-absolute": {"counts_from": "start"},
    "no-absolute relative-from-receipt": {"counts_from": "receipt"},
}


@pytest.mark.parametrize("quirk", sorted(FAILING)[:: size(1, 2)])
async def test_one_that_does_not_obey_fails(
    central: Central, writer: InlineWriter, quirk: str
) -> None:
    result, found, facts = await tried(central, writer, quirk)
    assert result == "failed"
    assert next(step for step, is_passed in found.items() if not is_passed) == FAILING[quirk]
    assert not facts["passed"]


@pytest.mark.parametrize("quirk", sorted(PASSING)[:: size(1, 3)])
async def test_one_that_obeys_in_its_own_way_passes(
    central: Central, writer: InlineWriter, quirk: str
) -> None:
    result, _, facts = await tried(central, writer, *quirk.split())
    assert (result, facts | PASSING[quirk]) == ("passed", facts)


async def test_one_that_cannot_charge_without_us_passes(
    central: Central, writer: InlineWriter
) -> None:
    """Nobody can start a car there while the link is cut."""
    result, found, _ = await tried(central, writer, keys=NOBODY_OFFLINE)
    assert (result, found["waits"]) == ("passed", True)
    assert steps(writer)[-1]["words"]["text"] == "it cannot charge without us"


@pytest.mark.parametrize("step", ["reset", "waits"])
async def test_what_no_charger_tells_is_not_zero(
    central: Central, writer: InlineWriter, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """After the reset it tells no current, and at last no register."""
    plugged_in = ChargerTrial._plugged_in

    async def untold(trial: ChargerTrial) -> PluggedIn | None:
        car = await plugged_in(trial)
        if car is None or trial.steps[-1].step != step:
            return car
        return car._replace(energy_wh=None, reading=None if step == "reset" else car.reading)

    monkeypatch.setattr(ChargerTrial, "_plugged_in", untold)
    result, found, _ = await tried(central, writer)
    assert (result, [name for name, is_passed in found.items() if not is_passed]) == (
        "failed",
        [step],
    )


async def test_one_that_does_not_wait_is_found_by_what_it_has_taken_in_the_end(
    central: Central, writer: InlineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When its start comes, no register was told yet."""
    until = ChargerTrial._until

    async def early(trial: ChargerTrial, *args: Any) -> PluggedIn:
        car = await until(trial, *args)
        return car._replace(energy_wh=None) if trial.steps[-1].step == "waits" else car

    charging_car = ChargerTrial._charging_car

    async def taken(trial: ChargerTrial) -> PluggedIn:
        car = await charging_car(trial)
        return car._replace(energy_wh=5000) if trial.steps[-1].step == "waits" else car

    monkeypatch.setattr(ChargerTrial, "_until", early)
    monkeypatch.setattr(ChargerTrial, "_charging_car", taken)
    result, found, _ = await tried(central, writer)
    assert (result, found["waits"]) == ("failed", False)


async def test_a_trial_is_cancelled(central: Central, writer: InlineWriter) -> None:
    async with open_block(central, writer, 1) as block:
        await block.manage(site(40, 1))
        block.arrive(0, ONE)
        await trio.sleep(60)
        await block.load.begin_trial(("CP-0", 1), by="anna")
        await trio.sleep(60)
        assert block.load.cancel_trial("CP-0")
        await trio.sleep(60)
        assert writer.rows("SELECT result FROM load_trial") == [("cancelled",)]
        assert block.current(0) == 32
        assert writer.rows("SELECT * FROM load_model") == []


async def test_a_trial_that_begins_while_the_site_changes_ends(
    central: Central, writer: InlineWriter
) -> None:
    async with open_block(central, writer, 1) as block:
        await block.manage(site(40, 1))
        block.arrive(0, ONE)
        await trio.sleep(60)
        writer.answer_seconds = 5
        block.nursery.start_soon(
            writer.run, load.set_site, site(38, 1), stamp(central.clock()), "anna"
        )
        await block.load.begin_trial(("CP-0", 1), by="anna")
        writer.answer_seconds = 0
        await trio.sleep(60)
        assert writer.rows("SELECT result FROM load_trial") == [("cancelled",)]
