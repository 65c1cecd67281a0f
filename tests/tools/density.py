"""How dense and how chopped the code is: `python -m tests.tools.density [PATH …]`.

It prints figures of each folder or file, with `--rooms` also of each room of a folder. `--once`,
`--packed` and `--names` list what makes these figures.

Tokens are those of Python, without comments, docstrings, imports and line ends. A private function
is called once if its name stands once in its file beside its definition. It would fit if its
caller then had at most HOME_LINES lines and a complexity of HOME_BRANCHES.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from tests.tools.house import PACKAGE

ROOT: Final = Path(__file__).parents[2]
HOME_LINES: Final = 40
HOME_BRANCHES: Final = 10
PACKED: Final = 40
"""So many of the most packed statements are listed."""
LONGEST_LINE: Final = 160
IGNORED: Final = (
    *(tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
)
FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
LOOPS: Final = (ast.For, ast.AsyncFor, ast.While)
MID_THOUGHT: Final = re.compile(
    r"(Of|As|So|That|Which|Whose|Whom|Those|Before|After|From|By|With|In|To|For)"
    r" (which|whom|that|those|the|last|this|these|it|more|all)\b"
    r"|(Those|Which|Whose|That which)\b",
    re.IGNORECASE,
)
"""How a docstring begins whose first words join it to something that is not there."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Statement(NamedTuple):
    """One statement: where it begins, and its tokens."""

    line: int
    words: Sequence[str]


class OnceCalled(NamedTuple):
    """A private function that is called once, and its caller as it would be with it at home."""

    name: str
    line: int
    caller: str
    lines: int
    complexity: int


class SourceFile:
    """The code of one module, read once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        self.docstrings: list[ast.Constant] = []
        self.functions: list[Function] = []
        self.classes: list[str] = []
        self.words = Counter(re.findall(r"\w+", self.text))
        self._skipped: set[int] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._skip(node)
            if isinstance(node, ast.Module | ast.ClassDef | Function):
                docstring = docstring_of(node)
                if docstring is not None:
                    self.docstrings.append(docstring)
                    self._skip(docstring)
            if isinstance(node, FUNCTIONS):
                self.functions.append(node)
            if isinstance(node, ast.ClassDef):
                self.classes.append(node.name.lstrip("_"))

    def _skip(self, node: ast.stmt | ast.expr) -> None:
        self._skipped.update(range(node.lineno, _last_line(node) + 1))

    @cached_property
    def statements(self) -> Sequence[Statement]:
        """The statements, without imports and docstrings."""
        found: list[Statement] = []
        words: list[str] = []
        line = 0
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.NEWLINE:
                if words:
                    found.append(Statement(line, words))
                words = []
            elif token.type not in IGNORED and token.start[0] not in self._skipped:
                if not words:
                    line = token.start[0]
                words.append(token.string)
        return found

    def mid_thought(self) -> Iterator[tuple[int, str]]:
        """Yield line and text of the docstrings that begin in mid-thought."""
        for docstring in self.docstrings:
            text = str(docstring.value).strip()
            if MID_THOUGHT.match(text):
                yield docstring.lineno, text.partition("\n")[0]

    def once_called(self) -> Iterator[OnceCalled]:
        """Yield the private functions that are called once and would fit in their caller."""
        for helper in self.functions:
            is_private = helper.name.startswith("_") and not helper.name.startswith("__")
            if not is_private or helper.decorator_list or self.words[helper.name] != 2:
                continue
            for caller in self._callers.get(helper.name, ()):
                if caller is helper or helper in ast.walk(caller):
                    continue
                header = _body_lines(helper) - _lines_below(helper)
                lines = _body_lines(caller) + _body_lines(helper) - header - 1
                branches = complexity(caller) + complexity(helper) - 1
                if lines <= HOME_LINES and branches <= HOME_BRANCHES:
                    yield OnceCalled(helper.name, helper.lineno, caller.name, lines, branches)

    @cached_property
    def _callers(self) -> Mapping[str, Sequence[Function]]:
        """The functions by the names of those that they call."""
        callers: dict[str, list[Function]] = defaultdict(list)
        for function in self.functions:
            for name in _called(function):
                callers[name].append(function)
        return callers


def docstring_of(node: ast.Module | ast.ClassDef | Function) -> ast.Constant | None:
    """Return the docstring of a module, class or function; None if it has none."""
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return first.value if isinstance(first.value.value, str) else None
    return None


def _last_line(node: ast.stmt | ast.expr) -> int:
    return node.end_lineno or node.lineno


def _body_lines(function: Function) -> int:
    """Return the lines of a function without its docstring."""
    lines = _last_line(function) - function.lineno + 1
    docstring = docstring_of(function)
    return lines if docstring is None else lines - (_last_line(docstring) - docstring.lineno + 1)


def _lines_below(function: Function) -> int:
    """Return the lines of a function below its header, without its docstring."""
    header = function.body[0].lineno - function.lineno
    return _body_lines(function) - header


def _called(function: Function) -> set[str]:
    """Return the names of what a function calls itself."""
    names: set[str] = set()
    waiting: list[ast.AST] = [*function.body]
    for node in waiting:
        # What an inner function calls is not called by this one; one cannot be moved into it.
        if isinstance(node, FUNCTIONS):
            continue
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
            if name is not None:
                names.add(name)
        waiting.extend(ast.iter_child_nodes(node))
    return names


def complexity(function: Function) -> int:
    """Return McCabe's complexity, as ruff counts it: comprehensions and conditional expressions do
    not count."""
    count = 1
    for statement in function.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.If | ast.ExceptHandler | ast.For | ast.AsyncFor | ast.While):
                count += 1
            if isinstance(node, ast.For | ast.AsyncFor | ast.While | ast.Try) and node.orelse:
                count += 1
            if isinstance(node, ast.Match):
                count += len(node.cases)
    return count


class Density:
    """The figures of some modules."""

    def __init__(self, files: Sequence[SourceFile]) -> None:
        self.lines = sum(file.text.count("\n") for file in files)
        self.statements = sorted(len(one.words) for file in files for one in file.statements)
        self.functions = sorted(
            _last_line(one) - one.lineno + 1 for file in files for one in file.functions
        )
        self.once_called = sum(1 for file in files for _ in file.once_called())
        self.mid_thought = sum(1 for file in files for _ in file.mid_thought())
        comments = re.compile(r"^ *#", re.MULTILINE)
        self.comments = sum(len(comments.findall(file.text)) for file in files)
        self.names = len(several_meanings(files))

    @property
    def tokens_a_statement(self) -> float:
        return sum(self.statements) / max(1, len(self.statements))

    @property
    def packed(self) -> int:
        """The tokens that one statement in ten has at least."""
        return _at(self.statements, 0.9)

    @property
    def once_in_thousand(self) -> float:
        """Once-called helpers that would fit, in a thousand statements."""
        return 1000 * self.once_called / max(1, len(self.statements))

    def figures(self) -> Mapping[str, str]:
        """Return all figures, as they are printed."""
        tokens = f"{self.tokens_a_statement:.2f} / {self.packed}"
        sizes = " / ".join(str(_at(self.functions, share)) for share in (0.5, 0.9, 0.99))
        return {
            "lines": f"{self.lines:,}",
            "statements": f"{len(self.statements):,}",
            "tokens": f"{sum(self.statements):,}",
            "tokens a statement, mean / p90": tokens,
            "functions": f"{len(self.functions):,}",
            "their lines, median / p90 / p99": sizes,
            "comment lines": f"{self.comments / max(1, self.lines):.1%}",
            "called once and would fit, in 1,000 statements": f"{self.once_in_thousand:.1f}",
            "type names with several meanings": f"{self.names}",
            "docstrings that begin in mid-thought": f"{self.mid_thought}",
        }


def _at(ordered: Sequence[int], share: float) -> int:
    """Return the value below which so large a share of the others lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0


