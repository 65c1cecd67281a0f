"""Makes documents for documents.printing: pickled papers and a font's path from stdin, pickled
results to stdout."""

import os
import pickle
import sys

from levity_trio.documents import DocumentProblem
from levity_trio.documents.making import open_maker

NICENESS = 10
"""Chargers go first."""


def main() -> None:
    """Answer with the files (or, where only that is asked, what the font lacks), or the problem
    that was met."""
    os.nice(NICENESS)
    task, papers, font = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own server wrote it
    answer: tuple[object, DocumentProblem | None]
    try:
        with open_maker(task, font) as make:
            answer = [make(paper) for paper in papers], None
    except DocumentProblem as problem:
        answer = None, problem
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    main()
