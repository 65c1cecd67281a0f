"""`levity-trio simulator …`, against the API of a real park."""

from __future__ import annotations

import json
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import trio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from levity_trio.cli import main
from levity_trio.cli.simulator import simulator
from levity_trio.cli.terminal import cell
from levity_trio.simulator.park.api import park_application
from levity_trio.web.http.server import application, open_http
from tests.simulator.park.parks import running_park
from tests.web.clients import on_a_free_port

HOST = "127.0.0.1"
NOWHERE = f"http://{HOST}:1"


class Run(NamedTuple):
    status: int
    out: str
    err: str


Type = Callable[..., Awaitable[Run]]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Type:
    """Run a command line in a thread: its client blocks until the server of this thread
    responds."""

    async def run(*arguments: str) -> Run:
        status = await trio.to_thread.run_sync(main, ["simulator", *arguments])
        return Run(status, *capsys.readouterr())

    return run


@pytest.fixture
async def type_in(
    tmp_path: Path, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Type]:
    """The same, with a running simulator whose URL is in the environment."""
    async with (
        running_park(tmp_path / "simulator.json") as api,
        open_http(park_application(api.park), await on_a_free_port()) as port,
    ):
        monkeypatch.setenv("LEVITY_SIMULATOR_API", f"http://{HOST}:{port}")
        yield typed


async def done(run: Awaitable[Run]) -> str:
    status, out, err = await run
    assert (status, err) == (0, "")
    return out


async def refused(run: Awaitable[Run], status: int = 1) -> str:
    """Return the error line of a command that failed."""
    ran = await run
    assert ran.status == status
    assert not ran.out
    assert ran.err.startswith("levity-trio: ")
    assert ran.err.count("\n") == 1
    return ran.err


async def test_a_charger_from_its_first_day_to_its_last(type_in: Type) -> None:
    assert await done(type_in("chargers")) == "none\n"
    added = (
        "--vendor",
        "Grizzl-E",
        "--quirk",
        "grizzl-e",
        "--quirk",
        "no-pings",
        "--connectors",
        "2",
    )
    assert await done(type_in("add", "CP 1", *added)) == "added CP 1\n"
    header, line = (await done(type_in("chargers", "--wide"))).splitlines()
    assert header.split()[:3] == ["id", "vendor", "model"]
    assert "Grizzl-E" in line
    assert line.endswith("grizzl-e no-pings")
    assert await done(type_in("disconnect", "CP 1")) == "CP 1 disconnected: no power\n"
    assert (
        await done(type_in("change", "CP 1", "--connectors", "1", "--no-auto-connect"))
        == "changed CP 1\n"
    )
    assert await done(type_in("connect", "CP 1")) == "CP 1 connecting: Available\n"
    assert await done(type_in("remove", "CP 1")) == "removed CP 1\n"
    assert "there is no charger CP 1" in await refused(type_in("chargers", "CP 1"))


async def test_a_session(type_in: Type) -> None:
    await done(type_in("add", "CP-1"))
    await done(type_in("vehicles", "add", "Compact", "--soc", "0.5"))
    assert (
        await done(type_in("plug", "CP-1", "--vehicle", "Compact"))
        == "CP-1 connecting: Preparing\n"
    )
    assert await done(type_in("start", "CP-1", "ABC", "-c", "1")) == "CP-1 connecting: Charging\n"
    shown = await done(type_in("chargers", "CP-1"))
    assert "7360" in shown
    assert "ABC" in shown
    assert await done(type_in("stop", "CP-1")) == "CP-1 connecting: Finishing\n"
    assert await done(type_in("unplug", "CP-1")) == "CP-1 connecting: Available\n"
    assert await done(type_in("fault", "CP-1", "GroundFailure")) == "CP-1 connecting: Faulted\n"
    assert await done(type_in("clear-fault", "CP-1")) == "CP-1 connecting: Available\n"
    assert await done(type_in("status", "CP-1", "Unavailable")) == "CP-1 connecting: Unavailable\n"
    assert await done(type_in("offline", "CP-1")) == "CP-1 offline: Unavailable\n"
    assert await done(type_in("online", "CP-1")) == "CP-1 connecting: Unavailable\n"
    assert "takes no tag while Unavailable" in await refused(type_in("tag", "CP-1", "ABC"))


