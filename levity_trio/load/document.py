"""The site of load management as its owner enters it: TOML. A tree that is made of it is checked as
a whole.

[[circuit]] name = "Feeder" amperes = 63 meter = "Main"

[[charger]] id = "CP-1" circuit = "Feeder" rotation = "STR"

[[meter]] name = "Main" kind = "push"

[options] first_come = true

[grid] of = "chargers" failsafe_amperes = 16 heartbeat_seconds = 300
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, fields, replace

from levity_trio.config.tables import (
    DocumentRefused,
    record_of,
    records_of,
    refuse_others,
    table_of,
    tables,
)
from levity_trio.load.tree import (
    LEAST_AMPERES,
    PHASES,
    Circuit,
    Phases,
    Place,
    Socket,
    Tree,
    TreeRefused,
    path_of,
)
from levity_trio.records import record
from levity_trio.told import Told
from levity_trio.wire.meters import MeterConfig, has_sign, wrong

VOLTS = 230
CHARGERS, CONNECTION = "chargers", "connection"
"""What an order of the grid operator may limit."""


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
    """What a document says."""

    circuits: tuple[Circuit, ...]
    sockets: tuple[Socket, ...] = ()
    meters: tuple[MeterConfig, ...] = ()
    options: SiteOptions = field(default_factory=SiteOptions)


def parse(text: str) -> LoadSite:
    """Read a document. Raises DocumentRefused."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DocumentRefused(Told("this is not TOML: {1}", str(error))) from None
    known = ("circuit", "charger", "meter", "options", "grid")
    refuse_others(Told("the document"), document, known)
    circuit_tables = tables(document, "circuit")
    charger_tables = tables(document, "charger")
    meter_tables = tables(document, "meter")

    for table in circuit_tables:
        kilowatts = table.pop("kilowatts", None)
        if type(kilowatts) in (int, float):
            tenths = int(kilowatts * 10_000 / VOLTS / len(PHASES))
            table.setdefault("amperes", tenths / 10)
        elif kilowatts is not None:
            words = Told("kilowatts of [[circuit]] is {1}: give a number", repr(kilowatts))
            raise DocumentRefused(words)
    circuits = records_of(Circuit, "circuit", circuit_tables)
    if not circuits:
        words = Told(
            "there is no circuit: give [[circuit]] with the name and the amperes of the feeder"
        )
        raise DocumentRefused(words)
    meters = records_of(MeterConfig, "meter", meter_tables)
    _check_meters(meters, circuits)

    named = tables(document, "options", is_one=True) | tables(document, "grid", is_one=True)
    options = record_of(SiteOptions, Told("[options] or [grid]"), named)
    if options.of not in ("", CHARGERS, CONNECTION):
        words = Told("of of [grid] is {1}: give {2} or {3}", repr(options.of), CHARGERS, CONNECTION)
        raise DocumentRefused(words)
    if options.most < LEAST_AMPERES:
        words = Told(
            "most of [options] is {1}: no car charges below {2} A", options.most, LEAST_AMPERES
        )
        raise DocumentRefused(words)

    for table in charger_tables:
        if "id" in table:
            table["charger"] = table.pop("id")
        table.setdefault("circuit", _root(circuits))
        table.setdefault("most", options.most)
    sockets = records_of(Socket, "charger", charger_tables)
    return LoadSite(circuits=circuits, sockets=sockets, meters=meters, options=options)


def _check_meters(meters: Iterable[MeterConfig], circuits: Iterable[Circuit]) -> None:
    names = set[str]()
    for meter in meters:
        if meter.name in names:
            raise DocumentRefused(Told("the meter {1} is there twice", meter.name))
        names.add(meter.name)
    for circuit in circuits:
        for name in (circuit.meter, circuit.panels, circuit.battery):
            if name and name not in names:
                words = Told(
                    "{1} is measured by {2}, which there is not: give [[meter]]",
                    *(circuit.name, name),
                )
                raise DocumentRefused(words)
    for meter in meters:
        why = wrong(meter)
        if why:
            raise DocumentRefused(Told("the meter {1}: {2}", meter.name, why))
    _check_panels({meter.name: meter for meter in meters}, circuits)


def _check_panels(meters: Mapping[str, MeterConfig], circuits: Iterable[Circuit]) -> None:
    used = Counter[str]()
    fed: list[Circuit] = []
    for circuit in circuits:
        used.update([circuit.meter, circuit.panels, circuit.battery])
        if circuit.panels or circuit.battery:
            fed.append(circuit)
    if len(fed) > 1:
        names = ", ".join(circuit.name for circuit in fed)
        raise DocumentRefused(Told("only one circuit may have panels, not {1}", names))
    for circuit in fed:
        if not (circuit.meter and circuit.panels):
            words = Told(
                "{1}: give meter, that of the grid's point, and panels, that of the panels",
                circuit.name,
            )
            raise DocumentRefused(words)
        for name in (circuit.meter, circuit.panels, circuit.battery):
            if name and used[name] > 1:
                raise DocumentRefused(Told("the meter {1} measures two things", name))
            if name and not has_sign(meters[name]):
                words = Told(
                    "the meter {1} shows currents, which do not say whether power comes or goes:"
                    ' give shows = "W", or a model',
                    name,
                )
                raise DocumentRefused(words)


