"""What pictures show, from what is read: their values, and the same as a table for those who cannot
see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta, tzinfo
from decimal import Decimal
from itertools import groupby
from typing import Final, NamedTuple

from levity_trio.billing.money import CURRENCIES, units
from levity_trio.billing.months import Month
from levity_trio.billing.statement import SUN as SUN_LINE
from levity_trio.charging.quarters import SECONDS as QUARTER
from levity_trio.locale import N_, _
from levity_trio.locale.formats import number, short_day, short_month, weekday
from levity_trio.locale.texts import said
from levity_trio.records import record
from levity_trio.store.reads.load.load import LoadDay, LoadDayLine
from levity_trio.store.reads.load.load_day import SunDay
from levity_trio.store.reads.money.tariffs import PricesAhead
from levity_trio.store.reads.now import Energy
from levity_trio.store.reads.transactions.bill import BillLine, BillQuarter
from levity_trio.store.reads.transactions.costs import Figures, History, Series
from levity_trio.store.reads.transactions.power import ChargerUse, DayPower, Habits, WeekHistory
from levity_trio.web.dashboard.charts import A_WEEK, Band, Compared, Layer, StepsChart
from levity_trio.web.dashboard.money import money
from levity_trio.web.dashboard.page import Values
from levity_trio.web.dashboard.shapes import kwh, length, moment, period
from levity_trio.wire.times import in_zone

HOUR: Final = 3600
KILO: Final = 1000.0
LASTING, SEVERAL = timedelta(days=27), 4
"""So long, and on so many days of the week, somebody must have charged before a picture says when
most is charged. A month has an hour less in spring."""
HOUSE: Final = 7
CARS: Final = 0
"""Their colours."""


def day_values(day: DayPower, zone: tzinfo) -> Values:
    """Return the picture of a day by charger, and its hours as a table. Without any energy there is
    no picture."""
    if not day.gaps and not any(day.quarters) and not any(day.before):
        return {"picture": None}
    since = moment(day.since)
    step = day.step_seconds

    # Of some times a charger has not told when energy flowed.
    gaps: list[Band] = []
    for gap in day.gaps:
        begin, end = moment(gap.since), moment(gap.until)
        name = gap.name or gap.charger
        during = period(begin, end, begin, zone)
        words = _("%(charger)s: not known, %(period)s", charger=name, period=during)
        first, last = (begin - since).total_seconds(), (end - since).total_seconds()
        gaps.append(Band(first, last, words))
    layers: list[Layer] = []
    for charger in day.chargers:
        words = f"{charger.name or charger.charger}: {kwh(charger.energy_wh)} kWh"
        values = _kilowatts(charger.quarters, step)
        layers.append(Layer(words=words, values=values, colour=charger.number))
    course = StepsChart(
        words=_("Power of the site today in kW, and yesterday as a line"),
        unit="kW",
        since=since,
        until=moment(day.until),
        zone=zone,
        step=step,
        layers=layers,
        whole=_kilowatts(day.quarters, step),
        behind=_kilowatts(day.before, step),
        gaps=gaps,
    )

    # The table has the Wh of each hour, today and yesterday.
    hours: list[tuple[str, int | None, int | None]] = []
    an_hour = HOUR // step
    steps = max(len(day.quarters), len(day.before))
    for place in range(steps // an_hour):
        part = slice(place * an_hour, (place + 1) * an_hour)
        begin = in_zone(since + timedelta(hours=place), zone)
        today, yesterday = _known(day.quarters[part]), _known(day.before[part])
        hours.append((f"{begin:%H:%M}", today, yesterday))
    return {"picture": course, "hours": hours, "chargers": day.chargers, "gaps": gaps}


def _kilowatts(energies: Sequence[float | None], step: int) -> list[float | None]:
    """Return the mean power of each step in kW."""
    return [None if wh is None else wh * HOUR / step / KILO for wh in energies]


def _known(energies: Sequence[int | None]) -> int | None:
    known = [wh for wh in energies if wh is not None]
    return sum(known) if known else None


# A day of the feeder


def phase_values(line: LoadDayLine, day: LoadDay, zone: tzinfo) -> StepsChart:
    """Return the picture of a phase of a circuit on a day: the cars on the house, and the limit."""
    step = day.step_seconds
    layers = [Layer(words=_("Cars"), values=line.cars_a, colour=CARS)]
    gaps: list[Band] = []
    whole = line.cars_a
    if any(value is not None for value in line.house_a):
        # Where a house that is measured was not, the sum is unknown. Where it never was, only the
        # cars are shown.
        layers.insert(0, Layer(words=_("House"), values=line.house_a, colour=HOUSE))
        whole = []
        for place, (house, cars) in enumerate(zip(line.house_a, line.cars_a, strict=True)):
            whole.append(None if house is None or cars is None else house + cars)
            if house is None and cars is not None:
                gaps.append(Band(place * step, (place + 1) * step, _("House: not known")))
    limit = max((amperes for amperes in line.limit_a if amperes is not None), default=0.0)
    circuit = said(line.circuit)
    return StepsChart(
        words=_("Current at %(circuit)s, %(phase)s, in A", circuit=circuit, phase=line.phase),
        unit="A",
        since=moment(day.since),
        until=moment(day.until),
        zone=zone,
        step=step,
        layers=layers,
        whole=whole,
        limit=line.limit_a,
        limit_words=f"{circuit} {number(limit, 0)} A",
        gaps=gaps,
        digits=0,
    )


# The month


def month_values(energy: Energy, history: History | None) -> Values:
    """Return this month beside the last: its energy, and its cost by the history of both, if that
    may be seen."""
    if not energy.month_wh and not energy.last_month_wh:
        return {"energy": None}
    present = _("This month: %(kwh)s kWh", kwh=_short(energy.month_wh))
    last = _(
        "Last month: %(kwh)s kWh, %(so_far)s of it by now",
        kwh=_short(energy.last_month_wh),
        so_far=_short(energy.last_month_so_far_wh),
    )
    compared = [
        Compared(present, energy.month_wh),
        Compared(last, energy.last_month_wh, energy.last_month_so_far_wh, is_present=False),
    ]
    if history is None or history.currency is None:
        left = history.left if history else 0
        return {"energy": compared, "costs": None, "without_price": 0, "left": left}

    before_this, this_month = history.series[0].figures
    now = _("This month: %(cost)s", cost=_cost(this_month, history.currency))
    earlier = _("Last month: %(cost)s", cost=_cost(before_this, history.currency))
    costs = [
        Compared(now, max(0, this_month.amount or 0)),
        Compared(earlier, max(0, before_this.amount or 0), is_present=False),
    ]
    unpriced = history.without_price
    return {"energy": compared, "costs": costs, "without_price": unpriced, "left": 0}


def _short(wh: int) -> str:
    """Return energy as the sums above it are written: of 100 kWh on without decimals."""
    return kwh(wh, 1 if wh < 100_000 else 0)


def _cost(figures: Figures, currency: str) -> str:
    """Return what sessions cost, and what of it no statement has yet."""
    cost = money(figures.amount, currency)
    unbilled = figures.unbilled
    if not unbilled:
        return cost
    if unbilled == figures.amount:
        return _("%(cost)s, not billed yet", cost=cost)
    words = N_("%(cost)s, %(unbilled)s of it not billed yet")
    return _(words, cost=cost, unbilled=money(unbilled, currency))


# History


ENERGY, COST, BOTH = "energy", "cost", "both"
SHOWN: Final[Mapping[str, str]] = {
    ENERGY: N_("energy"),
    COST: N_("costs"),
    BOTH: N_("energy and costs"),
}


@record
class Stack:
    """A picture of bars in layers, and its title."""

    title: str
    layers: Sequence[Layer]
    labels: Sequence[str]
    unit: str


def stacks(history: History, shown: str, name: str) -> list[Stack]:
    """Return the pictures of a history with one series, of what is called so: energy, costs, or
    both."""
    (series,) = history.series
    labels = [label_of(each.name) for each in history.periods]
    pictures: list[Stack] = []
    if shown != COST:
        words = f"{name}: {kwh(series.total.energy_wh)} kWh"
        energies = [figures.energy_wh / KILO for figures in series.figures]
        layers = [Layer(words, energies, 0)]
        title = _("Energy")
        pictures.append(Stack(title=title, layers=layers, labels=labels, unit="kWh"))

    currency = history.currency
    if shown != ENERGY and currency is not None:
        layers = list(_cost_layers(series, currency))
        title = _("Costs of sessions")
        pictures.append(Stack(title=title, layers=layers, labels=labels, unit=currency))
    return pictures


def _cost_layers(series: Series, currency: str) -> Iterator[Layer]:
    """Yield the costs of a series: what is billed, and what is not yet."""
    amounts = [figures.amount or 0 for figures in series.figures]
    unbilled = [figures.unbilled or 0 for figures in series.figures]
    billed = [amount - rest for amount, rest in zip(amounts, unbilled, strict=True)]
    if any(billed):
        yield _cost_layer(_("Billed"), billed, 0, currency)
    if any(unbilled):
        yield _cost_layer(_("Not billed yet"), unbilled, 1, currency)


def _cost_layer(name: str, amounts: Sequence[int], colour: int, currency: str) -> Layer:
    values = [float(units(amount, CURRENCIES[currency])) for amount in amounts]
    return Layer(f"{name}: {money(sum(amounts), currency)}", values, colour)


def shares(history: History, shown: str) -> list[tuple[Series, float]]:
    """Return the series of a history, the largest first, with the length of a bar in percent of the
    longest one; what is nobody's comes last."""

    def size(series: Series) -> int:
        total = series.total
        return max(0, (total.amount or 0) if shown == COST else total.energy_wh)

    highest = max(map(size, history.series), default=0) or 1
    ordered = sorted(
        history.series, key=lambda one: (one.charger is None and one.account is None, -size(one))
    )
    return [(one, round(100 * size(one) / highest, 1)) for one in ordered]


