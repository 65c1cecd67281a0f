"""A plan's visits and incidents happen to a charger in order, whatever else it does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from levity_trio.simulator.provable import Loss, prove
from levity_trio.simulator.scenario import (
    ChargerPlan,
    Ending,
    Incident,
    Kind,
    Order,
    Visit,
    schedule,
)
from tests.simulator.charger.central import CAR, CAR_W, Central, made, stamp

TAG = "TAG"
HOUR = 3600


def visit(at: float = 100, **changes: object) -> Visit:
    planned = {
        "connector": 1,
        "vehicle": CAR,
        "id_tag": TAG,
        "order": Order.PLUG_FIRST,
        "between_seconds": 10,
        "stay_seconds": HOUR,
        "ending": Ending.UNPLUG,
        **changes,
    }
    return Visit(at=at, **planned)  # type: ignore[arg-type]


def incident(kind: Kind, at: float, seconds: float) -> Incident:
    is_fault = kind is Kind.FAULT
    return Incident(
        at=at,
        kind=kind,
        seconds=seconds,
        connector=int(is_fault),
        error_code="GroundFailure" if is_fault else "",
    )


def scheduled(*visits: Visit, incidents: tuple[Incident, ...] = (), **how: object) -> Central:
    """Make a charger with power and schedule the plan on its agenda."""
    central = made(**how)  # type: ignore[arg-type]
    schedule(central.charger, ChargerPlan(central.charger.spec, visits, incidents))
    central.then(0.0, central.charger.power_on)
    central.forget()
    return central


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("ending", Ending)
def test_a_visit(order: Order, ending: Ending) -> None:
    central = scheduled(visit(order=order, ending=ending))
    central.run(2 * HOUR)
    (entry,) = central.charger.ledger
    seconds = HOUR - 10 - (30 if ending is Ending.TAG else 0)
    assert entry.energy_wh == pytest.approx(CAR_W * seconds / HOUR, abs=1)
    finishing = ["Finishing"] if ending is Ending.TAG else []
    assert central.statuses() == ["Preparing", "Charging", *finishing, "Available"]
    reason = central.said("StopTransaction")[0].get("reason")
    assert reason == (None if ending is Ending.TAG else "EVDisconnected")


def test_whoever_finds_it_broken_drives_on() -> None:
    central = scheduled(visit(), visit(at=2 * HOUR), incidents=(incident(Kind.FAULT, 50, HOUR),))
    central.run(4 * HOUR)
    assert central.statuses() == [
        "Faulted",
        "Preparing",
        "Available",
        *("Preparing", "Charging", "Available"),
    ]
    assert len(central.charger.ledger) == 1


def test_a_fault_within_a_session_pauses_it() -> None:
    central = scheduled(visit(), incidents=(incident(Kind.FAULT, 1000, 600),))
    central.run(2 * HOUR)
    (entry,) = central.charger.ledger
    assert entry.energy_wh == pytest.approx(CAR_W * (HOUR - 10 - 600) / HOUR, abs=1)
    assert central.statuses() == [*("Preparing", "Charging", "Faulted", "Charging", "Available")]


@pytest.mark.parametrize("ending", Ending)
def test_a_power_cut_ends_the_session_and_nobody_ends_it_again(ending: Ending) -> None:
    central = scheduled(visit(ending=ending), incidents=(incident(Kind.POWER_CUT, 1000, 600),))
    central.run(2 * HOUR)
    (entry,) = central.charger.ledger
    assert entry.energy_wh == pytest.approx(CAR_W * (1000 - 110) / HOUR, abs=1)
    assert [one["reason"] for one in central.said("StopTransaction")] == ["PowerLoss"]
    assert central.moments("BootNotification") == [1600]
    assert central.statuses()[-1] == "Available"


def test_whoever_comes_in_the_dark_drives_on_and_one_may_come_back_to_light() -> None:
    central = scheduled(
        visit(), visit(at=2 * HOUR), incidents=(incident(Kind.POWER_CUT, 50, 2000),)
    )
    central.run(4 * HOUR)
    assert len(central.charger.ledger) == 1
    assert central.statuses()[0] == "Preparing"  # the cable was plugged in nevertheless


def test_a_network_that_is_away_delays_what_is_told() -> None:
    keys = {"AllowOfflineTxForUnknownId": "true"}
    central = scheduled(visit(), incidents=(incident(Kind.OUTAGE, 50, 2 * HOUR),), keys=keys)
    central.run(3 * HOUR)
    assert (
        central.moments("StartTransaction") == central.moments("StopTransaction") == [50 + 2 * HOUR]
    )
    assert central.connection_effects == [(50, "drop")]
    (entry,) = central.charger.ledger
    assert entry.energy_wh == pytest.approx(CAR_W * (HOUR - 10) / HOUR, abs=1)


def test_two_visitors_at_two_connectors() -> None:
    central = scheduled(visit(), visit(at=150, connector=2), connectors=2)
    central.run(2 * HOUR)
    assert [entry.connector for entry in central.charger.ledger] == [1, 2]
    assert all(entry.is_ended for entry in central.charger.ledger)


def test_a_cable_that_is_taken_leaves_no_room_for_the_next() -> None:
    """Two plans overlap: the second visitor finds a cable plugged in, presents a tag and ends the
    first transaction."""
    central = scheduled(visit(), visit(at=200, between_seconds=5))
    central.run(2 * HOUR)
    assert [(one["idTag"], one.get("reason")) for one in central.said("StopTransaction")] == [
        (TAG, None)
    ]


# Loss of power without a last message


def test_after_a_brownout_the_session_goes_on() -> None:
    central = scheduled(visit(), incidents=(incident(Kind.BROWNOUT, 1000, 600),))
    central.run(2 * HOUR)
    (entry,) = central.charger.ledger
    assert entry.energy_wh == pytest.approx(CAR_W * (HOUR - 10 - 600) / HOUR, abs=1)
    assert len(central.said("StartTransaction")) == len(central.said("StopTransaction")) == 1
    assert central.moments("BootNotification") == [1600]
    assert central.statuses() == ["Preparing", "Charging", "Charging", "Available"]
    readings = [at for at in central.moments("MeterValues") if at > 1000]
    assert readings[0] == 1600 + 60
    assert prove(entry).is_honest


@pytest.mark.parametrize("seconds", [HOUR, 2 * HOUR])
def test_who_leaves_during_a_brownout_is_noticed_when_the_power_is_back(seconds: float) -> None:
    central = scheduled(visit(), incidents=(incident(Kind.BROWNOUT, 1000, seconds),))
    central.run(4 * HOUR)
    (entry,) = central.charger.ledger
    assert entry.energy_wh == pytest.approx(CAR_W * (1000 - 110) / HOUR, abs=1)
    assert [one["reason"] for one in central.said("StopTransaction")] == ["EVDisconnected"]
    assert entry.ended == 1000 + seconds
    assert central.said("StopTransaction")[0]["timestamp"] == stamp(1000 + seconds)


@pytest.mark.parametrize("is_noticed", [False, True])
def test_a_death_ends_a_session_without_a_word(is_noticed: bool) -> None:
    death = replace(incident(Kind.DEATH, 1000, 600), is_noticed=is_noticed)
    central = scheduled(visit(), incidents=(death,))
    central.run(2 * HOUR)
    first, *second = central.charger.ledger
    assert (first.ended, first.message("StopTransaction")) == (1000, None)
    assert first.energy_wh == pytest.approx(CAR_W * (1000 - 110) / HOUR, abs=1)
    assert [lost.why for lost in prove(first).lost] == [Loss.NO_STOP]
    stops = central.said("StopTransaction")
    if not is_noticed:
        assert (second, stops) == ([], [])
        assert central.statuses()[-2:] == ["Preparing", "Available"]
        return
    (again,) = second
    assert (again.began, again.id_tag, prove(again).is_honest) == (1660, TAG, True)
    assert [one["transactionId"] for one in stops] == [again.transaction_id]


def test_nothing_is_kept_of_a_session_that_died() -> None:
    central = scheduled(visit(), incidents=(incident(Kind.DEATH, 1000, 600),))
    central.run(2 * HOUR)
    assert (central.charger.transactions, central.charger.memory.transaction_ids) == ({}, {})


def test_what_a_dead_session_said_is_told_all_the_same() -> None:
    """It was offline: start and readings were queued."""
    keys = {"AllowOfflineTxForUnknownId": "true"}
    away = incident(Kind.OUTAGE, 50, HOUR)
    central = scheduled(visit(), incidents=(away, incident(Kind.DEATH, 1000, 600)), keys=keys)
    central.run(2 * HOUR)
    assert central.moments("StartTransaction") == [50 + HOUR]
    assert len(central.moments("MeterValues")) == 14
    assert (central.charger.transactions, central.charger.memory.transaction_ids) == ({}, {})


@pytest.mark.parametrize("register_wh", [0, 123_456])
def test_a_swapped_meter_shows_another_register_and_has_another_serial(register_wh: int) -> None:
    swap = replace(incident(Kind.METER_SWAP, 1000, 600), register_wh=register_wh)
    central = scheduled(visit(), visit(at=2 * HOUR), incidents=(swap,), register_wh=5_000_000)
    before = central.charger.memory.meters
    central.run(4 * HOUR)
    first, second = central.charger.ledger
    told = [one["meterStop"] for one in central.said("StopTransaction")]
    assert told == [5_000_000 + first.energy_wh, register_wh + second.energy_wh]
    assert [one["meterStart"] for one in central.said("StartTransaction")] == [
        5_000_000,
        register_wh,
    ]
    assert all(prove(entry).is_honest for entry in (first, second))
    (boot,) = central.said("BootNotification")
    assert boot["meterSerialNumber"].endswith(f"-{before + 1}")
