"""Tasks of a connection: what ends them together, told as one error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from arb_pipelines.errors import Transient


@contextmanager
def worst_error() -> Iterator[None]:
    """Raise what ended a task group by itself, and rather than a lost connection the worse error.

    Who holds the connection asks for its meaning, and not for how many tasks it had.
    """
    try:
        yield
    except ExceptionGroup as group:
        raise _worst(group) from None


def _worst(group: ExceptionGroup[Exception]) -> Exception:
    """Find it in a group, and in the groups within."""
    worse = [error for error in group.exceptions if not isinstance(error, Transient)]
    found = (worse or group.exceptions)[0]
    return _worst(found) if isinstance(found, ExceptionGroup) else found
