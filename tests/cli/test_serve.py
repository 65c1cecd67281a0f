"""`levity-trio serve`: help, exit statuses, one line for each error."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from levity_trio import __version__, commit
from levity_trio.cli import main
from levity_trio.config import SETTINGS, ConfigError, EnvironmentProblem, LogConfig, ServerConfig

Run = Callable[[ServerConfig, LogConfig], int]


ROOM = Path(__file__).parents[2] / "levity_trio" / "server"


@pytest.fixture
def server_runs(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Return a function that replaces the server, to inspect its arguments."""

    def put(run: Run) -> None:
        monkeypatch.setitem(
            sys.modules,
            "levity_trio.server",
            SimpleNamespace(run=run, __path__=[str(ROOM)], __spec__=None),
        )

    return put


def test_help_names_every_setting_its_default_and_its_group(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["serve", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for setting in SETTINGS:
        assert f"{setting.flag} {setting.kind.metavar}".strip() in text
        assert f"{setting.group}:" in text
        if setting.default_text:
            assert f"[default: {setting.default_text}]" in text
    assert "Examples:" in text


def test_without_a_command_it_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "serve" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    of_it = f" (commit {known})" if (known := commit()) else ""
    assert capsys.readouterr().out == f"levity-trio {__version__}{of_it}\n"


def test_flags_reach_the_server(
    server_runs: Callable[[Run], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(server: ServerConfig, log: LogConfig) -> int:
        seen.extend((server, log))
        return 0

    seen: list[object] = []
    server_runs(run)
    monkeypatch.setenv("LEVITY_PORT", "9001")
    monkeypatch.setenv("LEVITY_STRICT", "true")
    flags = [
        "--db",
        "a.db",
        "--disable-websocket-ping",
        "--log-level",
        "error",
        "--clock-wait",
        "0.5",
    ]
    assert main(["serve", *flags]) == 0
    assert seen == [
        ServerConfig(
            port=9001,
            database=Path("a.db"),
            websocket_ping_seconds=None,
            clock_wait_seconds=0.5,
            strict=True,
        ),
        LogConfig(level="ERROR"),
    ]


def test_the_server_s_status_is_the_exit_status(server_runs: Callable[[Run], None]) -> None:
    server_runs(lambda _server, _log: 1)
    assert main(["serve"]) == 1


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (
            EnvironmentProblem("port 9000 is taken; give another"),
            1,
            "port 9000 is taken; give another",
        ),
        (ConfigError("--db x: give another"), 2, "--db x: give another"),
    ],
)
def test_problems_are_one_line_and_a_status(
    error: Exception,
    status: int,
    said: str,
    server_runs: Callable[[Run], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(_server: ServerConfig, _log: LogConfig) -> int:
        raise error

    server_runs(run)
    assert main(["serve"]) == status
    assert capsys.readouterr() == ("", f"levity-trio: {said}\n")


def test_an_interrupt_before_the_server_takes_signals(server_runs: Callable[[Run], None]) -> None:
    def run(_server: ServerConfig, _log: LogConfig) -> int:
        raise KeyboardInterrupt

    server_runs(run)
    assert main(["serve"]) == 130


def test_a_bug_keeps_its_traceback(server_runs: Callable[[Run], None]) -> None:
    def run(_server: ServerConfig, _log: LogConfig) -> int:
        raise ZeroDivisionError

    server_runs(run)
    with pytest.raises(ZeroDivisionError):
        main(["serve"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serv"], "No such command 'serv'"),
        (["serve", "--prot", "1"], "--port"),
        (["serve", "--port"], "requires an argument"),
        (["serve", "levity.db"], "unexpected extra argument"),
        (["serve", "--port", "70000"], "--port 70000: give a whole number from 0 to 65535"),
        (["serve", "--db", "/nowhere/x.db"], "create it first"),
        (["serve", "--config", "none.toml"], "No such file"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, line = capsys.readouterr()
    assert out == ""
    assert line.startswith("levity-trio: ")
    assert line.count("\n") == 1
    assert said in line
    assert not list(tmp_path.iterdir())


def test_python_m_is_the_same_command() -> None:
    command = [sys.executable, "-m", "levity_trio", "serve", "--port", "x"]
    source = Path(__file__).parent.parent.parent
    done = subprocess.run(
        command,
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "levity-trio: --port x: give a whole number from 0 to 65535\n"


def loaded_after(program: str) -> str:
    """Return the names of the modules that a new interpreter has loaded after this program."""
    source = Path(__file__).parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {program}; print(sorted(sys.modules))"],
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def test_help_and_a_wrong_flag_answer_without_loading_the_server() -> None:
    loaded = loaded_after("from levity_trio.cli import main; main(['serve', '--help'])")
    for heavy in ("'trio'", "'ocpp'", "'sqlite3'", "'structlog'", "'levity_trio.server'"):
        assert heavy not in loaded


def test_the_server_does_without_what_only_the_simulator_needs() -> None:
    """An invalid flag is refused after all imports and before anything is opened."""
    loaded = loaded_after(
        "from levity_trio.cli import main; import levity_trio.server; main(['serve', "
        "'--log-level', 'LOUD'])"
    )
    assert "'structlog'" in loaded
    for name in ("simulat", "'rich'", "'cryptography'", "'urllib.request'"):
        assert name not in loaded
    assert "'rich.table'" in loaded_after("import levity_trio.server, rich.table")
