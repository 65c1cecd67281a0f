"""The rules and the numbers of the judge, found in its source; and how one is switched off in a
process.

A *rule* is each function that a row of REFUTATIONS or PROPOSALS asks, and each other function that
draws a conclusion by itself: its annotation names a conflict, a doubt, a candidate or a chosen
figure, or a class with a field of these, and it says something of its own. Switched off, it returns
nothing. If it asks other rules, too, only its own conclusions go.

A *clause* is a part of the judge that can be switched off alone: each operand of an `or` that is a
question (a call of a function of the judge, a comparison, or the name of a question asked
elsewhere), if at least two of that `or` are; and each conclusion or `yield` of a function that has
several. An operand that only calls a rule is that rule.

A *number* is each literal on which a judgement depends, except 0, 1, unit factors, indices, and
those of EXCLUDED.
"""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple

import levity_trio.charging

PACKAGE: Final = "levity_trio.charging"
FOLDER: Final = Path(levity_trio.charging.__file__).parent
JUDGING: Final = ("refute", "propose", "energy")
"""Where rules are."""
NUMBERED: Final = (*JUDGING, "sent", "tolerances")
"""Where numbers are."""
CONCLUSIONS: Final = frozenset({"Conflict", "Doubt", "Candidate", "Chosen"})
TABLES: Final = frozenset({"REFUTATIONS", "PROPOSALS"})
QUESTION: Final = ("is_", "are_", "has_", "can_", "may_")
UNIT_FACTORS: Final = frozenset({60, 3600, *(float(f"1e{power}") for power in range(-6, 10))})
EXCLUDED: Final = {
    "RULES": "the version of the rules",
    "HOUR": "a unit factor",
    "FACTORS": "unit factors",
    "_KWH": "a unit factor",
    "_TENFOLD": "unit factors",
    "_UNITS_OF_ENERGY": "unit factors",
    "_UNITS": "unit factors",
    "_WRONG_UNITS": "unit factors",
    "expected_wh:7200": "a unit factor, for the mean of two powers",
    **dict.fromkeys(
        ("TIMESTAMP", "MEASURAND", "VALUE", "UNIT", "PHASE", "CONTEXT", "WH", "RECEIVED_AT"),
        "a column",
    ),
    **dict.fromkeys(("LOCATION", "ID"), "a column"),
    "MOST_PLACES": "of words",
    "REJUDGE_SECONDS": "when a judgement is made again, for speed",
    "MOST_CHANGES": "when a judgement is made again, for speed",
    "WH_PER_UNIT": "unit factors",
    "spread:2": "a median",
    "digit_of:3": "a unit factor",
    "digit_of:6": "the most digits of a number as sent",
}
"""Literals that are no numbers of the judge, by the name of the constant or as function:literal."""

RULE, CLAUSE, NUMBER = "rule", "clause", "number"


class Part(NamedTuple):
    """A part of the source: the place of a node in `ast.walk` of its module, and which operand of
    it."""

    node: int
    operand: int = -1


class Site(NamedTuple):
    """What can be switched off, or a number that can be changed."""

    kind: str
    module: str
    name: str
    lines: int
    parts: tuple[Part, ...]
    group: str = ""
    """Clauses of one group are parts of one function or operands of one `or`."""
    number: float = 0
    constant: str = ""
    """The module's constant of which the number is a part."""


