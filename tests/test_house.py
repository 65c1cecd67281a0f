"""The rules of the house: who may import whom, one door for each third party, short functions, no
asyncio."""

import ast
import re
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from io import StringIO
from pathlib import Path
from tokenize import COMMENT, STRING, generate_tokens

import pytest

from tests.tools.any_count import count
from tests.tools.house import (
    PACKAGE,
    Import,
    Module,
    circles,
    functions,
    imports,
    is_within,
    read_modules,
)

ROOT = Path(__file__).parent.parent
MODULES = read_modules(ROOT / PACKAGE)

FUNCTION_LINES = 70
LOOSE_FUNCTIONS = 16
ROOT_MODULES = 9

# From the bottom to the top. A room imports from the levels below its own, and MAY_IMPORT says
# which of their rooms. Rooms of one level do not import each other. The longest name that fits a
# module is its room.
LEVELS: tuple[tuple[str, ...], ...] = (
    ("importing", "records", "told"),
    ("nouns",),
    ("clock", "events", "groups", "load.tree", "wire", "writing"),
    ("locale",),
    ("load.wiring", "load.rule"),
    ("load.lease", "load.other_load"),
    ("load.profiles", "load.replay"),
    ("charging.reviews", "charging.tolerances", "documents.cells"),
    ("config", "manual", "charging.lifecycle", "listening.own_addresses"),
    ("client", "load.document", "log", "output", "charging.sent"),
    ("listening", "outgoing", "charging.refute"),
    ("charging.propose",),
    ("charging",),
    ("access", "bank", "billing", "operations", "signed", "charging.matching"),
    ("authority", "documents", "prices.reading", "store.engine"),
    ("store",),
    ("store.cases",),
    ("store.billing",),
    ("store.reads",),
    ("store.reads.chargers",),
    ("store.reads.transactions",),
    ("store.reads.load", "store.reads.money"),
    ("store.reads.people",),
    ("store.reads.site",),
    ("store.reads.now",),
    ("store.writes",),
    ("store.upkeep", "store.keeping"),
    ("store.moving",),
    ("store.postgresql", "plugins.base"),
    ("backends", "charger", "notify", "plugins", "prices"),
    ("load",),
    ("web.http",),
    ("web",),
    ("web.api.engine.problems", "web.files", "web.webhooks"),
    ("web.logins",),
    ("web.api.engine",),
    ("web.api.chargers",),
    ("web.api.transactions",),
    ("web.api.people",),
    ("web.api.load", "web.api.money"),
    ("web.api.drivers",),
    ("web.api.site",),
    ("web.in_process", "web.page_tls"),
    ("web.dashboard",),
    ("web.api",),
    ("web.services",),
    ("deploy", "server", "simulator"),
    ("demo",),
    ("cli",),
    ("__main__",),
)

EVERYBODYS = ("importing", "nouns", "records", "told", "wire.words")
"""What every room may import: ways to import, and to declare data and texts, not decisions."""

EVERYTHING = (
    *(
        "access",
        "authority",
        "charger",
        "charging",
        "clock",
        "config",
        "events",
        "groups",
        "listening",
        "load",
        "log",
    ),
    *("notify", "plugins", "prices", "store", "web", "wire"),
)

