"""Documents, and what a font lacks: made in a short-lived process of its own.

fpdf2 and what it needs take 49 MB, which a server that prints once in a month would keep for good,
and a long statement would keep its chargers waiting.
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
from levity_trio.documents.paper import AnyPaper, DocumentForm, Paper
from levity_trio.told import Quantity, Told

DEADLINE_SECONDS: Final = 60.0
SECONDS_A_PAPER: Final = 20.0
"""A statement of 300 lines takes a tenth of this on a desktop computer."""
_ONE: Final = trio.CapacityLimiter(1)
"""One process at a time: a small machine has no memory for twenty."""


def waiting() -> int:
    """Return how many calls wait for the process of another one."""
    return _ONE.statistics().tasks_waiting


async def documents(
    papers: Sequence[AnyPaper],
    form: DocumentForm,
    font: Path | None = None,
) -> list[bytes]:
    """Return a file of each paper; all are in memory at once, so give some dozens. Raises
    DocumentProblem."""
    made: list[bytes] = await _run(form.value, papers, font)
    return made


async def missing_characters(
    paper: Paper, texts: Sequence[str] = (), font: Path | None = None
) -> dict[str, str]:
    """Return the characters that the font lacks, each with the first text that has it.

    All words of the paper's template are looked at, what stands on the paper, and further texts. A
    PDF shows such characters by their code points ([U+1F600]); HTML shows all. Raises
    DocumentProblem.
    """
    missing: dict[str, str] = {}
    for of_a_text in await _run("missing", [paper, *texts], font):
        missing = of_a_text | missing
    return missing


async def check_logo(logo: bytes) -> None:
    """Look at a logo as a PDF does. Raises DocumentProblem."""
    await _run("logo", [logo], None)


async def _run(
    task: str,
    papers: Sequence[AnyPaper | bytes | str],
    font: Path | None,
) -> Any:
    """Return what the process answers, or raise the problem that it met."""
    command = [sys.executable, "-m", "levity_trio.documents"]
    seconds = DEADLINE_SECONDS + SECONDS_A_PAPER * len(papers)
    try:
        async with _ONE:
            with trio.fail_after(seconds):
                # Not earlier: who waits keeps no copy of a large paper.
                work = pickle.dumps((task, tuple(papers), font))
                process = await trio.run_process(
                    command,
                    stdin=work,
                    capture_stdout=True,
                    capture_stderr=True,
                    start_new_session=True,  # a Ctrl-C is for the server alone
                )
        result, problem = pickle.loads(process.stdout)  # noqa: S301 - our own process wrote it
    except trio.TooSlowError:
        limit = Quantity(seconds, "s")
        why = Told("the process of documents was stopped: it took more than {1}", limit)
        raise DocumentProblem(why) from None
    except (OSError, subprocess.CalledProcessError) as failure:
        words = str(failure)
        if isinstance(failure, subprocess.CalledProcessError):
            # The last line of a traceback says what happened.
            output = bytes(failure.stderr).decode(errors="replace").strip()
            words = output.rpartition("\n")[2] or words
        raise DocumentProblem(Told("the process of documents failed: {1}", words)) from failure
    except (pickle.UnpicklingError, EOFError) as failure:
        why = Told("the process of documents ended without an answer")
        raise DocumentProblem(why) from failure
    if problem is not None:
        raise problem
    return result
