"""Series whose text is made once: a scrape only joins it with a number.

prometheus_client writes all labels of all series anew at each scrape, 9 µs a line: for 200 chargers a quarter of a
second in which its thread and the loop fight for the interpreter lock, and with it for the answers that chargers wait
for. Here a line takes a twentieth of that. What few series have no charger in them are left to that library.

Numbers are changed on the loop and written in a thread; each is one object that is there as a whole.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate
from typing import ClassVar, Final, Generic, Protocol, TypeVar

Number = int | float

ZERO_SECONDS: Final = 9.0
"""A little less than the 10 s between two scrapes as we configure them."""
BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0)
"""Seconds. Few, since each is a line for each charger and action."""
WRITE_BUCKETS: Final = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0)


class Series(Protocol):
    """What a family consists of."""

    TYPE: ClassVar[str]

    def __init__(self, name: str, labels: str) -> None:
        """A name, and what follows it: `{cp_id="…"}`."""

    def lines(self, now: float) -> str:
        """Its lines, at this moment of a clock that only goes forward, in seconds."""


S = TypeVar("S", bound=Series)


class Gauge:
    """A number that goes up and down."""

    __slots__ = ("_text", "value")
    TYPE: ClassVar[str] = "gauge"

    def __init__(self, name: str, labels: str) -> None:
        self._text = f"{name}{labels} "
        self.value: Number = 0

    def lines(self, now: float) -> str:  # noqa: ARG002 - it is the same for all
        return f"{self._text}{self.value}\n"


class Counter:
    """A number that never falls.

    A series that begins with 1 hides its first event from increase(). So a new one is 0 for its first scrape, and for
    ZERO_SECONDS after it, because others may look in between.
    """

    __slots__ = ("_shown_at", "_text", "value")
    TYPE: ClassVar[str] = "counter"

    def __init__(self, name: str, labels: str) -> None:
        self._text = f"{name}{labels} "
        self._shown_at = math.inf
        self.value: Number = 0

    def set(self, value: Number) -> None:
        """Go on from an earlier run: such a series is no new one."""
        self._shown_at = -math.inf
        self.value = value

    def lines(self, now: float) -> str:
        if self._shown_at < now - ZERO_SECONDS:
            return f"{self._text}{self.value}\n"
        self._shown_at = min(self._shown_at, now)
        return f"{self._text}0\n"


class Histogram:
    """How often a number was how large."""

    __slots__ = ("_bounds", "_counts", "_sum", "_text")

    TYPE: ClassVar[str] = "histogram"

    def __init__(self, name: str, labels: str, bounds: Sequence[float] = BUCKETS) -> None:
        inside = f"{labels[1:-1]}," if labels else ""
        names = [f'{name}_bucket{{{inside}le="{bound}"}} ' for bound in (*bounds, "+Inf")]
        names += [f"{name}_count{labels} ", f"{name}_sum{labels} "]
        self._text = "".join([f"{one.replace('%', '%%')}%s\n" for one in names])
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, number: float) -> None:
        """Count a number."""
        self._counts[bisect_left(self._bounds, number)] += 1
        self._sum += number

    def lines(self, now: float) -> str:  # noqa: ARG002
        counts = tuple(accumulate(self._counts.copy()))
        return self._text % (*counts, counts[-1], self._sum)


class WriteHistogram(Histogram):
    """How often so many writes."""

    __slots__ = ()

    def __init__(self, name: str, labels: str) -> None:
        super().__init__(name, labels, WRITE_BUCKETS)


CHARGER: Final = ("cp_id",)


class Family(Generic[S]):
    """All series of one name, told apart by the values of its labels."""

    __slots__ = ("_head", "_kind", "_open_metrics_head", "_series", "labels", "name")

    def __init__(self, kind: type[S], name: str, text: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self._kind = kind
        self.labels = labels
        told = name.removesuffix("_total") if kind.TYPE == Counter.TYPE else name
        self._head = f"# HELP {name} {text}\n# TYPE {name} {kind.TYPE}\n"
        self._open_metrics_head = f"# HELP {told} {text}\n# TYPE {told} {kind.TYPE}\n"
        self._series: dict[tuple[str, ...], S] = {}

    def __getitem__(self, values: tuple[str, ...]) -> S:
        """The series with these values of the labels; it begins where it is not there yet."""
        series = self._series.get(values)
        if series is None:
            series = self._series[values] = self._kind(self.name, _labels(self.labels, values))
        return series

    def begin(self, values: tuple[str, ...]) -> S:
        """Let a series begin at 0, if it is not there yet."""
        return self[values]

    def remove(self, values: tuple[str, ...]) -> None:
        """Say nothing more of these."""
        self._series.pop(values, None)

    def known(self) -> list[tuple[str, ...]]:
        """The values of the labels of each series."""
        return list(self._series)

    def lines(self, now: float, hidden: Collection[str] = (), *, is_open_metrics: bool = False) -> Iterator[str]:
        """The text of the whole family; its name is told before anything of it happened.

        Of hidden chargers nothing is told. They are counted on, for when they are shown again. OpenMetrics differs in
        the name of a family of counters only, as far as ours go.
        """
        yield self._open_metrics_head if is_open_metrics else self._head
        is_of_chargers = self.labels[:1] == CHARGER
        for values, series in list(self._series.items()):
            if not (is_of_chargers and values[0] in hidden):
                yield series.lines(now)


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    pairs = [f'{name}="{_quoted(value)}"' for name, value in zip(names, values, strict=True)]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
