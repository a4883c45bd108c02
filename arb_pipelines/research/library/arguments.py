"""What a caller says of a cycle and an amount, read into exact and known things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from arb_pipelines.errors import ConfigError
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market

#: A cycle as a caller writes it: currencies in order, or symbols with sides.
CycleGiven = Sequence[str] | Sequence[tuple[str, str]]
#: Symbols with sides, as everywhere inside.
Legs = tuple[tuple[str, int], ...]

_CYCLE, _AMOUNT = "cycle", "initial_amount"
_SIDES = {"buy": BUY, "sell": SELL}
#: As everywhere, a cycle is of three legs or more.
_FEWEST = 3


def exact_amount(given: Decimal | int | str) -> Decimal:
    """Read an amount; a float is refused, since it is not the amount that was written.

    Raises:
        ConfigError: it is a float, no number, or not above zero.
    """
    if isinstance(given, bool) or not isinstance(given, Decimal | int | str):
        raise ConfigError(
            f"{given!r} is a {type(given).__name__}; write it as text or Decimal, such as "
            "'0.1' or Decimal('0.1')",
            source=_AMOUNT,
        )
    try:
        amount = Decimal(given)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount <= 0:
        raise ConfigError(f"{given!r} is no amount above zero", source=_AMOUNT)
    return amount


def read_cycle(given: CycleGiven, markets: Mapping[str, Market]) -> tuple[str, Legs]:
    """Read a cycle: the currency that it starts in, and its legs by the symbols of ``markets``.

    Raises:
        ConfigError: it is written in neither way, no market fits a leg, its legs do not lead
            from one to the next and home, or it passes a currency twice.
    """
    closed = len(given) > 1 and isinstance(given[0], str) and given[0] == given[-1]
    if isinstance(given, str) or len(given) - closed < _FEWEST:
        raise ConfigError(
            f"{given!r} is none of three legs or more; write currencies in order, such as "
            "['USDT', 'ETH', 'BTC'], or legs, such as [('ETH/USDT', 'buy'), ...]",
            source=_CYCLE,
        )
    currencies = [part for part in given if isinstance(part, str)]
    if len(currencies) == len(given):
        return _of_currencies(currencies[:-1] if closed else currencies, markets)
    return _of_legs(given, markets)


def _of_currencies(names: Sequence[str], markets: Mapping[str, Market]) -> tuple[str, Legs]:
    _expect_once(names)
    legs = []
    for have, want in zip(names, [*names[1:], names[0]], strict=True):
        if f"{want}-{have}" in markets:
            legs.append((f"{want}-{have}", BUY))
        elif f"{have}-{want}" in markets:
            legs.append((f"{have}-{want}", SELL))
        else:
            raise ConfigError(
                f"no spot market leads from {have} to {want}: neither {want}/{have} nor "
                f"{have}/{want} is listed",
                source=_CYCLE,
            )
    return names[0], tuple(legs)


def _of_legs(given: Sequence[object], markets: Mapping[str, Market]) -> tuple[str, Legs]:
    legs: list[tuple[str, int]] = []
    passed: list[str] = []
    for leg in given:
        if not isinstance(leg, tuple | list) or len(leg) != 2 or leg[1] not in _SIDES:
            raise ConfigError(
                f"{leg!r} is no leg; write a symbol with its side, such as ('ETH/USDT', 'buy')",
                source=_CYCLE,
            )
        symbol = str(leg[0]).replace("/", "-")
        if symbol not in markets:
            raise ConfigError(f"no spot market {leg[0]} is listed", source=_CYCLE)
        market, side = markets[symbol], _SIDES[leg[1]]
        has, gets = (market.quote, market.base) if side == BUY else (market.base, market.quote)
        if passed and has != passed[-1]:
            raise ConfigError(
                f"({leg[0]}, {leg[1]}) spends {has}, and the leg before brings {passed[-1]}",
                source=_CYCLE,
            )
        passed = [*(passed or [has]), gets]
        legs.append((symbol, side))
    if passed[-1] != passed[0]:
        raise ConfigError(f"begins with {passed[0]} and ends with {passed[-1]}", source=_CYCLE)
    _expect_once(passed[:-1])
    return passed[0], tuple(legs)


def _expect_once(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"passes {twice[0]} twice; carry out one round at a time", source=_CYCLE)
