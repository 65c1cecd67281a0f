"""Copies over real sockets, with a reader that has threads, on both stores."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from levity_trio.backends.link import try_connection
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.site.receivers import CopiedCharger, in_use
from tests.backends.site import FIRST_NUMBER, KEY, Backend, Site
from tests.store.books import Books
from tests.store.reading import view
from tests.web.stores import STORES

SECONDS: Final = 30
"""More than anything here takes."""


class Listening(Backend):
    """A backend on a port of this machine."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._context = context
        self.port = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            if self._context is None:
                serve = partial(trio.serve_tcp, self._handle, 0, host="127.0.0.1")
                (listener,) = await nursery.start(serve)
            else:
                there: Any = (self._handle, 0, self._context)
                options: Any = {"host": "127.0.0.1", "https_compatible": True}
                secured = partial(trio.serve_ssl_over_tcp, *there, **options)
                (listener,) = await nursery.start(secured)
            transport = getattr(listener, "transport_listener", listener)
            self.port = transport.socket.getsockname()[1]
            yield
            nursery.cancel_scope.cancel()

    async def _handle(self, stream: trio.abc.Stream) -> None:
        async with stream:
            try:
                if isinstance(stream, trio.SSLStream):
                    await stream.do_handshake()
                await self.serve(stream)
            except* (trio.BrokenResourceError, trio.ClosedResourceError):
                pass


def pem(name: str) -> tuple[str, str]:
    """Return a new private key and a certificate that proves itself, for a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1)
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return plain.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


def serving(folder: Path, server: tuple[str, str], client: str) -> ssl.SSLContext:
    """Return a context of a server that wants the certificate of a client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (file := folder / "server.pem").write_text("".join(server))
    context.load_cert_chain(file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=client)
    return context


@contextmanager
def site_on(store: str, folder: Path, backend: Listening) -> Iterator[Site]:
    """A site on a store, which readers find as those of a server do."""
    with STORES[store](folder) as stored:
        reader = Reader(stored.address, 2)
        try:
            yield Site(Books(stored.connection), backend, reader)
        finally:
            reader.close()


def copied(site: Site) -> CopiedCharger:
    """Return the copy of the site's charger."""
    (found,) = in_use(view(site.books.connection), KEY, site.number)
    return found


def play(site: Site) -> None:
    number = site.charger.start(1000)
    site.books.wait(1)
    site.charger.tell(site.charger.register(1100), transaction=number)
    site.books.wait(1)
    site.charger.stop(number, 2000)


@pytest.mark.parametrize("store", STORES)
def test_a_backend_on_a_socket(store: str, tmp_path: Path) -> None:
    backend = Listening()

    async def check(site: Site) -> None:
        with trio.fail_after(SECONDS):
            play(site)
            async with backend.open():
                site.set(url=f"ws://127.0.0.1:{backend.port}/ocpp")
                async with site.only_copying():
                    await backend.until("StopTransaction")
                    _, _, payload = await backend.ask("GetLocalListVersion", {})
                    assert payload == {"listVersion": -1}
                    site.books.wait(1)
                    play(site)
                    site.hooks.observe(site.books.facts[-1])
                    await backend.until("StopTransaction", 2)
                await backend.until_gone()
        one = ["StartTransaction", "MeterValues", "StopTransaction"]
        assert backend.actions == ["BootNotification", *one, *one]
        assert backend.ends == [(1000, None)]
        assert [number for (number,) in site.rows("their_id", "backend_tx ORDER BY tx_id")] == [
            *(FIRST_NUMBER, FIRST_NUMBER + 1)
        ]

    with site_on(store, tmp_path, backend) as site:
        trio.run(check, site)


def test_both_sides_prove_themselves(tmp_path: Path) -> None:
    server, client = pem("localhost"), pem("CP-1")
    backend = Listening(serving(tmp_path, server, client[1]))

    async def check(site: Site) -> None:
        with trio.fail_after(SECONDS):
            async with backend.open():
                site.set(
                    url=f"wss://localhost:{backend.port}/ocpp",
                    root=server[1],
                    certificate=KEY.sealed("".join(client)),
                )
                assert await try_connection(copied(site)) is None
                site.charger.start(1000)
                async with site.only_copying():
                    await backend.until("StartTransaction")

                # Not proved to it, and by nobody who is trusted here.
                site.set(certificate=None)
                assert await try_connection(copied(site))
                site.set(root=None, certificate=KEY.sealed("".join(client)))
                assert "certificate verify failed" in str(await try_connection(copied(site)))

    with site_on("sqlite", tmp_path, backend) as site:
        trio.run(check, site)


def test_a_try_says_what_is_wrong(tmp_path: Path) -> None:
    backend = Listening()

    async def check(site: Site) -> None:
        with trio.fail_after(SECONDS):
            async with backend.open():
                address = f"ws://127.0.0.1:{backend.port}/ocpp"
                site.set(url=address)
                assert await try_connection(copied(site)) is None
                assert backend.actions == []  # it only connects
                backend.refuses_with = 401
                assert str(await try_connection(copied(site))).startswith("refused: HTTP 401")
                site.set(url=address.replace("ws:", "wss:"))
                assert await try_connection(copied(site))
            site.set(url=address)
            assert "127.0.0.1" in str(await try_connection(copied(site)))

    with site_on("sqlite", tmp_path, backend) as site:
        trio.run(check, site)
