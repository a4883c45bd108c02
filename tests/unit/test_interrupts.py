"""Interrupts are held back where they would break something, and none is lost."""

from __future__ import annotations

import signal
import threading

import pytest

from arb_pipelines.interrupts import undisturbed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_comes_after_the_block(number: int) -> None:
    """What the block does is done, then the handler that was there before raises."""
    before = signal.getsignal(number)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    done = []

    def work() -> None:
        with undisturbed():
            signal.raise_signal(number)
            done.append(1)

    signal.signal(number, stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
        assert done == [1]
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, before)


def test_other_threads_have_nothing_to_hold_back() -> None:
    """Python interrupts the main thread alone: elsewhere the block is just run."""
    handler = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with undisturbed():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [handler]
