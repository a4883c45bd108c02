"""What the exchange refuses, with the code and text a KuCoin client knows.

Source: the code table of KuCoin's documentation, and the messages ccxt keeps.
"""

from __future__ import annotations

from decimal import Decimal

from arb_pipelines.errors import ArbError


class Refused(ArbError):
    """The exchange refused a call; nothing of it took effect.

    ``code`` is the venue's, e.g. ``"200004"``; ``message`` its text.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


def parameter(message: str) -> Refused:
    """Refuse a call that cannot be understood."""
    return Refused("400100", message)


def unknown_symbol(symbol: str) -> Refused:
    """Refuse an order on a symbol that is not listed or not open."""
    return Refused("400600", f"validation.createOrder.symbolNotAvailable: {symbol}")


def suspended(symbol: str) -> Refused:
    """Refuse an order on a halted symbol."""
    return Refused("200001", f"Order creation for this pair suspended: {symbol}")


def too_many_orders(limit: int) -> Refused:
    """Refuse one more resting order on a pair."""
    return Refused("200003", f"Number of active orders in this pair exceeds {limit}")


def insufficient_balance(currency: str) -> Refused:
    """Refuse an order its account cannot pay for."""
    return Refused("200004", f"Balance insufficient! {currency}")


def off_increment(field: str) -> Refused:
    """Refuse a price, size or funds that is no multiple of its increment."""
    return Refused("600100", f"Order {field} increment invalid.")


def out_of_bounds(field: str, word: str, bound: Decimal) -> Refused:
    """Refuse a size or funds below the minimum or above the maximum."""
    return Refused("600100", f"Order {field} {word} the limit of {bound:f}.")


def below_min_funds(minimum: Decimal, currency: str) -> Refused:
    """Refuse an order worth less than the symbol's minimum."""
    return Refused("600101", f"The order funds should more then {minimum:f} {currency}.")


def order_not_found() -> Refused:
    """Refuse to touch an order that is not there, not the caller's, or done."""
    return Refused("400100", "order_not_exist_or_not_allow_to_cancel")
