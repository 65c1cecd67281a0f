"""The kept judgements, a sample of them: `just corpus check` judges all."""

import json
from dataclasses import replace
from typing import Final

import pytest

from levity_trio.charging.energy import judge
from levity_trio.charging.sent.evidence import Case
from tests.sizes import size
from tests.tools.corpus import course
from tests.tools.corpus.kept import (
    FOLDER,
    ORDER,
    Kept,
    Said,
    Truth,
    from_json,
    lines,
    names,
    read,
    to_json,
)
from tests.tools.corpus.late import compare, lies

EVERY: Final = size(1, 10)
"""Every which case is judged."""
LATE_EVERY: Final = size(1, 240)
"""Every which case is told late."""
OF_ENDS: Final = '"source":"charging/test_stale.py'
"""In the lines of cases whose first or last step shows the lie, as a time that is too long would
hide."""
HALF: Final = 0.5
MOST_BYTES: Final = 8_000_000


@pytest.fixture(scope="module", params=names())
def sample(request: pytest.FixtureRequest) -> list[str]:
    return lines(request.param)[::EVERY]


def test_no_kept_judgement_changes_unseen(sample: list[str]) -> None:
    """If it is meant: look at what `just corpus check` prints, then `just corpus keep`, and say in
    the note why."""
    found = [(kept, Said.of(judge(kept.case))) for kept in map(read, sample)]
    different = [
        f"{kept.source}: kept {kept.said}, now {said}" for kept, said in found if kept.said != said
    ]
    assert different[:10] == []


def test_cases_are_kept_whole(sample: list[str]) -> None:
    for line in sample:
        assert ORDER.encode(to_json(read(line))) == line


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.xz")) <= MOST_BYTES


def test_a_lie_that_is_told_late_is_in_doubt_as_in_time() -> None:
    """Its second half waited in the charger. `just corpus late` tells all of them."""
    told = [line for name in names() for line in lines(name)[::LATE_EVERY]]
    counts, missed = compare(lies([*told, *(line for line in lines("tests") if OF_ENDS in line)]))
    assert missed == []
    assert counts["in time"] > HALF * counts["told"]


def test_honest_courses_are_believed() -> None:
    """`just corpus course` asks about all of them."""
    counts, asked = course.compare(map(read, lines("months")[::EVERY]))
    assert counts["late"] > 0
    assert asked == []


def test_a_register_that_catches_up_is_asked_about() -> None:
    """That of this charger stands still at times. Its energy is right, its course is not."""
    told = [one for one in map(read, lines("months")[::EVERY]) if "SIM-011" in one.source]
    assert course.compare(told) == ({}, [])
    counts, asked = course.compare(replace(one, source="here") for one in told)
    assert 0 < len(asked) < counts["certain"]


def kept(truth: Truth, said: Said) -> Kept:
    return Kept(
        "here",
        truth,
        said,
        Case(begun=0.0, ended=3600.0, start_wh=1000, stop_wh=8200, longest=3600.0),
    )


def test_a_case_is_kept_by_the_names_of_its_fields() -> None:
    one = kept(Truth(is_lie=False, wh=7200), Said(7200, "certain"))
    told = json.loads(ORDER.encode(to_json(one)))
    assert told["case"] == {
        "begun": 0.0,
        "ended": 3600.0,
        "start_wh": 1000,
        "stop_wh": 8200,
        "longest": 3600.0,
    }
    assert from_json(Kept, told) == one
    with pytest.raises(KeyError, match="begun_at"):
        from_json(Case, told["case"] | {"begun_at": 0.0})
    del told["case"]["longest"]
    with pytest.raises(TypeError, match="longest"):
        from_json(Kept, told)


CERTAIN, DOUBTFUL = Said(7200, "certain"), Said(7200, "doubtful", ("register_leapt",))


@pytest.mark.parametrize(
    ("truth", "first", "now", "is_silently_wrong"),
    [
        (Truth(True, 7200), DOUBTFUL, CERTAIN, False),
        (Truth(True, 7198, tolerance=2), DOUBTFUL, CERTAIN, False),
        (Truth(True, 7197, tolerance=2), DOUBTFUL, CERTAIN, True),
        (Truth(True, 7100), DOUBTFUL, DOUBTFUL, False),
        (Truth(True, least=0, most=7200), DOUBTFUL, CERTAIN, True),
        (Truth(True), DOUBTFUL, CERTAIN, True),
        (Truth(True), CERTAIN, CERTAIN, False),
        (Truth(False), CERTAIN._replace(wh=7000), CERTAIN, True),
        (Truth(False), DOUBTFUL, CERTAIN, False),
    ],
)
def test_what_is_silently_wrong(
    truth: Truth, first: Said, now: Said, is_silently_wrong: bool
) -> None:
    assert kept(truth.with_first(first), now).is_silently_wrong(now) is is_silently_wrong


@pytest.mark.parametrize(
    ("truth", "wh", "is_right", "is_lost"),
    [
        (Truth(True, 7300), 7200, False, False),
        (Truth(True, 7300, least=7000), 7200, True, False),
        (Truth(True, 7300, least=7000, most=7300), 0, False, True),
        (Truth(True, 7300, least=0, most=7300), 0, True, False),
        (Truth(True), 7200, True, False),
        (Truth(True), 7199, False, False),
    ],
)
def test_what_is_right_and_what_is_lost(
    truth: Truth, wh: int, is_right: bool, is_lost: bool
) -> None:
    one, now = kept(truth.with_first(DOUBTFUL), DOUBTFUL), Said(wh, "doubtful")
    assert (one.is_right(now), one.is_lost(now)) == (is_right, is_lost)
