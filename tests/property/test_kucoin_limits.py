"""The rate budget against a venue that counts fixed windows from its own first request."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.venues.kucoin.limits import WINDOW_NS, Budget, Quota, quota_of

LIMIT = 20


@dataclass
class Venue:
    """The oracle: points of the window that its first request opened."""

    start: int = -WINDOW_NS
    used: int = 0
    refused: int = 0

    def take(self, weight: int, now: int) -> Quota:
        if now - self.start >= WINDOW_NS:
            self.start, self.used = now, 0
        self.used += weight
        self.refused += self.used > LIMIT
        left_ms = -(-(self.start + WINDOW_NS - now) // NS_PER_MS)
        return Quota(LIMIT, max(LIMIT - self.used, 0), left_ms)


requests = st.lists(
    st.tuples(
        st.integers(0, 4_000),  # ms since the one before
        st.integers(1, 8),  # weight
        st.integers(0, 900),  # ms on the way there
        st.integers(0, 900),  # ms on the way back
        st.booleans(),  # whether its answer comes
    ),
    max_size=60,
)


@given(requests=requests, reserve=st.integers(0, 6))
def test_the_budget_is_never_exceeded(requests, reserve):
    """Whatever the delays, order of answers and losses, the venue never sees too much."""
    budget, venue, now = Budget(LIMIT), Venue(), 0
    due: list[tuple[int, int, str, int, Quota | None, int, bool]] = []

    def advance(until: int) -> None:
        while due and min(due)[0] <= until:
            item = min(due)
            due.remove(item)
            at, number, what, weight, quota, back, comes = item
            if what == "arrives":
                told = venue.take(weight, at)
                due.append((at + back, number, "told", weight, told if comes else None, 0, comes))
            else:
                budget.settle(weight, quota, at)

    for number, (pause_ms, weight, there_ms, back_ms, comes) in enumerate(requests):
        now += pause_ms * NS_PER_MS
        advance(now)
        if budget.take(weight, now, reserve=reserve):
            there, back = there_ms * NS_PER_MS, back_ms * NS_PER_MS
            due.append((now + there, number, "arrives", weight, None, back, comes))
    advance(now + 10**10)
    assert venue.refused == 0


@given(weights=st.lists(st.integers(1, 5), min_size=1, max_size=30))
def test_all_of_a_window_can_be_spent_and_the_next_one_too(weights):
    """With answers at once, exactly the limit is granted, and all of it again after the window."""
    budget, venue = Budget(LIMIT), Venue()
    for start in (0, WINDOW_NS + NS_PER_MS):
        spent = 0
        for weight in weights:
            fits = spent + weight <= LIMIT
            assert budget.take(weight, start) == fits
            if fits:
                spent += weight
                budget.settle(weight, venue.take(weight, start), start)
        assert budget.wait_ns(start) == WINDOW_NS


def test_the_venue_knows_of_others_on_the_account():
    """What somebody else spent is taken from the headers; 0 left means none leaves."""
    budget = Budget(LIMIT)
    assert budget.take(1, 0)
    budget.settle(1, Quota(LIMIT, 0, 5_000), 0)
    assert budget.wait_ns(1) >= 5_000 * NS_PER_MS - 1
    assert not budget.take(1, 4_999 * NS_PER_MS)
    assert budget.take(1, 5_000 * NS_PER_MS)


@given(texts=st.tuples(st.text(max_size=4), st.text(max_size=4), st.text(max_size=4)))
def test_headers_without_sense_are_ignored(texts):
    """A quota is read from three whole numbers, else there is none."""
    names = [f"gw-ratelimit-{name}" for name in ("limit", "remaining", "reset")]
    quota = quota_of(dict(zip(names, texts, strict=True)))
    if all(text.isascii() and text.isdigit() for text in texts):
        assert quota == Quota(*map(int, texts))
    else:
        assert quota is None


@given(weights=st.lists(st.integers(1, 5), max_size=30))
def test_lost_answers_cost_their_points_for_one_window_only(weights):
    """A venue that never answers does not use up the budget for good."""
    budget = Budget(LIMIT)
    for weight in weights:
        if budget.take(weight, 0):
            budget.settle(weight, None, 0)
    assert budget.take(LIMIT, WINDOW_NS)


def test_the_least_that_was_told_counts():
    """Of two answers that overtake each other the older one gives nothing back."""
    budget = Budget(LIMIT)
    assert budget.take(1, 0)
    assert budget.take(1, 0)
    budget.settle(1, Quota(LIMIT, 3, 5_000), 1)  # others spent most of it in between
    budget.settle(1, Quota(LIMIT, 15, 5_000), 2)
    assert not budget.take(4, 3)
    assert budget.take(3, 3)
