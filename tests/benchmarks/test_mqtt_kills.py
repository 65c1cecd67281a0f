"""No fact is lost while the broker and the server are killed; a short run of the benchmark."""

from pathlib import Path

from tests.tools.benchmarks.mqtt_kills import BROKER, SERVER, Size, Trial


def test_every_fact_is_acknowledged_and_a_replay_brings_what_a_broker_forgot(
    tmp_path: Path,
) -> None:
    size = Size(seconds=4.0, broker_kills=1, server_kills=1, chargers=5, speed=3600)
    figures = Trial(size, tmp_path, lambda _: None).run()
    assert figures.kills == {BROKER: 1, SERVER: 1}
    assert figures.newest > figures.first
    assert figures.unacknowledged == 0
    assert figures.missing == []