# Room: whom it may import beside itself. The longest name that fits a module is its room.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "__main__": ("cli",),
    "cli": (
        "outgoing",
        "server",
        "access.certificates",
        "authority",
        "billing",
        "charging.reviews",
        "documents.cells",
        "documents.paper",
        "documents.qr",
        "documents.template",
        "simulator",
        "demo",
        "deploy",
        "operations",
        "client",
        "locale.formats",
        "store.keeping",
        "store.moving",
        "store.reads",
        "wire.aliases",
        "wire.times",
        "output",
        "manual",
        "config",
        "writing",
    ),
    "client": ("config",),
    "importing": (),
    "nouns": (),
    "records": (),
    "told": (),
    "load": (
        *(
            "billing.sun",
            "charger.commands",
            "operations",
            "charging",
            "store",
            "wire.configuration",
            "wire.times",
            "wire.errors",
        ),
        *(
            "access.offline",
            "wire.meters",
            "plugins.base",
            "outgoing",
            "events",
            "config",
            "clock",
            "log",
        ),
    ),
    "load.tree": (),
    "load.document": ("load.tree", "wire.meters", "config.tables"),
    "load.wiring": ("load.tree",),
    "load.lease": ("load.rule", "load.tree"),
    "load.other_load": ("load.rule", "load.tree"),
    "load.profiles": ("load.lease", "load.tree", "wire"),
    "load.replay": ("load.other_load", "load.rule", "load.tree"),
    "load.rule": ("load.tree",),
    "locale": ("wire.times",),
    "manual": (),
    "demo": (
        "outgoing",
        *(
            "server",
            "simulator",
            "notify.kinds",
            "store.beside.backup_note",
            "store.keeping.offline",
            "store.writes.site.demo",
            "web.logins.browsers",
        ),
        *("wire", "clock", "config", "groups", "output", "writing"),
    ),
    "deploy": ("authority", "config", "writing"),
    "server": EVERYTHING,
    "web": (
        "access",
        "backends",
        "authority",
        "bank",
        "listening",
        "billing",
        "documents",
        "locale",
        "signed.keys",
        "charger",
        "load",
        "notify",
        "operations",
        "charging",
        "store",
        "wire",
        "plugins.base",
        "prices",
        "outgoing",
        "events",
        "manual",
        "config",
        "clock",
        "log",
    ),
    "bank": (),
    "prices": ("billing.months", "charging.quarters", "outgoing", "store", "wire.times", "events")
    + ("clock", "log"),
    "prices.reading": ("billing", "charging.quarters", "wire.times"),
    "signed": ("charging.tolerances", "wire.times"),
    "backends": (
        *("operations", "store", "wire", "outgoing", "plugins.base", "events", "clock"),
        *("groups", "log"),
    ),
    "outgoing": ("load.tree", "wire.meters", "wire.modbus", "wire.published", "log"),
    "operations": (
        "charging",
        "events",
        "wire.charging_profiles",
        "wire.configuration",
        "wire.times",
    ),
    "charger": (
        "access",
        "authority",
        "listening",
        "billing.ownership",
        "wire",
        "charging",
        "operations",
        "store",
        "events",
        "plugins.base",
        "config",
        "clock",
        "log",
    ),
    "notify": (
        *(
            "billing",
            "documents",
            "locale",
            "outgoing",
            "plugins.base",
            "store",
            "wire",
            "events",
            "config",
            "clock",
        ),
        *("log", "writing"),
    ),
    "plugins.base": ("charging", "store", "events", "config", "clock", "log"),
    "plugins": (
        "groups",
        "locale",
        "plugins.base",
        "charging",
        "store.engine",
        "store.writes",
        "store.reads",
        "wire",
        "events",
        "config",
        "clock",
        "log",
    ),
    "store.engine": ("config", "events", "wire.texts", "wire.times", "clock", "log", "writing"),
    "store.cases": (
        "charging",
        "store.lookups.connectors",
        "store.engine",
        "wire.numbers",
        "wire.times",
    ),
    "store": (
        "access",
        "bank",
        "billing",
        "charging",
        "listening.own_addresses",
        "operations",
        "signed",
        "wire.charging_profiles",
        "wire.frames",
        "wire.large",
        "wire.numbers",
        "wire.published",
        "wire.texts",
        "wire.times",
        "events",
        "config",
        "clock",
        "log",
        "writing",
    ),
    "simulator": (
        "outgoing",
        "load.tree",
        "wire",
        "config",
        "web.http.server",
        "listening",
        "clock",
        "groups",
        "log",
        "output",
        "writing",
    ),
    "simulator.verification": ("simulator", "wire", "config", "store.reads", "clock", "log"),
    "listening": ("config", "log"),
    "listening.own_addresses": (),
    "log": ("config", "events", "writing"),
    "config": (),
    "groups": (),
    "clock": (),
    "output": ("config",),
    "access": ("charging", "events", "wire.times"),
    "authority": ("access", "config", "listening.own_addresses", "wire.times", "writing"),
    "billing": ("charging", "events", "wire.times"),
    "documents": ("billing", "config", "locale", "wire.times"),
    "charging": ("events", "wire.numbers", "wire.times"),
    "charging.sent": ("charging.reviews", "charging.tolerances", "wire.numbers", "wire.times"),
    "charging.refute": ("charging.reviews", "charging.tolerances", "charging.sent"),
    "charging.propose": (
        "charging.reviews",
        "charging.tolerances",
        "charging.sent",
        "charging.refute",
    ),
    "charging.matching": (
        *(
            "charging.lifecycle",
            "charging.names",
            "charging.reviews",
            "charging.tolerances",
            "charging.sent",
        ),
    ),
    "wire": (),
    "writing": (),
    "events": (),
}

