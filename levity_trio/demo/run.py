"""The demo in one program: the ordinary server on a copy of the history, its chargers, and their
neighbours.

    server            as `levity-trio serve` runs it; it ends on a signal, and then the rest is
                      cancelled
    └─ fleet          the simulated chargers, which connect to the server's port
       └─ neighbours  who come and go

Everything lies in a temporary folder, which is deleted at the end, or by the next demo if this one
is killed. The clock goes on from the history's last moment.
"""

from __future__ import annotations

import fcntl
import lzma
import os
import shutil
import socket
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from functools import partial
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

import trio

from levity_trio import server
from levity_trio.clock import SimulatedTime, accelerated, system_clock
from levity_trio.config import Guests, LogConfig, ServerConfig
from levity_trio.config.sources import load
from levity_trio.demo.house import (
    BY_QUARTER,
    CHARGERS,
    FACTS,
    FAULT,
    FAULTED,
    FEEDER,
    HOUSEHOLDS,
    LABELLED,
    NAME,
    NEIGHBOUR,
    OLDER,
    SPEED,
    TIME_ZONE,
    TRIED,
    UNTRIED,
    charger_id,
    configuration,
    default_profile,
    feeder_document,
    plate,
)
from levity_trio.demo.neighbours import ONLY, Neighbours
from levity_trio.groups import unwrapped
from levity_trio.notify.kinds import OF_DRIVER, OF_SITE
from levity_trio.outgoing.websocket import ServerAddress
from levity_trio.output import print_line
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import Memory
from levity_trio.simulator.feeder import Feeder, serve_meters
from levity_trio.simulator.fleet import open_fleet
from levity_trio.simulator.link import Pace
from levity_trio.store.beside.backup_note import LastBackup, note
from levity_trio.store.keeping.offline import resume
from levity_trio.store.writes.site.demo import DemoRecipient, Resumed, Shared
from levity_trio.web.logins.browsers import new_cookie
from levity_trio.wire.frames import CallResult
from levity_trio.wire.times import in_zone, stamp
from levity_trio.writing import created, make_folder

PREFIX: Final = "levity-demo-"
DATABASE: Final = "levity.db"
"""As `serve` names it, so that commands find it in its folder."""
MAILS: Final = "mails"
SENDER: Final = "Bauhof 12 <bauhof@example.org>"
TOLD: Final = (
    DemoRecipient("admin", "owner", "clara@example.org", tuple(OF_SITE)),
    DemoRecipient("driver", "driver", "anna@example.org", tuple(OF_DRIVER)),
)
"""Who gets mails, in a folder instead of a mail server."""
NEW_SECONDS: Final = 60.0
"""A folder that is younger may belong to a demo that has not locked its database yet."""
HISTORY: Final = "history.db.xz"
HOST: Final = "127.0.0.1"
OF_CONTAINER: Final = ("LEVITY_API_HOST", "LEVITY_DRIVERS_HOST", "LEVITY_METRICS_PORT")
"""What an image says in its environment: from where its pages are reached, and where its health is
asked for. All other settings of the demo are its own."""
USUAL_PORTS: Final = (9000, 9001, 9002, 5020)
"""The ports of the chargers, of the dashboard, of the drivers, and of the feeder's meter."""
READING_SECONDS: Final = 300
HEARTBEAT_SECONDS: Final = 600
LOOK_SECONDS: Final = 0.5
"""How often the neighbours look what there is to do, in real time."""
CONNECTED_SECONDS: Final = 10.0
"""The addresses are printed when all chargers are connected, or after this time."""
SAVED_BEFORE: Final = timedelta(hours=14)
"""The owner's last backup is invented, too: it was made in the night before."""
SCREENS: Final = ("DISPLAY", "WAYLAND_DISPLAY")
WORDS: Final = """\
This is a demo: a house with {households} households and {chargers} simulated chargers.
All names and figures are invented. Its feeder of {feeder:g} A is shared: each car gets
what fits beside the house, and the others wait for current. {by_quarter} households
pay by the quarter-hour, and less for sun from the roof.

  The owner's dashboard   {dashboard}/
  The page of a neighbour {drivers}/d/ ({neighbour} is logged in)
  The label of a charger  {dashboard}/get/admin/codes?charger={labelled}
{elsewhere}
There it is {moment:%A, %-d %B %Y, %H:%M}, and time passes {speed} times as fast.
Its database, its log and the mails that it sends are in {folder}
In that folder, commands such as `levity-trio chargers` are of the demo.
Ctrl-C ends the demo and removes everything."""
ELSEWHERE: Final = f"""
From another computer or a phone, put the address of this machine in place of {HOST}.
"""


