"""What the program does, written down at a fixed clock, to compare two trees that should do the
same: `python -m tests.tools.behaviour COMMIT` prints each difference between a commit and what lies
here. COMMIT must have this tool.

Written down are the OpenAPI document, the help of all commands, and for two houses what is read of
them: the one in which everything has happened (tests/web/both), with its pages as each role in both
languages and the answers of the API; and the demo's, with its papers. `just corpus check` compares
what is judged.
"""

from __future__ import annotations

import argparse
import difflib
import json
import lzma
import os
import random
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from io import BytesIO, StringIO
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import orjson
import pytest
import trio

from levity_trio.access import user_passwords
from levity_trio.cli import main as command
from levity_trio.clock import SimulatedTime
from levity_trio.demo.house import SPEED
from levity_trio.documents import printing
from levity_trio.store.engine.file_store import open_database
from levity_trio.web.api.engine import endpoints
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.openapi import document
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.in_process import Question
from tests.browser.past import Past, write_past
from tests.web.both.changes import Life, live
from tests.web.both.questions import READERS, Asking
from tests.web.both.server import make_documents_here, open_server
from tests.web.both.test_same_answers import MOMENT, RANDOM, shown_of
from tests.web.stores import Stored

ROOT: Final = Path(__file__).parents[2]
DEMO: Final = ROOT / "levity_trio/demo/history.db.xz"
LANGUAGES: Final = ("en", "de")
OF_THE_PROCESS: Final = re.compile(r"^\w+ /(api/)?(system|get/everything)\b")
"""What shows the memory of the process, or the folders of this machine."""
SHOWN_LINES: Final = 12
"""Of each difference."""
_NAMES: Final = re.compile(r"^  ([a-z][\w-]+)", re.MULTILINE)
_MONTHS: Final = "SELECT DISTINCT month FROM closing ORDER BY month"
_STATEMENTS: Final = "SELECT id FROM statement ORDER BY id"


def written_down(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what this tree does: what was asked, and what it said."""
    yield "OpenAPI", json.dumps(document(ENDPOINTS), indent=1, sort_keys=True, default=str)
    yield from _helps(())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("levity_trio.charger.connection.address_of", lambda _: "memory")
        patch.setattr(user_passwords, "SCRYPT_N", 2)
        patch.setattr(user_passwords, "SCRYPT_P", 1)
        patch.setattr(endpoints, "MINUTE", inf)
        patch.setattr(printing, "_run", make_documents_here)
        patch.setattr(random, "_urandom", random.Random(1).randbytes)
        past = write_past(folder / "site.db", MOMENT)
        with open_database(folder / "site.db") as file:
            stored = Stored(file, folder / "site.db")
            yield from trio.run(partial(_lived_in, stored, past)).items()
        (folder / "demo.db").write_bytes(lzma.decompress(DEMO.read_bytes()))
        with open_database(folder / "demo.db", SimulatedTime(MOMENT, SPEED)) as file:
            yield from trio.run(_demo, Stored(file, folder / "demo.db")).items()


def _helps(words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    shown = StringIO()
    with redirect_stdout(shown), redirect_stderr(StringIO()), suppress(SystemExit):
        command([*words, "--help"])
    text = shown.getvalue()
    if text.startswith(f"Usage: {' '.join(('levity-trio', *words))} "):
        yield " ".join(("help", *words)), text
        for word in dict.fromkeys(_NAMES.findall(text)):
            yield from _helps((*words, word))


async def _lived_in(stored: Stored, past: Past) -> Mapping[str, str]:
    """Read the house in which everything has happened."""
    told: dict[str, str] = {}
    async with open_server(stored, MOMENT) as server:
        life = Life(server)
        await live(life)
        told["changes"] = "\n".join(map(repr, life.told))
        for language in LANGUAGES:
            server.accept_language = language
            asking = Asking(server, shown_of(past) | life.shown)
            for name, role in READERS.items():
                await asking.look_around(name, role)
            if language == LANGUAGES[0]:
                await asking.api()
            told |= {f"{language} {asked}": _text(*one) for asked, one in asking.answers.items()}
    return told


async def _demo(stored: Stored) -> Mapping[str, str]:
    """Read the papers of the demo."""
    told: dict[str, str] = {}
    months = [month for (month,) in stored.connection.execute(_MONTHS).fetchall()]
    numbers = [number for (number,) in stored.connection.execute(_STATEMENTS).fetchall()]
    papers = [
        *(f"statements/{number}/document" for number in numbers),
        *(f"closings/{month}/document" for month in months),
    ]
    figures = ["months", *(f"statements/{number}" for number in numbers)]
    asked: list[tuple[str, Mapping[str, str]]] = [
        *((path, {}) for path in figures),
        *((path, {"format": form}) for path in papers for form in ("json", "csv", "html")),
    ]
    async with open_server(stored, MOMENT) as server:
        for path, query in asked:
            question = Question(method="GET", path=f"/api/admin/{path}", query=query)
            reply = await server.ask(Role.ADMIN, question)
            told[f"demo {path} {' '.join(query.values())}"] = _text(reply.status, reply.body)
    return told


def _text(status: int, body: bytes) -> str:
    return f"{status}\n{RANDOM.sub('…', body.decode('latin-1'))}"


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Yield what differs, with the first lines that do."""
    for asked in sorted(before.keys() | after.keys()):
        was, now = before.get(asked), after.get(asked)
        if was == now or OF_THE_PROCESS.match(asked.partition(" ")[2]):
            continue
        yield f"== {asked}"
        if was is None or now is None:
            yield "   only " + ("here" if was is None else "there")
            continue
        lines = difflib.unified_diff(was.splitlines(), now.splitlines(), lineterm="", n=0)
        yield from [line[:200] for line in lines if not line.startswith(("---", "+++", "@@"))][
            :SHOWN_LINES
        ]


def of_commit(commit: str) -> Mapping[str, str]:
    """Return what another commit does, by its own tool in a process of its own."""
    with TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, check=True, capture_output=True
        ).stdout
        with tarfile.open(fileobj=BytesIO(packed)) as files:
            files.extractall(folder, filter="data")
        done = subprocess.run(
            [sys.executable, "-m", "tests.tools.behaviour", "--write"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": folder},
            check=True,
            stdout=subprocess.PIPE,
        )
        return dict(orjson.loads(done.stdout))


def main() -> int:
    """Print the differences, and return 1 if there are some."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", nargs="?")
    parser.add_argument("--write", action="store_true", help="write what this tree does as JSON")
    given = parser.parse_args()
    real = sys.stdout
    with TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        here = dict(written_down(Path(folder)))
    if given.write or given.commit is None:
        real.buffer.write(orjson.dumps(here))
        return 0
    found = [*differences(of_commit(given.commit), here)]
    print(*found, f"{len(here)} answers, {sum(one[:2] == '==' for one in found)} differ", sep="\n")
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main())
