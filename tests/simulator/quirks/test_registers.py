"""Quirks of registers: which readings are wrong, and what they prove."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest

from levity_trio.simulator import provable
from levity_trio.simulator.charger import connectors
from levity_trio.simulator.charger.state import Frame
from levity_trio.simulator.physics import Vehicle
from levity_trio.simulator.provable import prove
from levity_trio.simulator.quirks.messages import (
    WIDTHS,
    Misreads,
    RegisterResets,
    RegisterRollsOver,
)
from tests.simulator.quirks.driven import REGISTER_WH, Driven, an_hour, registers

HOURS_WH = 7_600
"""More than an hour of 7.36 kW."""
SESSIONS = 12


def day(*quirks: str) -> Driven:
    """Many transactions of an hour, with a reading every minute."""
    driven = Driven(*quirks)
    driven.charger.configuration.change("StopTxnSampledData", "Energy.Active.Import.Register")
    for number in range(SESSIONS):
        driven.session(4_000.0 * number, 3_600)
    driven.run(4_000.0 * SESSIONS + 100)
    return driven


def sessions(driven: Driven) -> list[list[int]]:
    """The reported registers of each transaction: start, readings, stop."""
    started = driven.told("StartTransaction")
    stopped = driven.told("StopTransaction")
    told: dict[int, list[int]] = {}
    for payload in driven.told("MeterValues"):
        told.setdefault(payload["transactionId"], []).append(int(registers(payload)[0]))
    return [
        [start["meterStart"], *readings, stop["meterStop"]]
        for start, readings, stop in zip(started, told.values(), stopped, strict=True)
    ]


def falls(told: list[int]) -> list[int]:
    """The positions at which a register is lower than the one before."""
    return [
        number for number, (before, after) in enumerate(pairwise(told), start=1) if after < before
    ]


def leaps(told: list[int]) -> list[int]:
    return [
        number
        for number, (before, after) in enumerate(pairwise(told), start=1)
        if after > before + 10_000
    ]


def test_without_a_quirk_registers_rise_evenly() -> None:
    for told in sessions(day()):
        assert not falls(told)
        assert not leaps(told)


def test_a_register_begins_again_at_zero_after_a_reading() -> None:
    driven = day("register-resets")
    where = []
    for told, entry in zip(sessions(driven), driven.charger.ledger, strict=True):
        (fall,) = falls(told)
        where.append(fall)
        assert told[fall] <= 130  # a minute's worth
        shown_wh = told[fall - 1] - told[0] + told[-1]
        assert entry.energy_wh == prove(entry).proved_wh == shown_wh < HOURS_WH
    assert set(where) == {2, 3, 4, 5, 6, 7}  # after the first to the sixth reading


def test_a_register_leaps_for_good_or_once() -> None:
    driven = day("register-jumps")
    stays = slips = 0
    for told, entry in zip(sessions(driven), driven.charger.ledger, strict=True):
        (leap,) = leaps(told)
        assert 20_000 <= told[leap] - told[leap - 1] < 60_000 + 130
        if falls(told) == [leap + 1]:
            slips += 1
            assert told[leap - 1] < told[leap + 1] < told[leap - 1] + 260
            assert prove(entry).proved_wh == entry.energy_wh == told[-1] - told[0]
        else:
            stays += 1
            assert not falls(told)
            # the energy of the step that the jump hides
            assert entry.energy_wh - prove(entry).proved_wh in (
                122,
                123,
            )
            assert prove(entry).proved_wh == told[-1] - told[leap] + told[leap - 1] - told[0]
    assert stays > 0 < slips


def test_a_register_runs_back_for_single_readings() -> None:
    driven = day("register-runs-back")
    for told, right, entry in zip(
        sessions(driven), sessions(day()), driven.charger.ledger, strict=True
    ):
        wrong = [number for number, wh in enumerate(told) if wh != right[number]]
        assert len(wrong) > 5
        assert all(after - before >= 2 for before, after in pairwise(wrong))
        assert falls(told) == wrong
        assert min(told) == right[0]
        assert entry.energy_wh == prove(entry).proved_wh == told[-1] - told[0]


def test_a_register_that_was_reset_runs_back_all_the_same() -> None:
    driven = day("register-runs-back", "register-resets")
    right = sessions(day("register-resets"))
    for told, expected, entry in zip(sessions(driven), right, driven.charger.ledger, strict=True):
        wrong = [number for number, wh in enumerate(told) if wh != expected[number]]
        assert len(wrong) > 5
        assert all(0 <= told[number] < told[number - 1] for number in wrong)
        proof = prove(entry)
        # if the last reading before the reset was wrong
        assert entry.energy_wh - proof.proved_wh in (
            0,
            122,
            123,
        )
        assert proof.is_contradicted


@pytest.mark.parametrize("name", ["register-jumps", "register-runs-back", "register-resets"])
def test_the_stop_tells_the_readings_again_as_they_were_told(name: str) -> None:
    driven = an_hour(name)
    readings = [registers(payload)[0] for payload in driven.told("MeterValues")]
    assert registers(driven.told("StopTransaction")[0])[1:-1] == readings


@pytest.mark.parametrize("name", ["register-jumps", "register-runs-back", "register-resets"])
def test_readings_kept_over_an_outage_are_told_like_others(name: str) -> None:
    online, offline = Driven(name), Driven(name)
    for driven in (online, offline):
        driven.session(100, 3_700)
    offline.later(500, offline.charger.go_offline)
    offline.later(4_500, offline.charger.go_online)
    online.run(5_000)
    offline.run(5_000)
    assert online.told("MeterValues") == offline.told("MeterValues")


def test_a_reset_between_readings_costs_what_nobody_can_show() -> None:
    driven = Driven()
    driven.session(100, 3_700)
    driven.later(1_000, lambda at: connectors.set_register(driven.charger, 1, 0, at))
    driven.run(5_000)
    (told,), (entry,) = sessions(driven), driven.charger.ledger
    (fall,) = falls(told)
    assert prove(entry).proved_wh == told[fall - 1] - REGISTER_WH + told[-1]
    assert 0 < entry.energy_wh - prove(entry).proved_wh <= 123


def test_nothing_is_kept_for_transactions_that_are_over() -> None:
    quirks = day("register-jumps", "register-runs-back", "register-resets").quirks
    kept = [
        getattr(quirk, slot)
        for quirk in quirks
        for slot in ("_slips", "_before")
        if hasattr(quirk, slot)
    ]
    kept += [quirk._left for quirk in quirks if isinstance(quirk, Misreads | RegisterResets)]
    assert len(kept) == 6
    assert all(len(by_transaction) <= 1 for by_transaction in kept)


BIG = Vehicle(name="Big", battery_wh=90_000, soc=0.1, max_ac_w=22_000, ac_phases=3)
SMALL = Vehicle(name="Small", battery_wh=60_000, soc=0.2, max_ac_w=3_680)


def width_of(driven: Driven) -> int:
    (quirk,) = driven.quirks
    assert isinstance(quirk, RegisterRollsOver)
    return quirk._width


def test_a_register_rolls_over_and_proves_all() -> None:
    driven = day("register-rolls-over")
    width = width_of(driven)
    told = sessions(driven)
    assert all(0 <= wh < width for session in told for wh in session)
    assert sum(len(falls(session)) for session in told) >= 1
    for session, right, entry in zip(told, sessions(day()), driven.charger.ledger, strict=True):
        assert [(wh - session[0]) % width for wh in session] == [wh - right[0] for wh in right]
        proof = prove(entry)
        assert (proof.proved_wh, proof.lost, proof.is_contradicted) == (entry.energy_wh, (), False)
        assert proof.is_honest is (not falls(session))


def test_the_widths_are_those_that_the_rule_knows() -> None:
    assert WIDTHS == provable.WIDTHS


def test_it_is_as_full_after_a_restart_of_the_simulator() -> None:
    driven = Driven("register-rolls-over")
    (before,) = driven.charger.quirks
    driven.restart()
    (after,) = driven.charger.quirks
    charger, connector = driven.charger, driven.charger.connectors[1]
    assert before.shown(charger, connector, REGISTER_WH + 1000, 0) == after.shown(
        charger, connector, REGISTER_WH + 1000, 0
    )


def test_a_register_stands_still_and_catches_up() -> None:
    driven = day("register-stands-still")
    still = 0
    for told, right, entry in zip(
        sessions(driven), sessions(day()), driven.charger.ledger, strict=True
    ):
        wrong = [number for number, wh in enumerate(told) if wh != right[number]]
        still += len(wrong)
        assert len(wrong) < len(told) / 1.5
        assert all(told[number] == told[number - 1] for number in wrong)
        assert told == sorted(told)
        assert (told[0], told[-1]) == (right[0], right[-1])
        assert prove(entry).is_honest
    assert still > 20


def test_the_power_is_told_while_it_stands_still() -> None:
    told = day("register-stands-still").told("MeterValues")
    for before, after in pairwise(told):
        if registers(before) == registers(after):
            (watts,) = [
                sample["value"]
                for sample in after["meterValue"][0]["sampledValue"]
                if sample["measurand"] == "Power.Active.Import"
            ]
            assert float(watts) > 7_000
            return
    raise AssertionError("it never stood still")


def two_at_once(*quirks: str) -> Driven:
    """Two transactions of one hour; the second begins half an hour after the first."""
    driven = Driven(*quirks, connectors=2, phases=3)
    driven.session(100, 3_600, vehicle=SMALL)
    driven.session(1_900, 3_600, connector=2, vehicle=BIG)
    driven.run(9_000)
    return driven


def test_two_connectors_tell_what_both_of_them_drew() -> None:
    shared, apart = two_at_once("shared-meter"), two_at_once()
    one, other = shared.charger.ledger
    assert [entry.energy_wh for entry in (one, other)] == [
        entry.energy_wh for entry in apart.charger.ledger
    ]
    starts, stops = shared.told("StartTransaction"), shared.told("StopTransaction")
    both_wh = one.energy_wh + other.energy_wh
    assert (starts[0]["meterStart"], stops[1]["meterStop"]) == (REGISTER_WH, REGISTER_WH + both_wh)
    assert stops[0]["meterStop"] - starts[0]["meterStart"] > one.energy_wh + 5_000
    for entry in (one, other):
        proof = prove(entry)
        assert entry.energy_wh * 0.4 < proof.proved_wh < entry.energy_wh * 0.6
        assert not proof.is_honest


def test_one_connector_alone_tells_the_truth() -> None:
    driven = Driven("shared-meter", connectors=2)
    driven.session(100, 3_600)
    driven.session(4_000, 3_600, connector=2)
    driven.run(9_000)
    assert all(prove(entry).is_honest for entry in driven.charger.ledger)


def test_a_new_meter_counts_for_both_connectors() -> None:
    """Both have charged different energy by then, and both report the one register of the new
    meter."""
    driven = Driven("shared-meter", connectors=2)
    driven.session(100, 3_600)
    driven.session(4_000, 1_800, connector=2)
    driven.later(7_000, lambda at: connectors.swap(driven.charger, 777_000, at))
    driven.session(8_000, 3_600)
    driven.session(9_800, 3_600, connector=2)
    driven.run(20_000)
    *_, first, second = driven.charger.ledger
    starts, stops = driven.told("StartTransaction")[-2:], driven.told("StopTransaction")[-2:]
    assert starts[0]["meterStart"] == 777_000
    assert 777_000 < starts[1]["meterStart"] < stops[0]["meterStop"]
    assert stops[1]["meterStop"] == 777_000 + first.energy_wh + second.energy_wh


def test_every_second_start_looks_back_into_the_session_before() -> None:
    driven = day("starts-overlap")
    told = sessions(driven)
    right = sessions(day())
    wrong = [number for number, session in enumerate(told) if session != right[number]]
    assert wrong == list(range(1, len(told), 2))
    for number in wrong:
        before = right[number - 1]
        assert before[0] < told[number][0] < before[-1] == right[number][0]
        assert told[number][1:] == right[number][1:]
        proof = prove(driven.charger.ledger[number])
        # the reading at its begin is in the stop
        assert (proof.lost, proof.is_honest) == (
            (),
            False,
        )


def test_what_flowed_before_the_first_reading_is_lost_with_the_start() -> None:
    driven = Driven("starts-overlap")
    for number in range(2):
        driven.session(4_000.0 * number, 3_600)
    driven.run(10_000)
    (lost,) = prove(driven.charger.ledger[1]).lost
    assert lost.why is provable.Loss.START_WRONG
    assert 0 < lost.wh <= 123  # a minute's worth


def test_a_repeated_start_looks_back_as_far() -> None:
    driven = Driven("starts-overlap", refuses_first=True)
    for number in range(4):
        driven.session(4_000.0 * number, 3_600)
    driven.run(20_000)
    starts = [payload["meterStart"] for payload in driven.told("StartTransaction")]
    assert starts[0::2] == starts[1::2]
    assert starts[2] < starts[0] + HOURS_WH


@pytest.mark.parametrize(
    "name", ["register-rolls-over", "register-stands-still", "shared-meter", "starts-overlap"]
)
def test_the_truth_stays_what_it_is(name: str) -> None:
    energies = [entry.energy_wh for entry in day(name).charger.ledger]
    assert energies == [entry.energy_wh for entry in day().charger.ledger]


REGISTER = "Energy.Active.Import.Register"


def with_values(frames: list[list[Frame]], change: Any) -> list[list[Frame]]:
    """The same calls, with each register changed."""
    changed = deepcopy(frames)
    for _, payload in (frame for frames in changed for frame in frames):
        for value in payload.get("meterValue") or payload.get("transactionData") or []:
            for sample in value["sampledValue"]:
                if sample["measurand"] == REGISTER:
                    sample["value"] = change(int(sample["value"]))
    return changed


def test_session_readings_count_from_zero() -> None:
    told = an_hour("session-readings")
    assert told.frames == with_values(an_hour().frames, lambda wh: str(wh - REGISTER_WH))
    assert registers(told.told("StopTransaction")[0])[:2] == ["0", "122"]
    assert told.told("StartTransaction")[0]["meterStart"] == REGISTER_WH
    assert told.told("StopTransaction")[0]["meterStop"] > REGISTER_WH


def test_kwh_keep_the_name_of_wh() -> None:
    told = an_hour("kwh-as-wh")
    assert told.frames == with_values(an_hour().frames, lambda wh: f"{wh / 1000:.3f}")
    assert registers(told.told("StopTransaction")[0])[:2] == ["5000.000", "5000.122"]
    assert told.told("StopTransaction")[0]["meterStop"] > REGISTER_WH


def test_kwh_of_a_session() -> None:
    told = an_hour("kwh-as-wh", "grizzl-e")
    assert registers(told.told("StopTransaction")[0])[:2] == ["0.000", "0.122"]


@pytest.mark.parametrize("name", ["session-readings", "kwh-as-wh"])
def test_a_reading_outside_any_session(name: str) -> None:
    driven = Driven(name)
    driven.run(100)
    driven.ask("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1})
    driven.run(200)
    expected = {"session-readings": "5000000", "kwh-as-wh": "5000.000"}
    assert registers(driven.told("MeterValues")[0]) == [expected[name]]


def test_a_register_that_was_reset_begins_its_session_anew() -> None:
    driven = Driven("session-readings")
    driven.session(100, 3_700)
    driven.later(1_000, lambda at: connectors.set_register(driven.charger, 1, 0, at))
    driven.run(5_000)
    told = [int(registers(payload)[0]) for payload in driven.told("MeterValues")]
    falls = [(before, after) for before, after in pairwise(told) if after < before]
    assert len(falls) == 1
    assert falls[0][1] < 130
    assert 0 <= min(told) < max(told) < 10_000
