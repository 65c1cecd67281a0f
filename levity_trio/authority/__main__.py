"""Runs one function of the authority, for authority.apart: pickled from stdin, pickled to
stdout."""

import pickle
import sys
from importlib import import_module

from levity_trio.authority import AuthorityProblem


def main() -> None:
    """Call the function, and write its result, or the error that it is known to raise."""
    function, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own server wrote it
    module, _, name = function.partition(".")
    answer: tuple[object, Exception | None]
    try:
        answer = getattr(import_module(f"levity_trio.authority.{module}"), name)(*arguments), None
    except (AuthorityProblem, ValueError) as problem:
        answer = None, problem
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    main()
