"""The test harness: the messages of a story, and its verdict."""

from random import Random

import pytest

from tests.store.books import Books
from tests.store.lies import LIES, liar_story
from tests.store.stories import (
    Note,
    Session,
    Story,
    Verdict,
    Voice,
    outage,
    play,
    samples_of,
    tell,
    timeline,
    verdict,
)

CURVE = ((60, 7200.0), (30, 0.0), (60, 3600.0))


def session(voice: Voice | None = None, meter: float = 1000) -> Session:
    return Session(1, 1, "TAG", 10, meter, CURVE, voice or Voice())


@pytest.mark.parametrize(
    ("minute", "wh", "power"), [(0, 0, 7200), (40, 3600, 7200), (90, 7200, 0), (500, 10_800, 0)]
)
def test_what_was_delivered_until_then(minute: float, wh: float, power: float) -> None:
    assert (session().wh(minute), session().power(minute)) == (wh, power)
    assert (session().delivered, session().end, session().figure) == (10_800, 160, 10_800)


@pytest.mark.parametrize(
    ("voice", "wh", "value"),
    [
        (Voice(), 5678.9, "5678"),
        (Voice(unit="kWh", decimals=1), 5678.9, "5.6"),
        (Voice(unit="kWh", decimals=1, rounds=True), 5678.9, "5.7"),
        (Voice(unit="kWh", decimals=3), 5678.0, "5.678"),
        (Voice(coarse=100), 5678.9, "5600"),
        (Voice(per_session=True), 5678.9, "4678"),
    ],
)
def test_a_register_as_it_is_sent(voice: Voice, wh: float, value: str) -> None:
    told = session(voice)
    register, *_ = samples_of(Note("reading", 20, told, wh), Story([told]))
    assert register == {"value": value, "unit": voice.unit}


def test_current_and_voltage_amount_to_the_power() -> None:
    told = session(Voice(power="A", phases=3))
    _, *samples = samples_of(Note("reading", 20, told, 2000, 11_040), Story([told]))
    assert [sample["value"] for sample in samples] == ["16.0", "230.0"] * 3


@pytest.mark.parametrize(
    ("wh", "review", "expected"),
    [
        (10_800, None, Verdict.RIGHT),
        (10_802, None, Verdict.RIGHT),
        (10_803, None, Verdict.SILENT),
        (10_797, None, Verdict.SILENT),
        (10_800, "why", Verdict.FLAGGED),
        (10_700, "why", Verdict.FLAGGED),
        (10_600, "why", Verdict.WRONG),
        (10_900, "why", Verdict.WRONG),
    ],
)
def test_a_verdict_is_of_the_figure_and_its_review(
    wh: int, review: str | None, expected: Verdict
) -> None:
    told = session()
    told.slack = 120
    assert verdict(told, wh, review) is expected


def test_a_session_that_is_nowhere_is_lost(books: Books) -> None:
    told = session(Voice(every=None))
    story = Story([told], tell(told))
    for note in story.notes:
        note.is_lost = True
    (outcome,) = play(story, books, "CP-1").outcomes()
    assert outcome.verdict is Verdict.LOST


def test_an_outage_keeps_the_order_and_no_status() -> None:
    told = session(Voice(every=15))
    story = Story([told], tell(told))
    outage(story, 30, 200)
    sent = [(note.kind, note.arrives >= 200) for note in story.in_order() if not note.is_lost]
    assert sent[:4] == [("start", False), ("status", False), ("reading", False), ("lose", False)]
    assert sent[4] == ("connect", True)
    assert [kind for kind, _ in sent[5:]] == ["reading"] * 8 + ["stop"]


@pytest.mark.parametrize("name", sorted(LIES))
def test_the_same_seed_tells_the_same_story(books: Books, name: str) -> None:
    found = []
    for number in range(2):
        books.wait(60)
        story, _ = liar_story([name], Random(7))
        told = play(story, books, f"CP-{number}")
        ids = {str(number): f"{place}" for place, number in enumerate(told.ids.values())}
        text = timeline(told).split("\n", 1)[1]
        for own, place in ids.items():
            text = text.replace(own, place)
        found.append(text)
    assert found[0] == found[1]
