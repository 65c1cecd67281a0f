"""Registers that run back, jump or reset, and a ledger that stays true."""

from itertools import pairwise

import pytest

from levity_trio.simulator.charger import notifications
from levity_trio.simulator.provable import prove
from levity_trio.simulator.quirks.registers import Misreads, RegisterResets
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
    return [number for number, (before, after) in enumerate(pairwise(told), start=1) if after < before]


def leaps(told: list[int]) -> list[int]:
    return [number for number, (before, after) in enumerate(pairwise(told), start=1) if after > before + 10_000]


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
            assert entry.energy_wh - prove(entry).proved_wh in (122, 123)  # the energy of the step that the jump hides
            assert prove(entry).proved_wh == told[-1] - told[leap] + told[leap - 1] - told[0]
    assert stays > 0 < slips


def test_a_register_runs_back_for_single_readings() -> None:
    driven = day("register-runs-back")
    for told, right, entry in zip(sessions(driven), sessions(day()), driven.charger.ledger, strict=True):
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
        assert entry.energy_wh - proof.proved_wh in (0, 122, 123)  # if the last reading before the reset was wrong
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
    driven.later(1_000, lambda at: notifications.set_register(driven.charger, 1, 0, at))
    driven.run(5_000)
    (told,), (entry,) = sessions(driven), driven.charger.ledger
    (fall,) = falls(told)
    assert prove(entry).proved_wh == told[fall - 1] - REGISTER_WH + told[-1]
    assert 0 < entry.energy_wh - prove(entry).proved_wh <= 123


def test_nothing_is_kept_for_transactions_that_are_over() -> None:
    quirks = day("register-jumps", "register-runs-back", "register-resets").quirks
    kept = [getattr(quirk, slot) for quirk in quirks for slot in ("_slips", "_before") if hasattr(quirk, slot)]
    kept += [quirk._left for quirk in quirks if isinstance(quirk, Misreads | RegisterResets)]
    assert len(kept) == 6
    assert all(len(by_transaction) <= 1 for by_transaction in kept)
