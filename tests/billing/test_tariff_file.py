"""Tariffs as TOML: what is understood, and all faults of a careless operator at once."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.describing import examples, words
from levity_trio.billing.examples import EXAMPLES
from levity_trio.billing.statement import LineKind
from levity_trio.billing.tariff import NoVersion, Tariff, Versions, Window, misfits
from levity_trio.billing.tariff_file import LONGEST, TariffFaults, parse
from levity_trio.billing.windows import Recurrence, Season, Times
from tests.billing.cases import BERLIN, tariff
from tests.billing.test_windows import recurrences

HEAD = 'name = "T"\nvalid_from = 2026-10-01\ncurrency = "EUR"\nprices = "gross"\ntax = 19\n'
ENERGY = "[energy]\nprice = 0.32\n"


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(TariffFaults) as caught:
        parse(text)
    return caught.value.args


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_example_is_right(kind: str) -> None:
    found = parse(EXAMPLES[kind])
    assert list(words(found))
    assert "total" in "\n".join(examples(found))


def test_all_that_a_file_says() -> None:
    text = EXAMPLES["blocking"].replace("until_available = false", "until_available = true")
    found = parse(
        text.replace(
            "session_fee = 0.50", 'session_fee = "0.50"\nminimum = 1\nmaximum = 25\nbase_fee = 4.9'
        )
    )
    assert (found.name, found.since, found.currency.code) == (
        "With blocking fee",
        date(2026, 10, 1),
        "EUR",
    )
    assert found.are_gross
    assert (found.session_fee, found.base_fee) == (Decimal("0.50"), Decimal("4.9"))
    assert (found.minimum, found.maximum) == (Decimal(1), Decimal(25))
    assert found.blocking is not None
    assert (found.blocking.price, found.blocking.grace_minutes, found.blocking.maximum) == (
        Decimal("0.05"),
        30,
        Decimal(6),
    )
    assert found.blocking.free == Recurrence((Times(22 * 60, 7 * 60),))
    assert found.blocking.is_until_available
    assert found.windows == (Window(name=None, price=Decimal("0.32")),)
    assert found.free_below_wh == 100
    assert parse(HEAD + "free_below_wh = 0\n" + ENERGY).free_below_wh == 0


def test_windows_of_a_file() -> None:
    found = parse(EXAMPLES["season"])
    noon, weekend, others = found.windows
    assert noon.price == Decimal("-0.01")
    assert noon.when == Recurrence((Times(660, 900),), frozenset(range(5)), Season((4, 1), (9, 30)))
    assert weekend.when == Recurrence(weekdays=frozenset({5, 6}))
    assert others.when is None
    assert found.window_at(datetime(2026, 7, 1, 12, tzinfo=BERLIN)) is noon
    assert found.window_at(datetime(2026, 7, 4, 12, tzinfo=BERLIN)) is weekend
    assert found.window_at(datetime(2026, 10, 1, 12, tzinfo=BERLIN)) is others


def test_tax_of_each_kind() -> None:
    rates = {kind: parse(EXAMPLES["net"]).tax_rate(kind) for kind in LineKind}
    assert rates.pop(LineKind.SESSION) == 7
    assert set(rates.values()) == {19}


def test_all_faults_at_once() -> None:
    text = """
