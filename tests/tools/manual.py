"""The reference of the manual, written from the declarations of the program: `just manual`.

A page has no words of its own but its first sentences. What is wrong there is mended where it is
declared.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, starmap
from textwrap import fill
from typing import Final

import click

from levity_trio.charging import tolerances as judged
from levity_trio.charging.lifecycle import TABLE, Cause, State
from levity_trio.charging.refute.table import REFUTATIONS, Group
from levity_trio.charging.reviews import Code
from levity_trio.cli import GROUPS, levity_trio
from levity_trio.cli.declaring import summary
from levity_trio.config import SETTINGS
from levity_trio.config.settings import Setting
from levity_trio.deploy.files import texts
from levity_trio.deploy.installation import Installation, values
from levity_trio.events import Fact
from levity_trio.manual import CONTENTS, FOLDER
from levity_trio.operations.catalogue import table
from levity_trio.plugins.mqtt.commands import COMMANDS, FRESH, Command
from levity_trio.plugins.mqtt.discovery import (
    BIRTH,
    EVENTS,
    OF_CHARGER,
    OF_CONNECTOR,
    OF_SITE,
    RESERVED,
    SITE,
    STATUS,
    Entity,
)
from levity_trio.plugins.prometheus.metrics import Metrics
from levity_trio.simulator.quirks import QUIRKS
from levity_trio.store.engine import schema
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.engine.openapi import OF_CODE
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.doubts import doubt
from levity_trio.web.dashboard.words import METHODS
from levity_trio.wire.repair import Wrong
from tests.integration.bounds import BOUNDS
from tests.load.foreign.kinds import WHAT_WE_DO
from tests.tools import chargers
from tests.tools.commands import files as operations_of_commands
from tests.tools.corpus.worth import LEDGER

GENERATED: Final = (
    "<!-- Written by `just manual` from the declarations of the program: change those. -->\n"
)
EVERYWHERE: Final = {"--json", "--api", "--ca", "--wide", "--help"}
"""Options that most commands have."""
WIDTH: Final = 120
ALERTS: Final = "levity-alerts.yml"
OF_CHARGERS: Final = (
    *("certificates", "chargers", "commands", "configuration", "now", "older", "operations"),
    *("review", "security", "stations", "transactions"),
)
"""The groups of the API on its first page."""
OF_SERVER: Final = (
    *("access", "backends", "events", "files", "history", "imports", "logs", "messages", "mqtt"),
    *("search", "server", "webhooks"),
)
"""Those on its third page; the others, on the second one, are about people and money."""
_ALERT: Final = re.compile(
    r"^ +- alert: (\w+)\n(.*?)(?=^ +- (?:alert|name): |\Z)", re.MULTILINE | re.DOTALL
)
_SUMMARY: Final = re.compile(r"""summary: (?:>-\n *)?(["']?)(.*?)\1\n *description""", re.DOTALL)
_DESCRIPTION: Final = re.compile(r"description: (?:>-\n)?(.*)\Z", re.DOTALL)
_TABLE: Final = re.compile(
    r"((?:^--[^\n]*\n)*)^CREATE TABLE \"?(\w+)\"? \((.+?)^\)", re.MULTILINE | re.DOTALL
)
_COLUMN: Final = re.compile(
    r"((?:^    --[^\n]*\n)*)^    ([a-z]\w*) [^\n]*?(?:  -- ([^\n]+))?$", re.MULTILINE
)
_LABEL: Final = re.compile(r"\{\{ \$(?:labels\.)?(\w+)[^}]*\}\}")
_THOUSANDS: Final = re.compile(r"(?<=\d)_(?=\d)")
_QUERY: Final = re.compile(r"\{\{ (?:range|with|if) .*?\{\{ end \}\}", re.DOTALL)


def pages() -> Mapping[str, str]:
    """Return the text of each page by its topic."""
    made: Mapping[str, Callable[[], str]] = {
        "settings": settings,
        "commands": commands,
        "api-chargers": api_of_chargers,
        "api-households": api_of_households,
        "api-server": api_of_server,
        "operations": operations,
        "facts": facts,
        "metrics": metrics,
        "mqtt": mqtt,
        "alerts": alerts,
        "reviews": reviews,
        "refutations": refutations,
        "ledger": ledger,
        "tolerances": tolerances,
        "life-cycle": life_cycle,
        "repairs": repairs,
        "quirks": quirks,
        "kinds": kinds,
        "tables": tables,
        "what-grows": what_grows,
    }
    reference = {f"reference/{name}": write() for name, write in made.items()}
    return {
        topic: f"{GENERATED}\n{text.strip()}\n"
        for topic, text in {**reference, **chargers.pages()}.items()
    }


def rows(*head: str, of: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = (head, ("---",) * len(head), *of)
    return "\n".join(f"| {' | '.join(map(_cell, one))} |" for one in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def filled(words: str) -> str:
    return fill(words, WIDTH, break_on_hyphens=False, break_long_words=False)


def page(title: str, words: str, *parts: str) -> str:
    """Return a page: its title, what it is about, and its tables."""
    return "\n\n".join([f"# {title}", filled(words), *parts])


def code(text: str) -> str:
    return f"`{text}`"


# Pages


def settings() -> str:
    groups = dict.fromkeys(one.group for one in SETTINGS)
    of = {name: map(_setting, [one for one in SETTINGS if one.group == name]) for name in groups}
    sections = (
        f"## {name}\n\n{rows('flag', 'default', 'meaning', of=found)}" for name, found in of.items()
    )
    words = (
        "Each is a flag of `levity-trio serve`, a key of the TOML file that `--config FILE` names "
        "(`port`), and an environment variable (`LEVITY_PORT`). A flag goes before a variable, "
        "that before the file."
    )
    return page("Settings", words, *sections)


def _setting(one: Setting) -> tuple[str, str, str]:
    return code(f"{one.flag} {one.kind.metavar}".strip()), one.default_text, one.help


def commands() -> str:
    words = (
        "`levity-trio COMMAND --help` has all of each, with examples. Most commands also have "
        "`--json` (for programs), `--api URL` and `--ca FILE`, and tables have `--wide` (all "
        "columns). *settings* are those of [the server](settings.md)."
    )
    sections = (
        f"## {group}\n\n{rows('command', 'what it does', 'options', of=_commands(names))}"
        for group, names in GROUPS.items()
    )
    return page("Commands", words, *sections)


def _commands(names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for name in names:
        for path, command in _walk(levity_trio, name):
            yield _command(path, command)


def _walk(group: click.Group, name: str, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield a command, or those of a group that does nothing itself."""
    context = click.Context(group)
    found = group.get_command(context, name)
    assert found is not None
    path = f"{before} {name}".strip()
    if not isinstance(found, click.Group):
        yield path, found
        return
    for each in found.list_commands(context):
        yield from _walk(found, each, path)


def _command(path: str, command: click.Command) -> tuple[str, str, str]:
    usage = command.collect_usage_pieces(click.Context(command))
    given = [one for one in usage if one != "[OPTIONS]"]
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    flags = [max(one.opts, key=len) for one in options]
    of_server = {"--config", *(one.flag for one in SETTINGS)} if "--config" in flags else set()
    own = [code(flag) for flag in flags if flag not in of_server | EVERYWHERE]
    shared = ["*settings*"] if of_server else []
    return code(" ".join([path, *given])), summary(command), ", ".join([*own, *shared])


def api_of_chargers() -> str:
    words = (
        "All requests, with their fields: `/api/docs` of your server; for programs "
        "`/api/openapi.json`. A role may do what those before it may: driver, viewer, operator, "
        "admin. The rest is on the pages of [people and money](api-households.md) and "
        "[the server](api-server.md)."
    )
    problems = rows(
        "code", "status", of=((code(one), str(status)) for one, status in OF_CODE.items())
    )
    found = [one for one in ENDPOINTS if one.group in OF_CHARGERS]
    return page(
        "API: chargers and sessions", words, _api(found), f"## Codes of problems\n\n{problems}"
    )


def api_of_households() -> str:
    words = (
        "The rest is on the pages of [chargers](api-chargers.md) and [the server](api-server.md)."
    )
    found = [one for one in ENDPOINTS if one.group not in (*OF_CHARGERS, *OF_SERVER)]
    return page("API: people and money", words, _api(found))


def api_of_server() -> str:
    words = (
        "The rest is on the pages of [chargers](api-chargers.md) and [people and "
        "money](api-households.md)."
    )
    return page("API: the server", words, _api(one for one in ENDPOINTS if one.group in OF_SERVER))


def _api(endpoints: Iterable[Endpoint]) -> str:
    def row(one: Endpoint) -> tuple[str, str, str]:
        return (
            code(f"{one.method} {one.path}"),
            "none" if one.role is Role.OUTSIDE else one.role.word,
            one.summary,
        )

    groups = groupby(sorted(endpoints, key=lambda one: one.group), lambda one: one.group)
    return "\n\n".join(
        f"## {name.capitalize()}\n\n{rows('request', 'role', 'what it does', of=map(row, found))}"
        for name, found in groups
    )


def operations() -> str:
    words = (
        "What a charger can be asked for, by the API, the command line and the page of the charger."
    )
    return page("Operations", words, table())


def facts() -> str:
    words = (
        "What happened, as the table `event`, `GET /api/events`, `levity-trio events` and "
        "webhooks tell it. Each fact has `charger` (or null) and `at` too, and each can be sent "
        "to a webhook."
    )
    ways = (
        ("webhooks, `GET /api/events` of operators, MQTT with `--mqtt-names`", "all fields"),
        (
            "`GET /api/events` of viewers, MQTT without `--mqtt-names`",
            "no person, household, card or reason",
        ),
        ("lines of the log", "all fields but the reasons of decisions"),
        ("Fluentd", "no facts, but each message with its card"),
        ("metrics", "numbers by charger and card, no household"),
        ("mail and push", "to a household no name; to you names and cards, if you want that"),
    )
    kinds = {kind.__name__: kind for kind in Fact.__subclasses__()}
    found = (
        (
            code(name),
            inspect.getdoc(kind) or "",
            ", ".join(
                code(one) for one in kind.__dataclass_fields__ if one not in ("charger", "at")
            ),
        )
        for name, kind in sorted(kinds.items())
    )
    said = rows("way", "what it tells", of=ways)
    return page(
        "Facts and webhooks",
        words,
        rows("kind", "what happened", "fields", of=found),
        f"## Ways out\n\n{said}",
    )


def metrics() -> str:
    words = (
        "They are at `/metrics` of the [metrics port](settings.md). The [alerts](alerts.md) are "
        "made of them. Those *of the site* are exported by one server for all."
    )
    found = (
        _metric(one.name, one.labels, one.is_own, next(one.lines(0.0)))
        for one in Metrics().families
    )
    return page("Metrics", words, rows("name", "kind", "labels", "meaning", "of", of=found))


def _metric(name: str, labels: Sequence[str], is_own: bool, head: str) -> tuple[str, ...]:
    told = re.match(r"# HELP \S+ (.*)\n# TYPE \S+ (\w+)\n", head)
    assert told is not None
    return (
        code(name),
        told[2],
        ", ".join(map(code, labels)),
        told[1],
        "the server" if is_own else "the site",
    )


def mqtt() -> str:
    reserved = f"{', '.join(map(code, RESERVED[:-1]))} or {code(RESERVED[-1])}"
    words = (
        "What the server publishes with `--mqtt`, below the prefix of its URL (`levity` unless "
        "it has another), and what it listens to. `CP-1` is the identity of a charger, `1` a "
        "connector. In an identity, `+`, `#`, `/`, `%`, control characters and a leading `$` are "
        f"percent-encoded, and so is the first letter of one that is {reserved}."
    )
    sent = (
        "States are retained. Each is sent when it changes, at most once a second, and only the "
        "newest one. All are sent again after the connection was lost, and when Home Assistant "
        f"says `online` on `{BIRTH}`. `None` means that it is not known. Hidden chargers, and "
        "newcomers that wait, are not shown."
    )
    server = (
        code(STATUS),
        "",
        "Whether the server is there: `online`, or `offline` as its last will",
    )
    of_charger = [server, *_entities("CP-1", OF_CHARGER), *_entities("CP-1/1", OF_CONNECTOR)]
    states = rows("topic", "unit", "meaning", of=[*of_charger, *_entities(SITE, OF_SITE)])
    found = (
        "Each charger is a device of Home Assistant (2024.11 or later), and so is the site. Its "
        "description is retained on `homeassistant/device/NAME/config`, and empty once a charger "
        "is hidden."
    )
    facts = (
        f"Each [fact](facts.md) is published on `{EVENTS}` as JSON, with the body of a webhook, "
        "without people, households and cards unless there is `--mqtt-names`: in order, at least "
        "once, with QoS 1 and not retained. `levity-trio mqtt replay` sends older ones again. In "
        "place of a fact that the broker does not take, `data` is null and `problem` says why."
    )
    given = (
        "Commands arrive on `CP-1/1/command/NAME` if `--mqtt-commands` names the token whose "
        "rights they have. A payload is a value, or a JSON object of the fields below, with "
        "`value`, and `at`, the time when it was given. A command that is retained, or older "
        f"than {FRESH.total_seconds():.0f} seconds, is refused."
    )
    answered = (
        "Each is answered on `CP-1/1/answer/NAME`, not retained: `ok`, `at`, `state` (that of the "
        "command, `done` or `refused`), `words` that say what became of it, the number of the "
        "`command`, and the `code` of a refusal."
    )
    commands = rows(
        "command", "what it does", "value", "fields", of=starmap(_mqtt_command, COMMANDS.items())
    )
    meters = (
        "A meter publishes on a topic of its own, which need not be below the prefix: a plain "
        "number, or JSON in which a path such as `a.b` leads to it. Meters of circuits are in "
        "[the site document](../tasks/feeder.md), those of the house [are "
        "reconciled](../tasks/does-it-add-up.md). What the broker retained of them does not count."
    )
    parts = [f"## States\n\n{filled(sent)}", states, f"## Home Assistant\n\n{filled(found)}"]
    parts += [f"## Commands\n\n{filled(given)}", commands, filled(answered)]
    return page(
        "MQTT", words, *parts, f"## Facts\n\n{filled(facts)}", f"## Meters\n\n{filled(meters)}"
    )


def _mqtt_command(name: str, one: Command) -> tuple[str, str, str, str]:
    return code(name), one.meaning, one.value or "–", ", ".join(map(code, one.fields))


def _entities(place: str, entities: Sequence[Entity]) -> Iterator[tuple[str, str, str]]:
    for one in entities:
        yield code(f"{place}/{one.below}"), one.unit or "", one.meaning


def alerts() -> str:
    installation = Installation(program=("levity-trio",), site="levity", version="")
    rules = texts(values({}, {}, installation))[ALERTS]
    words = (
        "`levity-trio deploy` writes them for Prometheus. critical needs a person now, warning "
        "today, info when there is time. Labels in `code` are filled in."
    )
    return page(
        "Alerts",
        words,
        rows("alert", "severity", "what it says", of=map(_alert, _ALERT.findall(rules))),
    )


def _alert(found: tuple[str, str]) -> tuple[str, str, str]:
    name, rule = found
    severity, summary = re.search(r"severity: (\w+)", rule), _SUMMARY.search(rule)
    description = _DESCRIPTION.search(rule)
    assert severity is not None
    assert summary is not None
    assert description is not None
    told = f"{summary[2]}. {re.sub(r'^ *#.*', '', description[1], flags=re.MULTILINE)}"
    return code(name), severity[1], _LABEL.sub(r"`\1`", _QUERY.sub("", told))


def reviews() -> str:
    words = (
        "Why a session wants a look, as the page Review and the table `review` name it, and what "
        "helps to decide. What to do, step by step: [A session is in "
        "doubt](../tasks/a-session-in-doubt.md)."
    )
    found = (f"## {one.value}\n\n{filled(_told(one.value))}" for one in Code)
    return page("Reviews", words, *found)


def _told(code: str) -> str:
    told = doubt(code)
    return f"**{told.title}.** {told.meaning} *{told.advice}*"


def refutations() -> str:
    words = (
        "A figure is certain if each answer is no. The groups are those of [How energy is "
        "judged](../explanation/how-energy-is-judged.md); [the "
        "judge](../explanation/the-judge.md) explains the weights, and [Reviews](reviews.md) the "
        "codes."
    )
    groups = {group: str(number) for number, group in enumerate(Group, 1)}
    asked = (
        (
            code(one.name),
            groups[one.group],
            one.question,
            code(one.code.value),
            one.weight.name.lower(),
        )
        for one in REFUTATIONS
    )
    questions = rows("name", "group", "question", "code", "weight", of=asked)
    methods = rows(
        "`energy_method`", "the figure", of=((code(name), told) for name, told in METHODS.items())
    )
    return page(
        "What is asked of a figure", words, questions, f"## How a figure was found\n\n{methods}"
    )


def ledger() -> str:
    words = (
        "What `just worth` measured: the kept sessions of `tests/corpus` were judged again "
        "without one rule at a time. The columns count the sessions that would be silently wrong "
        "without it, or lose energy; the right proposals that would be missing; and the honest "
        "sessions that would be in doubt. A report is a case of the field that would be judged "
        "otherwise. `just worth --ledger` measures again."
    )
    head = ("rule", "lines", "silently wrong", "lost", "right proposals", "honest spared", "report")
    measured = json.loads(LEDGER.read_text(encoding="utf-8"))
    of = ((code(one["rule"]), *(str(one[column]) for column in head[1:])) for one in measured)
    return page("What each rule of the judge is worth", words, rows(*head, of=of))


def tolerances() -> str:
    words = (
        "How far two pieces of evidence may differ and still agree. Energy is in Wh, power in W, "
        "time in seconds."
    )
    return page("Tolerances", words, rows("constant", "value", "meaning", of=_constants()))


def _constants() -> Iterator[tuple[str, str, str]]:
    """Yield each text with the constants above it, and their values as they are written."""
    source = inspect.getsource(judged)
    body = ast.parse(source).body
    names, values = [], []
    for one, following in zip(body, [*body[1:], None], strict=True):
        if (
            isinstance(one, ast.AnnAssign)
            and isinstance(one.target, ast.Name)
            and one.value is not None
        ):
            value = ast.get_source_segment(source, one.value) or ""
            is_told = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            names.append(code(one.target.id))
            values.append(" ".join(_THOUSANDS.sub(",", value).split()))
            if is_told:
                yield ", ".join(names), ", ".join(values), str(following.value.value)  # type: ignore[union-attr]
                names, values = [], []
    if names:
        raise ValueError(f"{', '.join(names)}: no text stands below")


def kinds() -> str:
    words = (
        "Chargers, cars and meters that differ from the specification, or from what one expects, "
        "and what load management does. Each was tried at [a feeder](../tasks/feeder.md), beside "
        "three that are honest."
    )
    return page(
        "Kinds of chargers at a feeder", words, rows("kind", "what we do", of=WHAT_WE_DO.items())
    )


def quirks() -> str:
    words = (
        "How a simulated charger misbehaves: `--quirk NAME` of `levity-trio simulate` and "
        "`simulator add`, and the table `[quirks]` of a scenario. See [Try things with simulated "
        "chargers](../tasks/simulate.md)."
    )
    found = ((code(name), kind.does, kind.seen_in) for name, kind in QUIRKS.items())
    return page(
        "Quirks of simulated chargers",
        words,
        rows("quirk", "what the charger does", "seen in", of=found),
    )


def life_cycle() -> str:
    words = (
        "What becomes of a session in each state when something happens: the row that is added to "
        "`tx_event`, and the next state, if it is another. – stands for nothing."
    )
    found = ((cause.value, *(_step(state, cause) for state in State)) for cause in Cause)
    return page("The life of a session", words, rows("what happens", *State, of=found))


def _step(state: State, cause: Cause) -> str:
    step = TABLE[state, cause]
    if step.kind is None:
        return "–"
    return str(step.kind) if step.state is state else f"{step.kind} → {step.state}"


def repairs() -> str:
    words = (
        "What can be wrong with one field of a message. It is mended or left out, the rest of the "
        "message is kept, and the table `repair` counts it by charger, firmware and kind, such as "
        "`StatusNotification.info: too long`."
    )
    return page("Repairs", words, "\n".join(f"- {one.value}" for one in Wrong))


def tables() -> str:
    words = (
        "Times are UTC, energy is in whole Wh, and connector 0 is the charger. Read them; never "
        "write."
    )
    text = "\n".join(path.read_text(encoding="utf-8") for path in schema.pages())
    found = sorted(
        (code(name), _words(comment), ", ".join(_columns(body)))
        for comment, name, body in _TABLE.findall(text)
    )
    return page("Tables of the database", words, rows("table", "what it has", "columns", of=found))


def _columns(body: str) -> Iterator[str]:
    """Yield the columns of a table, each with the words above it or behind it."""
    for above, name, behind in _COLUMN.findall(body):
        words = _words(above) or behind.strip()
        yield f"{code(name)} ({words})" if words else code(name)


def _words(comment: str) -> str:
    return " ".join(line.strip().removeprefix("--").strip() for line in comment.splitlines())


def what_grows() -> str:
    words = (
        "What strangers and the log can add to the folder of the database in a day, in MB, so "
        "that you can say how large the disk must be: in all, for each of `--max-starts`, and for "
        "each new identity (one address brings 5,000 a day at most). A charger that you adopted, "
        "or that has charged for more than a day, has limits of its own: `--max-starts`, 1,000 "
        "facts a day of each kind, and 8 MB of evidence. `just soak` floods all of it at once, "
        "and compares. What strangers sent in `evidence` and `set_aside` goes after 30 days."
    )
    found = (
        (_names(one.names), *(f"{size:g}" for size in one[1:4]), one.limited_by) for one in BOUNDS
    )
    fixed, start, identity = (sum(part) for part in zip(*(one[1:4] for one in BOUNDS), strict=True))
    table = rows(
        "tables and files", "in all", "each start", "each identity", "what limits them", of=found
    )
    together = (
        f"Together: `--log-max-mb` + {fixed:g} MB + {start:g} MB for each of `--max-starts` + "
        f"{identity:g} MB for each new identity."
    )
    files = (
        "Files of chargers (`site.db.files`) come only to the URL of a command that you gave: ten "
        "for each, of 256 MiB at most, none while the disk runs low. They go after `--log-days`. "
        "Backups are yours."
    )
    return page("What grows, and up to where", words, table, filled(together), filled(files))


def _names(names: str) -> str:
    return ", ".join(one if " " in one else code(one) for one in names.split(", "))


if __name__ == "__main__":
    # The page of the commands reads them.
    for _path, _text in operations_of_commands().items():
        _path.write_text(_text, encoding="utf-8")
    for _topic, _text in pages().items():
        (FOLDER / f"{_topic}.md").write_text(_text, encoding="utf-8")
    (FOLDER / f"{CONTENTS}.md").write_text(chargers.contents(), encoding="utf-8")
    print(f"The reference was written to {FOLDER / 'reference'}.")
