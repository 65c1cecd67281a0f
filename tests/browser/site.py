"""A site for the browser: a spawned server that can be stopped and started again, and simulated
chargers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from levity_trio.client import Api, Sought
from tests.integration.serving import Serving, serving
from tests.integration.simulating import controlled
from tests.ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

WAIT_SECONDS: Final = 60.0
FREQUENT: Final = {"MeterValueSampleInterval": "1"}


class Site:
    """One server and its chargers. Both ports stay the same when it is restarted, as those of a
    real one do."""

    def __init__(self, folder: Path, *flags: str, is_named: bool = False) -> None:
        self.folder = folder
        self.database = folder / "site.db"
        self._port, self._web_port = free_port(), free_port()
        self._flags = ("--port", str(self._port), "--api-port", str(self._web_port), *flags)
        self._flags += ("--drivers-url", self.url) if is_named else ()
        self._running = ExitStack()
        self._simulating = ExitStack()
        self._simulator: Api | None = None
        self.server: Serving
        self.shown: dict[str, object] = {}
        """What stands in the paths of pages that show one thing."""
        self.cookies: dict[str, list[Any]] = {}
        """Of those who have logged in, by their roles."""
        self.headers: dict[str, dict[str, str]] = {}
        """Of those who have a token, by their roles."""
        self.served: dict[str, str] = {}
        """The HTML of pages that were looked at, by their paths."""

    @property
    def url(self) -> str:
        """The dashboard's address, without a slash at its end."""
        return f"http://127.0.0.1:{self._web_port}"

    @property
    def port(self) -> int:
        """That of the chargers."""
        return self._port

    def lend(self, page: Page, role: str) -> None:
        """Let a page be looked at in a role."""
        page.context.add_cookies(self.cookies.get(role, []))
        page.context.set_extra_http_headers(self.headers.get(role, {}))

    def start(self) -> None:
        self.server = self._running.enter_context(serving(self.database, *self._flags))
        self.server.wait_line("serving the operator API")

    def stop(self) -> None:
        """Stop the server; its log must hold no error."""
        self._running.close()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let the site be without its server while the block runs."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def close(self) -> None:
        self._simulating.close()
        self.stop()

    def ask(self, method: str, *path: str, **given: object) -> Any:
        """Ask the API, as an admin at its local socket."""
        api = Api(f"unix:{self.database}.sock", Sought("server", "start it"))
        return api.ask(method, *path, given=None if method == "GET" else given, patience=60)

    def charger(self, identity: str, **plate: object) -> None:
        """Connect a simulated charger that sends a reading each second, and wait until it has
        booted."""
        self._park("POST", "chargers", id=identity, auto_connect=True, **plate)
        self.server.wait_line("ChargerBooted", charger=identity)
        for key, value in FREQUENT.items():
            self._park("PUT", "chargers", identity, "configuration", key, value=value)

    def vehicle(self, name: str, **given: object) -> None:
        """Add a car, by the fields of levity_trio/simulator/physics.py."""
        self._park("POST", "vehicles", name=name, **given)

    def act(self, identity: str, action: str, **given: object) -> Any:
        """Do what a person does at a charger, by the names of
        levity_trio/simulator/park/api.py."""
        return self._park("POST", "chargers", identity, action, **given)

    def _park(self, method: str, *path: str, **given: object) -> Any:
        if self._simulator is None:
            url = self._simulating.enter_context(controlled(self._port, self.folder))
            self._simulator = Api(url, Sought("simulator", "start it"))
        return self._simulator.ask(method, *path, given=given)


@contextmanager
def bare_site(folder: Path, *flags: str, is_named: bool = False) -> Iterator[Site]:
    """A new server on an empty database; its chargers are added by whoever needs them.

    `is_named`: a setting names its address as that of drivers, so that links to it are shown.
    """
    site = Site(folder, *flags, is_named=is_named)
    try:
        site.start()
        yield site
    finally:
        site.close()


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait for what happens in another process."""
    until = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
