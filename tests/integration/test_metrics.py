"""The metrics of a spawned server, scraped as Prometheus does it: over a restart, locked, and what
a scrape costs."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.plugins.scrapes import LEVITYS, Page, label_names, parse_open_metrics, scrape
from tests.sizes import size

from .charger import Charger, meter_values, now
from .fleet import Fleet, accounts
from .outages import write_lock
from .serving import ROOT, Serving, environment, serving

UNKNOWN_ACTIONS = 10_000
KNOWN, BUSY = 200, 20
MEASURED_SECONDS = size(5, 1)
GENEROUS_MILLISECONDS, GENEROUS_TIMES = 250, 4
"""On a quiet machine the p99 stays under 25 ms, which the test prints; a busy one makes them wait
without a scrape."""
FAULTS = ("GroundFailure", "OtherError")

# As Prometheus does: once a second, the whole text, and never the next before the last.
SCRAPER = """
import json, sys, time, urllib.request
url, scrapes = sys.argv[1], int(sys.argv[2])
lines, seconds = 0, []
for _ in range(scrapes):
    began = time.monotonic()
    with urllib.request.urlopen(url) as answer:
        lines = answer.read().count(b"\\n")
    seconds.append(time.monotonic() - began)
    time.sleep(max(0, 1 - seconds[-1]))
