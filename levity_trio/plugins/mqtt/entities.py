"""What MQTT shows of chargers, their connectors and the site: one table, from which topics,
payloads, Home Assistant's discovery and the reference are made.

Payloads are those that Home Assistant reads: numbers in plain decimals, ON and OFF, and `None` for
what is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from levity_trio.locale import N_
from levity_trio.records import record
from levity_trio.store.reads.load.load import LoadNow
from levity_trio.store.reads.now.entities import SeenCharger, SeenChargers, SeenConnector

STATUS: Final = "status"
"""The topic that says whether the server is there; its last will says `offline`."""
SITE: Final = "site"
EVENTS: Final = "events"
RESERVED: Final = (STATUS, SITE, EVENTS)
"""Words of ours where identities of chargers stand."""
ONLINE, OFFLINE = "online", "offline"
UNKNOWN: Final = "None"
LONGEST: Final = 255
"""The characters that a state of Home Assistant may have."""
STATUSES: Final = (
    *("Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE"),
    *("Finishing", "Reserved", "Unavailable", "Faulted"),
)
CHARGING: Final = "Charging"
NO_ERROR: Final = "NoError"
_UNSAFE: Final = re.compile(r"[+#/%]|^\$|[^\x20-\x7e]")
_FIRST: Final = re.compile(r"^.", re.DOTALL)

# Identities in topics


def escaped(identity: str) -> str:
    """Return the identity of a charger as a level of topics: percent-encoded where MQTT forbids a
    character, or where it would be a word of ours."""
    if identity in RESERVED:
        return _FIRST.sub(_encoded, identity)
    return _UNSAFE.sub(lambda found: found[0] if _is_safe(found[0]) else _encoded(found), identity)


def _is_safe(character: str) -> bool:
    return ord(character) > 0x7E and character.isprintable()


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def unescaped(level: str) -> str:
    """Return the identity whose `escaped` is this level of a topic."""
    return unquote(level)


# Payloads

Value = str | float | bool | None


def payload(value: Value, places: int = 0) -> str:
    """Return a value as Home Assistant reads it; a float has at most so many decimal places."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    if isinstance(value, str):
        return value[:LONGEST]
    text = f"{value:.{places}f}"
    text = text.rstrip("0").rstrip(".") if places else text
    return "0" if text == "-0" else text


class Limit(NamedTuple):
    """What a car may draw, in A per phase, and what binds it; None where nobody tells."""

    amperes: float | None
    by: str | None


@record(kw_only=False)
class AtConnector:
    """A connector with what binds it."""

    seen: SeenConnector
    limit: Limit

    @property
    def power_w(self) -> float | None:
        """The power; 0 where nobody charges."""
        return self.idle if self.seen.session is None else self.seen.session.power_w

    def current_a(self, phase: str | None = None) -> float | None:
        """Return the current of a phase, or the largest one; 0 where nobody charges."""
        if self.seen.session is None:
            return self.idle
        told = self.seen.session.phases_a
        return max(told.values(), default=None) if phase is None else told.get(phase)

    @property
    def idle(self) -> float | None:
        """What is drawn without a session: nothing, but if the charger says otherwise."""
        return None if self.seen.status == CHARGING else 0


@record(kw_only=False)
class WholeSite:
    """The site: power in W and energy in Wh, the sessions in which energy flows, and what wants a
    look."""

    power_w: float
    energy_wh: int
    charging: int
    attention: int


# The table


@record(kw_only=False)
class Entity:
    """Something that is shown: its key and topic, the name and the component of Home Assistant, and
    how its value is made. `category` is Home Assistant's, `places` are the decimal places of a
    number.

    `is_own` is whether we know it without the charger. `is_never_less` is whether the payload must
    never fall. `is_person` is whether it tells who charges; `is_commanded` is whether only commands
    make an entity of it.
    """

    key: str
    name: str
    meaning: str
    value: Callable[[Any], Value]
    component: str = "sensor"
    topic: str = ""
    unit: str | None = None
    device_class: str | None = None
    state_class: str | None = None
    category: str | None = None
    icon: str | None = None
    options: Sequence[str] = ()
    places: int = 0
    is_own: bool = False
    is_never_less: bool = False
    is_person: bool = False
    is_commanded: bool = False

    @property
    def below(self) -> str:
        """The last levels of its topic."""
        return self.topic or self.key


