"""The bench of handshakes runs, with a few chargers: none is lost, and bad handshakes end as they
must."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.integration.knocking import requests
from tests.tools.benchmarks import handshakes
from tests.tools.benchmarks.returning import leave, returning, told

KNOCKS, CHARGERS = len(requests(9000, "CP-1")), 4


def test_all_come_back_and_bad_handshakes_are_refused() -> None:
    figures = handshakes.measure(
        argparse.Namespace(chargers=CHARGERS, handshakes=CHARGERS * KNOCKS, rounds=1, settle=0.3)
    )
    assert [(one.served, one.problems) for one in figures.returns] == [(CHARGERS, {})] * 2
    for flood in figures.floods:
        expected = {"400": 1, "401": 1, "426": 1, "431": 1, "101": 1, "none": 3}
        assert flood.statuses == {word: count * CHARGERS for word, count in expected.items()}
    assert figures.one_address.waits > 0
    assert figures.ratios


def test_others_are_measured_while_they_come(tmp_path: Path) -> None:
    scene = handshakes.prepare(tmp_path, 2)
    with scene.serving("serve", 2) as server, handshakes.others_of(server, 2) as others:
        process = returning(server.port, "charger", 2, scene.authority.path, handshakes.PASSWORD)
        assert handshakes.waits_ms(others, process.stdout)
        assert told(process).served == 2
        leave(process)
