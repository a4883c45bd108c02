"""Slippage and commission models against worked examples, and as sections of a YAML file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.backtest.commission import (
    BpsCommission,
    MinimumCommission,
    PerUnitCommission,
    Tier,
    TieredCommission,
    charge,
)
from arb_pipelines.backtest.slippage import (
    BookWalk,
    FixedBps,
    SpreadFraction,
    SquareRootImpact,
)
from arb_pipelines.errors import ConfigError
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.yaml_files import read_model
from tests.fakes.bar_worlds import bar

HOUR = bar(0, (100.0, 102.0, 98.0, 101.0), volume=400.0)


def test_fixed_bps() -> None:
    """5 bps on 100 are 5 cents, against the order."""
    model = FixedBps(bps=5)
    assert model.price(BUY, 100.0, 1.0, HOUR) == pytest.approx(100.05)
    assert model.price(SELL, 100.0, 1.0, HOUR) == pytest.approx(99.95)


def test_half_of_the_spread() -> None:
    """On 99.9 to 100.1 a taker pays 10 cents from the mid: half of 20 bps."""
    model = SpreadFraction(model="spread", spread_bps=20)
    assert model.price(BUY, 100.0, 1.0, HOUR) == pytest.approx(100.1)
    assert model.price(SELL, 100.0, 1.0, HOUR) == pytest.approx(99.9)
    patient = SpreadFraction(model="spread", spread_bps=20, fraction=0.1)
    assert patient.price(BUY, 100.0, 1.0, HOUR) == pytest.approx(100.02)


def test_square_root_impact() -> None:
    """A quarter of the volume moves the price by half of the bar's volatility."""
    model = SquareRootImpact(model="square_root")
    sigma = math.log(102 / 98) / math.sqrt(4 * math.log(2))
    assert model.price(BUY, 100.0, 100.0, HOUR) == pytest.approx(100 * (1 + sigma / 2), rel=1e-5)
    assert model.price(SELL, 100.0, 100.0, HOUR) == pytest.approx(100 / (1 + sigma / 2), rel=1e-5)
    twice = SquareRootImpact(model="square_root", coefficient=2.0)
    assert twice.price(BUY, 100.0, 25.0, HOUR) == pytest.approx(
        model.price(BUY, 100.0, 100.0, HOUR)
    )


def test_square_root_impact_of_more_than_there_is() -> None:
    """More than the whole volume counts as the whole, as does anything in a bar without."""
    model = SquareRootImpact(model="square_root", coefficient=10.0)
    whole = model.price(SELL, 100.0, 400.0, HOUR)
    assert model.price(SELL, 100.0, 4_000.0, HOUR) == whole > 0.0
    empty = bar(0, (100.0, 102.0, 98.0, 101.0), volume=0.0)
    assert model.price(SELL, 100.0, 1.0, empty) == whole


def test_range_stands_for_volatility_as_told() -> None:
    """The first term of the logarithm's series is within 0.1 % for a range of 10 %."""
    high, low = 105.0, 95.0
    assert 2 * (high - low) / (high + low) == pytest.approx(math.log(high / low), rel=1e-3)


def test_book_walk() -> None:
    """3 from 1 at 100 and 5 at 101 cost 302, 100.67 each."""
    px, sz = np.array([100.0, 101.0]), np.array([1.0, 5.0])
    walk = BookWalk(model="book_walk")
    assert walk.price(px, sz, 3.0) == pytest.approx(302 / 3)
    assert walk.price(px, sz, 1.0) == 100.0


def test_bps_commission() -> None:
    """10 bps of 2,500 are 2.50."""
    assert BpsCommission(bps=10).of_fill(
        1.0, 2_500.0, maker=False, traded_30d=0.0
    ) == pytest.approx(2.5)


@pytest.mark.parametrize(("shares", "price", "fee"), [(100, 25.0, 1.0), (1_000, 25.0, 5.0)])
def test_per_unit_with_minimum(shares: int, price: float, fee: float) -> None:
    """The venue's own examples: 100 shares cost the minimum of USD 1.00, 1,000 cost USD 5.00."""
    model = MinimumCommission(
        model="minimum", minimum=1.0, of=PerUnitCommission(model="per_unit", per_unit=0.005)
    )
    plain = model.of_fill(shares, shares * price, maker=False, traded_30d=0.0)
    assert charge(plain, 0.0, model.minimum) == pytest.approx(fee)


def test_minimum_counts_over_the_fills_of_an_order() -> None:
    """Parts of 0.6, 0.6 and 0.6 with a minimum of 1 are charged 1, 0.2 and 0.6."""
    charged = 0.0
    told = []
    for plain in (0.6, 1.2, 1.8):
        told.append(charge(plain, charged, 1.0))
        charged += told[-1]
    assert told == pytest.approx([1.0, 0.2, 0.6])


@pytest.mark.parametrize(
    ("traded", "maker", "taker"),
    [(0, 25, 40), (9_999.99, 25, 40), (10_000, 20, 35), (50_000, 14, 24), (1e9, 14, 24)],
)
def test_tiers(traded: float, maker: float, taker: float) -> None:
    """A tier holds from its value on, makers and takers apart."""
    rates = ((0, 25, 40), (10_000, 20, 35), (50_000, 14, 24))
    tiers = tuple(Tier(from_quote=q, maker_bps=m, taker_bps=t) for q, m, t in rates)
    model = TieredCommission(model="tiered", tiers=tiers)
    assert model.of_fill(1, 10_000, maker=True, traded_30d=traded) == pytest.approx(maker)
    assert model.of_fill(1, 10_000, maker=False, traded_30d=traded) == pytest.approx(taker)


SECTION = """\
path: optimistic
market_fill: vwap
volume_share: 0.1
slippage: {model: square_root, coefficient: 0.7}
commission:
  model: minimum
  minimum: 1
  of: {model: tiered, tiers: [{from_quote: 0, maker_bps: 25, taker_bps: 40}]}
"""


def test_yaml_chooses_models_by_name(tmp_path: Path) -> None:
    """A section of YAML gives the models it names."""
    file = tmp_path / "execution.yaml"
    file.write_text(SECTION)
    execution = read_model(file, BarExecution)
    assert execution.slippage == SquareRootImpact(model="square_root", coefficient=0.7)
    assert isinstance(execution.commission, MinimumCommission)
    assert isinstance(execution.commission.of, TieredCommission)


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("square_root", "book_walk", "slippage: "),
        ("coefficient: 0.7", "coefficient: -1", "slippage.coefficient"),
        ("from_quote: 0", "from_quote: 5", "the first tier is not from_quote: 0"),
        ("volume_share: 0.1", "volume_share: 2", "volume_share"),
        ("minimum: 1", "least: 1", "commission.least: unknown parameter"),
    ],
)
def test_wrong_sections_are_refused(tmp_path: Path, wrong: str, right: str, told: str) -> None:
    """A mistake is told with its line; bars have no book to walk."""
    file = tmp_path / "execution.yaml"
    file.write_text(SECTION.replace(wrong, right, 1))
    with pytest.raises(ConfigError, match=told) as caught:
        read_model(file, BarExecution)
    assert caught.value.line is not None