print(json.dumps({"lines": lines, "slowest_ms": round(1000 * max(seconds))}))
"""


def port(server: Serving) -> int:
    return int(server.wait_line("serving metrics")["port"])


@contextmanager
def watched(database: Path, *flags: str, **options: Any) -> Iterator[Serving]:
    """A server with metrics."""
    with serving(database, "--metrics-port", "0", *flags, **options) as server:
        yield server


def cpu_seconds(server: Serving) -> float:
    times = psutil.Process(server.process.pid).cpu_times()
    return float(times.user + times.system)


def status_of(server: Serving, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port(server)}{path}", timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def live(charger: Charger, register: int) -> None:
    """All that a charger can do which is counted, and a transaction that stays open."""
    charger.boot()
    charger.call("Heartbeat")
    for fault in FAULTS:
        charger.call(
            "StatusNotification", connectorId=1, errorCode=fault, status="Faulted", timestamp=now()
        )
    charger.call(
        "StatusNotification",
        connectorId=0,
        errorCode="NoError",
        status="Available",
        timestamp=now(),
    )
    first = charger.start("TAG", register)
    charger.call("MeterValues", **meter_values(first, str(register + 100), "2026-03-01T12:00:00Z"))
    charger.call("StopTransaction", transactionId=first, meterStop=register + 1000, timestamp=now())
    second = charger.start("TAG", register + 1200)
    sample = {"value": str(register + 1500)}
    current = {"value": "16", "measurand": "Current.Import", "phase": "L1", "unit": "A"}
    limit = {"value": "32", "measurand": "Current.Offered", "unit": "A"}
    values = meter_values(second, "", now()) | {
        "meterValue": [{"timestamp": now(), "sampledValue": [sample, current, limit]}]
    }
    charger.call("MeterValues", **values)
    charger.call(
        "StatusNotification", connectorId=1, errorCode="NoError", status="Charging", timestamp=now()
    )


@pytest.mark.parametrize("end", [Serving.stop, Serving.kill], ids=["stopped", "killed"])
def test_values_are_the_same_after_a_restart(
    tmp_path: Path, end: Callable[[Serving], object]
) -> None:
    database = tmp_path / "levity.db"
    be_known(database)
    with watched(database) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
        server.wait_line("ChargerDisconnected", charger="CP-1")
        with Charger(server.port, "CP-1") as charger:
            live(charger, 50_000)
            before = scrape(port(server))
            end(server)
    assert before.get("ocpp_cp_boots_total", cp_id="CP-1") == 3
    assert before.get("ocpp_cp_disconnects_total", cp_id="CP-1") == 2
    assert before.get("ocpp_tx_energy_wh", cp_id="CP-1", connector_id="1") == 300
    with watched(database) as server:
        assert scrape(port(server)).told_of_chargers() == before.told_of_chargers()


def be_known(database: Path) -> None:
    """What is new is told at 0 for a while; what is known is told as it is."""
    with watched(database) as server:
        with Charger(server.port, "CP-1") as charger:
            live(charger, 1000)
        server.wait_line("ChargerDisconnected", charger="CP-1")


def test_levitys_names_are_there_with_their_types_and_labels(tmp_path: Path) -> None:
    be_known(tmp_path / "levity.db")
    with watched(tmp_path / "levity.db") as server, Charger(server.port, "CP-1") as charger:
        live(charger, 50_000)
        page = scrape(port(server))
    for name, (kind, labels) in LEVITYS.items():
        assert page.types[name] == kind
        told = list(label_names(page, f"{name}_count" if kind == "histogram" else name))
        assert all(one == set(labels) for one in told), name
        assert told or "central_call" in name, name  # nothing was called
    assert page.get("process_resident_memory_bytes")
    assert not [name for name, _ in page.samples if name.endswith("_created")]


def test_unknown_actions_grow_nothing(tmp_path: Path) -> None:
    with watched(tmp_path / "levity.db") as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        lines = [
            _after_unknown_actions(charger, server, first) for first in (0, 10, UNKNOWN_ACTIONS)
        ]
        assert lines[0].lines == lines[2].lines
        assert status_of(server, "/healthz") == 200
        name = "ocpp_msg_handling_seconds_count"
        assert lines[2].get(name, cp_id="CP-1", message_type="unknown") == UNKNOWN_ACTIONS


def _after_unknown_actions(charger: Charger, server: Serving, until: int) -> Page:
    """Called with 0 first: one unknown action begins the series."""
    known = scrape(port(server)).get(
        "ocpp_msg_handling_seconds_count", cp_id="CP-1", message_type="unknown"
    )
    for number in range(int(known or 0), max(1, until)):
        charger.send(f"Unknown{number}")
        assert charger.receive()[:3:2] == [4, "NotImplemented"]
    return scrape(port(server))


def test_not_ready_while_the_database_is_locked(tmp_path: Path) -> None:
    with (
        watched(tmp_path / "levity.db", may_log_errors=True) as server,
        Charger(server.port, "CP-1") as charger,
    ):
        charger.boot()
        assert (status_of(server, "/healthz"), status_of(server, "/readyz")) == (200, 200)
        with write_lock(server):
            charger.send(
                "StartTransaction", connectorId=1, idTag="TAG", meterStart=1, timestamp=now()
            )
            server.wait_line(
                "writes to the database fail; retrying, and nothing is acknowledged meanwhile"
            )
            assert (status_of(server, "/healthz"), status_of(server, "/readyz")) == (200, 503)
            page = scrape(port(server))
            assert page.get("ocpp_writer_failing") == 1
            assert page.get("ocpp_tx_active", cp_id="CP-1") is None
        server.wait_line("writes to the database succeed again")
        assert status_of(server, "/readyz") == 200
        assert charger.receive()[0] == 3
        assert scrape(port(server)).get("ocpp_tx_active", cp_id="CP-1", connector_id="1") == 1


def test_it_is_told_as_open_metrics_and_compressed_to_who_asks(tmp_path: Path) -> None:
    with watched(tmp_path / "levity.db") as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        charger.start("TAG")
        wanted = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
        asked = urllib.request.Request(f"http://127.0.0.1:{port(server)}/metrics", headers=wanted)
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 - it is http
            assert (
                answer.headers["content-type"]
                == "application/openmetrics-text; version=1.0.0; charset=utf-8"
            )
            samples = parse_open_metrics(gzip.decompress(answer.read()).decode())
        text = scrape(port(server))
    assert samples.keys() == text.samples.keys()
    assert samples["ocpp_tx_active", frozenset({("cp_id", "CP-1"), ("connector_id", "1")})] == 1


def test_who_never_spoke_has_no_series(tmp_path: Path) -> None:
    with (
        watched(tmp_path / "levity.db", "--log-level", "DEBUG") as server,
        Charger(server.port, "STRANGER"),
    ):
        assert server.wait_line("connected", charger="STRANGER")
        assert not [
            labels for _, labels in scrape(port(server)).samples if ("cp_id", "STRANGER") in labels
        ]


@pytest.mark.night
def test_a_scrape_each_second_holds_nobody_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chargers = accounts(KNOWN)
    with watched(tmp_path / "levity.db") as server:
        with Fleet(server.port) as fleet:
            fleet.join(chargers)
            assert fleet.run(60, lambda: all(account.stops for account in chargers))
        with Fleet(server.port) as fleet:
            fleet.join(chargers[:BUSY])
            alone = fleet.measure(MEASURED_SECONDS)
            with scraping(server) as told:
                scraped = fleet.measure(MEASURED_SECONDS)
        before = cpu_seconds(server)
        with scraping(server) as quiet:
            pass
        cpu_ms = 1000 * (cpu_seconds(server) - before) / MEASURED_SECONDS
    with capsys.disabled():
        print(f"\n{BUSY} busy of {KNOWN} known chargers, alone: {alone}")
        print(
            f"scraped each second: {scraped}; {told}; {cpu_ms:.0f} ms of CPU a scrape; without "
            f"them {quiet}"
        )
    assert scraped.p99_milliseconds < max(
        GENEROUS_MILLISECONDS, GENEROUS_TIMES * alone.p99_milliseconds
    )


@contextmanager
def scraping(server: Serving) -> Iterator[dict[str, int]]:
    """Somebody else scrapes while the block runs, and goes on to his end; what he saw is known
    afterwards."""
    told: dict[str, int] = {}
    url = f"http://127.0.0.1:{port(server)}/metrics"
    command = [sys.executable, "-c", SCRAPER, url, str(MEASURED_SECONDS)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    ) as scraper:
        try:
            yield told
            told.update(json.loads(scraper.communicate(timeout=60)[0]))
        finally:
            scraper.kill()
