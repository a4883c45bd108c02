"""The crash matrix: a recording run lists a variant's points, and each of them kills once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.torture.audit import KINDS, Findings
from tests.torture.cases import Variant
from tests.torture.lane import Lane, Restarted
from tests.torture.processes import passed, plan
from tests.torture.signals import MIDDLES, legs_through, signal
from tests.torture.state_file import Step

VOLUME = "50"
#: The cycle of the matrix is USDT > BTC > ETH > USDT.
MIDDLE = "ETH"
TRADED = tuple(symbol for symbol, _ in legs_through(MIDDLE))
#: A cycle's longest life here, and how long its engine is watched after it.
_CYCLE_S, _AFTER_S = 8.0, 0.3
#: A point that was passed once may not be passed the next time: so often it is tried.
_TRIES = 3
#: Recordings of a variant, whose points are all taken: what happens first differs.
_RECORDINGS = 2
_LOOK_S = 0.05
#: A loop that waits for something passes its points as often as it takes: so many are enough.
_OCCURRENCES = 12
#: The second order has filled, and the engine has not looked at what the venue told of it.
_IN_MID_CYCLE: Mapping[str, object] = {
    "at": "resumed venues/kucoin/streams.py:_read*",
    "occurrence": 3,
}

Tell = Callable[[str], None]
Sample = Callable[[Sequence[str]], Sequence[str]]


@dataclass(slots=True)
class Row:
    """What one variant came to."""

    name: str
    points: int = 0
    kills: int = 0
    cut: int = 0
    worst_s: float = 0.0
    not_reached: list[str] = field(default_factory=list)
    found: Findings = field(default_factory=Findings)
    steps: set[Step] = field(default_factory=set)

    def add(self, at: str, restarted: Restarted) -> None:
        """Count a kill and what its audit found."""
        self.kills += 1
        self.cut += restarted.cut
        self.worst_s = max(self.worst_s, restarted.terminal_s)
        self.steps.update(restarted.steps)
        for kind in KINDS:
            lines = (f"[{self.name}; {at}] {line}" for line in getattr(restarted.found, kind))
            getattr(self.found, kind).extend(lines)

    def join(self, other: Row) -> None:
        """Take in what another part of the same case came to."""
        self.points += other.points
        self.kills += other.kills
        self.cut += other.cut
        self.worst_s = max(self.worst_s, other.worst_s)
        self.not_reached += other.not_reached
        self.steps |= other.steps
        for kind in KINDS:
            getattr(self.found, kind).extend(getattr(other.found, kind))


def torture(lane: Lane, variant: Variant, row: Row, tell: Tell, only: Sample | None = None) -> None:
    """Record the variant's points, then kill the engine at each, or at ``only`` some of them."""
    points = _record(lane, variant, row, _RECORDINGS if only is None else 1)
    row.points = len(points)
    for number, point in enumerate(points if only is None else only(points), 1):
        for _ in range(_TRIES):
            restarted, reached = kill_once(lane, variant, point)
            row.add(point, restarted)
            if reached:
                break
        else:
            row.not_reached.append(point)
        tell(f"{variant.name}: {number}, {restarted.terminal_s:.2f} s after {point}")


def _record(lane: Lane, variant: Variant, row: Row, times: int) -> list[str]:
    """List the points that are passed, as ``name#occurrence``, in order."""
    points: dict[str, None] = {}
    for _ in range(times):
        restarted, _ = kill_once(lane, variant, None)
        row.add("after the cycle", restarted)
        points.update(dict.fromkeys(passed(lane.home)))
    return [point for point in points if int(point.rpartition("#")[2]) <= _OCCURRENCES]


def kill_once(lane: Lane, variant: Variant, point: str | None) -> tuple[Restarted, bool]:
    """Kill the engine at a point, or after all of them; what came of it, and whether it got there.

    Points of a recovery are those of an engine that starts when another died in mid-cycle.
    """
    dying: dict[str, object] = {}
    if point is not None:
        name, _, occurrence = point.rpartition("#")
        dying = {"at": name, "occurrence": int(occurrence)}
    if variant.recovering:
        _trade_once(lane, variant, _IN_MID_CYCLE)
        lane.kill()
        restarted = lane.restart(dying=dying)
    else:
        _trade_once(lane, variant, dying)
        lane.kill()
        restarted = lane.restart(venue_too=variant.venue_too, torn=variant.torn)
    return restarted, point is not None and point in passed(lane.home)


def kill_at_random(lane: Lane, kills: int, row: Row, draw: random.Random, tell: Tell) -> None:
    """Kill an engine that has several cycles in flight at random moments."""
    for number in range(1, kills + 1):
        after_s = draw.uniform(0.0, 0.15)
        peer = lane.ready()
        plan(lane.home, when="never")
        slow = {"kind": "delay", "ms": 15, "jitter_ms": 15, "match": "POST /api/v1/hf/orders"}
        lane.client.arm([slow | {"count": 1_000}])
        began, sent = time.monotonic(), 0
        waiting = set(MIDDLES)
        while (left_s := began + after_s - time.monotonic()) > 0:
            for middle in sorted(waiting):
                peer.say(
                    _old_books(signal(lane.client, middle, f"{number}-{middle}-{sent}", VOLUME))
                )
                sent += 1
            waiting.clear()
            for told in peer.hear(min(left_s, 0.01)):
                name = told.get("correlation_id")
                if name and (told.get("op") == "report" or not told.get("accepted", True)):
                    waiting.add(name.split("-")[1])
        lane.kill()
        restarted = lane.restart()
        row.add(f"after {after_s * 1e3:.1f} ms", restarted)
        tell(f"{row.name}: {number}, {restarted.terminal_s:.2f} s, {restarted.cut} cut short")


def _old_books(said: dict[str, object]) -> dict[str, object]:
    """Have a signal rest on the books the engine has seen: its own would be news of another's."""
    return said | {"book_ts_ms": 1}


def _trade_once(lane: Lane, variant: Variant, dying: Mapping[str, object]) -> None:
    """Have the cycle begin, and wait until its engine is dead or it is over."""
    peer = lane.ready()
    plan(lane.home, when="signal", **dying)
    lane.client.arm(variant.faults)
    peer.say(signal(lane.client, MIDDLE, f"{time.time_ns()}", VOLUME))
    assert lane.engine is not None
    until = time.monotonic() + _CYCLE_S
    over = False
    while lane.engine.alive() and time.monotonic() < until:
        for told in peer.hear(_LOOK_S):
            assert told.get("accepted", True), f"the signal was refused: {told}"
            if told.get("op") == "report" and not over:
                over, until = True, min(until, time.monotonic() + _AFTER_S)
