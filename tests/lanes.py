"""The two lanes of the tests, and which of them each test belongs to.

The day's lane is what a newcomer runs: all rules, all pages, SQLite and what is special to
PostgreSQL, and one of everything that is started. The night's lane holds what is dear and seldom
fails alone: the same again on PostgreSQL, in another size, with programs that are not ours, over
simulated days. `.ci/run` runs both.

A run takes one lane unless somebody chose tests, by a path, by words or a mark, or those that
failed last: then it takes what was chosen. `python -m tests.tools.lanes` prints the lane of each
test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import pytest


class Lane(StrEnum):
    """One of the two."""

    DAY = "day"
    NIGHT = "night"


BOTH: Final = "both"
FOREIGN: Final[Mapping[str, Sequence[str]]] = {
    "Fluentd": ["integration/test_fluentd.py"],
    "clients and central systems of npm": [
        "integration/test_clients.py",
        "integration/test_backends_foreign.py",
    ],
    "HAProxy": ["integration/test_haproxy.py", "integration/test_deployed_servers.py"],
    "Prometheus": [
        "integration/test_prometheus.py",
        "integration/test_alerts.py",
        "integration/test_alerts_of_servers.py",
    ],
    "Alertmanager": ["integration/test_alertmanager.py"],
    "Litestream": ["integration/test_litestream.py"],
    "schemathesis": ["integration/test_openapi.py"],
    "containers and the wheel": ["integration/test_installed.py"],
    "the release": ["test_release.py", "integration/test_release_whole.py"],
}
"""Programs that are not ours, and those that unpack ours elsewhere: the modules, below tests/, that
start them."""
AT_NIGHT: Final = ("benchmarks",)
"""Folders whose tests all belong to the night."""
SECOND_SIZES: Final = (
    "stories.manual_site.it_fits_a_phone",
    "stories.now.a_state_that_is_a_sentence_breaks_on_a_phone",
    "stories.now.on_a_phone",
    "stories.year.in_english_on_a_wide_screen",
)
"""Stories that another tells in the other width."""
TWIN: Final = "[postgresql"
"""So begin the parameters of a test that does the same as another on SQLite."""
OF_TWINS: Final = ("web", "integration")
ITEMS: Final = pytest.StashKey[list[pytest.Item]]()
"""All that was collected, also what this run leaves out."""

_FOREIGN_MODULES: Final = frozenset(name for names in FOREIGN.values() for name in names)


def lane_of(item: pytest.Item) -> Lane:
    """Return the lane of a test: of its module, its mark, its parameters."""
    place = _place(item)
    is_nightly = (
        item.get_closest_marker(Lane.NIGHT) is not None
        or place.parts[0] in AT_NIGHT
        or place.as_posix() in _FOREIGN_MODULES
        or is_twin(item)
        or any(f"[{story}]" in item.name for story in SECOND_SIZES)
    )
    return Lane.NIGHT if is_nightly else Lane.DAY


def is_twin(item: pytest.Item) -> bool:
    """Whether it does on PostgreSQL what another test does on SQLite."""
    return TWIN in item.name and _place(item).parts[0] in OF_TWINS


def _place(item: pytest.Item) -> Path:
    """Return its module below tests/."""
    return item.path.relative_to(item.config.rootpath / "tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--lane",
        choices=[*Lane, BOTH],
        help="which tests: those of the day, which is the default, of the night, or both",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the other lane out, and say so."""
    config.stash[ITEMS] = [*items]
    asked = _asked(config)
    if asked == BOTH:
        return
    left_out = [item for item in items if lane_of(item) != asked]
    items[:] = [item for item in items if lane_of(item) == asked]
    config.hook.pytest_deselected(items=left_out)


def _asked(config: pytest.Config) -> str:
    lane: str | None = config.getoption("lane")
    if lane is not None:
        return lane
    is_chosen = config.args_source is not pytest.Config.ArgsSource.TESTPATHS
    words = ("keyword", "markexpr", "lf", "failedfirst", "quick")
    if is_chosen or any(config.getoption(word, None) for word in words):
        return BOTH
    return Lane.DAY
