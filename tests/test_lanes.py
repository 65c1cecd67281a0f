"""Each test belongs to one lane, and a run takes the lane that was asked for."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests import lanes as lanes_of_tests
from tests.integration.serving import ROOT, environment
from tests.lanes import AT_NIGHT, FOREIGN, ITEMS, OF_TWINS, SECOND_SIZES, TWIN, Lane, lane_of

TESTED: Final = {
    "test_it.py": """
import pytest

def test_by_day():
    pass

@pytest.mark.night
def test_by_night():
    pass
""",
    "web/test_twins.py": """
import pytest

@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_on(store):
    pass
""",
    "benchmarks/test_cost.py": """
def test_cost():
    pass
""",
}
BY_DAY: Final = {"test_by_day", "test_on[sqlite]"}
BY_NIGHT: Final = {"test_by_night", "test_on[postgresql]", "test_cost"}


@pytest.fixture(scope="module")
def lanes(request: pytest.FixtureRequest) -> Mapping[str, Lane]:
    """The lane of each test that there is. A run of all tests has collected them."""
    items = request.config.stash[ITEMS]
    if {item.path for item in items} >= {*(ROOT / "tests").rglob("test_*.py")}:
        counts = Counter(item.nodeid for item in items)
        assert max(counts.values()) == 1
        return {item.nodeid: lane_of(item) for item in items}
    command = [sys.executable, "-m", "tests.tools.lanes"]
    told = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    found = {}
    for line in told.stdout.splitlines():
        lane, _, name = line.partition(" ")
        found[name] = Lane(lane)
    return found


class _Kept:
    """A plugin that keeps the names of what a run takes."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    @pytest.hookimpl
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.names = {item.name for item in session.items}


@pytest.fixture
def taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., set[str]]:
    """Collects tests of a folder with the lanes of this one, and names those that would run."""
    for name, text in TESTED.items():
        file = tmp_path / "tests" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    settings = "[pytest]\ntestpaths = tests\nmarkers = night\naddopts = -p no:schemathesis\n"
    (tmp_path / "pytest.ini").write_text(settings)
    monkeypatch.chdir(tmp_path)

    def collect(*words: str) -> set[str]:
        kept = _Kept()
        alone = ["--collect-only", "--import-mode=importlib", "-p", "no:terminal", "-s"]
        pytest.main([*alone, *words], plugins=[lanes_of_tests, kept])
        return kept.names

    return collect


def test_each_lane_has_many_tests(lanes: Mapping[str, Lane]) -> None:
    counts = Counter(lanes.values())
    assert counts[Lane.DAY] > 10 * counts[Lane.NIGHT] > 1000


def test_each_foreign_program_is_started_at_night(lanes: Mapping[str, Lane]) -> None:
    of_file = defaultdict(set)
    for name, lane in lanes.items():
        of_file[name.partition("::")[0]].add(lane)
    for program, files in FOREIGN.items():
        assert files, program
        for file in files:
            assert of_file[f"tests/{file}"] == {Lane.NIGHT}, (program, file)


def test_each_twin_at_night_has_its_test_on_sqlite_by_day(lanes: Mapping[str, Lane]) -> None:
    twins = [name for name in lanes if TWIN in name and name.split("/")[1] in OF_TWINS]
    assert len(twins) > 500
    for twin in twins:
        assert lanes[twin] is Lane.NIGHT
        is_by_day = lanes.get(twin.replace(TWIN, "[sqlite")) is Lane.DAY
        assert is_by_day, f"{twin}: give its parameters another name, if it is no twin"


def test_each_story_that_is_told_in_two_widths_has_one_by_day(lanes: Mapping[str, Lane]) -> None:
    stories = {
        name.partition("[")[2][:-1]: lane
        for name, lane in lanes.items()
        if name.startswith("tests/browser/test_stories.py")
    }
    for story in SECOND_SIZES:
        assert stories[story] is Lane.NIGHT
        of_module = story.rpartition(".")[0]
        assert Lane.DAY in {stories[name] for name in stories if name.startswith(of_module)}


def test_each_room_of_the_tests_has_some_by_day(lanes: Mapping[str, Lane]) -> None:
    rooms = defaultdict(set)
    for name, lane in lanes.items():
        rooms[name.partition("::")[0].split("/")[1]].add(lane)
    only_at_night = {room for room in rooms if Lane.DAY not in rooms[room]}
    assert only_at_night == {*AT_NIGHT, "test_release.py"}


def test_the_day_and_the_night_have_all_tests_together(taken: Callable[..., set[str]]) -> None:
    assert taken() == BY_DAY
    assert taken("--lane", "day") == BY_DAY
    assert taken("--lane", "night") == BY_NIGHT
    assert taken("--lane", "both") == BY_DAY | BY_NIGHT


def test_what_somebody_chooses_runs_whatever_its_lane_is(taken: Callable[..., set[str]]) -> None:
    assert taken("tests/benchmarks") == {"test_cost"}
    assert taken("tests/test_it.py::test_by_night") == {"test_by_night"}
    assert taken("-k", "test_on") == {"test_on[sqlite]", "test_on[postgresql]"}
    assert taken("-m", "night") == {"test_by_night"}
    assert taken("--lane", "day", "tests/test_it.py") == {"test_by_day"}
