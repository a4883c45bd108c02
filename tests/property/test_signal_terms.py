"""Every cycle of any universe can be named by a signal, and no other comes of it."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.backtest.reference import traded_of
from arb_pipelines.errors import DataError
from arb_pipelines.execution.signals.checks import SessionTerms
from arb_pipelines.execution.signals.wire import WireBook, WireLeg, WireSignal
from arb_pipelines.market.symbols import FeeSide
from tests.fakes.backtest_worlds import World, random_world

_SIDES = ("buy", "sell")
_FEE = Decimal("0.0007")


def terms_of(world: World) -> SessionTerms:
    """A paper session's terms in a world."""
    markets = {market.symbol: market for market in world.markets}
    return SessionTerms(
        traded_of(world.scenario), markets, dict.fromkeys(markets, _FEE), live=False
    )


def signal_of(terms: SessionTerms, cycle: int) -> WireSignal:
    """Write a cycle as a sender would who read the venue's list."""
    cycles = terms.traded.cycles
    legs = []
    for symbol, side in terms.traded.legs[cycle]:
        market = terms.markets[cycles.symbols[symbol]]
        received = market.base if side == 0 else market.quote
        legs.append(
            WireLeg(
                pair=market.symbol,
                side=_SIDES[side],  # type: ignore[arg-type]
                order_param="funds" if side == 0 else "size",
                base_min_size=market.base_min_size or Decimal(0),
                base_increment=market.base_increment or Decimal(0),
                quote_increment=market.quote_increment or Decimal(0),
                fee_rate=_FEE,
                fee_currency=market.quote if market.fee_side is FeeSide.QUOTE else received,
            )
        )
    now = Decimal(1_767_603_600_000)
    return WireSignal(
        correlation_id="x",
        triangle_key=[leg.pair for leg in legs],
        legs=legs,
        books=[WireBook([], [])] * len(legs),
        starting_volume=Decimal(1),
        predicted_bps=Decimal(0),
        primary_quote=cycles.currencies[cycles.start[cycle]],
        live=False,
        book_ts_ms=now,
        t_sock_arrive_ms=now,
        t_arrive_ms=now,
        t_eval_ms=now,
        ts_ms=now,
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_a_cycle_is_found_by_its_legs(seed: int, data: st.DataObject) -> None:
    """Of three legs or four, from any start currency, whatever the venue lists."""
    terms = terms_of(random_world(seed, updates=1))
    cycle = data.draw(st.integers(0, len(terms.traded.legs) - 1))
    assert terms.cycle_of(signal_of(terms, cycle)) == cycle


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_a_leg_on_other_terms_is_found_out(seed: int, data: st.DataObject) -> None:
    """Whichever leg and whichever term: the detail names it."""
    terms = terms_of(random_world(seed, updates=1))
    signal = signal_of(terms, data.draw(st.integers(0, len(terms.traded.legs) - 1)))
    k = data.draw(st.integers(0, len(signal.legs) - 1))
    field = data.draw(
        st.sampled_from(["base_min_size", "base_increment", "quote_increment", "fee_rate"])
    )
    legs = list(signal.legs)
    other = getattr(legs[k], field) + Decimal("0.00000001")
    legs[k] = msgspec.structs.replace(legs[k], **{field: other})
    with pytest.raises(DataError) as wrong:
        terms.cycle_of(msgspec.structs.replace(signal, legs=legs))
    assert wrong.value.source == f"legs[{k}].{field}"


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_legs_in_another_order_make_no_cycle(seed: int, data: st.DataObject) -> None:
    """They do not follow one another, do not close, or begin where no cycle does."""
    terms = terms_of(random_world(seed, updates=1))
    signal = signal_of(terms, data.draw(st.integers(0, len(terms.traded.legs) - 1)))
    legs = data.draw(st.permutations(signal.legs))
    moved = msgspec.structs.replace(signal, legs=legs, triangle_key=[leg.pair for leg in legs])
    if legs == signal.legs:
        terms.cycle_of(moved)
    else:
        with pytest.raises(DataError):
            terms.cycle_of(moved)
