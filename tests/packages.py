"""Packages that are not there: modules of their names that cannot be imported, first on the path of
a process."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def without(folder: Path, *names: str) -> Path:
    """Make a folder for PYTHONPATH with which a process lacks these packages."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.py").write_text(
            f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')"
        )
    return folder
