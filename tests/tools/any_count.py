"""Counts the functions whose types say nothing: `python -m tests.tools.any_count` prints them, of a
part of the package.

One counts if its signature names `Any`, `object` or a bare `dict`, or if its body calls `cast`.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import NamedTuple

from tests.tools.house import PACKAGE, Function, read_modules

LOOSE = ("Any", "object", "dict")


class Loose(NamedTuple):
    """The functions of a part of the package, and those whose types say nothing."""

    functions: list[str]
    loose: list[str]


def count(part: str) -> Loose:
    """Count the functions of the modules below a dotted name, such as `web.api`."""
    functions, loose = [], []
    for module in read_modules(Path(__file__).parents[2] / PACKAGE):
        if f"{module.name}.".startswith(f"{PACKAGE}.{part}."):
            for node in ast.walk(ast.parse(module.source)):
                if isinstance(node, Function):
                    functions.append(f"{module.name}.{node.name}")
                    loose += functions[-1:] if _is_loose(node) else []
    return Loose(functions, loose)


def _is_loose(function: Function) -> bool:
    every = ast.walk(function.args)
    annotations = [
        node.annotation
        for node in every
        if isinstance(node, ast.arg) and node.annotation is not None
    ]
    annotations += [function.returns] if function.returns is not None else []
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    is_cast = any(isinstance(call, ast.Name) and call.id == "cast" for call in calls)
    return is_cast or any(map(_says_nothing, annotations))


def _says_nothing(annotation: ast.expr) -> bool:
    every = list(ast.walk(annotation))
    subscripted = [node.value for node in every if isinstance(node, ast.Subscript)]
    names = [node for node in every if isinstance(node, ast.Name) and node.id in LOOSE]
    return any(node.id != "dict" or node not in subscripted for node in names)


if __name__ == "__main__":
    for _part in sys.argv[1:] or ["web.api"]:
        _counted = count(_part)
        print(
            *_counted.loose,
            f"{_part}: {len(_counted.loose)} of {len(_counted.functions)} functions",
            sep="\n",
        )
