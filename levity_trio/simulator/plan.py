"""What happens in a run: its chargers, visits and incidents, drawn from a scenario and a seed, and
put on agendas.

All is drawn before the first connection. A property of a share of the fleet (DC, a quirk) is
assigned by the charger's index. Everything else comes from the charger's own generators, seeded
with the seed and the charger's identifier. So adding a charger changes nothing for the others, and
a run can be repeated exactly. The exception is `quirks = "each"`, which depends on the size of a
fleet that has fewer chargers than there are quirks.

The agenda of a charger runs its visits and incidents in the order of their simulated times,
whatever else it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial
from math import ceil, exp, floor
from random import Random
from typing import Any, Final

from levity_trio.records import record
from levity_trio.simulator.charger import connectors
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import AC, DC, ChargerSpec, Impossible
from levity_trio.simulator.physics import Vehicle
from levity_trio.simulator.quirks import QUIRKS
from levity_trio.simulator.scenario import Kind, Mishaps, Scenario

HOUR: Final = 3600
_OLDEST_REGISTER_WH: Final = 9_000_000
GRIZZLE: Final = "grizzl-e"
SHARED: Final = "shared-meter"
"""Needs a charger with two connectors."""
_MODELS: Final = {
    AC: (
        {"model": "Home 7", "phases": 1, "max_current_a": 32.0},
        {"model": "Home 11", "phases": 3, "max_current_a": 16.0},
        {"model": "Duo 22", "phases": 3, "max_current_a": 32.0, "connectors": 2},
    ),
    DC: (
        {"model": "Fast 50", "phases": 3, "max_power_w": 50_000.0},
        {"model": "Fast 150", "phases": 3, "max_power_w": 150_000.0, "connectors": 2},
    ),
}
LAST_QUIET_SECONDS: Final = 600
"""Nothing happens at the very end, so that messages queued during an outage still reach the central
system."""
_HOURS_PER_DAY: Final = 24
_TAG_FIRST_SHARE: Final = 0.3
_ENDS_BY_TAG_SHARE: Final = 0.6
_BETWEEN_SECONDS: Final = (3, 40)
"""Between plug and tag; shorter than a charger's ConnectionTimeOut."""
_FAREWELL_SECONDS: Final = 30
_CHANGING_SECONDS: Final = (60, 600)
_NOTICED_SHARE: Final = 0.5
_OLDEST_SWAPPED_WH: Final = 9_000_000
NOTICED_SECONDS: Final = 60.0


def dice_of(seed: int, *what: str) -> Random:
    """Return a generator for this purpose, independent of the generators for other purposes."""
    return Random(":".join((str(seed), *what)))  # noqa: S311 - people and weather are no secrets


def is_dealt(index: int, share: float, offset: float) -> bool:
    """Whether the charger at `index` belongs to the `share`, which is spread evenly from `offset`
    (0 to 1) on."""
    return floor((index + 1) * share + offset) > floor(index * share + offset)


def moments(rates: Sequence[float], end: float, dice: Random) -> Iterator[float]:
    """Yield the events of a Poisson process before `end`, in order, in whole seconds.

    `rates` are the mean numbers of events in each hour.
    """
    for hour, rate in enumerate(rates):
        thrown = sorted(
            float(hour * HOUR + dice.randrange(HOUR)) for _ in range(_count(rate, dice))
        )
        yield from (moment for moment in thrown if moment < end)


def _count(mean: float, dice: Random) -> int:
    """Draw a Poisson number by Knuth's algorithm; exp(-mean) must not underflow (means up to a few
    hundred)."""
    least = exp(-mean)
    count, product = 0, dice.random()
    while product > least:
        count, product = count + 1, product * dice.random()
    return count


def plate(scenario: Scenario, index: int, chargers: int, seed: int) -> ChargerSpec:
    """Return the specification of the charger at this index (from 0) of a fleet of `chargers`."""
    identity = f"SIM-{index + 1:03}"
    dice = dice_of(seed, identity, "spec")
    if scenario.deals_each_quirk:
        names = list(QUIRKS)
        quirks = tuple(names[index % len(names) :: chargers])
    else:
        shares = scenario.quirks.items()
        quirks = tuple(
            name
            for name, share in shares
            if is_dealt(index, share, dice_of(seed, "quirks", name).random())
        )
    power_type = DC if is_dealt(index, scenario.dc_share, dice_of(seed, DC).random()) else AC
    signs = is_dealt(index, scenario.signing_share, dice_of(seed, "signing").random())
    model = dice.choice(_MODELS[power_type])
    if SHARED in quirks:
        model = _MODELS[power_type][-1]
    kind = {"vendor": "Levity", "power_type": power_type, **model}
    if GRIZZLE in quirks:
        kind = {"vendor": "United Chargers", "model": "Grizzl-E Smart", "max_current_a": 40.0}
    return ChargerSpec(
        id=identity,
        serial_number=f"{dice.randrange(10**10):010}",
        register_wh=dice.randrange(_OLDEST_REGISTER_WH),
        signing_seed=str(seed) if signs else "",
        quirks=quirks,
        **kind,  # type: ignore[arg-type]  # each has the type of its field, which a dict cannot express
    )