class Source:
    """A module of the judge."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.tree = ast.parse(text)
        self.nodes = list(ast.walk(self.tree))
        self.place = {id(node): place for place, node in enumerate(self.nodes)}
        self.parent = {
            id(child): node for node in self.nodes for child in ast.iter_child_nodes(node)
        }

    @property
    def short(self) -> str:
        return self.name.removeprefix(f"{PACKAGE}.")

    @cached_property
    def functions(self) -> list[Function]:
        return [
            Function(self, one, self._path(one))
            for one in self.nodes
            if isinstance(one, ast.FunctionDef)
        ]

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """The values of the module's names."""
        return {name: value for node in self.tree.body for name, value in _assigned(node)}

    def _path(self, node: ast.AST) -> str:
        names = list[str]()
        while not isinstance(node, ast.Module):
            names += [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
            node = self.parent[id(node)]
        return ".".join(reversed(names))

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        while (above := self.parent.get(id(node))) is not None:
            yield above
            node = above

    def place_of(self, node: ast.AST) -> int:
        return self.place[id(node)]


def _assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    targets = (
        node.targets
        if isinstance(node, ast.Assign)
        else [node.target]
        if isinstance(node, ast.AnnAssign)
        else []
    )
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    for target in targets:
        if isinstance(target, ast.Name) and value is not None:
            yield target.id, value


@dataclass(frozen=True)
class Function:
    source: Source
    node: ast.FunctionDef
    path: str

    @property
    def name(self) -> str:
        return f"{self.source.short}.{self.path}"

    @cached_property
    def own(self) -> list[ast.AST]:
        """The nodes of its body, in order, without those of functions inside it."""
        found, waiting = list[ast.AST](), list[ast.AST](reversed(self.node.body))
        while waiting:
            found.append(node := waiting.pop())
            if not isinstance(node, ast.FunctionDef | ast.Lambda):
                waiting += reversed(list(ast.iter_child_nodes(node)))
        return found

    @cached_property
    def returned(self) -> set[str]:
        return _names(self.node.returns) if self.node.returns is not None else set()

    @cached_property
    def neutral(self) -> ast.expr | None:
        found = neutral_of(self.node)
        return found if not isinstance(found, ast.Name) or self._may_return(found.id) else None

    def _may_return(self, name: str) -> bool:
        values = [one.value for one in self.own if isinstance(one, ast.Return)]
        either = [
            part for one in values if isinstance(one, ast.IfExp) for part in (one.body, one.orelse)
        ]
        return any(isinstance(one, ast.Name) and one.id == name for one in (*values, *either))

    @cached_property
    def is_generator(self) -> bool:
        return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in self.own)


def _names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _called(node: ast.AST) -> set[str]:
    """Return the names of functions and methods that are called in it."""
    calls = [one.func for one in ast.walk(node) if isinstance(one, ast.Call)]
    return {
        one.id if isinstance(one, ast.Name) else one.attr
        for one in calls
        if isinstance(one, ast.Name | ast.Attribute)
    }


NEUTRAL: Final[Mapping[str, Callable[[], ast.expr]]] = {
    "Iterator": lambda: ast.Tuple([], ast.Load()),
    "Iterable": lambda: ast.Tuple([], ast.Load()),
    "list": lambda: ast.List([], ast.Load()),
    "Sequence": lambda: ast.Tuple([], ast.Load()),
    "dict": lambda: ast.Dict([], []),
    "bool": lambda: ast.Constant(False),
    "int": lambda: ast.Constant(0),
}


def neutral_of(function: ast.FunctionDef) -> ast.expr | None:
    """Return what a function returns if it concludes nothing; None if there is no such value."""
    return _neutral(function.returns, function.args) if function.returns is not None else None


def _neutral(annotation: ast.expr, arguments: ast.arguments) -> ast.expr | None:
    if isinstance(annotation, ast.BinOp):
        return ast.Constant(None) if "None" in ast.unparse(annotation).split(" | ") else None
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "tuple":
        inner = (
            annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        )
        if ast.unparse(inner[-1]) == "...":
            return ast.Tuple([], ast.Load())
        known = [found for one in inner if (found := _neutral(one, arguments)) is not None]
        return None if len(known) < len(inner) else ast.Tuple(list[ast.expr](known), ast.Load())
    kind = ast.unparse(annotation.value if isinstance(annotation, ast.Subscript) else annotation)
    given = [
        one.arg
        for one in arguments.args
        if one.annotation is not None and ast.unparse(one.annotation) == kind
    ]
    if given:
        return ast.Name(given[-1], ast.Load())
    return NEUTRAL[kind]() if kind in NEUTRAL else None


# What is found


def sources(folder: Path = FOLDER, package: str = PACKAGE) -> list[Source]:
    """Return all modules of the package."""
    found = list[Source]()
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join((package, *(part for part in parts if part != "__init__")))
        found.append(Source(name, path.read_text()))
    return found


def of(chosen: Sequence[Source], parts: Sequence[str]) -> list[Source]:
    return [one for one in chosen if one.short.partition(".")[0] in parts]


