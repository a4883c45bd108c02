"""``python -m tests.torture``: kill the engine at every point of a cycle, and audit each time.

Prints the table of cases, which is written to build/torture.md too, each finding, and last one
line: what all kills came to. Exits 1 if anything was lost, happened twice, or stays unexplained.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from tests.torture.cases import VARIANTS, Variant
from tests.torture.lane import Lane
from tests.torture.matrix import TRADED, Row, kill_at_random, torture
from tests.torture.processes import Forked, fork, warm
from tests.torture.report import details, failed, table, transitions, verdict
from tests.torture.signals import BOOKS

#: Where the table is written, for docs/torture.md.
TABLE = Path("build") / "torture.md"
#: Random kills are shared out in parts of so many.
_PART = 100
#: What the random kills of a run are called.
_RANDOM = "random, three cycles in flight"


@dataclass(frozen=True, slots=True)
class Work:
    """Variants of the same rules, at all or ``sample`` points each; or random kills without any."""

    variants: tuple[Variant, ...]
    sample: int | None
    kills: int
    seed: int

    @property
    def name(self) -> str:
        """What is done."""
        return ", ".join(variant.name for variant in self.variants) or _RANDOM

    def run(self, folder: Path, tell: Callable[[str], None]) -> list[Row]:
        """Do it on a lane of its own."""
        draw = random.Random(self.seed)
        folder.mkdir(parents=True)
        if not self.variants:
            row = Row(_RANDOM)
            with Lane(folder, tuple(BOOKS)) as lane:
                kill_at_random(lane, self.kills, row, draw, tell)
            return [row]
        rows = []
        some = None if self.sample is None else partial(_some, draw, self.sample)
        with Lane(folder, TRADED, self.variants[0].rules) as lane:
            for variant in self.variants:
                row = Row(variant.name)
                torture(lane, variant, row, tell, some)
                rows.append(row)
        return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; give the exit code."""
    asked = _parsed(arguments)
    works = _works(asked)
    began = time.monotonic()
    warm()
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    rows = _run(works, folder, asked.jobs)
    made = f"{table(rows)}\n\n{transitions(rows)}"
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(f"{made}\n", encoding="utf-8")
    sys.stdout.write(f"{made}\n\n")
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
    return parser.parse_args(arguments)


def _works(asked: argparse.Namespace) -> list[Work]:
    chosen = [variant for variant in VARIANTS if asked.only in variant.name]
    lanes: list[tuple[Variant, ...]] = [(variant,) for variant in chosen]
    if asked.jobs == 1:  # one lane after the other: as few as there can be
        by_rules = groupby(sorted(chosen, key=_rules), _rules)
        lanes = [tuple(variants) for _, variants in by_rules]
    starts = range(0, asked.kills, _PART)
    return [Work(variants, asked.sample, 0, asked.seed) for variants in lanes] + [
        Work((), None, min(_PART, asked.kills - start), asked.seed + start) for start in starts
    ]


def _rules(variant: Variant) -> str:
    return json.dumps(variant.rules)


def _run(works: Sequence[Work], folder: Path, jobs: int) -> list[Row]:
    """Share the works out among processes; give their rows in order, the random ones as one."""
    waiting = list(enumerate(works))
    running: dict[int, Forked] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            number, work = waiting.pop(0)
            lane = folder / f"lane{number}"
            log = folder / f"lane{number}.log"
            running[number] = fork(partial(_work, work, lane), log, {})
        for number in [number for number, child in running.items() if not child.alive()]:
            child = running.pop(number)
            assert child.code == 0, f"{works[number].name} broke: {child.log.read_text()[-3000:]}"
            sys.stderr.write(f"done: {works[number].name}\n")
        time.sleep(0.05)
    rows: dict[str, Row] = {}
    for number, _ in enumerate(works):
        done: list[Row] = pickle.loads((folder / f"lane{number}.rows").read_bytes())
        for row in done:
            if row.name in rows:
                rows[row.name].join(row)
            else:
                rows[row.name] = row
    return list(rows.values())


def _work(work: Work, lane: Path) -> None:
    def tell(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    lane.with_suffix(".rows").write_bytes(pickle.dumps(work.run(lane, tell)))


def _some(draw: random.Random, count: int, points: Sequence[str]) -> list[str]:
    """Draw points, evenly over the cycle: one of each stretch of it."""
    stretch = max(len(points) / count, 1.0)
    return [
        points[min(int((k + draw.random()) * stretch), len(points) - 1)]
        for k in range(min(count, len(points)))
    ]


if __name__ == "__main__":
    sys.exit(main())