def run(flags: Mapping[str, str]) -> int:
    """Run the demo until a signal, with these flags of the server; return the exit status.

    Raises EnvironmentProblem, ConfigError.
    """
    given = {name: os.environ[name] for name in OF_CONTAINER if name in os.environ}
    chosen, _ = load(flags, given)
    print_line("Unpacking two months of history…")
    _remove_left_behind()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, ExitStack() as turn:
        folder = Path(name)
        database = folder / DATABASE
        unpack(database)
        make_folder(folder / MAILS)
        turn.callback(os.close, _take_turn())
        *ports, meter_port = free_ports(USUAL_PORTS)
        config = _config(database, ports, chosen)
        assert config.guests is not None  # noqa: S101 - as made above
        logins = {"admin": config.guests.dashboard, "driver": config.guests.drivers}
        shared = Shared(feeder_document(meter_port), UNTRIED, OLDER, TRIED, FACTS)
        resumed = resume(database, config.server_name, SPEED, system_clock(), logins, TOLD, shared)
        note(
            database,
            LastBackup(
                stamp(resumed.begun - SAVED_BEFORE), "/backup/bauhof.db", database.stat().st_size
            ),
        )
        log_config = LogConfig(file=folder / "demo.log")
        print_line(f"Starting the server, and connecting {len(CHARGERS)} chargers…")
        nowhere = os.open(os.devnull, os.O_WRONLY)  # the log is in its file only
        with unwrapped(SystemExit):  # nobody reads the addresses
            status = server.run(
                config, log_config, partial(_live, resumed, meter_port, turn), nowhere
            )
    print_line("\nThe demo has ended. Nothing of it is left.")
    return status


