"""TLS of the chargers' ports (whitepaper, profiles 2 and 3): TLS 1.2 and up, without renegotiation,
compression or resumption.

Python cannot switch off the session cache of OpenSSL, which belongs to a context and serves TLS
1.2. So a connection of TLS 1.2 begins with an empty context of its own, and gets the certificates
from the common one, which costs a tenth of a millisecond; one of TLS 1.3 uses the common one.

Handshakes do not take turns: a thousand at once hold up the messages of all others for a quarter of
a second, but one in each turn of the event loop costs half as much again, because each finds the
processor's caches cold.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import trio

from levity_trio.charger.transport import receive_from, send_at_once
from levity_trio.config import EnvironmentProblem, ServerConfig, certificates_folder
from levity_trio.listening.tls_files import LOOK_SECONDS, Pair, stamps, use, watch_files
from levity_trio.wire.client_hello import offers_tls_1_3

OWN_SERVER: Final = ("server-rsa.pem", "server-ecdsa.pem")
OWN_ROOT: Final = "root.pem"


def files_of(config: ServerConfig) -> Files:
    """Return the files that are configured, and those of our own certificate authority beside the
    database.

    Raises EnvironmentProblem.
    """
    # One file may hold both.
    keys = config.tls_keys or config.tls_certs
    pairs = tuple(Pair(*pair) for pair in zip(config.tls_certs, keys, strict=True))
    folder = certificates_folder(config.beside)
    authorities: tuple[Path, ...] = () if config.tls_client_ca is None else (config.tls_client_ca,)
    try:
        if not pairs and config.tls_port is not None:
            own_files = [folder / name for name in OWN_SERVER]
            pairs = tuple([Pair(path, path) for path in own_files if path.is_file()])
        root = folder / OWN_ROOT
        if pairs and root.is_file():
            authorities += (root,)
    except PermissionError as problem:
        text = (
            f"cannot look at {problem.filename}: give it to the user of the server (chown), who "
            "alone may read it"
        )
        raise EnvironmentProblem(text) from problem
    return Files(pairs, authorities)


def open_tls(config: ServerConfig) -> Tls | None:
    """Return how chargers are served by TLS, None if nothing is configured. Raises
    EnvironmentProblem."""
    if config.tls_port is None and not config.tls_certs:
        return None
    return Tls(_load(config))


def _load(config: ServerConfig) -> ssl.SSLContext:
    if config.tls_keys and len(config.tls_keys) != len(config.tls_certs):
        raise EnvironmentProblem("give --tls-key once for each --tls-cert, in the same order")
    files = files_of(config)
    if not files.pairs:
        text = (
            "TLS needs a certificate: give --tls-cert and --tls-key, or run `levity-trio "
            "certificate init`"
        )
        raise EnvironmentProblem(text)
    return load(files, rsa_suites=config.tls_rsa_suites)


async def watch_tls(config: ServerConfig, tls: Tls, seconds: float = LOOK_SECONDS) -> None:
    """Use renewed files, looking every so many seconds."""
    await watch_files(
        "chargers", partial(_look, config), lambda: tls.replace(_load(config)), seconds
    )


def _look(config: ServerConfig) -> object:
    try:
        files = files_of(config)
    except EnvironmentProblem as problem:
        # A change like others: loading the files says what to do.
        return str(problem)
    paths = [path for pair in files.pairs for path in pair]
    return files, stamps((*paths, *files.authorities))


RECORD_BYTES: Final = 4 * 1024
"""Read at once from the network; a handshake message of a charger is smaller."""
ALERT_SECONDS: Final = 0.5
HANDSHAKE_BYTE: Final = b"\x16"
"""The first byte of a TLS ClientHello (RFC 8446 §5.1); no request begins with it."""
SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
"""The suites of TLS 1.2: the whitepaper's with forward secrecy, and their siblings for RSA
certificates."""
RSA_SUITES: Final = ("AES128-GCM-SHA256", "AES256-GCM-SHA384")
"""TLS_RSA_WITH_AES_*_GCM_*, which the whitepaper also asks for: without forward secrecy, and off in
Python."""


class Files(NamedTuple):
    """The files of TLS: pairs of the server, and the authorities of client certificates."""

    pairs: tuple[Pair, ...]
    authorities: tuple[Path, ...]


class TlsFailed(Exception):
    """A TLS handshake failed; the peer got an alert if it could read one."""


class Tls:
    """How chargers are served by TLS. `replace` changes the certificates of later handshakes."""

    def __init__(self, common: ssl.SSLContext) -> None:
        self._common = common

    def replace(self, common: ssl.SSLContext) -> None:
        """Use this context from now on."""
        self._common = common

    @property
    def asks_for_certificates(self) -> bool:
        """Whether chargers may prove themselves by a certificate."""
        return self._common.verify_mode is not ssl.CERT_NONE

    async def secure(self, transport: trio.abc.Stream, ahead: bytes) -> trio.SSLStream[_Beginning]:
        """Perform the handshake; `ahead` was received already.

        Raises:
            TlsFailed: the peer offered no common version or suite, a certificate that is not valid,
            or no TLS.
        """
        context = _ContextByVersion(self._common, has_tls_1_3=offers_tls_1_3(ahead))
        stream = trio.SSLStream(
            _Beginning(transport, ahead),
            context,  # type: ignore[arg-type]  # what it uses of a context
            server_side=True,
            https_compatible=True,
        )
        failed: trio.BrokenResourceError | None = None
        try:
            await stream.do_handshake()
        except trio.BrokenResourceError as error:
            failed = error
        if failed is None:
            return stream

        # OpenSSL has written an alert that tells the peer why; trio's stream does not send it.
        if context.outgoing is not None and (alert := context.outgoing.read()):
            with (
                trio.move_on_after(ALERT_SECONDS),
                suppress(trio.BrokenResourceError, trio.ClosedResourceError),
            ):
                await transport.send_all(alert)
        cause = failed.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = f"the client certificate is not valid: {cause.verify_message}"
        elif isinstance(cause, ssl.SSLEOFError) or not isinstance(cause, ssl.SSLError):
            reason = "the peer left during the TLS handshake"
        else:
            reason = str(cause.reason or cause).lower().replace("_", " ")
        raise TlsFailed(reason) from failed


def fingerprint_of(stream: trio.SSLStream[Any]) -> str | None:
    """Return the SHA-256 of the peer's certificate, None if it presented none."""
    certificate: bytes | None = stream.getpeercert(binary_form=True)
    return None if certificate is None else sha256(certificate).hexdigest()