class Order(StrEnum):
    """The visitor's first action."""

    PLUG_FIRST = "plug first"
    TAG_FIRST = "tag first"


class Ending(StrEnum):
    """The visitor's last action at the charger."""

    TAG = "tag"
    UNPLUG = "unplug"


@record
class Visit:
    """One vehicle on one connector. `at` is the visitor's first action, in simulated seconds from
    the start."""

    at: float
    connector: int
    vehicle: Vehicle
    id_tag: str
    order: Order
    between_seconds: float
    """Between plug and tag, in either order."""
    stay_seconds: float
    """From `at` until the vehicle is unplugged."""
    ending: Ending

    @property
    def plug_at(self) -> float:
        return self.at if self.order is Order.PLUG_FIRST else self.at + self.between_seconds

    @property
    def tag_at(self) -> float:
        return self.at if self.order is Order.TAG_FIRST else self.at + self.between_seconds

    @property
    def stop_tag_at(self) -> float | None:
        """When the tag is presented again to stop; None if the visitor just unplugs."""
        return self.unplug_at - _FAREWELL_SECONDS if self.ending is Ending.TAG else None

    @property
    def unplug_at(self) -> float:
        return self.at + self.stay_seconds


@record
class Incident:
    """Something that goes wrong from `at` on for `seconds`, both in simulated seconds.

    `connector` and `error_code` belong to faults. `is_noticed` belongs to deaths: visitors who were
    charging present their tags again when the power is back. `register_wh` belongs to meter swaps:
    it is the new meters' first register.
    """

    at: float
    kind: Kind
    seconds: float
    connector: int = 0
    error_code: str = ""
    is_noticed: bool = False
    register_wh: int = 0


@record(kw_only=False)
class ChargerPlan:
    """One charger with its visits and incidents, each in order of time."""

    spec: ChargerSpec
    visits: tuple[Visit, ...]
    incidents: tuple[Incident, ...]


@record(kw_only=False)
class Plan:
    """A whole run; `seconds` is its simulated length."""

    seconds: float
    chargers: tuple[ChargerPlan, ...]

    @property
    def visits(self) -> int:
        return sum(len(charger.visits) for charger in self.chargers)


def fleet(scenario: Scenario, chargers: int, seed: int) -> tuple[ChargerSpec, ...]:
    """Return the specifications of the chargers SIM-001, SIM-002, …"""
    return tuple(plate(scenario, index, chargers, seed) for index in range(chargers))


def plan(scenario: Scenario, specs: Sequence[ChargerSpec], seed: int) -> Plan:
    plans = []
    for spec in specs:
        visits = _visits(scenario, spec, dice_of(seed, spec.id, "visits"))
        incidents: list[Incident] = []
        for mishaps in scenario.mishaps:
            dice = dice_of(seed, spec.id, mishaps.kind)
            incidents += _incidents(scenario, mishaps, spec, dice)
        incidents.sort(key=lambda incident: incident.at)
        plans.append(ChargerPlan(spec, tuple(visits), tuple(incidents)))
    return Plan(scenario.seconds, tuple(plans))


def _visits(scenario: Scenario, spec: ChargerSpec, dice: Random) -> list[Visit]:
    """Draw visits, in order of time. A visitor who finds all connectors in use waits for the first
    free one."""
    free_at = [0.0] * spec.connectors
    visits: list[Visit] = []
    per_weight = scenario.sessions_per_day / sum(scenario.arrivals)
    hours = (
        scenario.arrivals[(scenario.first_hour + hour) % _HOURS_PER_DAY]
        for hour in range(ceil(scenario.hours))
    )
    for moment in moments([weight * per_weight for weight in hours], _end(scenario), dice):
        connector = min(range(spec.connectors), key=free_at.__getitem__)
        visit = _visit(scenario, spec, dice, connector + 1, max(moment, free_at[connector]))
        if visit is not None:
            visits.append(visit)
            free_at[connector] = visit.unplug_at + dice.randint(*_CHANGING_SECONDS)
    return sorted(visits, key=lambda visit: visit.at)


