"""Content negotiation with the headers of real clients."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.web.http.negotiation import accepts_gzip, preferred, preferred_language

TEXT, OPEN_METRICS = (
    "text/plain; version=0.0.4; charset=utf-8",
    "application/openmetrics-text; version=1.0.0",
)
OFFERED = (TEXT, OPEN_METRICS)
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
TEXT_ONLY = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        (FIREFOX, TEXT),
        (TEXT_ONLY, TEXT),
        (PROMETHEUS_2, OPEN_METRICS),
        (PROMETHEUS_3, OPEN_METRICS),
        ("application/*", OPEN_METRICS),
        ("Application/OpenMetrics-Text", OPEN_METRICS),
        ("application/openmetrics-text; version=0.0.1", TEXT),
        ("*/*, text/plain;q=0", OPEN_METRICS),
        ("text/plain;q=nonsense, application/openmetrics-text;q=0.1", OPEN_METRICS),
        ("image/png", TEXT),
    ],
)
def test_the_format_that_is_liked_most(accept: str, expected: str) -> None:
    assert preferred(accept, OFFERED) == expected


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("*", True),
    ],
)
def test_compression_is_asked_for(accept_encoding: str, expected: bool) -> None:
    assert accepts_gzip(accept_encoding) is expected


@given(st.text())
def test_any_header_gets_an_answer(header: str) -> None:
    assert preferred(header, OFFERED) in OFFERED
    assert accepts_gzip(header) in (True, False)


@pytest.mark.parametrize(
    ("accept_language", "expected"),
    [
        ("", "en"),
        ("fr, it;q=0.5", "en"),
        ("de", "de"),
        ("de-AT, en;q=0.5", "de"),
        ("fr;q=0.9, en-GB;q=0.3, de;q=0.7", "de"),
        ("de;q=0, en;q=0.1", "en"),
        ("*", "en"),
        ("-, ;q=", "en"),
    ],
)
def test_a_reader_has_the_language_that_he_likes_best(accept_language: str, expected: str) -> None:
    assert preferred_language(accept_language, ("en", "de")) == expected