def _power(key: str, name: str, meaning: str, value: Callable[[Any], Value]) -> Entity:
    return Entity(
        key, name, meaning, value, unit="W", device_class="power", state_class="measurement"
    )


def _energy(
    key: str, name: str, meaning: str, value: Callable[[Any], Value], *, is_counter: bool
) -> Entity:
    return Entity(
        *(key, name, meaning, value),
        unit="Wh",
        device_class="energy",
        state_class="total_increasing",
        is_own=is_counter,
        is_never_less=is_counter,
    )


def _current(
    key: str, name: str, meaning: str, value: Callable[[Any], Value], topic: str = ""
) -> Entity:
    return Entity(
        *(key, name, meaning, value),
        topic=topic,
        unit="A",
        device_class="current",
        state_class="measurement",
        places=2,
    )


def _of_phase(phase: str, name: str) -> Entity:
    return _current(
        f"current_{phase.lower()}",
        name,
        f"The current of the charger's phase {phase}; `None` if the charger does not tell it",
        lambda at: at.current_a(phase),
        f"current/{phase}",
    )


OF_CHARGER: Final = (
    Entity(
        "link",
        N_("Connection"),
        f"Whether the charger is connected: `{ONLINE}` or `{OFFLINE}`",
        lambda charger: ONLINE if charger.is_connected else OFFLINE,
        component="binary_sensor",
        device_class="connectivity",
        category="diagnostic",
        is_own=True,
    ),
    _energy(
        "energy",
        N_("Energy"),
        (
            "All that the charger has ever delivered, the sessions of now included. It never "
            "falls while the server runs"
        ),
        lambda charger: charger.energy_wh,
        is_counter=True,
    ),
)
OF_CONNECTOR: Final = (
    Entity(
        "status",
        N_("Status"),
        "The status as the charger told it, in the words of OCPP",
        lambda at: at.seen.status if at.seen.status in STATUSES else None,
        device_class="enum",
        options=STATUSES,
        icon="mdi:ev-station",
    ),
    _power(
        "power",
        N_("Power"),
        "The power of the session, if it was told lately; 0 without a session",
        lambda at: at.power_w,
    ),
    _current(
        "current",
        N_("Current"),
        "The highest current of a phase, or the only one that is told",
        lambda at: at.current_a(),
    ),
    *map(_of_phase, ("L1", "L2", "L3"), N_(("Current L1", "Current L2", "Current L3"))),
    _energy(
        "session_energy",
        N_("Session energy"),
        "The energy of the session so far; 0 without a session",
        lambda at: 0 if at.seen.session is None else at.seen.session.energy_wh,
        is_counter=False,
    ),
    Entity(
        "error",
        N_("Error"),
        f"The error that the charger reported and did not take back; `{NO_ERROR}` without one",
        lambda at: at.seen.error or NO_ERROR,
        category="diagnostic",
        icon="mdi:alert-circle-outline",
    ),
    _current(
        "limit",
        N_("Limit"),
        "What the car may draw per phase; `None` if nothing limits it",
        lambda at: at.limit.amperes,
    ),
    Entity(
        "limit_by",
        N_("Limited by"),
        "What binds the limit: `charger`, which tells it itself, or load management's reason: "
        "`circuit`, `waits` or `safe` (a meter is silent) with the circuit and phase, `most` (the "
        "car takes no more), `steady` (more in a few minutes), `hand`, `full`, `knock` (it is "
        "asked whether it charges), `away`, `ignores` or `floor` (it cannot be paused)",
        lambda at: at.limit.by,
        icon="mdi:link-variant",
    ),
    Entity(
        "availability",
        N_("In service"),
        "Whether the connector was told to be in service: `ON` or `OFF`",
        lambda at: at.seen.is_in_service,
        component="switch",
        icon="mdi:power-plug",
        is_commanded=True,
    ),
    Entity(
        "user",
        N_("User"),
        "The household that charges, else the name of the card; only with `--mqtt-names`",
        lambda at: None if at.seen.session is None else at.seen.session.who,
        icon="mdi:account",
        is_person=True,
    ),
)
OF_SITE: Final = (
    _power(
        "power",
        N_("Power"),
        "The power of all sessions that told it lately",
        lambda site: site.power_w,
    ),
    _energy(
        "energy",
        N_("Energy"),
        "All that the chargers have ever delivered",
        lambda site: site.energy_wh,
        is_counter=True,
    ),
    Entity(
        "charging",
        N_("Charging"),
        "The sessions in which energy flows",
        lambda site: site.charging,
        state_class="measurement",
        icon="mdi:car-electric",
    ),
    Entity(
        "attention",
        N_("Needs attention"),
        "How many things want a look, as the page Now lists them",
        lambda site: site.attention,
        state_class="measurement",
        category="diagnostic",
        icon="mdi:alert",
    ),
)


