"""Containers made in advance: initialised before they are asked for, as good as new each time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from arb_pipelines.containers.calls import attempt
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.shared import SharedServices
from arb_pipelines.containers.spec import ContainerSpec


class ContainerPool:
    """Keeps ``size`` initialised containers of one spec, for what must begin without delay.

    A container that comes back is reset: torn down, and set up by the very code
    that sets up a new one, so that nothing of its earlier life is left. When all
    are out, one more is made. Leases may be taken from several threads.
    """

    def __init__(
        self, spec: ContainerSpec, size: int, shared: SharedServices | None = None
    ) -> None:
        """Make the containers.

        Raises:
            ConfigError: a component cannot be made as it is described.
        """
        self.spec, self.size, self._shared = spec, size, shared
        self._ready: deque[Container] = deque()
        try:
            for _ in range(size):
                self._ready.append(self._fresh())
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        """Count the containers that are ready."""
        return len(self._ready)

    @contextmanager
    def lease(self) -> Iterator[Container]:
        """Hand out an initialised container, and take it back whatever happened to it.

        Raises:
            ConfigError: none is ready and no other can be made.
        """
        try:
            container = self._ready.popleft()
        except IndexError:
            container = self._fresh()
        try:
            yield container
        finally:
            self._take_back(container)

    def close(self) -> None:
        """Tear down all that are ready."""
        while self._ready:
            self._ready.popleft().teardown()

    def _fresh(self) -> Container:
        container = Container(self.spec, self._shared)
        try:
            container.initialise()
        except BaseException:
            container.teardown()
            raise
        return container

    def _take_back(self, container: Container) -> None:
        container.reset()
        if len(self) < self.size and attempt(0, Container.initialise, container).error is None:
            self._ready.append(container)
        else:  # whoever asks next is told why none can be made
            container.teardown()
