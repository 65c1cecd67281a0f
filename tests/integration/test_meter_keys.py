"""The key of a meter by the command, and what it proves of a session of a running server."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.serving import Serving
from tests.integration.test_operations import wait_for
from tests.store.signing_meters import SigningMeter

Shell = Callable[..., int]


def test_a_key_is_entered_listed_and_removed(
    server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    api_of(server).ask("POST", "admin", "chargers", given={"id": "CP-K"})
    meter, file, made = SigningMeter(), tmp_path / "key", dict[str, Any]()
    for encoding in (Encoding.PEM, Encoding.DER):
        file.write_bytes(meter.public(encoding))
        assert shell("charger", "key", "CP-K", "--add", str(file), "--json") == 0
        made = json.loads(capsys.readouterr().out)
        assert (made["key"], made["connector"]) == (meter.public().hex(), 0)
    assert shell("charger", "key", "CP-K", "--connector", "2", "--add", str(file)) == 0
    assert f"fingerprint {made['fingerprint']}" in capsys.readouterr().out
    assert shell("charger", "key", "CP-K", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["data"]
    assert [one["connector"] for one in listed] == [0, 2]
    for one in listed:
        assert shell("charger", "key", "CP-K", "--remove", str(one["id"])) == 0
        assert f"key {one['id']} is removed" in capsys.readouterr().out
    assert shell("charger", "key", "CP-K") == 0
    assert "no key is known" in capsys.readouterr().out

    file.write_bytes(meter.private()[0])
    assert shell("charger", "key", "CP-K", "--add", str(file)) != 0
    assert "private key" in capsys.readouterr().err
    assert not [line for line in server.lines if "BEGIN" in str(line)]


def test_what_the_meter_signed_is_checked_and_written_to_a_file(
    server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    meter = SigningMeter()
    until = datetime.now(UTC).replace(microsecond=0)
    since = until - timedelta(minutes=30)
    with Charger(server.port, "CP-S") as charger:
        charger.boot()
        api_of(server).ask(
            "POST", "admin", "chargers", "CP-S", "meter-keys", given={"key": meter.public().hex()}
        )
        started = charger.call(
            "StartTransaction",
            connectorId=1,
            idTag="TAG",
            meterStart=0,
            timestamp=since.isoformat(),
        )
        number = started["transactionId"]
        value = {
            "value": meter.record(0, 3000, since, until),
            "format": "SignedData",
            "context": "Transaction.End",
        }
        told = [{"timestamp": until.isoformat(), "sampledValue": [value]}]
        charger.call(
            "StopTransaction",
            transactionId=number,
            meterStop=3000,
            timestamp=until.isoformat(),
            transactionData=told,
        )
    wait_for(lambda: bool(server.query("SELECT 1 FROM signed_check WHERE tx_id = ?", number)))
    assert shell("explain", str(number)) == 0
    assert "signed values: proven, its meter signed this energy; key " in capsys.readouterr().out
    file = tmp_path / "signed.xml"
    assert shell("explain", str(number), "--signed", str(file)) == 0
    assert str(file) in capsys.readouterr().out
    assert "<signedData" in file.read_text(encoding="utf-8")
    assert shell("explain", str(number), "--signed", str(file)) != 0, "it exists"
