"""The site document of load management: what it says, and what it is refused for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from levity_trio.config.tables import DocumentRefused
from levity_trio.load.document import (
    SiteOptions,
    parse,
    planted,
    ways_out,
    written,
)
from levity_trio.load.tree import Circuit, Socket
from levity_trio.wire.meters import MeterConfig

WHOLE = """
[[circuit]]
name = "Main"
kilowatts = 69
meter = "SDM"
[[circuit]]
name = "Garage"
parent = "Main"
amperes = 40
reserve = 2.5
[[charger]]
id = "CP-1"
connector = 2
circuit = "Garage"
rotation = "STR"
least = 8
[[charger]]
id = "CP-2"
[[meter]]
name = "SDM"
kind = "modbus"
address = "10.0.0.7:502"
model = "SDM630"
[options]
first_come = true
[grid]
failsafe_amperes = 16
heartbeat_seconds = 300
"""


def test_what_it_says() -> None:
    site = parse(WHOLE)
    assert site.circuits == (
        Circuit(name="Main", amperes=100, meter="SDM"),
        Circuit(name="Garage", parent="Main", amperes=40, reserve=2.5),
    )
    assert site.sockets == (
        Socket(charger="CP-1", connector=2, circuit="Garage", rotation="STR", least=8),
        Socket(charger="CP-2", circuit="Main"),
    )
    assert site.meters == (
        MeterConfig(name="SDM", kind="modbus", address="10.0.0.7:502", model="SDM630"),
    )
    assert site.options == SiteOptions(first_come=True, failsafe_amperes=16, heartbeat_seconds=300)


FEEDER = '[[circuit]]\nname = "Feeder"\namperes = 63\n'
BY_MQTT = FEEDER + '[[meter]]\nname = "Main"\nkind = "mqtt"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[circuit", "this is not TOML"),
        ("", "there is no circuit"),
        ("circuit = 3", "circuit is not a list of tables"),
        ("options = 3\n" + FEEDER, "options is not a table"),
        ("[[circuit]]\namperes = 63", "[[circuit]] has no name"),
        (FEEDER + "colour = 3", "[[circuit]] has colour, which there is not"),
        (FEEDER + "[colour]", "the document has colour"),
        (FEEDER + 'meter = "Main"', "Feeder is measured by Main, which there is not"),
        (FEEDER + '[[meter]]\nname = "Main"\nkind = "smoke"', "its kind is 'smoke'"),
        (
            FEEDER + '[[meter]]\nname = "Main"\nkind = "modbus"\nmodel = "SDM630"',
            "give its address",
        ),
        (FEEDER + '[[meter]]\nname = "Main"\nkind = "modbus"\naddress = "a"', "give one of SDM630"),
        (
            FEEDER + '[[meter]]\nname = "Main"\nkind = "http"\nurl = "http://u:p@a/"',
            "no password in it",
        ),
        (
            FEEDER + '[[meter]]\nname = "Main"\nkind = "http"\nurl = "http://a/"',
            "or a model: shelly3em",
        ),
        (
            FEEDER + '[[charger]]\nid = "CP-1"\nleast = 6.5',
            "least of [[charger]] is 6.5: give a whole number",
        ),
        (
            FEEDER + "[options]\nfirst_come = 1",
            "first_come of [options] or [grid] is 1: give true or false",
        ),
        (
            '[[circuit]]\nname = "Feeder"\nkilowatts = "a"',
            "kilowatts of [[circuit]] is 'a': give a number",
        ),
        (
            FEEDER + '[[meter]]\nname = "Main"\npath = 3',
            "path of [[meter]] is 3: give a text, or a list of texts",
        ),
        (
            FEEDER + '[[meter]]\nname = "Main"\npath = [3]',
            "path of [[meter]] is [3]: give a text, or a list of texts",
        ),
        (
            FEEDER + '[[meter]]\nname = "Main"\nkind = "mqtt"',
            "give the topic on which it publishes",
        ),
        (BY_MQTT + 'topic = ["a", "b", "c", "d"]', "give the topic on which it publishes"),
        (
            BY_MQTT + 'topic = ["a", "b"]\npath = ["c", "d"]',
            "path has one entry, which holds for each",
        ),
        (BY_MQTT + 'topic = "a/+/c"', "'a/+/c' has + or #, which stand for many topics"),
        (BY_MQTT + 'topic = ["a", "#"]', "'#' has + or #"),
        (BY_MQTT + 'topic = ""', "give a topic of 1 to 1000 bytes"),
        (
            FEEDER + '[[meter]]\nname = "Main"\n[[meter]]\nname = "Main"',
            "the meter Main is there twice",
        ),
        (FEEDER + "[options]\nmost = 5", "most of [options] is 5: no car charges below 6 A"),
        (BY_MQTT + 'topic = "a"\nshows = "V"', "it shows 'V': give one of A, mA, W, kW"),
    ],
)
def test_what_it_is_refused_for(text: str, words: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        parse(text)
    assert words in str(refused.value)


def test_ways_out_of_a_feeder_that_is_too_small_fit() -> None:
    """Of twenty chargers at 54 A, eleven do without 6 A; with known rotations all get them on one
    phase."""
    site = parse(FEEDER + "reserve = 9")
    places = [(f"CP-{number:02}", 1) for number in range(20)]
    (fewer,) = ways_out(site, places, {})
    assert fewer.without == [charger for charger, _ in places[9:]]
    planted(parse(fewer.toml), places, {})
    turned = tuple(
        Socket(charger=charger, circuit="Feeder", rotation=("RST", "STR", "TRS")[number % 3])
        for number, (charger, _) in enumerate(places)
    )
    one_phase, _fewer = ways_out(replace(site, sockets=turned), places, {})
    assert not one_phase.without
    tree = planted(parse(one_phase.toml), places, {})
    assert {socket.safe_lines for socket in tree.sockets.values()} == {1}


def test_a_meter_by_mqtt_has_one_topic_or_one_for_each_phase() -> None:
    (one,) = parse(BY_MQTT + 'topic = "house/meter"\npath = "power.total"\nshows = "kW"').meters
    assert one == MeterConfig(
        name="Main", kind="mqtt", topic=("house/meter",), path=("power.total",), shows="kW"
    )
    (three,) = parse(BY_MQTT + 'topic = ["a/0", "a/1", "a/2"]').meters
    assert three == MeterConfig(name="Main", kind="mqtt", topic=("a/0", "a/1", "a/2"))


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        BY_MQTT + 'topic = ["a/0", "a/1"]\npath = "x"\nshows = "W"',
        FEEDER
        + '[[charger]]\nid = "CP-1"\nmost = 32\n[[charger]]\nid = "CP-2"\n[options]\nmost = 20',
        FEEDER + "[options]\nwrites_a_day = 50\nstop_who_ignores = true\ndriver_wishes = true",
    ],
)
def test_what_is_written_is_read_again(text: str) -> None:
    assert parse(written(parse(text))) == parse(text)


def test_what_one_charger_can_draw_holds_for_those_that_say_nothing_else() -> None:
    """Also for one that comes later, and for the ways out of a feeder that is too small."""
    site = parse(
        FEEDER
        + '[[charger]]\nid = "CP-1"\n[[charger]]\nid = "CP-2"\nmost = 32\n[options]\nmost = 20'
    )
    places = [("CP-1", 1), ("CP-2", 1), ("CP-3", 1)]
    small = replace(site, circuits=(Circuit(name="Feeder", amperes=13),))
    (fewer,) = ways_out(small, places, {})
    for one in (site, parse(fewer.toml)):
        most = {
            charger: socket.most
            for (charger, _), socket in planted(one, places, {}).sockets.items()
        }
        assert most == {"CP-1": 20, "CP-2": 32, "CP-3": 20}
