"""One process of the session tables' tests: SEED SESSION FIRST.

Writes the batches of a random market's session from number FIRST on, and says each that the
lake has taken. The batches of a seed and session are the same in every process.
"""

from __future__ import annotations

import itertools
import sys

from arb_pipelines.clock import NS_PER_MS, day_start_ns
from arb_pipelines.execution.records.recorder import SessionRecorder
from arb_pipelines.execution.records.values import Batch, SessionState
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.session_tables import write_batch
from arb_pipelines.settings import load_settings
from tests.fakes.backtest_worlds import DAY, random_world
from tests.fakes.session_worlds import head_of, play


def batches_of(seed: int, session: str, *, events: int = 250) -> list[Batch]:
    """Give a session's batches, one every so many events, the last with its end."""
    world = random_world(seed)
    clock = itertools.count(day_start_ns(DAY), NS_PER_MS)
    recorder = SessionRecorder(head_of(world, session=session), wall_ns=lambda: next(clock))
    batches: list[Batch] = []
    heard = itertools.count(1)

    def hear(event: object) -> None:
        recorder.hear(event)
        if next(heard) % events == 0:
            batches.append(recorder.take())

    play(world, hear)
    recorder.end(SessionState.ENDED, "its market is over")
    return [*batches, recorder.take()]


if __name__ == "__main__":
    seed, session, first = sys.argv[1:]
    lake = Lake(load_settings())
    for batch in batches_of(int(seed), session)[int(first) :]:
        write_batch(lake, batch)
        sys.stdout.write(f"{batch.number}\n")
        sys.stdout.flush()
