"""Other backends whose settings change, several at once, and what each may know."""

from __future__ import annotations

import json
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import trio
from trio_websocket import WebSocketConnection

from tests.integration.backend_central import Central, central
from tests.integration.backend_given import give_backend, wait_until_told
from tests.integration.charger import Charger, now
from tests.integration.foreign import api_of
from tests.integration.serving import Serving
from tests.integration.test_backends_odd import ONE_SESSION, charge, copying, one_charger, sessions
from tests.ports import free_port
from tests.sizes import size

CHANGES = size(300, 25)
SIGNED = (
    'OCMF|{"FV":"1.0","GI":"KEBA \\"x\\"","RD":[{"TM":"2026-01-01T00:00:00,000+0000 S","RV":1.9}]}'
    '|{"SA":"ECDSA-secp256k1-SHA256","SD":"304502/\\\\é\u2028+=="}'
)
XML = (
    '<?xml version="1.0"?><signedData xmlns="http://transparenz.software/a?b=1&amp;c=2">00 ÿ'
    "</signedData>"
)
ASKED_SECONDS = 3.0
MOST_AGAIN = 200


def ask(server: Serving, method: str, *path: object, **given: object) -> Any:
    return api_of(server).ask(method, "admin", *map(str, path), given=given, patience=60)


def test_changed_settings_lose_and_repeat_nothing(tmp_path: Path) -> None:
    is_over = Event()
    with central() as other, copying(tmp_path, other) as server:

        def change() -> None:
            for number in range(CHANGES):
                ask(server, "PUT", "backends", 1, name=f"second {number}")
                if number % 5 == 4:
                    ask(server, "POST", "backends", 1, "pause")
                    ask(server, "POST", "backends", 1, "resume")
            is_over.set()

        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            changing = Thread(target=change)
            changing.start()
            charged = 0
            while not is_over.is_set():
                charged += 1
                charge(charger, 1000 * charged)
            changing.join()
        wait_until_told(server.database)
        # Only what got no answer before the connection ended is told again.
        told = [one for one in other.told if one.action != "BootNotification"]
        texts = [str(one.payload) for one in told if one.is_answered]
        again = [text for text in set(texts) if texts.count(text) > 1]
        last = {one.connection: str(one.payload) for one in told}
        assert set(again) <= set(last.values())
        starts = [str(payload) for payload in other.of("StartTransaction")]
        assert len(set(starts)) == charged
        assert server.query("SELECT * FROM backend_refused") == []
        assert server.query("SELECT told FROM backend_cp") == [(4 * charged + 1,)]
        print(f"\n{charged} sessions, {CHANGES} changes, {len(again)} messages told again")


def test_one_that_is_away_holds_up_no_other(tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    give_backend(database, free_port(), ["CP-1"], name="gone")
    with central() as other, central() as third:
        give_backend(database, other.port, ["CP-1"], name="second")
        give_backend(database, third.port, ["CP-1"], name="third")
        with copying(tmp_path, other) as server, Charger(server.port, "CP-1") as charger:
            charger.boot()
            charge(charger)
            for one in (other, third):
                one.wait(lambda one=one: one.of("StopTransaction"))  # type: ignore[misc]
                assert sessions(one) == ONE_SESSION


def test_signed_data_passes_byte_by_byte(tmp_path: Path) -> None:
    with one_charger(tmp_path) as (other, server, charger):
        charger.boot()
        number = charger.start("CARD", 1000, now())
        for signed in (SIGNED, XML, SIGNED * 100):
            sample = {"value": signed, "format": "SignedData", "context": "Transaction.Begin"}
            values = [{"timestamp": now(), "sampledValue": [sample, {"value": "1000"}]}]
            charger.call("MeterValues", connectorId=1, transactionId=number, meterValue=values)
        data = [{"timestamp": now(), "sampledValue": [{"value": SIGNED, "format": "SignedData"}]}]
        charger.call(
            "StopTransaction",
            transactionId=number,
            meterStop=1900,
            timestamp=now(),
            transactionData=data,
        )
        wait_until_told(server.database)
        told = [one["meterValue"][0]["sampledValue"][0]["value"] for one in other.of("MeterValues")]
        assert told == [SIGNED, XML, SIGNED * 100]
        assert other.of("StopTransaction")[0]["transactionData"] == data


def test_a_backend_knows_no_card_and_no_connector_that_it_may_not(tmp_path: Path) -> None:
    with (
        central() as other,
        copying(tmp_path, other, with_cards=0, other_cards="OTHER", without=[2]) as server,
        Charger(server.port, "CP-1") as charger,
    ):
        ask(server, "PUT", "backends", 1, "cards", card="SECRET-1", alias="E-77")
        ask(server, "PUT", "backends", 1, "cards", card="SECRET-2", alias=None)
        charger.boot()
        for place, card in enumerate(("SECRET-1", "secret-2", "SECRET-3"), 1):
            charger.call("Authorize", idTag=card)
            number = charger.start(card, 1000 * place, now())
            charger.call(
                "StopTransaction",
                transactionId=number,
                idTag=card,
                meterStop=1000 * place + 900,
                timestamp=now(),
            )
        charger.call("StatusNotification", connectorId=2, errorCode="NoError", status="Faulted")
        hidden = charger.call(
            "StartTransaction", connectorId=2, idTag="SECRET-1", meterStart=7000, timestamp=now()
        )["transactionId"]
        charger.call(
            "StopTransaction",
            transactionId=hidden,
            idTag="SECRET-1",
            meterStop=7900,
            timestamp=now(),
        )
        wait_until_told(server.database)
        texts = [str(one.payload) for one in other.told]
        assert not [text for text in texts if "secret" in text.lower() or "7900" in text]
        assert not [one for one in other.told if one.payload.get("connectorId") == 2]
        starts, stops = other.of("StartTransaction"), other.of("StopTransaction")
        assert [one["idTag"] for one in starts] == ["E-77", "OTHER"]
        assert [one["idTag"] for one in stops] == ["E-77", "OTHER"]


async def ask_again(other: Central, socket: WebSocketConnection, identity: str) -> None:
    """Ask for another message as soon as one has come, for ever."""
    asked = 0
    while True:
        if len(other.of("Heartbeat", charger=identity)) >= asked:
            asked += 1
            trigger = [2, str(asked), "TriggerMessage", {"requestedMessage": "Heartbeat"}]
            await socket.send_message(json.dumps(trigger))
        await trio.sleep(0.001)


def test_what_is_asked_again_and_again_is_told_at_a_pace(tmp_path: Path) -> None:
    with central(greeting=ask_again) as other, copying(tmp_path, other) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            charge(charger)
        wait_until_told(server.database)
        before = len(other.told)
        time.sleep(ASKED_SECONDS)
        assert len(other.told) - before <= MOST_AGAIN
