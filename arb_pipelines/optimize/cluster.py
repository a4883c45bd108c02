"""Trials on a Dask cluster: the same calls, past one machine.

Dask keeps the workers, hands out the calls, and gives those of a worker that died
to another. The journal and the order of results stay here with the search, so a
trial counts once, however often it was begun.

Needs the extra ``cluster``; nothing else imports this module before it is asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import distributed

from arb_pipelines.containers.calls import Done, one_line
from arb_pipelines.errors import ConfigError
from arb_pipelines.optimize.trials import Job, close_job, open_job

_ANSWER_S = 10
_connect: Any = distributed.Client  # both untyped
_wait: Any = distributed.wait


class _OpenJob(distributed.WorkerPlugin):
    """Opens a job on every worker, also on those that join later or come back."""

    def __init__(self, job_name: str, job: Job) -> None:
        self._job_name, self._job = job_name, job

    def setup(self, worker: object) -> None:
        open_job(self._job_name, self._job)

    def teardown(self, worker: object) -> None:
        close_job(self._job_name)


class ClusterExecutor:
    """Runs calls on the workers of one Dask scheduler, up to ``slots`` at once."""

    def __init__(self, client: Any, slots: int, job_name: str, job: Job) -> None:
        self.slots = slots
        self._client, self._job_name = client, job_name
        self._numbers: dict[Any, int] = {}
        self._submitted = itertools.count()
        self._client.register_plugin(_OpenJob(job_name, job), name=job_name)

    def submit(self, number: int, call: Callable[[Any], Any], argument: Any) -> None:
        """Send the call to the scheduler."""
        # not by number: of a key it has seen, Dask may give the old result again
        key = f"{self._job_name}-{next(self._submitted)}"
        future = self._client.submit(call, argument, key=key, pure=False)
        self._numbers[future] = number

    def wait(self) -> list[Done]:
        """Block until a call has ended; [] if none is open."""
        if not self._numbers:
            return []
        with self._client.as_current():
            ended, _ = _wait(list(self._numbers), return_when="FIRST_COMPLETED")
        return [self._done(future) for future in sorted(ended, key=self._numbers.__getitem__)]

    def close(self) -> None:
        """Cancel what has not ended, forget the job, and let the cluster go."""
        try:
            self._client.cancel(list(self._numbers), force=True)
            self._client.unregister_worker_plugin(self._job_name)
        finally:
            self._client.close()

    def _done(self, future: Any) -> Done:
        number = self._numbers.pop(future)
        error = future.exception()
        if error is not None:
            return Done(number, error=one_line(error))
        return Done(number, future.result())


def open_cluster(
    address: str, workers: int, job_name: str, job: Job, *, memory_limit_mib: int | None = None
) -> ClusterExecutor:
    """Connect to a scheduler and open ``job`` on its workers.

    The workers need this package in the same version, and ARB_HOME on a folder that
    all machines share, where the books are mapped from.

    Raises:
        ConfigError: no scheduler answers; or a memory limit is asked for, which is
            the workers' own there.
    """
    if memory_limit_mib is not None:
        raise ConfigError(
            "a cluster's workers limit their memory themselves: leave it out of the study, and "
            "start them with --memory-limit",
            source="memory_limit_mib",
        )
    try:
        client = _connect(address, timeout=_ANSWER_S, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ConfigError(
            f"no Dask scheduler answers at {address}: {error}", source="ARB_CLUSTER"
        ) from None
    return ClusterExecutor(client, workers, job_name, job)
