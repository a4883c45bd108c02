"""What a session shows of itself while it runs: how fast it is, and what it earns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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

_MINUTE_NS = 60 * NS_PER_S


def latency_by_stage(
    stages: Sequence[str], p50_us: Floats, p99_us: Floats, max_us: Floats, *, title: str
) -> str:
    """Draw what each stage takes on a logarithmic axis: median, 99th percentile and longest.

    All in µs, by stage, the first at the top. Less than a tenth of a µs is drawn as that.
    """
    figure, axes = canvas(title, "ms", "")
    if not len(stages):
        return nothing(figure, axes, "nothing has been timed yet")
    place = np.arange(len(stages))
    p50, p99, longest = (np.maximum(each, 0.1) / 1e3 for each in (p50_us, p99_us, max_us))
    axes.hlines(place, p50, longest, color=LIGHT, linewidth=1)
    axes.plot(p50, place, "o", color=DEEP, markersize=5, label="median")
    axes.plot(p99, place, "d", color=LIGHT, markersize=5, label="99 of 100 are faster")
    axes.plot(longest, place, "|", color=RULE, markersize=9, label="longest")
    for x, y in zip(p50, place, strict=True):
        axes.annotate(f"{x:.3g}", (x, y), (0, 6), textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.set_yticks(place, list(stages), fontsize=8)
    axes.set_ylim(len(stages) - 0.4, -0.8)
    axes.legend(frameon=False, fontsize=7, loc="upper center", ncols=3, bbox_to_anchor=(0.5, -0.2))
    return as_markdown(figure, title)


def profit_over_time(ts_ns: Mapping[str, Ints], profit: Mapping[str, Floats], *, title: str) -> str:
    """Draw the summed profit of executions as they ended, one line a start currency.

    ``ts_ns[currency]`` are their ends, rising, and ``profit[currency]`` what each earned. Each
    line is drawn in shares of its own largest stray from zero, which its label gives: profits
    in BTC and USDT are seen on one axis, and never added.
    """
    figure, axes = canvas(title, "minutes since the first execution", "profit, share of most")
    if not any(len(times) for times in ts_ns.values()):
        return nothing(figure, axes, "no execution has ended yet")
    first = min(int(times[0]) for times in ts_ns.values() if len(times))
    for currency in sorted(currency for currency, times in ts_ns.items() if len(times)):
        summed = np.cumsum(profit[currency])
        most = float(np.max(np.abs(summed))) or 1.0
        minutes = (ts_ns[currency] - first) / _MINUTE_NS
        label = f"{currency}: {summed[-1]:+.6g}, most {most:.3g}"
        axes.step(minutes, summed / most, where="post", label=label, linewidth=1.3)
    axes.axhline(0.0, color=RULE, linewidth=0.8)
    axes.set_ylim(-1.1, 1.1)
    axes.legend(frameon=False, fontsize=8)
    return as_markdown(figure, title)
