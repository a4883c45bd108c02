"""A thread goes first for as long as it is asked to, where the system lets it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from arb_pipelines.precedence import NICE, going_first


def _niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def _in_a_thread(work: Callable[[], None]) -> None:
    """Leave this one's precedence, which could not be taken back, as it is."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(work).result()


def test_it_goes_first_within_the_block_alone() -> None:
    """Also after what went wrong in it."""

    def work() -> None:
        before = _niceness()
        with suppress(KeyError), going_first() as first:
            assert _niceness() == (min(before, NICE) if first else before)
            raise KeyError
        assert _niceness() == before

    _in_a_thread(work)


def test_who_may_not_goes_on_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the answer tells."""

    def refuse(*_given: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "setpriority", refuse)
    before = _niceness()
    with going_first() as first:
        assert not first
        assert _niceness() == before


def test_one_that_goes_before_others_already_is_not_set_back() -> None:
    """Whoever started it knew why."""

    def work() -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, NICE - 5)
        except OSError:
            pytest.skip("this user may not go first")
        with going_first() as first:
            assert first
            assert _niceness() == NICE - 5

    _in_a_thread(work)
