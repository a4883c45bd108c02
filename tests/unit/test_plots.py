"""Pictures are PNGs in markdown, the same bytes for the same data, and never fail on no data."""

import base64
from functools import partial

import numpy as np
import pytest

from arb_pipelines.plots import results, sessions, studies

EMPTY = np.array([], dtype=np.float64)
TRIALS = np.arange(3)
VALUES = np.array([1.0, np.nan, 3.0])
FEASIBLE = np.array([True, False, False])
TWO = np.array([1.0, 2.0])


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
        sessions.latency_by_stage(["lag", "cycle"], TWO, TWO * 9.0, TWO * 1e6, title="latency"),
        sessions.latency_by_stage([], EMPTY, EMPTY, EMPTY, title="none"),
        sessions.profit_over_time(
            {"BTC": TRIALS[:2], "USDT": TRIALS[:0]}, {"BTC": TWO, "USDT": EMPTY}, title="profit"
        ),
        sessions.profit_over_time({"BTC": TRIALS[:1]}, {"BTC": np.zeros(1)}, title="nothing won"),
        sessions.profit_over_time({}, {}, title="none"),
        studies.history(TRIALS, VALUES, FEASIBLE, maximise=True, metric="m", title="t"),
        studies.history(TRIALS, VALUES, ~FEASIBLE, maximise=False, metric="m", title="t"),
        studies.history(TRIALS[:0], EMPTY, FEASIBLE[:0], maximise=True, metric="m", title="none"),
        studies.importance({"a": 0.7, "b": 0.3}, title="t"),
        studies.importance({}, title="none"),
        studies.parallel_coordinates(
            {"wide": [1.0, 1e6], "kind": ["x", None], "same": [2, 2], "none": [None, None]},
            TWO,
            best=1,
            maximise=False,
            metric="m",
            title="t",
        ),
        studies.parallel_coordinates(
            {"a": [1.0, 2.0]}, TWO, best=None, maximise=True, metric="m", title="all broken"
        ),
        studies.parallel_coordinates(
            {"a": []}, EMPTY, best=None, maximise=True, metric="m", title="none"
        ),
        studies.landscape(TWO, TWO * 1e9, TWO, names=("a", "b"), metric="m", title="t"),
        studies.landscape(EMPTY, EMPTY, EMPTY, names=("", ""), metric="m", title="none"),
        studies.front(TWO, TWO, TWO > 1.0, metrics=("a", "b"), title="t"),
        studies.front(EMPTY, EMPTY, EMPTY > 0.0, metrics=("a", "b"), title="none"),
        studies.in_and_out_of_sample(
            ["w00", "w01"], TWO, np.array([np.nan, -1.0]), metric="m", title="t"
        ),
        studies.in_and_out_of_sample(
            ["w00"], TWO[:1] * np.nan, TWO[:1] * np.nan, metric="m", title="none"
        ),
        studies.in_and_out_of_sample([], EMPTY, EMPTY, metric="m", title="none"),
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


def test_the_best_so_far_is_feasible() -> None:
    """A better trial that breaks a constraint does not raise the line, and minimising turns it."""
    values, feasible = np.array([1.0, 9.0, 2.0]), np.array([True, False, True])
    draw = partial(studies.history, TRIALS, values, metric="m", title="t")
    drawn = [
        draw(feasible, maximise=True),
        draw(feasible, maximise=False),
        draw(~feasible | feasible, maximise=True),
    ]
    assert len({png_of(one) for one in drawn}) == 3
