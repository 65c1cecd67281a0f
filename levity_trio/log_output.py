"""The log: loggers for the house, and the lines that come out of it.

A line has `time` (UTC, …Z), `level`, `type` (what it is about: ocpp, ws, error, system), `event` (the text),
and whatever was bound or given and is not empty: `cp` the charger, `dir` recv or send, `msg` the frame. These
names are a promise to whoever parses them (JSON) and do not change; the console leaves `type` out.

Only what must happen at the caller happens there: is the level on, what is bound in this task's context
(the writing thread has another), what time is it, which exception. Turning that into text is the work of the
threads in log_queue.py. So give values that nobody changes afterwards.

Loggers are made at import and know no destination: until `open_log` is entered their lines go nowhere, and
`structlog.testing.capture_logs` sees all that their level lets through.
"""

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal

import orjson

from levity_trio.config import EnvironmentProblem, LogConfig
from levity_trio.log_queue import Descriptor, Line, Outlet, RotatingFile, Sink


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Let what is imported meanwhile not find this module."""
    found = module in sys.modules
    sys.modules.setdefault(module, None)  # type: ignore[arg-type] # as importlib says: None halts its import
    yield
    if not found:
        del sys.modules[module]


with _hidden("rich"):  # structlog imports it where it is installed, for tracebacks unlike ours: 3.4 MB of every server
    import structlog
    from structlog.contextvars import bind_contextvars, bound_contextvars, merge_contextvars
    from structlog.dev import ConsoleRenderer, plain_traceback
    from structlog.typing import EventDict, WrappedLogger

__all__ = ["Log", "LogType", "Logger", "bind_contextvars", "bound_contextvars", "get_logger", "open_log"]

DRAIN_SECONDS = 1.0
STDOUT = 1
LONGEST_VALUE = 2_000
LONGEST_TRACEBACK = 20_000
"""Characters: what a charger sends may have half a million. The table `log` has all of a frame."""

LogType = Literal["ocpp", "ws", "error", "system"]

EMPTY = (None, "")
_DEFAULTS = LogConfig()
_FIRST_KEYS = ("time", "level", "type", "event", "cp", "dir")
_NAMES = logging.getLevelNamesMapping()


class _Valve:
    """What a logger writes to: closed below `threshold`, open to the outlets of the log in use."""

    def __init__(self, level: str) -> None:
        self.threshold = _NAMES[level]
        self.outlets: tuple[Outlet, ...] = ()

    def write(self, line: Line) -> None:
        for outlet in self.outlets:
            outlet.put(line)


_OCPP = _Valve(_DEFAULTS.ocpp_level)
_OTHERS = _Valve(_DEFAULTS.level)


class Logger(structlog.BoundLoggerBase):
    """A structlog logger whose calls below its level cost one comparison.

    `log.warning("text", cp="CP1")`; `bind(**values)` makes one that adds them to each line.
    """

    _logger: _Valve

    def is_enabled_for(self, level: int) -> bool:
        """Whether `level` (logging.DEBUG, …) is shown: ask before making something expensive for a line."""
        return level >= self._logger.threshold

    def debug(self, event: str, **values: Any) -> None:
        if self._logger.threshold <= logging.DEBUG:
            self._say("debug", event, values)

    def info(self, event: str, **values: Any) -> None:
        if self._logger.threshold <= logging.INFO:
            self._say("info", event, values)

    def warning(self, event: str, **values: Any) -> None:
        if self._logger.threshold <= logging.WARNING:
            self._say("warning", event, values)

    def error(self, event: str, **values: Any) -> None:
        if self._logger.threshold <= logging.ERROR:
            self._say("error", event, values)

    def critical(self, event: str, **values: Any) -> None:
        self._say("critical", event, values)

    def exception(self, event: str, **values: Any) -> None:
        """An error with the traceback of the exception being handled."""
        self.error(event, **{"exc_info": True, **values})

    def _say(self, level: str, event: str, values: dict[str, Any]) -> None:
        try:
            _, line = self._process_event(level, event, values)
        except structlog.DropEvent:
            return
        self._logger.write(line)


def _stamp(_logger: WrappedLogger, level: str, line: EventDict) -> EventDict:
    line["time"] = time.time()
    line["level"] = level
    if "exc_info" in line:
        line["exc_info"] = _exception(line["exc_info"])
    return line


def _exception(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple) and isinstance(given[1], BaseException):
        return given[1]
    return sys.exception() if given else None


# One list for all, the very one that structlog.testing.capture_logs empties and fills again.
_PROCESSORS = [merge_contextvars, _stamp]
structlog.configure(
    processors=_PROCESSORS,
    wrapper_class=Logger,
    logger_factory=lambda *_: _OTHERS,
    cache_logger_on_first_use=True,
)


def get_logger(type: LogType = "system") -> Logger:  # noqa: A002 - it is the name of the key
    """The logger for lines of one type, made once at the head of a module."""
    return Logger(_OCPP if type == "ocpp" else _OTHERS, _PROCESSORS, {"type": type})


_log = get_logger("system")


class Log:
    """A log in use."""

    def __init__(self, outlets: tuple[Outlet, ...]) -> None:
        self._outlets = outlets

    @property
    def dropped(self) -> int:
        """Lines lost and not told yet, over all destinations."""
        return sum(outlet.dropped for outlet in self._outlets)

    def close(self, seconds: float = DRAIN_SECONDS) -> None:
        """Take no more lines, write what waits, for so long at most. Again is harmless."""
        outlets, self._outlets = self._outlets, ()
        for valve in (_OCPP, _OTHERS):
            if valve.outlets is outlets:  # not those of a log opened since
                valve.outlets = ()
        for outlet in outlets:
            outlet.end()
        deadline = time.monotonic() + seconds
        for outlet in outlets:
            outlet.join(deadline - time.monotonic())


@contextmanager
def open_log(config: LogConfig, *, descriptor: int = STDOUT) -> Iterator[Log]:
    """Lines go to `descriptor` and to the log file, until the block ends and has drained them.

    One at a time in a process. Raises EnvironmentProblem where the log file cannot be opened.
    """
    outlets = tuple(_outlets(config, descriptor))
    log = Log(outlets)
    before = _OCPP.threshold, _OTHERS.threshold
    _OCPP.threshold, _OTHERS.threshold = _NAMES[config.ocpp_level], _NAMES[config.level]
    for outlet in outlets:
        outlet.start()
    _OCPP.outlets = _OTHERS.outlets = outlets
    try:
        with _libraries_routed():
            yield log
    finally:
        log.close()
        _OCPP.threshold, _OTHERS.threshold = before


def _outlets(config: LogConfig, descriptor: int) -> Iterator[Outlet]:
    if config.file is not None:
        try:
            file = RotatingFile(config.file)
        except OSError as problem:
            what = f"--log-file {config.file}: {problem.strerror}; give a file this user can write"
            raise EnvironmentProblem(what) from None
        yield _outlet(file, config, where=str(config.file))
    # Where stdout was closed, its number may by now belong to the database.
    if descriptor != STDOUT or sys.__stdout__ is not None:
        yield _outlet(Descriptor(descriptor), config, where="stdout", colours=os.isatty(descriptor))


def _outlet(sink: Sink, config: LogConfig, *, where: str, colours: bool = False) -> Outlet:
    return Outlet(
        sink,
        json_bytes if config.format == "json" else console_renderer(colours=colours),
        dropped_notice=lambda count: _notice("log lines dropped", where=where, count=count),
        on_failure=lambda problem: _OTHERS.write(
            _notice("log cannot be written", where=where, problem=problem.strerror)
        ),
    )


def _notice(event: str, **values: object) -> Line:
    """What the log says of itself, whatever the level."""
    return {"type": "system", "event": event, **values, "time": time.time(), "level": "warning"}


class _Routed(logging.Handler):
    """Lines of the libraries that use the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit the text
            text = str(record.msg)
        say = _log.error if record.levelno >= logging.ERROR else _log.warning
        say(text, logger=record.name, **({"exc_info": record.exc_info} if record.exc_info else {}))


