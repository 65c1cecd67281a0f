"""The texts of the program that people read: `just catalogue de` writes them into the catalogue of
a language.

A text that is new is added without a translation, and one that is gone is left out.

In Python, a text is what `_`, `_n`, `N_` or `Told` get; all words of a table that `N_` gets, or a
record whose class it decorates: two in a pair are one text, if the second has `%(num)s`. In a
template, it is what `_` or `_n` get, and what stands between `trans` and `endtrans`. What looks
like words elsewhere bypasses the catalogues. The sentences of the rooms below the dashboard are
texts as well.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import normalize, read_po

from levity_trio.access import local_lists, offline, securing
from levity_trio.charging import lifecycle
from levity_trio.documents.template import ENGLISH, TRANSLATED
from levity_trio.locale import DOMAIN, FOLDER
from levity_trio.locale.formats import ENGLISH as ENGLISH_FORMAT
from levity_trio.records import texts_of as said_of
from levity_trio.web.api.engine.endpoints import ClientInput
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.fields import english_label, every, fields_of

PACKAGE_FOLDER: Final = Path(__file__).parents[2] / "levity_trio"
TEMPLATES: Final = {"_": None, "_n": (1, 2), "_p": ((1, "c"), 2), "gettext": None}
OPTIONS: Final = {"silent": "false"}
MARKS: Final = ("_", "_n", "_p", "N_", "Told")
LEAST_LETTERS: Final = 4
OTHERS: Final = ("log.", "Markup", "re.compile")
"""Calls that get no text that people read here: lines of the log, HTML and patterns."""
_WORDS: Final = re.compile(r"[A-Za-z]{2}[,:;.]? [A-Za-z(“{]|^[A-Z][a-z]+$")


OF_PROGRAM: Final = (
    "nouns.py",
    "charging",
    "access",
    "billing",
    "store/billing",
    "load/trial.py",
    "operations",
    "store/writes",
    "store/reads",
    "web/api",
    "web/logins",
)
"""What of the package speaks English: its refusals, facts and reviews are translated where the
dashboard shows them."""
NOT_ON_PAGES: Final = (
    "store/reads/transactions/bill.py",
    "store/reads/transactions/costs.py",  # its statements look like words
    "store/reads/levity",
    "store/writes/site/imports.py",
    "web/api/site/imports.py",
    "web/api/site/logs.py",
    "web/api/engine/openapi.py",
)
"""Modules below those whose texts only the command line, the API and their documentation show: they
stay English."""
_SENTENCE: Final = re.compile(r"[a-z]{2}[,:;.]? [a-z(“{]")
_CODE: Final = re.compile(
    r"\b(?:SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|ORDER "
    r"BY|AND|JOIN|SET|NULL|CASE)\b|[(<]\w+[>(]|\w_\w+, \w"
    r"|\n|^coalesce\(|^'[a-z ]+'$|; filename=|-src '|^(?:\w[\w-]*, ){2,}\w[\w-]*$|^(?:\w{16,} "
    r"){3,}"
    r"|=\"\w+_\w+\"$|^\w+ = |^<|--\w+ \{"
)
_GAP: Final = re.compile(r"(?:\{[^{}]*\})+")
"""What the program fills in. What it fills in side by side is one gap: where the first ends, nobody
can see."""


class Text(NamedTuple):
    """A text in Python, or what looks like one: one message, or one for each number."""

    line: int
    words: tuple[str, ...]
    is_marked: bool
    context: str | None = None


def looks_like_words(text: str) -> bool:
    """Whether people would read it: several words, or one that begins with a capital."""
    return _WORDS.search(text) is not None


def texts_of(source: str) -> Iterator[Text]:
    """Yield the texts of a Python module, and what looks like words and is none."""
    tree = ast.parse(source)
    tables = {"N_"} | {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and "N_" in map(ast.unparse, node.decorator_list)
    }
    yield from _texts(tree, tables, is_table=False)


def _texts(node: ast.AST, tables: Collection[str], *, is_table: bool) -> Iterator[Text]:
    match node:
        case ast.Tuple(
            elts=[ast.Constant(value=str(one)), ast.Constant(value=str(several))], lineno=line
        ) if is_table and "%(num)s" in several:
            yield Text(line, (one, several), is_marked=True)
            return
        case ast.Expr(value=ast.Constant()):  # a docstring
            return
        case ast.Call(
            func=ast.Name(id=("_" | "N_")), args=[ast.Constant(value=str(text)), *_], lineno=line
        ):
            yield Text(line, (text,), is_marked=True)
        case ast.Call(
            func=ast.Name(id="Told"), args=[ast.Constant(str(text)), *_], keywords=more, lineno=line
        ):
            many = [one.value.value for one in more if isinstance(one.value, ast.Constant)]
            yield Text(line, (text, *map(str, many)), is_marked=True)
        case ast.Call(
            func=ast.Name(id="_n" | "_p" as mark),
            args=[ast.Constant(str(one)), ast.Constant(str(two)), *_],
        ):
            words, context = ((one, two), None) if mark == "_n" else ((two,), one)
            yield Text(node.lineno, words, is_marked=True, context=context)
        case ast.Constant(value=str(text), lineno=line) if looks_like_words(text):
            yield Text(line, (text,), is_marked=is_table)
        case ast.JoinedStr(values=parts, lineno=line):
            text = "".join(
                str(one.value) if isinstance(one, ast.Constant) else "{}" for one in parts
            )
            if looks_like_words(text):
                yield Text(line, (text,), is_marked=False)
    yield from _inner(node, tables, is_table=is_table)


def _inner(node: ast.AST, tables: Collection[str], *, is_table: bool) -> Iterator[Text]:
    """Yield the texts in what stands in a node. The keys of a table are for programs."""
    is_other = isinstance(node, ast.Call) and ast.unparse(node.func).startswith(OTHERS)
    is_constant = (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS
    )
    parts = [one for one in getattr(node, "values", ()) if not isinstance(one, ast.Constant)]
    for child in ast.iter_child_nodes(node):
        is_key = is_table and isinstance(node, ast.Dict) and child in node.keys
        is_part = isinstance(node, ast.JoinedStr) and child not in parts
        given = child.value if isinstance(child, ast.keyword) else child
        is_text = is_constant and isinstance(given, ast.Constant)
        if not (is_other or is_key or is_part or is_text):
            is_begun = isinstance(node, ast.Call) and ast.unparse(node.func) in tables
            yield from _texts(child, tables, is_table=is_table or is_begun)


def of_program() -> Iterator[tuple[str, str]]:
    """Yield the files and the texts that the program has in English, with {1} and {2} for what it
    fills in."""
    for room in OF_PROGRAM:
        place = PACKAGE_FOLDER / room
        for path in sorted(place.rglob("*.py")) if place.is_dir() else (place,):
            if str(path.relative_to(PACKAGE_FOLDER)).startswith(NOT_ON_PAGES):
                continue
            for text in texts_of(path.read_text(encoding="utf-8")):
                words = text.words[0]
                if (
                    not text.is_marked
                    and _SENTENCE.search(words)
                    and not _CODE.search(words)
                    and not _is_vague(words)
                ):
                    numbers = count(1)
                    gaps = _GAP.sub(lambda _gap, numbers=numbers: f"{{{next(numbers)}}}", words)  # type: ignore[misc]
                    yield str(path.relative_to(PACKAGE_FOLDER)), gaps


def _is_vague(words: str) -> bool:
    """Whether a text with gaps says so little itself that it would be found in others: {1} to
    {2}."""
    return (
        len(_GAP.findall(words)) > 1
        and len("".join(re.findall("[A-Za-z]", _GAP.sub("", words)))) < LEAST_LETTERS
    )


def of_labels() -> Iterator[tuple[str, str]]:
    """Yield what forms call their fields, and what they say of them."""
    for endpoint in ENDPOINTS:
        if endpoint.changes:
            yield from (("web/api", english_label(one.name)) for one in every(fields_of(endpoint)))
    kinds: list[type] = [ClientInput]
    for kind in kinds:
        kinds += kind.__subclasses__()
        for told in said_of(kind).values():
            words = [told.label, told.text if told.is_of_forms else ""]
            yield from (("web/api", one) for one in words if one)


def of_formats() -> Iterator[tuple[str, str]]:
    """Yield how English is written: a field of `Format`, which is the context, and a sign or
    word."""
    for field, words in ENGLISH_FORMAT._asdict().items():
        yield from ((field, word) for word in ([words] if isinstance(words, str) else words))


def of_codes() -> Iterator[tuple[str, str]]:
    """Yield the codes that people read as they are: of sessions and what happened to them, of
    securing and lists."""
    of_access = (offline.Permission, securing.Step, securing.State, local_lists.State)
    for codes in (lifecycle.State, lifecycle.Cause, lifecycle.Resolution, *of_access):
        yield from ((codes.__module__, one.value) for one in codes)
    yield from (("charging/lifecycle.py", f"{one} by {{1}}") for one in lifecycle.Kind)


def of_papers() -> Iterator[tuple[str, str]]:
    """Yield the texts of statements."""
    for table in TRANSLATED:
        yield from (("documents/english.toml", words) for words in ENGLISH.values[table].values())


@cache
def extracted() -> Catalog:
    """Return a catalogue of all texts of the program, without translations and without lines, which
    change daily."""
    found = Catalog(domain=DOMAIN, project="levity-trio", fuzzy=False)
    for path in sorted(PACKAGE_FOLDER.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        is_telling = "levity_trio.locale import" in source or "levity_trio.told import" in source
        texts = texts_of(source) if is_telling else ()
        for text in texts:
            if text.is_marked:
                flags = ["python-format"] if "%(" in text.words[0] else []
                words = text.words if len(text.words) > 1 else text.words[0]
                found.add(
                    words,
                    None,
                    [(str(path.relative_to(PACKAGE_FOLDER)), 0)],
                    flags=flags,
                    context=text.context,
                )
    for name, words in (*of_program(), *of_labels(), *of_codes(), *of_papers()):
        found.add(words, None, [(name, 0)])
    for field, word in of_formats():
        found.add(word, None, [("locale/formats.py", 0)], context=field)
    for path in sorted(
        (*PACKAGE_FOLDER.rglob("web/**/*.html"), *PACKAGE_FOLDER.rglob("documents/*.html"))
    ):
        with path.open("rb") as file:
            for _line, words, comments, context in extract("jinja2", file, TEMPLATES, (), OPTIONS):
                found.add(
                    words,
                    None,
                    [(str(path.relative_to(PACKAGE_FOLDER)), 0)],
                    (),
                    comments,
                    context=context,
                )
    return found


def update(language: str, folder: Path = FOLDER) -> Path:
    """Write the texts of the program into the catalogue of a language, and return its path."""
    path = folder / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    catalogue = Catalog(locale=language, domain=DOMAIN, project="levity-trio", fuzzy=False)
    if path.exists():
        with path.open("rb") as known:
            catalogue = read_po(known, locale=language, domain=DOMAIN)
    catalogue.update(extracted(), no_fuzzy_matching=True)
    path.write_text(written(catalogue), encoding="utf-8")
    return path


def untranslated(language: str, folder: Path = FOLDER) -> list[str]:
    """Return the texts that a catalogue has no translation of."""
    with (folder / language / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as text:
        found = [one for one in read_po(text) if one.id and not all(_forms(one.string))]
    return [_forms(one.id)[0] for one in found]


def _forms(texts: str | Sequence[str] | None) -> Sequence[str]:
    return [texts] if isinstance(texts, str) else texts or [""]


def written(catalogue: Catalog) -> str:
    """Return the text of a catalogue: sorted, without places, flags and dates, so that two people's
    work merges."""
    head = {"Language": catalogue.locale_identifier, "Content-Type": "text/plain; charset=utf-8"}
    head["Plural-Forms"] = catalogue.plural_forms
    lines = "".join(f"{_quoted(f'{name}: {value}' + chr(10))}\n" for name, value in head.items())
    messages = sorted((one for one in catalogue if one.id), key=_first)
    return "\n".join((f'msgid ""\nmsgstr ""\n{lines}', *map(_entry, messages)))


def _entry(message: Message) -> str:
    context = f"msgctxt {_quoted(message.context)}\n" if message.context else ""
    if isinstance(message.id, str):
        return (
            f"{context}msgid {_quoted(message.id)}\nmsgstr {_quoted(str(message.string or ''))}\n"
        )
    one, many = message.id
    forms = message.string if isinstance(message.string, tuple) else ("", "")
    said = "".join(f"msgstr[{place}] {_quoted(text)}\n" for place, text in enumerate(forms))
    return f"{context}msgid {_quoted(one)}\nmsgid_plural {_quoted(many)}\n{said}"


def _first(message: Message) -> tuple[str, str]:
    return message.context or "", message.id if isinstance(message.id, str) else message.id[0]


def _quoted(text: str) -> str:
    return normalize(text, width=0)


def invent(language: str, folder: Path) -> None:
    """Write the catalogue of a language that is English in angle quotation marks, so that whoever
    reads it sees it."""
    path = update(language, folder)
    with path.open("rb") as made:
        catalogue = read_po(made)
    for message in catalogue:
        if isinstance(message.id, str):
            message.string = f"«{message.id}»" if message.id else message.string
        else:
            message.string = tuple(f"«{text}»" for text in message.id)
    path.write_text(written(catalogue), encoding="utf-8")


if __name__ == "__main__":
    print(f"{update(sys.argv[1])}: {len(untranslated(sys.argv[1])):,} texts are to be translated")
