"""Write the reference of the manual: `just manual`."""

from __future__ import annotations

from levity_trio.manual import FOLDER
from tests.manual.reference import pages

for topic, text in pages().items():
    (FOLDER / f"{topic}.md").write_text(text, encoding="utf-8")
print(f"The reference was written to {FOLDER / 'reference'}.")
