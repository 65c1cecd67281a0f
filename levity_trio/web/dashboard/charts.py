"""Charts as SVG, made on the server: curves of power and register, days and bars in layers, and
small curves without an axis; and their arithmetic: fewer points with the same extremes, gaps, and
ticks at round values and times.

Colours, widths and fonts are in assets/chart.css. Positions along the time are per cent of the
width, so that labels keep their size on a narrow screen; shapes are stretched. Labels of levels
stand left of the plot, where the sheet leaves room. assets/chart.js shows the value under a finger.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import count, pairwise
from statistics import median
from typing import Final, NamedTuple

import orjson
from markupsafe import Markup

from levity_trio.locale.formats import number, short_day, weekday
from levity_trio.records import record
from levity_trio.wire.times import in_zone, shifted

WIDTH: Final = 1000
"""Units across a shape, which is stretched to the width of the chart."""
TOP, PLOT, BOTTOM = 20, 140, 24
"""Heights in pixels: above the highest tick, between the ticks, and beneath for labels."""
HEIGHT: Final = TOP + PLOT + BOTTOM
SHADES: Final = 4
"""Different looks of bands."""
MIDDLE: Final = 94.0
"""A label of a time beyond this per cent is written inwards. On the left there is room: that of the
levels' labels."""


@record(kw_only=False)
class Band:
    """A stretch of time in which a price holds. Bands of one `shade` look the same."""

    since: float
    until: float
    words: str
    shade: int = 0


@record
class CurveChart:
    """A curve from `since` to `until`. Its points are seconds after `since` and values in `unit`,
    in order of time.

    `words` say what it shows, also to those who cannot see it. An area begins at 0. Between points
    that are further apart than `longest_step` seconds (None: several times their usual distance)
    nothing is drawn.
    """

    words: str
    unit: str
    points: Sequence[Point]
    since: datetime
    until: datetime
    zone: tzinfo
    digits: int = 1
    is_area: bool = False
    bands: Sequence[Band] = ()
    longest_step: float | None = None


@record(kw_only=False)
class Layer:
    """What one of several adds to a chart: a value for each step, None where it is unknown.
    `colour` is always the same for the same charger or household; `words` say whose it is, and how
    much."""

    words: str
    values: Sequence[float | None]
    colour: int = 0


@record
class StepsChart:
    """A course in equal steps of `step` seconds: its layers, one on the other; behind them, as a
    line, another course.

    `gaps` are where something is unknown. What is under the finger is the sum, `whole`.
    """

    words: str
    unit: str
    since: datetime
    until: datetime
    zone: tzinfo
    step: int
    layers: Sequence[Layer]
    whole: Sequence[float | None]
    behind: Sequence[float | None] = ()
    limit: Sequence[float | None] = ()
    """Drawn as a line, on which `limit_words` stand."""
    limit_words: str = ""
    gaps: Sequence[Band] = ()
    digits: int = 1
    reach: Sequence[float] = ()
    """Values beside its own to which the scale goes."""


# Curves and courses, with axes


def curve(course: CurveChart) -> Markup:
    """Return a curve with its axes, its bands, and its points for assets/chart.js."""
    seconds = _seconds(course)
    within = [(at, value) for at, value in course.points if 0 <= at <= seconds]
    points = reduced(within)
    values = [value for _, value in points] or [0.0]
    scale = ticks(0.0 if course.is_area else min(values), max(values))
    low = scale[0].at
    span = scale[-1].at - low

    # Nothing is drawn where readings are missing.
    limit = course.longest_step
    if limit is None:
        limit = longest_step([at for at, _ in points])
    line = area = ""
    for run in runs(points, limit):
        places = [(at / seconds * WIDTH, (1 - (value - low) / span) * PLOT) for at, value in run]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        line += f"M{path}"
        if len(run) == 1:
            # A line of no length is a dot.
            line += "h0"
        area += f"M{places[0][0]:.1f} {PLOT}L{path}L{places[-1][0]:.1f} {PLOT}Z"

    shape = _SHAPE.format(
        top=TOP,
        height=PLOT,
        box=f"0 0 {WIDTH} {PLOT}",
        area=_AREA.format(area) if course.is_area else "",
        line=line,
    )
    bands = _joined(_band(band, seconds) for band in course.bands)
    shown = [(round(at, 1), round(value, 3)) for at, value in points]
    return _with_axes(course, scale, shown, bands + shape)


