"""The example of a strategy on bars: long while the fast moving average is above the slow.

It decides from closed bars and its own fills, like any other strategy, and shows
what one needs; it is not offered as a way to earn money. Its parameters are here
too, since the fast engine (``backtest.bars.kernel``) takes the same.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from arb_pipelines.errors import ConfigError
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import (
    Bar,
    BrokerEvent,
    Cancelled,
    MarketEvent,
    OrderFill,
    OrderKind,
    OrderSignal,
)

_BPS = 10_000.0


@dataclass(frozen=True, slots=True)
class SmaCross:
    """Windows in bars, and how much to buy: a ``fraction`` of the cash, or a fixed ``size`` (base).

    Of ``fraction`` of the cash ``fee_reserve_bps`` are kept back for the fee, which comes
    on top of what is bought: an order that would spend more than the cash is rejected.

    Raises:
        ConfigError: a value is out of range, or not exactly one of ``fraction`` and
            ``size`` is given.
    """

    fast: int
    slow: int
    fraction: float | None = None
    size: float | None = None
    fee_reserve_bps: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.fast < self.slow:
            raise ConfigError(
                f"fast {self.fast}, slow {self.slow}: give windows of 1 <= fast < slow bars"
            )
        if (self.fraction is None) == (self.size is None):
            raise ConfigError("give fraction or size, one of the two")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise ConfigError(f"fraction {self.fraction}: give a share above 0, at most 1")
        if self.size is not None and not 0 < self.size < math.inf:
            raise ConfigError(f"size {self.size}: give an amount above 0, in base currency")
        if not 0 <= self.fee_reserve_bps < _BPS:
            raise ConfigError(f"fee_reserve_bps {self.fee_reserve_bps}: give 0 to 10,000")

    @property
    def funds_share(self) -> float:
        """Share of the cash that a buy pays for base currency; 0 with a fixed size."""
        return (self.fraction or 0.0) / (1.0 + self.fee_reserve_bps / _BPS)


class SmaCrossStrategy:
    """Buy when the fast average of closes crosses above the slow, sell all when it crosses below.

    A cross is a change of side between two consecutive bars with both averages;
    being equal is no side of its own, so that leaving equality upwards is a cross.
    One order at a time: a cross that comes while an order is open is acted on when
    that has ended. An order that ends unfilled is not tried again before the next
    cross.
    """

    def __init__(self, params: SmaCross, symbol: str, cash: float, name: str = "sma_cross") -> None:
        self._params, self._symbol, self._name = params, symbol, name
        self._cash, self._position = cash, 0.0
        self._closes: deque[float] = deque(maxlen=params.slow)
        self._above: tuple[bool, bool] | None = None
        self._wants_position = False
        self._waiting = False

    def on_market(self, event: MarketEvent) -> Iterable[OrderSignal]:
        """Consider a closed bar."""
        if not isinstance(event, Bar) or event.symbol != self._symbol:
            return ()
        self._closes.append(event.close)
        if len(self._closes) == self._params.slow:
            self._cross()
        if self._cash <= 0.0 and self._position == 0.0:
            self._wants_position = False
        if self._waiting or self._wants_position == (self._position > 0.0):
            return ()
        self._waiting = True
        return (self._signal(event.ts_close),)

    def on_broker(self, event: BrokerEvent) -> Iterable[OrderSignal]:
        """Keep count of cash and position."""
        if isinstance(event, OrderFill):
            buys = event.side == BUY
            self._cash += -event.spent if buys else event.received
            self._position += event.received if buys else -event.spent
            if event.final:
                self._waiting = False
        elif isinstance(event, Cancelled):
            self._waiting = False
            self._wants_position = self._position > 0.0
        return ()

    def _cross(self) -> None:
        closes = list(self._closes)
        fast = math.fsum(closes[-self._params.fast :]) / self._params.fast
        slow = math.fsum(closes) / self._params.slow
        above, below = fast > slow, fast < slow
        if self._above is not None:
            was_above, was_below = self._above
            if above and not was_above:
                self._wants_position = True
            elif below and not was_below:
                self._wants_position = False
        self._above = above, below

    def _signal(self, ts: int) -> OrderSignal:
        params, buys = self._params, self._wants_position
        return OrderSignal(
            ts=ts,
            strategy=self._name,
            symbol=self._symbol,
            side=BUY if buys else SELL,
            kind=OrderKind.MARKET,
            size=params.size if buys else self._position,
            funds=self._cash * params.funds_share if buys and params.size is None else None,
        )
