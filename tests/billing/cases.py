"""What the tests of billing share: tariffs, sessions, and times."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from levity_trio.billing.money import CURRENCIES
from levity_trio.billing.statement import Line, LineKind, Position
from levity_trio.billing.tariff import TAXED, Tariff, Window

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [BERLIN, ZoneInfo("America/Vancouver"), ZoneInfo("Australia/Lord_Howe")]
"""The last one changes its clock by half an hour."""
SECOND = timedelta(seconds=1)
START = datetime(2026, 10, 1, 10, tzinfo=UTC)
FLAT = Tariff(
    name="Flat",
    since=date(2026, 1, 1),
    currency=CURRENCIES["EUR"],
    are_gross=True,
    tax_rates=tuple((kind, Decimal(19)) for kind in TAXED),
    windows=(Window(name=None, price=Decimal("0.32")),),
)
SESSION = Position(
    id=7,
    transaction=3,
    charger="CP-1",
    connector=1,
    space=None,
    tag="04A1",
    vehicle=None,
    started_at=START,
    ended_at=START + timedelta(hours=2),
    energy_wh=10_000,
    split=None,
    lines=(),
)
LINE = Line(
    kind=LineKind.SESSION,
    tariff="Flat",
    version=FLAT.since,
    window=None,
    quantity=1,
    price=Decimal(1),
    amount=100,
    tax_rate=Decimal(19),
)

moments = st.integers(0, 364 * 24 * 3600).map(
    lambda second: datetime(2026, 1, 1, tzinfo=UTC) + second * SECOND
)
prices = st.decimals(-1, 1000, places=6, allow_nan=False, allow_infinity=False)


def session(**changes: Any) -> Position:
    """A session with changes."""
    return replace(SESSION, **changes)


def tariff(**changes: Any) -> Tariff:
    """A flat tariff with changes."""
    return replace(FLAT, **changes)


def line(**changes: Any) -> Line:
    """A line with changes."""
    return replace(LINE, **changes)
