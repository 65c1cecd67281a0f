"""The way to another version, and back.

Everything that may fail is done while the old version serves: the new program is installed beside
it, the database is backed up, and the new program migrates a copy of that, checks it, and judges
the last three months there. Then the old version stops, its database is copied once more, the link
is switched, and the new one starts.

The new version accepts no charger and no request before it has migrated and opened everything, and
only then does systemd call it active. If it is not active in time, it is stopped for good before
anything is put back; and the copy is put back only if the database has no fact that the copy lacks.
So nothing that was acknowledged can be lost, even if it became active in the last moment.

plan.UNDER_WAY is written before the old version stops, and removed at the end. It says how to go on
after kill -9.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, field
from pathlib import Path
from typing import Any, Final

from levity_trio import writing
from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress
from levity_trio.deploy import plan, service
from levity_trio.deploy.installation import BACKUPS
from levity_trio.deploy.program import (
    COPIES,
    CURRENT,
    OPT,
    Program,
    Wheel,
    ask,
    back_up,
    call,
    check_room,
    remove,
    try_on,
)
from levity_trio.deploy.steps import File, Link, Machine, Removal, missing, run
from levity_trio.records import record

HEALTHY_SECONDS: Final = 60.0
TRIAL_SHARE: Final = 2
"""The migration of the trial may take this part of the time, because it is the same machine with
more to do."""
SPARE_BYTES: Final = 100_000_000
DISTURBING: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
HERE: Final = Machine()
Told = Callable[[str], None]
Accept = Callable[[Sequence[Mapping[str, Any]], int], None]
"""Shows the sessions that would change, and how many more; raises if it shall not go on."""


class WentBack(EnvironmentProblem):
    """The new version did not serve, and the old one serves again. The text says why."""


class Stays(EnvironmentProblem):
    """The new version did not serve in time, and one cannot go back. The text says why, and what to
    do."""


@record
class UnderWay:
    """An upgrade that has begun: what to put back. `copy` is None if the old version serves on the
    new schema too."""

    before: str
    after: str
    database: str
    copy: str | None
    files: Mapping[str, str] = field(default_factory=dict)


@record
class Upgrade:
    """What an upgrade is going to do."""

    before: str
    wheel: Wheel
    pinned: str | None
    address: DatabaseAddress
    seconds: float
    found: plan.Found

    @property
    def database(self) -> Path | None:
        """The file of the database; None on PostgreSQL, which is neither copied nor put back."""
        return self.address if isinstance(self.address, Path) else None

    @property
    def program(self) -> Program:
        return Program(self.wheel, "pdf" if self.database else "pdf,postgresql", self.pinned)

    @property
    def backup(self) -> Path:
        return BACKUPS / f"before-{self.wheel.version}.db"

    def rows(self) -> list[tuple[str, str]]:
        """Return what will happen, and where, for people."""
        return [
            ("program", f"{self.program.folder}/, beside {self.before}"),
            ("back up, check", str(self.backup) if self.database else "is yours to do: pg_dump"),
            ("try", "the new version migrates a copy, and judges three months"),
            ("stop", f"{self.before}; chargers keep their messages"),
            ("start", f"{self.wheel.version}; back to {self.before} after {self.seconds:.0f} s"),
        ]


def present() -> str:
    """Return the version that is installed. Raises EnvironmentProblem."""
    if not CURRENT.is_symlink():
        raise EnvironmentProblem(
            "`install` in place of `upgrade` installs it here, or takes over what was installed "
            "by hand"
        )
    return str(CURRENT.readlink())


def plan_upgrade(wheel: Wheel, pinned: str | None, seconds: float) -> Upgrade:
    """Return what is to be done. Raises EnvironmentProblem."""
    found = plan.look(HERE)
    address = found.server.database
    return Upgrade(
        before=present(), wheel=wheel, pinned=pinned, address=address, seconds=seconds, found=found
    )


def carry_out(upgrade: Upgrade, told: Told, accept: Accept) -> float:
    """Do it, and return for how many seconds no server ran.

    Raises EnvironmentProblem: nothing was stopped, or WentBack, or Stays.
    """
    try:
        needs_copy = _prepare(upgrade, told, accept)
    except (EnvironmentProblem, OSError) as problem:
        raise EnvironmentProblem(
            f"{problem}. Nothing was stopped: {upgrade.before} serves"
        ) from problem
    texts = _files(upgrade)
    under_way = UnderWay(
        before=upgrade.before,
        after=upgrade.wheel.version,
        database=str(upgrade.address),
        copy=str(upgrade.backup) if needs_copy else None,
        files={str(step.path): (plan.read(HERE, step.path) or b"").decode() for step in texts},
    )
    writing.replace(plan.UNDER_WAY, json.dumps(asdict(under_way)).encode())
    told(f"stopping {upgrade.before}, and starting {upgrade.wheel.version}")
    with _undisturbed():
        began = time.monotonic()
        _switch(upgrade, under_way, texts)
        return time.monotonic() - began


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no Ctrl-C and no closed terminal end this while no server runs. Nothing is told
    meanwhile."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in DISTURBING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _switch(upgrade: Upgrade, under_way: UnderWay, texts: Sequence[File]) -> None:
    """Let the new version serve in the place of the old one. Raises WentBack, Stays."""
    try:
        service.stop()
        if under_way.copy is not None and upgrade.database is not None:
            back_up(HERE, upgrade.before, upgrade.database, upgrade.backup)
        for file in texts:
            file.do(HERE)
        Link(CURRENT, upgrade.wheel.version).do(HERE)  # last: then all is there to go on
    except (EnvironmentProblem, OSError) as problem:
        raise WentBack(_go_back(under_way, str(problem))) from problem
    finish(under_way, upgrade.seconds)


def _prepare(upgrade: Upgrade, told: Told, accept: Accept) -> bool:
    """Do all that can be done while the old version serves; return whether going back will need a
    copy."""
    _check_disks(upgrade)
    told("installing the new version beside the old one")
    if not upgrade.program.is_done(HERE):
        upgrade.program.do(HERE)
    needs_copy = _try(upgrade, told, accept)
    _check_disks(upgrade)
    return needs_copy


def _check_disks(upgrade: Upgrade) -> None:
    """Raise EnvironmentProblem if the copies of a file have no room."""
    if upgrade.database is not None:
        needed = COPIES * upgrade.database.stat().st_size + SPARE_BYTES
        for folder in (BACKUPS, upgrade.database.parent):
            check_room(folder, needed)


def _files(upgrade: Upgrade) -> list[File]:
    """Return the files of the services that are others in the new version. It writes them, not the
    one that runs."""
    settings = upgrade.found.settings or b""
    texts = plan.service_texts(settings, plan.answers_in(settings).site, upgrade.wheel.version)
    return [
        step
        for step in missing(upgrade.found.files(settings, texts), HERE)
        if isinstance(step, File)
    ]


_NEWEST: Final = "from levity_trio.store.moving.tables import newest_version as n; print(n())"
"""Prints the newest schema of a version. It names a module that has had its place since the first
upgrade."""


def _try(upgrade: Upgrade, told: Told, accept: Accept) -> bool:
    """Let the new program look at the database, and at a copy; return whether going back needs a
    copy.

    Raises EnvironmentProblem: the new version cannot serve on it, or one could not go back.
    """
    old = run([str(OPT / upgrade.before / "bin" / "python"), "-c", _NEWEST])
    seen = ask(HERE, upgrade.wheel.version, "look", str(upgrade.address), old.strip())
    if upgrade.database is None:
        if not seen["serves_old"]:
            raise EnvironmentProblem(
                f"{upgrade.before} could not serve on the database of {upgrade.wheel.version}, so "
                "one could not go back: levity-trio help upgrade shows how to do it on PostgreSQL"
            )
        told("no copy on PostgreSQL: levity-trio recheck tells later what is judged otherwise")
        return False
    told("backing up, and checking the backup")
    back_up(HERE, upgrade.before, upgrade.database, upgrade.backup)
    call(HERE, upgrade.before, "check", str(upgrade.backup))
    told("trying the new version on a copy")
    tried = try_on(HERE, upgrade.wheel.version, upgrade.backup)
    seconds = tried["seconds"]
    if TRIAL_SHARE * seconds > upgrade.seconds:
        wanted = TRIAL_SHARE * seconds + upgrade.seconds
        raise EnvironmentProblem(
            f"the migration took {seconds:.0f} s in a trial; give --patience {wanted:.0f}"
        )
    accept(tried["changes"], tried["more_changes"])
    return not seen["serves_old"]


def under_way() -> UnderWay | None:
    """Return the upgrade that was interrupted, if there is one."""
    text = plan.read(HERE, plan.UNDER_WAY)
    return None if text is None else UnderWay(**json.loads(text))


def finish(begun: UnderWay, seconds: float) -> None:
    """Start the version to which the link leads now, and end the upgrade. Raises WentBack,
    Stays."""
    if present() == begun.before:
        raise WentBack(_go_back(begun, "the upgrade was interrupted"))
    if not service.is_active():
        try:
            service.start(seconds)
        except EnvironmentProblem as problem:
            raise WentBack(_go_back(begun, str(problem))) from problem
    plan.UNDER_WAY.unlink()
    plan.KeptVersions(OPT / begun.after).do(HERE)
    _remove_others({begun.before, begun.after})


def _go_back(begun: UnderWay, why: str) -> str:
    """Let the old version serve again, with its database. Return what to tell. Raises Stays."""
    service.stop()
    if present() != begun.before and begun.copy is not None:
        try:
            ask(HERE, begun.after, "undo", begun.database, begun.copy)
        except EnvironmentProblem as problem:
            plan.UNDER_WAY.unlink()
            raise Stays(
                f"{why}. {begun.after} stays, because its database stays: {problem}"
            ) from None
    Link(CURRENT, begun.before).do(HERE)
    for name, text in begun.files.items():
        access = plan.SETTINGS_ACCESS if Path(name) == plan.SETTINGS else ()
        (File(Path(name), text.encode(), *access) if text else Removal(Path(name))).do(HERE)
    service.start(HEALTHY_SECONDS)
    plan.UNDER_WAY.unlink()
    remove(OPT / begun.after)
    return (
        f"{begun.after} does not serve: {why}. {begun.before} serves again, with everything that "
        "it had stored"
    )


def _remove_others(kept: set[str]) -> None:
    """Remove the programs and the copies of earlier upgrades."""
    for folder in OPT.iterdir():
        if folder.is_dir() and not folder.is_symlink() and folder.name not in kept:
            remove(folder)
    for copy in BACKUPS.glob("before-*.db"):
        if copy.stem.removeprefix("before-") not in kept:
            copy.unlink()
