"""PDFs, and what a font lacks: made in a short-lived process of its own.

fpdf2 and what it needs take 49 MB, which a server that prints once in a month would keep for good.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import trio

from levity_trio.documents import DocumentProblem
from levity_trio.documents.sheet import Sheet

DEADLINE_SECONDS: Final = 60.0
SECONDS_A_SHEET: Final = 20.0
"""Ten times what a statement of 300 lines takes on a desktop computer."""
_ONE: Final = trio.CapacityLimiter(1)
"""One process at a time: a small machine has no memory for twenty."""


async def pdfs(sheets: Sequence[Sheet], font: Path | None = None) -> list[bytes]:
    """Return a PDF of each sheet; all are in memory at once, so give some dozens. Raises DocumentProblem."""
    made: list[bytes] = await _run("pdf", sheets, font)
    return made


async def missing_characters(sheets: Sequence[Sheet], font: Path | None = None) -> list[dict[str, str]]:
    """Return for each sheet the characters that the font lacks, each with the first text that has it.

    A PDF shows them by their code points ([U+1F600]); HTML shows all. Raises DocumentProblem.
    """
    missing: list[dict[str, str]] = await _run("missing", sheets, font)
    return missing


async def _run(task: str, sheets: Sequence[Sheet], font: Path | None) -> Any:
    """Return what the process answers, or raise the problem that it met."""
    command = [sys.executable, "-m", "levity_trio.documents"]
    seconds = DEADLINE_SECONDS + SECONDS_A_SHEET * len(sheets)
    try:
        async with _ONE:
            with trio.fail_after(seconds):
                done = await trio.run_process(
                    command,
                    stdin=pickle.dumps((task, tuple(sheets), font)),
                    capture_stdout=True,
                    capture_stderr=True,
                    start_new_session=True,  # a Ctrl-C is for the server alone
                )
        result, problem = pickle.loads(done.stdout)  # noqa: S301 - our own process wrote it
    except trio.TooSlowError:
        raise DocumentProblem(f"the PDF process was stopped: it took more than {seconds:g} s") from None
    except (OSError, subprocess.CalledProcessError) as failure:
        raise DocumentProblem(f"the PDF process failed: {_words(failure)}") from failure
    except (pickle.UnpicklingError, EOFError) as failure:
        raise DocumentProblem("the PDF process ended without an answer") from failure
    if problem is not None:
        raise problem
    return result


def _words(failure: Exception) -> str:
    if isinstance(failure, subprocess.CalledProcessError):
        return bytes(failure.stderr).decode(errors="replace").strip().rpartition("\n")[2] or str(failure)
    return str(failure)
