"""Words and formats, from one file that the owner may replace: how numbers, money, days and times
become texts.

It is data, not code: nothing in it can run. Its shape is that of english.toml, beside this module:
the same tables and names, and in each text the same fields.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any, Final
from zoneinfo import ZoneInfo

from levity_trio.billing.money import units
from levity_trio.billing.pricing import ByQuarter
from levity_trio.billing.statement import (
    Currency,
    MeasuringMethod,
    Party,
    Split,
    Statement,
    in_groups,
)
from levity_trio.billing.tariff_values import USUAL_WINDOWS
from levity_trio.documents import DocumentProblem
from levity_trio.locale import SOURCE, _, languages, speaking
from levity_trio.locale.formats import tables
from levity_trio.locale.texts import said
from levity_trio.records import record
from levity_trio.told import Told, joined
from levity_trio.wire.times import in_zone

DATE_FIELDS: Final = frozenset(("day", "day2", "month", "short", "number", "number2", "year"))
PAPERS: Final = ("A4", "Letter")
ADDRESS_PARTS: Final = ("name", "address", "contact")
_OWN_ENTRIES: Final = "money.symbols"
"""The table that may have any entries."""
_LONGEST_SIGN: Final = 1
LONGEST_SENDER_LINE: Final = 120
_WORDS: Final = re.compile(r"\w+")
UNIT_PRICE_DECIMALS: Final = 4
_CHOSEN_FIELDS: Final = ("dates.day", "dates.short", "dates.month")
_DECIMALS: Final = (".", ",", "٫")
_CHOICES: Final = {
    "paper": PAPERS,
    "numbers.decimal": _DECIMALS,
    "csv.separator": (",", ";", "\t"),
    "csv.decimal": _DECIMALS,
}
_UNEQUAL: Final = (("numbers.decimal", "numbers.thousands"), ("csv.decimal", "csv.separator"))
SPLITS: Final = {
    Split.REGISTER: "windows_register",
    Split.POWER: "windows_power",
    Split.EVENLY: "windows_evenly",
}
_ORDERS_OTHERS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that override the direction of the text after them. Names do not need them; they could
turn an amount round. The marks U+200E and U+200F stay: they are needed, and harmless."""


def tidy(text: str) -> str:
    """Return a text of somebody else (a name, a reason) as one line that orders no other text
    about."""
    kept = ""
    for sign in text:
        if sign not in _ORDERS_OTHERS:
            kept += " " if unicodedata.category(sign) == "Cc" else sign
    return " ".join(kept.split())


class TemplateProblem(DocumentProblem):
    """A template has faults: one line for each argument."""

    def __str__(self) -> str:
        return joined("\n", self.args)


