"""The paper that pictures are drawn on: size, colours, and the way into markdown.

Matplotlib takes half a second to import, so that is left to whoever draws: every process of
Dagster imports this module, and few of them draw.
"""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

INK, LIGHT, DEEP, RULE = "#1f2937", "#60a5fa", "#0f766e", "#dc2626"


def canvas(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """Open a figure with one set of axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def nothing(figure: Figure, axes: Axes, text: str) -> str:
    """Say in the picture that there is nothing to draw."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=INK)
    axes.set_xticks([])
    axes.set_yticks([])
    return as_markdown(figure, text)


def as_markdown(figure: Figure, alt: str) -> str:
    """Give the figure as a PNG within markdown; ``alt`` is its text for those who cannot see it."""
    png = BytesIO()
    # Without the date and version of the default metadata the same data gives the same bytes.
    figure.savefig(png, format="png", metadata={"Software": None})
    return f"![{alt}](data:image/png;base64,{base64.b64encode(png.getvalue()).decode()})"