def several_meanings(files: Sequence[SourceFile]) -> dict[str, list[Path]]:
    """Return the names of classes that several modules define, with these modules."""
    places: dict[str, set[Path]] = defaultdict(set)
    for file in files:
        for name in file.classes:
            places[name].add(file.path)
    several = {name: sorted(found) for name, found in places.items() if len(found) > 1}
    return dict(sorted(several.items(), key=lambda item: (-len(item[1]), item[0])))


def read(place: Path) -> list[SourceFile]:
    """Read a module, or all modules of a folder."""
    paths = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return [SourceFile(path) for path in paths]


def _rooms(folder: Path) -> list[Path]:
    """Return the folders of a folder that have code."""
    return [room for room in sorted(folder.iterdir()) if room.is_dir() and any(room.rglob("*.py"))]


def _list_packed(files: Sequence[SourceFile]) -> None:
    packed = [(len(one.words), file.path, one) for file in files for one in file.statements]
    packed.sort(key=lambda item: (-item[0], item[1]))
    for tokens, path, one in packed[:PACKED]:
        print(f"{tokens} {path}:{one.line} {' '.join(one.words)[:LONGEST_LINE]}")


def _list_once(files: Sequence[SourceFile]) -> None:
    for file in files:
        for one in file.once_called():
            home = f"{one.lines} lines, complexity {one.complexity}"
            print(f"{file.path}:{one.line} {one.name} in {one.caller}: {home}")


def _list_names(files: Sequence[SourceFile]) -> None:
    for file in files:
        for line, text in file.mid_thought():
            print(f"{file.path}:{line} begins in mid-thought: {text}")
    several = several_meanings(files)
    print(f"{len(several)} type names with several meanings")
    for name, places in several.items():
        print(name, len(places), *places)


def main() -> None:
    """Print what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.density", description=__doc__)
    parser.add_argument("place", nargs="*", type=Path, default=[ROOT / PACKAGE])
    parser.add_argument("--rooms", action="store_true", help="also each folder in it")
    parser.add_argument("--once", action="store_true", help="list helpers that would fit")
    parser.add_argument("--packed", action="store_true", help="list the most packed statements")
    parser.add_argument("--names", action="store_true", help="list names and docstrings")
    chosen = parser.parse_args()
    lists = {_list_once: chosen.once, _list_packed: chosen.packed, _list_names: chosen.names}
    asked = [show for show, is_asked in lists.items() if is_asked]
    for place in chosen.place:
        if asked:
            files = read(place)
            for show in asked:
                show(files)
            continue
        for room in [place, *(_rooms(place) if chosen.rooms and place.is_dir() else ())]:
            print(room)
            for name, figure in Density(read(room)).figures().items():
                print(f"  {name:47}{figure:>14}")


if __name__ == "__main__":
    main()
