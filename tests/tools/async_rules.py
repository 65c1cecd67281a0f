"""flake8-async, walked once: `python -m tests.tools.async_rules FILE …` takes its options, tells
the same, and ends alike.

Its own command walks a slower tree of each file three times, for one rule: that no `yield` stands
in a nursery or in a scope. Here it does so where there is such a `yield`, in a context manager or
not. And at each node of the other tree it asks all its rules whether they visit it.
"""

from __future__ import annotations

import ast
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

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
        yield from sorted(_Walk.run(tree, Plugin._options))


def _yields_in_scope(node: ast.AST) -> bool:
    if not isinstance(node, ast.With | ast.AsyncWith):
        return False
    has_yield = any(isinstance(part, ast.Yield) for part in ast.walk(node))
    return has_yield and any(SCOPE.search(ast.unparse(opened)) for opened in node.items)


class _Walk(Flake8AsyncRunner):
    """The same walk in half the time: it asks once for each kind of node who visits it."""

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._all = (*self.utility_visitors, *self.visitors)
        self._visits: dict[type[ast.AST], list[tuple[Any, Any]]] = {}
        self._away = set[Any]()
        """Those that go through what is below the present node themselves."""

    def visit(self, node: ast.AST) -> None:
        visits = self._visits.get(type(node))
        if visits is None:
            name = f"visit_{type(node).__name__}"
            methods = [(visitor, getattr(visitor, name, None)) for visitor in self._all]
            visits = [(visitor, method) for visitor, method in methods if method is not None]
            self._visits[type(node)] = visits
        leaving = []
        for visitor, method in visits:
            if visitor not in self._away:
                method(node)
                if visitor.novisit:
                    leaving.append(visitor)
        self._away.update(leaving)
        self.generic_visit(node)
        for visitor in leaving:
            visitor.novisit = False
        self._away.difference_update(leaving)
        for visitor, _ in visits:
            if visitor not in self._away and node in visitor.outer:
                visitor.set_state(visitor.outer.pop(node))


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
