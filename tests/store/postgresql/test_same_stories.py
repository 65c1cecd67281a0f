"""Stories and lives leave the same rows on both stores: the judge is one, but each store selects
its cases.

STORIES=100 tells more.
"""

import os
from random import Random

import pytest

from tests.both_stores import both_in_memory
from tests.sizes import is_chosen, size
from tests.store.books import Books
from tests.store.honest_stories import honest_story
from tests.store.lies import LIES, PAIRS, liar_story
from tests.store.lives import ACTS, Living
from tests.store.stories import Story, play
from tests.store.test_decision_properties import Decided

SEEDS = range(int(os.environ.get("STORIES", size(5, 2))))


def tell(story: Story) -> None:
    with both_in_memory() as both:
        play(story, Books(both), "CP-1").outcomes()


@pytest.mark.parametrize("name", [name for name in LIES if is_chosen(name, 3)])
def test_each_lie(name: str) -> None:
    tell(liar_story([name], Random(name))[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_two_lies_at_once(seed: int) -> None:
    chance = Random(seed)
    tell(liar_story(chance.choice(PAIRS), chance)[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_an_honest_story(seed: int) -> None:
    tell(honest_story(Random(seed)))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_life_of_any_causes(seed: int) -> None:
    with both_in_memory() as both:
        Living(Books(both)).live(Random(seed).choices(ACTS, k=20))


@pytest.mark.parametrize("seed", SEEDS)
def test_decisions_of_an_operator(seed: int) -> None:
    with both_in_memory() as both:
        Decided(Books(both), Random(seed)).live()
