"""Every file that this program writes is opened here: only its owner may read it, and no link leads
elsewhere.

Others may write to the folder that a person names, such as /tmp. Somebody can put a link there, at
the name of the file or at a name that is used on the way to it. Who follows it overwrites what the
link points to, with this user's rights.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, Final

PRIVATE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
DOCUMENT: Final = 0o666
"""Of what a person asks for and may pass on: the umask decides who may read it."""
_OTHERS: Final = 0o077
_OTHERS_WRITE: Final = 0o022
_MOST_LINKS: Final = 40


def place(path: Path) -> Path:
    """Return where a file that a person names is to be written. Links are followed if only this
    user or root can have made them. Raises OSError for any other link.
    """
    for _ in range(_MOST_LINKS):
        if not path.is_symlink():
            return path
        if _others_may_write_to(path.parent):
            raise OSError(
                errno.ELOOP,
                "a link, in a folder that others may write to, is not followed",
                str(path),
            )
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _others_may_write_to(folder: Path) -> bool:
    found = folder.stat()
    return bool(found.st_mode & _OTHERS_WRITE) or found.st_uid not in (0, os.geteuid())


def opened(path: Path, flags: int, mode: int = PRIVATE) -> int:
    """Open a file, or create it, and return its descriptor. Raises OSError, also where a link
    stands at the path."""
    try:
        return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise OSError(
            errno.ELOOP, "a link, which is not followed, stands there", str(path)
        ) from None


def opened_alone(path: Path, flags: int) -> int:
    """Do the same for content that only this user may read or change, also if the file is there
    already."""
    try:
        # on a FAT stick, even what one makes oneself may have another owner
        return opened(path, flags | os.O_EXCL)
    except FileExistsError:
        descriptor = opened(path, flags)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1:
        os.fchmod(descriptor, PRIVATE)
        return descriptor
    os.close(descriptor)
    raise OSError(
        errno.EEXIST, "what stands there is not a file of this user alone; remove it", str(path)
    )


def created(path: Path, mode: int = PRIVATE) -> BinaryIO:
    """Create a file. Raises FileExistsError, also for a link; OSError."""
    return os.fdopen(opened(path, os.O_WRONLY | os.O_EXCL, mode), "wb")


@contextmanager
def replacing(path: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """Write a file that appears at the end of the block, whole, in the place of an earlier one.
    Raises OSError.

    What is no file, such as a pipe, is written to.
    """
    path = place(path)
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    new = path.with_name(f".{path.name[:200]}.{token_hex(8)}")
    try:
        with created(new, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    sync_folder(path.parent)


def replace(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Write a file in one step, in the place of an earlier one. Raises OSError."""
    with replacing(path, mode) as file:
        file.write(content)


def give(descriptor: int, owner: os.stat_result) -> None:
    """Give a file to the owner of another one, as far as this user may: only the owner can read
    it."""
    if os.geteuid() == 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def make_folder(path: Path) -> None:
    """Make a folder for this user alone. Raises OSError, also where a link stands there that others
    can have made."""
    try:
        path.mkdir(mode=PRIVATE_FOLDER)
    except FileExistsError:
        place(path)
    else:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def mend(path: Path) -> bool:
    """Take from others what they may do with a file or a folder; return whether they could do
    anything.

    No descriptor is opened: closing it would drop SQLite's locks. Raises OSError: this user is not
    the owner.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not mode & _OTHERS or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return False
    path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    return True
