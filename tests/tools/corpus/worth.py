"""What each rule and each number of the judge is worth: the corpus is judged again without it.

For each rule and clause, and for each number doubled and halved (`tests.tools.corpus.rules` says
what these are), it prints how many sessions are judged otherwise, and how. Only the cases are
judged again in which the rule concludes something, or the number is used: all others stay as they
are.
"""

from __future__ import annotations

import argparse
import ast
import gc
import json
import multiprocessing
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, Final, NamedTuple

from rich.progress import track

import levity_trio.charging.energy as energy_module
from levity_trio.charging.energy import Judgement
from tests.tools.corpus import rules
from tests.tools.corpus.kept import FOLDER, Kept, Said, load, names
from tests.tools.corpus.rules import CLAUSE, NUMBER, RULE, Judge, Key, Part, Site, Source, Uses

FACTORS: Final = {"×2": 2.0, "÷2": 0.5}
REPORTS: Final = "reports"
MOST_SECONDS: Final = 200
"""Of CPU, for all cases of one variant: with another number, a loop may have no end."""
SHOWN: Final = 3
LEDGER: Final = FOLDER / "ledger.json"
"""What each rule was worth when `just worth --ledger` was last run; a page of the manual shows
it."""
EVERY: Final = 50
"""After how many variants it says how far it is, if there is no terminal for a bar."""
MATCHING: Final = "matching"


class Found(NamedTuple):
    """What the rules say of a case; what else later judgements rest on (the neighbour's registers,
    habits and ceilings that are learned), and what only a person reads, each as a digest."""

    said: Said
    grounds: int
    words: int


def found_of(judged: Judgement) -> Found:
    course = judged.course
    ends = (
        judged.method,
        judged.billed_from,
        judged.billed_until,
        judged.code and judged.code.value,
        judged.factor,
    )
    flags = (judged.is_confirmed, judged.is_power_scaled, judged.is_sole)
    words = tuple((one.words, one.evidence, *one.figures.items()) for one in judged.doubts)
    return Found(Said.of(judged), hash((ends, flags, *course.at, None, *course.wh)), hash(words))


class Entry(NamedTuple):
    """A case of the corpus, with the name of its file."""

    file: str
    kept: Kept


class Variant(NamedTuple):
    """The judge without one rule or clause, or without several at once; or with another number."""

    site: Site
    factor: str = ""
    others: tuple[Site, ...] = ()

    @property
    def name(self) -> str:
        if self.site.kind != NUMBER:
            return self.site.name if not self.others else f"all {1 + len(self.others)} at once"
        return f"{self.site.name} {self.site.number:g}{self.factor}"


@dataclass
class Worth:
    """What a rule is worth: how many sessions are otherwise without it."""

    name: str
    kind: str
    lines: int
    judged: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    sources: dict[str, list[str]] = field(default_factory=dict)
    """Some of the sessions for each count; all that would be silently wrong."""
    report: str = ""
    """A report that is judged otherwise without it."""

    def note(self, what: str, entry: Entry) -> None:
        self.counts[what] += 1
        found = self.sources.setdefault(what, [])
        if len(found) < SHOWN or what == WRONG:
            found.append(f"{entry.file}, {entry.kept.source}")
        if entry.file == REPORTS and what in (DIFFERENT, RAISED) and not self.report:
            self.report = entry.kept.source

    @property
    def is_without_effect(self) -> bool:
        return not any(self.counts[what] for what in (DIFFERENT, GROUNDS, RAISED))

    @property
    def is_needed(self) -> bool:
        return any(self.counts[what] for what in (WRONG, RIGHT, HONEST, LOST, RAISED))


COLUMNS: Final = (
    *("silently wrong", "right proposals", "honest spared", "lost", "better without", "different"),
    *("only grounds", "only words", "raised"),
)
WRONG, RIGHT, HONEST, LOST, BETTER, DIFFERENT, GROUNDS, WORDS, RAISED = COLUMNS


