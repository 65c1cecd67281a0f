"""A real server to which real things happen, and what its /metrics said after each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from levity_trio.wire.times import stamp
from tests.integration.websocket import upgrade_request

from .charger import Charger, NoWebSocket, meter_values, now
from .foreign import with_plugin
from .outages import locked
from .scraping import Scrape, scrape, scrape_when
from .serving import Serving, serving

ONE, TWO = "CP-1", "CP-2"
PAGES = ("--metrics-port", "0", "--metrics-host", "127.0.0.1")
FLAGS = (*PAGES, "--enable-auto-start", "--auto-start-delay", "0.1", "--response-timeout", "0.5")
NOBODY_LISTENS = "127.0.0.1:1"
Story = Mapping[str, Scrape]
FAILING = """
from contextlib import asynccontextmanager

from levity_trio.events import ServerStarted
from levity_trio.plugins.base import Plugin

class Failing(Plugin):
    name = "failing"

    def observe(self, event):
        assert not isinstance(event, ServerStarted)

@asynccontextmanager
async def open_failing(site):
    yield Failing()
"""
AHEAD = timedelta(days=7)


def tell(folder: Path) -> Story:
    """What was scraped, by what had happened."""
    with ThreadPoolExecutor() as pool:  # both wait for what is told late
        told, troubled, limited = pool.map(
            lambda run: run(folder), (_a_site, _a_site_in_trouble, _a_site_with_a_limit)
        )
    return {**told, **troubled, **limited}


def metrics_port(server: Serving) -> int:
    return int(server.wait_line("serving metrics")["port"])


def _a_site(folder: Path) -> dict[str, Scrape]:
    database = folder / "levity.db"
    with serving(database) as server, Charger(server.port, ONE) as charger:
        charger.boot()  # so that its counters are no new ones, which begin with 0
    with serving(database, *FLAGS, may_log_errors=True) as server:
        port = metrics_port(server)
        with Charger(server.port, ONE) as charger:
            told = _ordinary_days(charger, port)
            _be_odd(charger, server.port)
            told |= _trouble(charger, port)
            told |= _insecure(charger, port)
            charger.start("TAG", 40_000)
            charger.close()
        server.wait_line("TransactionSuspended", charger=ONE)
        told["left while charging"] = scrape(port)
        with Charger(server.port, ONE) as charger:
            charger.boot()
            told |= _commands(server, charger, port)
            told |= _away(server, port)
        told["identity shared"] = _two_in_one(server, port)
        told |= _refusing(server, port)
    return told


def _ordinary_days(charger: Charger, port: int) -> dict[str, Scrape]:
    """Nothing that anybody should hear of."""
    charger.boot()
    charger.call("Heartbeat")
    for connector in (0, 1):
        status(charger, connector, "Available")
    session(charger, 1000, 2000)
    calm = scrape_when(port, lambda one: one.find("ocpp_cp_last_heartbeat_ts"))
    charger.call("Heartbeat")
    session(charger, 2000, 3000)
    return {"calm": _at_ease(calm), "calm later": _at_ease(scrape(port))}


def _at_ease(told: Scrape) -> Scrape:
    """The same scrape of a machine that is not busy with other tests: its event loop does not
    lag."""
    samples = {
        key: 0.0 if key[0] == "ocpp_loop_lag_seconds" else value
        for key, value in told.samples.items()
    }
    return replace(told, samples=samples)


def _be_odd(charger: Charger, port: int) -> None:
    """What is mended, refused, of no use, or not let in."""
    charger.call("StatusNotification", connectorId="1", status="Available", errorCode="NoError")
    charger.send_text('[2,"odd","Nonsense",{}]')
    charger.receive()
    charger.send_text("AT+CSQ")
    with suppress(NoWebSocket):
        Charger(port, "").socket.close()


def _insecure(charger: Charger, port: int) -> dict[str, Scrape]:
    """It reports what happens each day, and that somebody opened it."""
    security_event(charger, "StartupOfTheDevice")
    told = {"secure": scrape(port)}
    security_event(charger, "TamperDetectionActivated")
    return {**told, "opened at first": scrape(port)}


def security_event(charger: Charger, kind: str) -> None:
    charger.call("SecurityEventNotification", type=kind, timestamp=now())


def _trouble(charger: Charger, port: int) -> dict[str, Scrape]:
    told = {}
    charger.boot()
    told["booted once more"] = scrape(port)
    charger.boot()
    charger.boot()
    told["boot loop"] = scrape(port)
    status(charger, 1, "Faulted", "GroundFailure")
    told["faulted"] = scrape(port)
    status(charger, 1, "Available")
    told["mended"] = scrape(port)
    status(charger, 0, "Available", timestamp=in_seconds(3600))
    told["clock wrong"] = scrape(port)
    status(charger, 0, "Available")
    transaction = charger.start("TAG", 5000)  # the last one ended at 3000
    told["unbilled"] = scrape(port)
    charger.call("MeterValues", **meter_values(transaction, "5100"))
    charger.call("MeterValues", **meter_values(transaction, "25000", in_seconds(2)))
    charger.call("MeterValues", **currents(transaction))
    told["jumped"] = scrape(port)
    status(charger, 1, "Faulted", "GroundFailure")
    told["faulted while charging"] = scrape(port)
    status(charger, 1, "Charging")
    charger.call("StopTransaction", transactionId=transaction, meterStop=40_000, timestamp=now())
    status(charger, 1, "Available")
    charger.call("StopTransaction", transactionId=4_000_000, meterStop=7, timestamp=now())
    return told


def _commands(server: Serving, charger: Charger, port: int) -> dict[str, Scrape]:
    """A start of ours is not answered at all, refused with a status, and with an error."""
    charger.call(
        "StopTransaction", transactionId=_newest(server), meterStop=40_000, timestamp=now()
    )
    before = scrape(port)
    status(charger, 1, "Preparing")
    late = _start_of_ours(charger)
    server.wait_line("CallFailed", charger=ONE)
    charger.send_text(json.dumps([3, late, {"status": "Accepted"}]))
    status(charger, 1, "Available")
    for answer in ([3, {"status": "Rejected"}], [4, "NotSupported", "", {}]):
        status(charger, 1, "Preparing")
        kind, *told = answer
        charger.send_text(json.dumps([kind, _start_of_ours(charger), *told]))
        status(charger, 1, "Available")
    newer = upgrade_request(f"/ocpp/{TWO}", server.port).replace(b"ocpp1.6", b"ocpp2.0.1")
    with Charger(server.port, TWO, newer) as refused:
        refused.wait_closed()
    return {"before commands": before, "commands failed at first": scrape(port)}


def _start_of_ours(charger: Charger) -> str:
    """Wait for it; gives its message id."""
    _, message_id, action, _ = charger.receive()
    assert action == "RemoteStartTransaction"
    return str(message_id)


def _away(server: Serving, port: int) -> dict[str, Scrape]:
    """A second charger comes and goes; meanwhile everything that is told late has been told."""
    with Charger(server.port, TWO) as charger:
        charger.boot()
        online = scrape(port)
    server.wait_line("ChargerDisconnected", charger=TWO)
    return {"two online": online, "later": scrape_when(port, _all_is_told)}


def _all_is_told(told: Scrape) -> bool:
    names = ("ocpp_cp_errors_total", "ocpp_set_aside_waiting", "ocpp_reviews_waiting")
    labelled = (
        ("ocpp_central_call_rejected_total", {"status": "Rejected"}),
        ("ocpp_central_call_errors_total", {"error_type": "timeout"}),
        ("ocpp_central_call_errors_total", {"error_type": "NotSupported"}),
        ("ocpp_auto_start_total", {"outcome": "rejected"}),
        ("ocpp_handshakes_refused_total", {"status": "1002"}),
    )
    return all(sum(told.find(name)) for name in names) and all(
        sum(told.find(name, **has)) for name, has in labelled
    )


def _two_in_one(server: Serving, port: int) -> Scrape:
    """Two chargers with one name, one after the other."""
    for _ in range(4):
        with Charger(server.port, ONE) as first:
            first.boot()
            with Charger(server.port, ONE) as second:
                second.boot()
    server.wait_line("IdentityShared", charger=ONE)
    return scrape(port)


def _refusing(server: Serving, port: int) -> dict[str, Scrape]:
    """The database is locked, and let go before any charger has waited too long."""
    with Charger(server.port, ONE) as charger:
        charger.boot()
        with locked(server.database):
            charger.send("BootNotification", chargePointVendor="V", chargePointModel="M")
            failing = scrape_when(port, lambda one: one.find("ocpp_writer_failing") == [1])
        charger.receive()
        working = scrape_when(port, lambda one: one.find("ocpp_writer_failing") == [0])
    return {"failing": failing, "working again": working}


def _a_site_in_trouble(folder: Path) -> dict[str, Scrape]:
    """Its newest row lies in the future, its Fluentd is not there, and a plugin of somebody else's
    fails."""
    database = folder / "troubled.db"
    with serving(database, *PAGES) as server, Charger(server.port, ONE) as charger:
        charger.boot()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("UPDATE cp SET last_seen_at = ?", (stamp(datetime.now(UTC) + AHEAD),))
    flags = (
        *PAGES,
        "--clock-wait",
        "0",
        "--fluentd-endpoint",
        NOBODY_LISTENS,
        "--plugins",
        "failing",
    )
    nobody = ("--mqtt", f"mqtt://{NOBODY_LISTENS}")
    program = with_plugin(folder, "failing", FAILING)
    with serving(database, *flags, *nobody, program=program, may_log_errors=True) as server:
        port = metrics_port(server)
        first = scrape(port)
        counted = ("ocpp_audit_lag_frames", "ocpp_plugin_errors_total")
        later = scrape_when(port, lambda one: all(sum(one.find(name)) for name in counted))
    return {"troubled at first": first, "troubled": later}


def _a_site_with_a_limit(folder: Path) -> dict[str, Scrape]:
    """One start a day is acknowledged; the charger sends a second one."""
    database = folder / "limited.db"
    with serving(database) as server, Charger(server.port, ONE) as charger:
        charger.boot()
    with (
        serving(database, *PAGES, "--max-starts", "1") as server,
        Charger(server.port, ONE) as charger,
    ):
        port = metrics_port(server)
        charger.boot()
        charger.start("TAG", 1000)
        at_limit = scrape(port)
        charger.send(
            "StartTransaction", connectorId=1, idTag="TAG", meterStart=2000, timestamp=now()
        )
        server.wait_line("MessagesRefused", charger=ONE)
        above = scrape(port)
    return {"at the limit": at_limit, "above the limit": above}


def status(
    charger: Charger,
    connector: int,
    word: str,
    error: str = "NoError",
    timestamp: str | None = None,
) -> None:
    at = timestamp or now()
    charger.call(
        "StatusNotification", connectorId=connector, status=word, errorCode=error, timestamp=at
    )


def in_seconds(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def session(charger: Charger, meter_start: int, meter_stop: int) -> None:
    """A transaction from its start to its end."""
    transaction = charger.start("TAG", meter_start)
    charger.call("MeterValues", **meter_values(transaction, str(meter_stop - 10)))
    charger.call(
        "StopTransaction", transactionId=transaction, meterStop=meter_stop, timestamp=now()
    )


def currents(transaction: int) -> dict[str, object]:
    """The payload of a MeterValues with the current that flows, and the one that is offered."""
    measurands = ("Current.Import", "Current.Offered")
    sampled = [{"value": "16", "measurand": measurand, "unit": "A"} for measurand in measurands]
    return {
        "connectorId": 1,
        "transactionId": transaction,
        "meterValue": [{"timestamp": in_seconds(3), "sampledValue": sampled}],
    }


def _newest(server: Serving) -> int:
    return int(server.query("SELECT max(id) FROM tx")[0][0])
