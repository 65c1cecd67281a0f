"""The park's file: read once, written whole, so that at any moment it is one that was complete."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import orjson

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.simulator.park.registry import Registry


def read_registry(path: Path) -> Registry:
    """What the file holds, with a default location if it has none; no file is an empty park.

    Raises ConfigError with one plain line for a file that this program did not write.
    """
    try:
        registry = Registry.from_json(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        registry = Registry()
    except OSError as error:
        raise ConfigError(f"--state {path}: {error.strerror}; give a file this user can read and write") from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        text = f"--state {path} is no file of the simulator: {what}; mend it, move it away, or give another"
        raise ConfigError(text) from None
    registry.seed()
    return registry


def written(registry: Registry) -> bytes:
    """What the file will hold."""
    return orjson.dumps(registry.to_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def write(path: Path, content: bytes) -> None:
    """Put this into the file, whole or not at all; only its owner can read it, for it holds passwords.

    Blocks while the disk works. Raises EnvironmentProblem.
    """
    path = path.resolve()  # a link to it stays one
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - it is a descriptor
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        text = f"--state {path} cannot be written: {error.strerror}; make room, or give a file this user can write"
        raise EnvironmentProblem(text) from error


def _sync_folder(folder: Path) -> None:
    """So that the new name outlives a power cut as well."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