class Judge:
    """The rules and clauses of some modules."""

    def __init__(self, modules: Sequence[Source]) -> None:
        self.functions = [one for module in modules for one in module.functions]
        self.conclusions = set(CONCLUSIONS)
        classes = [
            node for module in modules for node in module.nodes if isinstance(node, ast.ClassDef)
        ]
        for node in (*classes, *classes):  # a field may be of a class that comes later
            fields = [one.annotation for one in node.body if isinstance(one, ast.AnnAssign)]
            if node.name != "Judgement" and any(_names(one) & self.conclusions for one in fields):
                self.conclusions.add(node.name)
        self.names = {one.node.name for one in self.functions}
        concluding = [one for one in self.functions if one.returned & self.conclusions]
        self.makers = self.conclusions | {
            one.node.name for one in concluding if one.neutral is None
        }
        asked = {name for module in modules for name in _tabled(module)} & self.names
        self.tabled = [
            one for one in self.functions if one.node.name in asked and one.neutral is not None
        ]
        asking = [
            one for one in concluding if one.neutral is not None and one not in self.tabled
        ] + self.tabled
        self.asking = {one.node.name for one in asking}
        calls = {
            one.name: _called(ast.Module(one.node.body, [])) & (self.asking - {one.node.name})
            for one in asking
        }
        callers = Counter(name for called in calls.values() for name in called)
        silent = [one for one in asking if not self._says(one) and len(calls[one.name]) == 1]
        through = {
            one.name: name for one in silent for name in calls[one.name] if callers[name] > 1
        }
        shared = {
            name for name in through.values() if callers[name] == list(through.values()).count(name)
        }
        self.rules = [
            one
            for one in asking
            if one in self.tabled
            or one.name in through
            or (self._says(one) and one.node.name not in shared)
        ]

    def sites(self) -> Iterator[Site]:
        for rule in self.rules:
            yield self._rule(rule)
        for rule in self.rules:
            yield from self._conclusions(rule)
        for function in self.functions:
            if function not in self.rules:
                yield from _yields(function, self)
            for node in function.own:
                if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
                    yield from self._operands(function, node)

    def _says(self, function: Function) -> bool:
        """Whether a function draws a conclusion by itself: it makes one, changes one, or says
        something in words."""
        body = ast.Module(function.node.body, [])
        words = [
            one.value
            for one in function.own
            if isinstance(one, ast.Constant) and isinstance(one.value, str)
        ]
        texts = [
            one
            for one in words
            if " " in one and one != ast.get_docstring(function.node, clean=False)
        ]
        is_changed = "replace" in _called(body) and bool(
            _names(function.node.args) & self.conclusions
        )
        return bool(_called(body) & self.makers or texts or is_changed)

    def own_statements(self, rule: Function) -> list[ast.AST]:
        """Return the statements of a rule that conclude something which no other rule does."""
        if rule in self.tabled and not rule.is_generator:
            returns = [
                node for node in rule.own if isinstance(node, ast.Return) and node.value is not None
            ]
            return [node for node in returns if not isinstance(node.value, ast.Constant)]
        return [node for node in rule.own if self._is_own(node)]

    def _is_own(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Return):
            return node.value is not None and bool(_called(node.value) & self.makers)
        if not isinstance(node, ast.Expr):
            return False
        if isinstance(node.value, ast.YieldFrom):
            told = node.value.value
            return isinstance(told, ast.Tuple) or not _called(told) & self.asking
        return isinstance(node.value, ast.Yield)

    def _rule(self, rule: Function) -> Site:
        lines = (rule.node.end_lineno or 0) - min(
            [rule.node.lineno, *(one.lineno for one in rule.node.decorator_list)]
        )
        parts = [Part(rule.source.place_of(rule.node))]
        own = self.own_statements(rule)
        asked = _called(ast.Module(rule.node.body, [])) & (self.asking - {rule.node.name})
        if own and asked and rule not in self.tabled:
            parts = [part for node in own for part in self._own_parts(rule.source, node)]
        return Site(RULE, rule.source.name, rule.name, lines + 1, tuple(parts))

    def _own_parts(self, source: Source, node: ast.AST) -> list[Part]:
        value = getattr(node, "value", None)
        if isinstance(node, ast.Return) and isinstance(value, ast.BoolOp):
            places = [place for place, one in enumerate(value.values) if _called(one) & self.makers]
            return [Part(source.place_of(value), place) for place in places]
        return [Part(source.place_of(node))]

    def _conclusions(self, rule: Function) -> Iterator[Site]:
        own = self.own_statements(rule)
        for node in own if len(own) > 1 else ():
            parts = tuple(self._own_parts(rule.source, node))
            yield Site(CLAUSE, rule.source.name, _title(rule, node), _lines(node), parts, rule.name)

    def _operands(self, function: Function, node: ast.BoolOp) -> Iterator[Site]:
        asked = [place for place, one in enumerate(node.values) if self._is_question(one)]
        place = function.source.place_of(node)
        if len(asked) < 2:
            return
        group = f"{function.name}:{node.lineno}"
        for number in asked:
            one = node.values[number]
            if not (isinstance(one, ast.Call) and _called(one) & self.asking):
                yield Site(
                    CLAUSE,
                    function.source.name,
                    _title(function, one),
                    _lines(one),
                    (Part(place, number),),
                    group,
                )

    def _is_question(self, node: ast.AST) -> bool:
        """Whether it asks something: not only whether a value is there, as those tests do that
        types need."""
        if isinstance(node, ast.BoolOp):
            return any(map(self._is_question, node.values))
        if isinstance(node, ast.UnaryOp):
            return self._is_question(node.operand)
        if isinstance(node, ast.Compare):
            return not all(isinstance(one, ast.Is | ast.IsNot) for one in node.ops) or bool(
                _called(node) & self.names
            )
        if isinstance(node, ast.Call):
            return bool(_called(node) & self.names) or bool(_called(node) & {"any", "all"})
        name = (
            node.id
            if isinstance(node, ast.Name)
            else node.attr
            if isinstance(node, ast.Attribute)
            else ""
        )
        return name.lstrip("_").startswith(QUESTION)


