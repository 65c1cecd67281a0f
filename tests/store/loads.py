"""Load management as a site's books have it: a decision, and quarters of an hour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from levity_trio.charging.quarters import quarter_of
from levity_trio.charging.sent.evidence import seconds
from levity_trio.store.reads.load.load import PHASES, LoadCarQuarter, LoadQuarter, meter_says, says
from levity_trio.store.writes.load import load
from levity_trio.told import stored_in
from tests.store.books import Books


def line(
    phase: int = 0, circuit: str = "Feeder", limit: float = 63.0, **amperes: float
) -> dict[str, Any]:
    """Return a phase of a circuit, by default with 9 A of the house and 32 A of cars."""
    house, cars = amperes.get("house", 9.0), amperes.get("cars", 32.0)
    return {
        "circuit": circuit,
        "phase": PHASES[phase],
        "limit_a": limit,
        "house_a": house,
        "cars_a": cars,
        "permitted_a": amperes.get("permitted", cars),
        "free_a": max(0.0, limit - house - cars),
        "outage_a": amperes.get("outage", house),
    }


def car(charger: str = "CP-1", transaction: int | None = None, **given: Any) -> dict[str, Any]:
    """Return a car that gets 8 A of 16 because of L2 of the feeder, unless told otherwise."""
    return {
        "charger": charger,
        "connector": 1,
        "transaction_id": transaction,
        "limit_a": 8,
        "of_a": 16,
        "drawn_a": 8.0,
        "bound": "circuit",
        "circuit": "Feeder",
        "phase": "L2",
        "is_outage": False,
        "place_in_queue": None,
        "waiting": 0,
        "waits_about_seconds": None,
        "since": "2026-03-01T11:00:00.000Z",
        **given,
    }


def waiting(
    charger: str = "CP-1", transaction: int | None = None, place: int = 4, of: int = 6
) -> dict[str, Any]:
    """Return a car that waits for current."""
    queue = {"place_in_queue": place, "waiting": of, "waits_about_seconds": 1200}
    return car(charger, transaction, limit_a=0, drawn_a=0.0, bound="waits", **queue)


def silent_meter(
    name: str, at: str | None = None, amperes: list[float] | None = None
) -> dict[str, Any]:
    """Return the meter of the feeder, which is silent since it showed these currents."""
    shown = {"name": name, "circuit": "Feeder", "at": at, "amperes": amperes}
    return shown | {
        "is_stale": True,
        "why": "silent",
        "since": at,
        "says": meter_says(name, "silent"),
    }


def decide(books: Books, *cars: Mapping[str, Any], is_shadow: bool = True, **given: Any) -> None:
    """Store a decision about cars; all but these may be given, too."""
    shown = {
        "lines": [line(phase) for phase in range(3)],
        "meters": [],
        "over": [],
        "grid_a": None,
        "grid_says": "",
        **given,
    }
    told = [{**one, "says": says(one, is_shadow=is_shadow)} for one in cars]
    text = stored_in({"at": books.at, "is_shadow": is_shadow, "cars": told, **shown})
    books.run(load.keep_state, books.at, text, "[]")


def quarter(
    books: Books,
    since: str,
    *cars: tuple[str, int | None, str],
    house: float | None = 9.0,
    drawn: float = 32.0,
    over_seconds: int = 0,
) -> None:
    """Store the quarter of an hour of a feeder that begins then. Cars are charger, transaction, and
    what bound them."""
    number = quarter_of(seconds(since))
    lines = [
        LoadQuarter(
            quarter=number,
            circuit="Feeder",
            phase=phase,
            other_mean=house,
            other_highest=house,
            cars_mean=drawn,
            permitted_highest=drawn,
            limit_a=63.0,
            over_seconds=over_seconds,
        )
        for phase in range(3)
    ]
    found = [
        LoadCarQuarter(
            quarter=number,
            charger=charger,
            connector=1,
            transaction=transaction,
            limit_mean=0.0 if bound == "waits" else 8.0,
            drawn_mean=0.0 if bound == "waits" else 8.0,
            bound=bound,
            circuit="" if bound in ("most", "full") else "Feeder",
        )
        for charger, transaction, bound in cars
    ]
    books.run(load.keep_quarter, lines, found)
