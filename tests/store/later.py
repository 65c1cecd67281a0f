"""Programs of later schemas: folders with the schema as it is now, and with steps after it."""

import lzma
from pathlib import Path
from shutil import copytree
from typing import Final

from levity_trio.store.engine.schema import FOLDER, migrations, newest_version, pages

NEWEST: Final = newest_version()
STILL: Final = f"-- serves: {NEWEST}\nALTER TABLE cp ADD COLUMN one TEXT;\n"
"""A step after which the program of now still serves."""
NOT: Final = "-- a column\nALTER TABLE cp ADD COLUMN two TEXT;\n"
"""One after which it does not."""
CANDIDATE: Final = Path(__file__).with_name("rc1.db.xz")
"""A database of 1.0.0rc1 with a closed month, as a file, and as pg_dump wrote it."""
CANDIDATES_DUMP: Final = Path(__file__).with_name("rc1.sql.xz")


def later(folder: Path, *steps: str) -> Path:
    """Make the folder of a program with these steps after those of now; its pages have them,
    too."""
    copytree(FOLDER, folder)
    (folder / "steps").mkdir(exist_ok=True)
    if not migrations(folder):
        first = "".join(page.read_text(encoding="utf-8") for page in pages())
        (folder / "steps" / f"{NEWEST}_first.sql").write_text(first, encoding="utf-8")
    for number, step in enumerate(steps, NEWEST + 1):
        (folder / "steps" / f"{number}_step.sql").write_text(step, encoding="utf-8")
    (folder / "zz_steps.sql").write_text("\n".join(steps), encoding="utf-8")
    (folder / "version").write_text(f"{NEWEST + len(steps)}\n", encoding="utf-8")
    return folder


def unreleased(folder: Path) -> Path:
    """Make the folder of a program to whose schema no step leads from that of now."""
    later(folder, NOT)
    for _, step in migrations(folder):
        step.unlink()
    return folder


def put_candidate(path: Path) -> None:
    path.write_bytes(lzma.decompress(CANDIDATE.read_bytes()))