def _seconds(course: CurveChart | StepsChart) -> float:
    return max(1.0, (course.until - course.since).total_seconds())


_CHART: Final = Markup(
    '<svg class="chart full" width="100%" height="{height}" role="img" tabindex="0" '
    'aria-label="{words}" data-begin="{begin}" data-seconds="{seconds}" data-unit="{unit}" '
    'data-digits="{digits}" data-points="{points}">{below}{scale}{above}{times}'
    '<line class="cross" y1="{top}" y2="{bottom}"/></svg>'
)
_SHAPE: Final = Markup(
    '<svg x="0" y="{top}" width="100%" height="{height}" viewBox="{box}" '
    'preserveAspectRatio="none">{area}<path class="line" d="{line}"/></svg>'
)
_AREA: Final = Markup('<path class="area" d="{}"/>')
_LABEL: Final = Markup('<text class="level" x="-6" y="{}" text-anchor="end">{}</text>')
_LEVEL: Final = Markup('<line class="axis{kind}" x1="0" x2="100%" y1="{y}" y2="{y}"/>{label}')
_TIME: Final = Markup('<text x="{at}%" y="{y}" text-anchor="{anchor}">{label}</text>')
_BAND: Final = Markup(
    '<rect class="{kind}" x="{at}%" y="{top}" width="{width}%" '
    'height="{height}"><title>{words}</title></rect>'
)


def _with_axes(
    course: CurveChart | StepsChart,
    scale: Sequence[Tick],
    points: Sequence[Point],
    below: Markup,
    above: Markup | str = "",
) -> Markup:
    """Return what is drawn, with its axes, and its points for assets/chart.js. The levels of the
    values are drawn over `below` and under `above`."""
    seconds = _seconds(course)
    times = time_ticks(course.since, course.until, course.zone)
    return _CHART.format(
        words=course.words,
        height=HEIGHT,
        begin=course.since.timestamp(),
        seconds=seconds,
        unit=course.unit,
        digits=course.digits,
        points=orjson.dumps(points).decode(),
        below=below,
        scale=_scale(scale, course.unit),
        above=above,
        times=_joined(_time(tick, seconds) for tick in times),
        top=TOP,
        bottom=TOP + PLOT,
    )