def _remove_left_behind() -> None:
    """Remove the folders of demos that were killed: nobody has the lock of their database."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # it lives, is another user's, or another demo removes it at this moment
        with suppress(OSError):
            found = folder.lstat()
            if found.st_uid == os.geteuid() and time.time() - found.st_mtime > NEW_SECONDS:
                _remove(folder)


def _remove(folder: Path) -> None:
    held = os.open(folder / f"{DATABASE}.lock", os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(held)


def unpack(database: Path) -> None:
    """Write the history into a new file."""
    packed = files("levity_trio.demo").joinpath(HISTORY).read_bytes()
    with created(database) as file:
        file.write(lzma.decompress(packed))


def _take_turn() -> int:
    """Wait until no other demo chooses ports: it listens at them seconds later. To close what is
    returned ends it."""
    held = os.open(tempfile.gettempdir(), os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    return held


def free_ports(usual: Sequence[int]) -> list[int]:
    """Return these ports, and others in place of those that are taken."""
    with ExitStack() as held:
        return [_free_port(port, held) for port in usual]


def _free_port(port: int, held: ExitStack) -> int:
    """Return this port if it is free, otherwise another one. It is held, so that no other call
    returns it."""
    for wanted in (port, 0):
        probe = held.enter_context(socket.socket())
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            continue
        return int(probe.getsockname()[1])
    raise AssertionError  # unreachable: the system chooses a free port


def _config(database: Path, ports: Sequence[int], chosen: ServerConfig) -> ServerConfig:
    of_chargers, of_dashboard, of_drivers = ports
    return ServerConfig(
        database=database,
        server_name=NAME,
        host=HOST,
        port=of_chargers,
        api_host=chosen.api_host,
        api_port=of_dashboard,
        public_url=f"http://{HOST}:{of_dashboard}",
        drivers_host=chosen.drivers_host,
        drivers_port=of_drivers,
        metrics_port=chosen.metrics_port,
        drivers_url=f"http://{HOST}:{of_drivers}",
        given_time_zone=ZoneInfo(TIME_ZONE),
        heartbeat_interval_seconds=HEARTBEAT_SECONDS,
        clock_speed=SPEED,
        clock_wait_seconds=0.0,
        registration="ask",
        unknown_tags="ask",
        mail=f"folder:{database.with_name(MAILS)}",
        mail_from=SENDER,
        mqtt=chosen.mqtt,
        mqtt_password_file=chosen.mqtt_password_file,
        mqtt_names=True,
        guests=Guests(new_cookie(), new_cookie(), SPEED),
    )


async def _live(resumed: Resumed, meter_port: int, turn: ExitStack, config: ServerConfig) -> None:
    """Serve, with chargers, until a signal. The turn to choose ports ends when they are listened
    at."""
    async with trio.open_nursery() as nursery:
        clock = accelerated(SimulatedTime(resumed.begun, SPEED, resumed.started), system_clock)

        def hour() -> float:
            now = in_zone(clock(), config.time_zone)
            return now.hour + now.minute / 60

        feeder, serving = Feeder(FEEDER, Random(1), lambda _at: hour()), trio.Event()  # noqa: S311 - no secret
        nursery.start_soon(serve_meters, lambda: (feeder.shown, feeder.sun), HOST, meter_port)
        nursery.start_soon(_serve, config, nursery.cancel_scope, serving)
        await serving.wait()
        turn.close()
        await nursery.start(_let_charge, config, resumed, hour, feeder)
        print_line(
            WORDS.format(
                households=len(HOUSEHOLDS),
                chargers=len(CHARGERS),
                feeder=FEEDER.amperes,
                by_quarter=len(BY_QUARTER),
                dashboard=config.public_url,
                drivers=config.drivers_url,
                neighbour=NEIGHBOUR.name,
                labelled=charger_id(LABELLED),
                elsewhere=ELSEWHERE * (config.api_host != HOST),
                speed=SPEED,
                moment=in_zone(clock(), config.time_zone),
                folder=config.beside.parent,
            )
        )
        await _open_browser(f"{config.public_url}/")


async def _serve(config: ServerConfig, all_of_it: trio.CancelScope, serving: trio.Event) -> None:
    await server.serve(config, serving=serving)
    all_of_it.cancel()


async def _open_browser(url: str) -> None:
    """Open the dashboard where there is a screen: a browser of the terminal would cover the
    addresses."""
    if sys.platform == "darwin" or any(map(os.environ.get, SCREENS)):
        await trio.to_thread.run_sync(webbrowser.open, url, abandon_on_cancel=True)


async def _let_charge(
    config: ServerConfig,
    resumed: Resumed,
    hour: Callable[[], float],
    feeder: Feeder,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Connect the chargers, let neighbours come and go, and show what the feeder carries, until
    cancelled."""
    pace = Pace(SPEED)
    async with open_fleet(pace, ServerAddress(HOST, config.port, "/ws/", is_tls=False)) as fleet:
        neighbours = Neighbours(fleet.chargers, lambda: int(hour()), Random(1))  # noqa: S311 - no secret
        for name in CHARGERS:
            spec = plate(name, resumed.registers.get(name, 0))
            memory = Memory.fresh(spec)
            memory.configuration.update(configuration(READING_SECONDS))
            charger = Charger(spec, memory, clock_slack_seconds=SPEED / 4)
            fleet.add(charger)
            go_on(charger, resumed, neighbours)
        with trio.move_on_after(CONNECTED_SECONDS):
            while not all(one.is_linked for one in fleet.chargers.values()):  # noqa: ASYNC110 - for a moment
                await trio.sleep(LOOK_SECONDS / 10)
        task_status.started()
        while True:
            neighbours.look(pace.now)
            # its breaker is none: nobody would see the demo in the dark
            feeder.look(fleet.chargers.values(), pace.now)
            await trio.sleep(LOOK_SECONDS)


def go_on(charger: Charger, resumed: Resumed, neighbours: Neighbours) -> None:
    """Let a charger be as the history left it: it has booted, is faulted, or waits in its open
    transaction.

    The server has heard already what the charger says until then, so it is answered here.
    """
    at, name = 0.0, charger.spec.id
    charger.connected(at)
    booted = {
        "status": "Accepted",
        "currentTime": stamp(resumed.begun),
        "interval": HEARTBEAT_SECONDS,
    }
    _hear(charger, {"BootNotification": booted}, at)
    charger.install(ONLY, default_profile(name), None, at)
    if name == FAULTED:
        charger.fault(ONLY, FAULT, at)
    if (transaction := resumed.open.get(name)) is not None:
        neighbours.plug(charger, neighbours.owner(transaction.id_tag), at)
        charger.start(ONLY, transaction.id_tag, at)
    known = {
        "transactionId": 0 if transaction is None else transaction.id,
        "idTagInfo": {"status": "Accepted"},
    }
    _hear(charger, {"StartTransaction": known}, at)
    charger.connectors[ONLY].reported = None  # it says how it is when it is back
    charger.disconnected(at)


def _hear(charger: Charger, answers: Mapping[str, dict[str, Any]], at: float) -> None:
    """Answer all that a charger says."""
    while (outgoing := charger.next_call(at)) is not None:
        action, _ = outgoing.frames[-1]
        charger.settle(outgoing, CallResult("", answers.get(action, {})), at)
