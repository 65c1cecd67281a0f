"""The pages about makes of chargers: what they are made of, and which charger leads to which."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from levity_trio import manual
from levity_trio.config import SETTINGS
from levity_trio.manual.makes import entry, heading, makes
from levity_trio.simulator.quirks import QUIRKS
from levity_trio.wire.repair import Wrong
from tests.load.foreign.kinds import WHAT_WE_DO
from tests.tools.chargers import INDEX, NAMED, PARTS, SOURCES, contents, statements

MODELS = 40
SOURCE = re.compile(
    r"[\w.-]+/[\w.-]+(#\d+|:[\w./-]+\.\w+)|https://[\w.-]+\.\w+/\S+|a site with levity-trio .+"
)
"""A thread or a file of a repository, an address, or what `logs --share` says."""
DECLARED = {
    "quirk": {*QUIRKS},
    "repair": {one.value for one in Wrong},
    "kind": {*WHAT_WE_DO},
    "setting": {one.flag for one in SETTINGS},
}
KNOWN = [make for found in makes().values() for make in found]
MAKES = pytest.mark.parametrize("make", KNOWN, ids=lambda make: make["make"])


def test_many_models_are_known() -> None:
    entries = [one for make in KNOWN for one in make["entry"]]
    assert sum(len(one["models"]) for one in entries) >= MODELS


@MAKES
def test_each_sentence_and_each_model_has_a_source(make: dict[str, Any]) -> None:
    assert isinstance(make["looked_up"], date)
    for text, *sources in statements(make):
        assert sources, text
        assert not [one for one in sources if not SOURCE.fullmatch(one)], text


@MAKES
def test_what_is_named_of_the_program_exists(make: dict[str, Any]) -> None:
    assert make.keys() == {"make", "told", "looked_up", "entry"}
    for one in make["entry"]:
        assert one.keys() <= {"models", "told", *PARTS}
    for text, *_ in statements(make):
        for kind, name in NAMED.findall(text):
            assert name in DECLARED[kind], text


def test_the_contents_and_the_table_lead_to_each_make() -> None:
    assert manual.contents().text == contents(), "run `just manual`"
    listed = [one for one in manual.topics() if one.startswith("chargers/")]
    assert listed == [INDEX, *makes()]
    sections = [name for topic in makes() for name in manual.find(topic).sections]
    assert [one for one in sections if one != SOURCES] == [one["make"] for one in KNOWN]


def test_a_make_is_found_by_its_name() -> None:
    with pytest.raises(manual.UnknownTopic) as unknown:
        manual.find("grizzl-e")
    assert "chargers/g-h" in unknown.value.nearest
    assert "chargers/g-h" in [page.topic for page, _line in manual.search("Grizzl-E")]


@MAKES
def test_each_name_leads_to_its_own_make(make: dict[str, Any]) -> None:
    """No other make has it, too, and an anchor of the page is there."""
    for told in make["told"]:
        assert leads(told) == manual.anchor(make["make"]), told
    for one in make["entry"]:
        for told in one.get("told", ()):
            assert leads(told) == manual.anchor(heading(make, one)), told


def leads(told: str) -> str:
    """Return the anchor to which a name leads."""
    vendor, _, model = told.partition("/")
    found = entry(vendor, model)
    assert found is not None, told
    topic, _, place = found.partition("#")
    assert place in manual.find(topic).anchors, told
    return place


SMART = "chargers/g-h#grizzl-e-smart-smart-v2"


@pytest.mark.parametrize(
    ("vendor", "model", "found"),
    [
        ("United Chargers Inc.", "Grizzl-E Smart", SMART),
        ("united chargers", "GRIZZL-E SMART 40A", SMART),
        ("Grizzl-E", "Smart", SMART),
        ("", "Grizzl-E Smart", SMART),
        ("GRIZZL_E", "Avalanche", "chargers/g-h#grizzl-e"),
        ("Alfen BV", "NG910-60023", "chargers/a-c#alfen"),
        ("Wall Box Chargers", None, "chargers/v-z#wallbox"),
        ("WallBox", "Something new", "chargers/v-z#wallbox"),
        ("", "ACChargePoint", "chargers/g-h#huawei"),
        ("Huawei", None, "chargers/g-h#huawei"),
        ("EV-BOX", "Livo", "chargers/d-f#evbox"),
    ],
)
def test_a_charger_leads_to_its_make(vendor: str, model: str | None, found: str) -> None:
    assert entry(vendor, model) == found


@pytest.mark.parametrize(
    ("vendor", "model"),
    [
        (None, None),
        ("", ""),
        ("???", "???"),
        ("Abbott", "One"),
        ("The Wallbox Shop", "One"),
        ("Charger", "Wallbox"),
        ("Other", "ACChargePoint"),
        ("Go Electric", "Charger"),
        ("go", "e"),
        ("Alf", "en"),
        ("Acme", "ABB Terra AC"),
    ],
)
def test_what_only_looks_alike_leads_nowhere(vendor: str | None, model: str | None) -> None:
    assert entry(vendor, model) is None
