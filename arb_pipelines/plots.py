"""Pictures for people: arrays in, a PNG as markdown out.

Drawn without a display or a global figure, so that any process and thread may
draw. What to show and where it comes from belongs to the caller.
"""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from arb_pipelines.clock import NS_PER_S

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_INK, _GROSS, _NET, _RULE = "#1f2937", "#60a5fa", "#0f766e", "#dc2626"


def edge_distribution(gross_bps: Floats, net_bps: Floats, *, title: str) -> str:
    """Draw how many opportunities peaked at which edge, before and after fees.

    Both arrays are in basis points. An empty pair says so in the picture.
    """
    figure, axes = _canvas(title, "peak edge, bps", "opportunities")
    if not len(gross_bps):
        return _nothing(figure, axes, "no cycle rose above the threshold")
    low = min(float(np.min(net_bps)), 0.0)
    bins = np.histogram_bin_edges(
        np.clip([low, *gross_bps], low, np.quantile(gross_bps, 0.995)), 60
    )
    for values, color, label in ((gross_bps, _GROSS, "gross"), (net_bps, _NET, "net of fees")):
        axes.hist(
            np.clip(values, bins[0], bins[-1]), bins=list(bins), color=color, alpha=0.7, label=label
        )
    axes.axvline(0.0, color=_RULE, linewidth=1)
    axes.legend(frameon=False)
    return _markdown(figure, title)


def equity_curve(ts_ns: Ints, profit: dict[str, Floats], *, title: str) -> str:
    """Draw cumulative net profit over time, one line a start currency.

    ``ts_ns`` are the trades' times, rising; ``profit[currency]`` holds each
    trade's net profit in that currency, 0 where it started in another.
    """
    figure, axes = _canvas(title, "minutes since the first trade", "net profit, start currency")
    if not len(ts_ns):
        return _nothing(figure, axes, "no trades")
    minutes = (ts_ns - ts_ns[0]) / (60 * NS_PER_S)
    for currency, each in sorted(profit.items()):
        axes.step(minutes, np.cumsum(each), where="post", label=currency, linewidth=1.3)
    axes.axhline(0.0, color=_RULE, linewidth=0.8)
    axes.legend(frameon=False)
    return _markdown(figure, title)


def _canvas(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.2, 3.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=10, color=_INK)
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _nothing(figure: Figure, axes: Axes, text: str) -> str:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=_INK)
    axes.set_xticks([])
    axes.set_yticks([])
    return _markdown(figure, text)


def _markdown(figure: Figure, alt: str) -> str:
    png = BytesIO()
    # Without the date and version of the default metadata the same data gives the same bytes.
    figure.savefig(png, format="png", metadata={"Software": None})
    return f"![{alt}](data:image/png;base64,{base64.b64encode(png.getvalue()).decode()})"
