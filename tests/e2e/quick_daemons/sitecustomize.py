"""Have Dagster's daemons look more often, in processes that find this folder on their path.

How often they look is fixed in Dagster: every 5 s at the sensors, every 30 s at the backfills.
A sensor's own least interval, which spares what a person can wait for, is left as it is up to
5 s. Python imports this as it starts.
"""

from __future__ import annotations

import sys

if "dagster._daemon" in sys.orig_argv:
    from typing import Any

    from dagster._daemon import controller, sensor

    def is_too_soon(state: Any, of: Any, *_: Any) -> bool:
        """Whether a sensor has looked a moment ago."""
        since_s = sensor.get_elapsed(state)
        return since_s is not None and since_s < min(of.min_interval_seconds or 0, 5)

    sensor.MIN_INTERVAL_LOOP_TIME = 1
    sensor.is_under_min_interval = is_too_soon
    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 3
