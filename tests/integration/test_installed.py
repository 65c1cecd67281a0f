"""A machine from the installed card to the uninstalled program: under systemd, with chargers that
keep account."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.demo.house import HOUSEHOLDS
from levity_trio.deploy.container import values_of_container
from levity_trio.deploy.files import texts_of_image, write
from levity_trio.deploy.installation import METRICS_PORT
from levity_trio.deploy.program import TESTED, VERSIONS, Program, Wheel, read_pinned
from levity_trio.documents.making import PACKAGES
from levity_trio.store.engine.schema import CANDIDATE
from tests.demo.running import Demo, starting_demo
from tests.ports import free_port
from tests.sizes import size
from tests.store.later import NEWEST, later
from tests.tools.release import MOST_WHEEL_BYTES

from .browsing import OF_ALL, OF_DRIVERS, Browser
from .container import Image
from .sandbox import Sandbox, booted, can_be
from .serving import END_SECONDS, PROGRAM, ROOT, environment_of_user

PATIENT = ("--patience", "300")
"""For a busy machine."""
SILENT_SECONDS = size(60, 30)
ADDRESS = "127.0.0.1"
FETCH = """
import ssl, sys, urllib.request
trusting = ssl.create_default_context(cafile=sys.argv[2])
print(urllib.request.urlopen(sys.argv[1], context=trusting).read().decode())
"""
OPT = Path("opt/levity-trio")
DATABASE = "/var/lib/levity/levity.db"
NEW_TABLE = "CREATE TABLE novelty (id INTEGER PRIMARY KEY) STRICT;\n"
BEGINNING = "async def _begin(central: Central, reader: Reader) -> None:\n"
SCRIPTS = {"failing": f"{NEW_TABLE}INSERT INTO nowhere VALUES (1);\n"}
DEFECTS = {
    "broken": (
        "server/__init__.py",
        BEGINNING,
        f"{BEGINNING}    raise EnvironmentProblem('it cannot begin')\n",
    ),
    "silent": ("server/systemd.py", 'b"READY=1"', 'b"STATUS=serving"'),
}
"""What is wrong with a version: in which file, and in whose place."""
INSTALL = (
    *PROGRAM,
    "install",
    "--yes",
    "--address",
    ADDRESS,
    "--cards",
    "all",
    "--site",
    "Bauhof 12",
)

on_systemd = pytest.mark.skipif(
    not can_be(), reason="only root makes namespaces with a systemd, where the kernel lets him"
)


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `install --root` writes from this checkout, with what pip finds."""
    card = tmp_path_factory.mktemp("machine") / "card"
    environment = environment_of_user()
    # each of its many starts would compile all, because it may not write there
    environment.pop("PIP_COMPILE", None)
    told = subprocess.run(
        [*INSTALL, "--root", str(card)],
        env=environment,
        check=True,
        timeout=500,
        cwd="/",
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    assert "This is no release" in told
    return card


def make_version(card: Path, script: str) -> str:
    """Put another version beside the installed one, as an interrupted upgrade leaves it. Return its
    name.

    Nobody unpacks its wheel again, so that has nothing but a name of its own.
    """
    empty = BytesIO()
    with ZipFile(empty, "w") as packed:
        packed.writestr(ZipInfo(script), "")
    present = (card / OPT / "current").resolve()
    digest = sha256(empty.getvalue()).hexdigest()
    version = f"{present.name.partition('+')[0]}+{digest[:8]}"
    # Links, since a copy of each file of five versions would be a fifth of this test's CPU.
    folder = present.with_name(version)
    shutil.copytree(present, folder, symlinks=True, copy_function=os.link)
    (wheel,) = folder.glob("*.whl")
    wheel.unlink()
    wheel.write_bytes(empty.getvalue())
    (package,) = folder.glob("lib/python*/site-packages/levity_trio")
    schema = package / "schema"
    shutil.rmtree(schema)
    later(schema, SCRIPTS.get(script, NEW_TABLE))
    (schema / "zz_steps.sql").write_text(NEW_TABLE)
    if script in DEFECTS:
        file, right, wrong = DEFECTS[script]
        text = (package / file).read_text()
        assert right in text
        write_anew(package / file, text.replace(right, wrong))
    program = folder / "bin" / "levity-trio"
    write_anew(program, program.read_text().replace(present.name, version))
    return version


def write_anew(file: Path, text: str) -> None:
    """Replace a file that other versions have in common by one of this version's own."""
    mode = file.stat().st_mode
    file.unlink()
    file.write_text(text)
    file.chmod(mode)


@contextmanager
def charging(sandbox: Sandbox) -> Iterator[dict[str, Any]]:
    """Let chargers talk; in the end the dictionary has what they tell."""
    told: dict[str, Any] = {}
    words = [
        sys.executable,
        "-m",
        "tests.integration.upgraded",
        "9000",
        DATABASE,
        "/run/end-of-test",
    ]
    process = subprocess.Popen(
        sandbox.command(["env", f"PYTHONPATH={ROOT}", *words]),
        stdout=subprocess.PIPE,
        env=environment_of_user(),
    )
    assert process.stdout is not None
    try:
        yield told
        sandbox.run("touch", words[-1])
        out, _ = process.communicate(timeout=60)
        told.update(json.loads(out))
    finally:  # after a failure, what it has started ends with the sandbox
        process.kill()
        process.wait()
        process.stdout.close()


@on_systemd
def test_a_machine_from_its_first_start_to_the_end(card: Path, tmp_path: Path) -> None:
    good, failing, broken, silent = (
        make_version(card, one) for one in ("good", "failing", "broken", "silent")
    )
    with booted(tmp_path, card) as sandbox:
        be_installed(sandbox)
        be_asked(sandbox)
        be_backed_up(sandbox)
        with charging(sandbox) as told:
            be_refused(sandbox, good)
            be_refused(sandbox, good)
            first = go_nowhere(sandbox, failing, "no such table: nowhere", "Nothing was stopped")
            assert go_nowhere(sandbox, broken, "it cannot begin", "serves again") == first
            stay(sandbox, silent)
            silence = upgrade(sandbox, good)
        assert told["missing"] == []
        assert len(told["silences"]) >= 4, told  # each time that a version was stopped
        waited = f"waited {told['silences']} s; no server for {silence} s"
        print(f"\n{told['answered']} answers to the chargers, which {waited}")
        finish_what_was_interrupted(sandbox, silent, good)
        be_gone(sandbox)


BY_HAND = """\
[Service]
User=levity
StateDirectory=levity
Environment="LEVITY_SERVER_NAME=Hof 3" LEVITY_REGISTRATION=ask \\
# a comment in between
  LEVITY_DB=/var/lib/levity/hof.db
Environment=LEVITY_LOG_DAYS=400 "LEVITY_FLUENTD_TAG=50%% \\"of\\" \\\\it" LEVITY_PORT=9000
Environment=LEVITY_LOG_DAYS=
ExecStart=/opt/levity-trio/VERSION/bin/levity-trio serve
"""
ENVIRONMENT = (
    "tr '\\0' '\\n' < /proc/$(systemctl show --value --property=MainPID levity-trio)/environ | "
    "grep ^LEVITY_"
)
HOF = "/var/lib/levity/hof.db"


@on_systemd
def test_what_was_installed_by_hand_is_taken_over(card: Path, tmp_path: Path) -> None:
    """Its unit serves until the database is copied; the new one has the settings that systemd gave
    to the old one."""
    by_hand = tmp_path / "by-hand"
    version = (card / OPT / "current").readlink().name
    others = {one.name for one in (card / OPT).glob("*+*")} - {version}
    # To copy 9,000 files, and the versions that the other test made, took twelve seconds of CPU.
    shutil.copytree(
        card,
        by_hand,
        symlinks=True,
        ignore=shutil.ignore_patterns(*others),
        copy_function=os.link,
    )
    for path in (
        OPT / "current",
        OPT / "changed",
        Path("etc/levity-trio/levity.toml"),
        Path("usr/local/bin/levity-trio"),
    ):
        (by_hand / path).unlink(missing_ok=True)
    units = by_hand / "etc" / "systemd" / "system"
    write_anew(units / "levity-trio.service", BY_HAND.replace("VERSION", version))
    shutil.rmtree(by_hand / "var")
    with booted(tmp_path, by_hand) as sandbox:
        sandbox.run("systemctl", "start", "levity-trio")
        told = dict(
            line.split("=", 1) for line in sandbox.run("sh", "-c", ENVIRONMENT).splitlines()
        )
        sandbox.run(
            "sh",
            "-c",
            f"for i in $(seq 100); do test -S {HOF}.sock && exit; sleep 0.1; done; exit 1",
        )
        program = f"/opt/levity-trio/{version}/bin/levity-trio"
        assert "by hand" in sandbox.run(program, "upgrade", "--yes", status=1)
        sandbox.run(
            program, "user", "add", "olga", "--role", "admin", "--link", "--api", f"unix:{HOF}.sock"
        )
        lines = [
            json.loads(line)
            for line in sandbox.run(program, "install", "--yes", "--json").splitlines()
        ]
        assert not [line for line in lines if "link" in line]
        settings = tomllib.loads(sandbox.run("cat", "/etc/levity-trio/levity.toml"))
        in_unit = {
            f"LEVITY_{name.replace('-', '_').upper()}": value for name, value in settings.items()
        }
        assert in_unit == {name: text for name, text in told.items() if text}
        assert "olga" in sandbox.run("levity-trio", "user", "list")
        assert "is sound" in sandbox.run(
            "levity-trio", "check", f"/var/backups/levity-trio/before-{version}.db"
        )
        sandbox.run("sh", "-c", "! grep -q LEVITY_ /etc/systemd/system/levity-trio.service")
        sandbox.run(
            "sh",
            "-c",
            (
                "sed -i 's/^Type=/Environment=LEVITY_STRICT=true\\nType=/' "
                "/etc/systemd/system/levity-trio.service"
            ),
        )
        assert "Nothing to do" not in sandbox.run("levity-trio", "install", "--yes")
        assert 'strict = "true"' in sandbox.run("cat", "/etc/levity-trio/levity.toml")


def be_installed(sandbox: Sandbox) -> None:
    """It runs from the first start on, as its own user, and the installation is complete but for
    the first log-in."""
    assert (
        sandbox.run("systemctl", "is-active", "levity-trio", "levity-trio-backup.timer")
        == "active\nactive\n"
    )
    assert sandbox.run("stat", "-c", "%U %a", DATABASE) == "levity 600\n"
    lines = [
        json.loads(line)
        for line in sandbox.run("levity-trio", "install", "--yes", "--json").splitlines()
    ]
    (link,) = [line["link"] for line in lines if "link" in line]
    assert not [line for line in lines if "done" in line]
    assert link.startswith(f"https://{ADDRESS}:9001/welcome#")
    page = sandbox.run(
        "python3", "-c", FETCH, f"https://{ADDRESS}:9001/login", f"{DATABASE}.pages/root.pem"
    )
    assert "Bauhof 12" in page
    again = sandbox.run("levity-trio", "install", "--yes")
    assert "Nothing to do" in again
    assert "welcome" not in again


def be_asked(sandbox: Sandbox) -> None:
    """Whoever says no gets files, and nothing else changes."""
    settings = sandbox.run("cat", "/etc/levity-trio/levity.toml")
    asked = "cd /run && echo n | script -qec 'levity-trio install --address localhost' /dev/null"
    told = sandbox.run("sh", "-c", asked, status=130)
    assert "certificates  for localhost" in told
    assert "Next: levity-install/README.txt" in told
    sandbox.run("test", "-s", "/run/levity-install/levity-trio.service")
    assert sandbox.run("cat", "/etc/levity-trio/levity.toml") == settings


def be_backed_up(sandbox: Sandbox) -> None:
    sandbox.run("systemctl", "start", "levity-trio-backup.service")
    (name,) = sandbox.run("ls", "/var/backups/levity-trio").split()
    assert "is sound" in sandbox.run("levity-trio", "check", f"/var/backups/levity-trio/{name}")


def current(sandbox: Sandbox) -> str:
    return sandbox.run("readlink", "/opt/levity-trio/current").strip()


def run_upgrade(sandbox: Sandbox, version: str, status: int, *flags: str) -> str:
    python = f"/opt/levity-trio/{version}/bin/python"
    return sandbox.run(
        python, "-m", "levity_trio", "upgrade", "--yes", *PATIENT, *flags, status=status
    )


def go_nowhere(sandbox: Sandbox, version: str, *words: str) -> str:
    """The old version serves afterwards, whatever is wrong with the new one. Return its name."""
    before = current(sandbox)
    told = run_upgrade(sandbox, version, 1)
    assert all(word in told for word in words), told
    assert current(sandbox) == before
    assert sandbox.run("systemctl", "is-active", "levity-trio") == "active\n"
    return before


def be_refused(sandbox: Sandbox, version: str) -> None:
    """A database of before 1.0 is refused before its server is stopped."""
    keep_number(sandbox, CANDIDATE)
    go_nowhere(sandbox, version, f"is from before 1.0 (schema {CANDIDATE})", "Nothing was stopped")
    keep_number(sandbox, NEWEST)


def keep_number(sandbox: Sandbox, number: int) -> None:
    change = f"execute('PRAGMA user_version = {number}')"
    script = f"import sqlite3; sqlite3.connect({DATABASE!r}, isolation_level=None).{change}"
    sandbox.run(f"/opt/levity-trio/{current(sandbox)}/bin/python", "-c", script)


def stay(sandbox: Sandbox, version: str) -> None:
    """It serves without saying so. What it told the chargers meanwhile is not given up for the old
    database."""
    told = run_upgrade(sandbox, version, 1, "--patience", str(SILENT_SECONDS))
    assert f"does not serve after {SILENT_SECONDS} s" in told
    assert f"{version} stays" in told
    assert "has stored facts" in told
    assert current(sandbox) == version


def upgrade(sandbox: Sandbox, version: str) -> float:
    *before, told = run_upgrade(sandbox, version, 0, "--json").splitlines()
    assert {"changes": [], "more_changes": 0} in map(json.loads, before)
    assert current(sandbox) == version
    return float(json.loads(told)["seconds_without_an_answer"])


def finish_what_was_interrupted(sandbox: Sandbox, before: str, after: str) -> None:
    """kill -9 came when the link had been switched and nothing had started. A server starts all the
    same: the one to which the link leads."""
    begun: dict[str, object] = {
        "before": before,
        "after": after,
        "database": DATABASE,
        "copy": None,
        "files": {},
    }
    sandbox.run(
        "sh",
        "-c",
        f"echo '{json.dumps(begun)}' > /opt/levity-trio/upgrade-under-way",
    )
    dies = (
        "import os; from levity_trio.deploy import service; service.stop(); os.kill(os.getpid(), 9)"
    )
    sandbox.run(f"/opt/levity-trio/{after}/bin/python", "-c", dies, status=-9)
    wait = (
        "for i in $(seq 600); do systemctl is-active levity-trio && exit; sleep 0.1; done; exit 1"
    )
    sandbox.run("sh", "-c", wait)
    assert current(sandbox) == after
    assert "an upgrade was interrupted" in sandbox.run("levity-trio", "install", "--yes", status=1)
    assert f"levity-trio {after} serves." in run_upgrade(sandbox, after, 0)
    assert "Nothing to do" in run_upgrade(sandbox, after, 0)


def be_gone(sandbox: Sandbox) -> None:
    """All but the data."""
    assert DATABASE.rpartition("/")[0] in sandbox.run("levity-trio", "uninstall", "--yes")
    sandbox.run("test", "-s", DATABASE)
    sandbox.run(
        "sh",
        "-c",
        (
            "! ls -d /opt/levity-trio /usr/local/bin/levity-trio "
            "/etc/systemd/system/levity-trio.* | grep -v service.d"
        ),
    )


HEALTHY_SECONDS = 60.0


def released(wheel: Path, tested: str, folder: Path) -> Wheel:
    """Return this wheel as a release has it: with the versions and hashes that it was tested
    with."""
    folder.mkdir()
    copy = Path(shutil.copy(wheel, folder))
    with ZipFile(copy, "a", ZIP_DEFLATED) as packed:
        packed.writestr(TESTED, tested)
    return Wheel(copy, sha256(copy.read_bytes()).hexdigest())


@pytest.fixture(scope="module")
def wheel(card: Path, tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    """The wheel of a release: what `install` built of this checkout, and what pip found then."""
    present = (card / OPT / "current").resolve()
    (built,) = present.glob("*.whl")
    listed = (present / VERSIONS).read_text()
    tested = "".join(line for line in listed.splitlines(keepends=True) if line[0] != "#")
    return released(built, tested, tmp_path_factory.mktemp("release") / "dist")


@pytest.fixture(scope="module")
def image(wheel: Wheel) -> Iterator[Image]:
    """What the steps of the Containerfile of this wheel make, with no checkout near.

    Other users may go into its folder, and its socket has a short path.
    """
    with TemporaryDirectory(prefix="levity-image-") as name:
        base = Path(name)
        base.chmod(0o755)
        texts = texts_of_image(
            "container", values_of_container({}, {}, wheel.path.name, wheel.version, wheel.tested())
        )
        write(base / "context", texts, may_replace=False)
        shutil.copy(wheel.path, base / "context")
        yield Image(base / "context", base)


def test_the_wheel_is_small_and_has_what_the_program_reads(wheel: Wheel) -> None:
    assert wheel.path.stat().st_size <= MOST_WHEEL_BYTES
    with ZipFile(wheel.path) as packed:
        names = packed.namelist()
    assert not [name for name in names if name.startswith("tests/") or name.endswith(".po")]
    assert "levity_trio/locale/de/LC_MESSAGES/levity_trio.mo" in names


def test_the_image_shows_the_demo_to_whoever_reaches_it(image: Image) -> None:
    """By its default command: pages, papers and German come from the wheel."""
    port = free_port()
    given = image.environment_on(port)
    command = image.run_words(image.command)
    with starting_demo(command=command, given=given) as process:
        demo = Demo(process)
        assert not trouble(image, port)
        elsewhere = SimpleNamespace(
            wait_line=lambda event: {
                "address": str(demo.wait_line(event)["address"]).replace("127.0.0.1", "127.0.0.2")
            }
        )
        page = Browser(elsewhere).ask("GET", "/", headers={"accept-language": "de"})
        assert "Autos laden" in page.words
        assert HOUSEHOLDS[0].name in Browser(elsewhere, OF_DRIVERS).get("/d/").words
        assert "put the address of this machine in place of 127.0.0.1" in demo.printed
        for host, status in (("192.168.1.9:8080", 200), ("nas", 200), ("nas.example.org", 421)):
            for event, path in ((OF_ALL, "/"), (OF_DRIVERS, "/d/")):
                asked = Browser(elsewhere, event).ask("GET", path, headers={"host": host})
                assert asked.status == status, (host, event)
        socket = f"unix:{demo.database}.sock"
        listed = json.loads(told(image, given, "bill", "list", "--json", "--api", socket))
        number = str(listed["data"][0]["number"])
        paper = told(image, given, "bill", "show", number, "--as", "pdf", "--api", socket)
        assert paper.startswith(b"%PDF-")
    assert process.returncode == 0


def told(image: Image, given: Mapping[str, str], *words: str) -> bytes:
    """Return what the image's program says, as its user, far from the checkout."""
    command = image.run_words(["levity-trio", *words])
    return subprocess.run(
        command, env=given, cwd=image.root, check=True, timeout=120, capture_output=True
    ).stdout


def trouble(image: Image, port: int) -> str:
    """Ask as the image's health check does, until it is well; return what it says otherwise."""
    words = [one.replace(str(METRICS_PORT), str(port)) for one in image.run_words(image.health)]
    until = time.monotonic() + HEALTHY_SECONDS
    while True:
        done = subprocess.run(words, check=False, capture_output=True, text=True, cwd="/")
        if not done.returncode or time.monotonic() > until:
            return done.stderr
        time.sleep(0.2)


def test_the_image_serves_and_explains_itself(image: Image) -> None:
    """Also where nobody installed what PDFs need."""
    port = free_port()
    (missing := image.root / "tmp" / "missing").mkdir()
    for name in PACKAGES:
        (missing / f"{name}.py").write_text("raise ModuleNotFoundError(__name__)\n")
    given = {
        **image.environment_on(port),
        "LEVITY_PORT": "0",
        "LEVITY_API_PORT": "0",
        "PYTHONPATH": str(missing),
    }
    command = image.run_words(["levity-trio", "serve"])
    with subprocess.Popen(command, env=given, cwd=image.root, stdout=subprocess.DEVNULL) as server:
        try:
            assert not trouble(image, port)
            assert told(image, given, "status", "--json")
        finally:
            server.terminate()
            server.wait(END_SECONDS)
    assert server.returncode == 0
    assert b"bill preview" in told(image, given, "help", "first-bill")


def test_a_wheel_writes_its_files_with_what_the_release_was_tested_with(
    image: Image, wheel: Wheel
) -> None:
    folder = image.root / "tmp"
    shutil.copy(wheel.path, folder)  # pip noted that it came from there
    given = image.environment
    told(image, given, "deploy", str(folder / "files"))
    told(image, given, "deploy", "--container", str(folder / "container"))
    assert (folder / "files" / "levity-trio.service").exists()
    made = folder / "container"
    assert (made / wheel.path.name).read_bytes() == wheel.path.read_bytes()
    assert (made / "constraints.txt").read_text().strip() == str(wheel.tested()).strip()
    compose = (made / "compose.yaml").read_text()
    assert 'command: ["levity-trio", "serve"]' in compose


NEEDING = """\
Metadata-Version: 2.1
Name: levity-trio
Version: 1.2
Provides-Extra: pdf
Requires-Dist: h11; extra == "pdf"
"""
"""Of a wheel that needs another package for its PDFs."""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "levity_trio-1.2-py3-none-any.whl"
    with ZipFile(path, "w") as packed:
        for name, text in {
            "METADATA": NEEDING,
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }.items():
            packed.writestr(f"levity_trio-1.2.dist-info/{name}", text)
    return path


def test_only_what_a_release_was_tested_with_is_installed(
    image: Image, wheel: Wheel, small: Path, tmp_path: Path
) -> None:
    """Into the environment in which the image has its pip."""
    folder = image.root.with_name("build") / "tmp" / "pip"
    (right,) = re.findall(r"^h11==\S+ --hash=sha256:\w+\n", str(wheel.tested()), re.MULTILINE)
    wrong = f"{right.partition('sha256:')[0]}sha256:{'0' * 64}\n"
    for name, tested, words in (
        ("wrong", wrong, "is not the one that was listed.*a clone of the source.*h11"),
        ("unknown", wrong.replace("==", "==999."), "not each listed package is there for this"),
        ("incomplete", "", "No matching distribution found for h11"),
    ):
        bad = released(small, tested, tmp_path / name)
        with pytest.raises(EnvironmentProblem, match=words):
            Program(bad, "pdf", read_pinned(None, bad))._install(folder, bad.path)
    good = released(small, right, tmp_path / "good")
    kept = Program(good, "pdf", read_pinned(None, good))._install(folder, good.path)
    assert list(folder.glob("lib/python*/site-packages/h11"))
    (tmp_path / VERSIONS).write_text(kept)
    assert read_pinned(tmp_path / VERSIONS, good) == kept
