"""Tariffs as TOML. Every fault is told at once, with its place and what to do."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from functools import reduce
from typing import Final, TypeVar

from levity_trio.billing import tariff_values as values
from levity_trio.billing.statement import GRID, SUN, LineKind
from levity_trio.billing.tariff import (
    LEAST_WH,
    TAXED,
    Blocking,
    MovingPrice,
    Tariff,
    WeekdayMinute,
    Window,
    comparisons,
    misfits,
)
from levity_trio.billing.tariff_values import ValueFault
from levity_trio.billing.windows import ALL_DAY, ALL_WEEKDAYS, Recurrence
from levity_trio.told import DayOfYear, Told, Weekday, joined

REPAIRS: Final = (
    (
        re.compile(r"^(\s*[\w-]+\s*=\s*[+-]?\d+),(\d+\s*(?:#.*)?)$"),
        r"\1.\2",
        Told("write a decimal point, not a comma"),
    ),
    (
        re.compile(r"^(\s*[\w-]+\s*=\s*)(\d?\d:\d\d\s*-\s*\d?\d:\d\d)(\s*(?:#.*)?)$"),
        r'\1"\2"\3',
        Told("put it in quotes"),
    ),
    (
        re.compile(r"^(\s*[\w-]+\s*=\s*\d+(?:\.\d+)?)\s*%(\s*(?:#.*)?)$"),
        r"\1\2",
        Told("leave out the % sign"),
    ),
)
"""Slips that are not TOML: what they look like, the line as it was meant, and what to do."""
LONGEST: Final = 65_536
"""A file has so many characters at most."""
MOST_COMPARISONS: Final = 2_000_000
"""So many comparisons of moments with times of windows take less than a second."""
_SHOWN_MISFITS: Final = 3
_TAX_KEYS: Final = dict(zip(("energy", "session_fee", "blocking", "base_fee"), TAXED, strict=True))

T = TypeVar("T")


class TariffFaults(ValueError):
    """A tariff that cannot be understood. Each argument is one fault with its place."""

    def __str__(self) -> str:
        return joined("; ", self.args)


def parse(text: str) -> Tariff:
    """Read one version of a tariff. Raises TariffFaults with all faults."""
    if len(text) > LONGEST:
        raise TariffFaults(
            Told("has more than {1} characters; a tariff needs a few hundred", format(LONGEST, ","))
        )
    faults: list[str] = []
    root = _FileTable(_load(text, faults), "", faults)
    tariff = _tariff(root)
    if tariff is None or faults:
        raise TariffFaults(*faults)
    return tariff


def _load(text: str, faults: list[str]) -> Mapping[str, object]:
    """Return the keys of a file. What is not TOML is repaired where it can be, and is a fault."""
    try:
        return _toml(text)
    except ValueFault as fault:
        lines = list[str]()
        for number, line in enumerate(text.splitlines(), 1):
            meant = line
            for slip, repair, hint in REPAIRS:
                if slip.match(meant):
                    meant = slip.sub(repair, meant)
                    faults.append(Told("line {1}: {2}: {3}", number, hint, meant.strip()))
            lines.append(meant)
        if not faults:
            raise TariffFaults(str(fault)) from fault
    try:
        return _toml("\n".join(lines))
    except ValueFault as fault:
        raise TariffFaults(*faults, str(fault)) from fault


def _toml(text: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    # An integer of 5,000 digits raises ValueError, but no TOMLDecodeError.
    except (ValueError, RecursionError) as error:
        raise ValueFault(Told("not TOML: {1}", str(error))) from error


class _FileTable:
    """A table of the file. It notes the faults of its values, and the keys that nobody asked
    for."""

    def __init__(self, content: Mapping[str, object], place: str, faults: list[str]) -> None:
        self._content, self.place, self._faults = content, place, faults
        self._known: list[str] = []

    def fault(self, text: str, key: str = "") -> None:
        place = self._at(key)
        self._faults.append(joined(": ", (place, text)) if place else text)

    def _at(self, key: str) -> str:
        return ".".join(filter(None, (self.place, key)))

    def has(self, key: str) -> bool:
        return key in self._content

    def take(self, key: str, read: Callable[[object], T]) -> T | None:
        """Return what `read` makes of a value; None without it, and after a fault."""
        self._known.append(key)
        if not self.has(key):
            return None
        try:
            return read(self._content[key])
        except ValueFault as fault:
            self.fault(str(fault), key)
            return None

    def need(self, key: str, read: Callable[[object], T], example: str) -> T | None:
        """Return what `read` makes of a value that must be there; None after a fault."""
        if not self.has(key):
            self.fault(Told("is missing; write for instance {1} = {2}", key, example), key)
        return self.take(key, read)

    def table(self, key: str) -> _FileTable | None:
        content = self.take(key, values.table)
        return None if content is None else _FileTable(content, self._at(key), self._faults)

    def tables(self, key: str) -> list[_FileTable]:
        contents = self.take(key, values.tables) or []
        return [
            _FileTable(content, f"{key} {number}", self._faults)
            for number, content in enumerate(contents, 1)
        ]

    def end(self) -> None:
        """Note all other keys as faults."""
        known = list(dict.fromkeys(self._known))
        for key in self._content:
            if key in known:
                continue
            # Nearly always it is a slip of the keyboard.
            near = get_close_matches(key, known, 1)
            if near:
                hint = Told("did you mean {1}?", near[0])
            else:
                hint = Told("known here: {1}", ", ".join(known))
            self.fault(Told("unknown key; {1}", hint), key)


def _tariff(root: _FileTable) -> Tariff | None:
    name = root.need("name", values.tariff_name, '"Day and night"')
    since = root.need("valid_from", values.day, "2026-10-01")
    currency = root.need("currency", values.currency, '"EUR"')
    prices = root.need("prices", values.gross_or_net, '"gross"')
    tax_rates = _tax_rates(root)
    windows = _windows(root)
    session_fee, base_fee = root.take("session_fee", values.fee), root.take("base_fee", values.fee)
    blocking, sun_price = _blocking(root), _sun(root, windows)
    minimum, maximum = root.take("minimum", values.fee), root.take("maximum", values.fee)
    if minimum is not None and maximum is not None and maximum < minimum:
        root.fault(Told("{1} is less than the minimum {2}", f"{maximum}", f"{minimum}"), "maximum")
    free_below = root.take("free_below_wh", values.wh)
    root.end()
    # All values are read before this, so that every fault is told at once.
    if name is None or since is None or currency is None or prices is None:
        return None
    return Tariff(
        name=name,
        since=since,
        currency=currency,
        are_gross=prices,
        tax_rates=tax_rates,
        windows=windows,
        session_fee=session_fee,
        blocking=blocking,
        base_fee=base_fee,
        minimum=minimum,
        maximum=maximum,
        free_below_wh=LEAST_WH if free_below is None else free_below,
        sun_price=sun_price,
    )


def _tax_rates(root: _FileTable) -> tuple[tuple[LineKind, Decimal], ...]:
    """Return the tax rates: one for all, or a table with one for each kind, which default to that
    of energy."""
    if not root.take("tax", values.is_table):
        rate = root.need("tax", values.percent, "19")
        return tuple((kind, rate or Decimal(0)) for kind in TAXED)
    table = root.table("tax")
    if table is None:
        return ()
    energy = table.need("energy", values.percent, "19") or Decimal(0)
    rates = list[tuple[LineKind, Decimal]]()
    for key, kind in _TAX_KEYS.items():
        rate = energy if kind is LineKind.ENERGY else table.take(key, values.percent)
        rates.append((kind, energy if rate is None else rate))
    table.end()
    return tuple(rates)


def _windows(root: _FileTable) -> tuple[Window, ...]:
    """Return the windows in the order of the file, and last the default."""
    tables = root.tables("window")
    windows = list[Window]()
    for table in tables:
        window = _window(table)
        if window is not None:
            windows.append(window)
    default = root.table("energy")
    if default is not None:
        name = default.take("name", values.text) or ("other times" if tables else None)
        price, moving = _price(default, "0.32")
        default.end()
        windows.append(Window(name=name, price=price, moving=moving))
    elif not tables:
        root.fault(
            Told("is missing; write for instance [energy] and below it price = 0.32"), "energy"
        )
    names = [window.name for window in windows]
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        root.fault(Told("two windows are called {1}; give each a name of its own", name), "window")
    # While the times of a window are faulty, every gap may be its own.
    if windows and len(windows) == len(tables) + (default is not None):
        _check_coverage(root, windows)
    return tuple(windows)


def _window(table: _FileTable) -> Window | None:
    """Return a window, also with a faulty name or price, so that its times are checked; None if
    these are faulty."""
    name = table.need("name", values.text, '"night"')
    price, moving = _price(table, "0.22")
    keys = ("times", "weekdays", "season")
    times = table.take("times", values.times)
    weekdays = table.take("weekdays", values.weekdays)
    season = table.take("season", values.season)
    are_there = list(map(table.has, keys))
    when = None
    if not any(are_there):
        table.fault(
            Told(
                "says not when it holds; give one of {1}, or make it [energy], the default",
                ", ".join(keys),
            )
        )
    elif are_there == [read is not None for read in (times, weekdays, season)]:
        when = Recurrence(times or ALL_DAY, weekdays or ALL_WEEKDAYS, season)
    table.end()
    if when is None:
        return None
    return Window(name=name or table.place, price=price, when=when, moving=moving)


def _price(table: _FileTable, example: str) -> tuple[Decimal, MovingPrice | None]:
    """Return the price of a window; with a series, the price that moves with it, and its
    fallback."""
    if not table.has("series"):
        return table.need("price", values.price, example) or Decimal(0), None
    if table.has("price"):
        table.fault(Told("has a series and a price; leave out one of them"), "price")
        table.take("price", values.price)
    factor, markup = table.take("factor", values.fee), table.take("markup", values.price)
    moving = MovingPrice(
        series=table.take("series", values.text) or "",
        factor=Decimal(1) if factor is None else factor,
        markup=markup or Decimal(0),
        floor=table.take("floor", values.price),
        cap=table.take("cap", values.price),
        fallback=table.take("fallback", values.price),
        is_average=table.take("average", values.switch) or False,
    )
    if moving.floor is not None and moving.cap is not None and moving.cap < moving.floor:
        limits = f"{moving.cap}", f"{moving.floor}"
        table.fault(Told("{1} is less than the floor {2}", *limits), "cap")
    return moving.fallback or Decimal(0), moving


def _sun(root: _FileTable, windows: Sequence[Window]) -> Decimal | None:
    table = root.table("sun")
    if table is None:
        return None
    for name in sorted({window.name or "" for window in windows} & {SUN, GRID}):
        root.fault(Told("{1} is the name of a line of sun or grid; give another", name), "window")
    price = table.need("price", values.price, "0.18")
    table.end()
    return price


def _check_coverage(root: _FileTable, windows: Sequence[Window]) -> None:
    """Note the first moment of each overlap and of the times without a price."""
    if comparisons(windows) > MOST_COMPARISONS:
        root.fault(
            Told(
                "has too many different times and seasons to be checked; let windows begin and "
                "end together"
            ),
            "window",
        )
        return
    first: dict[tuple[str, ...], WeekdayMinute] = {}
    for moment, holding in misfits(windows):
        names = tuple(str(window.name) for window in holding)
        first.setdefault(names, moment)
    for names, moment in list(first.items())[:_SHOWN_MISFITS]:
        at = Told(
            "on a {1} from {2}, for instance on day {3} of the year",
            *(Weekday(moment.weekday), values.clock(moment.minute), DayOfYear(*moment.day)),
        )
        if names:
            together = reduce(lambda one, two: Told("{1} and {2}", one, two), names)
            fault = Told("{1} overlap {2}; let each time have one price", together, at)
        else:
            fault = Told(
                "no price {1}; add a window, or [energy] with the price of all other times", at
            )
        root.fault(fault, "window")


def _blocking(root: _FileTable) -> Blocking | None:
    table = root.table("blocking")
    if table is None:
        return None
    price = table.need("price", values.fee, "0.05")
    grace = table.take("grace_minutes", values.minutes)
    maximum = table.take("maximum", values.fee)
    free = table.take("free", values.times)
    until_available = table.take("until_available", values.switch)
    table.end()
    if price is None:
        return None
    return Blocking(
        price=price,
        grace_minutes=grace or 0,
        maximum=maximum,
        free=None if free is None else Recurrence(free),
        is_until_available=until_available or False,
    )
