"""All that is known of one transaction, in order, and in plain English."""

from __future__ import annotations

import re
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from levity_trio.charging.sent.evidence import POWER
from levity_trio.store.reads.transactions.explain import ExplainedTransaction, explain, lines
from levity_trio.store.writes.load import load
from tests.store.bills import rule_of
from tests.store.books import Books, Station, meter_value
from tests.store.deciding import Operator
from tests.store.nows import BERLIN
from tests.store.reading import reading
from tests.store.telling import watts


def explained(books: Books, number: int) -> ExplainedTransaction:
    with reading(books) as db:
        found = explain(db, number, rule_of(books))
    assert found is not None
    return found


def charge(station: Station, start: int = 1000, stop: int = 6000, minutes: int = 60) -> int:
    number = station.start(start)
    for minute in range(5, minutes, 5):
        station.books.wait(5)
        wh = start + (6000 - 1000) * minute // minutes
        station.tell(meter_value(station.clock(), wh, watts(5000)), transaction=number)
    station.books.wait(5)
    station.stop(number, stop)
    return number


def test_an_unknown_one(books: Books) -> None:
    with reading(books) as db:
        assert explain(db, 7, rule_of(books)) is None


def test_an_honest_one_is_certain_as_reported(books: Books, station: Station) -> None:
    station.boot(firmware_version="5.633")
    station.status("Preparing")
    books.wait(1)
    number = charge(station)
    books.wait(1)
    station.status("Finishing")
    found = explained(books, number)
    assert found.today is not None
    assert (found.today.wh, found.today.confidence, found.today.is_as_stored) == (
        5000,
        "certain",
        True,
    )
    (only,) = found.candidates  # nothing contradicts it, so no other is tried
    assert (only.words, only.wh, only.is_chosen, only.against) == ("as reported", 5000, True, None)
    assert [step.words.split(";")[0] for step in found.steps] == [
        "the charger connected",
        "the charger booted, firmware 5.633",
        "connector 1 is Preparing",
        "start by charger",
        "stop by charger: Local",
        "connector 1 is Finishing",
    ]
    assert [(one.measurand, one.count, one.first_wh, one.last_wh) for one in found.readings] == [
        ("Energy.Active.Import.Register", 11, 1416, 5583),
        (POWER, 11, None, None),
    ]


def test_each_message_names_its_frame(books: Books, station: Station) -> None:
    found = explained(books, charge(station))
    frames = {row[0]: row[1] for row in books.rows("SELECT id, frame FROM evidence")}
    start, stop = (step for step in found.steps if step.kind in ("start", "stop"))
    assert start.frame is not None
    assert stop.frame is not None
    assert '"StartTransaction"' in frames[start.frame]
    assert '"StopTransaction"' in frames[stop.frame]
    assert stop.details["payload"]["meterStop"] == 6000
    assert (stop.details["timestamp"], stop.at) == (books.at[:20] + "000Z", books.at)


def test_a_doubtful_one_lists_figures_and_what_contradicts_them(
    books: Books, station: Station
) -> None:
    before = charge(station)
    books.wait(10)
    number = charge(station, 6200, 900)
    found = explained(books, number)
    assert found.transaction.confidence == "doubtful"
    (doubt,) = found.reviews
    assert doubt.resolved_at is None
    assert [one.wh for one in found.candidates if one.is_chosen] == [found.transaction.energy_wh]
    refuted = [one for one in found.candidates if one.against is not None]
    assert all(one.evidence is not None and len(one.evidence) == 2 for one in refuted)
    assert found.before is not None
    assert (found.before.id, found.before.gap_wh) == (before, 200)
    assert [step.kind for step in found.steps][-1] == "review"


def test_a_figure_that_a_person_settled_names_her(books: Books, station: Station) -> None:
    number = charge(station, 6200, 900)
    Operator(books).confirm(number)
    found = explained(books, number)
    assert found.settled_by == "anna"
    assert found.steps[-1].words.endswith("resolved by anna, confirmed: she read the meter")


@pytest.mark.parametrize(
    ("why", "now", "then"),
    [
        (
            "waited",
            "waits for current, because the feeder is full",
            "waited for current until {}, because the feeder was full",
        ),
        ("paused", "paused by load management", "paused by load management until {}"),
        (
            "below",
            "gets less current than its car needs, by load management",
            "got less current than its car needs until {}, by load management",
        ),
    ],
)
def test_what_load_management_took_is_told(
    books: Books, station: Station, why: str, now: str, then: str
) -> None:
    number = station.start(1000)
    books.wait(2)
    books.run(load.begin_span, number, why, books.at)
    assert f"  2026-03-01 13:02  {now}; costs nothing" in lines(explained(books, number), BERLIN)
    books.wait(38)
    books.run(load.end_span, number, books.at)
    assert f"  2026-03-01 13:02  {then}; costs nothing".format("2026-03-01 13:40") in lines(
        explained(books, number), BERLIN
    )


