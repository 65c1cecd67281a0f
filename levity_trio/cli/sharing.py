"""`levity-trio logs CHARGER --share FILE`: what a charger sent, and what is known of it, for
others."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, Any, Final
from zipfile import ZIP_DEFLATED, ZipFile

from levity_trio import __version__, commit
from levity_trio.cli.terminal import cell, confirm, counted, say
from levity_trio.config import EnvironmentProblem, ServerConfig
from levity_trio.store.reads.reader import look
from levity_trio.store.reads.site.shared import shared_facts, shared_names
from levity_trio.wire.aliases import Aliases
from levity_trio.writing import replacing

if TYPE_CHECKING:
    from levity_trio.store.reads.site.frames import LoggedFrame

FRAMES, ABOUT, LEARNED = "frames.txt", "about.json", "charger.toml"
ENTRY: Final = """\
make = {chargepointvendor}
told = [{chargepointvendor}]
looked_up = {today}

[[entry]]
models = [[{chargepointmodel}, {source}]]
told = [{words}]
set = []
odd = {odd}
limit = {limit}
firmware = []
"""
"""An entry of the manual's pages about makes of chargers."""


def share(
    config: ServerConfig,
    charger: str,
    frames: Sequence[LoggedFrame],
    file: Path,
    is_agreed: bool,
) -> None:
    """Show what a file for others has, and write it if that is agreed. Raises EnvironmentProblem,
    ConfigError, Abort."""
    if file.exists():
        raise EnvironmentProblem(f"{file} exists; give another FILE")
    if not frames:
        raise EnvironmentProblem(f"no frame of {charger} in that time; give an earlier --since")
    learning = Aliases({})
    for kind, name in look(config.database, partial(shared_names, charger=charger)):
        learning.learn(kind, name)
    # What one frame tells to be a card is hidden in those before it, too.
    for frame in frames:
        learning.text(frame.frame)

    aliases = Aliases(learning.known)
    lines = [_line(frame, aliases) for frame in frames]
    settings = {
        setting.name: "***" if setting.is_secret else setting.text
        for setting in config.in_force
        if setting.origin != "default"
    }
    facts = look(config.database, partial(shared_facts, charger=charger))
    about = json.loads(aliases.text(json.dumps(facts | {"settings": settings}, ensure_ascii=False)))
    about |= {"program": __version__, "commit": commit(), "python": python_version()}
    texts = {
        FRAMES: "".join(lines),
        ABOUT: json.dumps(about, ensure_ascii=False, indent=1),
        LEARNED: _entry(about),
    }
    _show(file, texts, aliases)
    if not is_agreed:
        confirm(f"Write {file}?")
    try:
        with replacing(file) as content, ZipFile(content, "w", ZIP_DEFLATED) as archive:
            for name, text in texts.items():
                archive.writestr(name, text)
    except OSError as problem:
        raise EnvironmentProblem(f"{file} cannot be written: {problem.strerror}") from None
    say(f"{file} is written. Nothing was sent: attach it to your report.")


def _line(frame: LoggedFrame, aliases: Aliases) -> str:
    action, text = aliases.text(frame.action or "-"), aliases.text(frame.frame)
    return f"{frame.at}  {frame.direction:10}  {cell(action)}  {cell(text)}\n"


def _entry(facts: dict[str, Any]) -> str:
    today = datetime.now(UTC)
    source = f"a site with levity-trio {__version__}, {today:%B %Y}"
    values = facts["charger"][0] | {"source": source}
    for part in ("odd", "limit"):
        values[part] = [[row["words"], source] for row in facts[part]]
    # texts and lists of JSON are those of TOML
    shown = {name: json.dumps(value, indent=2) for name, value in values.items()}
    return ENTRY.format(today=today.date(), **shown)


def _show(file: Path, texts: dict[str, str], aliases: Aliases) -> None:
    """Show what a file would have, and each kind of alias in one of its lines."""
    say(f"This would be in {file}:")
    for name, text in texts.items():
        say(f"  {name}  {counted(len(text.splitlines()), 'line')}")
    everything = "".join(texts.values())
    for kind, given in sorted(aliases.given.items()):
        if example := re.search(rf".{{0,40}}<{kind}-1>.{{0,20}}", everything):
            say(f"  {counted(len(given), kind)} hidden: {example[0]}")
    say("Times, energy and numbers of sessions stay, and what the maker calls things.")
