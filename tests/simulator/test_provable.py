"""What messages can prove: each kind of correct and wrong message, and each class of loss."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from levity_trio.simulator import provable
from levity_trio.simulator.ledger import (
    METER_VALUES,
    SHARED_METER,
    START,
    STOP,
    Entry,
    Moment,
    Sent,
)
from levity_trio.simulator.provable import (
    Loss,
    Lost,
    Proof,
    is_overlapping,
    prove,
    without_overlaps,
    without_start,
)

LIFETIME = 5_000_000
FLOWED = (0, 100, 200, 300, 400)
"""The energy delivered at the start, three readings, and the stop."""


def reported(*registers: object, flowed: tuple[int, ...] = FLOWED, unit: str = "Wh") -> Entry:
    """A transaction that reports these registers, a minute apart: start, readings, stop. None means
    not sent."""
    entry = Entry(
        charger="CP-1", connector=1, id_tag="TAG", began_at="", meter_start=0, transaction_id=7
    )
    actions = [START, *[METER_VALUES] * (len(registers) - 2), STOP]
    for number, (action, register, wh) in enumerate(zip(actions, registers, flowed, strict=True)):
        moment = Moment(
            at=60.0 * number, delivered_wh=wh, register=None if register is None else str(register)
        )
        moment.unit = unit if action == METER_VALUES else "Wh"
        left = None if register is None else moment.at
        entry.sent.append(Sent(action=action, moments=[moment], left=left, answered=left))
    entry.energy_wh, entry.ended = flowed[-1], 60.0 * len(flowed)
    return entry


def lifetime(*wh: int | None) -> list[int | None]:
    return [None if one is None else LIFETIME + one for one in wh]


def lost(entry: Entry) -> list[Lost]:
    return list(prove(entry).lost)


WHOLE = Proof(proved_wh=400, least_wh=400, lost=(), is_contradicted=False, is_honest=True)

HONEST = [
    pytest.param(lifetime(0, 100, 200, 300, 400), id="the true register"),
    pytest.param([0, 100, 200, 300, 400], id="counted from 0"),
    pytest.param(
        [LIFETIME, 100, 200, 300, LIFETIME + 400], id="readings from 0 beside a lifetime register"
    ),
    pytest.param(lifetime(0, 100, 100, 100, 400), id="a register that stands still and catches up"),
]


@pytest.mark.parametrize("registers", HONEST)
def test_an_honest_transaction_is_proved_whole(registers: list[int]) -> None:
    assert prove(reported(*registers)) == WHOLE


@pytest.mark.parametrize(("wh", "is_honest"), [(700, True), (720, False)])
def test_a_start_and_a_stop_alone_are_honest_up_to_the_power_of_ac(
    wh: int, is_honest: bool
) -> None:
    """In a minute. Nobody knows the power of a charger that tells nothing else."""
    assert prove(reported(LIFETIME, LIFETIME + wh, flowed=(0, wh))).is_honest is is_honest
    assert prove(reported(*lifetime(0, wh // 2, wh), flowed=(0, wh // 2, wh))).is_honest


WHOLE_ALL_THE_SAME = [
    pytest.param(lifetime(0, 100, 0, 300, 400), True, id="a reading that runs back"),
    pytest.param(lifetime(0, 100, 40_200, 300, 400), True, id="a reading that leaps"),
    pytest.param(lifetime(0, 100, -99_999, 300, 400), True, id="a reading below the start"),
    pytest.param(
        [LIFETIME, LIFETIME + 100, 100, 200, 300],
        True,
        id="a register that was reset right after a reading",
    ),
    pytest.param(
        [LIFETIME, "5000.100", "5000.200", "5000.300", LIFETIME + 400], False, id="kWh called Wh"
    ),
    pytest.param(
        [LIFETIME, 500_010, 500_020, 500_030, LIFETIME + 400], False, id="ten times too low"
    ),
]


@pytest.mark.parametrize(("registers", "is_contradicted"), WHOLE_ALL_THE_SAME)
def test_a_lie_that_the_rest_refutes_costs_nothing_and_is_not_honest(
    registers: list[object], is_contradicted: bool
) -> None:
    proof = prove(reported(*registers))
    assert (proof.proved_wh, proof.lost, proof.is_honest) == (400, (), False)
    assert proof.is_contradicted is is_contradicted


def test_a_register_that_falls_to_0_fits_no_unit() -> None:
    assert prove(reported(*lifetime(0, 100, 200, 300), 0)).is_contradicted


def test_kwh_that_say_so_are_the_truth() -> None:
    entry = reported(LIFETIME, "5000.1", "5000.2", "5000.3", LIFETIME + 400, unit="kWh")
    assert prove(entry) == WHOLE


LOST = [
    pytest.param(
        [LIFETIME, "5000.100", "5000.200", "5000.300", None],
        [Lost(Loss.NO_STOP, 100)],
        id="kWh called Wh and no stop",
    ),
    pytest.param(
        [LIFETIME, 100, 40_200, 40_300, LIFETIME + 40_400],
        [Lost(Loss.BETWEEN, 100)],
        id="a leap among readings that count from 0",
    ),
    pytest.param(lifetime(0, 100, 200, 300, None), [Lost(Loss.NO_STOP, 100)], id="no stop"),
    pytest.param(
        lifetime(0, None, None, None, None),
        [Lost(Loss.NO_STOP, 400)],
        id="a start and nothing more",
    ),
    pytest.param(lifetime(None, 100, 200, 300, 400), [Lost(Loss.START_LOST, 100)], id="no start"),
    pytest.param(
        lifetime(None, None, None, None, 400), [Lost(Loss.START_LOST, 400)], id="only the stop"
    ),
    pytest.param(
        lifetime(-50, 100, 200, 300, 400), [Lost(Loss.START_WRONG, 100)], id="a wrong start"
    ),
    pytest.param(lifetime(0, 100, 200, 300, 9), [Lost(Loss.STOP_WRONG, 100)], id="a wrong stop"),
    pytest.param(
        lifetime(0, 100, 40_200, 40_300, 40_400), [Lost(Loss.BETWEEN, 100)], id="a leap for good"
    ),
    pytest.param(
        [LIFETIME, LIFETIME + 100, 50, 150, 250],
        [Lost(Loss.BETWEEN, 50)],
        id="a reset after a reading",
    ),
    pytest.param(
        [LIFETIME, LIFETIME + 100, 777_200, 777_300, 777_400],
        [Lost(Loss.BETWEEN, 100)],
        id="a swapped meter",
    ),
    pytest.param(
        lifetime(None, 100, 200, 300, None),
        [Lost(Loss.START_LOST, 100), Lost(Loss.NO_STOP, 100)],
        id="neither",
    ),
    pytest.param(
        lifetime(None, None, None, None, None), [Lost(Loss.NOT_SENT, 400)], id="nothing left"
    ),
]


@pytest.mark.parametrize(("registers", "expected"), LOST)
def test_what_nobody_can_show_has_its_class(
    registers: list[int | None], expected: list[Lost]
) -> None:
    proof = prove(reported(*registers))
    assert list(proof.lost) == expected
    assert proof.proved_wh == proof.least_wh == 400 - sum(one.wh for one in expected)
    assert not proof.is_honest


@pytest.mark.parametrize("width", provable.WIDTHS)
def test_a_rollover_is_proved_and_may_be_taken_for_a_reset(width: int) -> None:
    proof = prove(reported(width - 150, width - 50, 50, 150, 250))
    assert (proof.proved_wh, proof.least_wh, proof.lost) == (400, 350, ())
    assert not proof.is_contradicted
    assert not proof.is_honest


def test_a_fall_by_another_width_is_a_reset() -> None:
    # it restarted at 137
    assert lost(reported(65_400, 65_500, 63, 163, 263)) == [Lost(Loss.BETWEEN, 63 - 26)]


@pytest.mark.parametrize(("place", "wh"), [(0, 100), (4, 100), (2, 0)])
def test_a_message_that_was_thrown_away_proves_nothing(place: int, wh: int) -> None:
    entry = reported(*lifetime(*FLOWED))
    entry.sent[place].is_thrown_away = True
    assert lost(entry) == ([Lost(Loss.THROWN_AWAY, wh)] if wh else [])
    assert not prove(entry).is_honest


def test_two_connectors_on_one_meter_prove_only_where_one_of_them_charged() -> None:
    """The other car took 7 Wh and 9 Wh between the first and the third reading."""
    entry = reported(*lifetime(0, 100, 207, 316, 416))
    assert lost(entry) == [Lost(Loss.BETWEEN, 200)]


@pytest.mark.parametrize(
    ("registers", "is_refuted"),
    [
        (lifetime(0, 100, 200, 300, 400), False),
        (lifetime(0, 100, 210, 310, 410), False),
        (lifetime(0, 100, 213, 313, 413), True),
        (lifetime(0, 213, 313, 413, 513), True),
        (lifetime(0, 100, 200, 300, 513), True),
        (lifetime(0, 100, 100, 300, 400), True),
        (lifetime(-60, 100, 200, 300, 400), True),
    ],
)
def test_power_refutes_a_register_that_rises_faster(registers: list[int], is_refuted: bool) -> None:
    """Each reading reports 6,000 W: 100 Wh a minute, with a tolerance of a tenth and one Wh."""
    entry = reported(*registers)
    for sent in entry.sent[1:-1]:
        sent.moments[0].power_w = "6000.0"
    assert prove(entry).is_refuted is is_refuted


def test_without_power_nothing_is_refuted_by_it() -> None:
    assert not prove(reported(*lifetime(0, 100, 90_000, 90_100, 90_200))).is_refuted


def test_readings_with_the_stop_are_evidence_too() -> None:
    entry = reported(*lifetime(None, 400), flowed=(0, 400))
    data = [Moment(at=float(wh), delivered_wh=wh, register=str(LIFETIME + wh)) for wh in (30, 50)]
    entry.sent[-1].moments[:0] = data
    assert lost(entry) == [Lost(Loss.START_LOST, 30)]


def test_readings_with_the_stop_may_have_another_unit_than_the_stop() -> None:
    entry = reported(*lifetime(None, 400), flowed=(0, 400))
    data = [Moment(at=float(wh), delivered_wh=wh, register=f"5000.{wh:03}") for wh in (30, 50, 70)]
    entry.sent[-1].moments[:0] = data
    assert lost(entry) == [Lost(Loss.START_LOST, 30)]


def test_a_reading_that_is_no_number_proves_nothing() -> None:
    assert lost(reported(LIFETIME, "12,5", None, None, None)) == [Lost(Loss.NO_STOP, 400)]


def test_no_energy_is_proved_by_anything() -> None:
    proof = prove(reported(*lifetime(0, 0), flowed=(0, 0)))
    assert (proof.proved_wh, proof.lost, proof.is_honest) == (0, (), True)
    assert prove(reported(None, *lifetime(0), flowed=(0, 0))).lost == ()
    assert not prove(reported(LIFETIME, "12,5", flowed=(0, 0))).is_honest


def test_the_rule_knows_nothing_of_how_a_server_judges() -> None:
    tree = ast.parse(Path(str(provable.__file__)).read_text(encoding="utf-8"))
    ours = {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    assert {name for name in ours if name.startswith("levity_trio")} == {
        "levity_trio.records",
        "levity_trio.simulator.ledger",
    }


# A shared meter


@pytest.mark.parametrize(("of_both", "is_hidden"), [(6400, False), (1400, True)])
def test_what_another_car_drew_is_told_by_its_own_connector(of_both: int, is_hidden: bool) -> None:
    """Its own car drew 400 Wh. Both connectors report the register, whatever power they report."""
    entry = reported(0, 100, 200, 300, of_both)
    entry.lies.append(SHARED_METER)
    proof = prove(entry)
    assert (proof.least_wh, proof.most_wh, proof.is_hidden, proof.is_honest) == (
        0,
        of_both,
        is_hidden,
        False,
    )


def test_a_register_that_stands_still_twice_for_as_long_proves_nothing_by_that() -> None:
    """Its second and fourth readings are both 100 Wh behind, and so show 200 Wh between them by
    chance."""
    entry = reported(*lifetime(0, 100, 100, 300, 300, None), flowed=(0, 100, 200, 300, 400, 500))
    assert lost(entry) == [Lost(Loss.NO_STOP, 200)]


@pytest.mark.parametrize(
    ("start", "first_reading", "wh"),
    [
        pytest.param(350, 500, 50, id="below the stop before it"),
        pytest.param(400, 500, 0, id="at the stop before it"),
        pytest.param(350, 380, 0, id="with a reading of its own in between"),
        pytest.param(-50, 500, 0, id="below the start before it"),
    ],
)
def test_a_stretch_that_two_tell_and_no_reading_reaches_is_nobodys(
    start: int, first_reading: int, wh: int
) -> None:
    first, second = (
        reported(*lifetime(0, 100, 200, 300, 400)),
        reported(*lifetime(start, first_reading, 600, 700, 800)),
    )
    assert without_overlaps(first, second, 400) == wh
    assert is_overlapping(first, second) is (350 <= start < 400)


@pytest.mark.parametrize(
    ("stop", "readings", "wh"),
    [
        pytest.param(None, (500, 600, 700), 100, id="up to its first reading"),
        pytest.param(None, (None, None, None), 400, id="up to its stop"),
        pytest.param(400, (500, 600, 700), 0, id="the previous stop is known"),
    ],
)
def test_what_flowed_after_a_start_that_may_overlap_may_be_the_previous_ones(
    stop: int | None, readings: tuple[int | None, ...], wh: int
) -> None:
    first, second = (
        reported(*lifetime(0, 100, 200, 300, stop)),
        reported(*lifetime(400, *readings, 800)),
    )
    assert without_start(first, second, 1000) == wh
    assert without_start(first, second, 50) == min(wh, 50)
    assert without_start(first, reported(*lifetime(None, *readings, 800)), 1000) == 0
