"""The site document of load management: what it says, and what it is refused for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from levity_trio.load.document import DocumentRefused, Meter, Options, parse, planted, ways_out, written
from levity_trio.load.tree import Circuit, Socket

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
        Circuit(name="Main", amperes=100),
        Circuit(name="Garage", parent="Main", amperes=40, reserve=2.5),
    )
    assert site.sockets == (
        Socket(charger="CP-1", connector=2, circuit="Garage", rotation="STR", least=8),
        Socket(charger="CP-2", circuit="Main"),
    )
    assert site.meters == (Meter(name="SDM", kind="modbus", address="10.0.0.7:502", model="SDM630"),)
    assert site.metered == {"Main": "SDM"}
    assert site.options == Options(first_come=True, failsafe_amperes=16, heartbeat_seconds=300)


FEEDER = '[[circuit]]\nname = "Feeder"\namperes = 63\n'


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
        (FEEDER + '[[meter]]\nname = "Main"\nkind = "modbus"\nmodel = "SDM630"', "give its address"),
        (FEEDER + '[[meter]]\nname = "Main"\nkind = "modbus"\naddress = "a"', "give one of SDM630"),
        (FEEDER + '[[meter]]\nname = "Main"\nkind = "http"\nurl = "http://u:p@a/"', "no password in it"),
        (FEEDER + '[[meter]]\nname = "Main"\nkind = "http"\nurl = "http://a/"', "or a model: shelly3em"),
        (FEEDER + '[[charger]]\nid = "CP-1"\nleast = 6.5', "least of [[charger]] is 6.5: give a whole number"),
        (FEEDER + "[options]\nfirst_come = 1", "first_come of [options] or [grid] is 1: give true or false"),
        ('[[circuit]]\nname = "Feeder"\nkilowatts = "a"', "kilowatts of [[circuit]] is 'a': give a number"),
        (FEEDER + '[[meter]]\nname = "Main"\npath = "a"', "path of [[meter]] is 'a': give a list of texts"),
    ],
)
def test_what_it_is_refused_for(text: str, words: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        parse(text)
    assert words in str(refused.value)


def test_ways_out_of_a_feeder_that_is_too_small_fit() -> None:
    """Of twenty chargers at 54 A, eleven do without 6 A; with known rotations all get them on one phase."""
    site = parse(FEEDER + "reserve = 9")
    places = [(f"CP-{number:02}", 1) for number in range(20)]
    (fewer,) = ways_out(site, places, {})
    assert fewer.without == tuple(places[9:])
    planted(parse(fewer.toml), places, {})
    turned = tuple(
        Socket(charger=charger, circuit="Feeder", rotation=("RST", "STR", "TRS")[number % 3])
        for number, (charger, _) in enumerate(places)
    )
    one_phase, _fewer = ways_out(replace(site, sockets=turned), places, {})
    assert not one_phase.without
    tree = planted(parse(one_phase.toml), places, {})
    assert {socket.safe_lines for socket in tree.sockets.values()} == {1}


def test_what_is_written_is_read_again() -> None:
    assert parse(written(parse(WHOLE))) == parse(WHOLE)
