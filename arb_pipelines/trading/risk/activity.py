"""What is in flight at a venue, and how many orders leave: the state that views are made of."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from arb_pipelines.clock import NS_PER_S

_MINUTE_NS = 60 * NS_PER_S


@dataclass(frozen=True, slots=True, eq=False)
class Commitment:
    """What one cycle in flight commits, in its start currency, and the symbols it leads over."""

    strategy: str
    start: str
    symbols: tuple[str, ...]
    amount: float


class Commitments:
    """What is in flight, of all strategies that share a connection: some dozens at most."""

    def __init__(self) -> None:
        self._there: dict[int, Commitment] = {}

    def enter(self, commitment: Commitment) -> None:
        """Count a cycle that begins."""
        self._there[id(commitment)] = commitment

    def leave(self, commitment: Commitment) -> None:
        """Count it no more."""
        del self._there[id(commitment)]

    def open_cycles(self, strategy: str) -> int:
        """How many of a strategy's are in flight."""
        return sum(one.strategy == strategy for one in self._there.values())

    def of_strategy(self, strategy: str, start: str) -> float:
        """What a strategy has committed of a start currency."""
        return sum(
            one.amount
            for one in self._there.values()
            if one.start == start and one.strategy == strategy
        )

    def at_venue(self, start: str) -> float:
        """What all strategies have committed of a start currency."""
        return sum(one.amount for one in self._there.values() if one.start == start)

    def by_symbol(self, start: str) -> Mapping[str, float]:
        """What is committed of a start currency in cycles over each symbol."""
        found: dict[str, float] = {}
        for one in self._there.values():
            if one.start == start:
                for symbol in one.symbols:
                    found[symbol] = found.get(symbol, 0.0) + one.amount
        return found


class OrdersOfAMinute:
    """Counts the orders of the last 60 s."""

    def __init__(self) -> None:
        self._sent_ns: deque[int] = deque()

    def add(self, now_ns: int) -> None:
        """Count an order that leaves."""
        self.count(now_ns)  # forgets those that nobody asked about
        self._sent_ns.append(now_ns)

    def count(self, now_ns: int) -> int:
        """Count those that are not older than a minute."""
        sent = self._sent_ns
        while sent and now_ns - sent[0] >= _MINUTE_NS:
            sent.popleft()
        return len(sent)
