"""Meters that sign: what they send, and the keys with which anybody can check it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from levity_trio.signed.checking import BilledSession, KnownKey, SignedState, check
from levity_trio.signed.keys import parse_key
from tests.simulator.charger.central import CAR, ENERGY, NOON, Central, charging, made

HOUR_WH = 7_360


def signed(**how: Any) -> tuple[Central, str]:
    """Charge for an hour, and return what the meter signed."""
    central = charging(signing_seed="1", **how)
    central.then(3600, central.charger.unplug, 1)
    (stop,) = central.said("StopTransaction")
    (sample,) = stop["transactionData"][-1]["sampledValue"]
    assert sample["format"] == "SignedData"
    return central, str(sample["value"])


def told_key(central: Central, connector: int = 1) -> str:
    (shown,), _ = central.charger.configuration.read([f"MeterPublicKey{connector}"])
    assert shown["readonly"]
    return str(shown["value"])


def verdict(record: str, key: str, wh: int = HOUR_WH) -> SignedState:
    known = KnownKey(parse_key(key), is_owners=True)
    session = BilledSession(wh, NOON, NOON + timedelta(hours=1))
    found = check([record], [known], session)
    assert found.is_timed
    return found.state


def test_a_record_is_signed_with_the_key_that_the_charger_tells() -> None:
    central, record = signed()
    assert verdict(record, told_key(central)) is SignedState.PROVEN
    assert verdict(record, told_key(central), HOUR_WH + 200) is SignedState.DOUBTFUL


def test_it_comes_beside_other_readings_of_the_stop() -> None:
    central, record = signed(keys={"StopTxnSampledData": ENERGY})
    (stop,) = central.said("StopTransaction")
    assert len(stop["transactionData"]) > 1
    assert verdict(record, told_key(central)) is SignedState.PROVEN


def test_a_meter_signs_the_truth_whatever_its_charger_reports() -> None:
    central, record = signed(register_wh=9_000)
    assert verdict(record, told_key(central)) is SignedState.PROVEN
    central = charging(signing_seed="1")
    central.charger.memory.offsets[1] += 5_000
    central.then(3600, central.charger.unplug, 1)
    (stop,) = central.said("StopTransaction")
    (sample,) = stop["transactionData"][-1]["sampledValue"]
    assert stop["meterStop"] == HOUR_WH + 5_000
    assert verdict(sample["value"], told_key(central)) is SignedState.PROVEN


def test_each_record_has_a_number_of_its_own() -> None:
    central, first = signed()
    central.then(4000, central.charger.plug, 1, CAR)
    central.then(4010, central.charger.present_tag, 1, "TAG")
    central.then(5000, central.charger.unplug, 1)
    second = central.said("StopTransaction")[-1]["transactionData"][-1]["sampledValue"][0]["value"]
    assert first.split('"PG"')[1][:20] < second.split('"PG"')[1][:20]


def test_the_same_seed_gives_the_same_keys() -> None:
    one, other = (made(signing_seed="7", connectors=2) for _ in range(2))
    assert told_key(one) == told_key(other)
    keys = {told_key(one), told_key(one, 2), told_key(made(signing_seed="8"))}
    assert len(keys) == 3


@pytest.mark.parametrize("seed", ["", "1"])
def test_only_meters_that_sign_have_a_key(seed: str) -> None:
    configuration = made(signing_seed=seed).charger.configuration
    names = [shown["key"] for shown in configuration.read(None)[0]]
    assert ("MeterPublicKey1" in names) == bool(seed)
    assert "MeterPublicKey2" not in names