def compare(worth: Worth, entry: Entry, now: Found, without: Found) -> None:
    """Note what is otherwise without a rule."""
    kept, old, new = entry.kept, now.said, without.said
    if old == new:
        if now != without:
            worth.note(WORDS if now.grounds == without.grounds else GROUNDS, entry)
        return
    worth.note(DIFFERENT, entry)
    for what in _otherwise(kept, old, new):
        worth.note(what, entry)


def _otherwise(kept: Kept, old: Said, new: Said) -> Iterator[str]:
    is_spared = not kept.truth.is_lie and not old.is_certain and new.is_certain
    is_set_right = not old.is_certain and not kept.is_right(old) and kept.is_right(new)
    is_wrong, was_wrong = kept.is_silently_wrong(new), kept.is_silently_wrong(old)
    is_lost, was_lost = kept.is_lost(new), kept.is_lost(old)
    found = {
        WRONG: is_wrong and not was_wrong,
        LOST: is_lost and not was_lost,
        RIGHT: not old.is_certain
        and kept.is_right(old)
        and not new.is_certain
        and not kept.is_right(new),
        HONEST: not kept.truth.is_lie and old.is_certain and not new.is_certain,
        BETTER: not is_wrong
        and not is_lost
        and (was_wrong or was_lost or is_spared or is_set_right),
    }
    yield from (what for what, holds in found.items() if holds)


# Which cases use what


