"""What pictures show, from what is read: their values, and the same as a table for those who cannot
see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from levity_trio.billing.money import CURRENCIES, units
from levity_trio.billing.months import Month
from levity_trio.locale import N_, _
from levity_trio.locale.formats import number, short_day, short_month, weekday
from levity_trio.locale.texts import said
from levity_trio.records import record
from levity_trio.store.reads.load.load import LoadDay, LoadDayLine
from levity_trio.store.reads.now.site import Energy
from levity_trio.store.reads.transactions.history import Figures, History, Series
from levity_trio.store.reads.transactions.power import ChargerPower, DayPower, PowerGap, WeekHistory
from levity_trio.store.reads.transactions.use import ChargerUse, Habits
from levity_trio.web.dashboard.charts import Band, Compared, Layer, StepsChart
from levity_trio.web.dashboard.money import money
from levity_trio.web.dashboard.page import Values
from levity_trio.web.dashboard.shapes import kwh, length, moment, period
from levity_trio.wire.times import in_zone

HOUR: Final = 3600
KILO: Final = 1000.0
HOUSE: Final = 7
CARS: Final = 0
"""Their colours."""


def day_values(day: DayPower, zone: tzinfo) -> Values:
    """Return the picture of a day by charger, and its hours as a table. Without any energy there is
    no picture."""
    if not day.gaps and not any((*day.quarters, *day.before)):
        return {"picture": None}
    since, step = moment(day.since), day.step_seconds
    gaps = [_gap(one, since, zone) for one in day.gaps]
    course = StepsChart(
        words=_("Power of the site today in kW, and yesterday as a line"),
        unit="kW",
        since=since,
        until=moment(day.until),
        zone=zone,
        step=step,
        layers=[
            Layer(words=_sum(one), values=_kilowatts(one.quarters, step), colour=one.number)
            for one in day.chargers
        ],
        whole=_kilowatts(day.quarters, step),
        behind=_kilowatts(day.before, step),
        gaps=gaps,
    )
    return {
        "picture": course,
        "hours": [*_hours(day, since, zone)],
        "chargers": day.chargers,
        "gaps": gaps,
    }


def _sum(charger: ChargerPower) -> str:
    return f"{charger.name or charger.charger}: {kwh(charger.energy_wh)} kWh"


def _kilowatts(energies: Sequence[float | None], step: int) -> list[float | None]:
    """Return the mean power of each step in kW."""
    return [None if wh is None else wh * HOUR / step / KILO for wh in energies]


def _gap(gap: PowerGap, since: datetime, zone: tzinfo) -> Band:
    """Return a time of which a charger has not told when energy flowed."""
    begin, end = moment(gap.since), moment(gap.until)
    words = _(
        "%(charger)s: not known, %(period)s",
        charger=gap.name or gap.charger,
        period=period(begin, end, begin, zone),
    )
    return Band((begin - since).total_seconds(), (end - since).total_seconds(), words)


def _hours(
    day: DayPower, since: datetime, zone: tzinfo
) -> Iterator[tuple[str, int | None, int | None]]:
    """Yield the beginning of each hour, and its Wh today and yesterday, None where these are
    unknown."""
    an_hour = HOUR // day.step_seconds
    for place in range(max(len(day.quarters), len(day.before)) // an_hour):
        part = slice(place * an_hour, (place + 1) * an_hour)
        begin = in_zone(since + timedelta(hours=place), zone)
        yield f"{begin:%H:%M}", _known(day.quarters[part]), _known(day.before[part])


def _known(energies: Sequence[int | None]) -> int | None:
    known = [wh for wh in energies if wh is not None]
    return sum(known) if known else None


# A day of the feeder


def phase_values(line: LoadDayLine, day: LoadDay, zone: tzinfo) -> StepsChart:
    """Return the picture of a phase of a circuit on a day: the cars on the house, and the limit.
    Where a house that is measured was not, the sum is unknown; where it never was, only the cars
    are shown."""
    since, step, house = moment(day.since), day.step_seconds, line.house_a
    layers, gaps, whole = (
        [Layer(words=_("Cars"), values=line.cars_a, colour=CARS)],
        list[Band](),
        line.cars_a,
    )
    if any(value is not None for value in house):
        layers.insert(0, Layer(words=_("House"), values=house, colour=HOUSE))
        both = [*zip(house, line.cars_a, strict=True)]
        whole = [None if other is None or cars is None else other + cars for other, cars in both]
        unknown = [
            place for place, (other, cars) in enumerate(both) if other is None and cars is not None
        ]
        gaps = [Band(place * step, (place + 1) * step, _("House: not known")) for place in unknown]
    limit, circuit = (
        max((one for one in line.limit_a if one is not None), default=0.0),
        said(line.circuit),
    )
    return StepsChart(
        words=_("Current at %(circuit)s, %(phase)s, in A", circuit=circuit, phase=line.phase),
        unit="A",
        since=since,
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
    present, last = (
        _("This month: %(kwh)s kWh"),
        _("Last month: %(kwh)s kWh, %(so_far)s of it by now"),
    )
    shown = [
        Compared(present % {"kwh": _short(energy.month_wh)}, energy.month_wh),
        Compared(
            last
            % {"kwh": _short(energy.last_month_wh), "so_far": _short(energy.last_month_so_far_wh)},
            energy.last_month_wh,
            energy.last_month_so_far_wh,
            is_present=False,
        ),
    ]
    return {"energy": shown, **_costs(history)}


def _short(wh: int) -> str:
    """Return energy as the sums above it are written: of 100 kWh on without decimals."""
    return kwh(wh, 1 if wh < 100_000 else 0)


def _costs(history: History | None) -> Values:
    if history is None or history.currency is None:
        return {"costs": None, "without_price": 0, "left": history.left if history else 0}
    currency, (before, present) = history.currency, history.series[0].figures
    names = (_("This month: %(cost)s"), _("Last month: %(cost)s"))
    shown = [
        Compared(
            name % {"cost": _cost(one, currency)},
            max(0, one.amount or 0),
            is_present=one is present,
        )
        for name, one in zip(names, (present, before), strict=True)
    ]
    return {"costs": shown, "without_price": history.without_price, "left": 0}


def _cost(figures: Figures, currency: str) -> str:
    """Return what sessions cost, and what of it no statement has yet."""
    amount, unbilled = figures.amount, figures.unbilled
    cost = money(amount, currency)
    if not unbilled:
        return cost
    if unbilled == amount:
        return _("%(cost)s, not billed yet", cost=cost)
    return _(
        "%(cost)s, %(unbilled)s of it not billed yet", cost=cost, unbilled=money(unbilled, currency)
    )


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
    """Return the pictures of a history: energy, costs, or both. `name` is that of the site or what
    stands for it."""
    labels, currency, found = (
        [label_of(one.name) for one in history.periods],
        history.currency,
        list[Stack](),
    )
    if shown != COST:
        layers = [
            Layer(
                f"{_name(one, name)}: {kwh(one.total.energy_wh)} kWh",
                [figures.energy_wh / KILO for figures in one.figures],
                one.number,
            )
            for one in history.series
        ]
        found.append(Stack(title=_("Energy"), layers=layers, labels=labels, unit="kWh"))
    if shown != ENERGY and currency is not None:
        layers = [
            layer
            for one in history.series
            for layer in _cost_layers(one, history.of, name, currency)
        ]
        found.append(
            Stack(title=_("Costs of sessions"), layers=layers, labels=labels, unit=currency)
        )
    return found


def _cost_layers(series: Series, grouping: str, name: str, currency: str) -> Iterator[Layer]:
    """Yield the costs of a series; those of the site in two layers, billed and not billed yet."""
    if grouping != "site":
        amounts = [figures.amount or 0 for figures in series.figures]
        yield _cost_layer(_name(series, name), amounts, series.number, currency)
        return
    unbilled = [figures.unbilled or 0 for figures in series.figures]
    billed = [(figures.amount or 0) - (figures.unbilled or 0) for figures in series.figures]
    if any(billed):
        yield _cost_layer(_("Billed"), billed, 0, currency)
    if any(unbilled):
        yield _cost_layer(_("Not billed yet"), unbilled, 1, currency)


def _cost_layer(name: str, amounts: Sequence[int], colour: int, currency: str) -> Layer:
    values = [float(units(amount, CURRENCIES[currency])) for amount in amounts]
    return Layer(f"{name}: {money(sum(amounts), currency)}", values, colour)


def _name(series: Series, name: str) -> str:
    if series.charger is None and series.account is None:
        return name
    return str(series.name or series.charger or series.account)


def label_of(name: str) -> str:
    """Return the label of a day, such as 2026-11-03, or of a month."""
    if len(name) == len("2026-11-03"):
        return short_day(date.fromisoformat(name))
    return short_month(Month.parse(name).first_day)


def months_values(history: History) -> Values:
    """Return a year of a household by month: energy and costs, and the same as a table, the newest
    first."""
    (series,) = history.series
    rows = zip(history.periods, series.figures, strict=True)
    return {
        "pictures": stacks(history, BOTH, _("This household")) if series.total.sessions else [],
        "rows": [(label_of(period.name), figures) for period, figures in rows if figures.sessions][
            ::-1
        ],
        "currency": history.currency,
        "without_price": history.without_price,
        "left": history.left,
    }


# The hours of a week

DAYS: Final = 7
A_WEEK: Final = [datetime(2024, 1, day + 1) for day in range(DAYS)]  # noqa: DTZ001 - the first one is a Monday


def week_values(week: WeekHistory) -> Values:
    """Return the hours of a week with the answer in words, and the same as a table: a row for each
    hour."""
    hours = week.hours
    most = max(range(len(hours)), key=lambda place: hours[place])
    return {
        "hours": hours,
        "busiest": (weekday(A_WEEK[most // 24]), f"{most % 24:02}:00", f"{(most + 1) % 24:02}:00"),
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
    shown = [
        Compared(_("Energy flowed for %(time)s", time=length(charging)), charging),
        Compared(
            _("A car waited for current for %(time)s", time=length(held)), held, is_present=False
        ),
        Compared(
            _("A car was there without charging for %(time)s", time=length(idle)),
            idle,
            is_present=False,
        ),
        Compared(
            _("For %(time)s it is not known", time=length(unknown)), unknown, is_present=False
        ),
    ]
    (series,) = history.series
    periods = zip(history.periods, series.figures, strict=True)
    return {
        "stacks": stacks(history, ENERGY, _("This charger")),
        "total": series.total,
        "rows": [
            (label_of(period.name), figures) for period, figures in periods if figures.sessions
        ],
        "times": [one for one in shown if one.value],
        "habits": [*_habits(use.habits)],
    }


def _habits(habits: Habits | None) -> Iterator[str]:
    """Yield the habits of a charger, a sentence each."""
    if habits is None:
        return
    begin, end = habits.begin_hour, (habits.begin_hour + 3) % 24
    yield _(
        "Most sessions begin between %(begin)s and %(end)s: %(some)s of %(all)s.",
        begin=f"{begin:02}:00",
        end=f"{end:02}:00",
        some=habits.beginning,
        all=habits.sessions,
    )
    yield _("The busiest day is %(day)s.", day=weekday(A_WEEK[habits.weekday - 1]))
    yield _(
        (
            "A session usually takes %(kwh)s kWh. The car stays %(plugged)s, and energy flows for "
            "%(charging)s of it."
        ),
        kwh=kwh(habits.energy_wh),
        plugged=length(habits.plugged_seconds),
        charging=length(habits.charging_seconds),
    )
