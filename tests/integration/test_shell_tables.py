"""Every command that shows a table, on a site with long names: 80 columns, and with --wide all of
it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from levity_trio.cli import main
from levity_trio.cli.declaring import WIDE
from levity_trio.cli.terminal import PROGRAM, USUAL_WIDTH
from tests.cli.test_examples import EVERY
from tests.integration.charger import Charger, now
from tests.integration.serving import Serving
from tests.integration.test_closing import LAST, MONTH, THIS
from tests.integration.test_shell import Shell, table
from tests.store.bills import FLAT

FLAGS = ("--time-zone", "Europe/Berlin")
CHARGER = "UNDERGROUND-PARKING-WEST-CHARGER-0000000001"
CARD = "04A1B2C3D4E5F60718AA"
HOUSEHOLD = "The household of Anna-Katharina and Friedrich von Hohenstein-Wallenberg, flat 3 left"
CAR = "The estate car of Anna-Katharina von Hohenstein-Wallenberg"
BACKEND = "the-back-end-of-the-employer-of-anna-katharina"
METER = "The main meter in the cellar beside the bicycles of the rear building"
TARIFF = "Flat price for everybody in this house and its rea"
WORDS = "for a reason that takes somebody who knows the house quite a few words to explain"


ELSEWHERE = (("charger", "secure"), ("series", "show"))
"""Their tables need a charger whose security is being raised, and prices."""


def with_wide() -> Iterator[tuple[str, ...]]:
    """Yield the commands that show a table, each by its words."""

    @click.command
    @WIDE
    def _one() -> None: ...

    (wide,) = _one.params
    for words, one in EVERY.items():
        if (
            any(parameter.opts == wide.opts for parameter in one.params)
            and words[0] != "simulator"
            and words not in ELSEWHERE
        ):
            yield words


TABLES = dict.fromkeys(with_wide())
ARGUMENTS: Mapping[str, str] = {
    "named": HOUSEHOLD,
    "charger": CHARGER,
    "household": HOUSEHOLD,
    "card": CARD,
    "id": "1",
    "series": "1",
    "backend": BACKEND,
    "month": MONTH,
    "name": "garage",
    "number": "1",
    "chargers": CHARGER,
    "words": CHARGER,
}
"""What is given for an argument, by its name."""
OF_COMMAND: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("car", "show"): (CAR,),
    ("meter", "show"): (METER,),
    ("tariff", "show"): (TARIFF,),
    **{("backend", verb): (BACKEND,) for verb in ("show", "test", "refused")},
    ("call",): (f"{CHARGER},{CHARGER}2", "GetConfiguration"),
    ("bill", "preview"): (THIS,),
    ("chargers",): (),
    ("review", "groups"): (),
    ("commands",): (),
    ("template", "apply"): ("garage", CHARGER),
}
MORE: tuple[tuple[str, ...], ...] = (
    ("chargers", CHARGER),
    ("chargers", "--newcomers"),
    ("sessions", "--by", "card"),
    ("sessions", "--bill", "to-be-billed"),
    ("call", CHARGER, "help"),
    ("call", CHARGER, "SetChargingProfile", "--fields"),
    ("certificate", "list", "--requests"),
    ("tariff", "which", "--household", HOUSEHOLD, "--charger", CHARGER),
)
STATUSES = (0, 1, 3, 6)
"""What a charger that is away cannot do is told too."""


@pytest.fixture
def shell(server: Serving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    """The command line beside the database, where no token is needed."""
    monkeypatch.setenv("LEVITY_DB", str(server.database))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "")
    for name in ("LEVITY_API", "LEVITY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return lambda *words: main([*map(str, words)])


@pytest.fixture
def site(server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A house with one of everything, all with long names."""
    with Charger(server.port, CHARGER) as charger:
        charger.call(
            "BootNotification",
            chargePointVendor="V" * 20,
            chargePointModel="M" * 20,
            firmwareVersion="F" * 50,
        )
        charger.call("StatusNotification", connectorId=1, errorCode="NoError", status="Charging")
        begin, end = (LAST.replace(hour=hour).isoformat() for hour in (8, 11))
        told = charger.call(
            "StartTransaction", connectorId=1, idTag=CARD, meterStart=0, timestamp=begin
        )
        charger.call(
            "StopTransaction", transactionId=told["transactionId"], meterStop=12_345, timestamp=end
        )
        charger.call(
            "StartTransaction", connectorId=1, idTag=CARD, meterStart=12_345, timestamp=now()
        )
    (tmp_path / "flat.toml").write_text(FLAT.replace('"Flat"', json.dumps(TARIFF)))
    (tmp_path / "firmware-with-a-very-long-name-of-its-file-2026-11-27.bin").write_bytes(
        b"x" * 1000
    )
    since = ("--since", "2026-01-01")
    for words in (
        ("household", "add", HOUSEHOLD, "--contact", f"{'anna.katharina' * 3}@example.org", *since),
        (
            "card",
            "add",
            CARD,
            "--name",
            HOUSEHOLD[:40],
            "--notes",
            WORDS,
            "--parent",
            "FLAT-3-LEFT-REAR-BLD",
        ),
        ("car", "add", CAR, "--plate", "B-XY 12345 E", "--battery", "58.5"),
        ("household", "give", HOUSEHOLD, "--card", CARD, "--car", CAR, *since),
        ("household", "give", HOUSEHOLD, "--charger", CHARGER, "--name", WORDS[:40], *since),
        ("tariff", "add", tmp_path / "flat.toml", "--reason", WORDS),
        ("tariff", "assign", TARIFF, "--household", HOUSEHOLD, *since, "--reason", WORDS),
        ("tariff", "assign", TARIFF, "--site", *since),
        ("wallet", "top-up", HOUSEHOLD, "1234.50", "--currency", "EUR", "--reason", WORDS),
        ("meter", "add", METER, "--class", "1", *since),
        ("meter", "read", METER, "48211.3", "--at", begin),
        ("template", "set", "garage", "MeterValueSampleInterval=60", "--chargers", CHARGER),
        (
            "webhook",
            "add",
            "home-automation-of-the-house",
            "https://home-automation.example.org/levity/facts/in",
        ),
        ("backend", "add", BACKEND, "ws://127.0.0.1:1/ocpp/", "--charger", CHARGER),
        ("backend", "card", BACKEND, CARD, "DRIVER-7"),
        ("token", "create", "the program that reads the meters every night", "--role", "viewer"),
        ("user", "add", "anna", "--role", "driver", "--household", HOUSEHOLD, "--link"),
        ("files", "add", next(tmp_path.glob("*.bin"))),
        ("bill", "owner", "set", "--name", "Bauhof 12"),
        ("bill", "begin", f"{LAST:%Y-%m}-01"),
        ("bill", "close", MONTH, "--yes"),
    ):
        table(shell, capsys, *words)


