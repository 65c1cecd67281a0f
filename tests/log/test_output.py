"""The log: the fields of a line, which lines are written, and their format."""

import json
import logging
import os
import select
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from levity_trio.config import EnvironmentProblem, LogConfig
from levity_trio.log.output import (
    LONGEST_TRACEBACK,
    LONGEST_VALUE,
    bind_contextvars,
    console_renderer,
    get_logger,
    json_bytes,
    open_log,
)

pytestmark = pytest.mark.real_log

EVERYTHING = LogConfig(level="DEBUG", ocpp_level="DEBUG", format="json")
SYSTEM = get_logger("system")
OCPP = get_logger("ocpp")


class Word(StrEnum):
    NOT_JSON = "not JSON"


def output_of(
    act: Callable[[], object], config: LogConfig = EVERYTHING, *, make: Any = os.pipe
) -> str:
    """Return what a log writes to stdout, a pipe or a terminal, while `act` logs a few lines."""
    reader, writer = make()
    try:
        with open_log(config, descriptor=writer):
            act()
        data = b""
        while select.select([reader], [], [], 0)[0]:
            data += os.read(reader, 100_000)
    finally:
        os.close(reader)
        os.close(writer)
    return data.decode()


def lines_of(act: Callable[[], object], config: LogConfig = EVERYTHING) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output_of(act, config).splitlines()]


def test_a_line_carries_what_was_promised() -> None:
    [line] = lines_of(
        lambda: OCPP.debug("frame", cp="CP1", dir="recv", msg='[2,"1","Heartbeat",{}]')
    )
    assert list(line) == ["time", "level", "type", "event", "cp", "dir", "msg"]
    assert line["time"][10] == "T"
    assert line["time"][-1] == "Z"
    del line["time"]
    assert line == {
        "level": "debug",
        "type": "ocpp",
        "event": "frame",
        "cp": "CP1",
        "dir": "recv",
        "msg": '[2,"1","Heartbeat",{}]',
    }


def test_frames_have_a_level_of_their_own() -> None:
    def log_both() -> None:
        for logger in (OCPP, SYSTEM):
            logger.info("low")
            logger.warning("high")

    lines = lines_of(log_both, LogConfig(format="json"))
    assert [(line["type"], line["event"]) for line in lines] == [
        ("ocpp", "high"),
        ("system", "low"),
        ("system", "high"),
    ]
    assert not lines_of(log_both, LogConfig(level="CRITICAL", ocpp_level="CRITICAL"))
    with open_log(LogConfig(ocpp_level="INFO", level="ERROR")):
        assert [OCPP.is_enabled_for(level) for level in (logging.DEBUG, logging.INFO)] == [
            False,
            True,
        ]
        assert [SYSTEM.is_enabled_for(level) for level in (logging.WARNING, logging.ERROR)] == [
            False,
            True,
        ]


def test_a_call_below_its_level_costs_nothing() -> None:
    """It returns from the first function, without a look at its values."""
    called: list[str] = []
    with open_log(LogConfig()):
        sys.setprofile(
            lambda frame, event, _: called.append(frame.f_code.co_name) if event == "call" else None
        )
        OCPP.debug("frame", dir="recv", msg="[]")
        sys.setprofile(None)
    assert len(called) == 1, called


def test_what_a_task_bound_is_in_its_lines_and_in_those_of_its_children() -> None:
    async def converse(charger: str) -> None:
        bind_contextvars(cp=charger)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(say, "from the watchdog")
            nursery.start_soon(say, "from the worker")

    async def say(text: str) -> None:
        await trio.lowlevel.checkpoint()
        SYSTEM.info(text)

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(converse, "CP1")
            nursery.start_soon(converse, "CP2")
        SYSTEM.info("from the server")

    lines = lines_of(partial(trio.run, serve))
    assert sorted(str(line.get("cp")) for line in lines) == ["CP1", "CP1", "CP2", "CP2", "None"]


def fail() -> None:
    try:
        int("bad \x1b[31m value")
    except ValueError:
        SYSTEM.exception("handler failed", cp="CP1")


