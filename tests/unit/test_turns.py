"""Work beside a loop waits for a moment that suits the loop, and not for ever."""

from __future__ import annotations

import pytest

from arb_pipelines import turns
from arb_pipelines.turns import brief_pause, pauses


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The module's clock."""
    clock = Clock()
    monkeypatch.setattr(turns, "time", clock)
    return clock


def test_a_piece_comes_when_the_loop_is_idle(clock: Clock) -> None:
    """It is looked again until then, and each pause lets the loop have its turn."""
    busy = iter([True, True, False, False])
    pause = pauses(lambda: not next(busy), 1.0)
    pause()
    assert clock.slept == [turns._PAUSE_S, turns._LOOK_S, turns._LOOK_S]
    pause()
    assert clock.slept[3:] == [turns._PAUSE_S]


def test_all_pieces_together_wait_for_no_longer_than_they_may(clock: Clock) -> None:
    """However many there are: the first that find no patience left come at once."""
    pause = pauses(lambda: False, 0.5)
    for _ in range(100):
        pause()
    waited = clock.now_s - 100.0 - 100 * turns._PAUSE_S
    assert 0.4 < waited <= 0.5 + turns._LOOK_S
    clock.slept.clear()
    pause()
    assert clock.slept == [turns._PAUSE_S]


def test_a_brief_pause_is_more_than_none(clock: Clock) -> None:
    """A wait of nothing gives the lock back before a loop has woken."""
    brief_pause()
    assert clock.slept == [turns._PAUSE_S]
    assert turns._PAUSE_S > 0