name = ""
valid_from = 2026-10-01T00:00:00
currency = "EURO"
prices = "brutto"
tax = 0.19
sesion_fee = 0.5
session_fee = 0,50
base_fee = -3
minimum = 3
maximum = 2
[energy]
price = "0,32"
[[window]]
name = "night"
price = 0.2234567
times = 22:00-06:00
[[window]]
name = "late"
price = true
times = "23:00-01:00"
"""
    expected = [
        "line 8: write a decimal point, not a comma: session_fee = 0.50",
        'line 17: put it in quotes: times = "22:00-06:00"',
        "name: must be a name",
        "valid_from: 2026-10-01 00:00:00 must be a day without time",
        'currency: "EURO" is no currency',
        'prices: "brutto" must be "gross"',
        "tax: 0.19 would be less than one percent; write 19",
        "window 1.price: has more than 6 decimals",
        "window 2.price: true must be a number",
        "window: night and late overlap on a Mon from 00:00",
        "base_fee: -3 must not be negative",
        "maximum: 2 is less than the minimum 3",
        "sesion_fee: unknown key; did you mean session_fee?",
    ]
    found = faults(text)
    assert [one for one in expected if not any(fault.startswith(one) for fault in found)] == []
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ("", "energy: is missing"),
        (ENERGY.replace("0.32", "1e400"), "energy.price: must be a number below"),
        (ENERGY.replace("0.32", "nan"), "energy.price: must be a number below"),
        (ENERGY.replace("0.32", '"32 ct"'), 'energy.price: "32 ct" must be a number without unit'),
        (ENERGY.replace("0.32", "0.1234567"), "energy.price: has more than 6 decimals"),
        ("[energy]\n", "energy.price: is missing"),
        ("energy = 0.32\n", "energy: must be a table"),
        ("[window]\nprice = 1\n", "window: may come several times"),
        (ENERGY + "[[window]]\nname = 'n'\nprice = 1\n", "window 1: says not when it holds"),
        (
            ENERGY + "[[window]]\nname = 'n'\nprice = 1\ntimes = []\n",
            "window 1.times: [] must be text",
        ),
        (
            ENERGY + "[[window]]\nname = 'n'\nprice = 1\ntimes = '22-6'\n",
            'window 1.times: "22-6" must be two times',
        ),
        (ENERGY + "[[window]]\nname = 'n'\nprice = 1\ntimes = '22:00-22:00'\n", "window 1.times: "),
        (ENERGY + "[[window]]\nname = 'n'\nprice = 1\ntimes = '22:00-24:01'\n", "window 1.times: "),
        (
            ENERGY + "[[window]]\nname = 'n'\nprice = 1\nweekdays = 'Mo-Fr'\n",
            'window 1.weekdays: "Mo-Fr" must be of Mon',
        ),
        (
            ENERGY + "[[window]]\nname = 'n'\nprice = 1\nseason = '02-30 to 04-01'\n",
            "window 1.season: 02-30 is no day",
        ),
        (ENERGY + "[[window]]\nname = 'n'\nprice = 1\nseason = '1 Oct'\n", "window 1.season: "),
        (
            "[[window]]\nname = 'n'\nprice = 1\ntimes = '22:00-06:00'\n",
            "window: no price on a Mon from 06:00",
        ),
        (
            ENERGY + "name = 'n'\n[[window]]\nname = 'n'\nprice = 1\ntimes = '22:00-06:00'\n",
            "window: two windows are",
        ),
        (
            ENERGY + "[blocking]\nprice = 1\ngrace_minutes = '30'\n",
            'blocking.grace_minutes: "30" must be a whole',
        ),
        (
            ENERGY + "[blocking]\nprice = 1\nuntil_available = 'yes'\n",
            'blocking.until_available: "yes" must be true',
        ),
        (ENERGY + "[blocking]\nprice = -1\n", "blocking.price: -1 must not be negative"),
        (ENERGY + "[surprise]\nx = 1\n", "surprise: unknown key; known here: name"),
        (ENERGY + "x = ", "not TOML: "),
    ],
)
def test_a_fault(changed: str, fault: str) -> None:
    (found, *_) = faults(HEAD + changed)
    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("#" * (LONGEST + 1), "more than 65,536 characters"),
        ("a = " + "[" * 5000, "not TOML: "),
        (HEAD + ENERGY.replace("0.32", "1" * 5000), "not TOML: "),
        (HEAD + ENERGY.replace("0.32", "1e999999999"), "energy.price: must be a number below"),
        (
            HEAD + f"free_below_wh = 0x{'f' * 60_000}\n" + ENERGY,
            "free_below_wh: this number must be",
        ),
        (
            HEAD.replace("2026-10-01", "9999-12-31") + ENERGY,
            "valid_from: 9999-12-31 must be a day from 2000 on",
        ),
        (HEAD.replace("2026-10-01", "1999-12-31") + ENERGY, "valid_from: 1999-12-31 must be"),
        (HEAD.replace('"T"', '"2026"') + ENERGY, 'name: "2026" would be taken for a number'),
        (
            HEAD.replace('"T"', '"\u202eT"') + ENERGY,
            "name: must be a name in quotes, of at most 60 visible characters",
        ),
    ],
)
def test_one_fault_of_a_file_that_asks_too_much(text: str, fault: str) -> None:
    (found,) = faults(text)
    assert fault in found


def test_windows_are_checked_up_to_a_bound() -> None:
    """All hours of all quarters on working days and at weekends are far below it."""
    seasons = ("01-01 to 03-31", "04-01 to 06-30", "07-01 to 09-30", "10-01 to 12-31")
    hours = [f"{hour:02}:00-{hour + 1:02}:00" for hour in range(24)]
    every = product(seasons, ("Mon-Fri", "Sat-Sun"), hours)
    assert len(parse(HEAD + "".join(window(*one) for one in every)).windows) == 4 * 2 * 24
    minutes = [f"{minute // 60:02}:{minute % 60:02}-23:59" for minute in range(100)]
    days = [f"{1 + day // 28:02}-{1 + day % 28:02} to 12-31" for day in range(100)]
    (fault,) = faults(HEAD + ENERGY + "".join(map(window, days, ["Mon"] * 100, minutes)))
    assert "too many different times" in fault


def window(season: str, weekdays: str, times: str) -> str:
    name = f"{season} {weekdays} {times}"
    return (
        f'[[window]]\nname = "{name}"\nprice = 1\nseason = "{season}"\nweekdays = '
        f'"{weekdays}"\ntimes = "{times}"\n'
    )


@pytest.mark.parametrize("rate", ["100", "-1", "0.07", '"19 %"'])
def test_no_tax_rate(rate: str) -> None:
    (found,) = faults(HEAD.replace("tax = 19", f"tax = {rate}") + ENERGY)
    assert found.startswith("tax: ")


def test_a_percent_sign_is_told() -> None:
    assert faults(HEAD.replace("19", "19 %") + ENERGY) == (
        "line 5: leave out the % sign: tax = 19",
    )


@given(st.lists(recurrences, max_size=3), st.booleans())
def test_every_minute_has_one_price(found: list[Recurrence], has_default: bool) -> None:
    """The check against a model that asks each quarter of an hour of a leap year's sample of
    days."""
    quarters = [
        Recurrence(
            tuple(Times(since // 15 * 15, -(-until // 15) * 15) for since, until in one.times),
            one.weekdays,
            one.season,
        )
        for one in found
    ]
    quarters = [one for one in quarters if all(since != until for since, until in one.times)]
    windows = [
        Window(name=str(number), price=Decimal(1), when=when)
        for number, when in enumerate(quarters)
    ]
    windows += [Window(name="default", price=Decimal(1))] if has_default else []
    days = {(1, 1), (2, 29), *(day for one in quarters if one.season for day in one.season)}
    days |= {(month, day + 1) for month, day in days if day < 28} | {
        (month % 12 + 1, 1) for month, _ in days
    }
    counts = {
        sum(one.covers(minute, weekday, day) for one in quarters)
        for day in days
        for weekday in range(7)
        for minute in range(0, 1440, 15)
    }
    is_right = counts <= ({0, 1} if has_default else {1})
    assert is_right is (not list(misfits(windows)))


# Versions


def test_the_version_of_a_day() -> None:
    first, second = (
        tariff(since=date(2026, 1, 1)),
        tariff(since=date(2026, 10, 1), session_fee=Decimal(1)),
    )
    versions = Versions([second, first])
    assert versions.version_at(date(2026, 1, 1)) is first
    assert versions.version_at(date(2026, 9, 30)) is first
    assert versions.version_at(date(2026, 10, 1)) is second
    with pytest.raises(NoVersion, match="holds from 2026-01-01, not yet on 2025-12-31"):
        versions.version_at(first.since - timedelta(days=1))


@pytest.mark.parametrize(
    "versions",
    [
        [],
        [tariff(), tariff()],
        [tariff(), tariff(since=date(2027, 1, 1), name="other")],
        [tariff(), tariff(since=date(2027, 1, 1), are_gross=False)],
    ],
    ids=["none", "one day", "two names", "net and gross"],
)
def test_no_versions_of_one_tariff(versions: list[Tariff]) -> None:
    with pytest.raises(ValueError, match="versions"):
        Versions(versions)
