"""The park's file: read once, written whole, so that at any moment it is one that was complete."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.simulator.park.registry import Registry


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """The file is this process's own while the block runs: two would each write over what the other keeps.

    Raises EnvironmentProblem where another has it, or it could not be written.
    """
    lock = Path(f"{path.resolve()}.lock")
    is_new = not lock.exists()
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        _take(descriptor, path)
        yield
    except ConfigError:  # it is none of ours
        if is_new:
            lock.unlink()
        raise
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        text = f"another simulator runs on {path}; stop it, or name another file with --state"
        raise EnvironmentProblem(text) from error


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
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"--state {path} cannot be written: {error.strerror}; make room, or give a file this user can write"
    )


def _sync_folder(folder: Path) -> None:
    """So that the new name outlives a power cut as well."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