@contextmanager
def _libraries_routed() -> Iterator[None]:
    root, handler = logging.getLogger(), _Routed(logging.WARNING)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def json_bytes(line: Line) -> bytes:
    """One JSON object and a newline, whatever the values are."""
    ready = _readable(line)
    try:
        return orjson.dumps(ready, default=repr, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
    except TypeError:  # half a surrogate pair, a number above 64 bits
        return json.dumps(ready, default=repr).encode() + b"\n"


def console_renderer(*, colours: bool) -> Callable[[Line], bytes]:
    """Lines for people. Text of a charger cannot fake a line or steer the terminal: it is escaped."""
    to_text = ConsoleRenderer(
        colors=colours,
        timestamp_key="time",
        pad_event_to=0,
        sort_keys=False,
        exception_formatter=plain_traceback,
    )

    def render(line: Line) -> bytes:
        ready = {key: _printable(key, value) for key, value in _readable(line).items() if key != "type"}
        text = str(to_text(None, "", ready))
        return f"{text}\n".encode("utf-8", "backslashreplace")

    return render


def _readable(line: Line) -> dict[str, Any]:
    """The keys in the order that people read them, the time as text, the exception as its traceback; no empty values,
    and of an enumeration its word.
    """
    told = {key: value.value if isinstance(value, Enum) else value for key, value in line.items()}
    ready = {key: told[key] for key in (*_FIRST_KEYS, *told) if told.get(key) not in EMPTY}
    moment = datetime.fromtimestamp(line["time"], UTC)
    ready["time"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    exception = ready.pop("exc_info", None)
    if exception is not None:
        ready["exception"] = "".join(traceback.format_exception(exception)).rstrip()
    return {key: _bounded(key, value) for key, value in ready.items()}


def _bounded(key: str, value: object) -> object:
    longest = LONGEST_TRACEBACK if key == "exception" else LONGEST_VALUE
    return f"{value[:longest]}…" if isinstance(value, str) and len(value) > longest else value


def _printable(key: str, value: object) -> object:
    if not isinstance(value, str) or value.isprintable():
        return value
    if key == "exception":  # the only text of many lines
        return "\n".join(str(_printable("", part)) for part in value.split("\n"))
    return repr(value)[1:-1]
