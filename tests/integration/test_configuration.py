"""The whole configuration of charge points that are not ours, and templates for several of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from levity_trio.client import Refusal
from levity_trio.operations.configuration import REQUIRED
from tests.integration.foreign import api_of, foreign_charger
from tests.integration.serving import Serving

VALUES = dict.fromkeys(REQUIRED, "1") | {
    "GetConfigurationMaxKeys": "4",
    "HeartbeatInterval": "900",
    "LightIntensity": "50",
    "Vendor": "x",
}
"""Who tells a heartbeat a second is let go after three, which pass while a busy machine waits for
an answer."""
FLAGS = ("--no-api",)
TEMPLATE = ("admin", "configuration-templates", "garage")


def told(**how: Any) -> dict[str, Any]:
    return {"configuration": {"values": VALUES, **how}}


def read(server: Serving, charger: str, **query: object) -> dict[str, Any]:
    path = ("admin", "chargers", charger, "configuration", "read")
    found: dict[str, Any] = api_of(server).ask("POST", *path, query=query, patience=60)
    return found


def known(server: Serving, charger: str) -> dict[str, str]:
    page = api_of(server).ask("GET", "admin", "chargers", charger, "configuration")
    return {entry["key"]: entry["value"] for entry in page["data"]}


def states(server: Serving, charger: str) -> list[str]:
    found = server.query(f"SELECT state FROM command WHERE cp_id = '{charger}' ORDER BY id")
    return [state for (state,) in found]


@pytest.mark.parametrize(
    ("to_all", "first"),
    [
        ("some", "accepted"),
        ("none", "accepted"),
        ("never", "timed out"),
        ("error", "error"),
        ("garbage", "error"),
    ],
)
def test_one_that_does_not_tell_all_keys_is_asked_for_some_at_a_time(
    server: Serving, to_all: str, first: str
) -> None:
    charger = f"FC-{to_all}"
    with foreign_charger(server, charger, told(to_all=to_all, most=4)):
        timeout = 3 if to_all == "never" else 30
        found = read(server, charger, timeout=timeout)
        again = read(server, charger, timeout=timeout)
    # which it tells to nobody
    standard = {key: value for key, value in VALUES.items() if key != "Vendor"}
    assert known(server, charger) == standard
    assert found["unanswered"] == again["unanswered"] == []
    assert found["keys"] == again["keys"] == len(standard)
    assert states(server, charger)[0] == first
    assert len(again["commands"]) <= len(found["commands"]) < 20


def test_one_that_tells_all_is_asked_once(
    server: Serving, shell: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with foreign_charger(server, "FC-all", told()):
        assert shell("configuration", "FC-all", "--read") == 0
        out = capsys.readouterr().out
        assert "Vendor" in out
        assert f"read {len(VALUES)} keys with 1 call\n" in out
        change = ("ChangeConfiguration", "key=LightIntensity", "value=20")
        assert shell("configuration", "FC-all", "--diff") == 2  # it was read only once
        assert shell("call", "FC-all", *change) == 0
        assert read(server, "FC-all")["keys"] == len(VALUES)
    capsys.readouterr()
    assert shell("configuration", "FC-all", "--diff", "--json") == 0
    (changed,) = json.loads(capsys.readouterr().out)["data"]
    assert (changed["key"], changed["before"]["value"], changed["after"]["value"]) == (
        "LightIntensity",
        "50",
        "20",
    )


def test_one_that_says_nothing_or_is_away(server: Serving, shell: Callable[..., int]) -> None:
    with foreign_charger(server, "FC-mute", {"GetConfiguration": "never"}):
        found = read(server, "FC-mute", timeout=0.2)
        assert found["keys"] == 0
        assert len(found["commands"]) == 3
        assert set(REQUIRED) <= set(found["unanswered"])
    with foreign_charger(server, "FC-leaves", {"GetConfiguration": "leave"}):
        assert read(server, "FC-leaves")["keys"] == 0
    with pytest.raises(Refusal) as refused:
        read(server, "NOBODY")
    assert refused.value.code == "not_found"
    assert shell("configuration", "FC-leaves", "--read") == 6


def test_a_template_a_report_and_bringing_into_line(
    server: Serving, shell: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    entries = (
        "LightIntensity=20",
        "HeartbeatInterval=900",
        "ResetRetries=3",
        "MinimumStatusDuration=5",
        "BlinkRepeat=2",
    )
    chargers = ("FC-T1", "FC-T2", "FC-T3", "FC-T4")
    same = told()
    same["configuration"]["values"] = VALUES | {"LightIntensity": "20", "ResetRetries": "3"}
    refusing = told(changes={"LightIntensity": "RebootRequired", "ResetRetries": "Rejected"})
    assert shell("template", "set", "garage", *entries, "--chargers", ",".join(chargers)) == 0
    assert (
        "warning: there is no charger FC-T4 yet; see levity-trio chargers\n"
        in capsys.readouterr().err
    )
    with (
        foreign_charger(server, "FC-T1", refusing),
        foreign_charger(server, "FC-T2", same),
        foreign_charger(server, "FC-T3", told(to_all="none", read_only=["ResetRetries"])),
    ):
        for charger in chargers[:3]:
            read(server, charger)
        found = api_of(server).ask("GET", *TEMPLATE, "report")
        assert [(one["charger"], one["standing"]) for one in found["chargers"]] == [
            *(
                ("FC-T1", "differs"),
                ("FC-T2", "not known"),
                ("FC-T3", "differs"),
                ("FC-T4", "not known"),
            ),
        ]
        assert standings(found, "FC-T3", "standing") == {
            "BlinkRepeat": "unknown key",
            "HeartbeatInterval": "same",
            "LightIntensity": "differs",
            "MinimumStatusDuration": "unknown key",
            "ResetRetries": "read-only",
        }
        capsys.readouterr()
        assert shell("template", "apply", "garage", ",".join(chargers), "--json") == 3
        done = json.loads(capsys.readouterr().out)
    assert standings(done, "FC-T1", "result") == {
        "BlinkRepeat": "unknown key",
        "HeartbeatInterval": "same",
        "LightIntensity": "reboot required",
        "MinimumStatusDuration": "unknown key",
        "ResetRetries": "rejected",
    }
    assert standings(done, "FC-T3", "has")["LightIntensity"] == "20"
    changed = server.query(
        "SELECT cp_id, payload FROM command "
        "WHERE action = 'ChangeConfiguration' AND cp_id LIKE 'FC-T_'"
    )
    assert sorted((charger, json.loads(payload)["key"]) for charger, payload in changed) == [
        *(("FC-T1", "LightIntensity"), ("FC-T1", "ResetRetries"), ("FC-T3", "LightIntensity")),
    ]
    assert standings(done, "FC-T4", "result") == dict.fromkeys(
        standings(done, "FC-T1", "result"), "never read"
    )
    capsys.readouterr()
    assert shell("configuration", "FC-T1", "--diff", "FC-T4") == 2
    assert "there is no charger FC-T4" in capsys.readouterr().err
    assert shell("template", "set", "garage", *entries, "--chargers", "FC-T1,FC-T4") == 0
    warning = "warning: there is no charger FC-T4 yet; see levity-trio chargers\n"
    assert capsys.readouterr().err == warning
    assert shell("template", "apply", "garage", "FC-T1") == 6  # which has left
    assert shell("template", "apply", "garage", "FC-all") == 2
    assert shell("template", "report", "garage") == 0
    assert shell("template", "list") == shell("template", "show", "garage") == 0
    assert shell("template", "remove", "garage") == 0
    assert shell("template", "show", "garage") == 2


def standings(found: dict[str, Any], charger: str, field: str) -> dict[str, str]:
    (one,) = [one for one in found["chargers"] if one["charger"] == charger]
    return {key["key"]: key[field] for key in one["keys"]}
