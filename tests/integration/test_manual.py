"""The manual's commands run as printed: the fenced blocks of `start/` and `tasks/`, in their order,
on one site, and after them what README, CONTRIBUTING and the forms for issues print.

A line `levity-trio serve …` starts the server anew, with these flags. Numbers and days of the
examples are replaced by those of this site. Comments before a block, which readers do not see, say
what else it needs:

    <!-- file: NAME -->           it is the content of a file, not commands
    <!-- before: COMMAND -->      run this first
    <!-- exit: NUMBER -->         the last command ends with this status
    <!-- not executed: REASON -->
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Final

import pytest

from levity_trio.manual import FOLDER, topics
from tests.integration.forking import run_forked
from tests.integration.printed import BIN, made_by_just, printed, read_by_its_parser
from tests.integration.serving import ROOT, Serving, environment_of_user, serving
from tests.integration.simulating import controlled
from tests.ports import free_port

SHARE: Final = 0.85
"""Of the blocks, at least so much is executed."""
SECONDS: Final = 60.0
AWAY: Final = 6
"""The exit status of a command for a charger that is not connected."""
AWAY_SECONDS: Final = 90.0
TRANSACTION: Final = "1000017"
"""Stands in the examples for one of the site's."""
PLACES: Final = {"CHARGER": "CP-1", "SESSION": TRANSACTION, "FILE": "shared.zip"}
"""What stands in README, CONTRIBUTING and the forms for something of this site."""
RUN_ELSEWHERE: Final = {
    "levity-trio demo": "tests/integration/test_readme.py, in a bare clone",
    "levity-trio serve": "the same test, there",
    "pytest --workers auto": ".ci/run, word for word",
}
"""Ends of command lines that another test runs."""
ONLY_READ: Final = {
    "levity-trio verify": "it needs the ledger of twenty months",
    "git clone": "the address of the repository is not known",
    "sudo apt install": "it changes the machine",
    "ssh -L": "it needs another computer",
    "pipx run": "the address of the repository is not known",
    "source": "the Reader of the manual has its programs already",
}
"""Beginnings of command lines of which only the syntax is read."""
COMMANDS_AT_LEAST: Final = 50
NOT_TYPED: Final = ("text", "js", "caddy", "haproxy")
"""Languages of blocks that nobody types here: what a command prints, and files of other programs
and devices."""
OF_SHELL: Final = re.compile(r"[|<>;&]|\$\(|^(?!levity-trio)\w", re.MULTILINE)
"""What only a shell understands."""
_BLOCK: Final = re.compile(
    r"((?:<!-- [^>]*? -->\n)*)^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL
)
_COMMENT: Final = re.compile(r"<!-- ([\w ]+): (.*?) -->")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page, and what is said about it."""

    topic: str
    language: str
    text: str
    said: Sequence[tuple[str, str]]

    def told(self, name: str) -> list[str]:
        return [words for said, words in self.said if said == name]


def blocks() -> Iterator[Block]:
    for topic in topics():
        if topic.startswith(("start/", "tasks/")):
            source = (FOLDER / f"{topic}.md").read_text(encoding="utf-8")
            for comments, indent, language, text in _BLOCK.findall(source):
                if language not in NOT_TYPED:
                    plain = re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)
                    yield Block(topic, language, plain, _COMMENT.findall(comments))


def printed_elsewhere() -> Iterator[Block]:
    """Yield what is printed outside the manual and runs on its site."""
    for file, line in printed():
        if line.startswith("levity-trio ") and not is_left_to_others(line):
            words = (PLACES.get(word, word) for word in line.split(" "))
            yield Block(file, "bash", " ".join(words), ())


def is_left_to_others(line: str) -> bool:
    return line.endswith(tuple(RUN_ELSEWHERE)) or line.startswith(tuple(ONLY_READ))


@dataclass(slots=True)
class Reader:
    """Somebody who types what the manual says, in one folder."""

    folder: Path
    stack: ExitStack
    port: int = field(default_factory=free_port)
    api_port: int = field(default_factory=free_port)
    server: ExitStack = field(default_factory=ExitStack)
    site: Serving | None = None
    variables: dict[str, str] = field(default_factory=dict)

    def follow(self, block: Block) -> None:
        for command in block.told("before"):
            self._type(command)
        if names := block.told("file"):
            (self.folder / names[0]).write_text(self._here(block.text), encoding="utf-8")
        else:
            self._type(block.text, *map(int, block.told("exit")))

    def _type(self, text: str, status: int = 0) -> None:
        here = self._here(text)
        if here.startswith("levity-trio serve"):
            self._serve(shlex.split(here, comments=True)[2:])
        elif here.startswith("levity-trio simulate --control"):
            self.variables["LEVITY_SIMULATOR_API"] = self.stack.enter_context(
                controlled(self.port, self.folder)
            )
        elif OF_SHELL.search(here):
            self._shell(here, status)
        else:
            commands = list(_commands(here))
            for number, command in enumerate(commands):
                ended = run_forked(command, self.folder, self._environment(), SECONDS)
                # after a restart, the charger pauses first
                if ended.returncode == AWAY and self.site is not None:
                    self.site.wait_line("ChargerConnected", AWAY_SECONDS, charger="CP-1")
                    ended = run_forked(command, self.folder, self._environment(), SECONDS)
                expected = status if number == len(commands) - 1 else 0
                assert ended.returncode == expected, (
                    f"{shlex.join(command)}: {ended.stdout}{ended.stderr}"
                )

    def _shell(self, text: str, status: int) -> None:
        place = Path(sys.executable).parent
        ways = {
            **self._environment(),
            "PATH": f"{place}:{os.environ['PATH']}",
            "HOME": str(self.folder),
        }
        ended = subprocess.run(  # noqa: PLW1510 - its status is compared
            ["bash", "-ec", text],
            cwd=self.folder,
            env=ways,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert ended.returncode == status, f"{text}: {ended.stdout}{ended.stderr}"

    def _serve(self, flags: list[str]) -> None:
        self.server.close()
        flags = [
            "0" if before.endswith("-port") else one
            for before, one in zip(["", *flags], flags, strict=False)
        ]
        database = self.folder / (
            flags[flags.index("--db") + 1] if "--db" in flags else "levity.db"
        )
        given = ("--port", str(self.port), "--api-port", str(self.api_port), *flags)
        self.site = self.server.enter_context(serving(database, *given, may_log_errors=True))
        self.variables["LEVITY_API"] = f"unix:{database}.sock"

    def _environment(self) -> dict[str, str]:
        return {**environment_of_user(), **self.variables}

    def _here(self, text: str) -> str:
        """Replace ports, days and numbers of the examples by those of this site."""
        today = date.today()  # noqa: DTZ011 - the site is in the zone of this machine
        this = today.replace(day=1)
        last, following = (
            (this - timedelta(days=1)).replace(day=1),
            (this + timedelta(days=31)).replace(day=1),
        )
        for month, here in (("2026-03", last), ("2026-04", this), ("2026-05", following)):
            text = text.replace(month, f"{here:%Y-%m}")
        if TRANSACTION in text and self.site is not None:
            ((newest,),) = self.site.query("SELECT max(id) FROM tx")
            text = text.replace(TRANSACTION, str(newest))
        # a PDF takes seconds, and one is made anyway
        text = re.sub(r"(?<=bill print) (?=.* --to)", " --as html ", text)
        # nobody is there to be asked, and no file is replaced
        shared = f"--yes --share {token_hex(4)}.zip"
        text = re.sub(r"--share \S+", shared, text)
        # what comes of it is tested elsewhere
        text = text.replace("charger secure ", "charger secure --wait 0 ")
        text = text.replace("localhost:9000", f"localhost:{self.port}").replace(
            "--clock-speed 60", "--clock-speed 600"
        )
        text = text.replace("127.0.0.1:9001", f"127.0.0.1:{self.api_port}").replace(
            "--speed 60", "--speed 600"
        )
        return re.sub(
            r"simulate (?=--chargers)", f"simulate --url ws://127.0.0.1:{self.port}/ws/ ", text
        )


def _commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each command of `levity-trio`; a quoted text may go over lines."""
    waiting = ""
    for line in text.replace("\\\n", " ").splitlines():
        waiting = f"{waiting}\n{line}" if waiting else line
        try:
            words = shlex.split(waiting, comments=True)
        except ValueError:  # a quotation is open
            continue
        waiting = ""
        if words:
            assert words[0] == "levity-trio", words
            yield words[1:]


