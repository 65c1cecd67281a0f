"""`sudo levity-trio install` and `uninstall`: makes a supervised server of this machine, or takes
it away."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from levity_trio.cli.declaring import (
    JSON_LINES,
    PATH,
    flag,
    local_command,
    option,
    present,
    together,
)
from levity_trio.cli.deploy import write_files
from levity_trio.cli.terminal import check_terminal, confirm, say, say_json, show_table, warn
from levity_trio.config import API_PORT, ConfigError, EnvironmentProblem
from levity_trio.output import is_terminal

if TYPE_CHECKING:
    from levity_trio.deploy.plan import Answers, Found
    from levity_trio.deploy.program import Wheel
    from levity_trio.deploy.steps import Machine, Step

FILES: Final = Path("levity-install")
ADMIN: Final = "admin"
ROOT: Final = option("--root DIR", "Write everything below this folder.", type=PATH)
YES: Final = flag("--yes", "Do it without a question.", "is_yes")
PINNED: Final = option(
    "--as FILE",
    "Install exactly the versions in this file.",
    "pinned",
    type=PATH,
)
_OPTIONS: Final = together(
    option("--cards", "Which cards may charge.", type=click.Choice(["admitted", "all"])),
    option("--site NAME", "Name of the site."),
    option("--time-zone ZONE", "Time zone of the site, such as Europe/Berlin."),
    option("--address NAME-OR-IP", "By which chargers and phones reach this machine."),
    flag("--alerts", "Also install Prometheus and its alerts."),
    flag("--litestream", "Also write the files of Litestream, to be filled in."),
    PINNED,
    option(
        "--files DIR",
        "Folder of the files that are written without root.",
        default=FILES,
        type=PATH,
    ),
    ROOT,
    YES,
    JSON_LINES,
)
EXAMPLES: Final = """\
\b
Examples:
  levity-trio install
  levity-trio install --yes --site "Bauhof 12" --address 192.168.1.20
  levity-trio install --address 192.168.1.20
  levity-trio install --alerts --litestream
  levity-trio install --as levity-trio.versions
  levity-trio install --yes --root /mnt/card

Run it with sudo, from the clone as `sudo .venv/bin/levity-trio install`. It shows what it will
do, and asks once. Without root, or if the answer is no, it writes the files of `levity-trio
deploy` into a folder and changes nothing.

The program goes to /opt/levity-trio, with all that it needs; the clone may be deleted. The
settings go to /etc/levity-trio/levity.toml, the database to /var/lib/levity, and a checked
backup of each night to /var/backups/levity-trio. Other devices reach the dashboard, the
drivers' pages and the ports for chargers.

If a levity-trio.service is here that somebody else wrote, its settings go on, and the database
is backed up first. What cannot be read for certain is refused.

Run it again to change an answer, or to finish after it was interrupted. What is right already
stays as it is. Another version is installed with `levity-trio upgrade`.

A release installs the packages that it was tested with, and checks their hashes. A clone has no
list of them: then pip takes the newest that fit.

The versions and hashes of all that was installed are in
/etc/systemd/system/levity-trio.versions. With --as, another machine gets exactly these.

With --root, everything is written below a folder, such as a mounted card. The user is made when
that machine starts.