def planted(site: LoadSite, known: Iterable[Place], highest: Mapping[str, Phases]) -> Tree:
    """Return the tree of a site with all known connectors. Raises TreeRefused."""
    return Tree(site.circuits, every_socket(site, known), highest=highest)


def every_socket(site: LoadSite, known: Iterable[Place], safe: int = LEAST_AMPERES) -> list[Socket]:
    """Return the connectors of a site, and the known ones that it does not name: these hang at the
    root."""
    named = {socket.place for socket in site.sockets}
    others = [_usual(site, place, safe) for place in known if place not in named]
    return [*site.sockets, *others]


def _usual(site: LoadSite, place: Place, safe: int = LEAST_AMPERES) -> Socket:
    return Socket(
        charger=place[0],
        connector=place[1],
        circuit=_root(site.circuits),
        most=site.options.most,
        safe=safe,
    )


@record
class LoadOffer:
    """A site that would not be refused; `without` are the chargers that would not charge while
    nobody decides."""

    words: str
    toml: str
    without: list[str]


def ways_out(
    site: LoadSite, known: Iterable[Place], highest: Mapping[str, Phases]
) -> Iterator[LoadOffer]:
    """Yield the ways to make a site fit whose safe limits are too much: on one phase each, or not
    all of them."""
    sockets = every_socket(site, known)
    one_phase = _fitting(site, [replace(socket, safe_lines=1) for socket in sockets], highest)
    if one_phase is not None and not one_phase.without:
        words = Told("All charge then, on one phase each: where chargers can do so")
        yield replace(one_phase, words=words)
    fewer = _fitting(site, sockets, highest)
    if fewer is not None:
        yield fewer


def _fitting(
    site: LoadSite, sockets: Sequence[Socket], highest: Mapping[str, Phases]
) -> LoadOffer | None:
    """Take safe limits away until the rest fits, the last by name first, low priority before that.
    Return None if something else is wrong."""
    left = {socket.place: socket for socket in sockets}
    last_first = sorted(sockets, key=lambda socket: socket.place, reverse=True)
    last_first.sort(key=lambda socket: socket.priority)
    circuits = {circuit.name: circuit for circuit in site.circuits}
    while True:
        try:
            Tree(site.circuits, left.values(), highest=highest)
            break
        except TreeRefused as refused:
            short = {circuit for circuit, _ in refused.problems}
        safe = [left[socket.place] for socket in last_first if left[socket.place].safe]
        # Circuits may be in a circle: that may be why they were refused.
        paths = {socket.place: path_of(socket.circuit, circuits) for socket in safe}
        below = [socket for socket in safe if not short.isdisjoint(paths[socket.place])]
        if not below:
            return None
        left[below[0].place] = replace(below[0], safe=0)

    without = [socket.charger for socket in sockets if socket.safe and not left[socket.place].safe]
    # Only sockets of which anything is to be said are named.
    named = [socket for socket in left.values() if socket != _usual(site, socket.place)]
    return LoadOffer(
        words=Told("{1} does not charge then", len(without), many="{1} do not charge then"),
        toml=written(replace(site, sockets=tuple(named))),
        without=without,
    )


def with_other_charger(text: str, old: str, new: str) -> str:
    """Return a document in which a charger has the place of another one. Raises DocumentRefused."""
    site = parse(text)
    if all(socket.charger != old for socket in site.sockets):
        return text
    sockets = [
        replace(socket, charger=new) if socket.charger == old else socket for socket in site.sockets
    ]
    return written(replace(site, sockets=tuple(sockets)))


def _root(circuits: Sequence[Circuit]) -> str:
    roots = (circuit.name for circuit in circuits if not circuit.parent)
    return next(roots, circuits[0].name)


def written(site: LoadSite) -> str:
    """Write a site as a document, which leaves out what is usual."""
    parts = [table_of("[[circuit]]", circuit, {}) for circuit in site.circuits]
    for socket in site.sockets:
        most = {"most": socket.most}
        parts.append(table_of("[[charger]]", socket, most, renamed={"charger": "id"}))
    parts += [table_of("[[meter]]", meter, {}) for meter in site.meters]
    parts += [table_of(head, site.options, {}, names) for head, names in _OPTIONS.items()]
    return "\n".join(part for part in parts if part)


_GRID = ("of", "failsafe_amperes", "heartbeat_seconds")
_OPTIONS = {
    "[options]": [part.name for part in fields(SiteOptions) if part.name not in _GRID],
    "[grid]": _GRID,
}
