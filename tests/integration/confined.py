"""Run a unit's command as systemd would confine it: its system call filter, its address families,
its memory rule.

`python confined.py UNIT COMMAND…` needs libseccomp, which systemd brings, and no systemd that runs.
What is refused fails with EPERM, as SystemCallErrorNumber says.
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

LIBRARY = "libseccomp.so.2"
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 1  # SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM)
COMPARE_EQUAL = 4  # SCMP_CMP_EQ
SET_NO_NEW_PRIVILEGES, SET_MDWE, REFUSE_EXEC_GAIN = 38, 65, 1
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
UNKNOWN = -1


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp of seccomp.h."""

    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    ]


def settings(unit: Path, name: str) -> list[str]:
    """All values of a setting, in their order."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


def members(group: str) -> set[str]:
    """The system calls of a group such as @system-service."""
    listed = subprocess.check_output(
        ["systemd-analyze", "--no-pager", "syscall-filter", group], text=True
    )
    names = {
        line.strip()
        for line in listed.splitlines()[1:]
        if line.strip() and not line.strip().startswith("#")
    }
    return {call for name in names for call in (members(name) if name.startswith("@") else [name])}


def allowed(filters: list[str]) -> set[str]:
    """What SystemCallFilter= lets through: the first line allows, one with ~ takes away."""
    calls: set[str] = set()
    for line in filters:
        named = set().union(*(members(group) for group in line.removeprefix("~").split()))
        calls = calls - named if line.startswith("~") else calls | named
    return calls


def confine(unit: Path) -> None:
    """This process, and what it becomes."""
    calls = allowed(settings(unit, "SystemCallFilter"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(settings(unit, "LimitNOFILE")[0]),) * 2)
    seccomp, libc = ctypes.CDLL(LIBRARY, use_errno=True), ctypes.CDLL(None, use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(REFUSE)))
    for call in calls - {"socket"}:
        if (number := seccomp.seccomp_syscall_resolve_name(call.encode())) > UNKNOWN:
            seccomp.seccomp_rule_add_array(context, ctypes.c_uint32(ALLOW), number, 0, None)
    socket_number = seccomp.seccomp_syscall_resolve_name(b"socket")
    for family in settings(unit, "RestrictAddressFamilies")[0].split():
        only = Comparison(0, COMPARE_EQUAL, FAMILIES[family], 0)
        seccomp.seccomp_rule_add_array(
            context, ctypes.c_uint32(ALLOW), socket_number, 1, ctypes.byref(only)
        )
    if settings(unit, "MemoryDenyWriteExecute") == ["yes"]:
        libc.prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)  # Linux 6.3; older ones do without
    assert libc.prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    assert seccomp.seccomp_load(context) == 0


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the filter is this process's
