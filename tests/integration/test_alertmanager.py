"""The alertmanager.yml that `levity-trio deploy` writes, in a real Alertmanager: one cause is one
message."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from levity_trio.deploy.files import texts
from levity_trio.deploy.installation import Installation, values

from .alertmanager import Alertmanager, alertmanager
from .prometheus import wait_for

pytestmark = pytest.mark.skipif(
    shutil.which("amtool") is None,
    reason="Debian's package prometheus-alertmanager has it; .ci/run installs it",
)
CHARGERS = 20
SITE = {"site": "pi", "severity": "critical"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "alertmanager.yml"
    file.write_text(
        texts(values({}, {}, Installation(program=("/opt/levity",), site="pi", version="1")))[
            file.name
        ]
    )
    return file


@pytest.fixture
def manager(config: Path) -> Iterator[Alertmanager]:
    with alertmanager(config) as running:
        yield running


def of_charger(name: str, number: int) -> dict[str, str]:
    return {**SITE, "alertname": name, "cp_id": f"CP-{number}"}


def test_amtool_accepts_it(config: Path) -> None:
    told = subprocess.run(
        ["amtool", "check-config", config], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize(
    ("severity", "receiver"),
    [("critical", "phone and mail"), ("warning", "mail"), ("info", "mail")],
)
def test_who_hears_of_what(severity: str, receiver: str, config: Path) -> None:
    command = [
        "amtool",
        "config",
        "routes",
        "test",
        f"--config.file={config}",
        f"severity={severity}",
        "alertname=X",
    ]
    assert (
        subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).strip() == receiver
    )


def test_a_site_that_goes_dark_is_one_message(manager: Alertmanager) -> None:
    gone = ["LevityChargerSilent", "LevityChargerOffline", "LevityDisconnectedWhileCharging"]
    chargers = [of_charger(name, number) for name in gone for number in range(CHARGERS)]
    manager.tell(*chargers, {**SITE, "alertname": "LevitySiteDark"})
    wait_for(lambda: manager.suppressed() == set(gone), "all others are left out")
    wait_for(lambda: manager.mailbox.mails and manager.phone.told, "it is told")
    (message,) = manager.phone.told
    assert [one["labels"]["alertname"] for one in message["alerts"]] == ["LevitySiteDark"]
    (mail,) = manager.mailbox.mails
    assert mail["Subject"] == "FIRING LevitySiteDark of all"


def test_a_dead_switch_is_one_message(manager: Alertmanager) -> None:
    follow = [
        "LevityChargerDisconnected",
        "LevityDisconnectedWhileCharging",
        "LevityCommandTimedOut",
    ]
    manager.tell(
        *(of_charger(name, 1) for name in follow), {**SITE, "alertname": "LevityChargersAway"}
    )
    wait_for(lambda: manager.suppressed() == set(follow), "what follows is left out")
    wait_for(lambda: manager.phone.told, "it is told")
    (message,) = manager.phone.told
    assert [one["labels"]["alertname"] for one in message["alerts"]] == ["LevityChargersAway"]


def test_three_chargers_that_leave_are_one_message_each_with_its_words(
    manager: Alertmanager,
) -> None:
    manager.tell(*(of_charger("LevityChargerOffline", number) for number in range(3)))
    wait_for(lambda: manager.mailbox.mails and manager.phone.told, "it is told")
    (message,), (mail,) = manager.phone.told, manager.mailbox.mails
    assert {one["labels"]["cp_id"] for one in message["alerts"]} == {"CP-0", "CP-1", "CP-2"}
    assert mail["Subject"].endswith("(one of 3)")
    assert mail["Subject"].startswith("FIRING LevityChargerOffline of CP-")
    (part,) = [one for one in mail.walk() if one.get_content_type() == "text/plain"]
    lines = bytes(part.get_payload(decode=True)).decode().splitlines()
    assert {f"LevityChargerOffline of CP-{number}" for number in range(3)} <= set(lines)
    assert lines.count("Look at it.") == 3


def test_what_follows_from_refused_messages_is_left_out_at_that_charger_only(
    manager: Alertmanager,
) -> None:
    follow = [
        "LevityChargerDisconnected",
        "LevityChargerOffline",
        "LevityDisconnectedWhileCharging",
    ]
    others = {
        ("LevityMessagesRefused", "CP-1"),
        ("LevityChargerFaulted", "CP-1"),
        ("LevityChargerOffline", "CP-2"),
    }
    unaffected = [{**SITE, "alertname": name, "cp_id": charger} for name, charger in others]
    manager.tell(*unaffected, *(of_charger(name, 1) for name in follow))
    wait_for(lambda: manager.suppressed() == set(follow), "what follows is left out")
    wait_for(lambda: len(manager.phone.told) == len(others), "the others are told")
    told = [one["labels"] for message in manager.phone.told for one in message["alerts"]]
    assert {(labels["alertname"], labels["cp_id"]) for labels in told} == others


def test_another_site_is_told_of_all_the_same(manager: Alertmanager) -> None:
    manager.tell(
        {**SITE, "alertname": "LevitySiteDark"},
        {**of_charger("LevityChargerOffline", 1), "site": "other"},
    )
    wait_for(lambda: len(manager.phone.told) == 2, "both are told")
    assert not manager.suppressed()