def test_what_is_empty_is_left_out_and_a_word_is_its_word() -> None:
    refuse = partial(
        OCPP.warning, "refused", cp=None, info="", code=Word.NOT_JSON, count=0, replaced=False
    )
    (line,) = lines_of(refuse)
    del line["time"]
    told = {"code": "not JSON", "count": 0, "replaced": False}
    assert line == {"level": "warning", "type": "ocpp", "event": "refused", **told}
    assert (
        output_of(refuse, LogConfig())[24:]
        == " [warning  ] refused code='not JSON' count=0 replaced=False\n"
    )


def test_an_exception_comes_with_its_traceback() -> None:
    [line] = lines_of(fail)
    assert (line["level"], line["event"], line["cp"]) == ("error", "handler failed", "CP1")
    assert line["exception"].startswith("Traceback")
    assert "exc_info" not in line
    console = output_of(fail, LogConfig())
    assert "\nValueError: " in console
    assert "\x1b" not in console


def test_libraries_that_use_logging_come_out_from_warning_on() -> None:
    def log() -> None:
        library = logging.getLogger("trio-websocket")
        library.info("not shown")
        library.warning("odd %s", "frame")
        misfit = logging.makeLogRecord(
            {"msg": "odd %d", "args": ("frame",), "levelno": logging.WARNING}
        )
        logging.getLogger().handlers[-1].handle(misfit)
        library.error("bad", exc_info=ValueError("this"))

    shown = [(line["level"], line["event"], str(line.get("logger"))) for line in lines_of(log)]
    assert shown == [
        ("warning", "odd frame", "trio-websocket"),
        ("warning", "odd %d", "None"),
        ("error", "bad", "trio-websocket"),
    ]
    assert "_Routed" not in str(logging.getLogger().handlers)


def test_colours_only_on_a_terminal() -> None:
    warn = partial(SYSTEM.warning, "careful", cp="CP1")
    assert "\x1b[" in output_of(warn, LogConfig(), make=os.openpty)
    assert "\x1b[" not in output_of(warn, LogConfig())
    assert output_of(warn, LogConfig())[24:] == " [warning  ] careful cp=CP1\n"


def test_the_log_file_gets_the_same_lines(tmp_path: Path) -> None:
    file = tmp_path / "levity.log"
    config = LogConfig(file=file)
    # a restart appends
    outputs = [output_of(partial(SYSTEM.info, "started"), config) for _ in range(2)]
    assert file.read_text() == "".join(outputs)


def test_a_log_file_that_cannot_be_opened_is_the_machine_s_problem(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="name a file"), open_log(LogConfig(file=tmp_path)):
        pass


def test_outside_a_log_lines_go_nowhere_but_to_tests() -> None:
    SYSTEM.critical("nowhere")
    with capture_logs() as lines:
        SYSTEM.warning("seen")
        SYSTEM.debug("not seen: below the default level")
    assert [line["event"] for line in lines] == ["seen"]
    [line] = lines_of(partial(SYSTEM.info, "seen again"))
    assert line["event"] == "seen again"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary()
    | st.text(st.characters()),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters()) | st.integers(), inner)
    ),
    max_leaves=5,
)


@given(st.text(st.characters()), VALUES)
def test_whatever_a_charger_says_is_one_line(event: str, value: object) -> None:
    line = {"time": 0.0, "level": "info", "type": "ws", "event": event, "msg": value}
    as_json, as_text = json_bytes(line), console_renderer(colours=False)(line)
    assert json.loads(as_json)["level"] == "info"
    assert as_json.count(b"\n") == as_text.count(b"\n") == 1
    assert as_text.decode().rstrip("\n").isprintable()


def test_a_value_is_escaped_once() -> None:
    line = {
        "time": 0.0,
        "level": "info",
        "type": "ws",
        "event": "told",
        "request": "GET /a HTTP/1.1\r\n",
        "msg": "\x1b[2J",
    }
    shown = console_renderer(colours=False)(line).decode()
    assert shown.endswith(r" told request='GET /a HTTP/1.1\r\n' msg='\x1b[2J'" + "\n")


def test_a_value_is_cut() -> None:
    (line,) = output_of(lambda: SYSTEM.warning("refused", action="x" * 500_000)).splitlines()
    assert json.loads(line)["action"] == f"{'x' * LONGEST_VALUE}…"


def test_a_traceback_is_cut() -> None:
    (line,) = output_of(
        lambda: SYSTEM.error("failed", exc_info=ValueError("x" * 500_000))
    ).splitlines()
    assert len(line) < 2 * LONGEST_TRACEBACK