def _tabled(module: Source) -> Iterator[str]:
    """Yield the names of the functions that the rows of a table ask: given by name, to a function
    perhaps that asks them in a certain way, or called by a lambda."""
    waiting: list[ast.AST] = [value for table, value in module.constants.items() if table in TABLES]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Lambda):
            yield from _called(node.body)
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Call | ast.Tuple):
            given = (
                [*node.args, *(one.value for one in node.keywords)]
                if isinstance(node, ast.Call)
                else node.elts
            )
            yield from (one.id for one in given if isinstance(one, ast.Name))
            yield from (one.attr for one in given if isinstance(one, ast.Attribute))


def _yields(function: Function, judge: Judge) -> Iterator[Site]:
    """Yield the explanations of a function that yields several, without being a rule."""
    own = [node for node in judge.own_statements(function) if isinstance(node, ast.Expr)]
    for node in own if len(own) > 1 else ():
        parts = (Part(function.source.place_of(node)),)
        yield Site(
            CLAUSE, function.source.name, _title(function, node), _lines(node), parts, function.name
        )


def _title(function: Function, node: ast.AST, most: int = 60) -> str:
    text = ast.unparse(node).replace("\n", " ")
    return (
        f"{function.name}:{getattr(node, 'lineno', 0)} "
        f"{text[:most]}{'…' if len(text) > most else ''}"
    )


def _lines(node: ast.AST) -> int:
    return int(getattr(node, "end_lineno", 0) - getattr(node, "lineno", 0) + 1)


# Numbers


def numbers(modules: Sequence[Source]) -> Iterator[Site]:
    for source in modules:
        for name, value in source.constants.items():
            found = [node for node in ast.walk(value) if _is_number(source, node, is_constant=True)]
            for place, node in enumerate(found):
                told = name if len(found) == 1 else f"{name}[{place}]"
                if name not in EXCLUDED:
                    yield _number(source, node, f"{source.short}.{told}", name)
        for function in source.functions:
            for node in function.own:
                if (
                    _is_number(source, node, is_constant=False)
                    and f"{function.node.name}:{_value(node)}" not in EXCLUDED
                ):
                    above = source.parent[id(node)]
                    yield _number(
                        source,
                        node,
                        _title(function, node if isinstance(above, ast.stmt) else above),
                        "",
                    )


def excluded(modules: Sequence[Source]) -> Iterator[str]:
    """Yield the literals that are no numbers of the judge, with the reasons."""
    for source in modules:
        for name in source.constants:
            if name in EXCLUDED:
                yield f"{source.short}.{name}: {EXCLUDED[name]}"
        for function in source.functions:
            names = {
                f"{function.node.name}:{_value(node)}"
                for node in function.own
                if isinstance(node, ast.Constant)
            }
            yield from (
                f"{source.short}.{name}: {EXCLUDED[name]}"
                for name in sorted(names & EXCLUDED.keys())
            )


def _number(source: Source, node: ast.AST, name: str, constant: str) -> Site:
    return Site(
        NUMBER,
        source.name,
        name,
        _lines(node),
        (Part(source.place_of(node)),),
        "",
        _value(node) or 0,
        constant,
    )


