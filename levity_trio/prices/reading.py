"""Reads prices of energy from a document of a source or a person: CSV, or JSON by a small mapping.

A bill will rest on what is read, so a document that has something odd in it is refused as a whole,
in words. Numbers stay as exact as they are written.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from io import StringIO
from itertools import accumulate, pairwise
from math import inf
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from levity_trio.billing.money import typed_number
from levity_trio.billing.months import beginning
from levity_trio.charging.quarters import SECONDS
from levity_trio.records import record
from levity_trio.told import Moment, Told
from levity_trio.wire.times import from_seconds, in_zone, stamp

HIGHEST: Final = 100
"""Of a kWh, in units of a currency: what is beyond it was given in another unit."""
LONGEST: Final = 30
"""Characters of a price."""
OLDEST: Final = date(2010, 1, 1)
AHEAD: Final = timedelta(800)
"""How far ahead a person may enter the prices of a contract."""
STEPS: Final = (SECONDS, 2 * SECONDS, 4 * SECONDS)
"""Seconds between the rows of markets, and for which their prices hold."""
_PLACE: Final = re.compile(r"\{[^{}]{0,40}\}")
_GROUPED: Final = re.compile(
    r"[+-]?[0-9]{1,3}(?:(?P<mark>[ .,'\u00a0\u202f])[0-9]{3})"
    r"(?:(?P=mark)[0-9]{3}){0,3}(?!(?P=mark))[.,][0-9]{1,9}"
)
"""A number whose thousands and decimals have different marks: 2.325,83; one mark alone leaves
open which of them it is."""
_BLANK: Final = (None, "", "-")
MILLISECONDS: Final = 10**11
"""Times above this many seconds, of the year 5138, are in milliseconds."""
_ENERGY: Final = {"kwh": 0, "mwh": 3}


class PricesRefused(Exception):
    """A document has no prices that a bill may rest on; the text says why."""


@record
class PriceSource:
    """Where prices come from, and how they are read.

    In JSON, `list` is the path to a list of objects, in which `time` and `price` are paths; if it
    leads to an object, they are the paths of two lists beside each other. In CSV, these are names
    of columns.
    """

    url: str | None = None
    """It may have {date}, {year}, {month}, {day}, {start_ms} and {monday_ms} in it, of the first
    local day that is wanted, and {until} and {end_ms}, of the last one."""
    form: Literal["json", "csv"] = "json"
    list: str = ""
    time: str = "time"
    price: str = "price"
    unit: str = "EUR/MWh"
    minutes: Literal[15, 30, 60] | None = None
    """For how many a row holds if the rows around it do not tell."""

    def check(self, currency: str) -> None:
        """Raises PricesRefused for a unit or an address that cannot be."""
        _shift(self.unit, currency)
        address = self.address(OLDEST, UTC)
        is_written = address.isascii() and address.isprintable() and " " not in address
        with suppress(ValueError):  # of a port that is none
            to = urlsplit(address)
            if is_written and to.scheme in ("http", "https") and to.hostname and to.port != 0:
                if to.username is None:
                    return
                raise PricesRefused(Told("leave the password out of the address"))
        raise PricesRefused(Told("{1} is no address of a web server", repr(self.url or "")))

    @property
    def takes_span(self) -> bool:
        """Whether it can be asked for several days at once."""
        return any(end in (self.url or "") for end in ("{until}", "{end_ms}"))

    def address(self, day: date, zone: tzinfo, last: date | None = None) -> str:
        """Return the URL from which the prices of a local day are fetched, or until another one.
        Raises PricesRefused for a place in it that is not known."""
        last = last or day
        monday = day - timedelta(day.weekday())
        days = {"start": day, "end": last + timedelta(1), "monday": monday}
        address = self.url or ""
        words = {
            "date": day,
            "until": last,
            "year": f"{day:%Y}",
            "month": f"{day:%m}",
            "day": f"{day:%d}",
        }
        for name, of_day in words.items():
            address = address.replace(f"{{{name}}}", str(of_day))
        for name, of_name in days.items():
            milliseconds = int(beginning(of_name, zone).timestamp()) * 1000
            address = address.replace(f"{{{name}_ms}}", str(milliseconds))
        if unknown := _PLACE.search(address):
            raise PricesRefused(Told("{1} in the address is not known", unknown[0]))
        return address


PRESETS: Final[Mapping[str, PriceSource]] = {
    "energy-charts": PriceSource(
        url="https://api.energy-charts.info/price?bzn=DE-LU&start={date}&end={until}",
        time="unix_seconds",
        minutes=15,
    ),
    "awattar": PriceSource(
        url="https://api.awattar.de/v1/marketdata?start={start_ms}&end={end_ms}",
        list="data",
        time="start_timestamp",
        price="marketprice",
        minutes=60,
    ),
    "smard": PriceSource(
        url="https://www.smard.de/app/chart_data/4169/DE/4169_DE_quarterhour_{monday_ms}.json",
        list="series",
        time="0",
        price="1",
        minutes=15,
    ),
}
"""The public sources that the manual names."""


class ReadingTerms(NamedTuple):
    """What a document is read by: the currency of its series, the zone of the site, and the present
    time."""

    currency: str
    zone: tzinfo
    now: datetime


def read(document: bytes, source: PriceSource, terms: ReadingTerms) -> dict[int, Decimal]:
    """Return the prices of a kWh by their quarters. Raises PricesRefused."""
    shift = _shift(source.unit, terms.currency)
    rows = _of_csv(document, source) if source.form == "csv" else _of_json(document, source)
    timed = [
        (_time(written), None if price in _BLANK else price)
        for written, price in rows
        if written not in _BLANK or price not in _BLANK
    ]
    if all(price is None for _, price in timed):
        raise PricesRefused(Told("it has no prices"))
    ends = timed[0][0], timed[-1][0]
    # The hour that a local clock shows twice is told apart by its order.
    if ends[0].tzinfo is ends[1].tzinfo is None and ends[0] > ends[1]:
        timed.reverse()
    shown = Counter[datetime]()
    found = dict[int, Decimal | None]()
    for at, written in timed:
        moment = at
        if at.tzinfo is None:
            moment = in_zone(at.replace(tzinfo=terms.zone, fold=min(shown[at], 1)), UTC)
            shown[at] += 1
            if in_zone(moment, terms.zone).replace(tzinfo=None, fold=0) != at:
                continue  # the clock was put forward: there was no such time
        seconds = int(moment.timestamp())
        price = None if written is None else _price(written, shift)
        before = found.get(seconds)
        if before is not None and price is not None and before != price:
            both = f"{before:f}", f"{price:f}"
            words = Told("it has two prices for {1}: {2} and {3}", _shown(seconds), *both)
            raise PricesRefused(words)
        found[seconds] = before if price is None else price
    return _by_quarter(found, terms.now, source.minutes)


def _by_quarter(
    found: Mapping[int, Decimal | None], now: datetime, minutes: int | None
) -> dict[int, Decimal]:
    """Return prices by their quarters: those of hours hold for four. Raises PricesRefused."""
    times = sorted(found)
    latest = (now + AHEAD).timestamp()
    for end in (times[0], times[-1]):
        if not beginning(OLDEST, UTC).timestamp() <= end <= latest:
            raise PricesRefused(Told("the time {1} is beyond belief", _shown(end)))
    if any(moment % SECONDS for moment in times):
        raise PricesRefused(Told("its times are not those of hours or quarters of an hour"))
    return {
        moment // SECONDS + place: price
        for moment, step in _steps(times, minutes).items()
        if (price := found[moment]) is not None
        for place in range(step // SECONDS)
    }


def _steps(times: Sequence[int], minutes: int | None) -> dict[int, int]:
    """Return for how many seconds the price of each row holds: as far as the rows of its stretch
    are apart. A stretch may follow another, as quarters follow hours, and may have holes. Where
    the rows leave that open, it is so many minutes. Raises PricesRefused."""
    apart = [late - early for early, late in pairwise(times)]
    steps = {distance for distance in apart if distance in STEPS}
    # One distance among others may be a row of another length, or a hole; two equal ones are rows.
    paces = list[int]()
    for at, distance in enumerate(apart):
        beside = apart[max(at - 1, 0) : at] + apart[at + 1 : at + 2]
        is_pace = distance in steps and (len(steps) == 1 or distance in beside)
        paces.append(distance if is_pace else 0)
    before = accumulate([0, *paces], _newest)
    after = [*accumulate([0, *reversed(paces)], _newest)][::-1]

    found = dict[int, int]()
    rows = zip(times, [*apart, inf], [0, *paces], [*paces, 0], before, after, strict=True)
    for moment, ahead, earlier, own, pace_before, pace_after in rows:
        step = own
        if not own and earlier and ahead not in steps:
            step = earlier
        elif not own and (pace_before == pace_after or len(steps) == 1):
            step = pace_before or pace_after
        step = step or 60 * (minutes or 0)
        if not 0 < step <= ahead:
            words = Told(
                "its price of {1} stands alone: say for how many minutes it holds", _shown(moment)
            )
            raise PricesRefused(words)
        found[moment] = step
    return found


def _newest(last: int, pace: int) -> int:
    return pace or last


def holes(quarters: Iterable[int]) -> Told | None:
    """Return where quarters are missing between others, in words; None if none is."""
    found = [(early + 1, late) for early, late in pairwise(sorted(quarters)) if late - early > 1]
    if not found:
        return None
    ends = (_shown(quarter * SECONDS) for quarter in found[0])
    if len(found) == 1:
        return Told("it has no prices from {1} to {2}", *ends)
    return Told("it has no prices in {1} stretches, the first from {2} to {3}", len(found), *ends)


def _shift(unit: str, currency: str) -> int:
    """Return by what power of ten a price in a unit is more than one for a kWh, such as 3 for
    EUR/MWh. Raises PricesRefused."""
    money, _, energy = unit.casefold().partition("/")
    shift = _ENERGY.get(energy.strip())
    if shift is None or money.strip() not in ("ct", currency.casefold()):
        words = Told("give the unit as {1}/MWh, {1}/kWh or ct/kWh; {2} is none", currency, unit)
        raise PricesRefused(words)
    return shift + 2 * (money.strip() == "ct")


def _price(written: object, shift: int) -> Decimal:
    """Return the price of a kWh. Raises PricesRefused."""
    number = Decimal(written) if type(written) is int else written
    if isinstance(written, str):
        text = written.strip()
        if grouped := _GROUPED.fullmatch(text):
            text = text.replace(grouped["mark"], "")
        number = typed_number(text)
    if type(number) is not Decimal or len(str(number)) > LONGEST:
        raise PricesRefused(Told("{1} is no price", _cut(written)))
    # Compared before it is computed with: 1e999999 would have a million digits.
    most = HIGHEST * 10**shift
    if not -most <= number <= most or int(number.as_tuple().exponent) < -LONGEST:
        raise PricesRefused(Told("a price of {1} is beyond belief", _cut(written)))
    return number.scaleb(-shift) if number else Decimal(0)


def _time(written: object) -> datetime:
    """Return a time as it is written, with no zone if that is not said. Raises PricesRefused."""
    if isinstance(written, str) and written.strip().isdecimal() and len(written) < LONGEST:
        written = int(written)
    if type(written) is int:
        return from_seconds(written // 1000 if abs(written) > MILLISECONDS else written)
    if isinstance(written, str):
        for parse in (datetime.fromisoformat, _of_germany):
            with suppress(ValueError):
                return parse(written.strip())
    raise PricesRefused(Told("{1} is no time", _cut(written)))


def _of_germany(text: str) -> datetime:
    return datetime.strptime(text, "%d.%m.%Y %H:%M")  # noqa: DTZ007 - its zone is the site's


def _of_csv(document: bytes, source: PriceSource) -> Iterator[tuple[object, object]]:
    text = document.decode("utf-8-sig", "replace")
    head = text.partition("\n")[0]
    # In a tie, a comma begins decimals.
    delimiter = max(";\t,", key=head.count)
    try:
        lines = [line for line in csv.reader(StringIO(text), delimiter=delimiter) if line]
    except csv.Error:
        raise PricesRefused(Told("it is not CSV")) from None
    names = [name.strip().casefold() for name in lines[0]] if lines else []
    places = list[int]()
    for name in (source.time, source.price):
        if name.casefold() not in names:
            words = Told("it has no column {1}, only {2}", name, _cut(", ".join(names)))
            raise PricesRefused(words)
        places.append(names.index(name.casefold()))
    for line in lines[1:]:
        if len(line) <= max(places):
            raise PricesRefused(Told("it has a line that is too short: {1}", _cut(line)))
        yield line[places[0]], line[places[1]].strip()


def _of_json(document: bytes, source: PriceSource) -> Iterator[tuple[object, object]]:
    try:
        tree = json.loads(document, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        raise PricesRefused(
            Told("it is not JSON: {1}", _cut(document[:LONGEST].decode("utf-8", "replace")))
        ) from None
    top = _at(tree, source.list)
    if isinstance(top, list):
        yield from ((_at(row, source.time), _at(row, source.price)) for row in top)
        return
    times, prices = _at(top, source.time), _at(top, source.price)
    if not (isinstance(times, list) and isinstance(prices, list) and len(times) == len(prices)):
        words = Told("{1} and {2} are not two lists of one length", source.time, source.price)
        raise PricesRefused(words)
    yield from zip(times, prices, strict=True)


def _at(tree: Any, path: str) -> Any:
    """Return what is at a path of names and numbers. Raises PricesRefused."""
    for part in filter(None, path.split(".")):
        try:
            tree = tree[int(part) if isinstance(tree, list) else part]
        except (LookupError, TypeError, ValueError):
            raise PricesRefused(Told("it has nothing at {1}", path)) from None
    return tree


def _shown(seconds: float) -> Moment:
    return Moment(stamp(from_seconds(seconds)))


def _cut(written: object) -> str:
    """Return the beginning of what is written, to be shown."""
    return (repr(written) if isinstance(written, str) else str(written))[:LONGEST]
