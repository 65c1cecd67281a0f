"""Misleading boots and statuses, and sparse readings. The energy stays true."""

from __future__ import annotations

import pytest

from levity_trio.simulator.provable import prove
from levity_trio.simulator.quirks.registers import INTERVALS, SparseReadings
from tests.simulator.quirks.driven import Driven, an_hour

HOUR = 3600.0


def a_long_stay(*quirks: str) -> Driven:
    """Six hours; after two the power fails for ten minutes, and the transaction continues."""
    driven = Driven(*quirks)
    driven.session(100, 6 * HOUR)
    driven.later(2 * HOUR, lambda at: driven.charger.fail(at, keeps_sessions=True))
    driven.later(2 * HOUR + 600, driven.charger.power_on)
    driven.run(8 * HOUR)
    return driven


def test_it_boots_in_the_middle_of_a_session() -> None:
    driven = Driven("boots-again")
    driven.session(100, 20 * HOUR)
    driven.run(22 * HOUR)
    assert len(driven.told("BootNotification")) > 3
    (entry,) = driven.charger.ledger
    assert prove(entry).is_honest
    assert len(driven.told("StartTransaction")) == len(driven.told("StopTransaction")) == 1


def test_available_is_told_of_a_connector_that_charges() -> None:
    def statuses(driven: Driven) -> list[str]:
        return [one["status"] for one in driven.told("StatusNotification") if one["connectorId"] == 1]

    assert statuses(a_long_stay()) == ["Available", "Preparing", "Charging", "Charging", "Available"]
    liar = a_long_stay("available-after-boot")
    assert statuses(liar) == ["Available", "Available", "Preparing", "Charging", "Available", "Charging", "Available"]
    assert liar.charger.ledger[0].lies == ["Available while it charged"]
    assert a_long_stay().charger.ledger[0].lies == []
    assert liar.charger.ledger[0].energy_wh == a_long_stay().charger.ledger[0].energy_wh


def test_readings_come_as_rarely_as_it_likes() -> None:
    driven = a_long_stay("sparse-readings")
    (quirk,) = driven.quirks
    assert isinstance(quirk, SparseReadings)
    assert quirk._interval in INTERVALS
    assert driven.charger.configuration.text("MeterValueSampleInterval") == quirk._interval
    assert len(driven.told("MeterValues")) < 12
    assert prove(driven.charger.ledger[0]).is_honest


def test_a_second_stop_says_more_and_does_not_count() -> None:
    driven = an_hour("stops-twice")
    first, second = driven.told("StopTransaction")
    assert second["meterStop"] - first["meterStop"] == 100
    assert second["timestamp"] > first["timestamp"]
    assert [first] == an_hour().told("StopTransaction")
    (entry,) = driven.charger.ledger
    stop = entry.message("StopTransaction")
    assert stop is not None
    assert stop.moments[-1].register == str(first["meterStop"])
    proof = prove(entry)
    assert (proof.lost, proof.is_contradicted, proof.is_honest) == ((), True, False)


@pytest.mark.parametrize("name", ["repeats-stop", "repeats-start"])
def test_a_repeat_of_the_same_contradicts_nothing(name: str) -> None:
    assert prove(an_hour(name).charger.ledger[0]).is_honest
