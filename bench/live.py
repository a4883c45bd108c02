"""Live sessions: the local exchange, orders, signals, the feed and a soak, in one run.

Each part is a module of its own and says what it measures. All runs on loopback, in this
process and one beside it, so on a machine with fewer than two free cores the times are of
the machine and not of the code.
"""

from __future__ import annotations

from bench import live_cycles, live_exchange, live_feed, live_signals, live_soak


def run() -> list[dict[str, object]]:
    """Measure all parts."""
    parts = (live_exchange, live_cycles, live_signals, live_feed, live_soak)
    return [row for part in parts for row in part.run()]