@record(kw_only=False)
class DocumentTemplate:
    """A checked template."""

    values: Mapping[str, Any]
    """The tables of the file."""

    @property
    def of_sheet(self) -> dict[str, Any]:
        """The fields that a sheet has of its template."""
        values = self.values
        language, paper = values["language"], values["paper"]
        page_words = values["words"]["page"]
        table = values["csv"]
        csv = (table["separator"], table["decimal"])
        return {"language": language, "paper": paper, "page_words": page_words, "csv": csv}

    def say(self, word: str, /, **fields: object) -> str:
        """Return a text of the table [words] with its fields filled in."""
        return str(self.values["words"][word]).format(**fields)

    def column(self, name: str, **fields: object) -> str:
        """Return the head of a column."""
        return str(self.values["columns"][name]).format(**fields)

    def number(self, value: Decimal) -> str:
        """Return a number with all its decimals and with the signs of the template."""
        signs = self.values["numbers"]
        whole, point, decimals = f"{abs(value):,f}".partition(".")
        text = whole.replace(",", signs["thousands"])
        if point:
            text = f"{text}{signs['decimal']}{decimals}"
        return f"{signs['minus']}{text}" if value < 0 else text

    def amount(self, minor: int, currency: Currency) -> str:
        """Return an amount in minor units without its currency."""
        return self.number(units(minor, currency))

    def money(self, minor: int, currency: Currency) -> str:
        """Return an amount in minor units with its currency, on one line."""
        return self.priced(self.amount(minor, currency), currency)

    def priced(self, amount: str, currency: Currency) -> str:
        """Return a written amount with its currency, on one line."""
        pattern: str = self.values["money"]["pattern"]
        text = pattern.format(amount=amount, currency=self.symbol(currency))
        return text.replace(" ", "\N{NO-BREAK SPACE}")

    def symbol(self, currency: Currency) -> str:
        """Return what stands for a currency."""
        return str(self.values["money"]["symbols"].get(currency.code, currency.code))

    def kilowatt_hours(self, energy_wh: int) -> str:
        """Return energy in kWh, to the Wh."""
        return self.number(Decimal(energy_wh).scaleb(-3))

    def metered(
        self,
        begin_wh: int | None,
        end_wh: int | None,
        measured: str | None,
        energy_wh: int | None = None,
        signed: str | None = None,
    ) -> str:
        """Return the meter's registers, how the energy was measured if it is not their difference,
        and by which key it is signed; empty if nothing is known of it. With its energy, a register
        that began again at 0 is shown up to there, too."""
        parts: list[str] = []
        if begin_wh is not None and end_wh is not None:
            begin, end = self.kilowatt_hours(begin_wh), self.kilowatt_hours(end_wh)
            if measured == MeasuringMethod.RESET and energy_wh is not None:
                last = self.kilowatt_hours(begin_wh + energy_wh - end_wh)
                parts.append(self.say("registers", begin=begin, end=last))
                parts.append(self.say("registers_again", end=end))
            else:
                parts.append(self.say("registers", begin=begin, end=end))
        if measured not in (None, MeasuringMethod.REGISTER):
            parts.append(self.say(f"measured_{measured}"))
        if signed:
            key = signed.removeprefix("told ")
            word = "signed_by_told_key" if key != signed else "signed"
            parts.append(self.say(word, key=in_groups(key[:16], 4)))
        text = "; ".join(parts)
        return text[:1].upper() + text[1:]

    def price(self, value: Decimal, places: int) -> str:
        """Return a price in units of its currency (euros, not cents), or any other number, with so
        many decimals."""
        return self.number(value.quantize(Decimal(1).scaleb(-places)))

    def mean_price(self, value: Decimal) -> str:
        """Return the price of a kWh with so many decimals as a mean has on paper."""
        unit = Decimal(1).scaleb(-UNIT_PRICE_DECIMALS)
        return self.number(value.quantize(unit, ROUND_HALF_UP))

    def unit_price(self, value: Decimal, currency: Currency) -> str:
        """Return the price of one thing with its currency, with as many decimals as it needs, but
        at most four."""
        unit = Decimal(1).scaleb(-UNIT_PRICE_DECIMALS)
        exact = value.quantize(unit, ROUND_HALF_UP)
        places = max(currency.exponent, _decimals(exact))
        return self.priced(self.price(exact, places), currency)

    def percent(self, rate: Decimal) -> str:
        """Return a rate without trailing zeros."""
        number = self.price(rate, _decimals(rate))
        return str(self.values["numbers"]["percent"].format(number=number))

    def day(self, when: date, pattern: str = "day") -> str:
        """Return a day by one of the patterns day, short, month."""
        dates = self.values["dates"]
        day, month = when.day, when.month
        fields: dict[str, object] = {"day": day, "number": month}
        fields["year"] = when.year
        fields["day2"] = f"{day:02}"
        fields["number2"] = f"{month:02}"
        fields["month"] = dates["months"][month - 1]
        fields["short"] = dates["short_months"][month - 1]
        return str(dates[pattern].format(**fields))

    def span(self, start: datetime, end: datetime | None, zone: ZoneInfo) -> str:
        """Return from when to when, in local time; the last day only where it is another.

        Where the clock was changed between, each time says which one it is: 02:30 may come twice.
        """
        begin = in_zone(start, zone)
        if end is None:
            return f"{self._clock(begin)} –"
        until = in_zone(end, zone)
        first, last = self._clock(begin), self._clock(until)
        if begin.utcoffset() != until.utcoffset():
            first = f"{first} {begin.tzname()}"
            last = f"{last} {until.tzname()}"
        if until.date() != begin.date():
            last = f"{self.day(until.date(), 'short')} {last}"
        return f"{first} – {last}"

    def _clock(self, when: datetime, minute: str = "%M") -> str:
        pattern: str = self.values["dates"]["time"]
        return pattern.format(hour=f"{when:%H}", minute=f"{when:{minute}}")

    def by_quarter(
        self,
        quarters: ByQuarter | None,
        start: datetime | None,
        zone: ZoneInfo,
        split: Split | None,
    ) -> str:
        """Return the dearest and the cheapest quarter of a session, and in how many its energy or
        its price is not what was measured; empty without any."""
        if quarters is None:
            return ""
        parts: list[str] = []
        dearest, cheapest = quarters.dearest, quarters.cheapest
        if dearest is not None and cheapest is not None:
            words = {"dearest": self.moment(dearest.at, start, zone)}
            words["high"] = self.mean_price(dearest.price)
            words["cheapest"] = self.moment(cheapest.at, start, zone)
            words["low"] = self.mean_price(cheapest.price)
            parts.append(self.say("extremes", **words))

        word = SPLITS.get(split or Split.EVENLY, "windows_evenly")
        if split is Split.REGISTER and not quarters.divided:
            parts.append(self.say(word))
        marks = {word: quarters.divided, "fallback": quarters.fallback}
        marks["unmeasured"] = quarters.unmeasured
        for word, count in marks.items():
            if count:
                what = self.say(word)
                parts.append(self.say("of_quarters", what=what, count=count))
        return "; ".join(parts)

    def moment(self, at: datetime, start: datetime | None, zone: ZoneInfo) -> str:
        """Return a local time, to the second, with its day and its zone where those are others than
        at a start."""
        begin, local = in_zone(start or at, zone), in_zone(at, zone)
        minute = "%M"
        if local.second:
            minute = "%M:%S"
        text = self._clock(local, minute)
        if local.utcoffset() != begin.utcoffset():
            text = f"{text} {local.tzname()}"
        if local.date() == begin.date():
            return text
        day = self.day(local, "short")
        return f"{day} {text}"

    def household(self, statement: Statement) -> Party:
        """Return to whom a statement goes; after the names were removed, the account's number
        stands for them."""
        if statement.to is not None:
            return statement.to
        return Party(name=self.say("nameless", account=statement.account), address=())

    def address(self, party: Party) -> tuple[str, ...]:
        """Return name, address and contact in the template's order."""
        parts = {"name": (party.name,), "address": party.address, "contact": (party.contact or "",)}
        lines: list[str] = []
        for part in self.values["address"]["order"]:
            lines.extend(map(tidy, parts[part]))
        return tuple(filter(None, lines))

    def in_window(self, party: Party) -> tuple[str, ...]:
        """Return to whom a paper goes, as it stands on an envelope: without contact. A name with
        which the address begins stands there once, as the longer of both is written."""
        first, *rest = party.address or ("",)
        name, line = (" ".join(_WORDS.findall(text.casefold())) for text in (party.name, first))
        is_within = f" {name} " in f" {line} " or f" {line} " in f" {name} "
        # A line with a house number is a street, whatever it is called.
        if line and is_within and (name == line or not any(map(str.isdigit, line))):
            longer = max(party.name, tidy(first), key=len)
            party = Party(name=longer, address=tuple(rest))
        return self.address(replace(party, contact=None))

    def in_one_line(self, party: Party) -> str:
        """Return a sender as it stands above the recipient."""
        parts = self.address(replace(party, contact=None))
        return " · ".join(parts)[:LONGEST_SENDER_LINE].rstrip(" ·")


