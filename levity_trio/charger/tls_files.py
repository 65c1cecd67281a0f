"""The files of TLS of the chargers' ports: which there are, and the watch over them while the
server runs."""

from __future__ import annotations

import ssl
from functools import partial
from pathlib import Path
from typing import Final

from levity_trio.charger.tls import Files, Tls, load
from levity_trio.config import EnvironmentProblem, ServerConfig, certificates_folder
from levity_trio.listening.tls_files import LOOK_SECONDS, Pair, stamps, watch_files

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
