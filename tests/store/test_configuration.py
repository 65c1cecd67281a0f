"""The configuration as it is kept: keys that a charger denies, when a value was last read,
readings, and templates."""

from __future__ import annotations

from typing import Any

import pytest

from levity_trio.operations.configuration import Before
from levity_trio.store.engine.database import DAILY_FACTS
from levity_trio.store.reads.chargers import configuration as reads
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.writes.chargers.configuration import (
    NewReading,
    NewTemplate,
    UnknownTemplate,
    add_reading,
    remove_template,
    set_template,
)
from levity_trio.store.writes.load import load
from tests.store.books import Books, Station
from tests.store.reading import reading
from tests.store.test_commands import answer, send


def tell(station: Station, answered: dict[str, Any], *keys: str) -> None:
    asked = {"key": [*keys]} if keys else {}
    answer(station, send(station, "GetConfiguration", **asked), "GetConfiguration", answered)
    station.books.wait(60)


def entry(key: str, value: str, **rest: Any) -> dict[str, Any]:
    return {"key": key, "value": value, "readonly": False, **rest}


def put(books: Books, template: NewTemplate, by: str = "anna") -> None:
    books.run(set_template, template, books.at, by)


NOT_TOLD = {"SupportedFileTransferProtocols": None}


GARAGE = NewTemplate(
    name="garage", model=None, chargers=["CP-1", "CP-2"], entries={"LightIntensity": "20"}
)


def test_a_value_that_stays_has_two_times(books: Books, station: Station) -> None:
    tell(station, {"configurationKey": [entry("A", "1")]})
    between = books.at
    tell(station, {"configurationKey": [entry("A", "1", readonly="false")]})
    with reading(books) as db:
        (one,) = reads.configuration(db, "CP-1")
    assert one.read_at < between < one.last_read_at
    assert books.count("configuration") == 1


