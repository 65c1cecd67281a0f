"""The sheet for the commissioning of a charger."""

from __future__ import annotations

from levity_trio.store.writes.load import load as writes
from levity_trio.told import Told, stored_in
from levity_trio.web.api.load.load import read_commissioning
from tests.store.books import Station
from tests.store.reading import reading

SITE = """
[[circuit]]
name = "Feeder"
amperes = 63
[[charger]]
id = "CP-1"
rotation = "STR"
most = 16
safe = 6
"""
STEPS = stored_in([{"step": "limit", "is_passed": True, "words": Told("after {1} s", 4)}])


def test_it_has_what_an_electrician_signs(station: Station) -> None:
    books = station.books
    books.run(writes.set_site, SITE, books.at, "anna")
    books.run(writes.manage, ["CP-1"], books.at, "anna")
    books.run(writes.note_prepared, "CP-1", books.at, (None, "1"), (1, None))
    number = books.run(writes.begin_trial, "CP-1", 1, books.at, "anna")
    books.run(writes.end_trial, number, STEPS, "passed", books.at, {})
    station.start(meter=12_345)
    with reading(books) as db:
        sheet = read_commissioning(db, "CP-1", "The yard")
        assert sheet is not None
        assert read_commissioning(db, "CP-9", "The yard") is None
    words = " ".join(sheet.texts())
    for one in ("The yard", "Feeder, 63 A", "3 × 16 A, STR", "6 A", "12345 Wh", "after 4 s"):
        assert one in words, one
    assert (sheet.figure, sheet.remark) == ("passed", books.at[:10])
    for one in ("Breaker", "Residual current device", "Cross-section", "Signature", "IEC 60364-6"):
        assert one in words
