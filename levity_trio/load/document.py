"""The site of load management as its owner enters it: TOML. A tree that is made of it is checked as
a whole.

[[circuit]]
name = "Feeder"
amperes = 63
meter = "Main"

[[charger]]
id = "CP-1"
circuit = "Feeder"
rotation = "STR"

[[meter]]
name = "Main"
kind = "push"

[options]
first_come = true

[grid]
of = "chargers"
failsafe_amperes = 16
heartbeat_seconds = 300
"""

import json
import tomllib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, field, fields, replace
from typing import Any, TypeVar

from levity_trio.load.modbus import MODELS
from levity_trio.load.tree import (
    LEAST_AMPERES,
    PHASES,
    Circuit,
    Phases,
    Place,
    Socket,
    Tree,
    TreeRefused,
)
from levity_trio.records import record
from levity_trio.told import Told
from levity_trio.wire.published import wrong_topic

T = TypeVar("T")
VOLTS = 230
AMPERES = {"A": 1.0, "mA": 0.001, "W": 1 / VOLTS, "kW": 1000 / VOLTS}
"""Of one unit of what a meter over HTTP or MQTT shows. Power is taken for current at 230 V."""
CHARGERS, CONNECTION = "chargers", "connection"
"""What an order of the grid operator may limit."""
PATHS = {
    "shelly3em": ("emeters.0.current", "emeters.1.current", "emeters.2.current"),
    "shellypro3em": ("a_current", "b_current", "c_current"),
}
"""By the model, where a JSON document has the currents of the phases: Shelly 3EM (/status), Shelly
Pro 3EM (/rpc/EM.GetStatus?id=0)."""


class DocumentRefused(ValueError):
    """The text is not TOML, or something in it has no place there. Its words say what and where."""


@record
class MeterConfig:
    """A meter of a circuit, and how it is read. `path` are the places of the phases in its JSON;
    `topic` is where it publishes, or one topic for each phase. `shows` is a unit of AMPERES."""

    name: str
    kind: str = "push"
    address: str = ""
    unit: int = 1
    model: str = ""
    url: str = ""
    topic: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    shows: str = "A"
    every_seconds: float = 2.0
    stale_seconds: float = 30.0


@record
class SiteOptions:
    """What holds for the whole site. Without `heartbeat_seconds`, the grid operator's last order
    holds for ever.

    `of` is what his orders limit: the chargers, or the connection with the house. `most` is what a
    charger can draw that does not say otherwise, in A. `writes_a_day` are the most profiles that a
    connector is sent in a day. With `stop_who_ignores`, a session whose charger obeys in no way is
    stopped.
    """

    first_come: bool = False
    driver_wishes: bool = False
    most: int = 32
    writes_a_day: int = 100
    stop_who_ignores: bool = False
    of: str = ""
    failsafe_amperes: float | None = None
    heartbeat_seconds: float | None = None


@record
class LoadSite:
    """What a document says. `metered` are the circuits that have a meter, each with its name."""

    circuits: tuple[Circuit, ...]
    sockets: tuple[Socket, ...] = ()
    meters: tuple[MeterConfig, ...] = ()
    metered: Mapping[str, str] = field(default_factory=dict)
    options: SiteOptions = field(default_factory=SiteOptions)


