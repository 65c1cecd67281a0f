"""`just worth`, on a sample of the corpus."""

from collections.abc import Sequence
from typing import Final

import pytest

from levity_trio.charging.energy import judge
from tests.corpus import rules
from tests.corpus.kept import Said, lines, read
from tests.corpus.rules import CLAUSE, NUMBER, RULE, Judge, Source
from tests.corpus.worth import DIFFERENT, WRONG, Corpus, Entry, Worth

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


REFUTATIONS = (Refutation(asked(tenfold), Code.TENFOLD), Refutation(lambda case, _: case.doubled()))


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
        kind: [one.name.removeprefix("refute.made.") for one in sites if one.kind == kind] for kind in (RULE, CLAUSE)
    }
    assert found[RULE] == ["fell", "stood", "explained", "tenfold", "doubled"]
    assert found[CLAUSE] == [
        *("explained:33 yield Candidate(case.start or 0)", "explained:34 yield Candidate(case.stop)"),
        *("fell:8 is_reset(case)", "fell:8 case.stop < MOST[1] * case.start", "fell:8 case.stop < 0"),
    ]
    assert [one.name.removeprefix("refute.made.") for one in rules.numbers([module])] == ["MOST[0]", "MOST[1]"]
    assert list(rules.excluded([module])) == ["refute.made.HOUR: a unit factor"]


@pytest.mark.parametrize(
    ("number", "doubled", "halved"), [(2, 4, 1), (3, 6, 2), (0.1, 0.2, 0.05), (2**16, 2**17, 2**15)]
)
def test_a_number_is_doubled_and_halved(number: float, doubled: float, halved: float) -> None:
    assert (rules.opposite(number, 2), rules.opposite(number, 0.5)) == (doubled, halved)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    found = [Entry(name, read(line)) for name, every in EVERY.items() for line in lines(name)[::every]]
    corpus = Corpus(found)
    corpus.record()
    return corpus


def worths(corpus: Corpus, kind: str, pattern: str) -> Sequence[Worth]:
    return list(corpus.worths(corpus.variants([kind], pattern)))


def test_without_a_rule_a_session_is_silently_wrong(corpus: Corpus) -> None:
    refuting = worths(corpus, RULE, r"^refute\.")
    assert any(one.counts[WRONG] for one in refuting)
    assert all(one.judged < len(corpus.entries) for one in refuting)
    numbers = worths(corpus, NUMBER, r"^tolerances\.(INTERVAL|POWER_SHARE)$")
    assert len(numbers) == 4
    assert any(one.counts[DIFFERENT] for one in numbers)
    now = [Said.of(judge(entry.kept.case)) for entry in corpus.entries]  # here, nothing was switched off
    assert [one.said for one in corpus.now] == now