def load(files: Files, *, rsa_suites: bool) -> ssl.SSLContext:
    """Read the certificates, and the authorities of client certificates. Call it in a thread.

    Raises EnvironmentProblem.
    """
    # Connections of TLS 1.2 begin in another context, and take certificates and suites from this.
    context = _context(ssl.TLSVersion.TLSv1_3, verifies=bool(files.authorities))
    context.set_ciphers(":".join([*SUITES, *RSA_SUITES] if rsa_suites else SUITES))
    for pair in files.pairs:
        use(context, pair)
    for authority in files.authorities:
        try:
            context.load_verify_locations(authority)
        except (OSError, ValueError) as problem:
            text = (
                f"cannot use the authority {authority} of client certificates: {problem}; give a "
                "PEM file"
            )
            raise EnvironmentProblem(text) from problem
    return context


def _context(minimum: ssl.TLSVersion, *, verifies: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_OPTIONAL if verifies else ssl.CERT_NONE
    return context


class _ContextByVersion:
    """What SSLStream uses of a context. A connection of TLS 1.3 uses the common context. One of TLS
    1.2 begins with a fresh context, and then takes the certificates of the common one."""

    def __init__(self, common: ssl.SSLContext, *, has_tls_1_3: bool) -> None:
        self._common = common
        self._has_tls_1_3 = has_tls_1_3
        self.outgoing: ssl.MemoryBIO | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        *,
        server_side: bool,
        server_hostname: str | None,
    ) -> ssl.SSLObject:
        """Begin a connection."""
        # A server has none.
        del server_hostname
        self.outgoing = outgoing
        common = self._common
        if self._has_tls_1_3:
            return common.wrap_bio(incoming, outgoing, server_side=server_side)
        # Its session cache is empty, so nothing can be resumed; the certificates come afterwards.
        fresh = _context(ssl.TLSVersion.TLSv1_2, verifies=common.verify_mode is not ssl.CERT_NONE)
        begun = fresh.wrap_bio(incoming, outgoing, server_side=server_side)
        begun.context = common
        return begun


class _Beginning(trio.abc.Stream):
    """The transport beneath TLS: what was received already comes first."""

    def __init__(self, transport: trio.abc.Stream, ahead: bytes) -> None:
        self._transport = transport
        self._ahead = ahead

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            await trio.lowlevel.checkpoint()
            return ahead
        return await receive_from(self._transport, max_bytes or RECORD_BYTES)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        sent = send_at_once(self._transport, data)
        if sent < len(data):
            await self._transport.send_all(memoryview(data)[sent:])

    async def wait_send_all_might_not_block(self) -> None:
        await self._transport.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._transport.aclose()