# A third party's package: the only places that may import it.
DOORS: dict[str, tuple[str, ...]] = {
    "click": ("cli",),
    "cryptography": (
        "authority",
        "signed.keys",
        "simulator.charger.certificates",
        "simulator.charger.state",
        "store.beside.secret_key",
    ),
    "fluent": ("plugins.fluentd",),
    "fontTools": ("documents.fonts",),
    "fpdf": ("documents.pdf",),
    "fastjsonschema": ("wire.payloads",),
    "h11": ("outgoing",),
    "hatchling": ("locale.hook",),
    "hypercorn": ("web.http.server",),
    "jinja2": ("documents.html", "web.dashboard.templating"),
    "markdown_it": ("manual",),
    "markupsafe": ("web.dashboard.charts", "web.dashboard.templating"),
    "msgpack": ("plugins.fluentd",),
    "msgspec": (
        "nouns",
        "records",
        "store.billing.rows",
        "web.api",
        "web.dashboard.fields",
        "documents",
    ),
    "ocpp": ("wire.payloads",),
    "outcome": ("store",),
    "paho": ("plugins.mqtt",),
    "PIL": ("documents.pdf",),
    "psycopg": ("store.postgresql",),
    "prometheus_client": ("plugins.prometheus", "web"),
    "python_multipart": ("web.files",),
    "rich": ("cli.help", "simulator.report"),
    "segno": ("documents.qr",),
    "sqlite3": ("store",),
    "sqlite_utils": ("store",),
    "starlette": ("web", "simulator.park"),
    "structlog": ("log.output",),
    "tomllib": (
        "manual.makes",
        "billing.tariff_file",
        "cli.backend",
        "config.sources",
        "documents.template",
        "load.document",
        "simulator.scenario",
    ),
    "trio_websocket": ("charger", "outgoing"),
    "wsproto": ("charger.stream", "outgoing"),
}

# What a pure room must do without: tasks, disks, sockets, clocks.
IMPURE = (
    "trio",
    "trio_websocket",
    "sqlite3",
    "sqlite_utils",
    "socket",
    "threading",
    "time",
    "structlog",
    "logging",
)
PURE = (
    "bank",
    "prices.reading",
    "signed",
    "wire",
    "billing",
    "charging",
    "operations",
    "events",
    "config",
    "load.document",
    "load.wiring",
    "load.lease",
    "load.other_load",
    "load.profiles",
    "load.replay",
    "load.tree",
    "load.rule",
)
WRITES = re.compile(
    r"\bopen\((?:[^()]*, "
    r")?\"[rbt]*[wax+]|\.write_(?:text|bytes)\(|O_CREAT|\.touch\(|shutil\.(?:copy|move)|mkstemp"
)
"""What opens a file to write to it."""
WRITES_ELSEWHERE = {
    "writing": "the owner of this rule",
    "documents.fonts": "in a temporary folder",
    "locale.hook": "in a temporary folder, from which a wheel is built",
    "store.reads.levity.old_file": "in a temporary folder",
    "web.api.people.households": "a member of an archive in memory",
}
CLOCK_READS = (".now(", ".utcnow(", ".today(")


@cache
def every_import() -> list[Import]:
    """Of the package. Reading takes a second, which collecting tests does without."""
    return list(imports(MODULES))


def room_of(module: str) -> str:
    """The room of one of our modules, as MAY_IMPORT names it."""
    inside = module.removeprefix(PACKAGE).removeprefix(".")
    fitting = [room for room in MAY_IMPORT if is_within(inside, [room])]
    return max(fitting, key=len, default=inside)


def refused(one: Import) -> bool:
    if not is_within(one.imported, [PACKAGE]) or PACKAGE in (one.importer, one.imported):
        return False  # a third party's, or the version
    room, inside = room_of(one.importer), one.imported.removeprefix(f"{PACKAGE}.")
    if is_within(inside, EVERYBODYS):
        return False
    if room == "plugins":  # never each other; one may be a package
        own = ".".join(one.importer.split(".")[1:3])
        return not is_within(inside, [own, *MAY_IMPORT["plugins"]])
    return not is_within(inside, [room, *MAY_IMPORT.get(room, ())])


