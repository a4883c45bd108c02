"""Whether a session and a backtest of the same books agree, and where and why they do not.

Of each signal the first thing that differs is told: the signal itself, what was decided, an
order, or what the order came to. What follows from it in the same execution is only counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arb_pipelines.backtest.scenario import Scenario
from arb_pipelines.backtest.universe import scenario_of
from arb_pipelines.clock import day_of
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.market.cycles import SIDES
from arb_pipelines.research.agreement_reasons import Evidence, Why
from arb_pipelines.research.differing import Pair, Thing, What, compared, pairs
from arb_pipelines.research.replaying import replay
from arb_pipelines.research.told import OrderTold, SignalTold, Told
from arb_pipelines.research.watched_session import Observed
from arb_pipelines.trading.events import Book
from arb_pipelines.trading.parameters import Strategy


@dataclass(frozen=True, slots=True)
class Count:
    """How many each side had, and how many of these are equal."""

    session: int
    backtest: int
    equal: int


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing in which the two differ about one signal, and why.

    ``ts`` (ns) and ``cycle`` are the signal's; ``signal`` is its place among the session's,
    or among the backtest's where the session has none; ``order`` counts those of its
    execution. ``session`` and ``backtest`` say what each side did.
    """

    signal: int
    ts: int
    cycle: int
    what: What
    order: int | None
    session: str
    backtest: str
    why: Why
    detail: str

    def __str__(self) -> str:
        order = "" if self.order is None else f" {self.order}"
        detail = f" ({self.detail})" if self.detail else ""
        return (
            f"signal {self.signal} (cycle {self.cycle}, {self.ts} ns), {self.what}{order}: "
            f"session {self.session}, backtest {self.backtest}: {self.why}{detail}"
        )


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a session and a backtest have in common; ``differences`` are in order of time."""

    counts: Mapping[What, Count]
    differences: tuple[Difference, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    @property
    def first(self) -> Difference | None:
        """The first difference; those after it may follow from it."""
        return self.differences[0] if self.differences else None

    def reasons(self) -> Mapping[Why, int]:
        """Count the differences by why there are, the most frequent first."""
        return dict(Counter(difference.why for difference in self.differences).most_common())


def expect_takers(strategy: Strategy) -> None:
    """See that a backtest models the strategy's orders.

    Raises:
        ConfigError: a leg of it rests in a session.
    """
    if strategy.session.rests:
        raise ConfigError(
            "legs of kind limit rest in a session, and a backtest fills each leg at once: the two "
            "cannot agree; compare with `orders: ioc` or `orders: market`",
            source=f"{strategy.name}: session.orders",
        )


def trade_again(strategy: Strategy, observed: Observed, *, max_cycles: int) -> Agreement:
    """Give the backtest what a session received, at the venue's fees, and compare the two.

    Raises:
        DataError: it received none, or as ``scenario_of``.
        ConfigError: as ``scenario_of`` and ``expect_takers``.
    """
    expect_takers(strategy)
    if not observed.books:
        raise DataError("the session received no book of its symbols", source=strategy.name)
    day = day_of(observed.books[0].ts_recv)
    own_fees = strategy.model_copy(update={"fee_bps": None})
    scenario = scenario_of(own_fees, observed.markets, day, max_cycles=max_cycles)
    parallel = strategy.session.legs == "parallel"
    backtest, _ = replay(scenario, observed.books, observed.told, parallel=parallel)
    return compare(observed.told, backtest, scenario, observed.books)


def compare(session: Told, backtest: Told, scenario: Scenario, books: Sequence[Book]) -> Agreement:
    """Compare what a session told with what a backtest of ``books`` did, signal by signal.

    ``books``, in order of receipt, and the scenario's terms are the evidence for the reasons.
    """
    terms = scenario.setting.terms
    by_symbol = zip(terms.base_step.tolist(), terms.funds_step.tolist(), strict=True)
    steps = dict(zip(scenario.cycles.symbols, by_symbol, strict=True))
    evidence = Evidence(scenario, books, session)
    had = {what: [0, 0, 0] for what in What}
    differences = []
    for pair in pairs(session, backtest):
        things = tuple(compared(pair, steps))
        for thing in things:
            for i, there in enumerate((thing.session, thing.backtest, thing.both_alike)):
                had[thing.what][i] += there
        first = next((thing for thing in things if not thing.equal), None)
        if first is not None:
            differences.append(_difference(pair, first, evidence))
            evidence.note(pair)
    counts = {what: Count(*three) for what, three in had.items()}
    return Agreement(counts, tuple(differences))


def _difference(pair: Pair, thing: Thing, evidence: Evidence) -> Difference:
    why, detail = evidence.why(pair, thing)
    mine, other = (None, None) if thing.order is None else pair.orders()[thing.order]
    return Difference(
        signal=pair.number,
        ts=pair.signal.ts,
        cycle=pair.signal.cycle,
        what=thing.what,
        order=thing.order,
        session=_said(pair.session, mine, thing.what),
        backtest=_said(pair.backtest, other, thing.what),
        why=why,
        detail=detail,
    )


def _said(signal: SignalTold | None, order: OrderTold | None, what: What) -> str:
    """Say in a few words what one side did."""
    if signal is None or (what in (What.ORDER, What.FILL) and order is None):
        return "nothing"
    if what is What.SIGNAL:
        return f"signalled {signal.product:.12g}"
    if what is What.DECISION or order is None:
        return signal.decided
    if what is What.ORDER:
        asked = f"{SIDES[order.side]} {order.amount:.12g} {order.symbol}"
        return asked if order.limit_px is None else f"{asked} at {order.limit_px:.12g}"
    ended = f", {order.reason}" if order.reason else ""
    return (
        f"{SIDES[order.side]} {order.size:.12g} {order.symbol} for {order.funds:.12g}, "
        f"fee {order.fee:.12g}{ended}"
    )
