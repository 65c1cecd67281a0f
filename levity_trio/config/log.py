"""The settings of the log."""

from pathlib import Path

from levity_trio.config.settings import FILE, one_of, setting
from levity_trio.records import record

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_FORMATS = ("console", "json")


@record
class LogConfig:
    """The settings of the log."""

    level: str = setting(
        "INFO", "log-level", "Log", one_of("LEVEL", LEVELS), f"Minimum level of log lines: {', '.join(LEVELS)}."
    )
    ocpp_level: str = setting(
        "WARNING",
        "ocpp-log-level",
        "Log",
        one_of("LEVEL", LEVELS),
        "Minimum level of log lines about frames; DEBUG logs every frame.",
    )
    format: str = setting(
        "console",
        "log-format",
        "Log",
        one_of("FORMAT", LOG_FORMATS),
        "Format of log lines: console for people, json for one object per line.",
    )
    file: Path | None = setting(
        None, "log-file", "Log", FILE, "Additional log file, rotated at 10 MB; five old files are kept."
    )