@pytest.mark.night
def test_every_command_of_the_manual_runs_as_printed(tmp_path: Path) -> None:
    failures = []
    with ExitStack() as stack:
        reader = Reader(tmp_path, stack)
        stack.callback(reader.server.close)
        for block in (*blocks(), *printed_elsewhere()):
            if not block.told("not executed"):
                try:
                    reader.follow(block)
                except (AssertionError, subprocess.TimeoutExpired) as failed:
                    failures.append(f"{block.topic}: {failed}")
    assert not failures, "\n".join(failures)


def test_nearly_all_blocks_are_executed() -> None:
    every = list(blocks())
    left_out = [one for one in every if one.told("not executed")]
    assert all(one.told("not executed")[0] for one in left_out)
    assert len(every) - len(left_out) >= SHARE * len(every), [
        (one.topic, one.text) for one in left_out
    ]


def test_what_others_run_of_the_printed_commands_is_printed() -> None:
    lines = [line for _, line in printed()]
    assert not [end for end in RUN_ELSEWHERE if not any(line.endswith(end) for line in lines)]
    assert not [begun for begun in ONLY_READ if not any(line.startswith(begun) for line in lines)]
    for line in lines:
        subprocess.run(["bash", "-nc", line], check=True)


def test_every_command_of_developers_is_read_by_its_own_parser(
    pytestconfig: pytest.Config,
) -> None:
    count = 0
    for file, line in printed():
        if line.startswith("levity-trio ") or is_left_to_others(line):
            continue
        count += 1
        if line.startswith("just "):
            for words in made_by_just(line):
                if words[0].startswith(BIN):
                    read_by_its_parser(words, pytestconfig)
        elif line.startswith("python -m"):
            read_by_its_parser([f"{BIN}{line.split()[0]}", *line.split()[1:]], pytestconfig)
        else:
            assert line.startswith((BIN, ".ci/")), f"{file}: nobody runs or reads `{line}`"
            assert (ROOT / line.split()[0]).exists(), line
    assert count > COMMANDS_AT_LEAST
