"""Secrets of a charger's configuration are in no row."""

import json

import trio

from levity_trio.charger.central import Central
from levity_trio.wire.payloads import call
from tests.charger.parts import InlineWriter
from tests.charger.peers import connected, open_charger


async def test_no_row_tells_a_secret(central: Central, writer: InlineWriter) -> None:
    async with (
        open_charger(central, "/ws/CP-1?token=SECRET-1") as charger,
        trio.open_nursery() as asking,
    ):
        await charger.call("DataTransfer", {"vendorId": "V", "data": '{"password":"SECRET-2"}'})
        await charger.call("DataTransfer", {"vendorId": "V", "data": "ftp://me:SECRET-5@host"})
        await charger.send(
            r'[2,"e","DataTransfer",{"vendorId":"V","data":"ftp:\/\/me:SECRET-6@host"}]'
        )
        await charger.receive()
        await charger.send(r'[2,"p","Heartbeat",{"pass\u0077ord":"SECRET-7"}]')
        await charger.receive()
        calls = connected(central)
        asking.start_soon(
            calls.call, call.ChangeConfiguration(key="AuthorizationKey", value="SECRET-3")
        )
        asked = await charger.receive()
        assert asked[3]["value"] == "SECRET-3"
        await charger.send(json.dumps([3, asked[1], {"status": "Accepted"}]))
        asking.start_soon(calls.call, call.GetConfiguration())
        asked = await charger.receive()
        names = ("AuthorizationKey", "G_CardPin", "G_Authentication", "apnInfo", "AdminPass")
        keys = [{"key": name, "readonly": False, "value": f"SECRET-{name}"} for name in names]
        await charger.send(json.dumps([3, asked[1], {"configurationKey": keys}]))
        asking.start_soon(calls.call, call.ChangeConfiguration(key="G_CardPin", value="SECRET-8"))
        asked = await charger.receive()
        assert asked[3]["value"] == "SECRET-8"
        await charger.send(json.dumps([3, asked[1], {"status": "Accepted"}]))
    told = [
        *writer.rows("SELECT target FROM session"),
        *writer.rows("SELECT payload, answer FROM command"),
        *writer.rows("SELECT value FROM configuration"),
        *writer.rows("SELECT data FROM event"),
        *writer.rows("SELECT frame FROM log"),
    ]
    assert "SECRET" not in str(told)
    assert str(told).count("***") >= 4
