"""Makes PDFs for documents.printing: pickled sheets and a font's path from stdin, pickled results to stdout."""

import os
import pickle
import sys

from levity_trio.documents import DocumentProblem
from levity_trio.documents.fonts import open_fonts
from levity_trio.documents.pdf import pdf

NICENESS = 10
"""Chargers go first."""


def main() -> None:
    """Answer with the files (or, where only that is asked, what the font lacks), or the problem that was met."""
    os.nice(NICENESS)
    task, sheets, font = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own server wrote it
    answer: tuple[object, DocumentProblem | None]
    try:
        with open_fonts(font) as fonts:
            make = pdf if task == "pdf" else lambda sheet, fonts: fonts.missing(sheet)
            answer = [make(sheet, fonts) for sheet in sheets], None
    except DocumentProblem as problem:
        answer = None, problem
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    main()
