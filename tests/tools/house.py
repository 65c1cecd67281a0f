"""Reading the house with `ast`: who imports whom, how large the rooms are. The rules:
test_house.py.

`python -m tests.tools.house` prints the figures of its structure.
"""

import ast
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

PACKAGE = "levity_trio"
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    """One module: its dotted name, whether it is a package's __init__, and its source."""

    name: str
    is_package: bool
    source: str


class Import(NamedTuple):
    """`importer` imports the module `imported` (dotted, absolute)."""

    importer: str
    imported: str


def read_modules(folder: Path) -> list[Module]:
    """All modules below a package's folder."""
    modules = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules.append(Module(name, is_package, path.read_text(encoding="utf-8")))
    return modules


def imports(modules: Iterable[Module]) -> Iterator[Import]:
    """Every import, wherever it stands in its module; `from package import module` counts as that
    module."""
    modules = list(modules)
    ours = {module.name for module in modules}
    for module in modules:
        for node in ast.walk(ast.parse(module.source)):
            for target in _targets(node, module, ours):
                yield Import(module.name, target)


def _targets(node: ast.AST, module: Module, ours: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute(node, module)
        for alias in node.names:
            whole = f"{base}.{alias.name}"
            yield whole if whole in ours else base


def _absolute(node: ast.ImportFrom, module: Module) -> str:
    if not node.level:
        return node.module or ""
    above = module.name.split(".")
    parts = above[: len(above) - node.level + module.is_package]
    return ".".join([*parts, node.module] if node.module else parts)


def circles(found: Iterable[Import]) -> list[Import]:
    """Of these imports, those that make circles: what nobody imports, or what imports nobody, is in
    none."""
    left = set(found)
    while True:
        importers, imported = {one.importer for one in left}, {one.imported for one in left}
        within = {one for one in left if one.importer in imported and one.imported in importers}
        if within == left:
            return sorted(left)
        left = within


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Name and number of lines of each function; decorators count."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield node.name, (node.end_lineno or node.lineno) - first + 1


def is_within(name: str, places: Iterable[str]) -> bool:
    """Whether a dotted name is one of the places or lies below one."""
    return any(name == place or name.startswith(f"{place}.") for place in places)


class Structure(NamedTuple):
    """Packages and modules, imports between modules of different packages and pairs of packages
    that they join, the modules in the longest chain of imports, and the imports that make circles
    between modules and between packages."""

    packages: int
    modules: int
    imports_between: int
    pairs: int
    levels: int
    circles: int
    circles_of_packages: int


def structure(modules: list[Module]) -> Structure:
    """Return the figures of a package."""
    names = {module.name for module in modules}
    packages = {module.name for module in modules if module.is_package}
    inner = {
        found
        for found in imports(modules)
        if found.imported in names and found.importer != found.imported
    }

    def package(name: str) -> str:
        return name if name in packages else name.rpartition(".")[0]

    between = [found for found in inner if package(found.importer) != package(found.imported)]
    pairs = {Import(package(found.importer), package(found.imported)) for found in between}
    return Structure(
        packages=len(packages),
        modules=len(modules),
        imports_between=len(between),
        pairs=len(pairs),
        levels=_longest(inner),
        circles=len(circles(inner)),
        circles_of_packages=len(circles(pairs)),
    )


def _longest(found: Iterable[Import]) -> int:
    """Return the number of modules in the longest chain of imports, without circles."""
    below: dict[str, list[str]] = {}
    for importer, imported in set(found) - set(circles(found)):
        below.setdefault(importer, []).append(imported)
    order = TopologicalSorter(below).static_order()
    depth: dict[str, int] = {}
    for name in order:
        depth[name] = 1 + max((depth[imported] for imported in below.get(name, ())), default=0)
    return max(depth.values(), default=0)


if __name__ == "__main__":
    for figure, number in (
        structure(read_modules(Path(__file__).parents[2] / PACKAGE))._asdict().items()
    ):
        print(f"{figure.replace('_', ' '):20}{number:8,}")
