"""Who rests after a steal: symbols after any, pairs of symbols after a fight."""

from __future__ import annotations

from arb_pipelines.allocation.parameters import AllocationSettings


class Rests:
    """Cool-downs by symbol and by pair, and the run of steals each pair is in.

    A pair's run is its last steals that went in turn from one to the other and
    back; two in the same direction begin it anew. A run of ``fight_threshold``
    is a fight: the pair rests, and its next run begins at nothing.
    """

    __slots__ = ("_pair_until", "_runs", "_settings", "_symbol_until")

    def __init__(self, settings: AllocationSettings) -> None:
        self._settings = settings
        self._symbol_until: dict[str, int] = {}
        self._pair_until: dict[tuple[str, str], int] = {}
        self._runs: dict[tuple[str, str], tuple[str, int]] = {}  # last thief, steals in turn

    def cools(self, symbol: str, now_ns: int) -> bool:
        """Whether the symbol rests after a steal."""
        return symbol in self._symbol_until and now_ns < self._symbol_until[symbol]

    def fights(self, one: str, other: str, now_ns: int) -> bool:
        """Whether the two symbols rest after a fight."""
        pair = _pair(one, other)
        return pair in self._pair_until and now_ns < self._pair_until[pair]

    def note(self, thief: str, victim: str, now_ns: int) -> int | None:
        """Book a steal; give the end (ns) of the pair's rest if it now fights."""
        for symbol in (thief, victim):
            self._symbol_until[symbol] = now_ns + self._settings.cool_down_ns
        pair = _pair(thief, victim)
        last, run = self._runs.get(pair, ("", 0))
        run = run + 1 if last == victim != thief else 1
        if run < self._settings.fight_threshold:
            self._runs[pair] = (thief, run)
            return None
        del self._runs[pair]
        self._pair_until[pair] = now_ns + self._settings.fight_cool_down_ns
        return self._pair_until[pair]


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)