def window_name(name: str) -> str:
    """Return what the price of a window is called: a name that somebody chose stays."""
    return said(USUAL_WINDOWS[name]) if name in USUAL_WINDOWS else name


def price_decimals(prices: Iterable[Decimal], currency: Currency) -> int:
    """Return with how many decimals all of these prices can be shown exactly, in one column."""
    return max([currency.exponent, *map(_decimals, prices)])


def _decimals(value: Decimal) -> int:
    """Return how many decimals a number has, without trailing zeros."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def parse(text: str) -> DocumentTemplate:
    """Return the template of a file's text. Raises TemplateProblem with all faults."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise TemplateProblem(Told("this is no TOML: {1}", str(problem))) from None
    # With each table missing, a list of all faults would say less than this.
    if not _ENGLISH_VALUES.keys() & values.keys():
        entries = ", ".join(_ENGLISH_VALUES)
        why = Told(
            "this is no template, which has {1}; begin with a copy of this program's own", entries
        )
        raise TemplateProblem(why)
    words = values.get("words")
    if isinstance(words, dict):
        # Words that came after the file was written are those of this program.
        for name in _ENGLISH_VALUES["words"].keys() - words.keys():
            own = of_program(known_language(str(values.get("language"))))
            words[name] = own.values["words"][name]
    faults = [*_differences(_ENGLISH_VALUES, values, ""), *_wrong_values(values)]
    if faults:
        raise TemplateProblem(*faults)
    return DocumentTemplate(values)


