"""The size of the program: `python -m tests.tools.tokens`, beside an earlier commit with `--against
COMMIT`.

Tokens of Python are those of `tokenize`, without comments, docstrings, line ends and indents. In
templates, style sheets, scripts, SQL and other data, a token is a word, a number or a sign. The
manual and pictures do not count.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import tokenize
from collections import defaultdict
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = ("levity_trio", "schema")
KINDS: Final = {".py": "Python", ".html": "templates", ".css": "templates", ".js": "templates"}
"""All other files are data."""
NOT_COUNTED: Final = (".md", ".png", ".xz", ".svg", ".typed")
SILENT: Final = (
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
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


def size_of(name: str, text: str) -> Size:
    """Return the size of a file."""
    lines = text.count("\n")
    if not name.endswith(".py"):
        return Size(lines, len(WORD.findall(text)))
    docstrings = _docstrings(text)
    tokens = (
        token
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in SILENT
        and not (token.type == tokenize.STRING and token.start in docstrings)
    )
    return Size(lines, sum(1 for _ in tokens))


def _docstrings(text: str) -> set[tuple[int, int]]:
    """Return where strings begin that are statements of their own: docstrings, and those that
    explain a constant."""
    return {
        (node.lineno, node.col_offset)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


def sizes(commit: str | None = None) -> dict[str, Size]:
    """Return the size of each kind of files, in a commit or as they are now in the index's
    files."""
    listed = (
        ["ls-tree", "-r", "--name-only", commit, *FOLDERS] if commit else ["ls-files", *FOLDERS]
    )
    found: dict[str, Size] = defaultdict(lambda: Size(0, 0))
    for name in _git(*listed).splitlines():
        if not name.endswith(NOT_COUNTED) and (commit or (ROOT / name).exists()):
            text = (
                _git("show", f"{commit}:{name}")
                if commit
                else (ROOT / name).read_text(encoding="utf-8")
            )
            kind = KINDS.get(Path(name).suffix, "data")
            found[kind] = found[kind].plus(size_of(name, text))
    return found


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def report(now: dict[str, Size], before: dict[str, Size]) -> list[str]:
    """Return a line for each kind and for all together, with what changed since before, if that is
    known."""
    lines = []
    for kind in (*now, "together"):
        size, earlier = (
            _together(found) if kind == "together" else found.get(kind) for found in (now, before)
        )
        assert size is not None
        lines.append(f"{kind:10}{size.lines:9,} lines{size.tokens:11,} tokens")
        if earlier is not None and earlier.tokens:
            fewer = (
                f"{size.lines - earlier.lines:+,} lines, {size.tokens - earlier.tokens:+,} tokens"
            )
            lines[-1] += f"   {fewer} ({size.tokens / earlier.tokens - 1:+.1%})"
    return lines


def _together(found: dict[str, Size]) -> Size:
    return Size(
        sum(size.lines for size in found.values()), sum(size.tokens for size in found.values())
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", metavar="COMMIT", help="an earlier commit")
    against = parser.parse_args().against
    print("\n".join(report(sizes(), sizes(against) if against else {})))
