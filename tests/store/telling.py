"""Scripted charging: the energy that a car truly takes, the messages of its charger, and the
expected result.

`charge` advances time, adds the delivered energy to the true register and sends a MeterValues at
each interval. The register sent is `told(true register)`, so a test defines in one place how its
charger lies.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from tests.store.books import Books, Station, meter_value

HOUR = 60
QUARTER = 15
WATTS = 7200  # 120 Wh in each minute
Told = Callable[[int], int | str | dict[str, str] | None]


def watts(power: float, unit: str = "W") -> dict[str, str]:
    """Return a sample of the power, in W or kW."""
    value = power / 1000 if unit == "kW" else power
    return {"value": f"{value:g}", "measurand": "Power.Active.Import", "unit": unit}


def current(power: float, volts: int = 230) -> list[dict[str, str]]:
    """Return samples of current and voltage that give this power on one phase."""
    return [
        {
            "value": f"{power / volts:.1f}",
            "measurand": "Current.Import",
            "unit": "A",
            "phase": "L1",
        },
        {"value": str(volts), "measurand": "Voltage", "unit": "V", "phase": "L1-N"},
    ]


def charge_state(percent: float) -> dict[str, str]:
    return {"value": f"{percent:g}", "measurand": "SoC", "unit": "Percent"}


def kwh(wh: float, decimals: int = 3) -> dict[str, str]:
    """Return a sample of the billed register in kWh."""
    return {"value": f"{wh / 1000:.{decimals}f}", "unit": "kWh"}


def by_phase(wh: int, phase: str) -> dict[str, str]:
    return {"value": str(wh), "phase": phase}


def charge(
    station: Station,
    transaction: int | None,
    wh: int,
    minutes: int = HOUR,
    power: int = WATTS,
    every: int = 5,
    told: Told = lambda wh: wh,
    tells_power: bool = True,
    connector: int = 1,
) -> int:
    """Charge for some minutes with readings at each interval; return the true register at the
    end."""
    for _ in range(minutes // every):
        station.books.wait(every)
        wh += power * every // 60
        samples = [] if (register := told(wh)) is None else [register]
        samples += [watts(power)] if tells_power else []
        station.tell(
            meter_value(station.clock(), *samples), transaction=transaction, connector=connector
        )
    return wh


def charge_dc(
    station: Station, transaction: int, start: int, told: Sequence[tuple[int, float, float]]
) -> None:
    """Readings each quarter of an hour: Wh since the start, W, per cent."""
    for wh, power, percent in told:
        station.books.wait(QUARTER)
        samples = (start + wh, watts(power), charge_state(percent))
        station.tell(meter_value(station.clock(), *samples), transaction=transaction)


def session(
    station: Station, wh: int, minutes: int = HOUR, tag: str = "EARLIER", every: int = 5
) -> int:
    """Play an honest session of 7.2 kW with power; return the register at its end."""
    transaction = station.start(wh, tag=tag)
    wh = charge(station, transaction, wh, minutes, every=every)
    station.stop(transaction, wh)
    station.books.wait(10)
    return wh


def close_silent(station: Station) -> None:
    """Boot without further messages, and let the system close the suspended transactions.

    `Station.orphan` closes the suspended transactions of all chargers. Here it is called on another
    charger, so that this one sends no reading that is not part of its story.
    """
    station.boot()
    other = Station(station.books, "CLOSER")
    other.orphan(other.start(0), 0)


def settle(books: Books) -> None:
    """Let transactions with later facts be judged again: at most once a minute each."""
    books.wait(2)
    if judge_waiting := getattr(books, "settle", None):
        judge_waiting()


def start_with(
    station: Station,
    register: float | str,
    tag: str = "TAG",
    at: str | None = None,
    connector: int = 1,
) -> int:
    """Send a start whose register may not be an integer."""
    return station.start(cast(int, register), connector, tag, at)


def stop_with(station: Station, transaction: int, register: float | str) -> None:
    station.stop(transaction, cast(int, register))


def bill_of(station: Station, transaction: int) -> tuple[Any, ...]:
    """Return status, Wh and whether the transaction is under review."""
    found = station.books.row(
        "SELECT status, energy_delivered, review IS NOT NULL, confidence FROM tx WHERE id = ?",
        transaction,
    )
    status, wh, is_flagged, confidence = found
    assert status == "Active" or is_flagged or confidence == "certain", (
        f"doubtful without a review: {found}"
    )
    return status, wh, bool(is_flagged)


def assert_figure(station: Station, transaction: int, wh: int, flagged: bool | None = None) -> None:
    """Assert the exact figure; `flagged` is whether it must be under review, None for either."""
    status, billed, is_flagged = bill_of(station, transaction)
    found = f"{status}, {billed} Wh, {station.review(transaction) or 'no review'}"
    assert (status, billed) == ("Completed", wh), f"found {found}; expected {wh} Wh"
    assert flagged is None or is_flagged is flagged, (
        f"found {found}; expected {'a' if flagged else 'no'} review"
    )


def assert_doubtful(station: Station, transaction: int, lowest: int, highest: int) -> None:
    """Assert a review, and a figure within these bounds."""
    status, billed, is_flagged = bill_of(station, transaction)
    found = f"{status}, {billed} Wh, {station.review(transaction) or 'no review'}"
    expected = f"expected a review and {lowest} to {highest} Wh"
    assert (status, is_flagged) == ("Completed", True), f"found {found}; {expected}"
    assert lowest <= billed <= highest, f"found {found}; {expected}"


def others(books: Books, *known: int) -> list[tuple[int, int, bool]]:
    """Return transactions without a start in the story: id, Wh, under review."""
    found = books.rows(
        "SELECT id, energy_delivered, review IS NOT NULL FROM tx WHERE cp_id = 'CP-1'"
    )
    return [(number, wh, bool(flagged)) for number, wh, flagged in found if number not in known]


def assert_open(station: Station, transaction: int) -> None:
    assert bill_of(station, transaction)[0] == "Active", bill_of(station, transaction)


def assert_time(books: Books, transaction: int, column: str, expected: datetime) -> None:
    """Assert the time for bills and display, within a minute."""
    found = books.value(f"SELECT {column} FROM tx WHERE id = ?", transaction)
    assert abs(datetime.fromisoformat(found) - expected) <= timedelta(minutes=1), found
