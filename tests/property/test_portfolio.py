"""The portfolio conserves money: an oracle in rational numbers keeps the same accounts."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import (
    Approved,
    Cancelled,
    CycleSignal,
    Ended,
    Order,
    Routed,
    currencies,
)
from arb_pipelines.trading.portfolio import Portfolio
from tests.fakes.orders import a_fill, an_order

#: Multiples of a power of two add up in float64 without rounding, so the oracle may be exact.
amounts = st.integers(1, 4_096).map(lambda n: n / 64)
START = {"USDT": 1_000.0, "BTC": 16.0}
SYMBOLS = ("BTC-USDT", "ETH-BTC", "ETH-USDT")


class Accounts(RuleBasedStateMachine):
    """Orders of cycles and single ones, filled in parts and cancelled, beside exact sums."""

    def __init__(self) -> None:
        super().__init__()
        self.portfolio = Portfolio(START)
        self.total = defaultdict(Fraction, {c: Fraction(amount) for c, amount in START.items()})
        self.free = defaultdict(Fraction, self.total)
        self.open: dict[str, tuple[Order, Fraction]] = {}
        self.home: dict[str, str] = {}
        self.purse: dict[str, defaultdict[str, Fraction]] = {}
        self.sent = 0

    def _to(self, order: Order, currency: str, amount: Fraction) -> None:
        if order.execution is None or self.home[order.execution] == currency:
            self.free[currency] += amount
        else:
            self.purse[order.execution][currency] += amount

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from([BUY, SELL]),
        reserve=amounts,
        execution=st.sampled_from([None, "1", "2"]),
    )
    def order(self, symbol: str, side: int, reserve: float, execution: str | None) -> None:
        self.sent += 1
        order = an_order(str(self.sent), side, symbol=symbol, reserve=reserve, execution=execution)
        given, _ = currencies(order)
        if execution is not None and execution not in self.home:
            self.home[execution] = given
            self.purse[execution] = defaultdict(Fraction)
        self.portfolio.on_order(order)
        self._to(order, given, -Fraction(reserve))
        self.open[order.client_id] = order, Fraction(reserve)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), got=amounts, final=st.booleans(), share=st.integers(0, 64))
    def fill(self, data: st.DataObject, got: float, final: bool, share: int) -> None:
        client_id = data.draw(st.sampled_from(sorted(self.open)))
        order, left = self.open[client_id]
        spent = Fraction(int(left * 64 * share // 64), 64)
        self.portfolio.on_broker(a_fill(order, float(spent), got, final=final))
        given, received = currencies(order)
        self.total[given] -= spent
        self.total[received] += Fraction(got)
        self._to(order, received, Fraction(got))
        self.open[client_id] = order, left - spent
        if final:
            self._end(client_id)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        client_id = data.draw(st.sampled_from(sorted(self.open)))
        self.portfolio.on_broker(Routed(client_id, 1))
        self.portfolio.on_broker(Cancelled(client_id, 1, "why"))
        self._end(client_id)

    def _end(self, client_id: str) -> None:
        order, left = self.open.pop(client_id)
        self._to(order, currencies(order)[0], left)

    @precondition(lambda self: self.home)
    @rule(data=st.data())
    def end_execution(self, data: st.DataObject) -> None:
        execution = data.draw(st.sampled_from(sorted(self.home)))
        if any(order.execution == execution for order, _ in self.open.values()):
            return
        self.portfolio.on_ended(
            Ended(Approved(CycleSignal(0, "s", 0, 1.0), 1.0), 1, None, execution)
        )
        del self.home[execution], self.purse[execution]

    @invariant()
    def money_is_where_the_oracle_has_it(self) -> None:
        balances = self.portfolio.balances()
        for currency in ("USDT", "BTC", "ETH"):
            assert Fraction(balances.get(currency, 0.0)) == self.total[currency]
            assert Fraction(self.portfolio.free(currency)) == self.free[currency]
        for execution, purse in self.purse.items():
            held = self.portfolio.held(execution)
            assert {c: Fraction(amount) for c, amount in held.items()} == {
                c: amount for c, amount in purse.items() if amount
            }

    @invariant()
    def equity_is_the_sum_of_what_is_in_hand(self) -> None:
        rates = {"USDT": Fraction(1), "BTC": Fraction(65_536), "ETH": Fraction(2_048)}
        value = self.portfolio.equity({c: float(rate) for c, rate in rates.items()})
        assert Fraction(value) == sum(self.total[c] * rate for c, rate in rates.items())


TestAccounts = Accounts.TestCase


def test_a_cycle_spends_what_it_received_and_nobody_else_does() -> None:
    """Between its legs a cycle's money is neither free nor lost; its start currency is free."""
    portfolio = Portfolio({"USDT": 100.0, "BTC": 1.0})
    first = an_order("1-0", BUY, reserve=60.0, execution="1")
    portfolio.on_order(first)
    assert portfolio.free("USDT") == 40.0
    portfolio.on_broker(a_fill(first, 50.0, 0.5, final=True))
    assert portfolio.free("USDT") == 50.0  # what the leg left unspent
    assert (portfolio.free("BTC"), portfolio.held("1")) == (1.0, {"BTC": 0.5})
    second = an_order("1-1", SELL, size=0.5, reserve=0.5, execution="1")
    assert portfolio.available(second) == 0.5
    portfolio.on_order(second)
    portfolio.on_broker(a_fill(second, 0.25, 30.0, final=False))
    portfolio.on_broker(Cancelled("1-1", 2, "the levels ran out"))
    assert (portfolio.free("USDT"), portfolio.held("1")) == (80.0, {"BTC": 0.25})
    approved = Approved(CycleSignal(0, "s", 0, 1.0), 60.0)
    portfolio.on_ended(Ended(approved, 3, execution="1"))
    assert portfolio.residuals() == {"BTC": 0.25}
    assert portfolio.balances() == {"USDT": 80.0, "BTC": 1.25}
    assert portfolio.free("BTC") == 1.0


def test_orders_that_cancel_each_other_share_one_reserve() -> None:
    """A stop and a target on one position may each count on all of it."""
    portfolio = Portfolio({"BTC": 1.0})
    stop, target = (
        an_order(name, SELL, size=1.0, reserve=1.0, oco="exit") for name in ("stop", "target")
    )
    portfolio.on_order(stop)
    assert portfolio.free("BTC") == 0.0
    assert portfolio.available(target) == 1.0
    assert portfolio.available(an_order("other", SELL, size=1.0, reserve=1.0)) == 0.0


def test_equity_needs_a_rate_for_everything_in_hand() -> None:
    """A currency that cannot be valued is named, not counted as nothing."""
    with pytest.raises(InvariantBroken, match=r"1\.0 BTC in hand and no rate"):
        Portfolio({"BTC": 1.0, "USDT": 5.0, "ETH": 0.0}).equity({"USDT": 1.0})


def test_unknown_and_doubled_client_ids_are_refused() -> None:
    """A fill of no open order, or a second order of the same name, stops the run."""
    portfolio = Portfolio({"USDT": 1_000.0})
    portfolio.on_order(an_order("a"))
    with pytest.raises(InvariantBroken, match="two orders have the client id a"):
        portfolio.on_order(an_order("a"))
    with pytest.raises(InvariantBroken, match="no open order has the client id b"):
        portfolio.on_broker(a_fill(an_order("b"), 1.0, 1.0, final=True))
