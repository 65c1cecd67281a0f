from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.mqtt.mosquitto import Mosquitto, running


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker at which everybody may do everything."""
    with running(Mosquitto(tmp_path / "mosquitto")) as broker:
        yield broker
