"""Random honest stories: AC and DC, solar power, pauses, full batteries, cars that take a little
now and again, outages, few readings, coarse registers.

Charger and network are honest, so nothing may be flagged and each figure is exact. Where start
and stop alone above 43 kW would be a doubt, the charger also reports its power.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from random import Random

from tests.store.books import Books, in_memory
from tests.store.stories import (
    Curve,
    Outcome,
    Played,
    Session,
    Story,
    Verdict,
    Voice,
    outage,
    play,
    tell,
    timeline,
)

CHARGERS_IN_A_BOOK = 60
DC_ABOVE = 43_000
KINDS = ("AC1", "AC1", "AC3", "AC3", "DC")
AC1, AC3 = (1400, 2300, 3680, 4600, 7360), (4140, 6900, 11_040, 22_080)


@dataclass
class Report:
    """The results of honest sessions."""

    sessions: int = 0
    flagged: list[str] = field(default_factory=list)
    not_exact: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        share = 100 * len(self.flagged) / max(1, self.sessions)
        counts = f"{self.sessions} honest sessions: {len(self.flagged)} flagged ({share:.2f} %)"
        examples = self.not_exact[:3] + self.flagged[:3]
        return "\n\n".join([f"{counts}, {len(self.not_exact)} not exact", *examples])

    def add(self, played: Played, outcome: Outcome) -> None:
        self.sessions += 1
        if outcome.verdict is Verdict.LOST or outcome.wh != outcome.session.figure:
            self.not_exact.append(timeline(played))
        elif outcome.review is not None:
            self.flagged.append(timeline(played))


def honest(count: int, seed: int, kinds: Sequence[str] = KINDS) -> Report:
    """Play this many honest sessions."""
    report, chance, number = Report(), Random(seed), 0
    while report.sessions < count:
        with closing(in_memory()) as connection:
            books = Books(connection)
            for _ in range(CHARGERS_IN_A_BOOK):
                books.wait(60)
                number += 1
                played = play(honest_story(chance, kinds), books, f"CP-{number}")
                for outcome in played.outcomes():
                    report.add(played, outcome)
                if report.sessions >= count:
                    break
    return report


def honest_story(chance: Random, kinds: Sequence[str] = KINDS) -> Story:
    """Return one to three sessions on one connector, sometimes with one on the other."""
    kind = chance.choice(kinds)
    story = Story([])
    voice = _voice(kind, chance)
    _follow(story, 1, chance.randint(1, 3), kind, voice, chance)
    if chance.random() < 0.25:
        _follow(story, 2, 1, kind, voice, chance)
    for session in story.sessions:
        story.notes += tell(session)
    for note in story.notes:
        note.power *= chance.uniform(0.97, 1.03)  # an instantaneous value, not a mean
    _lose_some(story, chance)
    if chance.random() < 0.3:
        _break(story, chance)
    if chance.random() < 0.15:
        _skew(story, chance.choice([-90, 60, 120]))
    return story


def _follow(
    story: Story, connector: int, count: int, kind: str, voice: Voice, chance: Random
) -> None:
    minute = chance.uniform(0, 90)
    meter = chance.choice([0.0, chance.uniform(0, 20_000), chance.uniform(0, 5_000_000)])
    for _ in range(count):
        number = len(story.sessions) + 1
        tag = chance.choice(["ALICE", "BOB", "CAROL"])
        session = Session(number, connector, tag, minute, meter, _curve(kind, chance), voice)
        story.sessions.append(session)
        meter += session.delivered
        minute = session.end + chance.uniform(3, 600)


def _curve(kind: str, chance: Random) -> Curve:
    if kind == "DC":
        return _dc(chance)
    highest = chance.choice(AC1 if kind == "AC1" else AC3)
    pieces = [
        *chance.choice([_steady, _sun, _paused, _full, _topped_up, _woken, _heated, _idle])(
            highest, chance
        )
    ]
    if chance.random() < 0.1:
        pieces.insert(0, (chance.uniform(5, 300), 0.0))  # it waits for a cheap tariff
    return tuple(pieces)


def _steady(highest: float, chance: Random) -> Curve:
    return ((chance.uniform(20, 420), highest * chance.uniform(0.9, 1)),)


def _sun(highest: float, chance: Random) -> Curve:
    """Change the power every few minutes, with no power under a cloud."""
    count = chance.randint(10, 60)
    return tuple(
        (chance.uniform(3, 10), chance.choice([0, 1, 1, 1]) * highest * chance.uniform(0.3, 1))
        for _ in range(count)
    )


def _paused(highest: float, chance: Random) -> Curve:
    pieces: list[tuple[float, float]] = []
    for _ in range(chance.randint(2, 4)):
        pieces += [(chance.uniform(10, 90), highest), (chance.uniform(5, 120), 0.0)]
    return tuple(pieces)


def _full(highest: float, chance: Random) -> Curve:
    """Reduce the power of the last part, then add hours without power."""
    falling = tuple((5.0, highest * part / 10) for part in (8, 6, 4, 3, 2, 1))
    return ((chance.uniform(30, 300), highest), *falling, (chance.uniform(30, 700), 0.0))


def _topped_up(highest: float, chance: Random) -> Curve:
    """Little is missing, so that hardly a reading meets the car while it charges."""
    return ((chance.uniform(2, 14), highest), (chance.uniform(60, 900), 0.0))


def _woken(highest: float, chance: Random) -> Curve:
    """The car takes a little again and again, for its heating or its own battery."""
    pieces: list[tuple[float, float]] = [(chance.uniform(20, 200), highest)]
    for _ in range(chance.randint(1, 8)):
        wakes = (chance.uniform(0.5, 6), min(highest, chance.uniform(1400, 4000)))
        pieces += [(chance.uniform(20, 200), 0.0), wakes]
    return (*pieces, (chance.uniform(10, 200), 0.0))


def _heated(highest: float, chance: Random) -> Curve:
    """The car takes nothing until it is heated, just before it leaves."""
    return (
        (chance.uniform(100, 700), 0.0),
        (chance.uniform(3, 12), min(highest, chance.uniform(1400, 7000))),
    )


def _idle(highest: float, chance: Random) -> Curve:  # noqa: ARG001 - all curves have the same parameters
    """The meter counts what the charger itself takes."""
    return ((chance.uniform(60, 3000), chance.choice([0.0, 3.0, 12.0, 60.0])),)


def _dc(chance: Random) -> Curve:
    highest, battery = chance.uniform(30_000, 250_000), chance.uniform(40_000, 75_000)
    flat = 0.4 * battery / highest * 60
    falling = tuple((chance.uniform(3, 6), highest * part / 10) for part in (8, 6, 5, 4, 3, 2))
    return ((flat, highest), *falling[: chance.randint(0, 6)])


def _voice(kind: str, chance: Random) -> Voice:
    """A coarse meter shows its resolution in its last digit; otherwise only five of its values
    would show it."""
    unit, coarse = chance.choice(["Wh", "Wh", "kWh"]), chance.choice([1, 1, 1, 10, 100, 1000])
    power = chance.choice(["", "W", "W", "kW", "A"])
    every: float | None = chance.choice([None, 400, 60, 60, 15, 15, 5, 5, 1, 1])
    if kind == "DC":
        every, power, coarse = chance.choice([1, 1, 0.5]), chance.choice(["W", "kW"]), 1
    if coarse > 10:
        unit = "kWh"
    highest = 3 if coarse == 1 else 3 - len(str(coarse)) + 1
    return Voice(
        every=every,
        unit=unit,
        decimals=chance.randint(0, highest) if unit == "kWh" else 0,
        rounds=unit == "kWh" and chance.random() < 0.5,
        coarse=coarse,
        per_session=chance.random() < 0.2,
        power=power,
        phases=1 if kind == "AC1" else 3,
        battery_wh=100_000 if kind == "DC" and chance.random() < 0.7 else 0,
        data=chance.random() < 0.2,
    )


def _lose_some(story: Story, chance: Random) -> None:
    share = chance.choice([0, 0, 0, 0.1, 0.5])
    for note in story.notes:
        if note.kind == "reading" and (
            share < 0.5 or max(watts for _, watts in note.session.curve) < DC_ABOVE
        ):
            note.is_lost = chance.random() < share


def _break(story: Story, chance: Random) -> None:
    session = chance.choice(story.sessions)
    since = session.begin + chance.uniform(-20, session.end - session.begin)
    outage(story, since, since + chance.choice([5, 60, 240, 600]))


def _skew(story: Story, minutes: int) -> None:
    for note in story.notes:
        note.told = minutes
