"""Home Assistant's device discovery: one retained payload for each charger, and one for the site.

The fields are those of Home Assistant 2024.11, the first version that has it. The device of the
site is that through which the others are reached, so it is sent first. A component that is no
longer wanted is sent with its platform only, which removes it.

What MQTT shows of chargers, their connectors and the site: one table, from which topics,
payloads, Home Assistant's discovery and the reference are made.

Payloads are those that Home Assistant reads: numbers in plain decimals, ON and OFF, and `None` for
what is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2s
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import orjson

from levity_trio import __version__
from levity_trio.locale import N_, SOURCE, _, language
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


BIRTH: Final = "homeassistant/status"
"""Where Home Assistant says `online` when it has started; then everything is sent again."""
ORIGIN: Final = {"name": "levity-trio", "sw_version": __version__}
DISCOVERY: Final = "homeassistant/device/"
_PLAIN: Final = re.compile(r"[A-Za-z0-9-]+")
_OTHER: Final = re.compile(r"[^A-Za-z0-9-]")
_DIGEST_BYTES: Final = 5
HIGHEST_A: Final = 80


@record(kw_only=False)
class Command:
    """A command as an entity: its name in topics, the name and component of Home Assistant, and
    further fields."""

    command: str
    key: str
    name: str
    component: str
    icon: str
    fields: dict[str, Any]


def _fields(value: str | None = None) -> dict[str, Any]:
    """Return how Home Assistant makes the payload of a command: of its value as JSON, and the
    time."""
    told = {} if value is None else {"value": value}
    parts = [
        f'"{key}": {text}' for key, text in {**told, "at": '"{{ utcnow().isoformat() }}"'}.items()
    ]
    return {"command_template": f"{{{', '.join(parts)}}}"}


def _button(command: str, name: str, icon: str) -> Command:
    return Command(command, command, name, "button", icon, _fields())


COMMANDS: Final = (
    _button("start", N_("Start"), "mdi:play"),
    _button("stop", N_("Stop"), "mdi:stop"),
    _button("unlock", N_("Unlock"), "mdi:lock-open-variant"),
    _button("boost", N_("Boost"), "mdi:rocket-launch"),
    Command(
        *("limit", "set_limit", N_("Set limit"), "number", "mdi:speedometer"),
        {
            **_fields("{{ value }}"),
            "value_template": (
                f"{{{{ 'None' if value | float({HIGHEST_A + 1}) > {HIGHEST_A} else value }}}}"
            ),
            "device_class": "current",
            "unit_of_measurement": "A",
            "min": 0,
            "max": HIGHEST_A,
            "step": 1,
            "mode": "box",
            "optimistic": False,
        },
    ),
    Command("limit", "lift_limit", N_("Lift limit"), "button", "mdi:infinity", _fields("null")),
    Command(
        *("availability", "availability", N_("In service"), "switch", "mdi:power-plug"),
        {
            **_fields('"{{ value }}"'),
            "payload_on": "ON",
            "payload_off": "OFF",
            "optimistic": False,
        },
    ),
)
"""The state of those that have one is the topic of their name."""
OF_LOAD: Final = ("limit", "boost")
"""Commands that only load management carries out."""


def object_id(prefix: str, place: str) -> str:
    """Return the name of a device for Home Assistant, of letters, digits, - and _. `place` is a
    level of topics.

    No two places share one: what is not plain ends with a digest, behind a second underscore.
    """
    if _PLAIN.fullmatch(prefix) and _PLAIN.fullmatch(place):
        return f"{prefix}_{place}"
    whole = f"{prefix}/{place}"
    return (
        f"{_OTHER.sub('_', whole)}_{blake2s(whole.encode(), digest_size=_DIGEST_BYTES).hexdigest()}"
    )


def _topic(name: str) -> str:
    return f"{DISCOVERY}{name}/config"


def withdrawn(prefix: str, identity: str) -> dict[str, str]:
    """Return what makes Home Assistant forget a charger."""
    return {_topic(object_id(prefix, escaped(identity))): ""}


def of_charger(
    prefix: str, charger: SeenCharger, *, with_names: bool, with_commands: bool, with_load: bool
) -> dict[str, str]:
    """Return the discovery of a charger by its topic, with names in the language of the block."""
    place = escaped(charger.id)
    name, base = object_id(prefix, place), f"{prefix}/{place}"
    components = {
        one.key: _component(one, f"{name}_{one.key}", base, _(one.name), prefix)
        for one in OF_CHARGER
    }
    for one in charger.connectors:
        connector = _Connector(prefix, f"{base}/{one.connector}", f"{name}_{one.connector}", "")
        if len(charger.connectors) > 1:
            which = _("Connector %(number)s", number=one.connector)
            connector = _Connector(prefix, connector.base, connector.unique, f"{which} ")
        found = connector.components(
            with_names=with_names, with_commands=with_commands, with_load=with_load
        )
        components |= {f"{one.connector}_{key}": component for key, component in found}
    told = {"manufacturer": charger.vendor, "model": charger.model, "sw_version": charger.firmware}
    device = {
        "identifiers": [name],
        "name": charger.name or charger.id,
        "via_device": object_id(prefix, SITE),
        **{key: text for key, text in told.items() if text},
    }
    links = [f"{prefix}/{STATUS}", f"{base}/link"]
    return {_topic(name): _payload(device, components, links)}


def of_site(prefix: str, site_name: str) -> dict[str, str]:
    """Return the discovery of the site by its topic, with names in the language of the block."""
    name = object_id(prefix, SITE)
    components = {
        one.key: _component(one, f"{name}_{one.key}", f"{prefix}/{SITE}", _(one.name))
        for one in OF_SITE
    }
    device = {
        "identifiers": [name],
        "name": site_name,
        "manufacturer": "levity-trio",
        "sw_version": __version__,
    }
    return {_topic(name): _payload(device, components, [f"{prefix}/{STATUS}"])}


@record(kw_only=False)
class _Connector:
    prefix: str
    base: str
    unique: str
    which: str

    def components(
        self, *, with_names: bool, with_commands: bool, with_load: bool
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for one in OF_CONNECTOR:
            if one.is_commanded:
                continue
            is_wanted = with_names or not one.is_person
            found = _component(one, f"{self.unique}_{one.key}", self.base, self._name(one.name))
            yield one.key, found if is_wanted else {"platform": one.component}
        for command in COMMANDS:
            is_wanted = with_commands and (with_load or command.command not in OF_LOAD)
            yield (
                command.key,
                self._command(command) if is_wanted else {"platform": command.component},
            )
        yield "answer", self._answer() if with_commands else {"platform": "sensor"}

    def _name(self, name: str) -> str:
        name = _(name)
        is_small = self.which and language() == SOURCE  # German nouns are not
        return f"{self.which}{name[0].lower()}{name[1:]}" if is_small else f"{self.which}{name}"

    def _command(self, one: Command) -> dict[str, Any]:
        has_state = one.component != "button"
        return {
            "platform": one.component,
            "unique_id": f"{self.unique}_{one.key}",
            "name": self._name(one.name),
            "icon": one.icon,
            "command_topic": f"{self.base}/command/{one.command}",
            **({"state_topic": f"{self.base}/{one.command}"} if has_state else {}),
            **one.fields,
        }

    def _answer(self) -> dict[str, Any]:
        """What became of the last command. The time of the answer and its code are attributes."""
        return {
            "platform": "sensor",
            "unique_id": f"{self.unique}_answer",
            "name": self._name(N_("Last answer")),
            "icon": "mdi:message-reply-text-outline",
            "entity_category": "diagnostic",
            "state_topic": f"{self.base}/answer/+",
            "value_template": f"{{{{ value_json.words[:{LONGEST}] }}}}",
            "json_attributes_topic": f"{self.base}/answer/+",
        }


def _component(
    one: Entity, unique: str, base: str, name: str, own_prefix: str | None = None
) -> dict[str, Any]:
    """Return an entity as Home Assistant wants it. What we know without the charger is there while
    the server is."""
    told = {
        "unit_of_measurement": one.unit,
        "device_class": one.device_class,
        "state_class": one.state_class,
        "entity_category": one.category,
        "icon": one.icon,
        "options": [*one.options],
    }
    found: dict[str, Any] = {key: value for key, value in told.items() if value}
    if one.unit is not None:
        found["suggested_display_precision"] = one.places
    if one.component == "binary_sensor":
        found |= {"payload_on": ONLINE, "payload_off": OFFLINE}
    if one.is_own and own_prefix is not None:
        found["availability"] = [{"topic": f"{own_prefix}/{STATUS}"}]
    return {
        "platform": one.component,
        "unique_id": unique,
        "name": name,
        "state_topic": f"{base}/{one.below}",
        **found,
    }


def _payload(device: dict[str, Any], components: dict[str, Any], links: list[str]) -> str:
    found = {
        "device": device,
        "origin": ORIGIN,
        "availability": [{"topic": topic} for topic in links],
        "availability_mode": "all",
        "components": components,
    }
    return orjson.dumps(found).decode()
