"""The size of the program, or of a part of it: `python -m tests.tools.tokens [PATH …]`, beside an
earlier commit with `--against COMMIT`. tests/bounds.py says how large it may be.

Tokens of Python are those of `tokenize`, without comments, docstrings, line ends and indents; what
import lines cost is also printed by itself. In the table of commands a token is a word, a number or
a sign, and a sentence is one; its help is free, as docstrings are, and what is generated is not
counted. In templates, style sheets, scripts, SQL and other
data, a token is a word, a number or a sign. The manual and pictures do not count. A new file counts
before it is committed, unless git ignores it.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = ("levity_trio", "schema")
PYTHON, IMPORTS, TEMPLATES, SQL, DATA = "Python", "imports", "templates", "SQL", "data"
KINDS: Final = {
    ".py": PYTHON,
    ".html": TEMPLATES,
    ".css": TEMPLATES,
    ".js": TEMPLATES,
    ".sql": SQL,
}
"""All other files are data."""
PRINTED: Final = (PYTHON, IMPORTS, TEMPLATES, SQL, DATA)
NOT_COUNTED: Final = (".md", ".png", ".xz", ".svg", ".typed")
GENERATED: Final = "levity_trio/cli/made/"
TABLE: Final = ".table"
SENTENCE: Final = re.compile(
    r"^((?:  (?:empty|says.*?|limit|narrower|confirm|usual \w+):|  (?:option|plus) .*\|)) .+",
    re.MULTILINE,
)
"""What a table says in sentences: each is one token, as a text of Python is."""
SILENT: Final = (
    *(tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
)
WORD: Final = re.compile(r"\w+|[^\w\s]")


class Size(NamedTuple):
    """Lines and tokens."""

    lines: int
    tokens: int

    def plus(self, other: Size) -> Size:
        """Return the sum."""
        return Size(self.lines + other.lines, self.tokens + other.tokens)


NOTHING: Final = Size(0, 0)


def size_of(name: str, text: str) -> Mapping[str, Size]:
    """Return the size of a file by its kind; of Python, also that of its import lines."""
    lines = text.count("\n")
    kind = KINDS.get(Path(name).suffix, DATA)
    if name.endswith(TABLE):
        told = "\n".join(line for line in text.splitlines() if not line.startswith("|"))
        return {PYTHON: Size(lines, len(WORD.findall(SENTENCE.sub(r"\1 text", told))))}
    if kind != PYTHON:
        return {kind: Size(lines, len(WORD.findall(text)))}

    everything, imports = Size(lines, 0), NOTHING
    for statement in _statements(text):
        size = Size(statement[-1].end[0] - statement[0].start[0] + 1, len(statement))
        everything = everything.plus(Size(0, size.tokens))
        if statement[0].string in ("import", "from"):
            imports = imports.plus(size)
    return {PYTHON: everything, IMPORTS: imports}


def _statements(text: str) -> Iterator[Sequence[tokenize.TokenInfo]]:
    """Yield the tokens that count of each statement of Python, or of its head. A string that is a
    statement of its own is a docstring, or explains a constant."""
    statement: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            if any(one.type != tokenize.STRING for one in statement):
                yield statement
            statement = []
        elif token.type not in SILENT:
            statement.append(token)


def sizes(paths: Sequence[str] = FOLDERS, commit: str | None = None) -> Mapping[str, Size]:
    """Return the size of each kind of files in these folders or files, in a commit or as they are
    now."""
    if commit:
        listed = _git("ls-tree", "-r", "--name-only", commit, *paths)
    else:
        listed = _git("ls-files", "--cached", "--others", "--exclude-standard", *paths)
    found: dict[str, Size] = defaultdict(lambda: NOTHING)
    for name in listed.splitlines():
        if name.endswith(NOT_COUNTED) or name.startswith(GENERATED):
            continue
        if commit:
            text = _git("show", f"{commit}:{name}")
        elif (ROOT / name).exists():
            text = (ROOT / name).read_text(encoding="utf-8")
        else:
            continue  # it was deleted, which is not committed yet
        for kind, size in size_of(name, text).items():
            found[kind] = found[kind].plus(size)
    return found


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def report(now: Mapping[str, Size], before: Mapping[str, Size]) -> list[str]:
    """Return a line for each kind and for all together, with what changed since before, if that is
    known."""
    lines = []
    for kind in (*PRINTED, "together"):
        if kind == "together":
            size, earlier = _together(now), _together(before)
        else:
            size, earlier = now.get(kind, NOTHING), before.get(kind, NOTHING)
        if not size.lines and not earlier.lines:
            continue
        name = f"  {kind}" if kind == IMPORTS else kind  # a part of Python
        line = f"{name:10}{size.lines:9,} lines{size.tokens:11,} tokens"
        if earlier.tokens:
            more_lines, more_tokens = size.lines - earlier.lines, size.tokens - earlier.tokens
            share = size.tokens / earlier.tokens - 1
            line += f"   {more_lines:+,} lines, {more_tokens:+,} tokens ({share:+.1%})"
        lines.append(line)
    return lines


def _together(found: Mapping[str, Size]) -> Size:
    total = NOTHING
    for kind, size in found.items():
        if kind != IMPORTS:
            total = total.plus(size)
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.tools.tokens", description=__doc__)
    parser.add_argument("path", nargs="*", default=FOLDERS, help="a file or a folder")
    parser.add_argument("--against", metavar="COMMIT", help="an earlier commit")
    chosen = parser.parse_args()
    now = sizes(chosen.path)
    if not now:
        parser.error("no file of the program is there")
    print("\n".join(report(now, sizes(chosen.path, chosen.against) if chosen.against else {})))
