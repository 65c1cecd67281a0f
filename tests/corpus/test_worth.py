"""`just worth`, on a sample of the corpus."""

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Final

import pytest

from levity_trio.charging.energy import judge
from tests.tools.corpus import rules
from tests.tools.corpus.kept import Said, lines, read
from tests.tools.corpus.rules import CLAUSE, NUMBER, RULE, Judge, Source
from tests.tools.corpus.worth import DIFFERENT, LEDGER, WRONG, Corpus, Entry, Variant, Worth

EVERY: Final = {"lies": 30, "tests": 100, "reports": 5}
"""Every which case of a file is judged."""

MODULE: Final = '''
def against(case: Case) -> Conflict | None:
    return fell(case) or stood(case)


def fell(case: Case) -> Conflict | None:
    """The register fell."""
    if case.stop is None or is_reset(case) or case.stop < MOST[1] * case.start or case.stop < 0:
        return None
    return Conflict(f"{7 * case.stop} Wh")


def stood(case: Case) -> Conflict | None:
    return Conflict("stood still") if case.stop == case.start else None


def is_reset(case: Case) -> bool:
    return case.start == case.values[3] * 1000 and not case.start


def tenfold(case: Case, figure: int) -> tuple[str, str] | None:
    return ("", "") if figure == 10 * case.start else None


def doubled(case: Case) -> tuple[str, str] | None:
    return None


REFUTATIONS = (
    Refutation(asked(tenfold), Code.TENFOLD),
    Refutation(lambda case, figure: case.doubled(figure.wh)),
)


def wh(case: Case) -> int | None:
    return case.start


def explained(case: Case) -> Iterator[Candidate]:
    yield Candidate(case.start or 0)
    yield Candidate(case.stop)


MOST: Final = (0.5, 2**16)
HOUR: Final = 3600
'''


def test_what_a_rule_and_what_a_number_is() -> None:
    module = Source("levity_trio.charging.refute.made", MODULE)
    sites = list(Judge([module]).sites())
    found = {
        kind: [one.name.removeprefix("refute.made.") for one in sites if one.kind == kind]
        for kind in (RULE, CLAUSE)
    }
    assert found[RULE] == ["fell", "stood", "explained", "tenfold", "doubled"]
    assert found[CLAUSE] == [
        *(
            "explained:40 yield Candidate(case.start or 0)",
            "explained:41 yield Candidate(case.stop)",
        ),
        *(
            "fell:8 is_reset(case)",
            "fell:8 case.stop < MOST[1] * case.start",
            "fell:8 case.stop < 0",
        ),
    ]
    assert [one.name.removeprefix("refute.made.") for one in rules.numbers([module])] == [
        "MOST[0]",
        "MOST[1]",
    ]
    assert list(rules.excluded([module])) == ["refute.made.HOUR: a unit factor"]


@pytest.mark.parametrize(
    ("number", "doubled", "halved"), [(2, 4, 1), (3, 6, 2), (0.1, 0.2, 0.05), (2**16, 2**17, 2**15)]
)
def test_a_number_is_doubled_and_halved(number: float, doubled: float, halved: float) -> None:
    assert (rules.opposite(number, 2), rules.opposite(number, 0.5)) == (doubled, halved)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    found = [
        Entry(name, read(line)) for name, every in EVERY.items() for line in lines(name)[::every]
    ]
    corpus = Corpus(found)
    corpus.record()
    return corpus


def worths(corpus: Corpus, kind: str, pattern: str) -> Sequence[Worth]:
    return list(corpus.worths(corpus.variants([kind], pattern)))


def test_with_another_number_a_session_is_judged_otherwise(corpus: Corpus) -> None:
    numbers = worths(corpus, NUMBER, r"^tolerances\.(INTERVAL|POWER_SHARE)$")
    assert len(numbers) == 4
    assert any(one.counts[DIFFERENT] for one in numbers)
    # one that was judged remembers what it was like
    cases = [deepcopy(entry.kept.case) for entry in corpus.entries]
    assert [one.said for one in corpus.now] == [Said.of(judge(case)) for case in cases]


def test_cases_that_are_not_judged_again_stay_as_they_are(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = corpus.variants(
        [RULE, CLAUSE, NUMBER],
        r"^tolerances\.FASTEST_W$|\.(too_much|shared)$|is_tracked_by_power:.*is_instant",
    )
    some = {one.name: one for one in corpus.worths(chosen)}
    monkeypatch.setattr(corpus.notes, "places", lambda _: range(len(corpus.entries)))
    every = {one.name: one for one in corpus.worths(chosen)}
    assert {name: one.counts for name, one in some.items()} == {
        name: one.counts for name, one in every.items()
    }
    assert all(some[name].judged <= every[name].judged for name in every)


def test_without_a_rule_and_without_several_at_once_sessions_are_silently_wrong(
    corpus: Corpus,
) -> None:
    refuting = [one.site for one in corpus.variants([RULE], r"^refute\.")]
    together, *_ = corpus.worths([Variant(refuting[0], others=tuple(refuting[1:]))])
    alone = [one.counts[WRONG] for one in worths(corpus, RULE, r"^refute\.")]
    assert together.counts[WRONG] > 0
    assert any(alone)


def test_the_ledger_has_each_rule_of_today() -> None:
    rules_now = {one.name for one in Corpus([]).sites if one.kind == RULE}
    assert {one["rule"] for one in json.loads(LEDGER.read_text())} == rules_now, (
        "run `just worth --ledger`"
    )
