"""A site to verify."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator.site import Site
from tests.store.books import Books
from tests.store.template import new_database


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site whose earlier transactions are not compared."""
    path = tmp_path / "site.db"
    with new_database(path) as connection:
        site = Site(path, Books(connection))
        site.charge(wh=1, meter=999)
        site.start("CP-2", meter=77)
        site.station("CP-1").stop(5, 10)  # set aside
        site.ledger.entries.clear()
        site.books.wait(1)
        site.mark()
        yield site
