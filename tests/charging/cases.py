"""Cases for the judge, told briefly: registers in Wh, times in minutes since the start."""

from collections.abc import Mapping, Sequence
from typing import Any

from levity_trio.charging.energy import Judgement, judge
from levity_trio.charging.evidence import Case, Power, View

CERTAIN, DOUBTFUL = "certain", "doubtful"
HOUR = 60
Minutes = Sequence[tuple[float, int]]


def view(readings: Minutes, digit: int = 1) -> View:
    """Readings of the billed register, as (minute, Wh)."""
    return View([minute * 60.0 for minute, _ in readings], [wh for _, wh in readings], digit)


def power(watts: Mapping[float, float]) -> Power:
    """Power that was told, in W by minute."""
    told = sorted(watts.items())
    at, drawn = [minute * 60.0 for minute, _ in told], [float(value) for _, value in told]
    return Power(at, drawn, drawn)


def steady(watts: float, *minutes: float) -> dict[float, float]:
    """The same power each time."""
    return dict.fromkeys(minutes, watts)


def case(
    start: int | None,
    stop: int | None,
    readings: Minutes = (),
    minutes: float = HOUR,
    watts: Mapping[float, float] | None = None,
    digit: int = 1,
    **known: Any,
) -> Case:
    """A transaction that began at 0; without a stop it ends with its last reading."""
    last = minutes if stop is not None or not readings else readings[-1][0]
    told: dict[str, Any] = {
        "longest": max(0, minutes) * 60.0,
        "views": [view(readings, digit)] if readings else [],
    } | known
    return Case(begun=0.0, ended=last * 60.0, start_wh=start, stop_wh=stop, power=power(watts or {}), **told)


def found(known: Case) -> tuple[int, str, str, set[str]]:
    """The figure of a case, its method, its confidence and the codes of its reviews."""
    judgement = judge(known)
    return judgement.wh, judgement.method, judgement.confidence, codes(judgement)


def codes(judgement: Judgement) -> set[str]:
    """Why a person should look."""
    return {doubt.code.value for doubt in judgement.doubts}


def certain(wh: int, method: str = "register") -> tuple[int, str, str, set[str]]:
    """What is expected where nothing contradicts."""
    return wh, method, CERTAIN, set()


def doubtful(wh: int, method: str, *reviews: str) -> tuple[int, str, str, set[str]]:
    """What is expected where something does."""
    return wh, method, DOUBTFUL, set(reviews)
