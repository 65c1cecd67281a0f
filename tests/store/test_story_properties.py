"""Invariants of every story, whatever its lies and losses.

A story is generated from a seed, so it cannot be shrunk: its timeline is printed on failure.
STORIES=1000 tells more.
"""

import os
from contextlib import closing
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.sizes import size
from tests.store.books import Books, in_memory
from tests.store.honest_stories import honest_story
from tests.store.lies import LIES, PAIRS, liar_story
from tests.store.stories import Outcome, Played, Session, Story, Verdict, play, timeline

EXAMPLES = int(os.environ.get("STORIES", size(40, 8)))
by_seed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
fewer = settings(by_seed, max_examples=EXAMPLES // 2)
seeds = st.integers(0, 2**32)
names = st.sampled_from([[name] for name in LIES]) | st.sampled_from(PAIRS)
# Without readings before it, a stop whose start was lost shows no energy, and is set aside.
with_a_start = names.filter(lambda lies: "a lost start" not in lies)
one_name = st.sampled_from([name for name, lie in LIES.items() if lie.must_flag])


def tell_all(story: Story) -> tuple[Played, list[Outcome]]:
    with closing(in_memory()) as connection:
        played = play(story, Books(connection), "CP-1")
        return played, played.outcomes()


def shown(outcomes: list[Outcome]) -> list[tuple[object, ...]]:
    return [(outcome.verdict, outcome.wh, outcome.review is not None) for outcome in outcomes]


def told(story: Story) -> str:
    """A timeline, from books of its own."""
    with closing(in_memory()) as connection:
        return timeline(play(story, Books(connection), "CP-1"))


@given(names, seeds)
@by_seed
def test_no_story_is_silently_wrong_or_lost(lies: list[str], seed: int) -> None:
    """Never negative, never above what was delivered without a review, nor all of a connector above
    its register."""
    story, _ = liar_story(lies, Random(seed))
    _, outcomes = tell_all(story)
    for session, verdict, _, wh, review in outcomes:
        assert (wh or 0) >= 0, told(story)
        assert review is not None or (wh or 0) <= session.delivered + session.tolerance, told(story)
        assert verdict not in (Verdict.SILENT, Verdict.LOST), told(story)
    for connector in {session.connector for session in story.sessions}:
        mine = [outcome for outcome in outcomes if outcome.session.connector == connector]
        assert sum(outcome.wh or 0 for outcome in mine if outcome.review is None) <= _rise(mine), (
            told(story)
        )


@given(one_name, seeds)
@by_seed
def test_nothing_is_certain_where_evidence_contradicts(lie: str, seed: int) -> None:
    story, lied = liar_story([lie], Random(seed))
    _, outcomes = tell_all(story)
    assert all(outcome.review is not None for outcome in outcomes if outcome.session is lied), told(
        story
    )


def _rise(outcomes: list[Outcome]) -> float:
    """Of the connector's true register, and its resolution for each session."""
    sessions: list[Session] = [outcome.session for outcome in outcomes]
    return sum(session.delivered for session in sessions) + sum(
        session.tolerance for session in sessions
    )


@given(names, seeds)
@fewer
def test_a_repeated_message_changes_nothing(lies: list[str], seed: int) -> None:
    story, _ = liar_story(lies, Random(seed))
    _, once = tell_all(story)
    for note in story.notes:
        note.times = 3 if note.kind in ("start", "reading", "stop", "status") else 1
    _, thrice = tell_all(story)
    assert shown(thrice) == shown(once), told(story)


@given(with_a_start, seeds)
@fewer
def test_the_order_of_arrival_loses_nothing_silently(lies: list[str], seed: int) -> None:
    """Some readings come minutes or hours late, also after their stop, but in order."""
    story, _ = liar_story(lies, Random(seed))
    _delay(story, Random(seed + 1))
    _, outcomes = tell_all(story)
    for outcome in outcomes:
        assert outcome.verdict not in (Verdict.SILENT, Verdict.LOST), told(story)


@given(seeds)
@fewer
def test_the_order_of_arrival_changes_nothing_for_who_is_honest(seed: int) -> None:
    story = honest_story(Random(seed))
    _delay(story, Random(seed + 1))
    _, outcomes = tell_all(story)
    for session, verdict, _, wh, _ in outcomes:
        assert verdict is not Verdict.LOST, told(story)
        assert wh == session.figure, told(story)


def _delay(story: Story, chance: Random) -> None:
    """A queue of its own for readings: from some moment on they wait, and then come in order."""
    session = chance.choice(story.sessions)
    since = session.begin + chance.uniform(0, session.end - session.begin)
    until = since + chance.choice([10, 60, 300])
    waiting = [
        note
        for note in story.in_order()
        if note.kind == "reading" and since <= note.arrives < until
    ]
    for place, note in enumerate(waiting):
        note.arrives = until + place / 600
