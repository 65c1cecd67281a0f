"""The log: the loggers of this package, and the format of their lines.

A line has `time` (UTC, …Z), `level`, `type` (its subject: ocpp, ws, error, system), `event` (the
text), and all bound or given values that are not empty: `cp` is the charger, `dir` recv or send,
`msg` the frame. Programs parse these names in JSON lines, so they do not change. The console omits
`type`.

The caller does only what it must: check the level, and take the time, the exception and the values
bound in its own task's context, which the writing thread does not see. The threads in queue.py
render the text later, so pass values that no one changes afterwards.

Loggers are made at import and have no destination. Until `open_log` is entered their lines are
discarded; `structlog.testing.capture_logs` captures every line that passes their level.
"""

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import orjson

from levity_trio.config import EnvironmentProblem, LogConfig
from levity_trio.importing import ASYNCIO, spared
from levity_trio.log.queue import OLD_FILES, Descriptor, Line, Outlet, RotatingFile, Sink
from levity_trio.writing import mend

# structlog would import these, if they are installed, for tracebacks and threads that we do not
# use: 3.4 MB and 1 MB.
with spared({"rich": None, "greenlet": None, **ASYNCIO}):
    import structlog
    from structlog.contextvars import bind_contextvars, bound_contextvars, merge_contextvars
    from structlog.dev import ConsoleRenderer, plain_traceback
    from structlog.typing import EventDict, WrappedLogger

__all__ = [
    "Log",
    "LogType",
    "Logger",
    "bind_contextvars",
    "bound_contextvars",
    "get_logger",
    "open_log",
]

DRAIN_SECONDS = 1.0
STDOUT = 1
LONGEST_VALUE = 2_000
LONGEST_TRACEBACK = 20_000
"""Characters; a charger may send half a million. The table `log` has the whole frame."""

LogType = Literal["ocpp", "ws", "error", "system"]

EMPTY = (None, "")
_DEFAULTS = LogConfig()
_FIRST_KEYS = ("time", "level", "type", "event", "cp", "dir")
_NAMES = logging.getLevelNamesMapping()


class _Valve:
    """The target of a logger: it passes lines from `threshold` on to the outlets of the open
    log."""

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

    Use it as `log.warning("text", cp="CP1")`; `bind(**values)` returns a logger that adds these
    values to each line.
    """

    _logger: _Valve

    def is_enabled_for(self, level: int) -> bool:
        """Whether `level` (logging.DEBUG, …) is logged. Check it before computing an expensive
        value for a line."""
        return level >= self._logger.threshold

    def debug(self, event: str, **values: Any) -> None:
        if self._logger.threshold <= logging.DEBUG:
            self._emit("debug", event, values)

    def info(self, event: str, **values: Any) -> None:
        if self._logger.threshold <= logging.INFO:
            self._emit("info", event, values)

    def warning(self, event: str, **values: Any) -> None:
        if self._logger.threshold <= logging.WARNING:
            self._emit("warning", event, values)

    def error(self, event: str, **values: Any) -> None:
        if self._logger.threshold <= logging.ERROR:
            self._emit("error", event, values)

    def critical(self, event: str, **values: Any) -> None:
        self._emit("critical", event, values)

    def exception(self, event: str, **values: Any) -> None:
        """Log an error with the traceback of the exception being handled."""
        self.error(event, **{"exc_info": True, **values})

    def _emit(self, level: str, event: str, values: dict[str, Any]) -> None:
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


# All loggers share this list, because structlog.testing.capture_logs empties and refills it.
_PROCESSORS = [merge_contextvars, _stamp]
structlog.configure(
    processors=_PROCESSORS,
    wrapper_class=Logger,
    logger_factory=lambda *_: _OTHERS,
    cache_logger_on_first_use=True,
)


def get_logger(type: LogType = "system") -> Logger:  # noqa: A002 - it is the name of the key
    """Return the logger for lines of one type. Each module makes its own at import."""
    return Logger(_OCPP if type == "ocpp" else _OTHERS, _PROCESSORS, {"type": type})


_log = get_logger("system")


class Log:
    """An open log."""

    def __init__(self, outlets: tuple[Outlet, ...]) -> None:
        self._outlets = outlets

    @property
    def dropped(self) -> int:
        """The number of lines dropped and not yet reported, over all destinations."""
        return sum(outlet.dropped for outlet in self._outlets)

    def close(self, seconds: float = DRAIN_SECONDS) -> None:
        """Accept no more lines and write the queued ones, within this many seconds. Idempotent."""
        outlets, self._outlets = self._outlets, ()
        for valve in (_OCPP, _OTHERS):
            if valve.outlets is outlets:  # leave those of a log opened since
                valve.outlets = ()
        for outlet in outlets:
            outlet.end()
        deadline = time.monotonic() + seconds
        for outlet in outlets:
            outlet.join(deadline - time.monotonic())


@contextmanager
def open_log(config: LogConfig, *, descriptor: int = STDOUT) -> Iterator[Log]:
    """Write lines to `descriptor` and to the log file until the block ends, then drain the queues.

    A process may have one open log at a time. Raises EnvironmentProblem if the log file cannot be
    opened.
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
            _mend(config.file)
            yield log
    finally:
        log.close()
        _OCPP.threshold, _OTHERS.threshold = before


