"""How long an order that did not leave waits before it is tried again, and when it is given up."""

from __future__ import annotations

import pytest

from arb_pipelines.errors import Transient, Unfunded
from arb_pipelines.execution.orders.followed import pause_before_again_s
from arb_pipelines.trading.session_rules import SessionRules

RULES = SessionRules(leg_timeout_ms=20_000.0, balance_wait_ms=3_000.0)
LOST, SHORT = Transient("lost"), Unfunded("short of USDT")
#: Longest pause after each failure in a row, s; the shortest is half of it.
LONGEST_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0)


@pytest.mark.parametrize("not_yet", [LOST, SHORT], ids=["transient", "unfunded"])
@pytest.mark.parametrize(("failures", "longest_s"), [*enumerate(LONGEST_S, 1)])
def test_pauses_double_up_to_a_second_with_jitter(
    not_yet: Transient | Unfunded, failures: int, longest_s: float
) -> None:
    """Each in its band, and no two alike."""
    drawn = [pause_before_again_s(not_yet, failures, 0.0, RULES) or 0.0 for _ in range(300)]
    assert 0.5 * longest_s <= min(drawn) < 0.6 * longest_s
    assert 0.9 * longest_s < max(drawn) <= longest_s
    assert len({*drawn}) > 290


@pytest.mark.parametrize(("not_yet", "most_ms"), [(LOST, 20_000.0), (SHORT, 3_000.0)])
def test_a_pause_ends_with_the_time_there_is(not_yet: Transient | Unfunded, most_ms: float) -> None:
    """A leg's time for what did not leave, the wait for late proceeds for what was not funded."""
    assert pause_before_again_s(not_yet, 9, most_ms - 2.0, RULES) == pytest.approx(0.002)
    assert pause_before_again_s(not_yet, 9, most_ms, RULES) is None
    assert pause_before_again_s(not_yet, 1, most_ms + 1.0, RULES) is None


def test_the_venues_own_pause_is_kept_as_far_as_the_leg_has_time() -> None:
    """Seven seconds asked are seven waited, or what is left of them."""
    asked = Transient("too many requests", retry_after_s=7.0)
    assert pause_before_again_s(asked, 1, 0.0, RULES) == 7.0
    assert pause_before_again_s(asked, 1, 15_000.0, RULES) == pytest.approx(5.0)
