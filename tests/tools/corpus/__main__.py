"""Write the corpus anew from its sources, judge it, keep what today's rules say, tell its lies
late, or count the honest courses whose price is asked about.

Without a name of a file, all are written, judged, kept, told or counted. A file of the corpus is
read by `tests.tools.corpus.kept`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from random import Random
from typing import Final

from levity_trio.charging.energy import judge
from tests.store import honest_stories, lies
from tests.store.books import Books, in_memory
from tests.store.stories import Verdict, play
from tests.tools.benchmarks.months.__main__ import seeds
from tests.tools.benchmarks.process import ROOT
from tests.tools.corpus import capture, course, generated, late, simulated
from tests.tools.corpus.capture import Found, capturing, of_story
from tests.tools.corpus.kept import Kept, Said, Truth, lines, load, names, path_of, save, store

STORE: Final = ROOT / "tests" / "store"
TELLING: Final = re.compile(r"from tests\.store\.(telling|stories) import|\.bill\(")
"""What is in the files of tests that judge a session."""
STORIES_OF_A_LIE: Final = 40
STORIES_OF_TWO: Final = 400
HONEST_SESSIONS: Final = 1000
SEED: Final = 1
SHOWN: Final = 20
HEAD: Final = (
    *(
        "lying",
        "honest",
        "silently wrong",
        "right proposals",
        "wrong proposals",
        "honest flagged",
        "lost",
        "different",
    ),
    "seconds",
)


# Sources


def run_tests(name: str) -> None:
    """Run the tests of reports, or all others that judge a session. They write their file
    themselves."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.tools.corpus.capture",
        "-p",
        "no:cacheprovider",
    ]
    telling = [
        str(path) for path in sorted(STORE.glob("test_*.py")) if TELLING.search(path.read_text())
    ]
    others = [
        "-k",
        "not postgresql",
        "--ignore=tests/charging/test_rules.py",
        "tests/charging",
        *telling,
    ]
    command += [capture.REPORTS] if name == "reports" else others
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {capture.FILE: name})


def of_lies() -> Iterator[Found]:
    """Yield the sessions of stories with each lie, and with two that a charger can tell at once."""
    chance = Random(SEED)
    pairs = [chance.choice(lies.PAIRS) for _ in range(STORIES_OF_TWO)]
    for told in [*([name] for name in lies.LIES for _ in range(STORIES_OF_A_LIE)), *pairs]:
        yield from _of_liar(told, chance)
    print(f"  {len(lies.LIES)} lies and {STORIES_OF_TWO} pairs", flush=True)


def _of_liar(told: list[str], chance: Random) -> Iterator[Found]:
    with capturing() as found, closing(in_memory()) as connection:
        is_honest = all(lies.LIES[one].honest for one in told)
        found.clear(f"{'honest ' if is_honest else ''}story of {' and '.join(told)}")
        story, lied = lies.liar_story(told, chance)
        played = play(story, Books(connection), "CP-1")
        for outcome in played.outcomes():
            if outcome.transaction is not None and outcome.verdict is not Verdict.LOST:
                is_lie = not is_honest and (outcome.session is lied or outcome.review is not None)
                found.know(outcome.transaction, of_story(outcome, is_lie))
        yield from found.found()


def of_honest() -> Iterator[Found]:
    with capturing() as found:
        found.clear("honest story")
        honest_stories.honest(HONEST_SESSIONS, SEED)
        yield from found.found()


def of_generated() -> Iterator[Found]:
    """Yield the transactions of tests/tools/corpus/generated.py, made at random: their truth is
    that before their lies.
    """
    for number in range(generated.TRANSACTIONS):
        true, case = generated.delivered(Random(number)), generated.generated(number)
        wh = (true.stop or 0) - (true.start or 0)
        said = Said.of(judge(case))
        is_lie = not said.is_certain or said.wh != wh
        yield f"generated {number}", Truth(is_lie, None if is_lie else wh), case


# What the command does


