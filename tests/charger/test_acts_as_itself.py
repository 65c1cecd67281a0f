"""A charger acts only as itself, also in what it names inside its messages."""

from __future__ import annotations

from typing import Any

import pytest

from levity_trio.charger.central import Central
from tests.charger.parts import InlineWriter
from tests.charger.peers import open_charger

AT = "2026-03-01T12:00:00Z"
LATER = "2026-03-01T12:05:00Z"
START = {"connectorId": 1, "idTag": "TAG-1", "meterStart": 1000, "timestamp": AT}
OF_OTHERS = (
    "SELECT * FROM tx WHERE cp_id = 'CP-1'",
    "SELECT tx_event.* FROM tx_event JOIN tx ON tx.id = tx_id WHERE tx.cp_id = 'CP-1'",
)


def reading(transaction: int) -> dict[str, Any]:
    value = {"timestamp": LATER, "sampledValue": [{"value": "9000"}]}
    return {"connectorId": 1, "transactionId": transaction, "meterValue": [value]}


def stop(transaction: int) -> dict[str, Any]:
    sent = {"timestamp": LATER, "sampledValue": [{"value": "9000"}]}
    told = {"transactionId": transaction, "idTag": "TAG-1", "meterStop": 9000, "timestamp": LATER}
    return {**told, "transactionData": [sent]}


@pytest.mark.parametrize("has_own", [False, True])
async def test_another_chargers_transaction_is_not_touched(
    central: Central, writer: InlineWriter, has_own: bool
) -> None:
    async with (
        open_charger(central, "/ws/CP-1") as owner,
        open_charger(central, "/ws/CP-2") as stranger,
    ):
        theirs: int = (await owner.call("StartTransaction", START))["transactionId"]
        await owner.call(
            "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
        )
        if has_own:
            assert (await stranger.call("StartTransaction", START))["transactionId"] != theirs
        before = [writer.rows(of) for of in OF_OTHERS]
        await stranger.call("MeterValues", reading(theirs))
        await stranger.call("StopTransaction", stop(theirs))
        await stranger.call(
            "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        )
        data = {"vendorId": "CP-1", "messageId": "StopTransaction", "data": str(theirs)}
        await stranger.call("DataTransfer", data)
        assert [writer.rows(of) for of in OF_OTHERS] == before
        assert writer.rows("SELECT status FROM tx WHERE id = ?", theirs) == [("Active",)]
        assert writer.rows("SELECT DISTINCT cp_id FROM meter_val WHERE tx_id = ?", theirs) in (
            [],
            [("CP-1",)],
        )
        assert (await owner.call("StopTransaction", stop(theirs))) is not None
    assert writer.rows("SELECT status FROM tx WHERE id = ?", theirs) != [("Active",)]


async def test_another_chargers_reservation_is_not_used(
    central: Central, writer: InlineWriter
) -> None:
    async with (
        open_charger(central, "/ws/CP-1") as owner,
        open_charger(central, "/ws/CP-2") as stranger,
    ):
        await owner.call("Heartbeat")
        writer.run_now(_reserve)
        await stranger.call("StartTransaction", {**START, "reservationId": 7})
        assert writer.row("SELECT ended_at FROM reservation") == (None,)


def _reserve(db: Any) -> None:
    command = db.insert(
        "INSERT INTO command (cp_id, action, payload, state, requested_at)"
        " VALUES ('CP-1', 'ReserveNow', '{}', 'sent', '') RETURNING id",
        (),
    )
    db.execute(
        "INSERT INTO reservation (cp_id, reservation_id, conn_id, id_tag, expires_at, command_id, "
        "created_at) "
        "VALUES ('CP-1', 7, 1, 'TAG-1', '2099', ?, '')",
        (command,),
    )
