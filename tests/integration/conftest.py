"""What several modules of these tests look at, made once."""

from collections.abc import Callable, Iterator

import pytest

from levity_trio.cli import main
from levity_trio.config.settings import PostgresqlAddress
from tests.postgresql import Server, running
from tests.store.postgresql.stored import new_database

from .browsing import Browser
from .serving import Serving, serving
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


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """The server of a module that makes none itself, with the module's FLAGS."""
    with serving(
        tmp_path_factory.mktemp("site") / "site.db", *getattr(request.module, "FLAGS", ())
    ) as running:
        yield running


@pytest.fixture
def browser(server: Serving) -> Browser:
    """A browser at the module's server, whose user is the local admin."""
    return Browser(server)


@pytest.fixture
def shell(server: Serving, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line, as a client of the module's server."""
    monkeypatch.setenv("LEVITY_API", f"unix:{server.database}.sock")

    def run(*arguments: object) -> int:
        return main([*map(str, arguments)])

    return run