def _value(node: ast.AST) -> float | None:
    """Return the number that a literal is, or a power of two literals."""
    if isinstance(node, ast.Constant):
        return (
            node.value
            if isinstance(node.value, int | float) and not isinstance(node.value, bool)
            else None
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        base, exponent = _value(node.left), _value(node.right)
        return (
            None
            if base is None or exponent is None
            else float(base**exponent)
            if exponent < 0
            else base**exponent
        )
    return None


def _is_number(source: Source, node: ast.AST, *, is_constant: bool) -> bool:
    value = _value(node)
    above = source.parent.get(id(node))
    if (
        value is None
        or value in (0, 1)
        or math.isinf(value)
        or (above is not None and _value(above) is not None)
    ):
        return False
    if not is_constant and value in UNIT_FACTORS:
        return False
    return not any(_is_no_matter(node, one) for one in source.above(node))


def _is_no_matter(node: ast.AST, above: ast.AST) -> bool:
    """Whether what contains a literal makes it an index, a text or a rounding."""
    if isinstance(above, ast.Subscript):
        return any(one is node for one in ast.walk(above.slice))
    called = (
        above.func.id if isinstance(above, ast.Call) and isinstance(above.func, ast.Name) else ""
    )
    return isinstance(above, ast.JoinedStr) or called in ("round", "itemgetter")


# Uses of constants: only a case that uses one can be judged otherwise with another number


Key = tuple[str, str]
"""A constant: its module and its name."""


@dataclass
class Uses:
    """By which names each module knows the constants of all modules, and which constants depend on
    which."""

    modules: Mapping[str, Source]
    depends: dict[Key, set[Key]] = field(default_factory=dict)
    everywhere: set[Key] = field(default_factory=set)
    """Used where no function runs, as a default for example."""

    def __post_init__(self) -> None:
        self.known = {name: self._imported(source) for name, source in self.modules.items()}
        for source in self.modules.values():
            self._note(source)

    def _imported(self, source: Source) -> tuple[dict[str, Key], dict[str, str]]:
        names = {name: (source.name, name) for name in source.constants}
        aliases = dict[str, str]()
        for node in source.nodes:
            for one in node.names if isinstance(node, ast.ImportFrom) else ():
                whole = f"{node.module}.{one.name}"  # type: ignore[attr-defined]
                if whole in self.modules:
                    aliases[one.asname or one.name] = whole
                elif (key := self._origin(node.module, one.name)) is not None:  # type: ignore[attr-defined]
                    names[one.asname or one.name] = key
        return names, aliases

    def _origin(self, module: str | None, name: str) -> Key | None:
        source = self.modules.get(module or "")
        if source is None or name in source.constants:
            return None if source is None else (source.name, name)
        froms = [one for one in source.nodes if isinstance(one, ast.ImportFrom)]
        given = [
            one.module
            for one in froms
            if name in {alias.asname or alias.name for alias in one.names}
        ]
        return self._origin(given[0], name) if given else None

    def key_of(self, module: str, node: ast.AST) -> Key | None:
        names, aliases = self.known[module]
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in aliases
        ):
            key = (aliases[node.value.id], node.attr)
            return key if key[1] in self.modules[key[0]].constants else None
        return (
            names.get(node.id)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
            else None
        )

    def _note(self, source: Source) -> None:
        inside = {id(node) for function in source.functions for node in function.own}
        assigned = {
            id(node): name for name, value in source.constants.items() for node in ast.walk(value)
        }
        for node in source.nodes:
            key = self.key_of(source.name, node)
            if key is None or id(node) in inside:
                continue
            if id(node) in assigned:
                self.depends.setdefault(key, set()).add((source.name, assigned[id(node)]))
            else:
                self.everywhere.add(key)

    def dependants(self, key: Key) -> set[Key]:
        """Return a constant, and all that are made of it."""
        found, waiting = set[Key](), [key]
        while waiting:
            if (one := waiting.pop()) not in found:
                found.add(one)
                waiting += self.depends.get(one, ())
        return found


# What a process judges by


def changed(source: Source, site: Site, value: float | None = None) -> ast.Module:
    """Return the module without a rule or a clause, or with another number."""
    tree = ast.parse(source.text)
    nodes = list(ast.walk(tree))
    functions = {id(inner): one.node for one in source.functions for inner in one.own}
    for part in site.parts:
        node = nodes[part.node]
        if value is not None:
            _set_number(node, value)
        elif isinstance(node, ast.BoolOp):
            node.values[part.operand] = ast.Constant(None)
        else:
            _switch_off(node, functions.get(id(source.nodes[part.node])))
    return ast.fix_missing_locations(tree)


