"""What each strategy of an account trades with: no two are given the same money.

One whose file gives ``balances`` is given these. One without has an even share of what the
account has free of its start currencies, and what is free is what no strategy was given: those
with ``balances`` come first, those without that start together share alike, and one that comes
later has what they left. One that takes another's place is given what that one has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from arb_pipelines.errors import ConfigError
from arb_pipelines.market.exact import decimal_of
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.portfolio import Portfolio

_ZERO = Decimal(0)


def funded(
    strategy: Strategy, free: Mapping[str, Decimal], waiting: Sequence[Strategy]
) -> Strategy:
    """Give a strategy with balances: its file's, else its share of what is ``free``.

    ``waiting`` are those that are still to be given money, this one among them. Start currencies
    of which nothing is free begin no cycle. A share is rounded down to a float.

    Raises:
        ConfigError: nothing is free of any of its start currencies.
    """
    if strategy.balances is not None:
        return strategy
    sharing = [one for one in waiting if one.balances is None]
    balances = {}
    for currency in strategy.start:
        among = sum(currency in one.start for one in sharing)
        share = _float_below(free.get(currency, _ZERO) / among)
        if share > 0.0:
            balances[currency] = share
    if not balances:
        raise ConfigError(
            f"{strategy.name} has none in its file, and the account has nothing free of "
            f"{' or '.join(strategy.start)} that no strategy was given; pay in, or give other "
            "strategies less",
            source="balances",
        )
    universe = strategy.universe
    if universe is not None:
        universe = universe.model_copy(update={"start": tuple(balances)})
    changes = {"balances": dict(sorted(balances.items())), "universe": universe}
    return strategy.model_copy(update=changes)


class Allotments:
    """What of an account's money no strategy was given, and who waits for some of it."""

    def __init__(self, free: Mapping[str, Decimal]) -> None:
        self._free = dict(free)
        self._owed: list[tuple[Portfolio, dict[str, Decimal]]] = []

    @property
    def free(self) -> Mapping[str, Decimal]:
        """What no strategy was given, by currency."""
        return dict(self._free)

    def reach(self, old: Portfolio | None) -> Mapping[str, Decimal]:
        """What may be given to one that takes the place of another, which has ``old``."""
        reach = dict(self._free)
        for currency, amount in (old.balances() if old is not None else {}).items():
            reach[currency] = reach.get(currency, _ZERO) + decimal_of(amount)
        return reach

    def take(self, name: str, strategy: Strategy) -> None:
        """Set aside what a strategy trades with.

        Raises:
            ConfigError: that much is not free.
        """
        wanted = _wanted(strategy)
        _check(name, wanted, self._free)
        for currency, amount in wanted.items():
            self._free[currency] -= amount

    def check(self, name: str, new: Strategy, old: Strategy | None, has: Portfolio) -> None:
        """See that one that takes another's place wants no more than there is.

        What the other was given counts, also where it has lost some: the new one then begins
        with what is left.

        Raises:
            ConfigError: it wants more.
        """
        there = dict(self.reach(has if old is not None else None))
        for currency, given in (_wanted(old) if old is not None else {}).items():
            there[currency] = max(
                there.get(currency, _ZERO), self._free.get(currency, _ZERO) + given
            )
        _check(name, _wanted(new), there)

    def take_free(self, portfolio: Portfolio) -> None:
        """Take from a strategy that begins nothing more what it has free; it is owed no more."""
        self._owed = [(of, owed) for of, owed in self._owed if of is not portfolio]
        for currency in list(portfolio.balances()):
            self._add(currency, portfolio.withdraw(currency))

    def owe(self, portfolio: Portfolio) -> None:
        """Give a portfolio the same amounts of real money: what there is, the rest as it comes."""
        owed = {of: decimal_of(portfolio.withdraw(of)) for of in list(portfolio.balances())}
        self._owed.append((portfolio, owed))
        self._pay()

    def give_back(self, portfolio: Portfolio) -> None:
        """Take all that a strategy has that has ended."""
        self._owed = [(of, owed) for of, owed in self._owed if of is not portfolio]
        for currency, amount in portfolio.balances().items():
            self._add(currency, amount)
        self._pay()

    def _add(self, currency: str, amount: float) -> None:
        self._free[currency] = self._free.get(currency, _ZERO) + decimal_of(amount)

    def _pay(self) -> None:
        """Give who is owed what is free, the first to come first."""
        for portfolio, owed in self._owed:
            for currency, amount in owed.items():
                paid = min(amount, max(self._free.get(currency, _ZERO), _ZERO))
                if paid > 0:
                    self._free[currency] -= paid
                    owed[currency] -= paid
                    portfolio.deposit(currency, float(paid))


def _wanted(strategy: Strategy) -> dict[str, Decimal]:
    return {currency: decimal_of(amount) for currency, amount in strategy.in_hand.items()}


def _check(name: str, wanted: Mapping[str, Decimal], free: Mapping[str, Decimal]) -> None:
    for currency, amount in wanted.items():
        there = free.get(currency, _ZERO)
        if amount > there:
            raise ConfigError(
                f"{name} is to trade with {amount} {currency}, and the account has {there:f} that "
                "no strategy was given; lower `balances` in its file, or pay in",
                source="balances",
            )


def _float_below(amount: Decimal) -> float:
    """Give the greatest float whose decimal is not above ``amount``."""
    nearest = float(amount)
    return nearest if decimal_of(nearest) <= amount else math.nextafter(nearest, 0.0)
