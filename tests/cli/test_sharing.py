"""`levity-trio logs CHARGER --share FILE`: nothing of whom a site is about is in it."""

from __future__ import annotations

import json
import os
import tomllib
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import pytest
import sqlite_utils

from levity_trio import __version__
from tests.cli.conftest import Type
from tests.cli.test_logs import fill
from tests.tools.learned import entry

COMMAND = "logs"
CHARGER: Final = "Lindenweg-7-left"
CARD, GROUP, STRANGER = "04A3B2C9D1", "HOUSE77X", "7788990011"
PEOPLE: Final = ("Jolanthe", "Übelacker", "B-XY 9876", "jolanthe@home.example", "0171 5554433")
DEVICES: Final = ("SN-4711-0815", "893101234567890", "00:1b:44:11:3a:b7", "192.168.178.23")
PLACE: Final = ("Lindenweg", "48.137154", "Haus-am-See")
PLANTED: Final = (CHARGER, CARD, CARD.lower(), "D1C9B2A304", GROUP, STRANGER,
                  *PEOPLE, *DEVICES, *PLACE, "geheim99")  # fmt: skip
FIRMWARE: Final = "5.17.68-20240101"
BOOT: Final = {
    "chargePointVendor": "Wallbox",
    "chargePointModel": f"Pulsar {DEVICES[0]}",
    "firmwareVersion": FIRMWARE,
    "chargePointSerialNumber": DEVICES[0],
    "iccid": DEVICES[1],
    "ownerName": f"{PEOPLE[0]} {PEOPLE[1]}",
}
SITE: Final = f"""
INSERT INTO cp (id, name, vendor, model, firmware_version, created_at, updated_at)
    VALUES ('{CHARGER}', 'Haus-am-See left', 'Wallbox', 'Pulsar', '{FIRMWARE}', '2026', '2026');
INSERT INTO run (server, version, started_at, clock_trusted) VALUES ('levity', '1', '2026', 1);
INSERT INTO session (cp_id, run_id, remote_address, target, clock_trusted, connected_at)
    VALUES ('{CHARGER}', 1, '{DEVICES[3]}', '/', 1, '2026');
INSERT INTO tag (key, id_tag, name, status, parent_id_tag, created_at, created_by)
    VALUES ('{CARD.lower()}', '{CARD}', 'Jolanthe', 'Accepted', '{GROUP}', '2026', 'cleo');
INSERT INTO account (name, contact, mail, since, created_at, created_by, updated_at)
    VALUES ('Jolanthe Übelacker', '{PEOPLE[4]}', '{PEOPLE[3]}', '2026', '2026', 'cleo', '2026');
INSERT INTO vehicle (name, plate, created_at, created_by, updated_at)
    VALUES ('Zoe von Übelacker', '{PEOPLE[2]}', '2026', 'cleo', '2026');
INSERT INTO repair VALUES ('{CHARGER}', '{FIRMWARE}', 'StartTransaction.meterStart: float',
    3, '2026', '2026', '{{"idTag": "{CARD}"}}');
INSERT INTO load_model
    VALUES ('Wallbox', 'Pulsar', '{FIRMWARE}', 'least', '6', '{CHARGER}', '2026');
INSERT INTO configuration (cp_id, session_id, key, value, readonly, read_at) VALUES
    ('{CHARGER}', 1, 'HeartbeatInterval', '86400', 0, '2026'),
    ('{CHARGER}', 1, 'WifiSSID', 'Haus-am-See', 0, '2026');
INSERT INTO own_setting VALUES ('site-name', 'Haus-am-See 12');
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    everything = " and ".join(PLANTED)
    texts = (
        json.dumps([2, f"{DEVICES[0]}-17", "BootNotification", BOOT]),
        json.dumps([2, "2", "DataTransfer", {"vendorId": "x.y", "data": everything}]),
        json.dumps([2, "3", "DataTransfer", {"vendorId": "x.y", "data": json.dumps(PLANTED)}]),
        json.dumps([2, "4", "StatusNotification", {"connectorId": 1, "info": everything}]),
        json.dumps([2, "5", "StartTransaction", {"connectorId": 1, "idTag": CARD.lower()}]),
        f'[2,"6","StartTransaction",{{"idTag":"{STRANGER}","lat":{PLACE[1]},{everything}',
        json.dumps([2, "7", "StopTransaction", {"idTag": STRANGER, "meterStop": 4711081}]),
        json.dumps({"remote_address": DEVICES[3], "target": f"/ocpp/{CHARGER}"}),
    )
    rows = [(CHARGER, 10.0 - at, "recv", None, None, text) for at, text in enumerate(texts)]
    fill(tmp_path, *rows, ("OTHER", 5, "recv", None, None, '[2,"8","Heartbeat",{}]'))
    with closing(sqlite_utils.Database(tmp_path / "site.db").conn) as connection:
        connection.executescript(SITE)
    return tmp_path / "report.zip"


def forms(planted: str) -> tuple[bytes, ...]:
    """Return how a planted text may be read in a file."""
    text = planted.encode()
    return (
        text.lower(),
        text.hex().encode(),
        b64encode(text).lower(),
        json.dumps(planted).encode(),
    )


def test_nothing_planted_is_in_the_zip(site: Path, typed: Type) -> None:
    ran = typed(CHARGER, "--share", str(site), "--yes")
    assert (ran.status, ran.err) == (0, "")
    with ZipFile(site) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    everything = b"\n".join((site.read_bytes(), "\n".join(ran.out).encode(), *parts.values()))
    everything = everything.lower()
    assert [one for one in PLANTED for form in forms(one) if form in everything] == []

    frames = parts["frames.txt"].decode().splitlines()
    assert len(frames) == 8
    assert '"idTag":"<card-' in frames[4].replace(": ", ":")
    started, refused = (frames[number].partition("<card-")[2][:1] for number in (4, 6))
    assert started != refused  # another card has another alias
    assert '"meterStop": 4711081' in frames[6]
    about = json.loads(parts["about.json"])
    assert about["program"] == __version__
    assert {"key": "HeartbeatInterval", "value": "86400"} in about["configuration"]
    assert site.stat().st_mode & 0o777 == 0o600


def test_what_was_learned_is_an_entry_of_the_manual(site: Path, typed: Type) -> None:
    typed(CHARGER, "--share", str(site), "--yes")
    learned = tomllib.loads(entry(str(site)))
    (about,) = learned["entry"]
    assert learned["make"] == "Wallbox"
    assert learned["told"] == ["Wallbox"]
    assert [name for name, _source in about["models"]] == ["Pulsar"]
    assert about["told"] == ["Wallbox / Pulsar"]
    assert [text for text, _source in about["odd"]] == [
        f"`StartTransaction.meterStart: float`: 3 repaired with firmware {FIRMWARE}."
    ]
    assert [text for text, _source in about["limit"]] == [f"`least`: 6 with firmware {FIRMWARE}."]


def test_it_is_shown_and_asked_before_anything_is_written(site: Path, typed: Type) -> None:
    ran = typed(CHARGER, "--share", str(site))
    assert (ran.status, site.exists()) == (2, False)
    assert "give --yes" in ran.err
    assert "  frames.txt  8 lines" in ran.out
    assert any("3 cards hidden: " in line and "<card-1>" in line for line in ran.out), ran.out


def test_errors(site: Path, typed: Type) -> None:
    def refusal(*arguments: str) -> tuple[int, str]:
        ran = typed(*arguments, "--yes")
        return ran.status, ran.err.strip().splitlines()[-1]

    share = ("--share", str(site))
    for unknown in (("NOBODY",), (CHARGER, "--since", "9d", "--until", "8d")):
        status, words = refusal(*unknown, *share)
        assert (status, "levity-trio chargers lists all chargers" in words) == (1, True)
    assert refusal(*share)[1].startswith("levity-trio: --share needs a CHARGER.")
    assert "cannot be written: No such file" in refusal(CHARGER, "--share", "no/such/x.zip")[1]
    site.write_bytes(b"mine")
    assert refusal(CHARGER, *share) == (1, f"levity-trio: {site} exists; give another FILE")
    assert site.read_bytes() == b"mine"


def test_a_full_disk_leaves_no_file(
    site: Path, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    ran = typed(CHARGER, "--share", str(site), "--yes")
    assert (ran.status, "No space left on device" in ran.err) == (1, True)
    assert [path.name for path in site.parent.iterdir() if "report" in path.name] == []
