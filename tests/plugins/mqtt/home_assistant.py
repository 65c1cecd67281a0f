"""What Home Assistant accepts of a device discovery, as data, and what it would say against a
payload.

The data are those of version 2024.11.0, the first one with device discovery. That of 2026.2.3 has
all of it, and more. Each set was read from the file above it. 2024.11.3 and 2026.11.0 themselves
took these payloads, and logged nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

# From
# https://github.com/home-assistant/core/blob/2024.11.0/homeassistant/components/mqtt/discovery.py
TOPIC: Final = re.compile(r"homeassistant/device/[a-zA-Z0-9_-]+/config")

# From
# https://github.com/home-assistant/core/blob/2024.11.0/homeassistant/components/mqtt/schemas.py
AVAILABILITY: Final = {
    "availability",
    "availability_mode",
    "availability_topic",
    "availability_template",
} | {
    *("payload_available", "payload_not_available"),
}
ONE_AVAILABILITY: Final = {"topic", "payload_available", "payload_not_available", "value_template"}
AVAILABILITY_MODES: Final = {"all", "any", "latest"}
PAYLOAD: Final = AVAILABILITY | {
    "device",
    "components",
    "origin",
    "state_topic",
    "command_topic",
    "qos",
    "encoding",
}
DEVICE: Final = {
    *(
        "identifiers",
        "connections",
        "manufacturer",
        "model",
        "model_id",
        "name",
        "hw_version",
        "serial_number",
    ),
    *("sw_version", "via_device", "suggested_area", "configuration_url"),
}
ORIGIN: Final = {"name", "sw_version", "support_url"}
COMMON: Final = AVAILABILITY | {
    *(
        "device",
        "entity_picture",
        "origin",
        "enabled_by_default",
        "entity_category",
        "icon",
        "json_attributes_topic",
    ),
    *("json_attributes_template", "object_id", "unique_id", "platform"),
}

# From https://github.com/home-assistant/core/blob/2024.11.0/homeassistant/components/mqtt/config.py
BASE: Final = {"qos", "encoding"}
READ_ONLY: Final = BASE | {"state_topic", "value_template"}
READ_WRITE: Final = BASE | {"command_topic", "optimistic", "retain", "state_topic"}

# From https://github.com/home-assistant/core/blob/2024.11.0/homeassistant/components/mqtt/sensor.py
# and from those of binary sensors, buttons, numbers and switches beside it
FIELDS: Final = {
    "sensor": COMMON
    | READ_ONLY
    | {
        "device_class",
        "expire_after",
        "force_update",
        "last_reset_value_template",
        "name",
        "options",
    }
    | {"suggested_display_precision", "state_class", "unit_of_measurement"},
    "binary_sensor": COMMON
    | READ_ONLY
    | {
        "device_class",
        "expire_after",
        "force_update",
        "name",
        "off_delay",
        "payload_off",
        "payload_on",
    },
    "button": COMMON
    | BASE
    | {"command_template", "command_topic", "device_class", "name", "payload_press", "retain"},
    "number": COMMON
    | READ_WRITE
    | {"command_template", "device_class", "max", "min", "mode", "name", "payload_reset", "step"}
    | {"unit_of_measurement", "value_template"},
    "switch": COMMON
    | READ_WRITE
    | {
        "command_template",
        "name",
        "payload_off",
        "payload_on",
        "state_off",
        "state_on",
        "value_template",
    }
    | {"device_class"},
}
REQUIRED: Final = {
    "sensor": {"state_topic", "unique_id"},
    "binary_sensor": {"state_topic", "unique_id"},
    "button": {"command_topic", "unique_id"},
    "number": {"command_topic", "unique_id"},
    "switch": {"command_topic", "unique_id"},
}
TEMPLATES: Final = {"command_template", "value_template"}
SUBSCRIBED: Final = {"state_topic", "json_attributes_topic"}
"""Topics that may have wildcards."""

# From
# https://github.com/home-assistant/core/blob/2024.11.0/homeassistant/components/sensor/const.py
# those of ours of DEVICE_CLASS_UNITS and DEVICE_CLASS_STATE_CLASSES
UNITS: Final[Mapping[str, set[str | None]]] = {
    "current": {"A", "mA"},
    "energy": {"J", "kJ", "MJ", "GJ", "Wh", "kWh", "MWh", "cal", "kcal", "Mcal", "Gcal"},
    "power": {"W", "kW"},
    "enum": {None},
}
STATE_CLASSES: Final[Mapping[str | None, set[str | None]]] = {
    "current": {"measurement"},
    "energy": {"total", "total_increasing"},
    "power": {"measurement"},
    "enum": {None},
    None: {None, "measurement", "total", "total_increasing"},
}
# From
#
# https://github.com/home-assistant/core/blob/2024.11.0/homeassistant/components/binary_sensor/__init__.py
BINARY_CLASSES: Final = {"connectivity", "plug", "power", "problem", "running"}
# From
# https://github.com/home-assistant/core/blob/2024.11.0/homeassistant/components/number/const.py
# those of ours of DEVICE_CLASS_UNITS
NUMBER_UNITS: Final = {"current": {"A", "mA"}}
# https://github.com/home-assistant/core/blob/2024.11.0/homeassistant/const.py
LONGEST_STATE: Final = 255
# From static/mdi/iconList.json of home-assistant-frontend 20261028.4: those of ours
ICONS: Final = {
    f"mdi:{one}"
    for one in (
        *(
            "account",
            "alert",
            "alert-circle-outline",
            "car-electric",
            "ev-station",
            "infinity",
            "link-variant",
        ),
        *(
            "lock-open-variant",
            "message-reply-text-outline",
            "play",
            "power-plug",
            "rocket-launch",
            "speedometer",
        ),
        "stop",
    )
}
"""Of others nothing is shown."""
CATEGORIES: Final = {"sensor": {"diagnostic"}, "binary_sensor": {"diagnostic"}}
"""A sensor in the category `config` is refused: it cannot be changed."""


def faults(topic: str, payload: Mapping[str, Any]) -> Iterator[str]:
    """Yield what Home Assistant would not accept."""
    if not TOPIC.fullmatch(topic):
        yield f"topic {topic}"
    yield from _unknown("payload", payload, PAYLOAD)
    yield from _unknown("device", payload["device"], DEVICE)
    yield from _unknown("origin", payload["origin"], ORIGIN)
    if not payload["device"].get("identifiers"):
        yield "device without identifiers"
    if "name" not in payload["origin"]:
        yield "origin without a name"
    texts = [*payload["device"].items(), *payload["origin"].items()]
    yield from (
        f"{key}: {value!r}"
        for key, value in texts
        if key != "identifiers" and not isinstance(value, str)
    )
    yield from _availability(payload)
    for key, component in payload["components"].items():
        if not re.fullmatch(r"[a-zA-Z0-9_-]+", key):
            yield f"component {key}"
        if component.keys() != {"platform"}:
            yield from (f"{key}: {fault}" for fault in _component(component))


def _unknown(where: str, found: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    yield from (f"{where} with {key}" for key in sorted(found.keys() - known))


def _availability(found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("availability_mode", "latest") not in AVAILABILITY_MODES:
        yield "availability_mode"
    for one in found.get("availability", []):
        yield from _unknown("availability", one, ONE_AVAILABILITY)
        yield from _topic(one["topic"])


def _topic(topic: str) -> Iterator[str]:
    if not topic or len(topic.encode()) > 65535 or re.search(r"[+#\0-\x1f\x7f-\x9f]", topic):
        yield f"topic {topic}"


def _component(found: Mapping[str, Any]) -> Iterator[str]:
    platform = found["platform"]
    yield from _unknown(platform, found, FIELDS[platform])
    yield from (f"no {key}" for key in sorted(REQUIRED[platform] - found.keys()))
    yield from _availability(found)
    for key, value in found.items():
        if key.endswith("_topic"):
            yield from _topic(
                re.sub(r"(?<=/)\+(?=/|$)", "any", value) if key in SUBSCRIBED else value
            )
        elif key in TEMPLATES and value.count("{{") != value.count("}}"):
            yield f"template {value}"
    if found.get("icon", "mdi:account") not in ICONS:
        yield "icon"
    if "entity_category" in found and found["entity_category"] not in CATEGORIES[platform]:
        yield "entity_category"
    yield from _CLASSES.get(platform, lambda _: iter(()))(found)


def _sensor(found: Mapping[str, Any]) -> Iterator[str]:
    kind, unit, state_class = (
        found.get(key) for key in ("device_class", "unit_of_measurement", "state_class")
    )
    if kind is not None and unit not in UNITS[kind]:
        yield f"unit {unit} of {kind}"
    if state_class not in STATE_CLASSES[kind]:
        yield f"state class {state_class} of {kind}"
    if ("options" in found) != (kind == "enum") or ("options" in found and (state_class or unit)):
        yield "options"


def _binary_sensor(found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("device_class") not in {None, *BINARY_CLASSES}:
        yield "device_class"


def _number(found: Mapping[str, Any]) -> Iterator[str]:
    if found["unit_of_measurement"] not in NUMBER_UNITS[found["device_class"]]:
        yield "unit"
    if (
        found["min"] > found["max"]
        or found["step"] < 1e-3
        or found["mode"] not in {"auto", "box", "slider"}
    ):
        yield "range"


_CLASSES: Final = {"sensor": _sensor, "binary_sensor": _binary_sensor, "number": _number}
