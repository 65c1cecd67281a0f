"""Makes what a release consists of, in dist/: `just release`.

All checks pass first. Then it pins the versions that they ran with, each with the hashes of its
files, and builds wheel and sdist of the last commit twice, at other places, times and umasks: the
bytes must be equal, also those of a wheel of the sdist. At last it installs the wheel with what it
pinned in an empty environment, and lists what is there as an SBOM. It needs a network for that.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from levity_trio import __version__

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ("uv~=0.13.9", "cyclonedx-bom~=7.5")
"""They come into an environment of their own, so they are no dependency of ours."""
CONSTRAINTS: Final = "levity_trio/deploy/constraints.txt"
CHANGELOG: Final = "levity_trio/manual/changelog.md"
EXTRAS: Final = ("pdf", "postgresql")
MACHINES: Final = ("x86_64", "aarch64")
MOST_WHEEL_BYTES: Final = 4_400_000
NOT_PINNED: Final = ("levity-trio", "pip", "setuptools")
"""Ourselves, and what each environment has: a package of ours asks for pip, and the newest is
right."""
SUMS: Final = "SHA256SUMS"
NOTES: Final = "notes.md"
CONTAINER: Final = "container"
_VERSION: Final = re.compile(r"^## (\S+) - (\d{4}-\d\d-\d\d)$", re.MULTILINE)


def run(*words: str | Path, folder: Path = ROOT, umask: int = -1, **environment: str) -> str:
    """Run a program, and return what it wrote. If it fails, all that it said ends the release."""
    done = subprocess.run(
        words,
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        umask=umask,
        env=os.environ | environment,
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}{' '.join(map(str, words))} failed")
    return done.stdout.strip()


def notes(changelog: str, version: str) -> str:
    """Return what the changelog says of a version, which must be the newest, with its date.
    Raises SystemExit."""
    head, *sections = re.split(r"^(?=## )", changelog, flags=re.MULTILINE)
    sections = [one for one in sections if not one.startswith("## What stays")]
    dated = _VERSION.match(sections[0]) if sections else None
    if dated is None or dated[1] != version:
        raise SystemExit(
            f"{CHANGELOG} begins with {(sections or [head])[0].splitlines()[0]!r}, and not with "
            f"'## {version} - ' and a date"
        )
    return sections[0].partition("\n")[2].strip() + "\n"


def check_names(root: Path, tag: str | None) -> str:
    """Check that tag, number and changelog agree, and that all is committed; return the notes.
    Raises SystemExit."""
    if tag is not None and tag != f"v{__version__}":
        raise SystemExit(f"the tag is {tag}, and levity_trio/__init__.py says {__version__}")
    if changed := run("git", "status", "--porcelain", folder=root):
        raise SystemExit(f"commit first; this is not:\n{changed}")
    return notes((root / CHANGELOG).read_text("utf-8"), __version__)


def installed() -> list[str]:
    """Return the versions of this environment, in which the checks ran."""
    found = {one.name.lower(): one.version for one in distributions()}
    return [f"{name}=={version}" for name, version in found.items() if name not in NOT_PINNED]


def pin(root: Path, tools: Path, folder: Path, versions: Iterable[str]) -> Path:
    """Write the constraints: what the program needs on each machine and Python that we promise,
    with the hashes of all its files. Raises SystemExit, also if one has no wheel somewhere."""
    (seen := folder / "seen.txt").write_text("\n".join(versions))
    described = root / "pyproject.toml"
    compile_: list[str | Path] = [
        tools / "uv",
        "pip",
        "compile",
        "--quiet",
        described,
        "--constraint",
        seen,
    ]
    for extra in EXTRAS:
        compile_ += ["--extra", extra]
    classifiers = tomllib.loads(described.read_text("utf-8"))["project"]["classifiers"]
    pythons = re.findall(r":: (3\.\d+)$", "\n".join(classifiers), re.MULTILINE)
    made = folder / "constraints.txt"
    run(
        *compile_,
        *("--universal", "--generate-hashes", "--no-header", "--no-annotate"),
        *("--python-version", pythons[0], "--output-file", str(made)),
    )
    for machine in MACHINES:
        for python in pythons:
            platform = f"{machine}-unknown-linux-gnu"
            run(
                *compile_,
                *("--constraint", str(made), "--only-binary", ":all:"),
                *("--python-platform", platform, "--python-version", python),
                *("--output-file", os.devnull),
            )
    made.write_text(
        f"# What the checks of levity-trio {__version__} ran with, with the hashes of all files. "
        "Use it so:\n"
        "#   pip install --no-deps --require-hashes --requirement THIS-FILE\n"
        "#   pip install --no-deps WHEEL\n" + made.read_text()
    )
    return made


def build(source: Path, out: Path, *targets: str, umask: int = 0o022) -> list[Path]:
    """Build the targets (`sdist`, `wheel`) of a source, and return the files."""
    out.mkdir(parents=True)
    chosen = [word for target in targets for word in ("-t", target)]
    run(
        *(sys.executable, "-m", "hatchling", "build", "-d", str(out), *chosen),
        folder=source,
        umask=umask,
        PYTHONDONTWRITEBYTECODE="1",
    )
    return sorted(out.iterdir())


def build_alike(root: Path, constraints: Path, folder: Path) -> list[Path]:
    """Build the last commit twice, and a wheel of the sdist; return wheel and sdist. Raises
    SystemExit if bytes differ."""
    made = dict[int, list[Path]]()
    for umask, at in ((0o022, time.time()), (0o077, 1e9)):
        copy = folder / f"umask-{umask}" / "source"
        run("git", "clone", "--quiet", root, copy, umask=umask)
        shutil.copy(constraints, copy / CONSTRAINTS)
        for path in copy.rglob("*"):
            os.utime(path, (at, at), follow_symlinks=False)
        made[umask] = build(copy, copy.parent / "out", "sdist", "wheel", umask=umask)
    (wheel, sdist), others = made.values()
    run("tar", "-xf", sdist, "-C", folder)
    (unpacked,) = folder.glob("levity_trio-*")
    others += build(unpacked, folder / "again", "wheel", umask=0o077)
    for other in others:
        ours = wheel if other.suffix == ".whl" else sdist
        if other.read_bytes() != ours.read_bytes():
            raise SystemExit(f"two builds differ; compare {ours.name} with diffoscope")
    return [wheel, sdist]


def check_size(wheel: Path) -> None:
    """Raises SystemExit."""
    if (size := wheel.stat().st_size) > MOST_WHEEL_BYTES:
        raise SystemExit(f"{wheel.name} has {size:,} bytes, more than {MOST_WHEEL_BYTES:,}")


def write_sums(out: Path) -> None:
    """Write the digest of each file, as sha256sum --check reads them."""
    files = sorted(path for path in out.iterdir() if path.is_file() and path.name != NOTES)
    lines = [f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.name}\n" for one in files]
    (out / SUMS).write_text("".join(lines))


def describe(root: Path, tools: Path, folder: Path, wheel: Path, constraints: Path) -> None:
    """Install the wheel alone with what is pinned; list what is there, and write the files of a
    container, beside the wheel."""
    environment, out = folder / "environment", wheel.parent
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    install: list[str | Path] = [tools / "uv", "pip", "install", "--quiet", "--python"]
    install.append(environment / "bin/python")
    run(*install, "--require-hashes", "--requirement", constraints)
    run(*install, "--no-deps", wheel)
    program = environment / "bin/levity-trio"
    print(f"  {run(program, '--version', folder=folder)}")
    # The number is in the package, and an SBOM wants it where pyproject.toml points there.
    told = (root / "pyproject.toml").read_text("utf-8")
    stated = told.replace('dynamic = ["version"]', f'version = "{__version__}"')
    (folder / "pyproject.toml").write_text(stated)
    bom = out / f"levity_trio-{__version__}.cdx.json"
    run(
        *(tools / "cyclonedx-py", "environment", environment / "bin/python", "--output-file", bom),
        *("--pyproject", folder / "pyproject.toml", "--output-reproducible"),
        SOURCE_DATE_EPOCH=run("git", "log", "-1", "--format=%ct", folder=root),
    )
    listed: dict[str, Any] = json.loads(bom.read_text("utf-8"))
    print(f"  {len(listed['components'])} packages in the SBOM")
    run(program, "deploy", "--container", out / CONTAINER, folder=folder)


def tools_in(folder: Path) -> Path:
    """Install the tools of a release, and return the folder of their programs."""
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin/pip", "install", "--quiet", *TOOLS)
    return folder / "bin"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="just release", description=__doc__)
    parser.add_argument("--tag", help="which must be v and the number")
    parser.add_argument("--names", action="store_true", help="compare tag and number, no more")
    parser.add_argument("--checked", action="store_true", help=".ci/run has just passed here")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    chosen = parser.parse_args(arguments)
    told, began = check_names(ROOT, chosen.tag), time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True)

    if chosen.names:
        return
    if not chosen.checked:
        say("all checks")
        subprocess.run([Path(sys.executable).with_name("just"), "check"], cwd=ROOT, check=True)
    out: Path = chosen.out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        say(f"the tools of a release: {', '.join(TOOLS)}")
        tools = tools_in(folder / "tools")
        say("the versions that the checks ran with, and their hashes")
        constraints = pin(ROOT, tools, folder, installed())
        say("wheel and sdist, twice, and the wheel of the sdist")
        for one in build_alike(ROOT, constraints, folder):
            shutil.copy(one, out)
            say(f"  equal bytes: {one.name}")
        (wheel,) = out.glob("*.whl")
        check_size(wheel)
        say("an empty environment with the wheel, its SBOM, and the files of a container")
        describe(ROOT, tools, folder, wheel, constraints)
    (out / NOTES).write_text(told, "utf-8")
    write_sums(out)
    for one in sorted(out.iterdir()):
        say(f"{one.name}  {one.stat().st_size:,} bytes" if one.is_file() else f"{one.name}/")


if __name__ == "__main__":
    main()