def _scale(scale: Sequence[Tick], unit: str) -> Markup:
    """Return the levels of the values, labelled left of the plot, and their unit above."""
    drawn = Markup()
    for place, tick in enumerate(scale):
        y = round(TOP + PLOT * (1 - place / (len(scale) - 1)), 1)
        label = _LABEL.format(round(y + 4, 1), tick.label)
        kind = " zero" if place and not tick.at else ""
        drawn += _LEVEL.format(kind=kind, y=y, label=label)
    return drawn + _LABEL.format(TOP // 2, unit)


def _time(tick: Tick, seconds: float) -> Markup:
    at = round(tick.at / seconds * 100, 2)
    anchor = "end" if at > MIDDLE else "middle"
    return _TIME.format(at=at, y=TOP + PLOT + 16, anchor=anchor, label=tick.label)


def _band(band: Band, seconds: float, kind: str = "") -> Markup:
    since, until = (min(max(at / seconds * 100, 0.0), 100.0) for at in (band.since, band.until))
    return _BAND.format(
        kind=kind or f"band shade-{band.shade % SHADES}",
        at=round(since, 2),
        top=TOP,
        width=round(max(0.0, until - since), 2),
        height=PLOT,
        words=band.words,
    )


# Layers

COLOURS: Final = 8
"""Different colours of chargers and households; beyond that they come again, and the labels tell
them apart."""
_Run = list[tuple[int, float, float]]
"""Steps in a row without a gap: the number of each, and the values at which a layer begins and
ends."""


def steps(course: StepsChart) -> Markup:
    """Return a course in steps with its axes."""
    seconds = _seconds(course)
    count = max(1, round(seconds / course.step))
    values = (*course.whole, *course.behind, *course.limit, *course.reach)
    known = [value for value in values if value is not None]
    scale = ticks(min([0.0, *known]), max([0.0, *known]))
    box = f"0 0 {count} {PLOT}"

    gaps = _joined(_band(gap, seconds, "gap") for gap in course.gaps)
    layers = _joined(_layers(course.layers, scale, box))
    line = _outline(course.behind[:count], scale)
    behind = _BEHIND.format(box=box, top=TOP, height=PLOT, line=line)

    limit = Markup()
    limits = [value for value in course.limit if value is not None]
    if limits:
        # Its words stand above its highest place.
        limit = _LIMIT.format(
            top=TOP,
            height=PLOT,
            box=box,
            line=_outline(course.limit[:count], scale),
            y=TOP + _height(max(limits), scale) - 4,
            words=course.limit_words,
        )

    points: list[Point] = []
    for place, value in enumerate(course.whole):
        if value is not None:
            middle = course.step * (place + 0.5)
            points.append((round(middle), round(value, course.digits)))
    return _with_axes(course, scale, points, gaps + layers + behind, limit)


_LAYER: Final = Markup(
    '<g class="layer c{colour}"><svg y="{top}" height="{height}" viewBox="{box}" '
    'preserveAspectRatio="none"><path d="{path}"><title>{words}</title></path></svg><text '
    'class="tip" x="4" y="12">{words}</text></g>'
)
_BEHIND: Final = Markup(
    '<svg y="{top}" height="{height}" viewBox="{box}" preserveAspectRatio="none">'
    '<path class="behind" d="{line}"/></svg>'
)


_LIMIT: Final = Markup(
    '<svg y="{top}" height="{height}" viewBox="{box}" preserveAspectRatio="none"><path '
    'class="limit" d="{line}"/></svg><text class="limit" x="100%" y="{y}" '
    'text-anchor="end">{words}</text>'
)


def _layers(layers: Sequence[Layer], scale: Sequence[Tick], box: str) -> Iterator[Markup]:
    """Yield each layer on those before it."""
    # What is below 0 goes down from there, whatever stands above.
    floor: dict[tuple[int, bool], float] = {}
    for layer in layers:
        parts: list[_Run] = []
        for place, value in enumerate(layer.values):
            if not value:
                continue
            if not parts or parts[-1][-1][0] != place - 1:
                parts.append([])
            base = floor.get((place, value < 0), 0.0)
            floor[place, value < 0] = base + value
            parts[-1].append((place, base, base + value))
        path = "".join(_stepped(part, scale) for part in parts)
        yield _layer(layer, box, path)


def _layer(layer: Layer, box: str, path: str) -> Markup:
    return _LAYER.format(
        colour=layer.colour % COLOURS,
        top=TOP,
        height=PLOT,
        box=box,
        path=path,
        words=layer.words,
    )


def _stepped(part: _Run, scale: Sequence[Tick]) -> str:
    """Return the outline of a layer: along its upper edge, and back along its lower one. Levels
    that stay are one."""
    upper = _levels([(place, _height(top, scale)) for place, _base, top in part])
    lower = _levels([(place, _height(base, scale)) for place, base, _top in part])
    back = "".join(f"V{level}H{begin}" for begin, level in reversed(lower))
    first, *rest = upper
    over = "".join(f"H{begin}V{level}" for begin, level in rest)
    return f"M{first[0]} {first[1]}{over}H{part[-1][0] + 1}{back}Z"


def _outline(values: Sequence[float | None], scale: Sequence[Tick]) -> str:
    """Return the line of a course, broken where it is unknown."""
    drawn = ""
    level: int | None = None
    for place, value in enumerate(values):
        if value is None:
            if level is not None:
                drawn += f"H{place}"
            level = None
            continue
        now = _height(value, scale)
        if level is None:
            drawn += f"M{place} {now}"
        elif now != level:
            drawn += f"H{place}V{now}"
        level = now
    return drawn if level is None else f"{drawn}H{len(values)}"


def _levels(places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return where each level begins."""
    begins: list[tuple[int, int]] = []
    for place, level in places:
        if not begins or begins[-1][1] != level:
            begins.append((place, level))
    return begins


def _height(value: float, scale: Sequence[Tick]) -> int:
    low, high = scale[0].at, scale[-1].at
    return round((high - value) / (high - low) * PLOT)


def stack(layers: Sequence[Layer], labels: Sequence[str], unit: str, words: str) -> Markup:
    """Return bars in layers, one bar for each label; of many labels, only the first, middle and
    last are written."""
    count = len(labels)
    totals = [0.0] * count
    for layer in layers:
        for place, value in enumerate(layer.values[:count]):
            totals[place] += max(0.0, value or 0.0)
    scale = ticks(0.0, max(totals, default=0.0))

    # Beside its layers, a bar shows its sum under the pointer.
    sums = Markup()
    if count <= MOST_SUMS:
        for place, (total, label) in enumerate(zip(totals, labels, strict=True)):
            sums += _SUM.format(
                at=round(100 * place / count, 2),
                top=TOP,
                width=round(100 / count, 2),
                height=PLOT,
                words=f"{label}: {number(total, 1)} {unit}",
            )
    written = range(count) if count <= MOST_LABELS else (0, count // 2, count - 1)
    return _STACK.format(
        words=words,
        height=HEIGHT,
        kind=" single" if len(layers) == 1 else "",
        sums=sums,
        scale=_scale(scale, unit),
        layers=_joined(_stacked(layers, scale, count)),
        labels=_joined(_time(Tick(place + 0.5, labels[place]), count) for place in written),
    )


_STACK: Final = Markup(
    '<svg class="chart full stack{kind}" width="100%" height="{height}" role="img" '
    'aria-label="{words}">'
    "{sums}{scale}{layers}{labels}</svg>"
)
_SUM: Final = Markup(
    '<rect class="sum" x="{at}%" y="{top}" width="{width}%" '
    'height="{height}"><title>{words}</title></rect>'
)
MOST_SUMS: Final = 62
"""Each of so many bars tells its sum under the pointer. If they are more, they are too narrow for
that."""
MOST_LABELS: Final = 7
BAR, BESIDE = 8, 1
"""The width of a bar in a stack, and the room on each side of it."""


def _stacked(layers: Sequence[Layer], scale: Sequence[Tick], count: int) -> Iterator[Markup]:
    whole = BAR + 2 * BESIDE
    box = f"0 0 {whole * max(1, count)} {PLOT}"
    floors = [0.0] * count
    for layer in layers:
        path = ""
        for place, value in enumerate(layer.values):
            if value is None or value <= 0:
                continue
            low = _height(floors[place], scale)
            top = _height(floors[place] + value, scale)
            floors[place] += value
            path += f"M{place * whole + BESIDE} {low}V{top}h{BAR}V{low}z"
        yield _layer(layer, box, path)


WEEK: Final = 7
A_WEEK: Final = [datetime(2024, 1, day + 1) for day in range(WEEK)]  # noqa: DTZ001 - the first one is a Monday
SHADES_OF_WEEK: Final = 5
LINE: Final = 22
"""The height of a day in a picture of a week."""


def week(hours: Sequence[float], words: str) -> Markup:
    """Return the hours of a week, from Monday 00:00 on, the darker the more. What is nothing stays
    empty."""
    highest = max(hours, default=0.0)
    paths: dict[int, str] = {}
    for place, value in enumerate(hours):
        if value > 0:
            shade = math.ceil(value / highest * SHADES_OF_WEEK)
            day, hour = divmod(place, DAY // HOUR)
            paths[shade] = paths.get(shade, "") + f"M{hour} {day}h1v1h-1z"

    days = Markup()
    for place, date in enumerate(A_WEEK):
        days += _LABEL.format(round((place + 0.5) * LINE + 4), weekday(date))
    return _WEEK.format(
        words=words,
        height=WEEK * LINE + BOTTOM,
        plot=WEEK * LINE,
        cells=_joined(
            _CELLS.format(shade=shade, path=path) for shade, path in sorted(paths.items())
        ),
        days=days,
        hours=_joined(
            _WEEK_HOUR.format(at=round(hour / 24 * 100, 2), y=WEEK * LINE + 16, hour=hour)
            for hour in _HOURS
        ),
    )


_HOURS: Final = (0, 6, 12, 18)
_WEEK: Final = Markup(
    '<svg class="chart full week" width="100%" height="{height}" role="img" aria-label="{words}">'
    '<svg width="100%" height="{plot}" viewBox="0 0 24 7" preserveAspectRatio="none">'
    '<path class="ground" d="M0 0h24v7H0z"/>{cells}</svg>{days}{hours}</svg>'
)
_CELLS: Final = Markup('<path class="hot-{shade}" d="{path}"/>')
_WEEK_HOUR: Final = Markup('<text x="{at}%" y="{y}">{hour:02}:00</text>')


@record(kw_only=False)
class Compared:
    """A value beside others, with its words; `part` of it is drawn darker (None: all)."""

    words: str
    value: float
    part: float | None = None
    is_present: bool = True


ROW: Final = 44
"""The height of a compared value: its words, and its bar beneath."""


def compared(rows: Sequence[Compared], words: str) -> Markup:
    """Return few values one beneath the other, of one unit."""
    highest = max((row.value for row in rows), default=0.0) or 1.0
    drawn = Markup()
    for place, row in enumerate(rows):
        y = place * ROW
        widths = [("" if row.is_present else " before", row.value)]
        if row.part is not None:
            widths.append((" then", row.part))
        bars = Markup()
        for kind, value in widths:
            width = round(100 * max(value, 0.0) / highest, 1)
            bars += _COMPARED_BAR.format(kind=kind, y=y + 22, width=width)
        drawn += _COMPARED_ROW.format(words=row.words, y=y + 15, bars=bars)
    return _COMPARED.format(words=words, height=len(rows) * ROW, rows=drawn)


_COMPARED: Final = Markup(
    '<svg class="chart pair" width="100%" height="{height}" role="img" '
    'aria-label="{words}">{rows}</svg>'
)
_COMPARED_ROW: Final = Markup('<text x="0" y="{y}">{words}</text>{bars}')
_COMPARED_BAR: Final = Markup(
    '<rect class="bar{kind}" x="0" y="{y}" width="{width}%" height="14" rx="2"/>'
)


# Shapes


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


MOST_POINTS: Final = 500
MOST_TICKS: Final = 5
LEAST_TICKS: Final = 3
GAP_STEPS: Final = 3
"""Readings that are missing in a row make a gap."""
SHORTEST_GAP: Final = 180.0
MINUTE, HOUR, DAY = 60, 3600, 86_400
_ROUND: Final = (1.0, 2.0, 2.5, 5.0)
_NARROWEST: Final = 1e-6
"""A range that is smaller, compared with the size of its values, is widened."""
_SECONDS: Final = (1, 2, 5, 10, 15, 30)
_TIMES: Final = (
    *_SECONDS,
    *(MINUTE * one for one in (1, 2, 5, 10, 15, 20, 30)),
    *(HOUR * one for one in (1, 2, 3, 4, 6, 12)),
    *(DAY * one for one in (1, 2, 4, 7, 14, 28, 56, 112, 224, 448, 896)),
)

Point = tuple[float, float]
"""Seconds since the beginning of the chart, and a value."""


class Tick(NamedTuple):
    """A place on an axis, and its label."""

    at: float
    label: str


def reduced(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """Return at most so many points: of equal stretches of time the lowest and the highest, and the
    last of all.

    The points are in order of time.
    """
    if len(points) <= most:
        return list(points)
    first, last = points[0][0], points[-1][0]
    stretches = max(1, (most - 1) // 2)
    width = (last - first) / stretches or 1.0
    kept: dict[int, tuple[int, int]] = {}
    for place, (at, value) in enumerate(points):
        stretch = min(stretches - 1, int((at - first) / width))
        low, high = kept.get(stretch, (place, place))
        if value < points[low][1]:
            low = place
        if value > points[high][1]:
            high = place
        kept[stretch] = low, high
    places = {len(points) - 1}
    for lowest_and_highest in kept.values():
        places.update(lowest_and_highest)
    return [points[place] for place in sorted(places)]


def longest_step(times: Sequence[float]) -> float:
    """Return how far apart two readings may be without a gap: several times their usual
    distance."""
    steps = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    return max(SHORTEST_GAP, GAP_STEPS * median(steps)) if steps else SHORTEST_GAP


def runs(points: Sequence[Point], longest: float) -> list[list[Point]]:
    """Return the points in runs without a gap."""
    lines: list[list[Point]] = []
    for point in points:
        if lines and point[0] - lines[-1][-1][0] <= longest:
            lines[-1].append(point)
        else:
            lines.append([point])
    return lines


def ticks(low: float, high: float) -> list[Tick]:
    """Return three to five ticks at round values, the first not above `low` and the last not below
    `high`."""
    narrowest = max(_NARROWEST, max(abs(low), abs(high)) * _NARROWEST)
    if high - low < narrowest:
        high = low + max(1.0, narrowest)

    # Round steps, from the last one below the least that can do.
    power = math.floor(math.log10((high - low) / MOST_TICKS))
    wider_steps = (factor * 10.0**exponent for exponent in count(power) for factor in _ROUND)
    step = next(wider_steps)
    while math.ceil(high / step) - math.floor(low / step) >= MOST_TICKS:
        step = next(wider_steps)
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + LEAST_TICKS - 1)
    digits = max(0, 1 - math.floor(math.log10(step)))
    values = [round(place * step, digits) for place in range(first, last + 1)]

    # Decimals that are 0 at each tick are not written.
    while digits and all(round(value, digits - 1) == value for value in values):
        digits -= 1
    return [Tick(value, number(value, digits)) for value in values]


def time_ticks(since: datetime, until: datetime, zone: tzinfo) -> list[Tick]:
    """Return ticks at round times of the zone, three to five of them in all but the shortest
    stretches of time."""
    seconds = (until - since).total_seconds()
    moments: list[datetime] = []
    for step in _TIMES:
        if step * 2 * MOST_TICKS < seconds:
            continue
        narrower = moments
        moments = _moments(since, until, zone, step)
        if len(moments) <= MOST_TICKS:
            # From too many to too few: every second one of the step before.
            if len(moments) < LEAST_TICKS < len(narrower):
                moments = narrower[::2]
            break
    shown: list[Tick] = []
    for at in moments:
        label = _label(in_zone(at, zone), step, seconds)
        shown.append(Tick((at - since).total_seconds(), label))
    return shown


def _moments(since: datetime, until: datetime, zone: tzinfo, step: int) -> list[datetime]:
    """Return the round times of a step: the wall clock of the zone shows multiples of it."""
    begin = in_zone(since, zone).replace(tzinfo=None)
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    if step >= DAY:
        # Weeks begin on a Monday.
        midnight -= timedelta(days=(midnight.toordinal() - 1) % (step // DAY))
    first = math.floor(((begin - midnight).total_seconds() - HOUR) / step)
    steps_within = math.ceil((until - since).total_seconds() / step)
    most = steps_within + 2 + math.ceil(3 * HOUR / step)
    # In autumn, an hour comes twice: the wall clock goes back, too.
    folds = (0, 1) if step < HOUR else (0,)
    moments: set[datetime] = set()
    for place in range(first, first + most):
        wall = shifted(midnight, timedelta(seconds=place * step))
        for fold in folds:
            moment = in_zone(wall.replace(tzinfo=zone, fold=fold), since.tzinfo)
            if since <= moment <= until:
                moments.add(moment)
    return sorted(moments)


def _label(local: datetime, step: int, seconds: float) -> str:
    is_midnight = local.hour == local.minute == local.second == 0
    if step >= DAY or (is_midnight and seconds > 7 * DAY):
        return short_day(local)
    if is_midnight:
        return weekday(local)
    return f"{local:%H:%M:%S}" if step < MINUTE else f"{local:%H:%M}"


SMALL: Final = (300, 40)
"""Width and height of a small curve."""


class Sparkline(NamedTuple):
    """The paths of a curve in a box of the size SMALL, and its highest power in W."""

    area: str
    line: str
    highest: float


def sparkline(points: Sequence[tuple[float, float]]) -> Sparkline | None:
    """Return the curve of power (seconds, W), None if there is too little to draw."""
    if len(points) < 2 or points[-1][0] <= points[0][0]:
        return None
    width, height = SMALL
    began = points[0][0]
    lasts = points[-1][0] - began
    highest = max(watts for _, watts in points)
    scale = (height - 2) / (highest or 1)
    places: list[str] = []
    for at, watts in points:
        x = width * (at - began) / lasts
        y = height - max(watts, 0) * scale
        places.append(f"{x:.0f} {y:.1f}")
    line = "M" + "L".join(places)
    return Sparkline(f"{line}L{width} {height}L0 {height}Z", line, highest)


QUIET: Final = 4
"""Modules of the zone around a QR code."""


def modules(rows: Sequence[str]) -> str:
    """Return the dark modules of a QR code as a path: a bar for each run of them in a row."""
    path = ""
    for y, row in enumerate(rows, QUIET):
        for run in _DARK.finditer(row):
            length = len(run[0])
            path += f"M{run.start() + QUIET} {y}h{length}v1h-{length}z"
    return path


_DARK: Final = re.compile("1+")
