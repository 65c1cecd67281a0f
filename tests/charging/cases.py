"""Short notation of cases for the judge: registers in Wh, times in minutes since the start."""

from collections.abc import Mapping, Sequence
from typing import Any

from levity_trio.charging.energy import Judgement, judge
from levity_trio.charging.sent.evidence import Case, Power, View

CERTAIN, DOUBTFUL = "certain", "doubtful"
HOUR = 60
Minutes = Sequence[tuple[float, int]]


def view(readings: Minutes, digit: int = 1) -> View:
    """Return readings of the billed register, given as (minute, Wh)."""
    return View([minute * 60.0 for minute, _ in readings], [wh for _, wh in readings], digit)


def power(watts: Mapping[float, float]) -> Power:
    """Return reported power, given in W by minute."""
    reported = sorted(watts.items())
    at, drawn = [minute * 60.0 for minute, _ in reported], [float(value) for _, value in reported]
    return Power(at, drawn, drawn)


def steady(watts: float, *minutes: float) -> dict[float, float]:
    """Return the same power at each minute."""
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
    """Return a transaction that begins at minute 0 and, without a stop, ends at its last
    reading."""
    last = minutes if stop is not None or not readings else readings[-1][0]
    other: dict[str, Any] = {
        "longest": max(0, minutes) * 60.0,
        "views": [view(readings, digit)] if readings else [],
    } | known
    return Case(
        begun=0.0,
        ended=last * 60.0,
        start_wh=start,
        stop_wh=stop,
        power=power(watts or {}),
        **other,
    )


def found(known: Case) -> tuple[int, str, str, set[str]]:
    """Judge a case; return figure, method, confidence and codes of the reviews."""
    judgement = judge(known)
    return judgement.wh, judgement.method, judgement.confidence, codes(judgement)


def codes(judgement: Judgement) -> set[str]:
    return {doubt.code.value for doubt in judgement.doubts}


def certain(wh: int, method: str = "register") -> tuple[int, str, str, set[str]]:
    """Return the expected result if nothing contradicts."""
    return wh, method, CERTAIN, set()


def doubtful(wh: int, method: str, *reviews: str) -> tuple[int, str, str, set[str]]:
    """Return the expected result if something does."""
    return wh, method, DOUBTFUL, set(reviews)
