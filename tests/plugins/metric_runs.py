"""Runs of the metrics plugin on a site's database, without a server."""

from __future__ import annotations

from levity_trio.events import Event
from levity_trio.plugins.base import LinkState
from levity_trio.plugins.prometheus.counters import PrometheusMetrics
from levity_trio.plugins.prometheus.gauges import Gauges
from levity_trio.plugins.prometheus.metrics import Metrics
from levity_trio.plugins.prometheus.series import ZERO_SECONDS
from levity_trio.store.reads.now.present import present, waiting
from levity_trio.store.reads.site.totals import totals
from tests.plugins.scrapes import Page, parse
from tests.store.books import Books, Station, meter_value
from tests.store.reading import view

LONG_AFTER = 2 * ZERO_SECONDS


class Run:
    """The metrics of one server run: the facts that the plugin observes, and the rendered page."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.metrics = Metrics()
        counted = totals(view(books.connection))
        self.metrics.begin(is_audited=True, has_mqtt=True)
        self.plugin = PrometheusMetrics(self.metrics, lambda: books.now, counted)
        self.gauges = Gauges(self.metrics, counted.connectors)
        self._observed = len(books.facts)
        self._seconds = 0.0

    def see(self, *events: Event) -> None:
        """Observe all new facts, then these events."""
        facts = self.books.facts[self._observed :]
        self._observed += len(facts)
        for event in (*facts, *events):
            self.plugin.observe(event)

    def page(self, links: list[LinkState] | None = None, after: float = LONG_AFTER) -> Page:
        """Return the page scraped `after` seconds later than the last one."""
        self.see()
        self.text()
        self._seconds += after
        return parse(self.text(links))

    def text(self, links: list[LinkState] | None = None) -> str:
        database = view(self.books.connection)
        now = present(database)
        self.gauges.update(now, links or [], [link.charger for link in links or []])
        self.gauges.update_waiting(waiting(database), self.books.now)
        return "".join(
            part
            for family in self.metrics.families
            for part in family.lines(self._seconds, now.hidden)
        )


def live(books: Books) -> Station:
    """A charger with an event of each counted kind."""
    station = Station(books, "CP-1")
    station.boot()
    station.status("Faulted", error="GroundFailure")
    station.status("Available")
    station.status("Faulted", error="WordOfItsOwn")
    station.status("Available", connector=0)
    first = station.start(1000)
    station.tell(station.register(2000), transaction=first)
    books.wait(10)
    station.tell(station.register(50_000), transaction=first)
    books.wait(100)
    station.stop(first, meter=51_000)
    books.wait(10)
    second = station.start(51_700, connector=1)
    station.lose()
    station.connect()
    books.wait(1)
    station.orphan(second, 53_000)
    return station


def open_one(station: Station) -> int:
    """Start a transaction with current on three phases."""
    transaction = station.start(60_000, connector=2)
    phases = [
        {"value": value, "measurand": "Current.Import", "phase": phase, "unit": "A"}
        for phase, value in (("L1", "15.5"), ("L2", "16.25"), ("L3", "3"))
    ]
    offered = {"value": "32", "measurand": "Current.Offered", "unit": "A"}
    station.books.wait(1)
    station.tell(
        meter_value(station.clock(), 61_500, *phases, offered), transaction=transaction, connector=2
    )
    return transaction