def write(name: str, chosen: Sequence[int]) -> None:
    sources: dict[str, Callable[[], Iterator[Found]]] = {
        "generated": of_generated,
        "honest": of_honest,
        "lies": of_lies,
        "months": partial(simulated.months, chosen),
        "quirks": simulated.quirks,
    }
    began = time.monotonic()
    if name in sources:
        save(name, sources[name]())
    else:
        run_tests(name)
    size, found = path_of(name).stat().st_size / 1e6, sum(1 for _ in load(name))
    print(f"{name}: {found} cases, {size:.2f} MB, {time.monotonic() - began:.0f} s", flush=True)


def check(chosen: Sequence[str]) -> bool:
    """Judge all, print a table and what differs; return whether nothing does."""
    print("  ".join(["file".ljust(9), *HEAD]))
    different, total = list[str](), Counter[str]()
    for name in chosen:
        began, counts = time.process_time(), Counter[str]()
        for kept in load(name):
            counts.update(_counted(kept, said := Said.of(judge(kept.case))))
            if said != kept.said:
                different.append(f"{name}, {kept.source}: kept {kept.said}, now {said}")
        counts["seconds"] = round(time.process_time() - began)
        print(_row(name, counts), flush=True)
        total += counts
    print(_row("all", total))
    print(
        "\n".join(different[:SHOWN]),
        f"… and {len(different) - SHOWN} more" if len(different) > SHOWN else "",
    )
    return not different


def _counted(kept: Kept, said: Said) -> Iterator[str]:
    yield "lying" if kept.truth.is_lie else "honest"
    if kept.is_silently_wrong(said):
        yield "silently wrong"
    if not said.is_certain:
        yield "right proposals" if kept.is_right(said) else "wrong proposals"
        if not kept.truth.is_lie:
            yield "honest flagged"
    if kept.is_lost(said):
        yield "lost"
    if said != kept.said:
        yield "different"


def _row(name: str, counts: Counter[str]) -> str:
    return "  ".join([name.ljust(9), *(str(counts[head]).rjust(len(head)) for head in HEAD)])


def keep(chosen: Sequence[str]) -> None:
    for name in chosen:
        print(f"judging the sessions of {name} …", file=sys.stderr, flush=True)
        store(name, [replace(kept, said=Said.of(judge(kept.case))) for kept in load(name)])


def tell_late(chosen: Sequence[str], every: int) -> bool:
    """Tell the lies of files again, or one of so many of them; print how many are in doubt in time
    and late, and those that are in doubt in time only. Return whether there are none."""
    missed = list[str]()
    for name in chosen:
        counts, found = late.compare(late.lies(lines(name)[::every]))
        print(
            name.ljust(9),
            *(f"{count} {what}" for what, count in counts.items()),
            sep="  ",
            flush=True,
        )
        missed += found
    print(*missed, sep="\n")
    return not missed


def count_courses(chosen: Sequence[str]) -> None:
    """Print how many honest courses of each file are asked about, and all of them."""
    total, asked = Counter[str](), list[str]()
    for name in chosen:
        counts, found = course.compare(load(name))
        print(name.ljust(9), *(f"{count} {what}" for what, count in counts.items()), sep="  ")
        total += counts
        asked += found
    print("all".ljust(9), *(f"{count} {what}" for what, count in total.items()), *asked, sep="\n")


def main(arguments: Sequence[str] | None = None) -> int:
    files = ["reports", "tests", "lies", "honest", "generated", "quirks", "months"]
    parser = argparse.ArgumentParser(prog="python -m tests.tools.corpus", description=__doc__)
    parser.add_argument(
        "verb", nargs="?", choices=("write", "check", "keep", "late", "course"), default="write"
    )
    parser.add_argument(
        "--only", action="append", choices=files, help="a file; may be repeated [all]"
    )
    parser.add_argument("--seeds", type=seeds, default="1-6", help="of the months [%(default)s]")
    parser.add_argument(
        "--every", type=int, default=1, help="tell one of so many lies late [%(default)s]"
    )
    chosen = parser.parse_args(arguments)
    if chosen.verb == "late":
        return 0 if tell_late(chosen.only or names(), chosen.every) else 1
    if chosen.verb == "check":
        return 0 if check(chosen.only or names()) else 1
    if chosen.verb == "course":
        count_courses(chosen.only or names())
    elif chosen.verb == "keep":
        keep(chosen.only or names())
    else:
        for name in chosen.only or files:
            write(name, chosen.seeds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
