"""Write the reference of the manual, and what of README's chapter on the judge is declared elsewhere: `just manual`."""

from __future__ import annotations

from pathlib import Path

from levity_trio.manual import FOLDER
from tests.manual import chapter, reference

README = Path(__file__).parents[2] / "README.md"

readme = chapter.with_tables(README.read_text(encoding="utf-8"))
README.write_text(readme, encoding="utf-8")
for topic, text in {**reference.pages(), **chapter.pages(readme)}.items():
    (FOLDER / f"{topic}.md").write_text(text, encoding="utf-8")
print(f"The reference was written to {FOLDER / 'reference'}, the tables of the judge to {README}.")