# States


def limits_of(load: LoadNow | None) -> dict[tuple[str, int], Limit]:
    """Return what load management permits, by charger and connector. In shadow it limits
    nothing."""
    if load is None or load.is_shadow:
        return {}
    return {
        (car.charger, car.connector): Limit(
            car.limit_a,
            " ".join(filter(None, (car.why_fixed or car.bound, car.circuit, car.phase))),
        )
        for car in load.cars
        if car.is_managed
    }


def states(
    prefix: str,
    charger: SeenCharger,
    limits: Mapping[tuple[str, int], Limit],
    before: Mapping[str, str],
    *,
    with_names: bool = False,
) -> dict[str, str]:
    """Return the payloads of a charger by their topics. `before` are those of last time, below
    which energy does not fall; an empty one was withdrawn."""
    place = f"{prefix}/{escaped(charger.id)}"
    found = dict(_payloads(place, OF_CHARGER, charger, before))
    for one in charger.connectors:
        limit = limits.get((charger.id, one.connector)) or _offered(one)
        at = f"{place}/{one.connector}"
        found |= _payloads(at, OF_CONNECTOR, AtConnector(one, limit), before)
        if not with_names:  # the broker may retain a name from before
            found |= {f"{at}/{entity.below}": "" for entity in OF_CONNECTOR if entity.is_person}
    return found


def topics(prefix: str, identity: str, connectors: Iterable[int]) -> list[str]:
    """Return all topics that a charger with these connectors may have."""
    place = f"{prefix}/{escaped(identity)}"
    of_connectors = [
        f"{place}/{number}/{one.below}" for number in connectors for one in OF_CONNECTOR
    ]
    return [*(f"{place}/{one.below}" for one in OF_CHARGER), *of_connectors]


def _offered(one: SeenConnector) -> Limit:
    """Return the limit that a charger itself tells."""
    offered = None if one.session is None else one.session.offered_a
    return Limit(offered, None if offered is None else "charger")


def merged(known: Mapping[str, SeenCharger], seen: SeenChargers) -> dict[str, SeenCharger]:
    """Return the chargers that are shown, after a read of all or of some."""
    found = {**known, **{one.id: one for one in seen.chargers}}
    return {charger: one for charger, one in found.items() if charger not in seen.omitted}


def site_states(
    prefix: str,
    chargers: Collection[SeenCharger],
    omitted_wh: int,
    attention: int,
    before: Mapping[str, str],
) -> dict[str, str]:
    """Return the payloads of the site by their topics, from all its chargers and what omitted ones
    have delivered."""
    connectors = [one for charger in chargers for one in charger.connectors]
    site = WholeSite(
        sum(one.session.power_w or 0 for one in connectors if one.session is not None),
        omitted_wh + sum(one.energy_wh for one in chargers),
        sum(_is_charging(one) for one in connectors),
        attention,
    )
    return dict(_payloads(f"{prefix}/{SITE}", OF_SITE, site, before))


def _is_charging(one: SeenConnector) -> bool:
    session = one.session
    return (
        session is not None
        and not session.is_suspended
        and (bool(session.power_w) or one.status == CHARGING)
    )


def _payloads(
    place: str, entities: Sequence[Entity], shown: object, before: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for entity in entities:
        topic, now = f"{place}/{entity.below}", payload(entity.value(shown), entity.places)
        yield topic, max(now, before.get(topic) or now, key=float) if entity.is_never_less else now