def test_what_load_management_took_lasts_to_the_stop(books: Books, station: Station) -> None:
    number = station.start(1000)
    books.run(load.begin_span, number, "paused", books.at)
    books.wait(60)
    station.stop(number, 1000)
    told = [step.words for step in explained(books, number).steps]
    assert told[2] == "paused by load management until 2026-03-01T13:00:00.000Z; costs nothing"


def test_an_open_one_has_no_figure_yet(books: Books, station: Station) -> None:
    number = station.start(1000)
    books.wait(1)
    station.lose()
    found = explained(books, number)
    assert (found.today, found.candidates) == (None, ())
    assert [step.kind for step in found.steps] == ["connect", "start", "disconnect", "suspend"]
    assert "  0 Wh so far" in lines(found, BERLIN)


@pytest.mark.parametrize(
    ("zone", "begins"),
    [
        ("UTC", "  from 2026-03-01 12:00 to 2026-03-01 "),
        ("Europe/Berlin", "  from 2026-03-01 13:00 to 2026-03-01 "),
        ("Asia/Kolkata", "  from 2026-03-01 17:30 to 2026-03-01 "),
        ("Pacific/Auckland", "  from 2026-03-02 01:00 to 2026-03-02 "),
        ("America/Los_Angeles", "  from 2026-03-01 04:00 to 2026-03-01 "),
    ],
)
def test_times_are_those_of_the_site_to_the_minute(
    books: Books, station: Station, zone: str, begins: str
) -> None:
    number = charge(station, 6200, 900)
    told = list(lines(explained(books, number), ZoneInfo(zone)))
    assert told[1].startswith(begins)
    assert told[1].endswith(f"; times are those of {zone}")
    found = re.findall(r"\d{4}-\d\d-\d\d\S*(?: \d\d:\d\d\S*)?", "\n".join(told))
    assert found
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d[,;:]?", one) for one in found)


@pytest.mark.parametrize(
    "sent", ["2026-02-31T25:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59-12:00"]
)
def test_a_time_that_is_none_is_told_as_sent(books: Books, station: Station, sent: str) -> None:
    found = explained(books, charge(station))
    step = replace(found.steps[0], words=f"its time {sent}")
    assert any(
        f"its time {sent}" in line
        for line in lines(replace(found, steps=(step,)), ZoneInfo("Asia/Tokyo"))
    )


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (1006, "gone", "gone"),
        (1006, "", "without a close frame"),
        (1001, "", "closed with code 1001"),
    ],
)
def test_how_a_connection_ended_is_never_left_empty(
    books: Books, station: Station, code: int, reason: str, words: str
) -> None:
    number = station.start(1000)
    station.lose(reason=reason, code=code)
    found = explained(books, number)
    assert [step.words for step in found.steps if step.kind == "disconnect"] == [
        f"the connection ended: {words}"
    ]


def test_only_its_own_time_and_connector_are_told(books: Books, station: Station) -> None:
    station.status("Charging", connector=2)
    books.wait(60)
    number = charge(station)
    station.status("Charging", connector=2)
    books.wait(60)
    station.status("Available")
    station.boot()
    assert [step.kind for step in explained(books, number).steps] == ["start", "stop"]


def test_it_reads_like_a_story(books: Books, station: Station) -> None:
    charge(station)
    books.wait(10)
    number = charge(station, 6200, 900)
    books.wait(10)
    charge(station, 11_200, 16_200)
    told = "\n".join(lines(explained(books, number), BERLIN))
    for part in (
        f"Session {number} of CP-1, connector 1, card TAG: stopped",
        "ended by its charger (Local)",
        ", doubtful, by ",
        "What happened\n  2026-03-01 14:",
        "stop by charger: Local; stop register 900 Wh; its time 2026-03-01 15:",
        "11 × Energy.Active.Import.Register (MeterValues, Sample.Periodic)",
        "11 × Power.Active.Import (MeterValues, Sample.Periodic), ",
        ": 5000 W\n",
        "before: ",
        "1,000 Wh to 6,000 Wh, Completed; 200 Wh between",
        "after: ",
        "Explanations by today's rules",
        ": chosen",
        "Its last reading cannot be right, open: ",
        "stop register 900 Wh",
    ):
        assert part in told, f"{part!r} in\n{told}"
