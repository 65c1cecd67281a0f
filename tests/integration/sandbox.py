"""A machine of its own that runs systemd: this one's files under a layer that keeps all changes, in
namespaces.

It has no network but its own loopback. Only root can make it, and only where the kernel lets him.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .serving import ROOT, environment_of_user

BOOT_SECONDS = 180.0
LOOK_SECONDS = 0.1
TOOLS = ("unshare", "nsenter", "systemctl", "mount")
NAMESPACES = ("--mount", "--pid", "--fork", "--net", "--uts", "--ipc", "--cgroup", "--kill-child")
LAYERS = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1"/upper "$1"/work "$1"/all
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1"/all
cd "$1"/all
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
mkdir sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd || mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
"""  # noqa: E501
BOOT = f"""{LAYERS}
mount -t tmpfs tmpfs dev/shm  # else systemd looks at each file there when a unit ends
rm -f etc/systemd/system/multi-user.target.wants/* etc/systemd/system/timers.target.wants/*  # this machine's own
cp -a "$2"/. .
chmod 755 root  # some have their Python there
: > etc/machine-id
ln -sf /dev/null etc/systemd/system/tmp.mount  # the checkout may be there
ln -sf /dev/null etc/tmpfiles.d/tmp.conf  # nor is anything removed from there
mkdir -p etc/systemd/system/levity-trio.service.d
printf '[Service]\\nPrivateUsers=no\\n' > etc/systemd/system/levity-trio.service.d/nested.conf
ip link set lo up
hostname sandbox
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /usr/lib/systemd/systemd --show-status=0
"""  # noqa: E501


def can_be() -> bool:
    """Whether this user may make such a machine here: a container may forbid it to root, too."""
    if (
        os.geteuid() != 0
        or not all(map(shutil.which, TOOLS))
        or not Path("/usr/lib/systemd/systemd").exists()
    ):
        return False
    with TemporaryDirectory() as folder:
        words = ["unshare", *NAMESPACES, "bash", "-c", LAYERS, "probe", folder]
        return subprocess.run(words, capture_output=True, check=False, cwd="/").returncode == 0


class Sandbox:
    """The running machine; `pid` is that of its systemd."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def command(self, words: Sequence[str]) -> list[str]:
        return ["nsenter", f"--target={self.pid}", "--all", "--root", "--wdns=/", *words]

    def run(self, *words: str, status: int = 0) -> str:
        """Run a command there, which must end with this status; return all that it wrote."""
        done = subprocess.run(
            self.command(words),
            env={
                **environment_of_user(),
                "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "PYTHONPATH": "",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=500,
        )
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}"
        return done.stdout


@contextmanager
def booted(folder: Path, card: Path) -> Iterator[Sandbox]:
    """Boot a machine that has the files of a card over its own."""
    (layers := folder / "layers").mkdir()
    with subprocess.Popen(
        ["unshare", *NAMESPACES, "bash", "-c", BOOT, "boot", str(layers), str(card)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd=ROOT,
    ) as process:
        try:
            yield _wait_until_it_runs(process)
        finally:
            process.kill()


def _wait_until_it_runs(process: subprocess.Popen[bytes]) -> Sandbox:
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if (
            children
            and b"systemd" in Path(f"/proc/{children[0]}/cmdline").read_bytes().split(b"\0")[0]
        ):
            sandbox = Sandbox(int(children[0]))
            asked = subprocess.run(
                sandbox.command(["systemctl", "is-system-running"]),
                capture_output=True,
                text=True,
                check=False,
            )
            if asked.stdout.strip() in ("running", "degraded"):
                return sandbox
        time.sleep(LOOK_SECONDS)
    process.kill()
    raise AssertionError(
        f"the machine does not run: {process.stdout.read().decode() if process.stdout else ''}"
    )