def parse(text: str) -> LoadSite:
    """Read a document. Raises DocumentRefused."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DocumentRefused(Told("this is not TOML: {1}", str(error))) from None
    _refuse_others(
        Told("the document"), document, ("circuit", "charger", "meter", "options", "grid")
    )
    tables = {name: _tables(document, name) for name in ("circuit", "charger", "meter")}
    for circuit in tables["circuit"]:
        _in_amperes(circuit)
    metered = {
        circuit.get("name", ""): circuit.pop("meter")
        for circuit in tables["circuit"]
        if "meter" in circuit
    }
    circuits = _each(Circuit, "circuit", tables["circuit"])
    if not circuits:
        raise DocumentRefused(
            Told(
                "there is no circuit: give [[circuit]] with the name and the amperes of the feeder"
            )
        )
    meters = _each(MeterConfig, "meter", tables["meter"])
    _check_meters(meters, metered)
    options = _made(
        SiteOptions,
        Told("[options] or [grid]"),
        _table(document, "options") | _table(document, "grid"),
    )
    if options.of not in ("", CHARGERS, CONNECTION):
        raise DocumentRefused(
            Told("of of [grid] is {1}: give {2} or {3}", repr(options.of), CHARGERS, CONNECTION)
        )
    if options.most < LEAST_AMPERES:
        raise DocumentRefused(
            Told(
                "most of [options] is {1}: no car charges below {2} A", options.most, LEAST_AMPERES
            )
        )
    site = LoadSite(circuits=circuits, meters=meters, metered=metered, options=options)
    usual = {"circuit": _root(site), "most": options.most}
    sockets = [
        usual | {"charger" if key == "id" else key: one[key] for key in one}
        for one in tables["charger"]
    ]
    return replace(site, sockets=_each(Socket, "charger", sockets))


def _in_amperes(circuit: dict[str, Any]) -> None:
    """A limit in kW is that of three phases at 230 V."""
    kilowatts = circuit.pop("kilowatts", None)
    if kilowatts is not None:
        if isinstance(kilowatts, bool) or not isinstance(kilowatts, int | float):
            raise DocumentRefused(
                Told("kilowatts of [[circuit]] is {1}: give a number", repr(kilowatts))
            )
        circuit.setdefault("amperes", int(kilowatts * 10_000 / VOLTS / len(PHASES)) / 10)


def _check_meters(meters: Iterable[MeterConfig], metered: Mapping[str, str]) -> None:
    names = set[str]()
    for meter in meters:
        if meter.name in names:
            raise DocumentRefused(Told("the meter {1} is there twice", meter.name))
        names.add(meter.name)
    for circuit, name in metered.items():
        if name not in names:
            raise DocumentRefused(
                Told("{1} is measured by {2}, which there is not: give [[meter]]", circuit, name)
            )
    for meter in meters:
        if why := _wrong(meter):
            raise DocumentRefused(Told("the meter {1}: {2}", meter.name, why))


def _wrong(meter: MeterConfig) -> str:
    """Say why a meter could not be read."""
    if meter.kind not in _WRONG:
        return Told("its kind is {1}: give one of {2}", repr(meter.kind), ", ".join(_WRONG))
    if (
        not 0.5 <= meter.every_seconds <= 60
        or not meter.every_seconds < meter.stale_seconds <= 3600
    ):
        return Told(
            "read it every 0.5 to 60 s, and call it stale after more than that, after an hour at "
            "most"
        )
    if meter.shows not in AMPERES:
        return Told("it shows {1}: give one of {2}", repr(meter.shows), ", ".join(AMPERES))
    if len(meter.path) > len(PHASES):
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
    if not 1 <= len(meter.topic) <= len(PHASES):
        return Told(
            'give the topic on which it publishes, such as topic = "house/meter", or a list of '
            "one for each phase"
        )
    if len(meter.topic) > 1 and len(meter.path) > 1:
        return Told("with a topic for each phase, path has one entry, which holds for each")
    return next((why for topic in meter.topic if (why := wrong_topic(topic))), "")


_WRONG: Mapping[str, Callable[[MeterConfig], str]] = {
    "modbus": _wrong_address,
    "http": _wrong_url,
    "mqtt": _wrong_topics,
    "push": lambda _: "",
}


def _tables(document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = document.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise DocumentRefused(Told("{1} is not a list of tables: write [[{1}]]", name))
    return [dict(one) for one in found]


def _table(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name, {})
    if not isinstance(found, dict):
        raise DocumentRefused(Told("{1} is not a table: write [{1}]", name))
    return dict(found)


def _each(kind: Callable[..., T], name: str, tables: Iterable[dict[str, Any]]) -> tuple[T, ...]:
    return tuple(_made(kind, f"[[{name}]]", table) for table in tables)


def _made(kind: Any, where: str, values: Mapping[str, Any]) -> Any:
    """Make a record of a table: of each key, the value must be of the type of its field."""
    known: dict[str, Field[Any]] = {one.name: one for one in fields(kind)}
    _refuse_others(where, values, known)
    for name, one in known.items():
        if name not in values and one.default is MISSING and one.default_factory is MISSING:
            raise DocumentRefused(Told("{1} has no {2}", where, name))
    return kind(**{name: _value(where, known[name], value) for name, value in values.items()})


def _value(where: str, one: Field[Any], value: Any) -> Any:
    kind = str(one.type).removeprefix("<class '").removesuffix("'>").partition(" |")[0]
    if kind in _KINDS:
        types, words = _KINDS[kind]
        if not isinstance(value, types) or isinstance(value, bool) != (kind == "bool"):
            raise DocumentRefused(
                Told("{1} of {2} is {3}: give {4}", one.name, where, repr(value), words)
            )
        return value
    texts = [value] if isinstance(value, str) else value
    if not (isinstance(texts, list) and all(isinstance(part, str) for part in texts)):
        raise DocumentRefused(
            Told("{1} of {2} is {3}: give a text, or a list of texts", one.name, where, repr(value))
        )
    return tuple(texts)


_KINDS: Mapping[str, tuple[Any, str]] = {
    "bool": (bool, Told("true or false")),
    "int": (int, Told("a whole number")),
    "float": (int | float, Told("a number")),
    "str": (str, Told("a text")),
}


def _refuse_others(where: str, values: Iterable[str], known: Iterable[str]) -> None:
    others = sorted(set(values) - set(known))
    if others:
        raise DocumentRefused(Told("{1} has {2}, which there is not", where, ", ".join(others)))


def planted(site: LoadSite, known: Iterable[Place], highest: Mapping[str, Phases]) -> Tree:
    """Return the tree of a site with all known connectors. Raises TreeRefused."""
    return Tree(site.circuits, every_socket(site, known), highest=highest)


def every_socket(site: LoadSite, known: Iterable[Place], safe: int = LEAST_AMPERES) -> list[Socket]:
    """Return the connectors of a site, and the known ones that it does not name: these hang at the
    root."""
    named = {socket.place for socket in site.sockets}
    return [*site.sockets, *(_usual(site, place, safe) for place in known if place not in named)]


def _usual(site: LoadSite, place: Place, safe: int = LEAST_AMPERES) -> Socket:
    charger, connector = place
    return Socket(
        charger=charger, connector=connector, circuit=_root(site), most=site.options.most, safe=safe
    )


@record(kw_only=False)
class WayOut:
    """How a site fits that was refused: in words, as a document, and which connectors would not
    charge while nobody decides."""

    words: str
    toml: str
    without: tuple[Place, ...]


def ways_out(site: LoadSite, known: Iterable[Place], highest: Mapping[str, Phases]) -> list[WayOut]:
    """Return the ways to make a site fit whose safe limits are too much: on one phase each, or not
    all of them."""
    sockets = every_socket(site, known)
    one_phase = _fitting(site, [replace(socket, safe_lines=1) for socket in sockets], highest)
    found = []
    if one_phase and all(new.safe == old.safe for new, old in zip(one_phase, sockets, strict=True)):
        found.append(
            WayOut(
                Told("All charge then, on one phase each: where chargers can do so"),
                _with(site, one_phase),
                (),
            )
        )
    if fewer := _fitting(site, sockets, highest):
        without = tuple(
            new.place for new, old in zip(fewer, sockets, strict=True) if old.safe and not new.safe
        )
        words = Told("{1} does not charge then", len(without), many="{1} do not charge then")
        found.append(WayOut(words, _with(site, fewer), without))
    return found


def _fitting(
    site: LoadSite, sockets: Sequence[Socket], highest: Mapping[str, Phases]
) -> list[Socket]:
    """Take safe limits away until the rest fits, the last by name first, low priority before that.
    Return no sockets if something else is wrong."""
    left = {socket.place: socket for socket in sockets}
    last_first = sorted(
        sorted(sockets, key=lambda one: one.place, reverse=True), key=lambda one: one.priority
    )
    while True:
        try:
            tree = Tree(site.circuits, left.values(), highest=highest)
        except TreeRefused as refused:
            short = {problem.circuit for problem in refused.problems}
            parents = {circuit.name: circuit.parent for circuit in site.circuits}
            victim = next(
                (
                    one
                    for one in last_first
                    if left[one.place].safe and _is_below(one, short, parents)
                ),
                None,
            )
            if victim is None:
                return []
            left[victim.place] = replace(left[victim.place], safe=0)
        else:
            return [tree.sockets[socket.place] for socket in sockets]


def _is_below(socket: Socket, circuits: Container[str], parents: Mapping[str, str]) -> bool:
    name, steps = socket.circuit, len(parents)
    while name and steps >= 0:
        if name in circuits:
            return True
        name, steps = parents.get(name, ""), steps - 1
    return False


def _with(site: LoadSite, sockets: Iterable[Socket]) -> str:
    """Return a document that names the sockets of which anything is to be said."""
    said = [one for one in sockets if one != _usual(site, one.place)]
    return written(replace(site, sockets=tuple(said)))


def _root(site: LoadSite) -> str:
    return next(
        (circuit.name for circuit in site.circuits if not circuit.parent), site.circuits[0].name
    )


def written(site: LoadSite) -> str:
    """Write a site as a document, which leaves out what is usual."""
    tables = [
        *(
            _table_of("[[circuit]]", one, {"meter": site.metered.get(one.name, "")})
            for one in site.circuits
        ),
        *(_table_of("[[charger]]", one, {"most": one.most}) for one in site.sockets),
        *(_table_of("[[meter]]", one, {}) for one in site.meters),
        *(_table_of(name, site.options, {}, wanted) for name, wanted in _OPTIONS.items()),
    ]
    return "\n".join(table for table in tables if table)


_GRID = ("of", "failsafe_amperes", "heartbeat_seconds")
_OPTIONS = {
    "[options]": [one.name for one in fields(SiteOptions) if one.name not in _GRID],
    "[grid]": _GRID,
}


def _table_of(
    head: str, one: Any, more: Mapping[str, object], only: Container[str] | None = None
) -> str:
    values = {
        ("id" if kind.name == "charger" else kind.name): getattr(one, kind.name)
        for kind in fields(one)
        if (only is None or kind.name in only) and getattr(one, kind.name) != kind.default
    }
    values |= {name: value for name, value in more.items() if value}
    lines = [f"{name} = {_toml(value)}\n" for name, value in values.items() if value != ()]
    return "".join([f"{head}\n", *lines]) if lines else ""


def _toml(value: Any) -> str:
    """JSON's texts, numbers, lists and truths are those of TOML, too."""
    return (
        f"{value:g}"
        if isinstance(value, float)
        else json.dumps(list(value) if isinstance(value, tuple) else value)
    )