Exit status: 0 when everything is in place, 1 when something failed (run it again), 2 for wrong
usage, 130 if the answer was no.
"""


@local_command(epilog=EXAMPLES, short_help="Make a supervised server of this machine.")
@_OPTIONS
def install(
    *,
    root: Path | None,
    pinned: Path | None,
    files: Path,
    is_yes: bool,
    is_json: bool,
    **answers: Any,
) -> int | None:
    """Make a supervised server of this machine: program, service, nightly backups, certificate,
    first log-in.
    """
    from levity_trio.deploy import plan  # noqa: PLC0415 - so that --help answers at once
    from levity_trio.deploy.program import Program, open_wheel, read_pinned  # noqa: PLC0415
    from levity_trio.deploy.steps import Machine, missing  # noqa: PLC0415

    more = [name for name in ("alerts", "litestream") if answers.pop(name)]
    if root is None and os.geteuid() != 0:
        if plan.look(Machine()).taken is not None:
            raise EnvironmentProblem(
                "levity-trio runs here; only root can take its settings over: run this with sudo"
            )
        warn("levity-trio: only root can install it; these are the files for installing by hand")
        _write_files(files, answers)
        return None
    machine, report = machine_at(root), Progress(is_json=is_json)
    report.show(found := plan.look(machine))
    chosen = _choose(found, answers, is_yes=is_yes)
    report.say("Looking for the program, and building it if this is a clone…")
    with open_wheel() as wheel:
        versions = read_pinned(pinned, wheel)
        steps = missing(plan.steps_of(machine, found, chosen, wheel, versions, more), machine)
        if any(isinstance(step, Program) for step in steps):
            report.tell_source(versions)
        if not steps:
            report.say(
                f"Nothing to do: levity-trio {wheel.version} is installed with these answers."
            )
        elif not report.agreed([(step.what, step.where) for step in steps], is_yes=is_yes):
            if found.taken is None:
                _write_files(files, answers)
            return 130
        report.do(steps, machine)
    report.end(chosen, wheel, machine)
    return None


def machine_at(root: Path | None) -> Machine:
    """Return the machine to be changed. Raises EnvironmentProblem: systemd does not run here, or
    not as root."""
    from levity_trio.deploy.steps import SYSTEMD, Machine  # noqa: PLC0415 - as above

    os.umask(0o022)  # others read the program
    if root is not None:
        root.mkdir(parents=True, exist_ok=True)
        return Machine(root.resolve())
    if os.geteuid() != 0:
        raise EnvironmentProblem("this changes the system: run it with sudo")
    if not SYSTEMD.is_dir():
        raise EnvironmentProblem(
            "systemd does not run here; write everything below a folder with --root"
        )
    return Machine()


class Progress:
    """Tells a person, or a program, what is done."""

    def __init__(self, *, is_json: bool) -> None:
        self._is_json = is_json

    def say(self, text: str) -> None:
        if not self._is_json:
            say(text)

    def tell_source(self, versions: str | None) -> None:
        if versions is None:
            self.say(
                "This is no release, so no list of tested packages is here: pip takes the newest."
            )

    def tell(self, **record: object) -> None:
        if self._is_json:
            say_json(record)

    def show(self, found: Found) -> None:
        """Show the settings that are taken over."""
        if found.taken is not None:
            self.tell(taken_over=found.taken)
            self.say(
                "levity-trio runs here by a unit that somebody wrote; these settings of it go on "
                "in levity.toml:"
            )
            rows = [{"setting": name, "value": value} for name, value in found.taken.items()]
            if not self._is_json:
                show_table(("setting", "value"), rows)

    def agreed(self, rows: Sequence[tuple[str, str]], *, is_yes: bool) -> bool:
        """Show what happens, and where; return whether it is to be done. Raises ConfigError: nobody
        can be asked."""
        if not self._is_json:
            show_table(("what", "where"), [{"what": what, "where": where} for what, where in rows])
        if is_yes:
            return True
        check_terminal()
        return click.confirm("Do this?", default=True, err=True)

    def do(self, steps: Sequence[Step], machine: Machine) -> None:
        """Do the steps. Raises EnvironmentProblem."""
        for number, step in enumerate(steps, 1):
            self.say(f"{number:>2}/{len(steps)}  {step.what} {step.where}")
            try:
                step.do(machine)
            except OSError as problem:
                where = problem.filename or step.where
                raise EnvironmentProblem(
                    f"{where}: {problem.strerror}; put that right and run this again"
                ) from problem
            self.tell(done=step.what, where=step.where)

    def say_step(self, text: str) -> None:
        self.say(f"… {text}")
        self.tell(doing=text)

    def accept(
        self, changes: Sequence[Mapping[str, Any]], more_changes: int, *, is_yes: bool
    ) -> None:
        """Show the sessions that a new version judges or prices otherwise, and ask whether to go
        on. Raises Abort, ConfigError."""
        self.tell(changes=changes, more_changes=more_changes)
        if not changes:
            self.say("No session of the last three months would change.")
            return
        rows = []
        for one in changes:
            figure, doubts, price = one["figure_wh"], one["doubts"], one["price"]
            rows.append(
                {name: one[name] for name in ("session", "charger", "start")}
                | {
                    "Wh": figure and f"{figure[0]} → {figure[1]}",
                    "price": "stays as billed" if one["is_closed"] else price and " → ".join(price),
                    "doubts": doubts and f"{doubts[0] or 'none'} → {doubts[1] or 'none'}",
                }
            )
        if not self._is_json:
            show_table(("session", "charger", "start", "Wh", "price", "doubts"), rows)
        more = f", and {more_changes} more" if more_changes else ""
        self.say(f"These sessions{more} would change if they were judged or priced anew.")
        if not is_yes:
            confirm("Go on?")

    def end_upgrade(self, version: str, seconds: float | None) -> None:
        """Say that a version serves, and how long none did."""
        self.tell(version=version, seconds_without_an_answer=seconds)
        away = "" if seconds is None else f" Nothing answered for {seconds:.1f} s."
        self.say(f"levity-trio {version} serves.{away}")

    def admit(self) -> None:
        """Make the link with which the first person logs in, if there is no user yet."""
        from levity_trio.deploy.plan import SCRIPT  # noqa: PLC0415 - as above
        from levity_trio.deploy.steps import run  # noqa: PLC0415
        from levity_trio.documents.qr import terminal_code  # noqa: PLC0415

        if any(
            user["removed_at"] is None
            for user in json.loads(run([str(SCRIPT), "user", "list", "--json"]))
        ):
            return
        user = json.loads(
            run([str(SCRIPT), "user", "add", ADMIN, "--role", "admin", "--link", "--json"])
        )
        link = f"{user['invitation']['page']}#{user['invitation']['code']}"
        self.tell(link=link, user=ADMIN)
        self.say(
            f"\nLog in as {ADMIN} with this link. It works once, for a day:\n\n  "
            f"{link}\n\n{terminal_code(link)}"
        )
        self.say(f"After that day: sudo levity-trio user invite {ADMIN} --link")

    def end(self, chosen: Answers, wheel: Wheel, machine: Machine) -> None:
        """Say where everything is, and try the name of this machine."""
        from levity_trio.deploy import plan  # noqa: PLC0415 - as above
        from levity_trio.deploy.installation import BACKUPS, host_port, target  # noqa: PLC0415

        server = plan.Found(settings=plan.read(machine, plan.SETTINGS)).server
        pages = server.public_url
        address = pages or f"http://{target(server.api_host, server.api_port or API_PORT)}"
        dialled = host_port(chosen.address or "THIS-MACHINE", server.port)
        shown = {
            "version": wheel.version,
            "dashboard": f"{address}/",
            "trust": pages and f"{pages}/trust",
            "drivers": server.drivers_url and f"{server.drivers_url}/",
            "chargers": f"ws://{dialled}/ws/CHARGER-ID",
            "settings": str(plan.SETTINGS),
            "database": str(plan.database_of(server)),
            "backups": f"{BACKUPS}, each night",
        }
        places = present(shown)
        if machine.runs and pages:
            self.admit()
        self.tell(**places)
        self.say("\n".join(("", *(f"{name:<10} {where}" for name, where in places.items()))))
        if machine.runs and (trouble := plan.trouble_of_name(chosen.address)):
            warn(f"levity-trio: {trouble}")


def _choose(found: Found, flags: dict[str, str | None], *, is_yes: bool) -> Answers:
    """Return the answers: those of flags, else those in force, else those of a person, else those
    that are offered."""
    from levity_trio.deploy import plan  # noqa: PLC0415 - as above

    offered = plan.suggested() if found.settings is None else plan.answers_in(found.settings)
    chosen = replace(offered, **present(flags))
    if found.settings is not None:
        return chosen  # what is changed of them is checked with them
    is_asked = not is_yes and is_terminal(sys.stdin)
    open_ones = [name for name, value in flags.items() if value is None and is_asked]
    return _ask(_checked(chosen), open_ones)


def _checked(answers: Answers) -> Answers:
    """Return answers that a server can have. Raises click.BadParameter; then a question is asked
    again."""
    from levity_trio.deploy import plan  # noqa: PLC0415 - as above
    from levity_trio.deploy.installation import read_elsewhere  # noqa: PLC0415

    if answers.cards not in plan.CARDS:
        raise click.BadParameter(f"give one of {', '.join(plan.CARDS)}")
    try:
        read_elsewhere(plan.SETTINGS, plan.settings_text(None, plan.settings_of(answers)))
    except ConfigError as wrong:
        raise click.BadParameter(str(wrong)) from None
    return answers


def _ask(offered: Answers, open_ones: Sequence[str]) -> Answers:
    """Ask the questions that no flag answers."""
    from levity_trio.deploy import plan  # noqa: PLC0415 - as above

    address = plan.present_address()
    words = {
        "cards": "Which cards may charge? admitted: only those that you admit. all: every card",
        "site": "What is the name of the site?",
        "time_zone": "In which time zone is it?",
        "address": f"By which address do phones and chargers reach this machine? {offered.address}"
        + (f", or {address}; then give it that address for good in your router" if address else ""),
    }
    chosen = offered
    for name in (name for name in words if name in open_ones):

        def checked(text: str, name: str = name, before: Answers = chosen) -> Answers:
            return _checked(replace(before, **{name: text}))

        chosen = click.prompt(
            words[name], default=getattr(offered, name), value_proc=checked, err=True
        )
    return chosen


def _write_files(directory: Path, answers: dict[str, str | None]) -> None:
    """Write what `deploy` writes, with the answers that were given."""
    from levity_trio.deploy.plan import CARDS  # noqa: PLC0415 - as above

    flags = {"unknown_tags": CARDS[answers["cards"] or "admitted"]}
    if answers["time_zone"] is not None:
        flags["given_time_zone"] = answers["time_zone"]
    write_files(directory, flags)


# Uninstall


@local_command(short_help="Remove the program and its service; the data stays.")
@ROOT
@YES
@flag("--leave-limits", "Do it although chargers are still limited.", "leaves_limits")
@JSON_LINES
def uninstall(*, root: Path | None, is_yes: bool, leaves_limits: bool, is_json: bool) -> int:
    """Remove the program and its service from this machine. The data stays.

    Examples:
      levity-trio uninstall
      levity-trio uninstall --yes
      levity-trio uninstall --leave-limits

    Run it with sudo. It shows what it takes away, and asks once. The database, the backups, the
    certificates and the settings stay, because they are the evidence for your bills; so does the
    user levity, to whom they belong.

    While load management limits chargers, it is refused: `levity-trio load off` first clears what
    they were sent. With --leave-limits they keep that. It falls to their safe limits, which then
    stay.

    Exit status: 0 when it is gone, 1 when chargers are still limited or something failed (run it
    again), 2 for wrong usage, 130 if the answer was no.
    """
    from levity_trio.deploy import plan  # noqa: PLC0415 - so that --help answers at once
    from levity_trio.deploy.installation import BACKUPS  # noqa: PLC0415
    from levity_trio.deploy.steps import missing  # noqa: PLC0415

    machine, report = machine_at(root), Progress(is_json=is_json)
    steps, found = missing(plan.removals(), machine), plan.look(machine)
    if found.taken is not None:
        raise EnvironmentProblem(
            "levity-trio.service is not of `install`, and its settings would be lost: remove it "
            "by hand"
        )
    database = plan.database_of(found.server)
    if steps and not leaves_limits and machine.has(database):
        _check_limits(machine.at(database))
    if steps and not report.agreed([(step.what, step.where) for step in steps], is_yes=is_yes):
        return 130
    report.do(steps, machine)
    left = [
        path
        for path in dict.fromkeys((database.parent, BACKUPS, plan.SETTINGS.parent))
        if machine.has(path)
    ]
    report.tell(left=list(map(str, left)))
    report.say("levity-trio is not installed here.")
    if left:
        report.say(f"Your data stays: {', '.join(map(str, left))}")
    return 0


def _check_limits(database: Path) -> None:
    """Raise EnvironmentProblem if load management still limits chargers, or if nobody can know
    that."""
    from levity_trio.store.reads.load.leases import count_limited  # noqa: PLC0415
    from levity_trio.store.reads.reader import look  # noqa: PLC0415 - as above

    try:
        count = look(database, count_limited)
    except EnvironmentProblem as problem:
        raise EnvironmentProblem(f"{problem}; with --leave-limits nobody looks there") from None
    if count:
        chargers = "1 charger is" if count == 1 else f"{count} chargers are"
        raise EnvironmentProblem(
            f"{chargers} still limited: run levity-trio load off first, or add --leave-limits"
        )
