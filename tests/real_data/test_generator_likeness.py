"""The generated market beside the recorded ones; docs/generator.md shows the figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.calibration import FEES_BPS, generated, recorded


def test_generated_edges_resemble_recorded_ones(real_data: Path) -> None:
    """Spreads and edges lie within a factor of two or three; no edge survives the fees."""
    made, real = generated(seed=7, snapshots=5), recorded(real_data)
    assert len(real.edges) == 610
    assert (real.edges > 0).sum() == 14
    assert (len(real.triangle_edges), (real.triangle_edges > 0).sum()) == (1083, 795)
    for figures in (made, real):
        assert (figures.edges > FEES_BPS).sum() == 0
        assert (figures.triangle_edges > FEES_BPS).sum() == 0
    assert 1 / 3 < (made.edges > 0).mean() / (real.edges > 0).mean() < 3
    for percentile in (10, 50, 90):
        ratio = np.percentile(made.edges, percentile) / np.percentile(real.edges, percentile)
        assert 1 / 2 < ratio < 2
    for quote in ("USDT", "BTC", "ETH"):
        assert 1 / 2 < np.median(made.spreads[quote]) / np.median(real.spreads[quote]) < 2
    p90 = [np.percentile(figures.triangle_edges, 90) for figures in (made, real)]
    assert 1 / 2 < p90[0] / p90[1] < 2