def upward(one: Import) -> bool:
    """Whether a room imports one that is not below it."""
    if not is_within(one.imported, [PACKAGE]) or PACKAGE in (one.importer, one.imported):
        return False
    (room, level), (other, below) = (_level(name) for name in one)
    return room != other and level <= below


def _level(module: str) -> tuple[str, int]:
    """The room of one of our modules, as LEVELS names it, and its level."""
    inside = module.removeprefix(f"{PACKAGE}.")
    fitting = [
        (room, level)
        for level, rooms in enumerate(LEVELS)
        for room in rooms
        if is_within(inside, [room])
    ]
    return max(fitting, key=lambda found: len(found[0]))


def through_wall(one: Import) -> bool:
    """Whether a third party is imported elsewhere than at its door."""
    package = one.imported.split(".")[0]
    inside = one.importer.removeprefix(f"{PACKAGE}.")
    return package in DOORS and not is_within(inside, DOORS[package])


def stained(one: Import) -> bool:
    """Whether a pure room imports what is not."""
    return room_of(one.importer) in PURE and one.imported.split(".")[0] in IMPURE


def told(found: list[Import]) -> list[str]:
    return [f"{one.importer} imports {one.imported}" for one in found]


def test_every_room_is_in_the_table() -> None:
    unknown = [
        module.name
        for module in MODULES
        if module.name != PACKAGE and room_of(module.name) not in MAY_IMPORT
    ]
    assert not unknown, "a new room needs a row in MAY_IMPORT, and a place in the design"


def test_rooms_import_only_whom_they_may() -> None:
    assert not told([one for one in every_import() if refused(one)])


def test_rooms_import_only_from_levels_below() -> None:
    assert not told([one for one in every_import() if upward(one)])


def test_few_modules_stand_at_the_root() -> None:
    rooms = [
        module.name for module in MODULES if module.name.count(".") == 1 and not module.is_package
    ]
    assert len([name for name in rooms if not name.endswith("__main__")]) <= ROOT_MODULES


def test_no_circles() -> None:
    """Nor hidden ones: an import counts in a function too, and where only mypy sees it."""
    assert not told(circles(every_import())), "what both need belongs below both"


def test_each_third_party_has_one_door() -> None:
    assert not told([one for one in every_import() if through_wall(one)])


@pytest.mark.parametrize("room", DOORS["trio_websocket"])
def test_one_module_of_a_room_speaks_websocket(room: str) -> None:
    places = [f"{PACKAGE}.{room}"]
    importers = {
        one.importer
        for one in every_import()
        if is_within(one.imported, ["trio_websocket"]) and is_within(one.importer, places)
    }
    assert len(importers) <= 1


def test_pure_rooms_stay_pure() -> None:
    assert not told([one for one in every_import() if stained(one)])
    reads = [
        module.name
        for module in MODULES
        if room_of(module.name) in PURE and any(read in module.source for read in CLOCK_READS)
    ]
    assert not reads, "the time comes as an argument"


def test_no_asyncio() -> None:
    assert not told([one for one in every_import() if is_within(one.imported, ["asyncio"])])


def test_files_are_written_by_one_module() -> None:
    """It follows no link that others made, and lets nobody else read. Temporary folders are
    private."""
    found = [
        f"{module.name}: {line.strip()}"
        for module in MODULES
        if module.name.removeprefix(f"{PACKAGE}.") not in WRITES_ELSEWHERE
        for line in module.source.splitlines()
        if WRITES.search(line)
    ]
    assert not found, "open it with levity_trio.writing"


@pytest.mark.parametrize(
    "line",
    [
        'with path.open("w", encoding="utf-8") as file:',
        "path.write_text(text)",
        "path.write_bytes(content)",
        "os.open(path, os.O_RDWR | os.O_CREAT)",
        'open(name, "ab")',
        "path.touch()",
        "shutil.copyfile(one, other)",
        "tempfile.mkstemp()",
    ],
)
def test_a_file_that_is_written_elsewhere_is_seen(line: str) -> None:
    assert WRITES.search(line)


