"""`levity-trio logs CHARGER --share FILE`: what a charger sent, and what is known of it, for
others."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile

from levity_trio import __version__, commit
from levity_trio.cli.terminal import cell, confirm, counted, say
from levity_trio.config import EnvironmentProblem, ServerConfig
from levity_trio.store.reads.reader import look
from levity_trio.store.reads.site.frames import LoggedFrame
from levity_trio.store.reads.site.shared import shared
from levity_trio.wire.aliases import Aliases
from levity_trio.writing import replacing

NO_FRAMES: Final = (
    "no frame of {} in that time; levity-trio chargers lists all chargers, and an earlier --since "
    "finds more"
)


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
    names, facts = look(config.database, partial(shared, charger=charger))
    if not (frames and facts["charger"]):
        raise EnvironmentProblem(NO_FRAMES.format(cell(charger)))
    aliases = Aliases(names, [frame.frame for frame in frames])
    lines = [
        f"{frame.at}  {frame.direction:10}  {cell(aliases.text(frame.frame))}\n" for frame in frames
    ]
    facts["settings"] = {
        setting.name: "***" if setting.is_secret else setting.text
        for setting in config.in_force
        if setting.origin != "default"
    }
    about = aliases.facts(facts) | {"program": __version__, "commit": commit()}
    texts = {
        "frames.txt": "".join(lines),
        "about.json": json.dumps(about, ensure_ascii=False, indent=1),
    }
    say(f"This would be in {file}:")
    for name, text in texts.items():
        say(f"  {name}  {counted(len(text.splitlines()), 'line')}")
    everything = "".join(texts.values())
    for kind, given in aliases.given.items():
        if example := re.search(rf".{{0,40}}<{kind}-1>.{{0,20}}", everything):
            say(f"  {counted(len(given), kind)} hidden: {example[0]}")
    say("Times, energy and numbers of sessions stay, and what the maker calls things.")
    if not is_agreed:
        confirm(f"Write {file}?")
    try:
        with replacing(file) as content, ZipFile(content, "w", ZIP_DEFLATED) as archive:
            for name, text in texts.items():
                archive.writestr(name, text)
    except OSError as problem:
        raise EnvironmentProblem(f"{file} cannot be written: {problem.strerror}") from None
    say(f"{file} is written. Nothing was sent: attach it to your report.")
