"""Series with labels as text: at a scrape, only the number is formatted.

prometheus_client formats all labels of all series at each scrape, 9 µs a line. For 200 chargers its
thread competes with the event loop for the interpreter lock for a quarter of a second, which delays
responses to chargers. Here a line takes a twentieth of that. The process and platform metrics still
come from that library.

Values are changed on the event loop and read in a thread. Each value is a single object, so no lock
is needed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import ClassVar, Final, Generic, Protocol, TypeVar

Number = int | float

ZERO_SECONDS: Final = 9.0
"""A little less than the scrape interval of 10 s that `levity-trio deploy` configures."""
BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0)
"""Upper bounds in seconds. Each adds a line per charger and action, so there are few."""
WRITE_BUCKETS: Final = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0)


class Series(Protocol):
    """One series of a family."""

    TYPE: ClassVar[str]

    def __init__(self, name: str, labels: str) -> None:
        """`labels` is the text that follows the name: `{cp_id="…"}`, or nothing."""

    def lines(self, now: float) -> str:
        """Return the lines of the series; `now` is a monotonic time in seconds."""


S = TypeVar("S", bound=Series)


class Gauge:
    """A value that can rise and fall."""

    __slots__ = ("_labels", "_name", "value")
    TYPE: ClassVar[str] = "gauge"

    def __init__(self, name: str, labels: str) -> None:
        self._name, self._labels = name, labels
        self.value: Number = 0

    def lines(self, now: float) -> str:  # noqa: ARG002 - part of the protocol
        return f"{self._name}{self._labels} {self.value}\n"


class Counter:
    """A value that never falls.

    PromQL's increase() misses the first event of a series that begins with 1. A new series is
    therefore 0 in its first scrape and for ZERO_SECONDS after it, in case of a scrape by another
    client. That holds at each server, although one of them exports the series of the site: when it
    takes over, the others' series must not begin with 0 again.
    """

    __slots__ = ("_labels", "_name", "_shown_at", "value")
    TYPE: ClassVar[str] = "counter"

    def __init__(self, name: str, labels: str) -> None:
        self._name, self._labels = name, labels
        self._shown_at = math.inf
        self.value: Number = 0

    def set(self, value: Number) -> None:
        """Set the value of an earlier run, which is shown at once."""
        self._shown_at = -math.inf
        self.value = value

    def lines(self, now: float) -> str:
        if self._shown_at < now - ZERO_SECONDS:
            return f"{self._name}{self._labels} {self.value}\n"
        self._shown_at = min(self._shown_at, now)
        return f"{self._name}{self._labels} 0\n"


class Histogram:
    """A distribution of observed values over buckets."""

    __slots__ = ("_bounds", "_counts", "_labels", "_name", "_sum")

    TYPE: ClassVar[str] = "histogram"

    def __init__(self, name: str, labels: str, bounds: Sequence[float] = BUCKETS) -> None:
        self._name, self._labels, self._bounds = name, labels, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, number: float) -> None:
        """Add a value to the distribution."""
        self._counts[bisect_left(self._bounds, number)] += 1
        self._sum += number

    def lines(self, now: float) -> str:  # noqa: ARG002
        counts = tuple(accumulate(self._counts.copy()))
        text = _template(self._name, self._bounds, is_plain=not self._labels)
        return text.replace(LABELS, self._labels[1:-1].replace("%", "%%")) % (
            *counts,
            counts[-1],
            self._sum,
        )


class WriteHistogram(Histogram):
    """A histogram with buckets for numbers of writes."""

    __slots__ = ()

    def __init__(self, name: str, labels: str) -> None:
        super().__init__(name, labels, WRITE_BUCKETS)


CHARGER: Final = ("cp_id",)
LABELS: Final = "\0"
"""Stands for the labels in what histograms share."""


class Family(Generic[S]):
    """All series of one metric name, identified by their label values."""

    __slots__ = ("_head", "_kind", "_open_metrics_head", "_series", "is_own", "labels", "name")

    def __init__(
        self,
        kind: type[S],
        name: str,
        text: str,
        labels: tuple[str, ...] = (),
        *,
        is_own: bool = True,
    ) -> None:
        self.name = name
        self.is_own = is_own
        """Whether it is about this server, not about the whole site."""
        self._kind = kind
        self.labels = labels
        open_metrics_name = name.removesuffix("_total") if kind.TYPE == Counter.TYPE else name
        self._head = f"# HELP {name} {text}\n# TYPE {name} {kind.TYPE}\n"
        self._open_metrics_head = (
            f"# HELP {open_metrics_name} {text}\n# TYPE {open_metrics_name} {kind.TYPE}\n"
        )
        self._series: dict[tuple[str, ...], S] = {}

    def __getitem__(self, values: tuple[str, ...]) -> S:
        """Return the series with these label values, creating it if needed."""
        series = self._series.get(values)
        if series is None:
            series = self._series[values] = self._kind(self.name, _labels(self.labels, values))
        return series

    def begin(self, values: tuple[str, ...]) -> S:
        """Create a series at 0 if it does not exist; return it."""
        return self[values]

    def remove(self, values: tuple[str, ...]) -> None:
        """Remove the series with these label values."""
        self._series.pop(values, None)

    def known(self) -> list[tuple[str, ...]]:
        """Return the label values of all series."""
        return list(self._series)

    def lines(
        self, now: float, hidden: Collection[str] = (), *, is_open_metrics: bool = False
    ) -> Iterator[str]:
        """Yield the text of the family; the head comes even if there are no series.

        Series of hidden chargers are omitted but still counted, for when the charger is shown
        again. For these families, OpenMetrics differs only in the head of counters.
        """
        yield self._open_metrics_head if is_open_metrics else self._head
        is_of_chargers = self.labels[:1] == CHARGER
        for values, series in list(self._series.items()):
            if not (is_of_chargers and values[0] in hidden):
                yield series.lines(now)


@lru_cache
def _template(name: str, bounds: Sequence[float], *, is_plain: bool) -> str:
    """Return the lines of a histogram. They would be a kilobyte for each charger and action, so all
    of one name share them.
    """
    labels, first = ("", "") if is_plain else (f"{{{LABELS}}}", f"{LABELS},")
    names = [f'{name}_bucket{{{first}le="{bound}"}}' for bound in (*bounds, "+Inf")]
    return "".join(
        [f"{line} %s\n" for line in (*names, f"{name}_count{labels}", f"{name}_sum{labels}")]
    )


@lru_cache(maxsize=64)
def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """Return the text that follows a name; the series of one charger, which begin together, share
    it."""
    pairs = [f'{name}="{_quoted(value)}"' for name, value in zip(names, values, strict=True)]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
