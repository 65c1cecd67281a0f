"""PrometheusMetrics on the database of a site: which series there are, their values, and their
bounded number."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

import pytest

from levity_trio.charging.reviews import Code
from levity_trio.events import (
    AutoStart,
    CallEnded,
    EventsPruned,
    HandshakeRefused,
    LimitIgnored,
    MalformedFrame,
    MessageHandled,
    PluginFailed,
    TagJudged,
)
from levity_trio.plugins.base import Limited, LinkState
from levity_trio.plugins.prometheus.counters import REPAIR_KINDS
from levity_trio.plugins.prometheus.metrics import Metrics
from levity_trio.plugins.prometheus.series import ZERO_SECONDS
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.reads.load.leases import StoredLease, managed_chargers
from levity_trio.store.reads.load.load import LoadLine, LoadMeter, LoadNow
from levity_trio.store.reads.now import copies
from levity_trio.store.reads.site.receivers import state
from levity_trio.store.writes.chargers import commands, sessions
from levity_trio.store.writes.chargers.hiding import hide
from levity_trio.store.writes.chargers.registration import begin_waiting
from levity_trio.store.writes.load import load
from levity_trio.store.writes.site import receivers
from levity_trio.wire.times import stamp
from tests.plugins.metric_runs import Run, live, open_one
from tests.plugins.scrapes import LEVITYS, Page, label_names
from tests.store import copied
from tests.store.books import SERVER, Books, Station
from tests.store.reading import view
from tests.store.test_outcomes import ask
from tests.store.wallets import Purses


def handled(
    action: str = "MeterValues", code: str | None = None, repairs: tuple[str, ...] = ()
) -> MessageHandled:
    return MessageHandled(
        charger="CP-1", action=action, seconds=0.004, request=None, code=code, repairs=repairs
    )


def ended(state: str, **told: Any) -> CallEnded:
    known = {
        "status": None,
        "error_code": None,
        "late": False,
        "seconds": 0.2,
        "action": "Reset",
    } | told
    return CallEnded(charger="CP-1", state=state, **known)


# Values


def test_a_charger_and_its_counters(books: Books, run: Run) -> None:
    open_one(live(books))
    page = run.page()
    assert page.get("ocpp_cp_boots_total", cp_id="CP-1") == 2
    assert page.get("ocpp_cp_disconnects_total", cp_id="CP-1") == 1
    assert page.get("ocpp_cp_errors_total", cp_id="CP-1", error_type="GroundFailure") == 1
    assert page.get("ocpp_cp_errors_total", cp_id="CP-1", error_type="other") == 1
    assert page.get("ocpp_tx_total", cp_id="CP-1") == 3
    assert page.get("ocpp_energy_jump_total", cp_id="CP-1") == 1
    assert page.get("ocpp_cp_energy_total_wh_total", cp_id="CP-1") == 50_000 + 1_300
    assert page.get("ocpp_energy_unbilled_wh_total", cp_id="CP-1") == 700
    assert page.get("ocpp_tx_orphans_closed_total", cp_id="CP-1", reason="Reboot") == 1


def test_an_outage_is_counted_once(books: Books, run: Run) -> None:
    station = Station(books)
    station.start(1000)
    station.start(1000, connector=2)
    station.lose()
    station.connect()
    station.boot()
    for page in (run.page(), Run(books).page()):
        assert page.get("ocpp_cp_reconnect_during_tx_total", cp_id="CP-1") == 1


def test_our_own_stop_is_no_failure_of_a_charger(books: Books, run: Run) -> None:
    station = Station(books)
    station.start(1000)
    station.lose(reason=chargers.STOPPING)
    books.run(sessions.start_run, SERVER, "2", books.at, True)
    for page in (run.page(), Run(books).page()):
        assert page.get("ocpp_cp_reconnect_during_tx_total", cp_id="CP-1") == 0
        assert page.get("ocpp_cp_disconnects_total", cp_id="CP-1") == 0
        assert page.get("ocpp_tx_suspended", cp_id="CP-1", connector_id="1") == 1


def test_an_open_transaction(books: Books, run: Run) -> None:
    transaction, began = open_one(Station(books)), books.now - timedelta(minutes=1)
    page, where = run.page(), {"cp_id": "CP-1", "connector_id": "2"}
    assert page.get("ocpp_tx_active", **where) == 1
    assert page.get("ocpp_tx_info", transaction=str(transaction), id_tag="TAG", **where) == 1
    assert page.get("ocpp_tx_start_ts", **where) == pytest.approx(began.timestamp(), abs=1)
    assert page.get("ocpp_tx_power_w", **where) is None  # unknown after a single reading
    assert page.get("ocpp_tx_energy_wh", **where) == 1500
    assert page.get("ocpp_cp_current_a", **where) == 16.25
    assert page.get("ocpp_cp_current_limit_a", **where) == 32


def test_when_it_is_over(books: Books, run: Run) -> None:
    station = Station(books)
    transaction = open_one(station)
    run.page()
    station.stop(transaction, meter=62_000)
    page, where = run.page(), {"cp_id": "CP-1", "connector_id": "2"}
    names = ("ocpp_tx_active", "ocpp_tx_suspended", "ocpp_tx_energy_wh", "ocpp_cp_current_a")
    assert [page.get(name, **where) for name in names] == [0, 0, 0, 0]
    gone = ("ocpp_cp_current_limit_a", "ocpp_tx_info", "ocpp_tx_start_ts", "ocpp_tx_power_w")
    assert [page.of(name) for name in gone] == [{}, {}, {}, {}]


def test_a_tag_as_long_as_a_frame_is_a_short_label(books: Books, run: Run) -> None:
    Station(books).start(1000, tag="T" * 5000)
    ((labels, _),) = run.page().of("ocpp_tx_info").items()
    assert dict(labels)["id_tag"] == "T" * 40 + "…"


def test_statuses(books: Books, run: Run) -> None:
    station = Station(books)
    station.status("Charging")
    station.status("Faulted", connector=0)
    run.page()
    station.status("SuspendedEV")
    page = run.page()
    assert page.get("ocpp_cp_status", cp_id="CP-1") == 8
    told = {
        dict(labels)["status"]: value
        for labels, value in page.of("ocpp_connector_status").items()
        if ("connector_id", "1") in labels
    }
    assert {status for status, value in told.items() if value} == {"SuspendedEV"}
    assert len(told) == 9


def test_a_connector_that_is_not_as_it_was_told_to_be(books: Books, run: Run) -> None:
    station, found = Station(books), list[float | None]()
    station.status("Available")
    ask(station, "ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
    for status in ("Unavailable", "Available"):
        station.status(status)
        books.run(commands.follow_all, books.at)
        found.append(
            run.page().get("ocpp_connector_availability_differs", cp_id="CP-1", connector_id="1")
        )
    assert found == [0, 1]


def test_a_status_that_nobody_knows(books: Books, run: Run) -> None:
    station = Station(books)
    assert run.page().get("ocpp_cp_status", cp_id="CP-1") == -1
    for number in range(3):
        station.status(f"Own-{number}")
        assert (
            run.page().get("ocpp_connector_status", cp_id="CP-1", connector_id="1", status="other")
            == 1
        )
    station.status("Available")
    page = run.page()
    assert page.get("ocpp_connector_status", cp_id="CP-1", connector_id="1", status="other") == 0
    assert len(page.of("ocpp_connector_status")) == 10


def test_times_are_told_only_once_there_are_any(books: Books, run: Run) -> None:
    station = Station(books)
    page = run.page()
    assert page.of("ocpp_cp_last_heartbeat_ts") == page.of("ocpp_cp_last_tx_ts") == {}
    books.run(sessions.heartbeat, "CP-1", books.at)
    station.stop(station.start())
    run.see(handled())
    page = run.page()
    assert page.get("ocpp_cp_last_heartbeat_ts", cp_id="CP-1") == pytest.approx(
        books.now.timestamp()
    )
    assert page.get("ocpp_cp_last_msg_ts", cp_id="CP-1") == pytest.approx(books.now.timestamp())
    assert page.get("ocpp_cp_last_tx_ts", cp_id="CP-1") == pytest.approx(
        books.now.timestamp(), abs=1
    )


def test_what_is_odd_is_counted_by_cause(books: Books, run: Run) -> None:
    station = Station(books)
    station.stop(station.start(2000), 5000)
    books.wait(90)
    station.stop(station.start(9_000_000), 9_000_000)
    page = run.page()
    assert page.get("ocpp_charger_odd_total", cp_id="CP-1", cause="meter_exchanged") == 1
    assert not page.get("ocpp_energy_unbilled_wh_total", cp_id="CP-1")


def test_links(books: Books, run: Run) -> None:
    Station(books, "CP-1")
    Station(books, "CP-2")
    page = run.page([LinkState("CP-1", 1.25, True, 3), LinkState("STRANGER", 0.0, False, 0)])
    assert page.of("ocpp_cp_connected") == {
        frozenset({("cp_id", "CP-1")}): 1,
        frozenset({("cp_id", "CP-2")}): 0,
    }
    assert page.get("ocpp_cp_link_age_seconds", cp_id="CP-1") == 1.25
    assert page.get("ocpp_cp_answers_pings", cp_id="CP-1") == 1
    assert page.get("ocpp_central_call_queue", cp_id="CP-1") == 3
    assert (
        run.page([LinkState("CP-1", 0.5, False, 0)]).get("ocpp_cp_answers_pings", cp_id="CP-1") == 0
    )
    gone = run.page([])
    assert gone.of("ocpp_cp_link_age_seconds") == gone.of("ocpp_cp_answers_pings") == {}


def test_whose_pings_are_off(books: Books, run: Run) -> None:
    station = Station(books, "CP-1")
    assert run.page().get("ocpp_cp_pings_off", cp_id="CP-1") == 0
    ending = sessions.ConnectionEnd("CP-1", books.server, 0, books.at, 1006, "")
    for _ in range(sessions.CLOSINGS):
        books.run(sessions.note_pings, ending, sessions.PingOutcome.CLOSED)
    assert run.page().get("ocpp_cp_pings_off", cp_id="CP-1") == 1
    station.boot(firmware_version="2.0")
    assert run.page().get("ocpp_cp_pings_off", cp_id="CP-1") == 0


def test_our_calls(books: Books, run: Run) -> None:
    Station(books)
    run.see(
        ended("timed out"),
        ended("gone"),
        ended("error", error_code="NotSupported"),
        ended("error", error_code="Word of its own"),
        ended("rejected", status="Rejected"),
        ended("rejected", status="Word of its own"),
        ended("accepted", status="Accepted"),
        ended("accepted", late=True, status="Accepted"),
    )
    page = run.page()
    errors = {dict(labels)["error_type"] for labels in page.of("ocpp_central_call_errors_total")}
    assert errors == {"timeout", "gone", "NotSupported", "other"}
    rejected = {
        dict(labels)["status"]: count
        for labels, count in page.of("ocpp_central_call_rejected_total").items()
    }
    assert rejected == {"Rejected": 1, "other": 1}
    assert page.get("ocpp_central_call_late_total", cp_id="CP-1", action="Reset") == 1
    assert page.get("ocpp_central_call_seconds_count", action="Reset") == 5


def test_messages_and_what_was_wrong_with_them(books: Books, run: Run) -> None:
    Station(books)
    run.see(
        handled(repairs=("MeterValues: extra property",)), handled("unknown", code="NotImplemented")
    )
    refused = HandshakeRefused(charger=None, status=404, reason="x", kind="identity")
    run.see(MalformedFrame(charger="CP-1", kind="not JSON"), refused)
    run.see(PluginFailed(charger=None, plugin="other", hook="observe"))
    run.see(TagJudged(charger="CP-1", action="Authorize", status="Blocked"))
    run.see(AutoStart(charger="CP-1", connector=1, outcome="rejected"))
    page = run.page()
    assert (
        page.get("ocpp_msg_handling_seconds_count", cp_id="CP-1", message_type="MeterValues") == 1
    )
    assert (
        page.get(
            "ocpp_msg_handling_seconds_bucket", cp_id="CP-1", message_type="MeterValues", le="0.001"
        )
        == 0
    )
    assert (
        page.get(
            "ocpp_msg_handling_seconds_bucket", cp_id="CP-1", message_type="MeterValues", le="0.005"
        )
        == 1
    )
    assert page.get("ocpp_repairs_total", cp_id="CP-1", kind="MeterValues: extra property") == 1
    assert page.get("ocpp_refusals_total", action="unknown", code="NotImplemented") == 1
    assert page.get("ocpp_frames_of_no_use_total", kind="not JSON") == 1
    assert page.get("ocpp_handshakes_refused_total", status="404", reason="identity") == 1
    assert page.get("ocpp_plugin_errors_total", plugin="other", hook="observe") == 1
    assert page.get("ocpp_authorizations_total", action="Authorize", status="Blocked") == 1
    assert page.get("ocpp_auto_start_total", cp_id="CP-1", outcome="rejected") == 1


def test_what_waits_for_the_operator(books: Books, run: Run) -> None:
    station = Station(books)
    station.stop(12345)
    books.wait(120)
    page = run.page()
    assert page.get("ocpp_set_aside_waiting") == 1
    assert page.get("ocpp_set_aside_oldest_seconds") == 7200
    ((labels, at),) = page.of("ocpp_set_aside_received_ts").items()
    assert dict(labels) == {
        "cp_id": "CP-1",
        "action": "StopTransaction",
        "transaction": "",
        "set_aside": "1",
    }
    assert books.now.timestamp() - at == 7200
    assert page.get("ocpp_reviews_waiting") == page.get("ocpp_reviews_oldest_seconds") == 0
    assert {page.get("ocpp_reviews_open", code=code) for code in Code} == {0}


def test_accounts_that_are_spent(books: Books, run: Run) -> None:
    purses = Purses(books)
    assert run.page().get("ocpp_accounts_spent") == 0
    purses.prepay()
    assert run.page().get("ocpp_accounts_spent") == 1


def test_newcomers_that_wait(books: Books, run: Run) -> None:
    station = Station(books)
    assert run.page().get("ocpp_newcomers_waiting") == 0
    books.run(begin_waiting, station.name, "10.0.0.1", books.at)
    page = run.page()
    assert page.get("ocpp_newcomers_waiting") == 1
    assert page.of("ocpp_cp_connected") == {}


def test_reviews_that_are_open(books: Books, run: Run) -> None:
    station = Station(books)
    transaction = station.start(1000)
    station.stop(transaction, 6000, at=station.clock(60))
    books.wait(60)
    station.stop(transaction, 7000)
    books.wait(60)
    books.connection.execute("UPDATE tx SET updated_at = ?", (books.at,))
    page = run.page()
    assert page.get("ocpp_reviews_waiting") == 1
    assert page.get("ocpp_reviews_oldest_seconds") == 7200
    assert page.get("ocpp_reviews_open", code="second_stop") == 1
    assert page.get("ocpp_reviews_open", code="stop_before_start") == 1
    assert page.get("ocpp_reviews_open", code="overlap") == 0
    told = {dict(labels)["code"]: dict(labels) for labels in page.of("ocpp_review_opened_ts")}
    assert told.keys() == {"second_stop", "stop_before_start"}
    assert told["second_stop"] | {"review": ""} == {
        "cp_id": "CP-1",
        "connector_id": "1",
        "transaction": str(transaction),
        "code": "second_stop",
        "review": "",
    }
    books.connection.execute(
        (
            "UPDATE review "
            "SET resolved_at = ?, resolved_by = 'anna', resolution = 'confirmed', reason = 'r'"
        ),
        (books.at,),
    )
    page = run.page()
    assert page.get("ocpp_reviews_waiting") == page.get("ocpp_reviews_oldest_seconds") == 0
    assert page.get("ocpp_reviews_open", code="second_stop") == 0
    assert page.of("ocpp_review_opened_ts") == {}


def test_each_of_levitys_names(books: Books, run: Run) -> None:
    station = live(books)
    open_one(station)
    books.run(sessions.heartbeat, "CP-1", books.at)
    run.see(handled(), ended("timed out"), ended("rejected", status="Rejected"))
    page = run.page()
    for name, (kind, labels) in LEVITYS.items():
        assert page.types[name] == kind
        told = list(label_names(page, f"{name}_count" if kind == "histogram" else name))
        assert told, name
        assert all(one == set(labels) for one in told), name


# New series and increase()


def test_a_new_series_begins_at_0_for_whoever_looks(books: Books, run: Run) -> None:
    Station(books).boot()
    assert run.page(after=0).get("ocpp_cp_boots_total", cp_id="CP-1") == 0
    assert run.page(after=ZERO_SECONDS - 1).get("ocpp_cp_boots_total", cp_id="CP-1") == 0
    assert run.page(after=2).get("ocpp_cp_boots_total", cp_id="CP-1") == 1


# Bounded number of series


def test_a_charger_cannot_make_it_grow(books: Books, run: Run) -> None:
    station = Station(books)
    lines = []
    for round_ in range(3):
        for number in range(round_ * 100, round_ * 100 + 100):
            kind = f"Kind-{number}"
            run.see(
                handled("unknown", code="NotImplemented", repairs=(kind,)),
                ended("error", error_code=kind),
            )
            run.see(ended("rejected", status=kind))
            station.status(kind, error=kind)
        lines.append(run.page().lines)
    assert lines[1] == lines[2]
    assert len(run.page().of("ocpp_repairs_total")) == REPAIR_KINDS + 1


def test_connectors_that_do_not_exist_are_one(books: Books, run: Run) -> None:
    station = Station(books)
    for connector in range(1000, 1020):
        station.start(1000, connector=connector)
    assert len(run.page().of("ocpp_tx_active")) == 1


def test_texts_are_quoted(books: Books, run: Run) -> None:
    name = 'CP "1" \\name %d {x}'
    Station(books, name)
    run.see(
        MessageHandled(
            charger=name, action="Heartbeat", seconds=9, request=None, code=None, repairs=()
        )
    )
    page = run.page()
    assert page.get("ocpp_cp_boots_total", cp_id=name) == 0
    assert page.get("ocpp_msg_handling_seconds_count", cp_id=name, message_type="Heartbeat") == 1


def test_who_has_no_row_is_not_counted(books: Books, run: Run) -> None:
    books.now += timedelta(seconds=1)
    run.see(handled())
    assert run.page().of("ocpp_msg_handling_seconds_count") == {}


def test_a_hidden_charger_is_counted_on_and_not_told_of(run: Run) -> None:
    station = live(run.books)
    run.see()
    assert "CP-1" in run.text()
    run.books.run(hide, "CP-1", run.books.at, None)
    run.see(handled())
    assert "CP-1" not in run.text()
    station.start(60_000)
    run.page()
    assert 'ocpp_tx_total{cp_id="CP-1"} 3' in run.text()


# Load management


KINDS: Final = ("house", "cars", "permitted")
LINE: Any = {"limit_a": 40, "permitted_a": 16, "free_a": 20, "outage_a": 9}
SEEN: Final = LoadNow(
    at="2026-03-01T12:00:00.000Z",
    is_shadow=True,
    lines=[
        LoadLine(circuit="Feeder", phase=phase, house_a=4, cars_a=8, **LINE)
        for phase in ("L1", "L2")
    ],
    cars=[],
    meters=[
        LoadMeter(
            name="Main",
            circuit="Feeder",
            at="2026-03-01T12:00:00.000Z",
            amperes=[1, 2, 3],
            is_stale=True,
        ),
        LoadMeter(name="New", circuit="Feeder", at=None, amperes=None, is_stale=False),
    ],
    over=[],
    grid_a=None,
)


def test_load_management_is_told_while_it_decides(run: Run) -> None:
    load: Any = SimpleNamespace(now=SEEN, over_seconds={("Feeder", "L2"): 61.4}, limited=Limited())
    run.gauges.update_load(load, run.books.now + timedelta(seconds=30))
    page = run.page()
    kinds = [
        page.get("ocpp_load_amperes", circuit="Feeder", phase="L1", kind=kind) for kind in KINDS
    ]
    assert kinds == [4, 8, 16]
    assert page.get("ocpp_load_limit_amperes", circuit="Feeder", phase="L2") == 40
    assert page.get("ocpp_load_over_limit_seconds_total", circuit="Feeder", phase="L2") == 61
    assert page.get("ocpp_load_over_limit_seconds_total", circuit="Feeder", phase="L1") == 0
    assert page.get("ocpp_load_waiting_cars") == 0
    assert page.get("ocpp_load_meter_age_seconds", meter="Main") == pytest.approx(30, abs=0.5)
    assert page.get("ocpp_load_meter_age_seconds", meter="New") is None
    assert [page.get("ocpp_load_meter_silent", meter=name) for name in ("Main", "New")] == [1, 0]
    load.now = None
    run.gauges.update_load(load, run.books.now)
    page = run.page()
    assert not page.of("ocpp_load_amperes") | page.of("ocpp_load_meter_silent")


def of_chargers(page: Page, name: str) -> list[float | None]:
    return [page.get(f"ocpp_load_{name}", cp_id=charger) for charger in ("CP-1", "CP-2")]


def of_connectors(page: Page, name: str) -> list[float | None]:
    return [
        page.get(f"ocpp_load_{name}", cp_id="CP-1", connector_id=str(number)) for number in (1, 2)
    ]


def test_what_load_management_limits_and_who_does_not_obey(books: Books, run: Run) -> None:
    for charger in ("CP-1", "CP-2"):
        Station(books, charger)
    books.run(load.manage, ["CP-1", "CP-2"], books.at, "anna")
    books.run(load.trust_charger, "CP-1", "anna")
    books.run(load.let_go, ["CP-2"], books.at, "anna")
    ends_at = stamp(books.now + timedelta(minutes=30))
    lease: dict[str, Any] = {
        "charger": "CP-1",
        "transaction": None,
        "safe_a": 6,
        "sent_at": books.at,
    }
    day = int(books.now.timestamp()) // 86_400
    sent = [
        StoredLease(
            connector=1,
            amperes=13,
            ends_at=ends_at,
            day=day,
            reasons={"lease": 4, "retry": 3},
            **lease,
        ),
        StoredLease(
            connector=2, amperes=6, ends_at=None, day=day - 1, reasons={"lease": 9}, **lease
        ),
    ]

    def page() -> Page:
        known = managed_chargers(view(books.connection)).values()
        load: Any = SimpleNamespace(
            now=None,
            over_seconds={},
            limited=Limited(chargers=known, leases=sent, writes_a_day=100),
        )
        run.gauges.update_load(load, books.now)
        return run.page()

    assert of_chargers(page(), "limited") == [1, 0]
    assert of_chargers(page(), "trusted") == [1, 0]
    assert of_connectors(page(), "lease_amperes") == [13, 6]
    assert of_connectors(page(), "lease_ends_ts") == [
        datetime.fromisoformat(ends_at).timestamp(),
        None,
    ]
    assert of_connectors(page(), "writes_today") == [7, 0]
    assert page().get("ocpp_load_writes_a_day") == 100
    ignored = LimitIgnored(charger="CP-1", at=books.at, connector=1, limit=10, drawn=15.8, way=1)
    books.run(load.note_ignored, ignored, 2, None)
    assert of_chargers(page(), "disobeys") == [1, 0]
    assert of_chargers(page(), "trusted") == [0, 0]
    assert of_chargers(page(), "limits_ignored_total") == [1, 0]
    sent.clear()
    books.run(load.note_gone, "CP-2", books.at)
    assert of_chargers(page(), "disobeys") == [1, None]
    assert of_connectors(page(), "writes_today") == [None, None]


def test_the_broker_of_mqtt(run: Run) -> None:
    run.gauges.update_mqtt(None)
    assert run.page().get("ocpp_mqtt_connected") == 0
    books = run.books
    books.run(receivers.note_broker_link, True, books.at, "house:1883", None)
    books.run(lambda db: db.record(EventsPruned(charger=None, at=books.at, count=1, before="")))
    run.gauges.update_mqtt(state(view(books.connection)))
    page = run.page()
    assert (page.get("ocpp_mqtt_connected"), page.get("ocpp_mqtt_facts_waiting")) == (1, 1)


@pytest.mark.parametrize("has_mqtt", [True, False])
def test_the_series_of_mqtt_exist_only_with_a_broker(has_mqtt: bool) -> None:
    metrics = Metrics()
    metrics.begin(is_audited=False, has_mqtt=has_mqtt)
    assert {bool(family.known()) for family in (metrics.mqtt_connected, metrics.mqtt_waiting)} == {
        has_mqtt
    }


def test_the_copies_for_other_backends(run: Run) -> None:
    books = run.books
    for charger in ("CP-1", "CP-2"):
        Station(books, charger)
    ends_at = "2027-01-01T00:00:00.000Z"
    employer = copied.add(books, "Employer", "CP-1", "CP-2", certificate_ends_at=ends_at)
    copied.link(books, employer, "CP-1")
    copied.link(books, employer, "CP-2", is_connected=False)
    books.connection.execute("UPDATE backend_cp SET told = 7 WHERE cp_id = 'CP-1'")
    books.wait(1)

    def page() -> Page:
        database = view(books.connection)
        states, refused = copies.states(database), copies.refused(database)
        run.gauges.update_backends(states, refused, books.now)
        return run.page()

    def of_copy(name: str, charger: str) -> float | None:
        return page().get(f"ocpp_backend_{name}", cp_id=charger, backend="Employer")

    assert [of_copy("connected", charger) for charger in ("CP-1", "CP-2")] == [1, 0]
    assert [of_copy("behind_seconds", charger) for charger in ("CP-1", "CP-2")] == [0, 60]
    assert [of_copy("told_total", charger) for charger in ("CP-1", "CP-2")] == [7, 0]
    assert page().get("ocpp_backend_refused_total", backend="Employer") == 0
    copied.refuse(books, employer, "CP-1")
    assert page().get("ocpp_backend_refused_total", backend="Employer") == 1
    ends = page().get("ocpp_backend_certificate_expires_ts", backend="Employer")
    assert ends == datetime.fromisoformat(ends_at).timestamp()

    books.connection.execute("UPDATE backend SET paused_at = ?", (books.at,))
    assert of_copy("told_total", "CP-1") is None
    assert page().get("ocpp_backend_refused_total", backend="Employer") is None