async def test_forced_registers_answers_and_messages(type_in: Type) -> None:
    await done(type_in("add", "CP-1"))
    assert await done(type_in("meter", "CP-1", "--wh", "250000")) == "CP-1 connecting: Available\n"
    assert "250000" in await done(type_in("chargers", "CP-1"))
    assert "wh: give 0 or more" in await refused(type_in("meter", "CP-1", "--wh", "-1"))
    assert (
        await done(type_in("answer", "CP-1", "Reset", "Rejected")) == "CP-1 connecting: Available\n"
    )
    assert "forced answers    Reset=Rejected" in await done(type_in("chargers", "CP-1"))
    assert "response to Reset cannot have status Maybe" in await refused(
        type_in("answer", "CP-1", "Reset", "Maybe")
    )
    await done(type_in("answer", "CP-1", "Reset"))
    assert "forced answers    -" in await done(type_in("chargers", "CP-1"))
    assert "has no connection" in await refused(type_in("send", "CP-1", "Heartbeat"))
    assert "has no connection" in await refused(
        type_in("send", "CP-1", "DataTransfer", '{"vendorId": "x"}')
    )
    assert "PAYLOAD: not valid JSON" in await refused(type_in("send", "CP-1", "Heartbeat", "{"), 2)
    assert "payload: give a JSON object" in await refused(
        type_in("send", "CP-1", "Heartbeat", "[]")
    )


async def test_configuration_and_log(type_in: Type) -> None:
    await done(type_in("add", "CP-1"))
    assert "HeartbeatInterval" in await done(type_in("configuration", "CP-1"))
    assert "33" in await done(type_in("configuration", "CP-1", "HeartbeatInterval", "33"))
    assert "33" in await done(type_in("configuration", "CP-1", "HeartbeatInterval"))
    assert "Rejected" in await refused(
        type_in("configuration", "CP-1", "HeartbeatInterval", "soon")
    )
    assert await done(type_in("log", "CP-1", "--limit", "5")) == "none\n"