def _set_number(node: ast.AST, value: float) -> None:
    if isinstance(node, ast.Constant):
        node.value = value
    elif isinstance(node, ast.BinOp):
        node.left, node.op, node.right = ast.Constant(value), ast.Mult(), ast.Constant(1)


def _switch_off(node: ast.AST, function: ast.FunctionDef | None) -> None:
    if isinstance(node, ast.FunctionDef):
        is_generator = any(isinstance(one, ast.Yield | ast.YieldFrom) for one in ast.walk(node))
        nothing = ast.Expr(ast.YieldFrom(ast.Tuple([], ast.Load())))
        node.body = [nothing] if is_generator else [ast.Return(neutral_of(node))]
    elif isinstance(node, ast.Expr):
        node.value = ast.YieldFrom(ast.Tuple([], ast.Load()))
    elif isinstance(node, ast.Return) and function is not None:
        _fall_through(node, neutral_of(function))


def _fall_through(node: ast.Return, neutral: ast.expr | None) -> None:
    """Go on after a conclusion that is not drawn, to the next question."""
    if isinstance(neutral, ast.Constant) and neutral.value is None:
        node.__class__ = ast.Expr  # type: ignore[assignment]
        node.value = ast.Constant(None)
    else:
        node.value = neutral


def opposite(value: float, factor: float) -> float:
    """Return a number doubled or halved; a whole one stays whole, and differs."""
    if isinstance(value, float):
        return value * factor
    found = round(value * factor)
    return found if found != value else value - 1


def install(source: Source, tree: ast.Module, helpers: Mapping[str, object] | None = None) -> None:
    """Give the functions of a loaded module the code of a changed one, and the constants that
    differ."""
    module = import_module(source.name)
    vars(module).update(helpers or {})
    _take_over(module, compile(tree, f"<{source.name}>", "exec"), helpers or {})


def switch(
    modules: Sequence[Source], codes: Mapping[str, CodeType], site: Site, value: float | None = None
) -> None:
    """Switch off a rule or a clause in this process, or set another number. The constants of all
    modules that are made of that are formed again."""
    source = next(one for one in modules if one.name == site.module)
    code = compile(changed(source, site, value), f"<{site.module}>", "exec")
    _take_over(import_module(site.module), code, {})
    known = {**codes, site.module: code}
    while site.constant and sum(
        _take_over(import_module(one.name), known[one.name], {}) for one in modules
    ):
        pass


def compiled(modules: Sequence[Source]) -> dict[str, CodeType]:
    return {one.name: compile(one.tree, f"<{one.name}>", "exec") for one in modules}


def _take_over(module: ModuleType, code: CodeType, helpers: Mapping[str, object]) -> bool:
    fresh = {"__name__": module.__name__, "__file__": module.__file__, **helpers}
    exec(code, fresh)  # noqa: S102 - our own source
    new, old = (
        dict(_functions(fresh, module.__name__)),
        dict(_functions(vars(module), module.__name__)),
    )
    for path in new.keys() & old.keys():
        old[path].__code__, old[path].__defaults__ = new[path].__code__, new[path].__defaults__
        old[path].__kwdefaults__ = new[path].__kwdefaults__
    different = {
        name: value
        for name, value in fresh.items()
        if not name.startswith("__") and _is_plain(value) and vars(module).get(name) != value
    }
    vars(module).update(different)
    return bool(different)


def _functions(names: Mapping[str, Any], module: str) -> Iterator[tuple[str, FunctionType]]:
    for value in list(names.values()):
        inner = (
            vars(value).values()
            if isinstance(value, type) and value.__module__ == module
            else [value]
        )
        for one in inner:
            function = (
                getattr(one, "fget", None)
                or getattr(one, "func", None)
                or getattr(one, "__wrapped__", one)
            )
            function = getattr(function, "__func__", function)
            if isinstance(function, FunctionType) and function.__module__ == module:
                yield function.__qualname__, function


def _is_plain(value: object) -> bool:
    """Whether a constant is made of numbers and texts only."""
    if isinstance(value, tuple | list | frozenset | set):
        return type(value) in (tuple, list, frozenset, set) and all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.keys())) and all(map(_is_plain, value.values()))
    return isinstance(value, int | float | str) and not isinstance(value, Enum)