def test_functions_are_small() -> None:
    long = [
        f"{module.name}.{name} has {lines} lines"
        for module in MODULES
        for name, lines in functions(module.source)
        if lines > FUNCTION_LINES
    ]
    assert not long


def test_the_types_of_the_api_say_what_they_are() -> None:
    """What is left is the edge where JSON is read, written and described."""
    loose = count("web.api").loose
    assert len(loose) <= LOOSE_FUNCTIONS, loose


def test_tests_mirror_the_package() -> None:
    """A folder of tests is named like the room it tests, or is one of the kinds that test many."""
    rooms = {module.name.split(".")[1] for module in MODULES if "." in module.name}
    folders = {
        path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.glob("*.py"))
    }
    assert folders <= rooms | {"benchmarks", "browser", "corpus", "integration", "tools"}


def test_tools_are_no_tests() -> None:
    """A tool may have a test, which stands beside the others."""
    tools = ROOT / "tests" / "tools"
    assert not [path for path in tools.rglob("*.py") if path.name.startswith(("test_", "conftest"))]


BREACHES = [
    pytest.param("wire.frames", "from levity_trio import config", refused, id="wire knows nobody"),
    pytest.param(
        "store.writer", "from levity_trio.charger import session", refused, id="store above itself"
    ),
    pytest.param("store.writer", "from ..charger import session", refused, id="the same, relative"),
    pytest.param(
        "store.engine.wal",
        "from levity_trio.store import reads",
        upward,
        id="store's engine above itself",
    ),
    pytest.param("cli.logs", "from levity_trio.store import writer", refused, id="cli writes"),
    pytest.param(
        "plugins.audit", "import levity_trio.plugins.other", refused, id="plugins among themselves"
    ),
    pytest.param(
        "plugins.audit.page",
        "import levity_trio.plugins.other",
        refused,
        id="the same, from a package",
    ),
    pytest.param(
        "simulator.charger", "from levity_trio.store import reads", refused, id="simulator reads"
    ),
    pytest.param(
        "charger.session",
        "def f():\n    from ocpp.v16 import call",
        through_wall,
        id="ocpp, hidden",
    ),
    pytest.param("charger.session", "import sqlite3", through_wall, id="sqlite outside store"),
    pytest.param("wire.frames", "import trio", stained, id="trio in wire"),
    pytest.param("wire.times", "from time import time", stained, id="clock in wire"),
]
FURNITURE = [
    Module(f"{PACKAGE}.{name}", is_package=False, source="")
    for name in ("charger.session", "plugins.other", "store.reads", "store.writer", "config")
]


@pytest.mark.parametrize(("module", "source", "is_breach"), BREACHES)
def test_a_breach_is_seen(module: str, source: str, is_breach: Callable[[Import], bool]) -> None:
    breach = Module(f"{PACKAGE}.{module}", is_package=False, source=source)
    assert [one for one in imports([breach, *FURNITURE]) if is_breach(one)]


CIRCLES = [
    pytest.param("from levity_trio.charger.session import Session", id="plain"),
    pytest.param(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import session",
        id="for mypy only",
    ),
    pytest.param("def f():\n    import levity_trio.charger.session", id="in a function"),
]


@pytest.mark.parametrize("source", CIRCLES)
def test_a_circle_is_seen(source: str) -> None:
    modules = [
        Module(
            f"{PACKAGE}.charger.session",
            is_package=False,
            source=f"from {PACKAGE}.charger import calls",
        ),
        Module(f"{PACKAGE}.charger.calls", is_package=False, source=source),
        Module(
            f"{PACKAGE}.charger.above",
            is_package=False,
            source=f"from {PACKAGE}.charger import session",
        ),
    ]
    importers = {one.importer for one in circles(imports(modules))}
    assert importers == {f"{PACKAGE}.charger.session", f"{PACKAGE}.charger.calls"}
    assert not circles(imports(modules[:1] + modules[2:]))


def test_a_long_function_is_seen() -> None:
    source = "@property\ndef long():\n" + "    pass\n" * FUNCTION_LINES
    assert dict(functions(source)) == {"long": FUNCTION_LINES + 2}


