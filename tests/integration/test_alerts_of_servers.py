"""The alerts that `levity-trio deploy --servers 3` writes, judged by `promtool test rules` on three
servers' series.

What one server exports for the whole site has one instance (prometheus.yml); the rest has that of
its server.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from levity_trio.deploy.files import texts_of_several, write
from levity_trio.deploy.installation import Installation
from levity_trio.deploy.several import values_of_several

pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is in Debian's package prometheus; .ci/run installs it",
)

ONE, TWO, SITE = "127.0.0.1:10464", "127.0.0.1:11464", "levity-trio"
MINUTES = 5
SAMPLES = MINUTES * 6
UP, DOWN, OLD, ABSENT = f"1x{SAMPLES}", f"0x{SAMPLES}", f"-1000x{SAMPLES}", f"_x{SAMPLES}"
LATER_DOWN = f"1x6 0x{SAMPLES - 6}"
FIRING = 'alertstate="firing"'

Series = dict[tuple[str, str, str], str]
"""The values by name, instance and charger."""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    installation = Installation(program=("/opt/levity-trio",), site="pi", version="1")
    flags = {"database": "postgresql:///levity"}
    write(
        folder, texts_of_several(values_of_several(flags, {}, installation, 3)), may_replace=False
    )
    return folder / "levity-alerts.yml"


def servers(
    one: str = UP, two: str = UP, started: str = OLD, failing: tuple[str, str] = (DOWN, DOWN)
) -> Series:
    """Two servers, and two chargers that answer pings."""
    return {
        ("up", ONE, ""): one,
        ("up", TWO, ""): two,
        ("process_start_time_seconds", ONE, ""): OLD,
        ("process_start_time_seconds", TWO, ""): started,
        ("ocpp_writer_failing", ONE, ""): failing[0],
        ("ocpp_writer_failing", TWO, ""): failing[1],
    }


def chargers(*connected: str, silent: tuple[str, ...] = ()) -> Series:
    """Whether each is connected, and how old its last byte is at the second server."""
    found: dict[tuple[str, str, str], str] = {}
    for number, is_connected in enumerate(connected, 1):
        found["ocpp_cp_connected", SITE, f"CP-{number}"] = is_connected
    for number, age in enumerate(silent, 1):
        found["ocpp_cp_link_age_seconds", TWO, f"CP-{number}"] = age
        found["ocpp_cp_answers_pings", TWO, f"CP-{number}"] = UP
    return found


def switch(*together: str) -> Series:
    """Chargers that are away, each with how many."""
    found: dict[tuple[str, str, str], str] = {}
    for number, count in enumerate(together):
        found["ocpp_cp_connected", SITE, f"S-{number}"] = DOWN
        found["ocpp_cp_away_together", SITE, f"S-{number}"] = f"{count}x{SAMPLES}"
    return found


def otherwise(rules: Path, series: Series, alert: str, count: int) -> str:
    """Where not so many alerts of this name fire in the end: what promtool saw. Else nothing."""
    spelt = [
        {"series": f"{name}{_labels(instance, charger)}", "values": values}
        for (name, instance, charger), values in series.items()
    ]
    expected = [{"labels": "{}", "value": count}] if count else []
    expression = f'count(ALERTS{{alertname="{alert}",{FIRING}}})'
    asked = {"expr": expression, "eval_time": f"{MINUTES}m", "exp_samples": expected}
    test = {"interval": "10s", "input_series": spelt, "promql_expr_test": [asked]}
    file = rules.with_name("test.yml")
    file.write_text(
        json.dumps({"rule_files": [rules.name], "evaluation_interval": "10s", "tests": [test]})
    )
    told = subprocess.run(
        ["promtool", "test", "rules", file], capture_output=True, text=True, check=False
    )
    return "" if told.returncode == 0 else told.stdout + told.stderr


def _labels(instance: str, charger: str) -> str:
    pairs = {"job": "levity-trio", "instance": instance} | ({"cp_id": charger} if charger else {})
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in pairs.items()) + "}"


@pytest.mark.parametrize(
    ("series", "alert", "count"),
    [
        (servers(), "LevityServerAway", 0),
        (servers(), "LevityServerDown", 0),
        (servers(two=LATER_DOWN), "LevityServerAway", 1),
        (servers(two=LATER_DOWN), "LevityServerDown", 0),
        (servers(LATER_DOWN, LATER_DOWN), "LevityServerDown", 1),
        (servers(LATER_DOWN, LATER_DOWN), "LevityServerAway", 0),
        (servers(failing=(UP, DOWN)), "LevityServerAway", 1),
        (servers(failing=(UP, DOWN)), "LevityWriterFailing", 0),
        (servers(failing=(UP, UP)), "LevityWriterFailing", 1),
        (servers(failing=(UP, UP)), "LevityServerAway", 0),
        (servers(two=DOWN, failing=(UP, ABSENT)), "LevityWriterFailing", 1),
    ],
)
def test_one_server_away_is_no_outage(series: Series, alert: str, count: int, rules: Path) -> None:
    assert not otherwise(rules, series, alert, count)


AGE = f"40x{SAMPLES}"
YOUNG = f"5x{SAMPLES}"


@pytest.mark.parametrize(
    ("series", "alert", "count"),
    [
        (servers() | chargers(UP, UP), "LevityChargerOffline", 0),
        (servers() | chargers(UP, DOWN), "LevityChargerOffline", 1),
        (servers(two=LATER_DOWN) | chargers(UP, DOWN), "LevityChargerOffline", 1),
        (servers(started=f"200x{SAMPLES}") | chargers(UP, DOWN), "LevityChargerOffline", 0),
        (servers() | chargers(DOWN, DOWN), "LevitySiteDark", 1),
        (servers() | chargers(UP, DOWN), "LevitySiteDark", 0),
        (servers() | chargers(UP, UP, silent=(AGE, AGE)), "LevitySiteDark", 1),
        (servers() | chargers(UP, UP, silent=(AGE, YOUNG)), "LevitySiteDark", 0),
        (servers() | chargers(UP, DOWN, silent=(AGE,)), "LevitySiteDark", 1),
        (servers() | chargers(UP, UP, silent=(AGE, YOUNG)), "LevityChargerSilent", 1),
        (servers() | chargers(UP) | switch("3", "3", "3"), "LevityChargersAway", 1),
        (servers() | chargers(UP) | switch("3", "3", "3"), "LevityChargerOffline", 0),
        (servers() | chargers(UP) | switch("1", "1", "1"), "LevityChargersAway", 0),
        (servers() | chargers(UP) | switch("1", "1", "1"), "LevityChargerOffline", 3),
        (servers() | chargers(UP, UP, UP, silent=(AGE, AGE, AGE)), "LevityChargersAway", 1),
    ],
)
def test_chargers_are_told_of_once_whichever_server_has_them(
    series: Series, alert: str, count: int, rules: Path
) -> None:
    assert not otherwise(rules, series, alert, count)


def test_one_server_away_silences_nothing(rules: Path) -> None:
    """Only an outage of all is the cause of what is told of chargers."""
    inhibited = rules.with_name("alertmanager.yml").read_text()
    assert 'alertname=~"LevityServerDown|LevityWriterFailing"]' in inhibited
    assert "LevityServerRestarts" not in inhibited
