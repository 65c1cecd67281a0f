"""Certificates in files: reading a pair, and the watch over files while the server runs.

A pair that was renewed is used for later handshakes; connections stay. A certificate and its key
are replaced one after the other, so files are read only when they have not changed since the last
look. If they cannot be used, that is an ERROR, and the ones before stay in use.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import trio

from levity_trio.config import EnvironmentProblem
from levity_trio.log.output import get_logger

LOOK_SECONDS: Final = 2.0

log = get_logger("system")


class Pair(NamedTuple):
    """A certificate chain and its key, PEM; one file may hold both."""

    chain: Path
    key: Path


def use(context: ssl.SSLContext, pair: Pair) -> None:
    """Read a pair into a context that nobody uses yet. Raises EnvironmentProblem."""
    try:
        context.load_cert_chain(pair.chain, pair.key, password=_no_password)
    # An SSLError is an OSError; a ValueError is that of `_no_password`.
    except (OSError, ValueError) as problem:
        text = f"cannot use the certificate {pair.chain} with the key {pair.key}: {problem}"
        advice = "give a chain and its key, PEM, that the server may read"
        raise EnvironmentProblem(f"{text}; {advice}") from problem


def _no_password() -> str:
    """Answer the question for a password, which OpenSSL would ask on the terminal."""
    raise ValueError("the key is encrypted; give one without a passphrase")


def stamps(paths: Iterable[Path]) -> Sequence[tuple[int, int, int] | None]:
    """Return what changes with the content of the files, None for one that is missing."""
    stamped: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            stamped.append(None)
        else:
            stamped.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return stamped


async def watch_files(
    whose: str, look: Callable[[], object], renew: Callable[[], None], seconds: float = LOOK_SECONDS
) -> None:
    """Call `renew` when what `look` returns has changed, looking every so many seconds. Both run in
    threads.

    `whose` they are is for the log.
    """
    used = before = await trio.to_thread.run_sync(look)
    while True:
        await trio.sleep(seconds)
        now = await trio.to_thread.run_sync(look)
        # Certificate and key are replaced one after the other: wait until both have been.
        if now != used and now == before:
            used = now
            try:
                await trio.to_thread.run_sync(renew)
            except EnvironmentProblem as problem:
                log.error(
                    "the changed TLS files cannot be used; the ones before stay in use",
                    of=whose,
                    problem=str(problem),
                )
            else:
                log.info("the TLS files have changed; later handshakes use them", of=whose)
        before = now
