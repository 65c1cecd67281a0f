"""Messages on demand, forced responses, and set registers."""

from __future__ import annotations

from typing import Any

import pytest

from levity_trio.simulator.charger.operations import OPERATIONS
from levity_trio.simulator.charger.state import Impossible
from levity_trio.simulator.quirks import QUIRKS
from levity_trio.simulator.quirks import made as made_quirks
from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.frames import CallError, CallResult, Response
from tests.simulator.charger.central import Central, charging, energies, made, running


def send(
    central: Central, action: str, payload: dict[str, Any] | None = None, connector: int = 1
) -> list[Response | None]:
    """Send a message on demand, and return the responses that have arrived."""
    answers: list[Response | None] = []
    central.charger.send(
        action, payload, connector, lambda answer, _: answers.append(answer), central.at
    )
    central.settle()
    return answers


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("Heartbeat", {}),
        ("BootNotification", {"chargePointVendor": "Levity", "firmwareVersion": "1.0.0"}),
        ("StatusNotification", {"connectorId": 1, "status": "Charging", "errorCode": "NoError"}),
        ("MeterValues", {"connectorId": 1, "transactionId": 1001}),
    ],
)
def test_in_its_own_words(action: str, payload: dict[str, Any]) -> None:
    central = charging()
    central.run(3_600)
    central.forget()
    (answer,) = send(central, action)
    assert isinstance(answer, CallResult)
    (said,) = central.said(action)
    assert payload.items() <= said.items()


def test_a_reading_on_demand_tells_the_register_as_it_is() -> None:
    central = charging()
    central.run(3_601)
    sent = len(central.charger.ledger[0].sent)
    send(central, "MeterValues")
    (energy,) = energies(central.said("MeterValues")[-1]["meterValue"])
    assert int(energy) == pytest.approx(central.charger.connectors[1].meter.register_wh, abs=1)
    assert len(central.charger.ledger[0].sent) == sent  # the ledger does not record it


def test_in_words_of_ones_own_it_leaves_as_it_is() -> None:
    """Quirks apply to the charger's own messages only."""
    central = running()
    central.charger.quirks = made_quirks(QUIRKS, "seed")
    payload = {"vendorId": "org.example", "data": "hello"}
    (answer,) = send(central, "DataTransfer", payload)
    assert central.said("DataTransfer") == [payload]
    assert isinstance(answer, CallResult)
    assert answer.payload == {"status": "Accepted"}


def test_an_answer_changes_nothing_at_the_charger() -> None:
    central = running()
    central.registration, central.interval = "Rejected", 7
    (answer,) = send(central, "BootNotification")
    assert isinstance(answer, CallResult)
    assert answer.payload["status"] == "Rejected"
    assert central.charger.may_send
    central.forget()
    central.run(central.at + 1_000)
    assert central.actions == []  # neither another boot nor a heartbeat every 7 s


def test_a_refusal_and_silence_come_back_as_they_are() -> None:
    central = running()
    central.refused.add("DataTransfer")
    (answer,) = send(central, "DataTransfer", {"vendorId": "x"})
    assert isinstance(answer, CallError)
    central.silent.add("Heartbeat")
    answers = send(central, "Heartbeat")
    central.run(central.at + 60)
    assert answers == [None]


def test_where_nobody_hears_it() -> None:
    central = made()
    central.is_away = True
    central.then(0.0, central.charger.power_on)
    with pytest.raises(Impossible, match="CP has no connection"):
        send(central, "Heartbeat")


def test_what_it_has_no_words_for() -> None:
    with pytest.raises(
        Impossible, match="has no StartTransaction of its own to send; give a payload, or one of"
    ):
        send(running(), "StartTransaction")
    with pytest.raises(Impossible, match="there is no connector 2"):
        send(running(), "StatusNotification", connector=2)


# Forced responses


def test_it_answers_as_it_was_told_and_does_nothing() -> None:
    central = charging()
    central.charger.force_answer("RemoteStopTransaction", "Rejected", central.at)
    assert central.ask("RemoteStopTransaction", transactionId=1001) == {"status": "Rejected"}
    central.charger.force_answer("RemoteStopTransaction", "Accepted", central.at)
    assert central.ask("RemoteStopTransaction", transactionId=1001) == {"status": "Accepted"}
    assert central.charger.connectors[1].transaction is not None
    central.charger.force_answer("RemoteStopTransaction", None, central.at)
    assert central.ask("RemoteStopTransaction", transactionId=1001) == {"status": "Accepted"}
    assert central.charger.connectors[1].transaction is None


@pytest.mark.parametrize("action", OPERATIONS)
def test_every_operation_can_be_refused(action: str) -> None:
    central = running()
    central.charger.force_answer(action, ErrorCode.GENERIC_ERROR, central.at)
    assert central.charger.forced_answers == {action: "GenericError"}


def test_an_error_code_is_a_callerror() -> None:
    central = running()
    central.charger.force_answer("Reset", "SecurityError", central.at)
    with pytest.raises(Refused) as refused:
        central.ask("Reset", type="Soft")
    assert refused.value.code is ErrorCode.SECURITY_ERROR
    # a status of its response, not an error code
    central.charger.force_answer("UnlockConnector", "NotSupported", central.at)
    assert central.ask("UnlockConnector", connectorId=1) == {"status": "NotSupported"}


@pytest.mark.parametrize(
    ("action", "status", "told"),
    [
        (
            "Reset",
            "Scheduled",
            "response to Reset cannot have status Scheduled; give a status of OCPP 1.6",
        ),
        (
            "GetConfiguration",
            "Accepted",
            "response to GetConfiguration cannot have status Accepted",
        ),
        (
            "Heartbeat",
            "Accepted",
            "Heartbeat is not an action of a central system; give one of CancelReservation",
        ),
    ],
)
def test_what_is_no_answer(action: str, status: str, told: str) -> None:
    central = running()
    with pytest.raises(Impossible, match=told):
        central.charger.force_answer(action, status, central.at)
    assert central.charger.forced_answers == {}


# Registers


def test_a_register_shows_what_it_was_told_to() -> None:
    central = charging(keys={"MeterValueSampleInterval": "60"})
    central.run(600)
    truth = central.charger.connectors[1].meter.register_wh
    central.charger.set_register(1, 250_000, central.at)
    central.forget()
    central.run(661)
    (energy,) = energies(central.said("MeterValues")[-1]["meterValue"])
    flowed = central.charger.connectors[1].meter.register_wh - truth
    assert int(energy) == pytest.approx(250_000 + flowed, abs=1)
    central.charger.stop(1, central.at)
    central.settle()
    assert central.said("StopTransaction")[0]["meterStop"] > 250_000
    assert central.charger.ledger[0].energy_wh < 2_000  # the true energy
