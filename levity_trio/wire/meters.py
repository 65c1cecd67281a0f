"""How a meter is read, as its owner enters it: over Modbus TCP, as JSON over HTTP, by what it
publishes over MQTT, or not at all: those of the kind push come by the API."""

from collections.abc import Callable, Mapping

from levity_trio.records import record
from levity_trio.told import Told
from levity_trio.wire.modbus import MODELS
from levity_trio.wire.published import wrong_topic

MOST_PHASES = 3
AMPERES, WATTS = {"A": 1.0, "mA": 0.001}, {"W": 1.0, "kW": 1000.0}
"""How many A or W are one unit of what a meter over HTTP or MQTT shows. Power is taken for current
at 230 V."""
PATHS = {
    "shelly3em": ("emeters.0.current", "emeters.1.current", "emeters.2.current"),
    "shellypro3em": ("a_current", "b_current", "c_current"),
}
"""By the model, where a JSON document has the currents of the phases: Shelly 3EM (/status), Shelly
Pro 3EM (/rpc/EM.GetStatus?id=0)."""
POWER_PATHS = {
    "shelly3em": ("emeters.0.power", "emeters.1.power", "emeters.2.power"),
    "shellypro3em": ("a_act_power", "b_act_power", "c_act_power"),
}
"""By the model, where it has the active powers, which have a sign."""


@record
class MeterConfig:
    """A meter of a circuit, and how it is read. `path` are the places of the phases in its JSON;
    `topic` is where it publishes, or one topic for each phase. `shows` is a unit of AMPERES or
    WATTS.

    Power is above zero where it comes from the grid, where panels give it, and where a battery
    gives it; with `inverted`, the meter counts the other way.
    """

    name: str
    kind: str = "push"
    address: str = ""
    unit: int = 1
    model: str = ""
    url: str = ""
    topic: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    shows: str = "A"
    inverted: bool = False
    every_seconds: float = 2.0
    stale_seconds: float = 30.0


def has_sign(meter: MeterConfig) -> bool:
    """Whether a meter shows active power; what comes by the API says so itself."""
    if meter.kind == "http" and not meter.path:
        return True
    return meter.kind not in ("http", "mqtt") or meter.shows in WATTS


def wrong(meter: MeterConfig) -> str:
    """Say why a meter could not be read."""
    if meter.kind not in _WRONG:
        return Told("its kind is {1}: give one of {2}", repr(meter.kind), ", ".join(_WRONG))
    is_often = 0.5 <= meter.every_seconds <= 60
    if not is_often or not meter.every_seconds < meter.stale_seconds <= 3600:
        return Told(
            "read it every 0.5 to 60 s,"
            " and call it stale after more than that, after an hour at most"
        )
    units = (*AMPERES, *WATTS)
    if meter.shows not in units:
        return Told("it shows {1}: give one of {2}", repr(meter.shows), ", ".join(units))
    if len(meter.path) > MOST_PHASES:
        return Told("path has more than three entries")
    return _WRONG[meter.kind](meter)


def _wrong_address(meter: MeterConfig) -> str:
    if not meter.address:
        return Told('give its address, such as address = "192.168.1.20:502"')
    if meter.model in MODELS:
        return ""
    return Told("its model is {1}: give one of {2}", repr(meter.model), ", ".join(MODELS))


def _wrong_url(meter: MeterConfig) -> str:
    if not meter.url.startswith(("http://", "https://")) or "@" in meter.url:
        return Told("give its url, which begins with http:// or https:// and has no password in it")
    if not meter.path and meter.model.casefold() not in PATHS:
        return Told(
            "give path, a list of where its JSON has the currents, or a model: {1}",
            ", ".join(PATHS),
        )
    return ""


def _wrong_topics(meter: MeterConfig) -> str:
    if not 1 <= len(meter.topic) <= MOST_PHASES:
        return Told(
            'give the topic on which it publishes, such as topic = "house/meter",'
            " or a list of one for each phase"
        )
    if len(meter.topic) > 1 and len(meter.path) > 1:
        return Told("with a topic for each phase, path has one entry, which holds for each")
    for topic in meter.topic:
        why = wrong_topic(topic)
        if why:
            return why
    return ""


_WRONG: Mapping[str, Callable[[MeterConfig], str]] = {
    "modbus": _wrong_address,
    "http": _wrong_url,
    "mqtt": _wrong_topics,
    "push": lambda _: "",
}
