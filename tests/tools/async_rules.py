"""flake8-async, walked once: `python -m tests.tools.async_rules FILE …` takes its options, tells
the same, and ends alike.

Its own command walks a slower tree of each file three times, for one rule: that no `yield` stands
in a nursery or in a scope. Here it does so where there is such a `yield`, in a context manager or
not.
"""

from __future__ import annotations

import ast
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flake8_async import Plugin
from flake8_async.runner import Flake8AsyncRunner

SCOPE: Final = re.compile(
    r"open_nursery|CancelScope|(fail|move_on)_(at|after)|(open|serve)_websocket"
)


def problems(path: Path) -> Iterator[object]:
    """Yield what is wrong in a file."""
    tree = ast.parse(path.read_text(), str(path))
    if any(map(_yields_in_scope, ast.walk(tree))):
        yield from sorted(Plugin.from_filename(path).run())
    else:
        yield from sorted(Flake8AsyncRunner.run(tree, Plugin._options))


def _yields_in_scope(node: ast.AST) -> bool:
    if not isinstance(node, ast.With | ast.AsyncWith):
        return False
    has_yield = any(isinstance(part, ast.Yield) for part in ast.walk(node))
    return has_yield and any(SCOPE.search(ast.unparse(opened)) for opened in node.items)


def main() -> int:
    """Print what is wrong in the files; return 1 if anything is."""
    parser = ArgumentParser()
    Plugin.add_options(parser)
    asked = parser.parse_args()
    Plugin.parse_options(asked)
    told = [f"{name}:{problem}" for name in asked.files for problem in problems(Path(name))]
    print(*told, sep="\n", end="\n" if told else "")
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
