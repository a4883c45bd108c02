"""Pictures are PNGs in markdown, the same bytes for the same data, and never fail on no data."""

import base64

import numpy as np
import pytest

from arb_pipelines.plots import results

EMPTY = np.array([], dtype=np.float64)


def png_of(markdown: str) -> bytes:
    """Bytes of the picture in a markdown image."""
    _, _, encoded = markdown.partition("base64,")
    return base64.b64decode(encoded.rstrip(")"))


@pytest.mark.parametrize(
    "markdown",
    [
        results.edge_distribution(
            np.array([1.0, 2.0, 900.0]), np.array([-9.0, -8.0, 890.0]), title="edges"
        ),
        results.edge_distribution(np.array([2.0]), np.array([2.0]), title="one"),
        results.edge_distribution(EMPTY, EMPTY, title="none"),
        results.equity_curve(
            np.array([0, 60_000_000_000]),
            {"BTC": np.array([0.0, 1e-6]), "USDT": np.array([2.0, 0.0])},
            title="equity",
        ),
        results.equity_curve(np.array([], dtype=np.int64), {}, title="none"),
    ],
)
def test_a_plot_is_a_png_in_markdown(markdown: str) -> None:
    """Any data, also none, gives an image that a markdown field can show."""
    assert markdown.startswith("![")
    assert png_of(markdown).startswith(b"\x89PNG")


def test_the_same_data_gives_the_same_bytes() -> None:
    """No date or version hides in the picture."""
    once, again = (
        results.edge_distribution(np.array([1.0, 3.0]), np.array([-1.0, 1.0]), title="edges")
        for _ in range(2)
    )
    assert once == again


def test_other_data_gives_another_picture() -> None:
    """The curve is drawn from the profits, not only framed."""
    times = np.array([0, 60_000_000_000])
    up = results.equity_curve(times, {"USDT": np.array([1.0, 1.0])}, title="t")
    down = results.equity_curve(times, {"USDT": np.array([1.0, -3.0])}, title="t")
    assert png_of(up) != png_of(down)
