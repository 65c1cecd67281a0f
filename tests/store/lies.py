"""Lies and losses, each applied to one session of a story.

A lie is included only if other messages contradict it; most come from a charger that sends a fine
register and its power each minute. Errors that no message reveals (a meter that is 5 % off) are
excluded. Each lie's docstring states the contradiction. `must_flag`: the session must be under
review, whatever its figure. Honest variations (a corrected clock, a repeated message) must not
change the energy.
"""
# ruff: noqa: ARG001 - all lies have the same parameters

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from random import Random

from tests.store.books import Books, in_memory
from tests.store.stories import (
    Curve,
    Note,
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
MINUTE = Voice(every=1, power="W")
SPARSE = Voice(every=5, power="W")
BARE = Voice(every=5, power="")
POWERS = (3680.0, 7200.0, 7360.0, 11_040.0)
SHOWN = 5
SEEDS = 5
FROZEN = "2022-01-01T00:00:00Z"
Change = Callable[[Story, Session, Random], None]


@dataclass(frozen=True)
class Lie:
    """The change to the second session of its connector."""

    change: Change
    voices: tuple[Voice, ...]
    must_flag: bool
    connectors: int | None
    """The required number; None for any."""
    honest: bool
    """Whether nothing may be flagged."""

    @property
    def name(self) -> str:
        return self.change.__name__.replace("_", " ")


LIES: dict[str, Lie] = {}


def lie(
    *voices: Voice, must_flag: bool = True, connectors: int | None = None, honest: bool = False
) -> Callable[[Change], Change]:
    def enter(change: Change) -> Change:
        found = Lie(change, voices, must_flag and not honest, connectors, honest)
        LIES[found.name] = found
        return change

    return enter


def only(story: Story, session: Session, kind: str) -> Note:
    return story.of(session, kind)[0]


def inner(story: Story, session: Session, chance: Random) -> Note:
    """Choose a reading that has others before and after it."""
    readings = story.of(session, "reading")
    return chance.choice(readings[2:-2])


def step(session: Session) -> float:
    """Return the energy that can have been delivered between two readings."""
    return max(power for _, power in session.curve) * (session.voice.every or 0) / 60


# Against the power


@lie(MINUTE, replace(MINUTE, power="A"), replace(MINUTE, unit="kWh", decimals=3))
def a_leap(story: Story, session: Session, chance: Random) -> None:
    """The register stays higher: within a minute it rose by far more than the power allows."""
    story.shift(
        session.connector,
        inner(story, session, chance).at,
        chance.choice([1500, 9500, 30_000, 90_000]),
    )
    session.slack = step(session)


@lie(MINUTE)
def a_leap_at_the_stop(story: Story, session: Session, chance: Random) -> None:
    """The same between the last reading and the stop."""
    story.shift(session.connector, session.end, chance.choice([1500, 9500, 30_000]))
    session.slack = 2 * step(session)


@lie(MINUTE, replace(MINUTE, power="A"))
def ten_times_too_much(story: Story, session: Session, chance: Random) -> None:
    """Each step of a minute is ten times the energy that the power gives."""
    _times(story, session, 10)


@lie(MINUTE, replace(MINUTE, power="kW"))
def a_tenth_of_it(story: Story, session: Session, chance: Random) -> None:
    """Each step of a minute is a tenth of the energy that the power gives."""
    _times(story, session, 0.1)
    session.slack = session.delivered


def _times(story: Story, session: Session, factor: float) -> None:
    for note in story.of(session, "reading") + story.of(session, "stop"):
        note.wh = session.meter + (note.wh - session.meter) * factor
    story.shift(session.connector, session.end + 1, session.delivered * (factor - 1))


@lie(MINUTE)
def stands_still_to_the_end(story: Story, session: Session, chance: Random) -> None:
    """The register stands still, but each minute has power."""
    since = chance.choice(story.of(session, "reading")[1:-10])
    missing = session.delivered - session.wh(since.at)
    for note in story.of(session, "reading") + story.of(session, "stop"):
        if note.at >= since.at:
            note.wh = since.wh
    story.shift(session.connector, session.end + 1, -missing)
    session.slack = missing + 1


# Start and stop against the readings


@lie(SPARSE, BARE, MINUTE)
def a_stop_below_its_readings(story: Story, session: Session, chance: Random) -> None:
    """Counters never fall: the last reading was above it."""
    last = story.of(session, "reading")[-1]
    only(story, session, "stop").wh = last.wh - chance.uniform(50, last.wh - session.meter)
    session.slack = session.delivered if session.voice is BARE else step(session)


@lie(SPARSE, BARE, MINUTE)
def a_stop_that_repeats_its_start(story: Story, session: Session, chance: Random) -> None:
    """The readings between them rose."""
    only(story, session, "stop").wh = session.meter
    session.slack = step(session)


@lie(SPARSE, BARE, MINUTE)
def a_stop_of_garbage(story: Story, session: Session, chance: Random) -> None:
    """0 or a huge number, far from the last reading and the next start."""
    only(story, session, "stop").raw = chance.choice([0, 2**31 - 1, 2**32 - 1, 10**9 + 7])
    session.slack = step(session)


@lie(SPARSE, BARE, MINUTE)
def a_start_of_zero(story: Story, session: Session, chance: Random) -> None:
    """The session before ended far above, and the first reading is there, too."""
    only(story, session, "start").raw = 0
    session.slack = step(session)


@lie(SPARSE, BARE, MINUTE)
def a_start_below_the_stop_before(story: Story, session: Session, chance: Random) -> None:
    """The readings of the session before reach beyond it."""
    before = _before(story, session)
    only(story, session, "start").wh = before.meter + before.delivered * chance.uniform(0.2, 0.8)
    session.slack = before.slack = step(session)


@lie(SPARSE, BARE, MINUTE)
def a_start_above_its_readings(story: Story, session: Session, chance: Random) -> None:
    """Counters never fall: its readings begin below it, where the session before ended."""
    only(story, session, "start").wh += chance.uniform(2 * step(session), session.delivered)
    session.slack = session.delivered if session.voice is BARE else step(session)


def _before(story: Story, session: Session) -> Session:
    mine = [one for one in story.sessions if one.connector == session.connector]
    return mine[mine.index(session) - 1]


@lie(SPARSE, BARE)
def a_stale_stop_before_its_readings(story: Story, session: Session, chance: Random) -> None:
    """The stop has an old register and comes first; the readings that waited rise above it."""
    stop = only(story, session, "stop")
    readings = story.of(session, "reading")
    stop.wh = chance.choice(readings[2:-2]).wh
    for place, note in enumerate(readings):
        note.arrives = stop.at + 1 + place / 100
    session.slack = session.delivered if session.voice is BARE else step(session)


# Registers that are reset


@lie(SPARSE, BARE, MINUTE, connectors=1)
def a_rollover(story: Story, session: Session, chance: Random) -> None:
    """The stop is below the start, and the readings continue from 0 at the same rate."""
    story.modulus = chance.choice([2**16, 2**31, 2**32, 1_000_000])
    turn = session.meter + session.delivered * chance.uniform(0.2, 0.8)
    story.shift(session.connector, -1e9, story.modulus - int(turn))
    for one in story.sessions:  # a small one goes round more than once
        one.slack = step(one)


@lie(SPARSE, BARE, MINUTE)
def a_reset_by_a_boot(story: Story, session: Session, chance: Random) -> None:
    """After a boot, the readings continue from 0 at the same rate."""
    at = inner(story, session, chance).at - 0.2
    story.shift(session.connector, at, -(session.meter + session.wh(at)))
    story.notes.append(Note("boot", at, session))
    session.slack = step(session)


@lie(SPARSE, BARE, MINUTE, must_flag=False)
def stands_still_and_catches_up(story: Story, session: Session, chance: Random) -> None:
    """Honest: the meter was not read for a while; afterwards the register is right again."""
    readings = story.of(session, "reading")
    first = chance.randrange(1, len(readings) - 4)
    for note in readings[first + 1 : chance.randrange(first + 2, len(readings) - 1)]:
        note.wh = readings[first].wh


@lie(SPARSE, BARE, MINUTE, must_flag=False)
def a_spike(story: Story, session: Session, chance: Random) -> None:
    """One reading is far above its neighbours."""
    inner(story, session, chance).wh += chance.choice([3000, 40_000, 10**6])


# Units and fields


@lie(SPARSE, must_flag=False)
def readings_in_another_unit(story: Story, session: Session, chance: Random) -> None:
    """kWh labelled Wh or the reverse, with a start and stop that agree with the power."""
    scale = chance.choice([1000, 0.001])
    for note in story.of(session, "reading"):
        note.scale = scale


@lie(replace(SPARSE, unit="kWh", decimals=1, coarse=100))
def start_and_stop_in_kwh(story: Story, session: Session, chance: Random) -> None:
    """Both have a decimal, and the readings say kWh."""
    for one in story.sessions:
        for kind in ("start", "stop"):
            note = only(story, one, kind)
            note.raw = round(note.wh // 100 / 10, 1)


@lie(SPARSE, BARE, MINUTE)
def a_start_that_cannot_be_read(story: Story, session: Session, chance: Random) -> None:
    """Not a number, but the previous session and the first reading show where it began."""
    only(story, session, "start").raw = chance.choice(["n/a", "12,5", ""])
    session.slack = step(session)


# Ids and losses


@lie(SPARSE, BARE, MINUTE)
def a_stop_without_an_id(story: Story, session: Session, chance: Random) -> None:
    """Matched by its register and time, which must be visible to the reader of the bill."""
    stop = only(story, session, "stop")
    stop.id_of = chance.choice([-1, 0, 17])
    stop.tag = chance.choice([stop.tag, None, "", (stop.tag or "").lower()])


@lie(SPARSE, BARE, connectors=2)
def stops_of_two_connectors_swapped(story: Story, session: Session, chance: Random) -> None:
    """Each register is impossible at the transaction that its id names, and possible at the
    other."""
    other = next(one for one in story.sessions if one.connector != session.connector)
    only(story, session, "stop").id_of = other
    only(story, other, "stop").id_of = session


@lie(SPARSE, BARE, MINUTE, connectors=2)
def one_meter_for_two_connectors(story: Story, session: Session, chance: Random) -> None:
    """The register of each rises by the energy of both cars, and each begins where that of the
    other one stood."""
    for note in story.notes:
        note.wh = story.sessions[0].meter + sum(one.wh(note.at) for one in story.sessions)
    for one in story.sessions:
        one.slack = sum(other.delivered for other in story.sessions)


@lie(SPARSE, BARE, MINUTE)
def a_lost_start(story: Story, session: Session, chance: Random) -> None:
    """Its readings and its stop arrive without a known transactionId."""
    only(story, session, "start").is_lost = True
    session.slack = 2 * step(session)


@lie(SPARSE, BARE, MINUTE, must_flag=False, connectors=1)
def a_lost_stop(story: Story, session: Session, chance: Random) -> None:
    """A boot follows, and the system closes it with its last reading; the next start may show the
    rest."""
    only(story, session, "stop").is_lost = True
    story.notes.append(Note("boot", session.end + 0.8, session))
    story.notes.append(Note("close", session.end + 1, session))
    session.slack = step(session)


# Honest ones


@lie(SPARSE, BARE, honest=True)
def a_clock_put_right_on_the_way(story: Story, session: Session, chance: Random) -> None:
    """Honest: live messages, whose receipt tells their time."""
    at, ahead = inner(story, session, chance).at - 0.1, chance.choice([-120, -60, 60, 120])
    for note in story.notes:
        note.told = ahead if note.at < at else 0


@lie(SPARSE, BARE, MINUTE, must_flag=False)
def a_clock_that_stands_still(story: Story, session: Session, chance: Random) -> None:
    """Honest registers; each message says the same time, as messages minutes apart show."""
    for note in story.notes:
        note.clock = FROZEN


@lie(SPARSE, BARE, honest=True)
def each_message_twice(story: Story, session: Session, chance: Random) -> None:
    """Honest: a response did not arrive in time, so the message is repeated."""
    for note in story.notes:
        note.times = 2 if note.kind in ("start", "reading", "stop") else 1


@lie(SPARSE, BARE, honest=True)
def readings_after_the_stop(story: Story, session: Session, chance: Random) -> None:
    """Honest: they waited in another queue."""
    for place, note in enumerate(story.of(session, "reading")):
        note.arrives = session.end + 1 + place / 100


@lie(SPARSE, BARE, MINUTE, honest=True)
def an_outage(story: Story, session: Session, chance: Random) -> None:
    """Honest: all comes later, in order."""
    since = session.begin + chance.uniform(-5, session.end - session.begin)
    outage(story, since, since + chance.choice([20, 120, 600]))


# Stories of them

TOGETHER = (
    *(
        "a leap",
        "a stop of garbage",
        "a start of zero",
        "a stop without an id",
        "a spike",
        "an outage",
    ),
    *(
        "readings in another unit",
        "each message twice",
        "a clock that stands still",
        "readings after the stop",
    ),
    *("a clock put right on the way", "stands still and catches up", "a start that cannot be read"),
)


def liar_story(names: list[str], chance: Random) -> tuple[Story, Session]:
    """Three sessions on one connector, perhaps one beside them, with these lies in the second; and
    that session."""
    told = [LIES[name] for name in names]
    voice = chance.choice(
        [one for one in told[0].voices if all(one in other.voices for other in told)]
    )
    wanted = [one.connectors for one in told if one.connectors]
    connectors = wanted[0] if wanted else chance.choice([1, 1, 1, 2])
    story, minute, meter = Story([], lie=" and ".join(names)), 5.0, chance.uniform(20_000, 400_000)
    for number in range(1, 4):
        session = Session(
            number, 1, chance.choice(["ALICE", "BOB"]), minute, meter, _curve(chance), voice
        )
        story.sessions.append(session)
        minute, meter = session.end + chance.uniform(10, 300), meter + session.delivered
    lied = story.sessions[1]
    if connectors > 1:
        begin, meter = lied.begin + chance.uniform(-20, 20), chance.uniform(5_000_000, 6_000_000)
        story.sessions.append(Session(4, 2, "CAROL", begin, meter, _curve(chance), voice))
    for session in story.sessions:
        story.notes += tell(session)
    for one in told:
        one.change(story, lied, chance)
    return story, lied


def _curve(chance: Random) -> Curve:
    power = chance.choice(POWERS)
    first = (chance.uniform(45, 150), power)
    return chance.choice(
        [
            (first,),
            (first, (chance.uniform(10, 30), power / 2)),
            (first, (25.0, 0.0), (40.0, power)),
        ]
    )


@dataclass
class Report:
    """The results of sessions with lies, by lie."""

    table: defaultdict[str, Counter[Verdict]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: dict[str, str] = field(default_factory=dict)
    """The first silently wrong or lost one of each lie."""
    unflagged: Counter[str] = field(default_factory=Counter)
    """Where the lied session had to be under review and is not."""
    needless: Counter[str] = field(default_factory=Counter)
    """Under review in an honest story."""

    def add(self, played: Played, lied: Session, names: list[str]) -> None:
        told, name = [LIES[one] for one in names], names[0] if len(names) == 1 else "two lies"
        for outcome in played.outcomes():
            self.table[name][outcome.verdict] += 1
            if outcome.verdict in (Verdict.SILENT, Verdict.LOST):
                self.wrong.setdefault(name, timeline(played))
            if outcome.review is not None:
                self.needless[name] += len(told) == 1 and told[0].honest
            elif len(told) == 1 and told[0].must_flag and outcome.session is lied:
                self.unflagged[name] += 1

    def __str__(self) -> str:
        lines = [f"{'lie':36} {'sessions':>8} " + " ".join(f"{one:>14}" for one in Verdict)]
        total: Counter[Verdict] = Counter()
        for name, counts in sorted(self.table.items()):
            lines.append(_line(name, counts))
            total += counts
        lines += [_line("all", total), f"not under review, but had to be: {dict(+self.unflagged)}"]
        lines.append(f"needlessly under review: {dict(+self.needless)}")
        return "\n\n".join(["\n".join(lines), *list(self.wrong.values())[:SHOWN]])


def _line(name: str, counts: Counter[Verdict]) -> str:
    return f"{name:36} {counts.total():8} " + " ".join(f"{counts[one]:14}" for one in Verdict)


def _may_meet(one: str, other: str) -> bool:
    """Whether the charger that one lie requires can also have the other."""
    return any(voice in LIES[other].voices for voice in LIES[one].voices)


PAIRS = [
    [one, other] for one in TOGETHER for other in TOGETHER if one != other and _may_meet(one, other)
]


def names_of(chance: Random) -> list[str]:
    """Choose one lie, or sometimes two compatible ones."""
    return chance.choice(PAIRS) if chance.random() < 0.2 else [chance.choice(list(LIES))]


def liars(count: int, seed: int, report: Report) -> None:
    """Play this many stories with lies."""
    chance = Random(seed)
    for first in range(0, count, CHARGERS_IN_A_BOOK):
        with closing(in_memory()) as connection:
            books = Books(connection)
            for number in range(first, min(count, first + CHARGERS_IN_A_BOOK)):
                books.wait(60)
                names = names_of(chance)
                story, lied = liar_story(names, chance)
                report.add(play(story, books, f"CP-{number}"), lied, names)


def examine(count: int, seed: int) -> None:
    """Play this many stories over several seeds, and print the results."""
    report = Report()
    for one in range(seed, seed + SEEDS):
        liars(count // SEEDS, one, report)
    print(report)
