"""Over-long texts are cut with their digest, so that they remain distinct."""

import json

import pytest

from levity_trio.wire.texts import (
    CUT,
    LONGEST_OF,
    LONGEST_PAYLOAD,
    LONGEST_TEXT,
    cut,
    cut_payload,
    cut_texts,
    may_be_long,
)

LONG = "x" * 10_000


def test_a_text_that_fits_stays() -> None:
    assert cut("ü" * LONGEST_TEXT) == "ü" * LONGEST_TEXT


def test_two_are_equal_only_where_the_whole_ones_are() -> None:
    assert cut(LONG + "a") == cut(LONG + "a")
    assert cut(LONG + "a") != cut(LONG + "b")


def test_a_cut_text_says_so_fits_and_is_not_cut_again() -> None:
    once = cut(LONG)
    assert CUT in once
    assert len(once) == LONGEST_TEXT
    assert cut(once) == once


def test_each_text_of_a_payload_is_cut_by_its_property() -> None:
    kept = cut_texts(
        {"idTag": LONG, "value": LONG, "list": [LONG, 5, None], "data": {"inner": LONG}}
    )
    assert kept["idTag"] == kept["list"][0] == kept["data"]["inner"] == cut(LONG)
    assert kept["list"][1:] == [5, None]
    assert len(kept["value"]) == LONGEST_OF["value"]


@pytest.mark.parametrize("sent", ["a" * 600, 'a"' * 600, "ä" * 600])
def test_a_payload_stays_json_where_a_text_is_cut(sent: str) -> None:
    kept = json.loads(cut_payload(json.dumps({"idTag": sent, "meterStart": 5})))
    assert kept == {"idTag": cut(sent), "meterStart": 5}


@pytest.mark.parametrize("before", range(0, 2 * LONGEST_TEXT, 7))
def test_an_over_long_text_is_found_wherever_it_stands(before: int) -> None:
    frame = json.dumps(
        ["-" * min(before, 400), "-" * max(0, before - 400), "x" * (LONGEST_TEXT + 1), "end"]
    )
    assert may_be_long(frame)
    assert (
        not may_be_long(frame.replace("x" * (LONGEST_TEXT + 1), "short"))
        or before - 400 > LONGEST_TEXT
    )


def test_a_payload_of_many_short_texts_is_cut_as_a_whole() -> None:
    payload = json.dumps({"list": ["short"] * 10_000})
    assert len(cut_payload(payload)) == LONGEST_PAYLOAD


def test_what_is_no_json_is_cut_all_the_same() -> None:
    assert cut_payload('["' + "x" * 50_000).startswith('["xx')
    assert len(cut_payload('["' + "x" * 50_000)) == LONGEST_PAYLOAD
