"""A plan becomes what happens to a charger, in its order, whatever else goes on."""

from __future__ import annotations

import pytest

from levity_trio.simulator.course import stage
from levity_trio.simulator.plan import ChargerPlan, Ending, Incident, Order, Visit
from levity_trio.simulator.scenario import Kind
from tests.simulator.charger.central import CAR, CAR_W, Central, made

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
        at=at, kind=kind, seconds=seconds, connector=int(is_fault), error_code="GroundFailure" if is_fault else ""
    )


def staged(*visits: Visit, incidents: tuple[Incident, ...] = (), **how: object) -> Central:
    """A charger with power, to which all of this will happen."""
    central = made(**how)  # type: ignore[arg-type]
    stage(central.charger, ChargerPlan(central.charger.spec, visits, incidents))
    central.then(0.0, central.charger.power_on)
    central.forget()
    return central


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("ending", Ending)
def test_a_visit(order: Order, ending: Ending) -> None:
    central = staged(visit(order=order, ending=ending))
    central.run(2 * HOUR)
    (entry,) = central.charger.ledger
    seconds = HOUR - 10 - (30 if ending is Ending.TAG else 0)
    assert entry.energy_wh == pytest.approx(CAR_W * seconds / HOUR, abs=1)
    finishing = ["Finishing"] if ending is Ending.TAG else []
    assert central.statuses() == ["Preparing", "Charging", *finishing, "Available"]
    reason = central.said("StopTransaction")[0].get("reason")
    assert reason == (None if ending is Ending.TAG else "EVDisconnected")


def test_whoever_finds_it_broken_drives_on() -> None:
    central = staged(visit(), visit(at=2 * HOUR), incidents=(incident(Kind.FAULT, 50, HOUR),))
    central.run(4 * HOUR)
    assert central.statuses() == ["Faulted", "Preparing", "Available", *("Preparing", "Charging", "Available")]
    assert len(central.charger.ledger) == 1


def test_a_fault_within_a_session_pauses_it() -> None:
    central = staged(visit(), incidents=(incident(Kind.FAULT, 1000, 600),))
    central.run(2 * HOUR)
    (entry,) = central.charger.ledger
    assert entry.energy_wh == pytest.approx(CAR_W * (HOUR - 10 - 600) / HOUR, abs=1)
    assert central.statuses() == [*("Preparing", "Charging", "Faulted", "Charging", "Available")]


@pytest.mark.parametrize("ending", Ending)
def test_a_power_cut_ends_the_session_and_nobody_ends_it_again(ending: Ending) -> None:
    central = staged(visit(ending=ending), incidents=(incident(Kind.POWER_CUT, 1000, 600),))
    central.run(2 * HOUR)
    (entry,) = central.charger.ledger
    assert entry.energy_wh == pytest.approx(CAR_W * (1000 - 110) / HOUR, abs=1)
    assert [one["reason"] for one in central.said("StopTransaction")] == ["PowerLoss"]
    assert central.moments("BootNotification") == [1600]
    assert central.statuses()[-1] == "Available"


def test_whoever_comes_in_the_dark_drives_on_and_one_may_come_back_to_light() -> None:
    central = staged(visit(), visit(at=2 * HOUR), incidents=(incident(Kind.POWER_CUT, 50, 2000),))
    central.run(4 * HOUR)
    assert len(central.charger.ledger) == 1
    assert central.statuses()[0] == "Preparing"  # the cable was put in all the same


def test_a_network_that_is_away_delays_what_is_told() -> None:
    keys = {"AllowOfflineTxForUnknownId": "true"}
    central = staged(visit(), incidents=(incident(Kind.OUTAGE, 50, 2 * HOUR),), keys=keys)
    central.run(3 * HOUR)
    assert central.moments("StartTransaction") == central.moments("StopTransaction") == [50 + 2 * HOUR]
    assert central.hangs == [(50, "drop")]
    (entry,) = central.charger.ledger
    assert entry.energy_wh == pytest.approx(CAR_W * (HOUR - 10) / HOUR, abs=1)


def test_two_visitors_at_two_connectors() -> None:
    central = staged(visit(), visit(at=150, connector=2), connectors=2)
    central.run(2 * HOUR)
    assert [entry.connector for entry in central.charger.ledger] == [1, 2]
    assert all(entry.is_ended for entry in central.charger.ledger)


def test_a_cable_that_is_taken_leaves_no_room_for_the_next() -> None:
    """Two plans that overlap: the second visitor finds a cable in, shows a tag, and ends the first one's session."""
    central = staged(visit(), visit(at=200, between_seconds=5))
    central.run(2 * HOUR)
    assert [(one["idTag"], one.get("reason")) for one in central.said("StopTransaction")] == [(TAG, None)]
