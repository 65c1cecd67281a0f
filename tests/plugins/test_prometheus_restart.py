"""PrometheusMetrics after a restart: each counter continues from its last value."""

from __future__ import annotations

from levity_trio.store.engine.database import DAILY_FACTS, REPORT_MINUTES
from levity_trio.store.upkeep import pruning
from levity_trio.store.writes.site import frames
from tests.plugins.metric_runs import Run, live, open_one
from tests.plugins.scrapes import parse
from tests.store.books import Books, Station


def test_it_goes_on_where_it_was(books: Books, run: Run) -> None:
    station = live(books)
    open_one(station)
    before = run.page().told_of_chargers()
    again = Run(books)
    assert parse(again.text()).told_of_chargers() == before
    station.boot()
    after = again.page()
    assert after.get("ocpp_cp_boots_total", cp_id="CP-1") == 3


def test_a_correction_downwards_is_a_counter_of_its_own(books: Books, run: Run) -> None:
    station = Station(books)
    transaction = station.start(1000)
    books.wait(30)
    station.orphan(transaction, 5000)
    again = Run(books)
    station.stop(transaction, meter=4000)
    for page in (run.page(), again.page(), Run(books).page()):
        delivered = page.get("ocpp_cp_energy_total_wh_total", cp_id="CP-1")
        corrected = page.get("ocpp_energy_corrected_wh_total", cp_id="CP-1", counter="delivered")
        assert (delivered, corrected) == (
            4000,
            4000 - books.value("SELECT energy_delivered FROM tx"),
        )


def test_energy_is_counted_once_though_its_own_readings_reopen_it(books: Books, run: Run) -> None:
    station = Station(books)
    transaction = station.start(1000)
    books.wait(30)
    station.orphan(transaction, 5000)
    restarted = Run(books)
    assert run.page().get("ocpp_cp_energy_total_wh_total", cp_id="CP-1") == 4000
    books.wait(1)  # a reading of the moment of the boot would resume nothing
    station.orphan(transaction, 8000)
    for page in (run.page(), restarted.page(), Run(books).page()):
        assert page.get("ocpp_cp_energy_total_wh_total", cp_id="CP-1") == 7000
    station.stop(transaction, meter=9000)
    for page in (run.page(), restarted.page(), Run(books).page()):
        assert page.get("ocpp_cp_energy_total_wh_total", cp_id="CP-1") == 8000


def test_unbilled_energy_that_was_none(books: Books, run: Run) -> None:
    station = Station(books)
    station.stop(station.start(1000, at=station.clock(60)), meter=2000, at=station.clock(50))
    station.start(2900, at=station.clock(10))
    station.stop(station.start(2000, at=station.clock(40)), meter=2700, at=station.clock(30))
    for page in (run.page(), Run(books).page()):
        assert page.get("ocpp_energy_unbilled_wh_total", cp_id="CP-1") == 900
        assert page.get("ocpp_energy_corrected_wh_total", cp_id="CP-1", counter="unbilled") == 700


def test_known_chargers_are_told_of_from_the_start(books: Books) -> None:
    station = Station(books)
    again = Run(books)
    page = parse(again.text())
    for name in ("boots", "disconnects", "reconnect_during_tx"):
        assert page.get(f"ocpp_cp_{name}_total", cp_id="CP-1") == 0
    station.boot()
    assert again.page(after=0).get("ocpp_cp_boots_total", cp_id="CP-1") == 1


def test_a_connector_that_never_told_its_status_is_known(books: Books) -> None:
    station = Station(books)
    station.stop(station.start(connector=3))
    assert Run(books).page().get("ocpp_tx_active", cp_id="CP-1", connector_id="3") == 0


def test_unacknowledged_messages_are_counted_across_restarts(books: Books, run: Run) -> None:
    station = Station(books)
    assert run.page().get("ocpp_messages_refused_total", cp_id="CP-1") == 0
    for _ in range(2):
        books.run(frames.refuse, station.origin, "StartTransaction", "more than 3 a day")
    for page in (run.page(), Run(books).page()):
        assert page.get("ocpp_messages_refused_total", cp_id="CP-1") == 2
    books.run(pruning.delete_events, 10**9, 10.0)
    assert books.count("event") == 0
    assert Run(books).page().get("ocpp_messages_refused_total", cp_id="CP-1") == 2


def test_unacknowledged_messages_are_counted_above_the_ceiling_of_facts(
    books: Books, run: Run
) -> None:
    station = Station(books)
    for _ in range(DAILY_FACTS + 5):
        books.run(frames.refuse, station.origin, "StartTransaction", "more than 3 a day")
    assert books.count("event WHERE kind = 'MessagesRefused'") == DAILY_FACTS
    for page in (run.page(), Run(books).page()):
        assert page.get("ocpp_messages_refused_total", cp_id="CP-1") == DAILY_FACTS + 5


def test_facts_above_their_ceiling_are_counted_across_restarts(books: Books, run: Run) -> None:
    station = Station(books)
    for _ in range(DAILY_FACTS + 5):
        station.boot()
    books.wait(REPORT_MINUTES + 1)
    station.boot()
    for page in (run.page(), Run(books).page()):
        assert page.get("ocpp_facts_counted_total", cp_id="CP-1", kind="ChargerBooted") == 6
