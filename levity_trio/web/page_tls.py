"""The certificates of the pages: those of the API's port and of the drivers' port, and the renewal
of our own one."""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path
from typing import Final

import trio

from levity_trio.authority import AuthorityProblem
from levity_trio.authority.apart import renew_pages
from levity_trio.authority.folder import PAGES
from levity_trio.config import EnvironmentProblem, ServerConfig, pages_folder
from levity_trio.listening.tls_files import Pair, stamps, use, watch_files
from levity_trio.log.output import get_logger
from levity_trio.web.api.engine.endpoints import ApiParts

RENEWAL_SECONDS: Final = 24 * 3600.0
"""How often our own certificate is looked at."""

log = get_logger("system")


class PageTls:
    """How pages are served by TLS. `context` is for the next connection."""

    def __init__(self, whose: str, pair: Pair) -> None:
        """Read the files. Raises EnvironmentProblem."""
        self._whose = whose
        self.pair = pair
        self.context = _load(pair)

    async def watch(self) -> None:
        """Use renewed files for later connections."""
        await watch_files(self._whose, lambda: stamps(self.pair), self._renew)

    def _renew(self) -> None:
        self.context = _load(self.pair)


def _load(pair: Pair) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    use(context, pair)
    return context


def open_page_tls(config: ServerConfig) -> tuple[PageTls | None, PageTls | None]:
    """Return how the API's port and the drivers' port are served by TLS. Raises
    EnvironmentProblem."""
    of_api = _pair("--api-tls", config.api_tls_cert, config.api_tls_key)
    of_drivers = _pair("--drivers-tls", config.drivers_tls_cert, config.drivers_tls_key) or of_api
    api = None if of_api is None else PageTls("pages", of_api)
    if of_drivers is None or of_drivers == of_api:
        return api, api
    return api, PageTls("drivers", of_drivers)


def _pair(flag: str, chain: Path | None, key: Path | None) -> Pair | None:
    if chain is None and key is not None:
        raise EnvironmentProblem(f"{flag}-key needs {flag}-cert, the certificate of that key")
    return None if chain is None else Pair(chain, key or chain)


async def keep_own(api: ApiParts, tls: PageTls) -> None:
    """Renew the certificate of the pages in time, if it is one of our own (`certificate pages`)."""
    folder = pages_folder(api.config.beside)
    if tls.pair.chain.resolve() != folder / PAGES:
        return
    while True:
        if api.is_clock_trusted():
            await _renew_own(folder, api.clock())
        await trio.sleep(RENEWAL_SECONDS)


async def _renew_own(folder: Path, now: datetime) -> None:
    try:
        await renew_pages(folder, now)
    except AuthorityProblem as problem:
        log.error(
            "the certificate of the pages cannot be renewed; it holds until its end",
            problem=str(problem),
        )
