"""Correct registers reported wrongly: each message is as without the quirk, except for its readings."""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest

from levity_trio.simulator.charger import notifications
from levity_trio.simulator.charger.outbox import Frame
from tests.simulator.quirks.driven import REGISTER_WH, Driven, an_hour, registers

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
    driven.later(1_000, lambda at: notifications.set_register(driven.charger, 1, 0, at))
    driven.run(5_000)
    told = [int(registers(payload)[0]) for payload in driven.told("MeterValues")]
    falls = [(before, after) for before, after in pairwise(told) if after < before]
    assert len(falls) == 1
    assert falls[0][1] < 130
    assert 0 <= min(told) < max(told) < 10_000
