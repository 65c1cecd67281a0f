"""The reference of the manual is what the program declares today."""

from __future__ import annotations

import re

import pytest

from levity_trio.cli import COMMANDS
from levity_trio.config import SETTINGS
from levity_trio.manual import FOLDER, topics
from levity_trio.plugins.prometheus.metrics import Metrics
from tests.load.foreign.kinds import KINDS
from tests.tools.manual import pages

WRITTEN = pages()


@pytest.mark.parametrize("topic", WRITTEN)
def test_a_page_is_what_the_declarations_say(topic: str) -> None:
    assert (FOLDER / f"{topic}.md").read_text(encoding="utf-8") == WRITTEN[topic], (
        "run `just manual`"
    )


def test_nothing_else_is_in_the_reference() -> None:
    generated = {one for one in topics() if one.startswith(("reference/", "chargers/"))}
    assert generated == WRITTEN.keys()


def test_each_setting_command_and_metric_is_in_it() -> None:
    flags = {f"| `{one.flag}" for one in SETTINGS}
    assert not {one for one in flags if one not in WRITTEN["reference/settings"]}
    assert not {one for one in COMMANDS if f"| `{one}" not in WRITTEN["reference/commands"]}
    assert not {
        one.name
        for one in Metrics().families
        if f"| `{one.name}` |" not in WRITTEN["reference/metrics"]
    }


def test_each_kind_of_charger_that_was_tried_is_in_it_by_its_name() -> None:
    told = re.findall(r"^\| (?!kind|---)(.+?) \|", WRITTEN["reference/kinds"], re.MULTILINE)
    assert told == [*KINDS, "16-bit meter"]