class Recording(ast.NodeTransformer):
    """Lets a module note each rule that concludes something, each operand that is true, each number
    that is used."""

    def __init__(self, source: Source, notes: Notes) -> None:
        self.source = source
        self.notes = notes
        self.functions = list[ast.FunctionDef]()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.functions.append(node)
        node.body = [self.visit(one) for one in node.body]
        self.functions.pop()
        return node

    def _key(self, node: ast.AST, operand: int = -1) -> int | None:
        return self.notes.parts.get((self.source.name, Part(getattr(node, "place", -1), operand)))

    def visit_Return(self, node: ast.Return) -> ast.Return:
        self.generic_visit(node)
        function = self.functions[-1]
        if node.value is not None and (key := self._key(function)) is not None:
            node.value = _call(
                "_concluded", key, node.value, rules.neutral_of(function) or ast.Constant(None)
            )
        if (key := self._key(node)) is not None:
            node.value = _call("_used", key, node.value or ast.Constant(None))
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        self.generic_visit(node)
        if isinstance(node.value, ast.Yield | ast.YieldFrom) and self.functions:
            for key in filter(None, (self._key(self.functions[-1]), self._key(node))):
                name = "_used" if isinstance(node.value, ast.Yield) else "_each"
                node.value.value = _call(name, key, node.value.value or ast.Constant(None))
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.BoolOp:
        self.generic_visit(node)
        keys = [(place, self._key(node, place)) for place in range(len(node.values))]
        for place, key in keys:
            if key is not None:
                node.values[place] = _call("_true", key, node.values[place])
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        key = self._key(node) if self.functions else None
        return node if key is None else _call("_used", key, node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        key = self._key(node) if self.functions else None
        return node if key is None else _call("_used", key, node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._constant(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        return self._constant(node)

    def _constant(self, node: ast.Name | ast.Attribute) -> ast.expr:
        known = self.notes.uses.key_of(self.source.name, node) if self.functions else None
        key = None if known is None else self.notes.constants.get(known)
        return node if key is None else _call("_used", key, node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        node.value = self.visit(node.value) if node.value is not None else None
        return node


def _call(name: str, key: int, *values: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), [ast.Constant(key), *values], [])


class Notes:
    """For each part of the judge, a byte for each case: 1 if the part has an effect on it."""

    def __init__(self, modules: Sequence[Source], sites: Sequence[Site], cases: int) -> None:
        self.uses = Uses({one.name: one for one in modules})
        self.parts = dict[tuple[str, Part], int]()
        for site in sites:
            for part in site.parts if not site.constant else ():
                self.parts.setdefault((site.module, part), len(self.parts) + 1)
        keys = {key for site in sites if site.constant for key in self._keys(site)}
        self.constants = {
            key: len(self.parts) + number for number, key in enumerate(sorted(keys), 1)
        }
        self.cases = cases
        self.bits = [bytearray(cases) for _ in range(1 + len(self.parts) + len(self.constants))]
        self.case = 0

    def _keys(self, site: Site) -> set[Key]:
        return self.uses.dependants((site.module, site.constant))

    def used(self, key: int, value: Any) -> Any:
        self.bits[key][self.case] = 1
        return value

    def true(self, key: int, value: Any) -> Any:
        if value:
            self.bits[key][self.case] = 1
        return value

    def concluded(self, key: int, value: Any, neutral: Any) -> Any:
        if value is not neutral and value != neutral:
            self.bits[key][self.case] = 1
        return value

    def each(self, key: int, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self.bits[key][self.case] = 1
            yield value

    def install(self, modules: Sequence[Source]) -> None:
        helpers = {
            "_used": self.used,
            "_true": self.true,
            "_concluded": self.concluded,
            "_each": self.each,
        }
        for source in modules:
            tree = ast.parse(source.text)
            for place, node in enumerate(ast.walk(tree)):
                node.place = place  # type: ignore[attr-defined]
            rules.install(
                source, ast.fix_missing_locations(Recording(source, self).visit(tree)), helpers
            )

    def places(self, site: Site) -> list[int]:
        """Return the cases on which a rule or a number may have an effect."""
        if not site.constant:
            keys = {self.parts[site.module, part] for part in site.parts}
        elif self._keys(site) & self.uses.everywhere:
            return list(range(self.cases))
        else:
            keys = {self.constants[key] for key in self._keys(site)}
        found = [self.bits[key] for key in keys]
        return [place for place in range(self.cases) if any(bits[place] for bits in found)]


# Judging


class Corpus:
    """The loaded cases and the source of the judge. Each variant is judged in a fork, as cases
    remember what was formed of them."""

    def __init__(self, entries: Sequence[Entry], modules: Sequence[Source] | None = None) -> None:
        self.entries = entries
        self.modules = modules or rules.sources()
        self.judging = rules.of(self.modules, rules.JUDGING)
        self.numbered = rules.of(self.modules, rules.NUMBERED)
        self.sites = [*Judge(self.judging).sites(), *rules.numbers(self.numbered)]
        self.notes = Notes(self.modules, self.sites, len(entries))
        self.now = list[Found]()

    @cached_property
    def codes(self) -> dict[str, Any]:
        return rules.compiled(self.numbered)

    def record(self) -> None:
        """Judge all cases as they are, and note which rule and which number has an effect on
        which."""
        _ = self.codes
        gc.freeze()
        with _forks(1, self) as pool:
            self.now, self.notes.bits = pool.apply(_recorded)

    def variants(self, kinds: Sequence[str], pattern: str = "") -> list[Variant]:
        chosen = [one for one in self.sites if one.kind in kinds and re.search(pattern, one.name)]
        factors = {RULE: [""], CLAUSE: [""], NUMBER: list(FACTORS)}
        return [Variant(one, factor) for one in chosen for factor in factors[one.kind]]

    def worths(self, variants: Sequence[Variant], jobs: int = 1) -> Iterator[Worth]:
        """Yield what each is worth, in any order."""
        with _forks(jobs, self) as pool:
            yield from pool.imap_unordered(_worth, variants)


_CORPUS: list[Corpus] = []
"""That of the forks."""


def _forks(jobs: int, corpus: Corpus) -> Any:
    _CORPUS[:] = [corpus]
    return multiprocessing.get_context("fork").Pool(jobs, _begin, maxtasksperchild=1)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _recorded() -> tuple[list[Found], list[bytearray]]:
    (corpus,) = _CORPUS
    corpus.notes.install(corpus.numbered)
    found = list[Found]()
    for place, entry in enumerate(corpus.entries):
        corpus.notes.case = place
        found.append(found_of(energy_module.judge(entry.kept.case)))
    return found, corpus.notes.bits


def _worth(variant: Variant) -> Worth:
    (corpus,) = _CORPUS
    site, sites = variant.site, (variant.site, *variant.others)
    places = sorted({place for one in sites for place in corpus.notes.places(one)})
    worth = Worth(variant.name, site.kind, sum(one.lines for one in sites), len(places))
    if not places:
        return worth
    value = rules.opposite(site.number, FACTORS[variant.factor]) if site.kind == NUMBER else None
    for module in {one.module for one in sites}:
        parts = tuple(part for one in sites if one.module == module for part in one.parts)
        rules.switch(
            corpus.numbered, corpus.codes, site._replace(module=module, parts=parts), value
        )
    signal.signal(signal.SIGPROF, _give_up)
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    for place in places:
        entry = corpus.entries[place]
        try:
            without = found_of(energy_module.judge(entry.kept.case))
        except TimeoutError:
            worth.note(RAISED, entry)
            break
        except Exception:  # noqa: BLE001 - without a test for a value, the next line may raise anything
            worth.note(RAISED, entry)
        else:
            compare(worth, entry, corpus.now[place], without)
    return worth


def _give_up(*_: object) -> None:
    raise TimeoutError


# What is printed


def table(worths: Sequence[Worth]) -> Iterator[str]:
    heads = ("lines", "judged", *COLUMNS)
    yield "  ".join([*heads, "name · report"])
    for one in worths:
        figures = (one.lines, one.judged, *(one.counts[column] for column in COLUMNS))
        told = [str(figure).rjust(len(head)) for figure, head in zip(figures, heads, strict=True)]
        yield "  ".join([*told, one.name + (f" · {one.report}" if one.report else "")])


def summary(corpus: Corpus, worths: Sequence[Worth]) -> Iterator[str]:
    kinds = Counter(one.kind for one in corpus.sites)
    groups = {one.group for one in corpus.sites if one.kind == CLAUSE}
    yield (
        f"{kinds[RULE]} rules, {kinds[CLAUSE]} clauses in {len(groups)} groups, {kinds[NUMBER]} "
        "numbers"
    )
    yield (
        "questions (a rule, and each further one of a group): "
        f"{kinds[RULE] + kinds[CLAUSE] - len(groups)}"
    )
    apart = [one for one in worths if one.kind != NUMBER and one.is_without_effect]
    yield (
        f"without an effect: {len(apart)} rules and clauses of {sum(one.lines for one in apart)} "
        "lines"
    )
    yield from (
        f"  {one.kind} {one.name}{' (words only)' if one.counts[WORDS] else ''}" for one in apart
    )
    idle = [
        one
        for one in worths
        if one.kind != NUMBER and not one.is_without_effect and not one.is_needed
    ]
    yield f"with an effect, but no session is worse without it: {len(idle)} rules and clauses"
    yield from (
        f"  {one.kind} {one.name}{f', of a report: {one.report}' if one.report else ''}"
        for one in idle
    )
    moved = Counter(
        one.name.rpartition(" ")[0]
        for one in worths
        if one.kind == NUMBER and not one.is_without_effect
    )
    tried = {one.name.rpartition(" ")[0]: one for one in worths if one.kind == NUMBER}
    unused = sorted(name for name, one in tried.items() if not one.judged)
    still = sorted(name for name in tried if name not in moved and name not in unused)
    yield f"numbers that move nothing: {len(still)}"
    yield from (f"  {name}" for name in still)
    yield (
        "numbers that no case of the corpus uses (they are gathered before, or kept in the "
        f"case): {len(unused)}"
    )
    yield from (f"  {name}" for name in unused)
    yield "no numbers of the judge:"
    yield from (f"  {one}" for one in rules.excluded(corpus.numbered))
    matching = [one for one in corpus.modules if one.short.startswith(MATCHING)]
    asked = [one for source in matching for one in source.functions if _is_asking(one)]
    yield f"rules of matching, which the corpus does not judge: {len(asked)}"
    yield from (f"  {one.name}" for one in asked)


def _is_asking(function: rules.Function) -> bool:
    """Whether a function of matching decides something: yes or no, or a reason against."""
    returns = function.node.returns
    return returns is not None and ast.unparse(returns) in (
        "bool",
        "str | None",
        "Match",
        "int | None",
    )


def order(one: Worth) -> tuple[object, ...]:
    kinds = (RULE, CLAUSE, NUMBER)
    return (
        kinds.index(one.kind),
        *(-one.counts[column] for column in (WRONG, LOST, RIGHT, HONEST, DIFFERENT)),
        one.name,
    )


def ledger(worths: Iterable[Worth], before: Sequence[dict[str, Any]]) -> str:
    """Return a line of JSON for each rule, in the order of its worth. What was not measured now
    stays as before."""
    columns = (WRONG, LOST, RIGHT, HONEST)
    told: list[dict[str, Any]] = [
        {"rule": one.name, "lines": one.lines, "report": _told(one.report)}
        | {name: one.counts[name] for name in columns}
        for one in worths
        if one.kind == RULE
    ]
    measured = {one["rule"] for one in told}
    told = [*(one for one in before if one["rule"] not in measured), *told]
    told.sort(key=lambda one: [-one[column] for column in columns])
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in told)
    return f"[\n{lines}\n]\n"


def _told(report: str) -> str:
    """Return what a report says, without the test that tells it and the issue that listed it."""
    return re.sub(r"^.*?\]: (Issue \d+, \w+: )?", "", report)


def _entries(every: int) -> Iterator[Entry]:
    for name in names():
        yield from (
            Entry(name, kept)
            for kept in islice(load(name), None, None, 1 if name == REPORTS else every)
        )


def _kinds(chosen: argparse.Namespace) -> Sequence[str]:
    """Return what was asked for: rules, clauses, numbers."""
    if chosen.ledger:
        return [RULE]
    if chosen.numbers:
        return [NUMBER]
    return [RULE, CLAUSE] if chosen.rules else [RULE, CLAUSE, NUMBER]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.corpus.worth", description=__doc__)
    parser.add_argument("--rules", action="store_true", help="rules and clauses only")
    parser.add_argument("--numbers", action="store_true", help="numbers only")
    parser.add_argument(
        "--only", default="", metavar="PATTERN", help="those whose name has this pattern"
    )
    parser.add_argument("--json", metavar="FILE", help="write the result to a file, too")
    parser.add_argument(
        "--ledger",
        action="store_true",
        help="rules only, and write what they are worth for the manual",
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at once [%(default)s]")
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="only every Nth case [%(default)s]"
    )
    parser.add_argument("--list", action="store_true", help="only list what would be judged")
    parser.add_argument(
        "--together", action="store_true", help="judge without all these rules and clauses at once"
    )
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    corpus = Corpus([] if chosen.list else list(_entries(chosen.every)))
    variants = corpus.variants(_kinds(chosen), chosen.only)
    if chosen.together:
        first, *others = [one.site for one in corpus.variants([RULE, CLAUSE], chosen.only)]
        variants = [Variant(first, others=tuple(others))]
    if chosen.list:
        print("\n".join(f"{one.site.kind} {one.name}" for one in variants))
        print("\n".join(summary(corpus, [])))
        return 0
    corpus.record()
    worths = list[Worth]()
    _show(
        f"{len(corpus.entries)} cases, {len(variants)} variants, {time.monotonic() - began:.0f} s "
        "so far"
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for one in track(
            corpus.worths(variants, chosen.jobs),
            total=len(variants),
            disable=not sys.stderr.isatty(),
        ):
            worths.append(one)
            if len(worths) % EVERY == 0 and not sys.stderr.isatty():
                _show(f"{len(worths)} of {len(variants)}, {time.monotonic() - began:.0f} s")
    except KeyboardInterrupt:
        _show("interrupted: this is only a part")
    worths.sort(key=order)
    print("\n".join([*table(worths), *summary(corpus, worths)]))
    if chosen.json:
        with open(chosen.json, "w") as file:  # noqa: PTH123
            json.dump([vars(one) for one in worths], file, ensure_ascii=False, indent=1)
    if chosen.ledger:
        before = json.loads(LEDGER.read_text(encoding="utf-8")) if chosen.only else ()
        LEDGER.write_text(ledger(worths, before), encoding="utf-8")
    _show(f"{time.monotonic() - began:.0f} s")
    return 0


def _show(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