def test_of_other_values_each_time_so_many_are_stored_in_a_day(
    books: Books, station: Station
) -> None:
    for part in range(3):
        tell(
            station,
            {
                "configurationKey": [
                    entry(f"{part}-{place}", "1") for place in range(DAILY_FACTS // 2)
                ]
            },
        )
    assert books.count("configuration") == DAILY_FACTS
    tell(station, {"configurationKey": [entry("0-0", "1")]})
    books.wait(24 * 60)
    tell(station, {"configurationKey": [entry("0-0", "2")]})
    assert books.count("configuration") == DAILY_FACTS + 1


def test_a_key_that_the_charger_denies(books: Books, station: Station) -> None:
    tell(station, {"configurationKey": [entry("A", "1"), entry("B", "1")]})
    then = books.at
    tell(station, {"configurationKey": [], "unknownKey": ["a", "a", "Strange"]}, "A", "Other")
    with reading(books) as db:
        assert [one.key for one in reads.configuration(db, "CP-1")] == ["B"]
        (change,) = reads.setting_changes(db, "CP-1", then)
        assert (change.key, change.after) == ("A", None)
        assert [one.is_known for one in reads.history(db, "CP-1", "A")] == [False, True]
        assert not reads.has(db, "CP-1")["a"].is_known
        assert reads.before_reading(db, "CP-1") == Before(seen=("B",), unknown=("A",))
        known = reads.situation(db, "CP-1", books.now, is_connected=True)
        assert known.configuration == {"B": "1"} | NOT_TOLD
    tell(station, {"configurationKey": [entry("A", "1")]}, "A")
    with reading(books) as db:
        assert reads.has(db, "CP-1")["a"].read_at > then
        known = reads.situation(db, "CP-1", books.now, is_connected=True)
        assert known.configuration == {"A": "1", "B": "1"} | NOT_TOLD


def test_an_operation_knows_whether_load_management_limits_its_charger(books: Books) -> None:
    for charger in ("CP-1", "CP-2"):
        Station(books, charger)
    books.run(load.manage, ["CP-2"], books.at, "anna")
    with reading(books) as db:
        found = [
            reads.situation(db, name, books.now, is_connected=True).is_managed
            for name in ("CP-1", "CP-2")
        ]
    assert found == [False, True]


def test_one_that_denies_a_spelling_has_the_key(books: Books, station: Station) -> None:
    tell(station, {"configurationKey": [entry("HeartBeatInterval", "60")]})
    tell(station, {"unknownKey": ["HeartbeatInterval"]}, "HeartbeatInterval")
    with reading(books) as db:
        assert reads.has(db, "CP-1")["heartbeatinterval"].value == "60"


@pytest.mark.parametrize("payload", [{}, {"key": "A"}, {"key": [5, None]}, {"key": {"A": 1}}])
def test_what_was_not_asked_for_is_not_denied(
    books: Books, station: Station, payload: dict[str, Any]
) -> None:
    command = send(station, "GetConfiguration", **payload)
    answer(station, command, "GetConfiguration", {"unknownKey": ["A"]})
    assert books.count("configuration") == 0


def test_what_is_known_before_a_reading(books: Books, station: Station) -> None:
    tell(
        station, {"configurationKey": [entry("GetConfigurationMaxKeys", "7"), entry("Vendor", "x")]}
    )
    for key, status in (
        ("Hidden", "Accepted"),
        ("Refused", "Rejected"),
        ("AuthorizationKey", "Accepted"),
    ):
        command = send(station, "ChangeConfiguration", key=key, value="1")
        answer(station, command, "ChangeConfiguration", {"status": status})
    put(books, GARAGE)
    with reading(books) as db:
        assert reads.before_reading(db, "CP-1") == Before(
            seen=("Hidden", "LightIntensity", "GetConfigurationMaxKeys", "Vendor"), most=7
        )


def test_readings_newest_first(books: Books, station: Station) -> None:
    for unanswered in (["A"], []):
        new = NewReading(
            charger=station.name,
            asked_by="anna",
            began_at=books.at,
            ended_at=books.at,
            keys=3,
            unknown_keys=1,
            unanswered=unanswered,
            commands=[1, 2],
        )
        books.run(add_reading, new)
    with reading(books) as db:
        found = reads.readings(db, "CP-1", WantedPage()).data
        assert [(one.id, one.unanswered, one.commands) for one in found] == [
            (2, [], [1, 2]),
            (1, ["A"], [1, 2]),
        ]
        assert reads.readings(db, "CP-2", WantedPage()).data == []
        assert reads.reading(db, 2) == found[0]


def test_a_template_is_replaced_and_removed_and_stays(books: Books, station: Station) -> None:
    put(books, GARAGE)
    put(
        books, NewTemplate(name="garage", model="ex-7", chargers=None, entries={"B": "2"}), by="ben"
    )
    books.connection.execute("UPDATE cp SET model = 'EX-7'")
    with reading(books) as db:
        (one,) = reads.templates(db)
        assert one == reads.template(db, "garage")
        assert (one.entries, one.model, one.chargers, one.created_by) == (
            {"B": "2"},
            "ex-7",
            None,
            "ben",
        )
        assert reads.chargers_of(db, one) == ["CP-1"]
        assert reads.before_reading(db, station.name).seen == ("B",)
    books.run(remove_template, "garage", books.at, "anna")
    with reading(books) as db:
        assert reads.template(db, "garage") is None
    with pytest.raises(UnknownTemplate):
        books.run(remove_template, "garage", books.at, "anna")
    assert books.rows("SELECT ended_by FROM configuration_template ORDER BY id") == [
        ("ben",),
        ("anna",),
    ]


def test_chargers_beside_a_template(books: Books, station: Station) -> None:
    put(books, GARAGE)
    tell(station, {"configurationKey": [entry("lightIntensity", "50")]})
    with reading(books) as db:
        template = reads.template(db, "garage")
        assert template is not None
        found = reads.standings(db, template)
        assert [(one.charger, one.standing) for one in found] == [
            ("CP-1", "differs"),
            ("CP-2", "not known"),
        ]
        assert found[0].keys[0].has == "50"
        assert [one.charger for one in reads.standings(db, template, ["CP-2"])] == ["CP-2"]