def words_of(words: tuple[str, ...]) -> list[str]:
    if words in OF_COMMAND:
        return [*words, *OF_COMMAND[words]]
    required = [one for one in EVERY[words].params if isinstance(one, click.Argument)]
    return [
        *words,
        *(ARGUMENTS[str(one.name)] for one in required if one.required or one.name == "charger"),
    ]


def shown(shell: Shell, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    status = shell(*words)
    told = capsys.readouterr()
    assert status in STATUSES, (words, told.err)
    return told.out


def test_every_table_fits_80_columns_and_is_whole_with_wide(
    site: None, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    del site
    assert len(TABLES) > 30
    problems, shortened = [], 0
    for words in [*map(words_of, TABLES), *map(list, MORE)]:
        told = shown(shell, capsys, *words)
        if wider := [
            line for line in told.splitlines() if len(line) > USUAL_WIDTH and PROGRAM not in line
        ]:
            problems.append((words, "is wider than a terminal", wider))
        if "--wide shows" in told:
            shortened += 1
            whole = shown(shell, capsys, *words, "--wide")
            left_out = told.partition("--wide shows also: ")[2].split("\n")[0].split(", ")
            if (
                "…" in whole
                or "--wide" in whole
                or [head for head in left_out if head not in whole]
            ):
                problems.append((words, "is not whole", whole.splitlines()))
    assert not problems, "\n".join(map(repr, problems))
    assert shortened > 10


def test_what_a_charger_answers_is_read_as_a_table(
    server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {
        "configurationKey": [
            {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
            {"key": "SupportedFeatureProfiles", "readonly": True, "value": "Core"},
        ],
        "unknownKey": ["Nope"],
    }
    with Charger(server.port, "CP-ANSWERS") as charger:
        charger.boot()

        def reply(payload: dict[str, Any]) -> None:
            _, number, *_ = charger.receive()
            charger.send_text(json.dumps([3, number, payload]))

        def called(payload: dict[str, Any], *words: str) -> str:
            replying = threading.Thread(target=reply, args=(payload,))
            replying.start()
            told = table(shell, capsys, "call", "CP-ANSWERS", *words)
            replying.join()
            return told

        lines = called(answer, "GetConfiguration").splitlines()
        assert lines[0].endswith(": GetConfiguration accepted")
        assert lines[1:] == [
            "",
            "unknownKey  Nope",
            "",
            "configurationKey:",
            "key                       value  readonly",
            "HeartbeatInterval         300    no",
            "SupportedFeatureProfiles  Core   yes",
            "all that is known of it: levity-trio configuration CP-ANSWERS",
        ]
        assert called({"status": "Accepted"}, "ClearCache").endswith(
            ": ClearCache accepted: status=Accepted\n"
        )
        schedule = {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}],
        }
        given = {"status": "Accepted", "connectorId": 1, "chargingSchedule": schedule}
        lines = called(given, "GetCompositeSchedule", "connectorId=1", "duration=60").splitlines()
        assert "chargingSchedule:" in lines
        assert "startPeriod  limit" in lines
