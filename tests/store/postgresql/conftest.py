"""A server of PostgreSQL for the tests of one module, which may stop or kill it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgresql import Server, running


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server
