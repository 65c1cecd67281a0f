"""One charger's conversation with a running server, through the `ocpp` package's own client.

.venv/bin/python tests/tools/example_client.py ws://localhost:9000/ws/CP001
"""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any

from ocpp.v16 import ChargePoint, call
from ocpp.v16.datatypes import MeterValue, SampledValue
from ocpp.v16.enums import ChargePointErrorCode, ChargePointStatus, Measurand, UnitOfMeasure
from websockets import Subprotocol
from websockets.asyncio.client import connect


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def reading(watt_hours: int) -> MeterValue:
    measurand = Measurand.energy_active_import_register
    return MeterValue(
        now(), [SampledValue(str(watt_hours), measurand=measurand, unit=UnitOfMeasure.wh)]
    )


async def charge(charger: ChargePoint) -> None:
    async def ask(request: Any) -> Any:
        answer = await charger.call(request, suppress=False)
        print(f"{type(request).__name__:20} -> {answer}")
        return answer

    await ask(call.BootNotification(charge_point_vendor="Example", charge_point_model="One"))
    available, no_error = ChargePointStatus.available, ChargePointErrorCode.no_error
    await ask(
        call.StatusNotification(
            connector_id=1, error_code=no_error, status=available, timestamp=now()
        )
    )
    await ask(call.Authorize(id_tag="EXAMPLE"))
    start = call.StartTransaction(
        connector_id=1, id_tag="EXAMPLE", meter_start=1000, timestamp=now()
    )
    transaction_id = (await ask(start)).transaction_id
    for watt_hours in (1400, 1800):
        readings = [reading(watt_hours)]
        await ask(
            call.MeterValues(connector_id=1, transaction_id=transaction_id, meter_value=readings)
        )
    await ask(call.StopTransaction(meter_stop=2200, timestamp=now(), transaction_id=transaction_id))


async def main(url: str) -> None:
    async with connect(url, subprotocols=[Subprotocol("ocpp1.6")]) as connection:
        charger = ChargePoint(url.rsplit("/", 1)[-1], connection)
        listening = asyncio.create_task(charger.start())
        await charge(charger)
        listening.cancel()


if __name__ == "__main__":
    address = sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:9000/ws/CP001"
    try:
        asyncio.run(main(address))
    except OSError:
        sys.exit(f"no server answers at {address}; start levity-trio serve")