async def test_an_output_that_takes_nothing(type_in: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:  # noqa: ASYNC230 - it is no disk
        monkeypatch.setattr("sys.stdout", full)
        status, _, err = await type_in("chargers")
        assert (status, err.count("\n")) == (1, 1)
        assert "cannot be written: No space left on device; free some space" in err


async def test_locations_and_vehicles(type_in: Type) -> None:
    assert await done(type_in("vehicles")) == "none\n"
    assert (
        await done(type_in("vehicles", "add", "Compact", "--battery-wh", "40000"))
        == "added Compact\n"
    )
    assert await done(type_in("vehicles", "change", "Compact", "--soc", "1")) == "changed Compact\n"
    assert (await done(type_in("vehicles"))).splitlines()[1].split() == [
        "Compact",
        "40000",
        "7360",
        "1",
        "100000",
        "1",
    ]
    assert await done(type_in("vehicles", "remove", "Compact")) == "removed Compact\n"
    assert (
        await done(type_in("locations", "add", "Yard", "--address", "Back street 1"))
        == "added Yard\n"
    )
    assert "Yard    Back street 1" in await done(type_in("locations", "list"))
    assert "in use" not in await done(type_in("locations", "remove", "Yard"))


async def test_answers_for_programs(type_in: Type) -> None:
    assert json.loads(await done(type_in("add", "CP-1", "--json")))["id"] == "CP-1"
    assert json.loads(await done(type_in("chargers", "--json")))[0]["state"] == "connecting"
    assert (
        json.loads(await done(type_in("chargers", "CP-1", "--json")))["connector"][1]["status"]
        == "Available"
    )
    assert json.loads(await done(type_in("plug", "CP-1", "--json")))["statuses"] == ["Preparing"]
    assert json.loads(await done(type_in("vehicles", "list", "--json"))) == []
    assert json.loads(await done(type_in("remove", "CP-1", "--json"))) is None


async def test_a_template_is_filled_in_and_imported(type_in: Type, tmp_path: Path) -> None:
    for kind in ("chargers", "vehicles"):
        file = tmp_path / f"{kind}.csv"
        file.write_text(await done(type_in("template", kind)))
        assert await done(type_in("import", kind, str(file))) == f"imported 1 {kind}\n"
    (tmp_path / "more.json").write_text('[{"id": "A"}, {"id": "B"}]')
    assert (
        await done(type_in("import", "chargers", str(tmp_path / "more.json")))
        == "imported 2 chargers\n"
    )


async def test_an_invalid_import_reports_every_line(type_in: Type, tmp_path: Path) -> None:
    file = tmp_path / "vehicles.csv"
    file.write_text("name,soc\nA,2\nB,0.1\nC,half\nD,1,2\n")
    status, out, err = await type_in("import", "vehicles", str(file))
    assert (status, out) == (1, "")
    assert err.splitlines() == [
        "line 2: soc: give the state of charge on arrival, 0 to 1",
        "line 4: soc: give a number",
        "line 5: has 3 cells for 2 columns; quote commas",
        f"levity-trio: {file}: nothing was imported; 3 to correct",
    ]


async def test_proxies_of_the_environment_are_passed_by(
    type_in: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", NOWHERE)
    monkeypatch.delenv("no_proxy", raising=False)
    assert await done(type_in("chargers")) == "none\n"


def test_no_text_steers_the_terminal() -> None:
    assert cell("\x1b[2J a\nb") == r"\x1b[2J a\nb"


async def test_what_the_simulator_refuses_is_one_line(type_in: Type) -> None:
    assert "phases: give 1 or 3" in await refused(type_in("add", "CP-1", "--phases", "2"))


async def test_without_a_simulator(typed: Type) -> None:
    line = await refused(typed("chargers", "--api", NOWHERE))
    assert NOWHERE in line
    assert "levity-trio simulate --control 9100" in line


async def test_something_else_that_answers(typed: Type) -> None:
    async def greet(_request: Request) -> Response:
        return PlainTextResponse("hello")

    async with open_http(
        application([Route("/api/chargers", greet)]), await on_a_free_port()
    ) as port:
        assert "not a simulator" in await refused(
            typed("chargers", "--api", f"http://{HOST}:{port}")
        )
        assert "there is nothing at" in await refused(
            typed("vehicles", "list", "--api", f"http://{HOST}:{port}")
        )


@pytest.mark.parametrize(
    "url", ["127.0.0.1:9100", "file:///etc/passwd", "http://", "http://[", "http://a:port"]
)
async def test_an_address_that_is_none(typed: Type, url: str) -> None:
    assert url in await refused(typed("chargers", "--api", url), 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["plug"],
        ["log", "A", "--limit", "0"],
        ["import", "tariffs", "x"],
        ["kick", "A"],
        ["plug", "A", "-c", "x"],
    ],
)
async def test_wrong_usage(typed: Type, arguments: list[str]) -> None:
    assert "--help" in await refused(typed(*arguments), 2)


async def test_help_has_examples_that_parse(typed: Type) -> None:
    assert "Examples:" in await done(typed())
    text = (await done(typed("--help"))).partition("Examples:")[2]
    examples = [
        shlex.split(line.split("simulator ")[1].split(">")[0])
        for line in text.splitlines()
        if "levity-trio simulator" in line
    ]
    assert len(examples) > 5
    for words in examples:
        command: click.Command = simulator
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        with command.make_context(
            "example", [__file__ if word == "chargers.csv" else word for word in words]
        ):
            pass


def test_every_command_says_what_it_does() -> None:
    for name, command in simulator.commands.items():
        assert command.help, name
        assert command.help.rstrip().endswith("."), name
