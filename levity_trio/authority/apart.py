"""The authority as the server uses it: each function runs in a short-lived process of its own.

`cryptography` takes 17 MB, which a server that issues a certificate once in a year would keep for
good.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import trio

from levity_trio.access.certificates import Described, Requested
from levity_trio.authority import AuthorityProblem
from levity_trio.config import ServerConfig, certificates_folder

DEADLINE_SECONDS: Final = 60.0
_ONE: Final = trio.CapacityLimiter(1)
"""One process at a time: a small machine has no memory for twenty."""


class Own(NamedTuple):
    """The operator's name, which chargers know as CpoName, the root, and the server's
    certificates."""

    organization: str
    root: Described
    server: list[Described]


async def examine(config: ServerConfig, csr: str) -> tuple[str, Requested]:
    """Return the operator's name, and what stands in a request. Raises AuthorityProblem,
    NoRequest."""
    given = (certificates_folder(config.beside), csr, config.own_names, config.tls_certs)
    found: tuple[str, Requested] = await _run("reading.examine", *given)
    return found


async def issue_for_charger(folder: Path, csr: str, now: datetime) -> Described:
    """Return the certificate for a request. Raises AuthorityProblem, NoRequest."""
    issued: Described = await _run("issuing.issue_for_charger", folder, csr, now)
    return issued


async def read_own(folder: Path) -> Own:
    """Return the authority itself. Raises AuthorityProblem."""
    return Own(*await _run("reading.read_own", folder))


async def read_pages(folder: Path) -> tuple[Described, Described]:
    """Return the root for pages, and the certificate of the site. Raises AuthorityProblem."""
    found: tuple[Described, Described] = await _run("reading.read_pages", folder)
    return found


async def renew_pages(folder: Path, now: datetime) -> None:
    """Renew the certificate of the pages, if it is due. Raises AuthorityProblem."""
    await _run("issuing.renew_pages", folder, now)


async def read_certificate(pem: str) -> Described:
    """Return the first certificate of a text in PEM. Raises AuthorityProblem, ValueError."""
    described: Described = await _run("reading.read_certificate", pem)
    return described


async def read_pair(pem: str) -> Described:
    """Return the first certificate of a text in PEM that has its private key, too. Raises
    AuthorityProblem, ValueError."""
    described: Described = await _run("reading.read_pair", pem)
    return described


async def _run(function: str, *arguments: object) -> Any:
    """Return what a function of a module of this package returns, or raise what it raises."""
    command = [sys.executable, "-m", "levity_trio.authority"]
    try:
        async with _ONE:
            with trio.fail_after(DEADLINE_SECONDS):
                done = await trio.run_process(
                    command,
                    stdin=pickle.dumps((function, arguments)),
                    capture_stdout=True,
                    capture_stderr=True,
                    start_new_session=True,  # a Ctrl-C is for the server alone
                )
    except (OSError, trio.TooSlowError, subprocess.CalledProcessError) as problem:
        raise AuthorityProblem(
            f"the process of the certificate authority failed: {_words(problem)}"
        ) from problem
    result, error = pickle.loads(done.stdout)  # noqa: S301 - our own process wrote it
    if error is not None:
        raise error
    return result


def _words(problem: Exception) -> str:
    if isinstance(problem, subprocess.CalledProcessError):
        return bytes(problem.stderr).decode(errors="replace").strip().rpartition("\n")[2] or str(
            problem
        )
    return str(problem) or f"it took more than {DEADLINE_SECONDS:g} s"
