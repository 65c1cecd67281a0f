"""The park's file. It is read once and replaced atomically."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.simulator.park.registry import Registry
from levity_trio.writing import opened, replace


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Lock the file for this process while the block runs: two processes would overwrite each other's changes.

    Raises EnvironmentProblem if another process holds the lock, or the lock file cannot be opened.
    """
    lock = Path(f"{path.resolve()}.lock")
    is_new = not lock.exists()
    try:
        descriptor = opened(lock, os.O_RDWR)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        _take(descriptor, path)
        yield
    except ConfigError:  # not a file of this program
        if is_new:
            lock.unlink()
        raise
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        text = f"another simulator runs on {path}; stop it, or choose another file with --state"
        raise EnvironmentProblem(text) from error


def read_registry(path: Path) -> Registry:
    """Read the file, and add a default location if it has none. A missing file is an empty park.

    Raises ConfigError for a file that this program did not write.
    """
    try:
        registry = Registry.from_json(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        registry = Registry()
    except OSError as error:
        raise ConfigError(f"--state {path}: {error.strerror}; give a file this user can read and write") from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        text = f"--state {path} is not a simulator state file: {what}; correct it, move it away, or give another"
        raise ConfigError(text) from None
    registry.seed()
    return registry


def written(registry: Registry) -> bytes:
    """Return the registry as the file's content."""
    return orjson.dumps(registry.to_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def write(path: Path, content: bytes) -> None:
    """Replace the file atomically. Only its owner can read it, because it holds passwords.

    Blocks. Raises EnvironmentProblem.
    """
    try:
        replace(path, content)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"--state {path} cannot be written: {error.strerror}; make room, or give a file this user can write"
    )
