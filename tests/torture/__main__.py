"""``python -m tests.torture``: kill the engine at every point of a cycle, and audit each time.

Prints the table of cases, each finding, and last one line: what all kills came to. Exits 1 if
anything was lost, happened twice, or stays unexplained.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.torture.cases import VARIANTS, Variant
from tests.torture.lane import Lane
from tests.torture.matrix import MIDDLE, Row, kill_at_random, torture
from tests.torture.mutants import MUTANTS
from tests.torture.processes import fork, warm
from tests.torture.report import details, failed, table, verdict
from tests.torture.signals import BOOKS, legs_through

#: Random kills are shared out in parts of so many.
_PART = 100
#: What the random kills of a run are called.
_RANDOM = "random, three cycles in flight"


@dataclass(frozen=True, slots=True)
class Work:
    """A variant to be tortured, at all or ``sample`` points; or ``kills`` random ones without."""

    row: str
    variant: Variant | None
    sample: int | None
    kills: int
    seed: int

    def run(self, folder: Path, mutant: str | None, tell: Callable[[str], None]) -> Row:
        """Do it on a lane of its own."""
        row, draw = Row(self.row), random.Random(self.seed)
        break_it = None if mutant is None else MUTANTS[mutant]
        if self.variant is None:
            lane = Lane(folder, tuple(BOOKS), break_it=break_it)
        else:
            traded = tuple(symbol for symbol, _ in legs_through(MIDDLE))
            lane = Lane(folder, traded, self.variant.rules, break_it)
        folder.mkdir(parents=True)
        try:
            lane.open()
            if self.variant is None:
                kill_at_random(lane, self.kills, row, draw, tell)
            elif self.sample is None:
                torture(lane, self.variant, row, tell)
            else:
                torture(lane, self.variant, row, tell, partial(_some, draw, self.sample))
        finally:
            lane.close()
        return row


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; give the exit code."""
    asked = _parsed(arguments)
    works = _works(asked)
    began = time.monotonic()
    warm()
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    rows = _run(works, folder, asked.mutant, asked.jobs)
    sys.stdout.write(f"{table(rows)}\n\n")
    for line in details(rows):
        sys.stdout.write(f"{line}\n")
    minutes = (time.monotonic() - began) / 60
    sys.stdout.write(f"{minutes:.1f} minutes; what failed is in {folder}\n{verdict(rows)}\n")
    return 1 if failed(rows) else 0


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--sample", type=int, help="points of each variant; default: all")
    parser.add_argument("--kills", type=int, default=500, help="random kills under load")
    parser.add_argument("--only", default="", help="variants whose name has this in it")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="break the engine first")
    return parser.parse_args(arguments)


def _works(asked: argparse.Namespace) -> list[Work]:
    works = [
        Work(variant.name, variant, asked.sample, 0, asked.seed)
        for variant in VARIANTS
        if asked.only in variant.name
    ]
    starts = range(0, asked.kills, _PART)
    return works + [
        Work(_RANDOM, None, None, min(_PART, asked.kills - start), asked.seed + start)
        for start in starts
    ]


def _run(works: Sequence[Work], folder: Path, mutant: str | None, jobs: int) -> list[Row]:
    """Share the works out among processes; give their rows in order, the random ones as one."""
    waiting, running = list(enumerate(works)), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            number, work = waiting.pop(0)
            lane = folder / f"lane{number}"
            log = folder / f"lane{number}.log"
            running[number] = fork(partial(_work, work, lane, mutant), log, {})
        for number in [number for number, child in running.items() if not child.alive()]:
            child = running.pop(number)
            assert child.code == 0, f"{works[number].row} broke: {child.log.read_text()[-3000:]}"
            sys.stderr.write(f"done: {works[number].row}\n")
        time.sleep(0.05)
    rows: dict[str, Row] = {}
    for number, work in enumerate(works):
        row: Row = pickle.loads((folder / f"lane{number}.row").read_bytes())
        if work.row in rows:
            rows[work.row].join(row)
        else:
            rows[work.row] = row
    return list(rows.values())


def _work(work: Work, lane: Path, mutant: str | None) -> None:
    def tell(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    row = work.run(lane, mutant, tell)
    lane.with_suffix(".row").write_bytes(pickle.dumps(row))


def _some(draw: random.Random, count: int, points: Sequence[str]) -> list[str]:
    """Draw points, evenly over the cycle: one of each stretch of it."""
    stretch = max(len(points) / count, 1.0)
    return [
        points[min(int((k + draw.random()) * stretch), len(points) - 1)]
        for k in range(min(count, len(points)))
    ]


if __name__ == "__main__":
    sys.exit(main())
