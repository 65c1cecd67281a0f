"""Plain tariffs: what a form says of a tariff, without TOML. A form writes TOML, and finds itself
again in a tariff.

A price at all times, fixed or moving with a price series; instead of it a price at night, and a
price on Saturdays and Sundays, which holds all day, so that the night is one of Mondays to Fridays
then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from levity_trio.billing.statement import LineKind
from levity_trio.billing.tariff import LEAST_WH, Blocking, MovingPrice, Tariff, Window
from levity_trio.billing.tariff_file import TariffFaults, parse
from levity_trio.billing.tariff_values import clock
from levity_trio.billing.windows import ALL_DAY, Recurrence
from levity_trio.records import record

WEEKEND: Final = frozenset((5, 6))
_MOVING: Final = ("series", "factor", "markup", "floor", "cap", "fallback")
"""What is said of a price that moves, under the same names in TOML and in a form."""
_PLACES: Final = {
    "name": "name",
    "valid_from": "since",
    "currency": "currency",
    "prices": "prices",
    "tax": "tax",
    "energy.price": "price",
    "energy.name": "price_name",
    "energy.average": "average",
    **{f"energy.{name}": name for name in _MOVING},
    "sun.price": "sun_price",
    **{
        place: place for place in ("session_fee", "base_fee", "minimum", "maximum", "free_below_wh")
    },
    "blocking.price": "blocking_price",
    "blocking.grace_minutes": "blocking_after_minutes",
    "blocking.maximum": "blocking_maximum",
    "blocking.free": "blocking_free_from",
}


@record
class PlainTariff:
    """A version of a tariff as a form says it. Prices are decimal numbers, times of day are such as
    22:00.

    `prices` is gross or net. The price is fixed, or `series` × `factor` + `markup`; of the series,
    the month's mean counts if `average` is set. `sun_price` is that of the house's own sun.
    `blocking_until_free` charges for blocking until the space is free again.
    """

    name: str
    since: str
    currency: str
    prices: str
    tax: str
    price: str | None = None
    series: str | None = None
    factor: str | None = None
    markup: str | None = None
    floor: str | None = None
    cap: str | None = None
    fallback: str | None = None
    average: bool = False
    sun_price: str | None = None
    price_name: str | None = None
    night_price: str | None = None
    night_from: str | None = None
    night_until: str | None = None
    night_name: str | None = None
    weekend_price: str | None = None
    weekend_name: str | None = None
    session_fee: str | None = None
    base_fee: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    blocking_price: str | None = None
    blocking_after_minutes: int | None = None
    blocking_maximum: str | None = None
    blocking_free_from: str | None = None
    blocking_free_until: str | None = None
    blocking_until_free: bool = False
    free_below_wh: int | None = None

    @property
    def toml(self) -> str:
        """The TOML of it, whatever its texts contain."""
        lines = [
            f"name = {_quoted(self.name)}",
            f"valid_from = {self.since}",
            f"currency = {_quoted(self.currency)}",
            f"prices = {_quoted(self.prices)}",
        ]
        lines += self._given("tax", "session_fee", "base_fee", "minimum", "maximum")
        if self.free_below_wh is not None:
            lines.append(f"free_below_wh = {self.free_below_wh}")

        lines += self._windows()
        lines += ["", "[energy]"]
        if self.price_name is not None:
            lines.append(f"name = {_quoted(self.price_name)}")
        lines += self._given("price", *_MOVING)
        if self.average:
            lines.append("average = true")
        if self.sun_price is not None:
            lines += ["", "[sun]", f"price = {_quoted(self.sun_price)}"]

        if self.blocking_price is not None:
            lines += ["", "[blocking]", f"price = {_quoted(self.blocking_price)}"]
            if self.blocking_after_minutes is not None:
                lines.append(f"grace_minutes = {self.blocking_after_minutes}")
            if self.blocking_maximum is not None:
                lines.append(f"maximum = {_quoted(self.blocking_maximum)}")
            if self.blocking_free_from is not None:
                free = f"{self.blocking_free_from}-{self.blocking_free_until}"
                lines.append(f"free = {_quoted(free)}")
            if self.blocking_until_free:
                lines.append("until_available = true")
        return "\n".join(lines) + "\n"

    def _given(self, *names: str) -> list[str]:
        """Return the lines of the values that are given."""
        values = {name: getattr(self, name) for name in names}
        return [f"{name} = {_quoted(text)}" for name, text in values.items() if text is not None]

    def _windows(self) -> Iterator[str]:
        if self.night_price is not None:
            yield from ("", "[[window]]", f"name = {_quoted(self.night_name or 'night')}")
            yield f"price = {_quoted(self.night_price)}"
            yield f"times = {_quoted(f'{self.night_from}-{self.night_until}')}"
            # The weekend has its own price all day, and no two windows may hold at once.
            if self.weekend_price is not None:
                yield 'weekdays = "Mon-Fri"'
        if self.weekend_price is not None:
            yield from ("", "[[window]]", f"name = {_quoted(self.weekend_name or 'weekend')}")
            yield from (f"price = {_quoted(self.weekend_price)}", 'weekdays = ["Sat", "Sun"]')

    @property
    def places(self) -> Mapping[str, str]:
        """The fields by the places of the TOML in which they stand."""
        places, number = dict(_PLACES), 0
        for name in ("night", "weekend"):
            if getattr(self, f"{name}_price") is not None:
                number += 1
                for key, field in (("price", "price"), ("name", "name"), ("times", "from")):
                    places[f"window {number}.{key}"] = f"{name}_{field}"
        return places


def plain_tariff(tariff: Tariff) -> PlainTariff | None:
    """Return a tariff as a form says it; None if a form cannot say all of it."""
    default = next((window for window in tariff.windows if window.when is None), None)
    if default is None:
        return None
    found = PlainTariff(
        name=tariff.name,
        since=str(tariff.since),
        currency=tariff.currency.code,
        prices="gross" if tariff.are_gross else "net",
        tax=f"{tariff.tax_rate(LineKind.ENERGY):f}",
        price=None if default.moving else f"{default.price:f}",
        price_name=default.name,
        sun_price=_text(tariff.sun_price),
        session_fee=_text(tariff.session_fee),
        base_fee=_text(tariff.base_fee),
        minimum=_text(tariff.minimum),
        maximum=_text(tariff.maximum),
        free_below_wh=None if tariff.free_below_wh == LEAST_WH else tariff.free_below_wh,
    )
    if default.moving is not None:
        found = _with_series(found, default.moving)
    for window in tariff.windows:
        when, price = window.when, f"{window.price:f}"
        if when is None:
            continue
        if when.times == ALL_DAY and when.weekdays == WEEKEND:
            found = replace(found, weekend_price=price, weekend_name=window.name)
        else:
            since, until = _times(when)
            night = replace(found, night_price=price, night_name=window.name)
            found = replace(night, night_from=since, night_until=until)
    if tariff.blocking is not None:
        found = _with_blocking(found, tariff.blocking)
    # The form says all of the tariff if it makes the same tariff.
    try:
        is_all = _compared(parse(found.toml)) == _compared(tariff)
    except TariffFaults:
        return None
    return found if is_all else None


def _with_series(found: PlainTariff, moving: MovingPrice) -> PlainTariff:
    # What changes nothing is left out.
    return replace(
        found,
        series=moving.series,
        factor=None if moving.factor == 1 else f"{moving.factor:f}",
        markup=f"{moving.markup:f}" if moving.markup else None,
        floor=_text(moving.floor),
        cap=_text(moving.cap),
        fallback=_text(moving.fallback),
        average=moving.is_average,
    )


def _with_blocking(found: PlainTariff, fee: Blocking) -> PlainTariff:
    since, until = (None, None) if fee.free is None else _times(fee.free)
    return replace(
        found,
        blocking_price=f"{fee.price:f}",
        blocking_after_minutes=fee.grace_minutes,
        blocking_maximum=_text(fee.maximum),
        blocking_free_from=since,
        blocking_free_until=until,
        blocking_until_free=fee.is_until_available,
    )


def _times(when: Recurrence) -> tuple[str, str]:
    """Return the first times of a recurrence; whoever asks compares whether it has others."""
    return clock(when.times[0].since), clock(when.times[0].until)


def _compared(tariff: Tariff) -> tuple[Tariff, frozenset[Window]]:
    """Return a tariff without the order of its windows, since no two hold at once."""
    return replace(tariff, windows=()), frozenset(tariff.windows)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def _quoted(text: str) -> str:
    """Return a text as a basic string of TOML, which has the escapes of JSON, and one more for
    DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
