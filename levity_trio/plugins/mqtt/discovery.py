"""Home Assistant's device discovery: one retained payload for each charger, and one for the site.

The fields are those of Home Assistant 2024.11, the first version that has it. The device of the
site is that through which the others are reached, so it is sent first. A component that is no
longer wanted is sent with its platform only, which removes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2s
from typing import Any, Final

import orjson

from levity_trio import __version__
from levity_trio.locale import N_, SOURCE, _, language
from levity_trio.plugins.mqtt.entities import (
    LONGEST,
    OF_CHARGER,
    OF_CONNECTOR,
    OF_SITE,
    OFFLINE,
    ONLINE,
    SITE,
    STATUS,
    Entity,
    escaped,
)
from levity_trio.records import record
from levity_trio.store.reads.now.entities import SeenCharger

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
