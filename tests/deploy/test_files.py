"""The files: all placeholders filled in, nothing replaced without permission."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.deploy.files import (
    DASHBOARD,
    README_OF_SEVERAL,
    TEMPLATES,
    TEMPLATES_OF_SEVERAL,
    texts,
    write,
)
from levity_trio.deploy.installation import Installation, values

KINDS = ("container", "home-assistant")
"""The folders of images, whose files are all written."""
MADE = texts(values({}, {}, Installation(program=("/opt/levity-trio",), site="pi", version="1.2")))


def test_every_template_is_written() -> None:
    shipped = {path.name for path in (files("levity_trio.deploy") / "templates").iterdir()}
    assert shipped == {
        *TEMPLATES,
        README_OF_SEVERAL,
        *TEMPLATES_OF_SEVERAL,
        *KINDS,
    }
    assert set(MADE) == {*TEMPLATES, DASHBOARD}


@pytest.mark.parametrize("name", MADE)
def test_nothing_is_left_to_fill_in(name: str) -> None:
    assert "@@" not in MADE[name]
    assert MADE[name].endswith("\n")
    assert not [line for line in MADE[name].splitlines() if line != line.rstrip()]


def test_what_the_readme_gives_to_paste_is_alone_on_its_line() -> None:
    lines = [line.strip() for line in MADE["README.txt"].splitlines()]
    begin = lines.index("[Service]")
    assert lines[begin + 1].startswith("User=")
    assert "sudo systemctl edit litestream" in lines


def test_the_readme_names_every_file() -> None:
    assert [name for name in MADE if name not in MADE["README.txt"]] == ["README.txt"]


def test_litestream_is_scraped_at_its_own_address() -> None:
    for flags, address, target in (
        ({}, "0.0.0.0:9465", "127.0.0.1:9465"),
        ({"metrics_port": "9465"}, "0.0.0.0:9466", "127.0.0.1:9466"),
        ({"metrics_host": "::1"}, "[::1]:9465", "[::1]:9465"),
    ):
        made = texts(
            values(flags, {}, Installation(program=("/opt/levity-trio",), site="pi", version="1.2"))
        )
        assert f'\naddr: "{address}"\n' in made["litestream.yml"]
        for name in ("prometheus.yml", "prometheus-agent.yml"):
            assert "  - job_name: litestream" in made[name]
            assert f'      - targets: ["{target}"]\n' in made[name]


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    rules = MADE["levity-alerts.yml"].split("- alert: ")[1:]
    assert len(rules) > len(set(re.findall(r"^severity", MADE["levity-alerts.yml"])))
    for rule in rules:
        assert re.search(r"severity: (critical|warning|info)\n", rule), rule
        assert "summary: " in rule, rule
        assert "description: " in rule, rule


BOARD = json.loads(MADE[DASHBOARD])
TOP = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
ROWS = [panel for panel in BOARD["panels"] if panel["type"] == "row"]
FOLDED = [row["panels"] for row in ROWS if row["collapsed"]]
PANELS = [panel for panels in (TOP, *FOLDED) for panel in panels]


@pytest.mark.parametrize(
    "panels", [TOP, *FOLDED], ids=["open", *(row["title"] for row in ROWS if row["collapsed"])]
)
def test_the_dashboard_is_laid_out_without_holes(panels: list[dict[str, Any]]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in (*PANELS, *ROWS)}) == len(PANELS) + len(ROWS)


def test_the_dashboard_is_for_the_owner_first() -> None:
    assert [row["title"] for row in ROWS if not row["collapsed"]] == ["Now"]
    assert {"Charging now", "Energy today", "Energy this month", "Needs attention"} <= {
        one["title"] for one in TOP
    }
    assert {panel["timeFrom"] for panel in TOP if "timeFrom" in panel} == {"now/d", "now/M"}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None


@pytest.mark.parametrize(
    "panel", [one for one in PANELS if one["type"] == "table"], ids=lambda panel: panel["title"]
)
def test_the_columns_of_a_table_have_names(panel: dict[str, Any]) -> None:
    """The values of each query are a column, unless the table shows only labels."""
    *_, organized = panel["transformations"]
    names = organized["options"]["renameByName"]
    assert all(name[0].isupper() or name == "levity-trio" for name in names.values())
    values = {name for name in names if name.startswith("Value")}
    if len(panel["targets"]) > 1:
        assert {f"Value #{target['refId']}" for target in panel["targets"]} == values
    assert {
        override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]
    } == set(names.values())


def test_a_folder_is_made_and_filled(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b", MADE, may_replace=False)
    assert {path.name: path.read_text() for path in (tmp_path / "a" / "b").iterdir()} == MADE


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "litestream.yml").write_text("mine")
    (tmp_path / "fluentd.conf").symlink_to("elsewhere")
    with pytest.raises(
        EnvironmentProblem, match=r"already has litestream.yml, fluentd.conf; --force"
    ):
        write(tmp_path, MADE, may_replace=False)
    assert len(list(tmp_path.iterdir())) == 2
    assert (tmp_path / "litestream.yml").read_text() == "mine"


def test_with_force_all_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "litestream.yml").write_text("mine" * 10_000)
    write(tmp_path, MADE, may_replace=True)
    assert (tmp_path / "litestream.yml").read_text() == MADE["litestream.yml"]


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        write(tmp_path / "file" / "below", MADE, may_replace=False)
