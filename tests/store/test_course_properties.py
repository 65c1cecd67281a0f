"""The course of any story: its parts add up, and each lies between what the readings around its
seam allow."""

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from levity_trio.billing import pricing
from levity_trio.billing.pricing import EnergyFlow, divide
from levity_trio.billing.statement import Split
from levity_trio.store.billing.evidence import Billed, Needs
from levity_trio.store.writes.chargers.sessions import start_run as _run
from tests.billing.cases import BERLIN
from tests.sizes import size
from tests.store.billed import billed_of, evidence_of
from tests.store.books import SERVER, Books, Station, in_memory
from tests.store.honest_stories import honest_story
from tests.store.lies import LIES, PAIRS, liar_story
from tests.store.stories import Note, Played, Session, Story, play, timeline
from tests.store.test_stays import UNTIL_AVAILABLE, full

COURSE = Needs(course=True, stay=False)
by_seed = settings(
    max_examples=size(60, 12),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
seeds = st.integers(0, 2**32)
lies = st.sampled_from([[name] for name in LIES]) | st.sampled_from(PAIRS)


def seams_of(billed: Billed, chance: Random) -> list[datetime]:
    lasted = billed.until - billed.since
    return sorted(billed.since + lasted * chance.random() for _ in range(chance.randint(1, 4)))


def reached(books: Books, billed: Billed, seams: Sequence[datetime]) -> tuple[list[int], Split]:
    """The Wh until each seam, and by what they were found. All parts add up, and none is negative.

    What lies around the seams shows as much as all readings.
    """
    found = evidence_of(books, billed.transaction, COURSE)
    parts, by = divide(
        EnergyFlow(billed.since, billed.until, billed.wh, found.levels, found.powers), seams
    )
    assert (sum(parts), min(parts) >= 0) == (billed.wh, True)
    few = evidence_of(books, billed.transaction, COURSE._replace(seams=tuple(seams)))
    assert len(few.levels) <= 2 * len(seams)
    assert divide(
        EnergyFlow(billed.since, billed.until, billed.wh, few.levels, few.powers), seams
    ) == (
        parts,
        by,
    )
    return [sum(parts[: number + 1]) for number in range(len(seams))], by


@given(lies, seeds)
@by_seed
def test_the_parts_of_any_session_add_up(names: list[str], seed: int) -> None:
    with closing(in_memory()) as connection:
        books = Books(connection)
        story, _ = liar_story(names, Random(seed))
        play(story, books, "CP-1")
        for (transaction,) in books.rows("SELECT id FROM tx WHERE status = 'Completed'"):
            billed = billed_of(books, transaction)
            if billed.since < billed.until:
                reached(books, billed, seams_of(billed, Random(seed)))


@pytest.mark.parametrize("seed", range(size(160, 12)))
def test_each_part_of_an_honest_session_lies_between_its_readings(seed: int) -> None:
    """Of 2,500 such stories, 16 have a part beyond the readings: mostly, the register of a new
    meter is low, so that its readings could also count from 0."""
    story = honest_story(Random(seed))
    with closing(in_memory()) as connection:
        books = Books(connection)
        played = play(story, books, "CP-1")
        for session, transaction in played.ids.items():
            billed = billed_of(books, transaction)
            seams = seams_of(billed, Random(seed))
            until_seams, by = reached(books, billed, seams)
            is_shown = (
                billed.wh
                and _within(story, session)
                and not _is_far(story, session, seams, billed.since)
            )
            assert by is Split.REGISTER or not is_shown, timeline(played)
            for seam, wh in zip(seams, until_seams, strict=True):
                _assert_between(played, session, (seam - billed.since) / timedelta(minutes=1), wh)


def _within(story: Story, session: Session) -> list[Note]:
    """The readings between start and stop that were sent."""
    return [note for note in story.of(session, "reading") if not note.is_lost]


def _is_far(story: Story, session: Session, seams: Sequence[datetime], since: datetime) -> bool:
    """Whether a seam lies where no reading was sent for more than an hour."""
    minutes = [
        0.0,
        *(note.at - session.begin for note in _within(story, session)),
        session.end - session.begin,
    ]
    gaps = [(before, after) for before, after in pairwise(minutes) if after - before > 60 + MARGIN]
    places = [(seam - since) / timedelta(minutes=1) for seam in seams]
    return any(
        before - MARGIN < place < after + MARGIN for place in places for before, after in gaps
    )


def _assert_between(played: Played, session: Session, minutes: float, wh: int) -> None:
    """By what truly flowed until the reading before and until the one after; times are sent in
    whole seconds."""
    sent = _within(played.story, session)
    since = [note.wh for note in sent if note.at - session.begin < minutes - MARGIN]
    until = [note.wh for note in sent if note.at - session.begin > minutes + MARGIN]
    step = (
        max(
            session.voice.coarse,
            1000 // 10**session.voice.decimals if session.voice.unit == "kWh" else 1,
        )
        + 1
    )
    least, most = (
        max(since, default=session.meter),
        min(until, default=session.meter + session.delivered),
    )
    off = f"{wh} Wh until minute {minutes} of {session.number}\n{timeline(played)}"
    assert least - session.meter - step <= wh <= most - session.meter + step, off


MARGIN = 2 / 60


# Stays

steps = st.lists(
    st.tuples(
        st.sampled_from(["wait", "lose", "restart", "SuspendedEVSE", "Faulted", "Finishing"]),
        st.integers(1, 90),
    ),
    min_size=1,
    max_size=6,
)


@given(steps, steps, st.sampled_from([0, 0, -2, -180, 3, 200]))
@settings(by_seed, max_examples=size(40, 8))
def test_no_minute_is_counted_that_is_uncertain(
    before: list[tuple[str, int]], after: list[tuple[str, int]], behind: int
) -> None:
    """Whatever its clock: at most the minutes in which the charger was connected and held up
    nothing."""
    with closing(in_memory()) as connection:
        books = Books(connection)
        station = Station(books, behind=behind)
        transaction, wh = full(station)
        counted = sum(_step(station, *one) for one in before)
        station.stop(transaction, wh)
        station.status("Finishing")
        counted += sum(_step(station, *one) for one in after)
        station.status("Available")
        stay = evidence_of(books, transaction, Needs(course=False, stay=True)).stay
        assert stay is not None
        found = pricing.counted(stay, UNTIL_AVAILABLE, BERLIN).minutes
        assert found <= counted + 1
        # each restart and each connection takes some seconds
        assert behind or found >= counted - len(before + after)


def _step(station: Station, step: str, minutes: int) -> int:
    """Let it happen, and say how many minutes count."""
    if step in ("lose", "restart"):
        station.lose()
    if step == "restart":
        station.books.server = station.books.run(_run, SERVER, "1.0", station.books.at, True)
    if step not in ("wait", "lose", "restart"):
        station.status(step)
    station.books.wait(minutes)
    if step in ("lose", "restart"):
        station.connect()
    (status,) = station.books.row(
        "SELECT status FROM cp_conn WHERE cp_id = ? AND conn_id = 1", station.name
    )
    is_held_up = status in ("SuspendedEVSE", "Faulted")
    return 0 if is_held_up or step in ("lose", "restart") else minutes