def _visit(
    scenario: Scenario, spec: ChargerSpec, dice: Random, connector: int, at: float
) -> Visit | None:
    """Draw a visit from `at` on, shortened to the scenario's end.

    None if less than the shortest stay is left, or no vehicle has a fitting inlet.
    """
    least, most = (round(hours * HOUR) for hours in scenario.stay_hours)
    left = floor(_end(scenario) - at)
    kinds = [kind for kind in scenario.vehicles if kind.fits(spec.power_type)]
    if left < least or not kinds:
        return None
    (kind,) = dice.choices(kinds, [kind.share for kind in kinds])
    return Visit(
        at=at,
        connector=connector,
        vehicle=kind.arriving(round(dice.uniform(*kind.soc), 3)),
        id_tag=dice.choice(scenario.tags),
        order=Order.TAG_FIRST if dice.random() < _TAG_FIRST_SHARE else Order.PLUG_FIRST,
        between_seconds=dice.randint(*_BETWEEN_SECONDS),
        stay_seconds=min(dice.randint(least, most), left),
        ending=Ending.TAG if dice.random() < _ENDS_BY_TAG_SHARE else Ending.UNPLUG,
    )


def _incidents(
    scenario: Scenario, mishaps: Mishaps, spec: ChargerSpec, dice: Random
) -> Iterator[Incident]:
    """Draw incidents of one kind that do not overlap."""
    over_at = 0.0
    rates = [mishaps.per_day / _HOURS_PER_DAY] * ceil(scenario.hours)
    for moment in moments(rates, _end(scenario), dice):
        seconds = round(dice.uniform(*mishaps.minutes) * 60)
        details: dict[str, Any] = {}
        if mishaps.kind is Kind.FAULT:
            details["connector"] = dice.randint(1, spec.connectors)
            details["error_code"] = dice.choice(mishaps.error_codes)
        elif mishaps.kind is Kind.DEATH:
            details["is_noticed"] = dice.random() < _NOTICED_SHARE
        elif mishaps.kind is Kind.METER_SWAP:
            details["register_wh"] = dice.choice((0, dice.randrange(_OLDEST_SWAPPED_WH)))
        if over_at < moment <= _end(scenario) - seconds:
            yield Incident(at=moment, kind=mishaps.kind, seconds=seconds, **details)
            over_at = moment + seconds


def _end(scenario: Scenario) -> float:
    return scenario.seconds - LAST_QUIET_SECONDS


def schedule(charger: Charger, plan: ChargerPlan) -> None:
    """Put all visits and incidents of a plan on the charger's agenda."""
    for visit in plan.visits:
        _schedule_visit(charger, visit)
    for incident in plan.incidents:
        over_at = incident.at + incident.seconds
        charger.agenda.plan(incident.at, partial(_begin, charger, incident), is_own=False)
        charger.agenda.plan(over_at, partial(_finish, charger, incident), is_own=False)


def _attempt(deed: Callable[..., None], *details: object) -> None:
    """Do what a visitor does. One who finds the charger faulted, without power or in use drives
    on."""
    with suppress(Impossible):
        deed(*details)


def _schedule_visit(charger: Charger, visit: Visit) -> None:
    plan, number = partial(charger.agenda.plan, is_own=False), visit.connector
    show_tag = partial(_attempt, charger.present_tag, number, visit.id_tag)

    def show_again(at: float) -> None:
        if charger.connectors[number].transaction is not None:  # else a power cut ended it already
            show_tag(at)

    plan(visit.plug_at, partial(_attempt, charger.plug, number, visit.vehicle))
    plan(visit.tag_at, show_tag)
    if visit.stop_tag_at is not None:
        plan(visit.stop_tag_at, show_again)
    plan(visit.unplug_at, partial(_attempt, charger.unplug, number))


def _die(charger: Charger, incident: Incident, at: float) -> None:
    """Cut the power and lose the transactions. Visitors who notice present their tags again after
    it returns."""
    charging = [
        (connector, transaction.id_tag)
        for connector in charger.connectors
        if (transaction := connector.transaction) is not None
    ]
    charger.fail(at, keeps_sessions=False)

    def show_again(at: float) -> None:
        for connector, tag in charging:
            if connector.transaction is None and connector.meter.is_plugged:
                _attempt(charger.present_tag, connector.number, tag, at)

    if incident.is_noticed:
        noticed_at = incident.at + incident.seconds + NOTICED_SECONDS
        charger.agenda.plan(noticed_at, show_again, is_own=False)


def _begin(charger: Charger, incident: Incident, at: float) -> None:
    match incident.kind:
        case Kind.FAULT:
            charger.fault(incident.connector, incident.error_code, at)
        case Kind.OUTAGE:
            charger.go_offline(at)
        case Kind.BROWNOUT:
            charger.fail(at, keeps_sessions=True)
        case Kind.DEATH:
            _die(charger, incident, at)
        case Kind.POWER_CUT | Kind.METER_SWAP:
            charger.power_off(at)


def _finish(charger: Charger, incident: Incident, at: float) -> None:
    if incident.kind is Kind.FAULT:
        charger.clear_fault(incident.connector, at)
    elif incident.kind is Kind.OUTAGE:
        charger.go_online(at)
    else:
        if incident.kind is Kind.METER_SWAP:
            connectors.swap(charger, incident.register_wh, at)
        charger.power_on(at)
