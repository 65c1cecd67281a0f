"""Constants of the package that share a name: `python -m tests.tools.constants` prints each name
that stands for three or more values, these values and where they are.

A constant is what a module gives a name in capitals, with a leading underscore or without. Two
values are the same where they are written the same.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "levity_trio"
CAPITALS: Final = re.compile(r"_*[A-Z][A-Z0-9_]*")
FEW_VALUES: Final = 3


def constants(path: Path) -> Iterator[tuple[str, str, int]]:
    """The name, the value as it is written, and the line."""
    for statement in ast.parse(path.read_text()).body:
        match statement:
            case ast.Assign(targets=[ast.Tuple(names)], value=ast.Tuple(values)):
                pairs = [*zip(names, values, strict=True)]
            case ast.Assign(targets=[target], value=value):
                pairs = [(target, value)]
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                pairs = [(target, value)]
            case _:
                continue
        for target, value in pairs:
            if isinstance(target, ast.Name) and CAPITALS.fullmatch(target.id):
                yield target.id, ast.unparse(value), statement.lineno


def shared_names(package: Path) -> Mapping[str, Mapping[str, list[str]]]:
    """Of each name with three or more values: its values, each with its places."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(package.rglob("*.py")):
        for name, value, line in constants(path):
            found[name][value].append(f"{path.relative_to(package)}:{line}")
    return {name: values for name, values in found.items() if len(values) >= FEW_VALUES}


def main() -> None:
    shared = shared_names(PACKAGE)
    for name in sorted(shared, key=lambda name: (-len(shared[name]), name)):
        print(f"{name}  {len(shared[name])} values")
        for value, places in shared[name].items():
            print(f"    {value.splitlines()[0][:60]:60}  {', '.join(places)}")
    print(f"{len(shared)} names of constants have three or more values")


if __name__ == "__main__":
    main()
