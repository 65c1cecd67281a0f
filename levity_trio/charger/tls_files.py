"""The files of TLS: which there are, and the watch over them while the server runs.

A pair of files that was renewed is used for later handshakes; connections stay. A certificate and its key are replaced
one after the other, so files are read only when they have not changed since the last look. If they cannot be used, that
is an ERROR, and the ones before stay in use.
"""

from __future__ import annotations

from typing import Final

import trio

from levity_trio.charger.tls import Certificates, Files, Pair, Tls, load, stamps
from levity_trio.config import EnvironmentProblem, ServerConfig, certificates_folder
from levity_trio.log_output import get_logger

LOOK_SECONDS: Final = 5.0
OWN_SERVER: Final = ("server-rsa.pem", "server-ecdsa.pem")
OWN_ROOT: Final = "root.pem"

log = get_logger("system")


def files_of(config: ServerConfig) -> Files:
    """Return the files that are configured, and those of our own certificate authority beside the database.

    Raises EnvironmentProblem.
    """
    try:
        return _files_of(config)
    except PermissionError as problem:
        text = f"cannot look at {problem.filename}: give it to the user of the server (chown), who alone may read it"
        raise EnvironmentProblem(text) from problem


def _files_of(config: ServerConfig) -> Files:
    keys = config.tls_keys or config.tls_certs  # one file may hold both
    pairs = tuple(Pair(*pair) for pair in zip(config.tls_certs, keys, strict=True))
    folder = certificates_folder(config.beside)
    if not pairs and config.tls_port is not None:
        pairs = tuple(Pair(path, path) for name in OWN_SERVER if (path := folder / name).is_file())
    authorities = () if config.tls_client_ca is None else (config.tls_client_ca,)
    own = folder / OWN_ROOT
    return Files(pairs, (*authorities, own) if pairs and own.is_file() else authorities)


def open_tls(config: ServerConfig) -> Tls | None:
    """Return how chargers are served by TLS, None if nothing is configured. Raises EnvironmentProblem."""
    if config.tls_port is None and not config.tls_certs:
        return None
    return Tls(_load(config))


def _load(config: ServerConfig) -> Certificates:
    if config.tls_keys and len(config.tls_keys) != len(config.tls_certs):
        raise EnvironmentProblem("give --tls-key once for each --tls-cert, in the same order")
    files = files_of(config)
    if not files.pairs:
        text = "TLS needs a certificate: give --tls-cert and --tls-key, or run `levity-trio certificate init`"
        raise EnvironmentProblem(text)
    return load(files, rsa_suites=config.tls_rsa_suites)


async def watch_files(config: ServerConfig, tls: Tls, seconds: float = LOOK_SECONDS) -> None:
    """Use renewed files, looking every so many seconds."""
    used = before = await _look(config)
    while True:
        await trio.sleep(seconds)
        now = await _look(config)
        if now != used and now == before:
            used = now
            await _replace(config, tls)
        before = now


async def _look(config: ServerConfig) -> object:
    def look() -> object:
        try:
            files = files_of(config)
        except EnvironmentProblem as problem:
            return str(problem)  # a change like others: loading the files says what to do
        return files, stamps(files)

    return await trio.to_thread.run_sync(look)


async def _replace(config: ServerConfig, tls: Tls) -> None:
    try:
        certificates = await trio.to_thread.run_sync(_load, config)
    except EnvironmentProblem as problem:
        log.error("the changed TLS files cannot be used; the ones before stay in use", problem=str(problem))
        return
    tls.replace(certificates)
    log.info("the TLS files have changed; later handshakes use them")
