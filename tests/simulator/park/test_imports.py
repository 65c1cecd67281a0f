"""Imports: all or nothing, and each fault with its line, its column and what to give."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.simulator.charger.state import ChargerSpec
from levity_trio.simulator.park.park import (
    CHARGERS,
    CSV,
    JSON,
    KINDS,
    VEHICLES,
    Fault,
    Faulty,
    Placement,
    Registry,
    import_chargers,
    import_vehicles,
    template,
)
from levity_trio.simulator.physics import Vehicle


@pytest.fixture
def registry() -> Registry:
    made = Registry()
    made.seed()
    return made


def faults(registry: Registry, text: str | bytes, media_type: str = CSV) -> list[Fault]:
    before = registry.to_json()
    with pytest.raises(Faulty) as caught:
        import_chargers(registry, text if isinstance(text, bytes) else text.encode(), media_type)
    assert registry.to_json() == before
    return caught.value.faults


def test_a_table_of_chargers(registry: Registry) -> None:
    table = '\ufeffId, Connectors,quirks ,auto_connect\r\nA,2,,no\r\n\r\n"B, left",,grizzl-e,\r\n'
    assert import_chargers(registry, table.encode(), CSV) == ["A", "B, left"]
    assert registry.chargers["A"].spec == ChargerSpec(id="A", connectors=2)
    assert registry.chargers["A"].placement == Placement(auto_connect=False)
    assert registry.chargers["B, left"].spec.quirks == ("grizzl-e",)


def test_semicolons_of_a_spreadsheet(registry: Registry) -> None:
    assert import_chargers(registry, b"id;phases\nA;3\n", CSV) == ["A"]
    assert registry.chargers["A"].spec.phases == 3


def test_a_list_of_chargers(registry: Registry) -> None:
    content = json.dumps(
        [{"id": "A", "power_type": "DC"}, {"id": "B", "quirks": ["grizzl-e"]}], indent=2
    )
    assert import_chargers(registry, content.encode(), JSON) == ["A", "B"]
    assert registry.chargers["A"].spec.power_type == "DC"


def test_vehicles(registry: Registry) -> None:
    assert import_vehicles(registry, b"name,soc\nCompact,0.5\n", CSV) == ["Compact"]
    assert registry.vehicles == {"Compact": Vehicle(name="Compact", soc=0.5)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_can_be_imported(registry: Registry, kind: str) -> None:
    take = import_chargers if kind == CHARGERS else import_vehicles
    (name,) = take(registry, template(kind).encode(), CSV)
    assert name in (registry.chargers if kind == CHARGERS else registry.vehicles)


def test_templates_have_every_column() -> None:
    assert template(CHARGERS).partition("\n")[0].split(",")[-3:] == [
        "quirks",
        "location",
        "auto_connect",
    ]
    columns = (
        "name,battery_wh,max_ac_w,ac_phases,max_dc_w,soc,ac_tapers,most_pauses,follow_seconds,"
        "least_ac_a"
    )
    assert template(VEHICLES) == f"{columns}\nCompact,60000,7360,1,100000,0.3,false,0,2,6\n"


def test_every_faulty_line_is_told(registry: Registry) -> None:
    import_chargers(registry, b"id\nKnown\n", CSV)
    table = (
        "id,connectors,location,quirks\n"
        "A,two,,\n"
        "B,1,,\n"
        "B,1,,\n"
        "Known,1,,\n"
        "C,0,,\n"
        'D,1,"No\nwhere",\n'
        "E,1,Garage,never-heard-of\n"
        "F,1,Garage,grizzl-e,more\n"
    )
    told = [(fault.line, fault.column) for fault in faults(registry, table)]
    assert told == [
        (2, "connectors"),
        (4, "id"),
        (5, "id"),
        (6, "connectors"),
        (8, "location"),
        (9, "quirks"),
        (10, ""),
    ]


def test_every_faulty_object_is_told(registry: Registry) -> None:
    content = '[\n {"id": "A"},\n {"id": "B",\n  "phases": 2}, 5,\n {"name": "C"}, {"id": "A"}]'
    told = [(fault.line, fault.column) for fault in faults(registry, content, JSON)]
    assert told == [(3, "phases"), (4, ""), (5, "name"), (5, "id"), (5, "id")]


@pytest.mark.parametrize(
    ("table", "line", "column"),
    [
        pytest.param("", 1, "id", id="nothing at all"),
        pytest.param("id,vendor\n", 1, "", id="a header alone"),
        pytest.param("id,colour\nA,red\n", 1, "colour", id="a strange column"),
        pytest.param("id,vendor,id\nA,B,C\n", 1, "id", id="a column twice"),
        pytest.param("vendor\nA\n", 1, "id", id="no column of names"),
        pytest.param('id\n"A', 2, "", id="quotes left open"),
        pytest.param(b"id\nA\n\xff\n", 3, "", id="not UTF-8"),
        pytest.param("id\n,\n  \nA,\n", 4, "", id="more cells than columns"),
    ],
)
def test_a_table_that_is_none(
    registry: Registry, table: str | bytes, line: int, column: str
) -> None:
    (fault,) = faults(registry, table)
    assert (fault.line, fault.column) == (line, column)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('[{"id": "A"},\n{"id" "B"}]', 2),
        ('{"id": "A"}', 1),
        ("[]", 1),
        ("", 1),
        ("[" * 100_000, 1),
        ("[1" + "0" * 5000, 1),
    ],
)
def test_a_list_that_is_none(registry: Registry, content: str, line: int) -> None:
    (fault,) = faults(registry, content, JSON)
    assert fault.line == line


@given(st.text() | st.text(alphabet='id,;"\n A1[]{}:'), st.sampled_from([CSV, JSON]))
def test_any_text_is_imported_or_told(text: str, media_type: str) -> None:
    registry = Registry()
    registry.seed()
    faults, names = list[Fault](), list[str]()
    try:
        names = import_chargers(registry, text.encode("utf-8", "surrogatepass"), media_type)
    except Faulty as faulty:
        faults = faulty.faults
    assert bool(faults) != bool(names)
    assert names == list(registry.chargers)
