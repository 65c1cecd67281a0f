"""What is filled into the fields of a form, and the JSON that it makes.

What is left empty is left out, so that the endpoint's own default holds; so is a row without any value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

import orjson

from levity_trio.web.dashboard.fields import ENERGY, LINES, MONEY, NUMBER, QUERY, TIME, Field, leaves, plain
from levity_trio.web.dashboard.money import minor_of
from levity_trio.web.dashboard.shapes import typed_kwh, wh_of
from levity_trio.wire.times import in_zone, stamp

_STEPS: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class Unreadable(ValueError):
    """A field that was filled in wrongly: its name, and what to give."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(words)
        self.name = name


def texts(fields: tuple[Field, ...], content: Any, zone: tzinfo) -> dict[str, str]:
    """Return what the fields show of a JSON object that is to be changed."""
    found = {one.name: (one, _at(content, one.name)) for one in leaves(fields) if not one.name.startswith(QUERY)}
    return {name: _text(one, value, zone) for name, (one, value) in found.items() if value is not None}


def body_of(fields: tuple[Field, ...], values: Mapping[str, str], zone: tzinfo, currency: str) -> dict[str, Any]:
    """Return the JSON object that a filled-in form makes; money is typed in this currency. Raises Unreadable."""
    made: dict[str, Any] = {}
    for one in leaves(fields):
        text = values.get(one.name, "").strip()
        if one.name.startswith(QUERY) or not text:
            continue
        *outer, last = [int(row) if row else name for name, row in _STEPS.findall(one.name)]
        place: dict[Any, Any] = made
        for step in outer:
            place = place.setdefault(step, {})
        place[last] = _minor(one.name, text, currency) if one.kind == MONEY else _value(one, text, zone)
    return {name: _listed(value) for name, value in made.items()}


def _listed(value: Any) -> Any:
    """Return what was made by numbers of rows as a list."""
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(key, int) for key in value):
        return [_listed(value[number]) for number in sorted(value)]
    return {key: _listed(inner) for key, inner in value.items()}


def query_of(fields: tuple[Field, ...], values: Mapping[str, str]) -> dict[str, str]:
    """Return the query parameters that a filled-in form makes."""
    names = [one.name for one in leaves(fields) if one.name.startswith(QUERY)]
    return {name[1:]: values[name].strip() for name in names if values.get(name, "").strip()}


# One field


def _at(content: Any, name: str) -> Any:
    """Return what a field is about; the API shows some numbers of other things as `station_id` and takes `station`."""
    for part in name.split("."):
        content = content.get(part, content.get(f"{part}_id")) if isinstance(content, Mapping) else None
    return content


def _text(one: Field, value: Any, zone: tzinfo) -> str:
    if one.kind == LINES and isinstance(value, list):
        return "\n".join(map(plain, value))
    if one.kind == ENERGY:
        return typed_kwh(value)
    if one.kind == TIME:
        return in_zone(datetime.fromisoformat(value), zone).strftime("%Y-%m-%dT%H:%M:%S")
    return plain(value)


def _value(one: Field, text: str, zone: tzinfo) -> Any:
    """Return the JSON value of what was filled in. Raises Unreadable."""
    match one.kind:
        case "switch" | "yes or no":
            return text == "true"
        case "lines":
            return [line.strip() for line in text.splitlines() if line.strip()]
        case "area":
            return "\n".join(text.splitlines())
        case "energy":
            return _wh(one.name, text)
        case "time":
            return _moment(one.name, text, zone)
        case "number" | "json":
            return _read(one, text)
        case _:
            return text


def _minor(name: str, text: str, currency: str) -> int:
    try:
        return minor_of(text, currency)
    except ValueError as error:
        raise Unreadable(name, str(error)) from None


def _wh(name: str, text: str) -> int:
    try:
        return wh_of(text)
    except ValueError as error:
        raise Unreadable(name, str(error)) from None


def _moment(name: str, text: str, zone: tzinfo) -> str:
    try:
        given = datetime.fromisoformat(text)
        local = given if given.tzinfo else given.replace(tzinfo=zone)
        return stamp(local.replace(tzinfo=UTC) - (local.utcoffset() or timedelta()))
    except (ValueError, OverflowError):
        raise Unreadable(name, "give a date and a time") from None


def _read(one: Field, text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Unreadable(one.name, "give a number" if one.kind == NUMBER else "this is not JSON") from None
