"""Transactions made at random, with the lies that chargers tell, and their judgements as the
present rules make them.

`python -m tests.tools.corpus.generated` writes `judgements.txt` anew, after the rules were changed
on purpose.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from operator import mul
from pathlib import Path
from random import Random
from typing import Any, Final

from levity_trio.charging.energy import RULES, judge
from levity_trio.charging.reviews import Code
from levity_trio.charging.sent.evidence import (
    Beside,
    Boundary,
    Case,
    Level,
    Neighbour,
    Power,
    SignedEvidence,
    StateOfCharge,
    View,
)
from levity_trio.charging.sent.power import HOUR

FILE: Final = Path(__file__).parents[2] / "charging" / "judgements.txt"
TRANSACTIONS: Final = 3000
COUNTS: Final = (0, 1, 2, 3, 5, 8, 12, 20, 40, 80)
SECONDS: Final = (10, 30, 60, 60, 300, 900, 3600)
WATTS: Final = (2300, 3700, 7200, 7200, 11_000, 22_000, 50_000)
STARTS: Final = (0, 1, 500, 12_345, 65_000, 999_000, 1_000_000, 1_480_321, 4_294_960_000)
MOST_LIES: Final = 3
HABITS: Final = (
    *(
        Code.ENDS_ROUNDED,
        Code.READINGS_UNIT,
        Code.WRONG_FACTOR,
        Code.SESSION_COUNT,
        Code.REGISTER_RESET,
    ),
    *(
        Code.REGISTER_ROLLED_OVER,
        Code.REGISTER_LEAPT,
        Code.START_GARBLED,
        Code.STOP_GARBLED,
        Code.STRAY_READING,
    ),
)


@dataclass
class Story:
    """What one transaction delivered, and what its charger told of it. Times in seconds since its
    begin."""

    random: Random
    start: int | None
    stop: int | None
    at: list[float]
    wh: list[int]
    """The readings of the register."""
    watts: list[float]
    ended: float
    digit: int = 1
    known: dict[str, Any] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """The index of any reading."""
        return self.random.randrange(len(self.wh))

    def rescale(self, factor: float) -> None:
        self.wh = [round(wh * factor) for wh in self.wh]


def delivered(random: Random) -> Story:
    """Return the story of a car that charges at a constant or at a changing power, told without a
    lie."""
    step, usual = random.choice(SECONDS), random.choice(WATTS)
    watts = [usual * share for share in _shares(random, random.choice(COUNTS))]
    lasted = [
        step * (random.choice((1, 1, 1, 1, 7)) if random.random() < 0.1 else 1) for _ in watts
    ]
    tail, start = random.randrange(step + 1), random.choice(STARTS)
    joules = list(accumulate(map(mul, watts, lasted), initial=0.0))
    at = [float(second) for second in accumulate(lasted)]
    stop = start + round((joules[-1] + tail * (watts[-1] if watts else usual)) / HOUR)
    readings = [start + round(flowed / HOUR) for flowed in joules[1:]]
    return Story(random, start, stop, at, readings, watts, (at[-1] if at else 0.0) + tail)


def _shares(random: Random, count: int) -> list[float]:
    """Return the power of each step, as a share of the usual one."""
    shape = random.choice(("steady", "steady", "sun", "pause", "on and off", "rest"))
    return [
        {
            "steady": 1 + random.uniform(-0.02, 0.02),
            "sun": random.random(),
            "pause": 0.0 if count / 3 < number < count / 2 else 1.0,
            "on and off": random.choice((0.0, 0.0, 1.0)),
            "rest": 0.0,
        }[shape]
        for number in range(count)
    ]


# Lies. Each changes what was told.


def _leap(story: Story) -> None:
    if story.wh:
        number, leap = story.number, story.random.choice((100, 1500, 60_000, 1_000_000))
        story.wh[number:] = [wh + leap for wh in story.wh[number:]]
        story.stop = None if story.stop is None else story.stop + leap * story.random.choice((0, 1))


def _strays(story: Story) -> None:
    for _ in range(story.random.choice((1, 1, 2, 5)) if story.wh else 0):
        number = story.number
        wh, less, more = (
            story.wh[number],
            story.random.randrange(5000),
            story.random.randrange(50_000),
        )
        story.wh[number] = story.random.choice((0, wh * 10, wh - less, wh + more, wh // 1000))


def _wrong_stop(story: Story) -> None:
    if story.stop is not None:
        story.stop += story.random.choice((-999, -50_000, -1, 1, 999, 9500, 100_000, -story.stop))


def _wrong_start(story: Story) -> None:
    if story.start is not None:
        story.start += story.random.choice((-999, -50_000, 12, 999, 9500, 100_000, -story.start))


def _stop_of_the_start(story: Story) -> None:
    story.stop = story.start


def _readings_in_kwh(story: Story) -> None:
    story.wh = [wh // 1000 for wh in story.wh]


def _wrong_factor(story: Story) -> None:
    factor = story.random.choice((10, 0.1, 1000, 0.001, 100))
    story.rescale(factor)
    story.start = None if story.start is None else round(story.start * factor)
    story.stop = None if story.stop is None else round(story.stop * factor)


def _readings_from_0(story: Story) -> None:
    story.wh = [wh - (story.start or 0) for wh in story.wh]


def _no_stop(story: Story) -> None:
    story.stop = None


def _no_start(story: Story) -> None:
    story.start, story.known["is_start_unknown"] = None, story.random.random() < 0.5


def _closed_by_the_system(story: Story) -> None:
    story.stop, story.known["is_stopped"] = None, False
    story.known["is_named_to_the_end"] = story.random.random() < 0.7


def _reset(story: Story) -> None:
    if story.wh:
        number = story.number
        story.wh[number:] = [wh - story.wh[number] for wh in story.wh[number:]]
        story.stop = None if story.stop is None else max(0, story.stop - (story.start or 0))


def _other_meter(story: Story) -> None:
    story.known["swapped_at"] = [story.random.uniform(0, story.ended)]
    if story.random.random() < 0.5:
        story.known["begin_of_new_meter"] = story.random.choice((0, story.stop or 7, 500))


def _power_in_kilowatts(story: Story) -> None:
    story.watts = [watts / 1000 for watts in story.watts]


def _wrong_power(story: Story) -> None:
    factor = story.random.choice((0, 0.3, 3))
    story.watts = [watts * factor for watts in story.watts]


def _rollover(story: Story) -> None:
    modulus = story.random.choice((2**16, 10**6, 2**32))
    story.wh = [wh % modulus for wh in story.wh]
    story.start = None if story.start is None else story.start % modulus
    story.stop = None if story.stop is None else story.stop % modulus


def _rounded_ends(story: Story) -> None:
    step = story.random.choice((10, 100, 1000))
    story.start = None if story.start is None else story.start // step * step
    story.stop = None if story.stop is None else story.stop // step * step


def _tenfold_power(story: Story) -> None:
    story.watts = [10 * watts for watts in story.watts]


def _wrong_order(story: Story) -> None:
    if len(story.wh) > 1:
        number = story.random.randrange(len(story.wh) - 1)
        story.wh[number : number + 2] = story.wh[number : number + 2][::-1]


def _clock(story: Story) -> None:
    story.known |= story.random.choice(({"is_timed": False}, {"is_backwards": True}))


def _fractions(story: Story) -> None:
    if story.start is not None and story.stop is not None:
        story.known |= {
            "start_exact": Decimal(story.start) / 10,
            "stop_exact": Decimal(story.stop) / 10,
        }


def _begin_and_end(story: Story) -> None:
    start, stop = story.start or 0, story.stop or 0
    story.known["begin_wh"] = story.random.choice((start, 0, start + 500))
    story.known["end_wh"] = story.random.choice((stop, 0, stop + 500))


def _available(story: Story) -> None:
    story.known["available_at"] = story.random.uniform(0, story.ended)


def _frozen(story: Story) -> None:
    if len(story.wh) > 3:
        number, count = story.random.randrange(len(story.wh) - 2), story.random.choice((2, 3, 10))
        story.wh[number : number + count] = [story.wh[number]] * len(
            story.wh[number : number + count]
        )


def _garbled(story: Story) -> None:
    story.known["garbled"] = ("12,5",)


def _rounded(story: Story) -> None:
    story.digit = story.random.choice((10, 100, 1000))
    story.wh = [wh // story.digit * story.digit for wh in story.wh]


LIES: Final[tuple[Callable[[Story], None], ...]] = (
    *(
        _leap,
        _strays,
        _wrong_stop,
        _wrong_start,
        _stop_of_the_start,
        _readings_in_kwh,
        _wrong_factor,
        _readings_from_0,
    ),
    *(
        _no_stop,
        _no_start,
        _closed_by_the_system,
        _reset,
        _other_meter,
        _power_in_kilowatts,
        _rollover,
    ),
    *(_wrong_power, _tenfold_power, _wrong_order, _rounded_ends),
    *(_clock, _fractions, _begin_and_end, _available, _frozen, _garbled, _rounded),
)


# Other evidence


def _power(story: Story) -> Power:
    told = story.random.choice(("all", "all", "all", "none", "some", "first", "range"))
    every = {"all": 1, "some": 3, "first": 1, "range": 1}.get(told)
    at, watts = story.at[::every], story.watts[::every]
    if told == "none":
        return Power()
    if told == "first":
        return Power(at[:2], watts[:2], watts[:2])
    return Power(at, watts, [3 * high for high in watts] if told == "range" else watts)


def _charges(story: Story) -> list[StateOfCharge]:
    """Return the state of charge at each reading: at most times it rises."""
    first, rise = story.random.randrange(5, 99), story.random.choice((0, 5, 30, 30))
    return [
        StateOfCharge(at, min(100.0, first + rise * number / len(story.at)))
        for number, at in enumerate(story.at)
    ]


def _neighbours(story: Story) -> dict[str, Any]:
    random, start, stop = story.random, story.start or 0, story.stop or 0
    found: dict[str, Any] = {}
    if random.random() < 0.4:
        begin, end = (
            random.choice((0, 9000)),
            random.choice((start, start - 300, start + 4000, None)),
        )
        found["before"] = Neighbour(
            max(0, start - begin),
            end,
            is_end_known=random.random() < 0.8,
            may_go_on=random.random() < 0.2,
        )
    if random.random() < 0.4:
        begin = random.choice((stop, stop + 300, max(0, stop - 4000), stop + 6000, 0))
        found["after"] = Neighbour(begin, random.choice((None, begin + 5000)))
    return found


def _beside(story: Story) -> dict[str, Any]:
    """Return a transaction on the other connector, which begins at a register of this one and rises
    with it."""
    if story.random.random() > 0.15 or len(story.wh) < 3 or story.start is None:
        return {}
    since = story.random.randrange(1, len(story.wh) - 1)
    at, wh = story.at[since:], story.wh[since:]
    watts = (
        [story.random.choice((0.0, 3700.0, 7200.0)) for _ in at]
        if story.random.random() < 0.7
        else []
    )
    power = Power(at, watts, watts) if watts else Power()
    view, earlier = (
        View(at[1:], wh[1:]),
        story.random.choice((None, Level(-600.0, story.start - 700))),
    )
    other = Beside(7, 2, at[0], story.ended + 60, wh[0], wh[-1] + 20, view, power, earlier)
    own = (
        Boundary(0.0, 0.0, story.start),
        Boundary(story.ended, story.ended, story.stop or story.wh[-1]),
    )
    return {"beside": (other,), "earlier": Level(-900.0, story.start), "boundaries": own}


def _exchanged(story: Story, known: dict[str, Any]) -> dict[str, Any]:
    """Let the charger confuse the ids of two stops: the next transaction begins at the stop of the
    other connector."""
    if not known.get("beside") or not story.stop or story.random.random() > 0.2:
        return {}
    (other,), stop = known["beside"], story.stop - story.random.choice((300, -300))
    return {"beside": (other._replace(stop=stop),), "after": Neighbour(stop, stop + 2000)}


def _doubtful(story: Story, known: dict[str, Any]) -> dict[str, Any]:
    """Put the neighbours under review: with other registers than they sent, on another scale, or
    reset."""
    random, found = story.random, dict[str, Any]()
    for place, sent in (("before", "replaced_end"), ("after", "replaced")):
        if place in known and random.random() < 0.3:
            register = max(0, (story.start or 0) + random.choice((-500, 300, 2000)))
            more = {
                sent: register,
                "is_scale_doubtful": random.random() < 0.3,
                "resets": random.choice((0, 2)),
            }
            found[place] = known[place]._replace(is_doubtful=True, **more)
    return found


def _habits(story: Story) -> dict[str, Any]:
    random = story.random
    known: dict[str, Any] = {"reports_power": random.random() < 0.4}
    if random.random() < 0.15:
        habit = random.choice(HABITS)
        known["habits"] = {habit: 10.0 if habit is Code.WRONG_FACTOR else 1}
        known["shown_factor"] = 10.0 if habit is Code.WRONG_FACTOR else None
    if random.random() < 0.2:
        known["ceiling_w"] = random.choice((3700, 7400, 11_000, 50_000))
    if random.random() < 0.15:
        known |= {"charges": _charges(story), "is_dc": random.random() < 0.8}
    return known


def _signed(story: Story, seed: int) -> dict[str, Any]:
    """Return what its meter signed, which is never wrong."""
    if story.random.random() > 0.03:
        return {}
    true = delivered(Random(seed))
    wh = (true.stop or 0) - (true.start or 0)
    return {"signed": SignedEvidence("doubtful", "", wh, 1, is_owners=True, is_timed=True)}


def _views(story: Story) -> list[View]:
    """Return the readings, perhaps with decimals, and perhaps some of them from transactionData,
    too."""
    if not story.wh:
        return []
    decimals = [wh + 0.3 for wh in story.wh] if story.random.random() < 0.05 else ()
    views = [View(story.at, story.wh, story.digit, decimals)]
    if len(story.wh) > 4 and story.random.random() < 0.15:
        other = story.random.choice((0, 0, 40))
        views.append(View(story.at[1:4], [wh + other for wh in story.wh[1:4]], story.digit))
    return views


def generated(seed: int) -> Case:
    """Return the transaction of this number, always the same."""
    story = delivered(Random(seed))
    for lie in story.random.choices(LIES, k=max(0, story.random.randrange(-2, MOST_LIES + 1))):
        lie(story)
    known: dict[str, Any] = {
        "views": _views(story),
        "power": _power(story),
        **_neighbours(story),
        **_beside(story),
        **_habits(story),
    }
    longest = max(story.ended, 60) + story.random.choice((0, 0, 0, 3600))
    known |= _exchanged(story, known)
    known |= _doubtful(story, known)
    known |= _signed(story, seed)
    ends: dict[str, Any] = {
        "begun": 0.0,
        "ended": story.ended,
        "start_wh": story.start,
        "stop_wh": story.stop,
    }
    return Case(**ends, longest=longest, received_seconds=story.ended, **known, **story.known)


def judgements() -> Iterator[str]:
    """Yield the version of the rules, then a line for each transaction: its figure, method, range
    and reviews."""
    yield f"rules {RULES}"
    for seed in range(TRANSACTIONS):
        found = judge(generated(seed))
        grounds = f"{found.method.replace(' ', '-')} {found.billed_from}-{found.billed_until}"
        reviews = ",".join(doubt.code.value for doubt in found.doubts) or "certain"
        yield (
            f"{seed} {found.wh} Wh {grounds} {reviews}{' confirmed' if found.is_confirmed else ''}"
        )


if __name__ == "__main__":
    FILE.write_text("\n".join(judgements()) + "\n")