def _raises_in_groups(source: str) -> list[int]:
    tree = ast.parse(source if "except*" in source else "")
    starred = [node for node in ast.walk(tree) if isinstance(node, ast.TryStar)]
    inner = (node for one in starred for handler in one.handlers for node in ast.walk(handler))
    return [node.lineno for node in inner if isinstance(node, ast.Raise) and node.exc is not None]


def test_no_new_exception_is_raised_for_a_group() -> None:
    """Python wraps it in a group again, whose text is a traceback; see groups.unwrapped."""
    assert not {
        module.name: lines for module in MODULES if (lines := _raises_in_groups(module.source))
    }
    assert _raises_in_groups("try:\n    f()\nexcept* OSError:\n    raise ValueError\n") == [4]


PREDICATE = re.compile(r"_*(?:is|has|are|was|were|had|may|can|could|should|must|does|did|will)_")
CHANGES = re.compile(r"\b(?:INSERT INTO|UPDATE \w|DELETE FROM)")
WRITING_CALL = re.compile(
    r"\.(?:changed|record)$"
    r"|(?:^|[._])(?:count_within|count_fact|count_stranger|(?:note|settle)(?:_\w+)?)$"
)
MUTATING = ("add", "append", "clear", "discard", "extend", "insert", "pop", "remove", "update")


def _writing_predicates(source: str) -> list[str]:
    """The functions that are named like a question and change something: what is not theirs, or the
    database."""
    tree = ast.parse(source)
    texts = {
        ast.unparse(target): ast.unparse(node.value or node)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }
    return [
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and PREDICATE.match(function.name)
        and any(_changes(node, texts) for node in ast.walk(function))
    ]


def _changes(node: ast.AST, texts: dict[str, str]) -> bool:
    match node:
        case ast.Attribute(ctx=ast.Store() | ast.Del()):
            return True
        case ast.Subscript(value=ast.Attribute(), ctx=ast.Store() | ast.Del()):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Attribute(), attr=name)) if name in MUTATING:
            return True
        case ast.Call():
            return WRITING_CALL.search(ast.unparse(node.func)) is not None
        case ast.Name(ctx=ast.Load()):
            return CHANGES.search(texts.get(node.id, "")) is not None
        case ast.Constant(value=str()):
            return CHANGES.search(str(node.value)) is not None
    return False


def test_what_is_named_like_a_question_changes_nothing() -> None:
    """What counts, notes or settles is called so: else a condition is reordered, and something is
    counted no more."""
    assert not {
        module.name: names for module in MODULES if (names := _writing_predicates(module.source))
    }


@pytest.mark.parametrize(
    "body",
    [
        "claim.bound = FIXED",
        "self.counts[address] += 1",
        "del self.counts[address]",
        "self.bases.pop(place, None)",
        'db.execute("UPDATE tx SET ahead = 1")',
        "db.execute(NOTE)",
        "return db.changed(text)",
        'return db.count_within(None, "files", at, 9)',
        "return note_early(db)",
    ],
)
def test_a_question_that_changes_something_is_seen(body: str) -> None:
    source = f'NOTE = "INSERT INTO status (id) VALUES (?)"\nasync def _is_new(db):\n    {body}\n'
    assert _writing_predicates(source) == ["_is_new"]


@pytest.mark.parametrize(
    "body", ["values = []\n    values.append(1)", "return db.rows(KNOWN)", "self.count_of(at)"]
)
def test_a_question_may_have_its_own_values(body: str) -> None:
    assert not _writing_predicates(f'KNOWN = "SELECT 1"\ndef is_new(db):\n    {body}\n')


NAMED = re.compile(
    r"(?<![\w/<>{}*%$-])(?:\.{0,2}/)?"
    r"((?:\.?[\w-]+/)*[\w.-]*\w\.(?:md|py|sql|po)"
    r"|(?:levity_trio|tests|schema|\.github|\.ci)(?:/[\w.-]*\w)+"
    r"|(?<=`)(?:[\w-]+/)+(?=`))"
    r"(?![\w/-]|\.?[*<{]|\.\w)"
)
"""A name of a file that people look for here: code, a page, or what stands in a folder of ours."""
NO_TEXTS = (".png", ".svg", ".webp", ".xz", ".po", ".pyc", ".mo")
ADDRESS = re.compile(r"\w+://\S+")
ELSEWHERE = {
    "DIR/README.md": "written by a command of the manual",
    "levity_bell.py": "a plug-in of the manual's reader",
    "bell/levity_bell.py": "the same",
    "TOPIC.de.md": "a page of the manual in another language",
    "dist": "made by the release",
    "dist/notes.md": "made by the release",
    "levity_trio/deploy/constraints.txt": "made by the release",
    "levity_trio/locale/fr/LC_MESSAGES/levity_trio.po": "a language that somebody adds",
    "trio/_core/_run.py": "a file of trio",
}
OF_OTHERS = ROOT / PACKAGE / "manual" / "chargers"
"""Its sources are files of others."""