def _outlets(config: LogConfig, descriptor: int) -> Iterator[Outlet]:
    if config.file is not None:
        try:
            file = RotatingFile(config.file)
        except OSError as problem:
            text = (
                f"--log-file {config.file}: {problem.strerror}; name a file that this user can "
                "write"
            )
            raise EnvironmentProblem(text) from None
        yield _outlet(file, config, where=str(config.file))
    # If stdout was closed, its number may now belong to the database.
    if descriptor != STDOUT or sys.__stdout__ is not None:
        yield _outlet(Descriptor(descriptor), config, where="stdout", colours=os.isatty(descriptor))


def _mend(file: Path | None) -> None:
    """Let only this user read the log files that are there."""
    names = (
        []
        if file is None
        else [str(file), *(f"{file}.{number + 1}" for number in range(OLD_FILES))]
    )
    with suppress(OSError):  # those of another user
        if mended := [name for name in names if mend(Path(name))]:
            _log.warning(
                "others could read files of the log; now only the user of the server can",
                files=mended,
            )


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
    """Return a line about the log itself, which is written at any level."""
    return {"type": "system", "event": event, **values, "time": time.time(), "level": "warning"}


class _Routed(logging.Handler):
    """Routes lines of libraries that use the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # the arguments do not fit the format
            text = str(record.msg)
        emit = _log.error if record.levelno >= logging.ERROR else _log.warning
        emit(text, logger=record.name, **({"exc_info": record.exc_info} if record.exc_info else {}))


@contextmanager
def _libraries_routed() -> Iterator[None]:
    root, handler = logging.getLogger(), _Routed(logging.WARNING)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def json_bytes(line: Line) -> bytes:
    """Return a line as one JSON object and a newline, for values of any type."""
    ready = _readable(line)
    try:
        return orjson.dumps(
            ready, default=repr, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
        )
    except TypeError:  # half a surrogate pair, a number above 64 bits
        return json.dumps(ready, default=repr).encode() + b"\n"


def console_renderer(*, colours: bool) -> Callable[[Line], bytes]:
    """Return a renderer of lines for people. It escapes control characters, so no charger can forge
    a line."""
    to_text = ConsoleRenderer(
        colors=colours,
        timestamp_key="time",
        pad_event_to=0,
        sort_keys=False,
        exception_formatter=plain_traceback,
    )

    def render(line: Line) -> bytes:
        ready = {
            key: _printable(key, value) for key, value in _readable(line).items() if key != "type"
        }
        text = str(to_text(None, "", ready))
        return f"{text}\n".encode("utf-8", "backslashreplace")

    return render


def _readable(line: Line) -> dict[str, Any]:
    """Return a line ready to render: keys in reading order, no empty values, enumerations as their
    values, the time as text and the exception as a traceback.
    """
    plain = {key: value.value if isinstance(value, Enum) else value for key, value in line.items()}
    ready = {key: plain[key] for key in (*_FIRST_KEYS, *plain) if plain.get(key) not in EMPTY}
    moment = datetime.fromtimestamp(line["time"], UTC)
    ready["time"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    exception = ready.pop("exc_info", None)
    if exception is not None:
        ready["exception"] = "".join(traceback.format_exception(exception)).rstrip()
    return {key: _bounded(key, value) for key, value in ready.items()}


def _bounded(key: str, value: object) -> object:
    longest = LONGEST_TRACEBACK if key == "exception" else LONGEST_VALUE
    return f"{value[:longest]}…" if isinstance(value, str) and len(value) > longest else value


class _Escaped(str):
    """A text that is escaped already. The renderer would take its repr, and escape it twice."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _printable(key: str, value: object) -> object:
    if not isinstance(value, str) or value.isprintable():
        return value
    if key == "exception":  # the only value with several lines
        return "\n".join(
            part if part.isprintable() else repr(part)[1:-1] for part in value.split("\n")
        )
    return _Escaped(repr(value))
