"""Wrong registers of correct meters: what is reported, what stays true, and what can be proved."""

from __future__ import annotations

from itertools import pairwise

import pytest

from levity_trio.simulator import provable
from levity_trio.simulator.charger import notifications
from levity_trio.simulator.model.vehicle import Vehicle
from levity_trio.simulator.provable import prove
from levity_trio.simulator.quirks.registers import WIDTHS, RegisterRollsOver
from tests.simulator.quirks.driven import REGISTER_WH, Driven, registers
from tests.simulator.quirks.test_registers import HOURS_WH, day, falls, sessions

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
    for told, right, entry in zip(sessions(driven), sessions(day()), driven.charger.ledger, strict=True):
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
    assert [entry.energy_wh for entry in (one, other)] == [entry.energy_wh for entry in apart.charger.ledger]
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
    """Both have charged different energy by then, and both report the one register of the new meter."""
    driven = Driven("shared-meter", connectors=2)
    driven.session(100, 3_600)
    driven.session(4_000, 1_800, connector=2)
    driven.later(7_000, lambda at: notifications.swap(driven.charger, 777_000, at))
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
        assert (proof.lost, proof.is_honest) == ((), False)  # the reading at its begin is in the stop


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


@pytest.mark.parametrize("name", ["register-rolls-over", "register-stands-still", "shared-meter", "starts-overlap"])
def test_the_truth_stays_what_it_is(name: str) -> None:
    energies = [entry.energy_wh for entry in day(name).charger.ledger]
    assert energies == [entry.energy_wh for entry in day().charger.ledger]
