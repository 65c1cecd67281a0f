"""What the API shows of the store's dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import msgspec

import levity_trio
from levity_trio.store.reads.chargers.chargers import Charger
from levity_trio.store.reads.transactions.explain import ExplainedTransaction
from levity_trio.store.reads.transactions.transactions import Reading, Transaction
from levity_trio.web.api.engine.kilowatt_hours import answer, show


@dataclass(frozen=True)
class Part:
    """A part."""

    wh: int | None
    power_w: float


@dataclass(frozen=True)
class Whole:
    """A whole."""

    energy_wh: int
    parts: tuple[Part, ...]
    part: Part | None
    payload: Any


def test_each_mark_is_found() -> None:
    """A mark is a word of an annotation, which only a module of this kind keeps as it was
    written."""
    marked = [
        path
        for path in Path(levity_trio.__file__).parent.rglob("*.py")
        if ": ForOperators[" in path.read_text()
    ]
    assert len(marked) > 5
    assert [
        path.name for path in marked if "from __future__ import annotations" not in path.read_text()
    ] == []


def test_each_wh_has_its_kwh_beside_it() -> None:
    whole = Whole(1234, (Part(None, 1.5), Part(1, 2.0)), None, {"meterStart": 1})
    assert show(whole) == {
        "energy_wh": 1234,
        "energy_kwh": 1.234,
        "parts": [
            {"wh": None, "kwh": None, "power_w": 1.5},
            {"wh": 1, "kwh": 0.001, "power_w": 2.0},
        ],
        "part": None,
        "payload": {"meterStart": 1},
    }
    assert show([whole, whole]) == [show(whole)] * 2


def test_the_type_is_that_of_what_is_shown() -> None:
    shown = msgspec.json.encode(show(Whole(1, (Part(2, 3.0),), Part(4, 5.0), None)))
    read = msgspec.json.decode(shown, type=answer(Whole))
    assert msgspec.json.encode(read) == shown
    assert answer(Whole).__doc__ == "A whole."


def test_a_schema_can_be_made_of_each() -> None:
    for kind in (Transaction, Reading, Charger, ExplainedTransaction):
        names = {field.encode_name for field in msgspec.structs.fields(answer(kind))}
        assert names >= {field.name for field in fields(kind)}
        assert msgspec.json.schema(answer(kind))["$ref"]
    assert {"meter_start_kwh", "meter_stop_kwh", "energy_kwh"} <= {
        field.encode_name for field in msgspec.structs.fields(answer(Transaction))
    }
