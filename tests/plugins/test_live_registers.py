"""The live figure and the final figure use the same evidence: metric, page, price and the stop of a
prepaid session."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from levity_trio.charging.sent.readings import Place, counting
from levity_trio.store.reads.transactions.transactions import open_transactions
from levity_trio.store.writes.transactions import stops
from tests.plugins.metric_runs import Run
from tests.store.books import Books, Station, meter_value
from tests.store.reading import reading
from tests.store.telling import assert_figure, settle, watts
from tests.store.test_charges import Charging, to_stop

Sample = dict[str, str]
BEGIN = 900_000
KWH = 1000


def at(**of: str) -> Callable[[int], list[Sample]]:
    """Return the samples of a register with such a location or phase."""
    return lambda wh: [{"value": str(wh), **of}]


def by_phase(*phases: str, **of: str) -> Callable[[int], list[Sample]]:
    return lambda wh: [{"value": str(wh // len(phases)), "phase": phase, **of} for phase in phases]


def with_begin(wh: int) -> list[Sample]:
    """The reading of the begin follows each one."""
    begin = {"value": str(BEGIN), "location": "Body", "context": "Transaction.Begin"}
    return [{"value": str(wh), "location": "Body"}, begin]


def with_total(wh: int) -> list[Sample]:
    """That of the inlet shows more: it is of another meter."""
    return [{"value": str(wh)}, {"value": str(2 * wh), "location": "Inlet"}]


REGISTERS = {
    "Body": at(location="Body"),
    "Inlet": at(location="Inlet"),
    "Cable, in kWh": lambda wh: [{"value": f"{wh / KWH:.3f}", "unit": "kWh", "location": "Cable"}],
    "phase N": at(phase="N"),
    "phase L1-N": at(phase="L1-N"),
    "Body, phase L1-N": at(location="Body", phase="L1-N"),
    "only L1": at(phase="L1"),
    "three phases at the inlet": by_phase("L1", "L2", "L3", location="Inlet"),
    "three phases to the neutral": by_phase("L1-N", "L2-N", "L3-N"),
    "Body, with that of the begin": with_begin,
    "Outlet beside Inlet": with_total,
    "counts each session": lambda wh: [{"value": str(wh - BEGIN)}],
    "counts each session, Body, phase L1-N": lambda wh: at(location="Body", phase="L1-N")(
        wh - BEGIN
    ),
}


@pytest.mark.parametrize("told", REGISTERS.values(), ids=REGISTERS.keys())
def test_what_counts_counts_live(
    books: Books, run: Run, told: Callable[[int], list[Sample]]
) -> None:
    """A household that has paid for 33 kWh is stopped in time, and billed what was shown."""
    books.now = books.now.replace(microsecond=0)
    house, station = Charging(books), Station(books)
    wh = BEGIN
    transaction = station.start(wh, 1, "Card")
    for _ in range(4):
        books.wait(60)
        wh += 9000
        assert to_stop(house) == []
        station.tell(meter_value(station.clock(), *told(wh), watts(9000)), transaction=transaction)
        house.look()
        assert run.page().get("ocpp_tx_energy_wh", cp_id="CP-1", connector_id="1") == wh - BEGIN
        with reading(books) as db:
            assert [one.energy_wh for one in open_transactions(db)] == [wh - BEGIN]
    assert to_stop(house) == [(transaction, "CP-1")]
    station.stop(transaction, wh)
    settle(books)
    assert_figure(station, transaction, 36_000, flagged=False)


@pytest.mark.parametrize("told", REGISTERS.values(), ids=REGISTERS.keys())
def test_without_a_stop_what_was_shown_is_billed(
    books: Books, told: Callable[[int], list[Sample]]
) -> None:
    station = Station(books)
    transaction = station.start(BEGIN)
    for wh in (3000, 6000):
        books.wait(30)
        station.tell(meter_value(station.clock(), *told(BEGIN + wh)), transaction=transaction)
    station.boot()
    books.run(stops.close_silent, books.at, 0.0)
    assert_figure(station, transaction, 6000, flagged=True)


def test_one_of_several_phases_is_not_taken_for_all(books: Books) -> None:
    """Each phase comes in a message of its own: only the judge sees all."""
    station = Station(books)
    transaction = station.start(BEGIN)
    for wh in (3000, 6000, 9000):
        books.wait(30)
        for phase in ("L1", "L2", "L3"):
            sample = {"value": str((BEGIN + wh) // 3), "phase": phase}
            station.tell(meter_value(station.clock(), sample), transaction=transaction)
    station.stop(transaction, BEGIN + 9000)
    settle(books)
    assert_figure(station, transaction, 9000, flagged=False)


def test_a_register_at_the_outlet_ends_the_others(books: Books) -> None:
    """From the next message on, live; for the bill, for the whole session."""
    station = Station(books)
    transaction = station.start(BEGIN)
    for wh, more in ((3000, []), (6000, [6000]), (9000, [9000])):
        books.wait(30)
        inlet = {"value": str(BEGIN + 100 + wh), "location": "Inlet"}
        samples = [inlet, *({"value": str(BEGIN + one)} for one in more)]
        station.tell(meter_value(station.clock(), *samples), transaction=transaction)
    with reading(books) as db:
        assert [one.energy_wh for one in open_transactions(db)] == [9000]
    station.stop(transaction, BEGIN + 9000)
    settle(books)
    assert_figure(station, transaction, 9000, flagged=False)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([("Outlet", ""), ("Inlet", "")], ("Outlet", {""})),
        ([("Outlet", ""), ("Outlet", "L1"), ("Outlet", "L2"), ("Outlet", "L3")], ("Outlet", {""})),
        (
            [("Outlet", "L1"), ("Outlet", "L2"), ("Outlet", "L3"), ("Body", "")],
            ("Outlet", {"L1", "L2", "L3"}),
        ),
        ([("Inlet", "N"), ("Body", "")], ("Inlet", {"N"})),
        ([("Body", "L1-N")], ("Body", {"L1"})),
        ([("Outlet", "L1"), ("Outlet", "L2")], None),
        ([("Elsewhere", "")], ("Elsewhere", {""})),
    ],
)
def test_which_register_counts(
    places: list[tuple[str, str]], expected: tuple[str, set[str]] | None
) -> None:
    assert counting(places) == (
        None if expected is None else Place(expected[0], frozenset(expected[1]))
    )