def label_of(name: str) -> str:
    """Return the label of a day, such as 2026-11-03, or of a month."""
    if len(name) == len("2026-11-03"):
        return short_day(date.fromisoformat(name))
    return short_month(Month.parse(name).first_day)


def months_values(history: History) -> Values:
    """Return a year of a household by month: energy and costs, and the same as a table, the newest
    first."""
    (series,) = history.series
    rows = _rows(history, series)
    pictures: Sequence[Stack] = ()
    if series.total.sessions:
        pictures = stacks(history, BOTH, _("This household"))
    return {
        "pictures": pictures,
        "rows": rows[::-1],
        "open_wh": history.open_wh,
        "currency": history.currency,
        "without_price": history.without_price,
        "left": history.left,
    }


def _rows(history: History, series: Series) -> list[tuple[str, Figures]]:
    """Return the periods in which somebody charged, with their figures."""
    periods = zip(history.periods, series.figures, strict=True)
    return [(label_of(each.name), figures) for each, figures in periods if figures.sessions]


# The hours of a week


def week_values(week: WeekHistory) -> Values:
    """Return the hours of a week with the answer in words, and the same as a table: a row for each
    hour."""
    hours = week.hours
    most = hours.index(max(hours))
    day = weekday(A_WEEK[most // 24])

    # A day or two show no habit.
    lasted = moment(week.before) - moment(week.since)
    used = sum(any(hours[first : first + 24]) for first in range(0, len(hours), 24))
    return {
        "is_habit": lasted >= LASTING and used >= SEVERAL,
        "hours": hours,
        "busiest": (day, f"{most % 24:02}:00", f"{(most + 1) % 24:02}:00"),
        "days": [weekday(day) for day in A_WEEK],
        "rows": [(f"{hour:02}:00", hours[hour::24]) for hour in range(24)],
        "energy_wh": week.energy_wh,
        "unknown_wh": week.unknown_wh,
    }


# A charger


def use_values(use: ChargerUse, history: History) -> Values:
    """Return a month of a charger: its days, the time of cars in it, and its habits in words."""
    charging, unknown, held = use.charging_seconds, use.unknown_seconds, use.held_seconds
    idle = max(0, use.plugged_seconds - charging - unknown - held)
    times = [
        (N_("Energy flowed for %(time)s"), charging),
        (N_("A car waited for current for %(time)s"), held),
        (N_("A car was there without charging for %(time)s"), idle),
        (N_("For %(time)s it is not known"), unknown),
    ]
    compared: list[Compared] = []
    for place, (words, seconds) in enumerate(times):
        if seconds:
            shown = _(words, time=length(seconds))
            compared.append(Compared(shown, seconds, is_present=place == 0))
    (series,) = history.series
    return {
        "stacks": stacks(history, ENERGY, _("This charger")),
        "total": series.total,
        "rows": _rows(history, series),
        "times": compared,
        "habits": _habits(use.habits),
    }


def _habits(habits: Habits | None) -> list[str]:
    """Return the habits of a charger, a sentence each."""
    if habits is None:
        return []
    begins = _(
        "Most sessions begin between %(begin)s and %(end)s: %(some)s of %(all)s.",
        begin=f"{habits.begin_hour:02}:00",
        end=f"{(habits.begin_hour + 3) % 24:02}:00",
        some=habits.beginning,
        all=habits.sessions,
    )
    busiest = _("The busiest day is %(day)s.", day=weekday(A_WEEK[habits.weekday - 1]))
    words = N_(
        "A session usually takes %(kwh)s kWh. The car stays %(plugged)s, and energy flows for "
        "%(charging)s of it."
    )
    usual = _(
        words,
        kwh=kwh(habits.energy_wh),
        plugged=length(habits.plugged_seconds),
        charging=length(habits.charging_seconds),
    )
    return [begins, busiest, usual]


# Prices that move


GRID, SUN = 0, 6
CHEAP, USUAL, OVER = 0, 1, 2
"""Their colours, and the looks of a price: cheap, another one, and one of which the time is
over."""
FINER: Final = 2
"""A kWh is priced in so many decimals more than money has."""


def price_pictures(
    ahead: PricesAhead, at: str, zone: tzinfo
) -> Sequence[tuple[StepsChart, Sequence[str], int]]:
    """Return pictures of what a kWh costs today and tomorrow, with one scale, as of a time; when
    the hours of each day begin; and how many of its quarters are over."""
    now, step = moment(at), timedelta(seconds=QUARTER)
    reach = [float(price) for day in ahead.days for price in day.prices if price is not None]
    pictures: list[tuple[StepsChart, list[str], int]] = []
    for day in ahead.days:
        begins = [moment(day.since) + place * step for place in range(len(day.prices))]
        prices = [None if price is None else float(price) for price in day.prices]
        cheap = [(moment(some.since), moment(some.until)) for some in day.cheap]
        looks: list[int] = []
        for begin in begins:
            is_cheap = any(first <= begin < last for first, last in cheap)
            looks.append(OVER if begin < now else CHEAP if is_cheap else USUAL)
        gaps: list[Band] = []
        for price, some in groupby(range(len(prices)), prices.__getitem__):
            unknown = [place * QUARTER for place in some]
            if price is None:
                gaps.append(Band(unknown[0], unknown[-1] + QUARTER, _("not known yet")))
        layers: list[Layer] = []
        for look, words in ((OVER, _("past")), (USUAL, _("usual")), (CHEAP, _("cheap"))):
            values = [
                price if each == look else None for price, each in zip(prices, looks, strict=True)
            ]
            layers.append(Layer(words, values, look))
        picture = StepsChart(
            words=_("What a kWh costs, %(day)s", day=short_day(day.day, has_weekday=True)),
            unit=ahead.currency,
            since=begins[0],
            until=begins[-1] + step,
            zone=zone,
            step=QUARTER,
            layers=layers,
            whole=prices,
            gaps=gaps,
            digits=CURRENCIES[ahead.currency].exponent + FINER,
            reach=reach,
        )
        hours = [f"{in_zone(begin, zone):%H:%M}" for begin in begins[::4]]
        pictures.append((picture, hours, looks.count(OVER)))
    return pictures


class QuarterOfSession(NamedTuple):
    """What a quarter of an hour of a session cost, exactly; of it what came from the grid, and what
    was own sun."""

    since: str
    grid_wh: int
    grid: Decimal
    sun_wh: int
    sun: Decimal
    is_divided: bool
    is_fallback: bool
    is_unmeasured: bool

    @property
    def price(self) -> Decimal | None:
        """What a kWh from the grid cost; None if all was sun."""
        return self.grid * 1000 / self.grid_wh if self.grid_wh else None


def quarter_values(lines: Iterable[BillLine], currency: str, zone: tzinfo) -> Values:
    """Return what a session cost by the quarter of an hour, by lines of which a later one may take
    back an earlier one; without any, no `rows`."""
    taken = defaultdict[str, list[tuple[bool, BillQuarter]]](list)
    for line in lines:
        for one in line.quarters:
            taken[one.since].append((line.window == SUN_LINE, one))
    every = [_quarter_of(since, some) for since, some in sorted(taken.items())]
    rows = [row for row in every if row.grid_wh or row.sun_wh]
    if not rows:
        return {"rows": rows}

    begin, step = moment(rows[0].since), timedelta(seconds=QUARTER)
    until = moment(rows[-1].since) + step
    has_sun = any(row.sun_wh for row in rows)
    of = {moment(row.since): row for row in rows}
    course = [of.get(begin + place * step) for place in range((until - begin) // step)]
    layers = [Layer(_("Grid"), [row and float(row.grid) for row in course], GRID)]
    if has_sun:
        sun = Layer(_("Own sun"), [row and float(row.sun) for row in course], SUN)
        layers.insert(0, sun)
    cost = StepsChart(
        words=_("What each quarter-hour cost"),
        unit=currency,
        since=begin,
        until=until,
        zone=zone,
        step=QUARTER,
        layers=layers,
        whole=[row and float(row.grid + row.sun) for row in course],
        digits=CURRENCIES[currency].exponent + FINER,
    )
    words = _("What a kWh from the grid cost") if has_sun else _("What a kWh cost")
    prices = [float(row.price) if row and row.price is not None else None for row in course]
    priced = sorted((row.price, row.since) for row in rows if row.price is not None)
    return {
        "rows": rows,
        "cost": cost,
        "price": replace(cost, words=words, layers=[Layer(words, prices)], whole=prices),
        "has_sun": has_sun,
        "extremes": [priced[0], priced[-1]] if len({price for price, _at in priced}) > 1 else [],
    }


def _quarter_of(since: str, some: Sequence[tuple[bool, BillQuarter]]) -> QuarterOfSession:
    """Return a quarter of a session from its parts."""
    sums = {is_sun: (0, Decimal()) for is_sun in (False, True)}
    for is_sun, one in some:
        wh, cost = sums[is_sun]
        sums[is_sun] = wh + one.wh, cost + one.wh * Decimal(one.price) / 1000
    kept = [one for _is_sun, one in some if one.wh > 0]
    marks = (
        any(one.is_divided for one in kept),
        any(one.is_fallback for one in kept),
        any(one.is_unmeasured for one in kept),
    )
    return QuarterOfSession(since, *sums[False], *sums[True], *marks)


# The sun of the house


def sun_values(day: SunDay, zone: tzinfo) -> Values:
    """Return from where the cars drew today, and the same by the hour as a table: the begin of each
    hour, what they took in Wh, and what of it was own sun. Without any energy there is no
    picture."""
    cars = [None if one is None else one.cars_wh for one in day.quarters]
    sun = [None if one is None else one.sun_wh for one in day.quarters]
    grid = [None if of is None else of - (own or 0) for of, own in zip(cars, sun, strict=True)]
    since = moment(day.since)
    hours: list[tuple[str, int | None, int | None]] = []
    for place in range(0, len(cars), HOUR // QUARTER):
        begin = in_zone(since + timedelta(seconds=place * QUARTER), zone)
        part = slice(place, place + HOUR // QUARTER)
        hours.append((f"{begin:%H:%M}", _known(cars[part]), _known(sun[part])))
    layers = [
        Layer(_("Own sun"), _kilowatts(sun, QUARTER), SUN),
        Layer(_("Grid"), _kilowatts(grid, QUARTER), GRID),
    ]
    picture = StepsChart(
        words=_("Power of the cars today in kW, from own sun and from the grid"),
        unit="kW",
        since=since,
        until=moment(day.until),
        zone=zone,
        step=QUARTER,
        layers=layers,
        whole=_kilowatts(cars, QUARTER),
    )
    return {"picture": picture if day.cars_wh else None, "hours": hours}
