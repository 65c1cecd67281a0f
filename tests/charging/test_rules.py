"""The judgements of generated transactions change only with the version of the rules."""

from collections import Counter

from levity_trio.charging.reviews import Code
from tests.tools.corpus.generated import FILE, judgements

NOT_JUDGED = frozenset(
    {
        *(
            Code.STOP_WITHOUT_ID,
            Code.STOP_ELSEWHERE,
            Code.SECOND_STOP,
            Code.STOPPED_BY_STRANGER,
        ),
        *(
            Code.OPERATOR_OVERRULED,
            Code.START_UNREADABLE,
            Code.OTHER_SERVER,
            Code.LATER_FACTS,
        ),
        *(Code.JUDGING_STOPPED, Code.CLOCK_UNSURE, Code.SIGNED_VALUES),
    }
)
"""Reviews that do not come from the judgement of energy."""


def test_no_judgement_changes_without_a_new_version_of_the_rules() -> None:
    """If it is meant: raise RULES, run `python -m tests.tools.corpus.generated`, and look at what
    differs."""
    kept, found = FILE.read_text().splitlines(), list(judgements())
    different = [pair for pair in zip(kept, found, strict=True) if pair[0] != pair[1]]
    assert different[:10] == []


def test_the_generated_transactions_have_every_review_of_the_judge() -> None:
    lines = FILE.read_text().splitlines()[1:]
    counts = Counter(code for line in lines for code in line.split()[5].split(","))
    missing = {code.value for code in Code} - {code.value for code in NOT_JUDGED} - counts.keys()
    assert not missing, (
        "let tests/tools/corpus/generated.py make a session with it, drawn after all others"
    )
