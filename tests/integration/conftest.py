"""What several modules of these tests look at, made once."""

from collections.abc import Callable, Iterator

import pytest

from levity_trio.cli import main
from levity_trio.config.settings import PostgresqlAddress
from tests.postgresql import Server, running
from tests.store.postgresql.stored import new_database

from .serving import Serving
from .story import Story, tell


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """What a real server told of itself while things happened to it; this takes half a minute."""
    return tell(tmp_path_factory.mktemp("story"))


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    """A server of PostgreSQL for the tests of one module, which may stop or kill it."""
    with running() as server:
        yield server


@pytest.fixture
def address(postgresql: Server) -> PostgresqlAddress:
    """A new database on it."""
    return new_database(postgresql)


@pytest.fixture
def shell(server: Serving, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line, as a client of the module's server."""
    monkeypatch.setenv("LEVITY_API", f"unix:{server.database}.sock")

    def run(*arguments: object) -> int:
        return main([*map(str, arguments)])

    return run
