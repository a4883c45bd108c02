"""Balances and what is held of them; every movement leaves a ``BalanceChanged``.

The house is the account behind liquidity that a feed showed: it owes what it gave,
so its balances may be negative. Fees are collected apart. Together with the users'
they sum to what was paid in, exactly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from arb_pipelines.exchange.engine.events import BalanceChanged, Relation
from arb_pipelines.exchange.engine.money import ZERO
from arb_pipelines.exchange.engine.refusals import insufficient_balance, parameter


class Balance(msgspec.Struct, frozen=True, gc=False):
    """What an account has of a currency: ``available`` to orders, ``hold`` by them."""

    available: Decimal = ZERO
    hold: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """Everything the account owns of the currency."""
        return self.available + self.hold


NOTHING = Balance()


@dataclass(slots=True)
class Accounts:
    """All accounts of the exchange, its own house and the fees it took."""

    users: dict[str, dict[str, Balance]] = field(default_factory=dict)
    house: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    fees: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def balance(self, user: str, currency: str) -> Balance:
        """Give one balance; nothing for a currency the account never had."""
        return self.users[user].get(currency, NOTHING)

    def require(self, user: str, currency: str, amount: Decimal) -> None:
        """Check that ``amount`` is available.

        Raises:
            Refused: it is not, or there is no such account.
        """
        if user not in self.users:
            raise parameter(f"there is no account {user}")
        if self.balance(user, currency).available < amount:
            raise insufficient_balance(currency)

    def move(
        self,
        user: str,
        currency: str,
        available: Decimal,
        hold: Decimal,
        relation: Relation,
        now_ns: int,
        *,
        symbol: str | None = None,
        order_id: str | None = None,
        trade_id: int | None = None,
    ) -> BalanceChanged:
        """Add ``available`` and ``hold`` (either sign) to a balance."""
        before = self.balance(user, currency)
        after = Balance(before.available + available, before.hold + hold)
        self.users[user][currency] = after
        return BalanceChanged(
            user,
            currency,
            after.available + after.hold,
            after.available,
            after.hold,
            available,
            hold,
            relation,
            now_ns,
            symbol,
            order_id,
            trade_id,
        )

    def totals(self) -> Mapping[str, Decimal]:
        """Sum each currency over users, house and fees: what was ever paid in."""
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for balances in self.users.values():
            for currency, balance in balances.items():
                sums[currency] += balance.total
        for own in (self.house, self.fees):
            for currency, amount in own.items():
                sums[currency] += amount
        return sums
