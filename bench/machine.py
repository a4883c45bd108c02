"""How fast the machine is at the moment: a shared one may be half as fast an hour later."""

from __future__ import annotations

import time

TIMES = 20_000


def counting_us(times: int = TIMES) -> list[float]:
    """Count to 4,500, so many times; what takes longer than the others waited for a core."""
    took = []
    for _ in range(times):
        began = time.perf_counter_ns()
        for _ in range(4_500):
            pass
        took.append((time.perf_counter_ns() - began) / 1e3)
    return took
