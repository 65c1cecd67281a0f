"""A message on demand, end to end: the API, the charger, its line, our server, and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.simulator.park.park import Limits, Park, Registry
from levity_trio.wire.errors import CallFailed
from levity_trio.wire.payloads import call
from tests.charger.parts import InlineWriter
from tests.simulator.link.living import make_charger, open_living
from tests.simulator.link.test_fleet import fleet_of
from tests.simulator.park.parks import Asker
from tests.simulator.park.parks import make_charger as remade

SEND = "/api/chargers/CP-1/send"
LIMITS = Limits(answer_seconds=5)


@asynccontextmanager
async def api_of(central: Central | None) -> AsyncIterator[Asker]:
    """The API over a fleet of one charger that is accepted."""
    async with fleet_of(central) as fleet:
        fleet.add(make_charger())
        await trio.sleep(60)
        yield Asker(
            Park(Registry(), fleet, lambda: fleet.pace.now, remade, Path("nowhere"), LIMITS)
        )


async def test_what_the_server_answers(central: Central, writer: InlineWriter) -> None:
    async with api_of(central) as api:
        payload = {"vendorId": "org.example", "data": "hello"}
        assert await api.done("POST", SEND, {"action": "DataTransfer", "payload": payload}) == {
            "payload": {"status": "UnknownVendorId"}
        }
        answer = await api.done("POST", SEND, {"action": "Heartbeat"})
        assert list(answer["payload"]) == ["currentTime"]
    (told,) = writer.rows(
        "SELECT json_extract(data, '$.data') FROM event WHERE kind = 'DataTransferred'"
    )
    assert told == ("hello",)


async def test_what_the_server_refuses(central: Central) -> None:
    async with api_of(central) as api:
        refused = await api.refused(409, "POST", SEND, {"action": "Fly", "payload": {}})
        assert refused["detail"].startswith("CP-1: the central system answered NotImplemented: ")


async def test_what_the_server_does_not_answer(central: Central, writer: InlineWriter) -> None:
    async with api_of(central) as api:
        writer.answer_seconds = LIMITS.answer_seconds + 5
        refused = await api.refused(409, "POST", SEND, {"action": "StatusNotification"})
        assert (
            refused["detail"]
            == "CP-1: the central system did not respond in time; see the charger's log"
        )


async def test_the_server_gets_the_answer_that_somebody_forced(central: Central) -> None:
    async with open_living(central) as living:
        await living.accepted()
        living.charger.force_answer("RemoteStartTransaction", "Rejected", living.at)
        living.charger.force_answer("Reset", "NotSupported", living.at)
        start = call.RemoteStartTransaction(id_tag="TAG")
        assert (await living.call(central, start)).status == "Rejected"
        with pytest.raises(CallFailed, match="NotSupported"):
            await living.call(central, call.Reset(type="Hard"))
        assert living.charger.is_linked


async def test_without_a_server() -> None:
    async with api_of(None) as api:
        refused = await api.refused(409, "POST", SEND, {"action": "Heartbeat"})
        assert refused["detail"] == "CP-1 has no connection to the central system"
        problems = (await api.refused(422, "POST", SEND, {"action": "", "payload": 7}))["problems"]
        assert [one["field"] for one in problems] == ["payload"]
        problems = (await api.refused(422, "POST", SEND, {"action": ""}))["problems"]
        assert [one["field"] for one in problems] == ["action"]
