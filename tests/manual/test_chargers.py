"""The pages about makes of chargers: what they are made of, and which charger leads to which."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from levity_trio import manual
from levity_trio.config import SETTINGS
from levity_trio.manual.makes import entry, makes
from levity_trio.simulator.quirks import QUIRKS
from levity_trio.wire.repair import Wrong
from tests.load.foreign.kinds import WHAT_WE_DO
from tests.tools.chargers import INDEX, NAMED, PARTS, contents, statements

MODELS = 40
SOURCE = re.compile(r"[\w.-]+/[\w.-]+(#\d+|:[\w./-]+\.\w+)|https://[\w.-]+\.\w+/\S+")
"""A thread or a file of a repository, or an address."""
DECLARED = {
    "quirk": {*QUIRKS},
    "repair": {one.value for one in Wrong},
    "kind": {*WHAT_WE_DO},
    "setting": {one.flag for one in SETTINGS},
}
MAKES = pytest.mark.parametrize("make", makes().values(), ids=lambda make: make["make"])


def test_many_models_are_known() -> None:
    entries = [one for make in makes().values() for one in make["entry"]]
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


def test_a_make_is_found_by_its_name_alone() -> None:
    assert manual.find("grizzl-e").topic == "chargers/grizzl-e"


@MAKES
def test_each_name_leads_to_its_own_page(make: dict[str, Any]) -> None:
    """No other make has it, too, and an anchor of the page is there."""
    (topic,) = [one for one, known in makes().items() if known is make]
    names = [*make["told"], *(told for one in make["entry"] for told in one.get("told", ()))]
    for told in names:
        vendor, _, model = told.partition("/")
        found = entry(vendor, model)
        assert found is not None, told
        page, _, anchor = found.partition("#")
        assert page == topic, told
        assert not anchor or anchor in manual.find(topic).anchors, told


SMART = "chargers/grizzl-e#smart-smart-v2"


@pytest.mark.parametrize(
    ("vendor", "model", "found"),
    [
        ("United Chargers Inc.", "Grizzl-E Smart", SMART),
        ("united chargers", "GRIZZL-E SMART 40A", SMART),
        ("Grizzl-E", "Smart", SMART),
        ("", "Grizzl-E Smart", SMART),
        ("GRIZZL_E", "Avalanche", "chargers/grizzl-e"),
        ("Alfen BV", "NG910-60023", "chargers/alfen#eve-single-s-line-eve-single-pro-line"),
        ("Wall Box Chargers", None, "chargers/wallbox"),
        ("WallBox", "Something new", "chargers/wallbox"),
        ("", "ACChargePoint", "chargers/huawei"),
        ("Huawei", None, "chargers/huawei"),
        ("EV-BOX", "Livo", "chargers/evbox"),
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