def _differences(model: Any, value: Any, path: str) -> Iterator[str]:
    """Yield what is missing, unknown, of another type, or has other fields than the English
    file."""
    if type(model) is not type(value):
        yield Told("{1} must be {2}", path, _TYPES[type(model)])
    # In this table, the owner may add any entry: a sign for any currency.
    elif path == _OWN_ENTRIES:
        for name, text in value.items():
            if not isinstance(text, str):
                yield Told("{1} must be {2}", _below(path, name), _TYPES[str])
    elif isinstance(model, dict):
        yield from _table_differences(model, value, path)
    elif isinstance(model, list):
        if len(model) != len(value):
            yield Told("{1} must have {2} entries; it has {3}", path, len(model), len(value))
        if not all(isinstance(text, str) and text for text in value):
            yield Told("{1} must be {2}", path, _TYPES[list])
    else:
        yield from _field_differences(model, value, path)


def _table_differences(model: dict[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
    for name in model.keys() - value.keys():
        where = _below(path, name)
        if isinstance(model[name], str):
            yield Told("{1} is missing (in English: {2})", where, repr(model[name]))
        else:
            yield Told("{1} is missing", where)
    for name in value.keys() - model.keys():
        yield Told("{1} is unknown; look for a spelling mistake", _below(path, name))
    for name, inner in model.items():
        if name in value:
            yield from _differences(inner, value[name], _below(path, name))


def _field_differences(model: str, value: str, path: str) -> Iterator[str]:
    """Yield what is wrong with the fields of a text."""
    try:
        fields = _fields(value)
    except ValueError as problem:
        yield Told("{1}: {2} (a brace itself is written twice)", path, str(problem))
        return

    # How a day is written is the owner's choice; any other text needs all fields of the English
    # one.
    needed = _fields(model)
    allowed = needed
    if path in _CHOSEN_FIELDS:
        needed, allowed = frozenset(), DATE_FIELDS
    unknown = sorted(fields - allowed)
    if unknown:
        name = f"{{{unknown[0]}}}"
        fields_here = [f"{{{field}}}" for field in sorted(allowed)]
        possible = ", ".join(fields_here) or Told("none")
        yield Told("{1} has the unknown field {2}; possible here: {3}", path, name, possible)
    missing = sorted(needed - fields)
    if missing:
        yield Told("{1} needs the field {2}", path, f"{{{missing[0]}}}")


def _fields(text: str) -> frozenset[str]:
    """Return the fields of a text. A field is a name only: no attribute, no index, no format.
    Raises ValueError."""
    names: set[str] = set()
    for _text, name, form, conversion in [*Formatter().parse(text)]:
        if name is None:
            continue
        if form or conversion or not name.isidentifier():
            raise ValueError(Told("the field {1} must be a plain name", f"{{{name}}}"))
        names.add(name)
    return frozenset(names)


def _wrong_values(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong that the shape of the English file cannot show."""
    # What has another type was listed before.
    for path, allowed in _CHOICES.items():
        sign = _at(values, path)
        if isinstance(sign, str) and sign not in allowed:
            signs = ", ".join(map(repr, allowed))
            yield Told("{1} must be one of {2}", path, signs)
    for path in ("numbers.thousands", "numbers.minus"):
        sign = _at(values, path)
        if isinstance(sign, str) and (len(sign) > _LONGEST_SIGN or sign.isalnum()):
            yield Told("{1} must be one sign", path)

    # Otherwise an amount could be read in two ways.
    for first, second in _UNEQUAL:
        if _at(values, first) == _at(values, second):
            yield Told("{1} and {2} must differ", first, second)
    if _at(values, "numbers.minus") == "":
        yield Told("numbers.minus must not be empty")
    order = _at(values, "address.order")
    if isinstance(order, list) and sorted(map(str, order)) != sorted(ADDRESS_PARTS):
        parts = ", ".join(ADDRESS_PARTS)
        yield Told("address.order must have each of {1} once", parts)


def _at(values: Any, path: str) -> Any:
    """Return what stands at a dotted path, None where nothing does."""
    for name in path.split("."):
        values = values.get(name) if isinstance(values, dict) else None
    return values


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_TYPES: Final[dict[type, Told]] = {
    str: Told("a text"),
    list: Told("a list of texts"),
    dict: Told("a table"),
}
ENGLISH_TEXT: Final = (
    files("levity_trio.documents").joinpath("english.toml").read_text(encoding="utf-8")
)
_ENGLISH_VALUES: Final = tomllib.loads(ENGLISH_TEXT)
ENGLISH: Final = parse(ENGLISH_TEXT)
TRANSLATED: Final = ("columns", "words")
"""The tables whose texts are in the catalogues."""


def known_language(tag: str) -> str:
    """Return the language of this program for that of a template, such as de-AT."""
    language = tag.partition("-")[0]
    return language if language in languages() else SOURCE


@cache
def of_program(name: str | None) -> DocumentTemplate:
    """Return the words and formats of this program in a language; None is English."""
    if name in (None, SOURCE):
        return ENGLISH
    words: dict[str, dict[str, str]] = {}
    with speaking(name):
        for table in TRANSLATED:
            english = ENGLISH.values[table]
            words[table] = {word: _(text) for word, text in english.items()}
    return DocumentTemplate({**ENGLISH.values, **tables(name), **words, "language": name})


def chosen(texts: Iterable[str | None], language: str | None) -> DocumentTemplate:
    """Return the first of some templates that can be used. Raises the problem of the first.

    None is that of this program. One in another language than the household's (None: any) gives way
    to this program's.
    """
    problems: list[TemplateProblem] = []
    for text in texts:
        if text is None:
            return of_program(language)
        try:
            template = parse(text)
        except TemplateProblem as problem:
            problems.append(problem)
            continue
        if language in (None, str(template.values["language"]).partition("-")[0]):
            return template
        return of_program(language)
    raise problems[0]
