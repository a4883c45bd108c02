"""How runs queue here: sessions beside the others, which wait for each other.

A run that computes takes the machine for minutes, so few of them go at once. A session
waits for the network for hours, and would hold such a place all the while. So every run is
tagged by which of the two it is, and ``dagster.yaml`` limits each kind by itself.
"""

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext

#: What a run asks of the machine: 'session' or 'compute'.
KIND_TAG = "arb/kind"


class KindRunCoordinator(QueuedRunCoordinator):
    """Tags each run with its kind as it joins the queue."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Queue a run, whoever asked for it."""
        run = context.dagster_run
        kind = "session" if run.job_name == "session" else "compute"
        self._instance.add_run_tags(run.run_id, {KIND_TAG: kind})
        return super().submit_run(context)
