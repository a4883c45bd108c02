"""What opportunities there were, and what trading them came to."""

from __future__ import annotations

import numpy as np

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.plots.canvas import (
    DEEP,
    LIGHT,
    RULE,
    Floats,
    Ints,
    as_markdown,
    canvas,
    nothing,
)


def edge_distribution(gross_bps: Floats, net_bps: Floats, *, title: str) -> str:
    """Draw how many opportunities peaked at which edge, before and after fees.

    Both arrays are in basis points. An empty pair says so in the picture.
    """
    figure, axes = canvas(title, "peak edge, bps", "opportunities")
    if not len(gross_bps):
        return nothing(figure, axes, "no cycle rose above the threshold")
    low = min(float(np.min(net_bps)), 0.0)
    bins = np.histogram_bin_edges(
        np.clip([low, *gross_bps], low, np.quantile(gross_bps, 0.995)), 60
    )
    for values, color, label in ((gross_bps, LIGHT, "gross"), (net_bps, DEEP, "net of fees")):
        axes.hist(
            np.clip(values, bins[0], bins[-1]), bins=list(bins), color=color, alpha=0.7, label=label
        )
    axes.axvline(0.0, color=RULE, linewidth=1)
    axes.legend(frameon=False)
    return as_markdown(figure, title)


def equity_curve(ts_ns: Ints, profit: dict[str, Floats], *, title: str) -> str:
    """Draw cumulative net profit over time, one line a start currency.

    ``ts_ns`` are the trades' times, rising; ``profit[currency]`` holds each
    trade's net profit in that currency, 0 where it started in another.
    """
    figure, axes = canvas(title, "minutes since the first trade", "net profit, start currency")
    if not len(ts_ns):
        return nothing(figure, axes, "no trades")
    minutes = (ts_ns - ts_ns[0]) / (60 * NS_PER_S)
    for currency, each in sorted(profit.items()):
        axes.step(minutes, np.cumsum(each), where="post", label=currency, linewidth=1.3)
    axes.axhline(0.0, color=RULE, linewidth=0.8)
    axes.legend(frameon=False)
    return as_markdown(figure, title)