@cache
def there() -> set[str]:
    """How a file or a folder may be named: from the top, or from any folder above it."""
    paths = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in (PACKAGE, "tests", "schema", ".github", ".ci"):
        paths += (ROOT / folder, *(ROOT / folder).rglob("*"))
    parts = [path.relative_to(ROOT).parts for path in paths if "__pycache__" not in path.parts]
    return {"/".join(part[first:]) for part in parts for first in range(len(part))}


def _lost_names(text: str) -> set[str]:
    named = {name.removesuffix("/") for name in NAMED.findall(ADDRESS.sub("", text))}
    return named - there() - ELSEWHERE.keys()


def _said_in(path: Path, text: str) -> str:
    """The comments and docstrings of a module, and other texts of the package: tests invent
    names."""
    if path.suffix != ".py":
        return text
    said = [
        token.string
        for token in generate_tokens(StringIO(text).readline)
        if token.type == COMMENT
        or (token.type == STRING and (token.string.startswith('"""') or PACKAGE in path.parts))
    ]
    return "\n".join(said)


def test_files_that_are_named_are_there() -> None:
    places = [ROOT / "README.md", ROOT / "justfile"]
    for folder in (PACKAGE, "tests", "schema", ".github", ".ci"):
        places += (ROOT / folder).rglob("*")
    lost = dict[str, set[str]]()
    for path in places:
        if not path.is_file() or OF_OTHERS in path.parents or path.suffix in NO_TEXTS:
            continue
        text = path.read_text(encoding="utf-8")
        # Reading a module takes long, and few have any.
        if _lost_names(text) and (names := _lost_names(_said_in(path, text))):
            lost[str(path.relative_to(ROOT))] = names
    assert not lost, "say the reason in the place, or name what a clone has"


@pytest.mark.parametrize(
    "text",
    [
        "Neighbours (rules.md, Energy)",
        "see [words](../explanation/word.md)",
        "as in tests/stor/books.py does",
        "`web/dashboard/template/` has it",
        "what schema/steps/gone.sql does",
    ],
)
def test_a_file_that_is_named_and_not_there_is_seen(text: str) -> None:
    assert len(_lost_names(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "[words](../levity_trio/manual/explanation/words.md) and `web/dashboard/templates/`",
        "https://github.com/lbbrhzn/ocpp/blob/main/docs/user-guide.md",
        "`levity-trio tariff check night.toml`, tests/store/*.py, tests/test_{name}.py",
    ],
)
def test_what_is_there_or_of_others_may_be_named(text: str) -> None:
    assert not _lost_names(text)


def test_each_test_has_one_marker(request: pytest.FixtureRequest) -> None:
    counts: dict[str, int] = defaultdict(int)
    for item in request.session.items:
        counts[item.nodeid] += sum(
            mark.name in ("unit", "ws", "integration") for mark in item.iter_markers()
        )
    assert set(counts.values()) == {1}


def test_times_are_moved_to_a_zone_by_one_function() -> None:
    """astimezone raises in the first and the last hours of the calendar, which a database can
    hold."""
    calls = [module.name for module in MODULES if ".astimezone(" in module.source]
    assert [name.removeprefix(f"{PACKAGE}.") for name in calls if "simulator" not in name] == [
        "wire.times"
    ]


def test_modules_of_postgresql_that_are_imported_late_exist() -> None:
    """Their names are texts, which no checker sees: a server on PostgreSQL would say that psycopg
    is missing."""
    named = {
        name
        for module in MODULES
        for name in re.findall(r'of_postgresql\("(\w+)"\)', module.source)
    }
    assert named
    assert named <= {
        module.name.rpartition(".")[2] for module in MODULES if ".store.postgresql." in module.name
    }
