"""What a search found: how it went, which parameters mattered, and what held out of sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from arb_pipelines.plots.canvas import (
    DEEP,
    LIGHT,
    RULE,
    Bools,
    Floats,
    Ints,
    as_markdown,
    canvas,
    nothing,
)

#: One parameter over trials: numbers, or names of categories; None where it does not exist.
Choices = Sequence[float | str | None]

_COLORS = "viridis"
#: Positive numbers that span more than this factor are drawn by their logarithm.
_LOG_SPAN = 100.0
#: Room is left for as many windows, so that a single one is no wall of colour.
_LEAST_WINDOWS = 4


def history(
    trial_no: Ints, value: Floats, feasible: Bools, *, maximise: bool, metric: str, title: str
) -> str:
    """Draw each trial's value, and the best feasible one so far.

    ``trial_no`` rises; ``value`` is NaN for a trial that did not complete, which
    stands as a tick at the bottom.
    """
    figure, axes = canvas(title, "trial", metric)
    known = ~np.isnan(value)
    if not known.any():
        return nothing(figure, axes, "no trial completed")
    axes.plot(trial_no[known], value[known], ".", color=LIGHT, markersize=4, label="trial")
    best = np.maximum if maximise else np.minimum
    if (feasible := feasible & known).any():
        so_far = best.accumulate(value[feasible])
        axes.step(trial_no[feasible], so_far, where="post", color=DEEP, label="best so far")
    if not known.all():
        bottom = np.full(np.count_nonzero(~known), axes.get_ylim()[0])
        axes.plot(trial_no[~known], bottom, "|", color=RULE, label="pruned or failed")
    axes.legend(frameon=False, fontsize=8)
    return as_markdown(figure, title)


def importance(shares: Mapping[str, float], *, title: str) -> str:
    """Draw each parameter's share of the importance of all, the greatest at the top."""
    figure, axes = canvas(title, "share of importance (PED-ANOVA: where the best trials lie)", "")
    if not shares:
        return nothing(figure, axes, "too few complete trials to tell")
    names = sorted(shares, key=lambda name: (shares[name], name))
    axes.barh(names, [shares[name] for name in names], color=DEEP, height=0.6)
    axes.set_xlim(0.0, 1.0)
    return as_markdown(figure, title)


def parallel_coordinates(
    parameters: Mapping[str, Choices],
    value: Floats,
    *,
    best: int | None,
    maximise: bool,
    metric: str,
    title: str,
) -> str:
    """Draw a line a trial through its parameters, coloured by its value.

    On top is the ``best``, by its place among ``value``: not the greatest of all where
    that one breaks a constraint, and none where all do.

    Each parameter's axis runs from the least to the greatest number tried, or
    through the categories by name; its ends are written beside it.
    """
    from matplotlib import colormaps

    figure, axes = canvas(title, "", "")
    if not len(value) or not parameters:
        return nothing(figure, axes, "no trial completed")
    places = np.column_stack([_places(each) for each in parameters.values()])
    shade = colormaps[_COLORS](_scaled(value))
    order = np.argsort(value if maximise else -value, kind="stable")
    for trial in order:
        axes.plot(places[trial], linewidth=0.7, alpha=0.6, color=shade[trial])
    if best is not None:
        label = f"best: {metric} {value[best]:.5g}"
        axes.plot(places[best], "o-", markersize=3, color=RULE, label=label)
        axes.legend(frameon=False, fontsize=8, loc="upper right")
    for x, choices in enumerate(parameters.values()):
        for text, y, side in zip(_ends(choices), (0.0, 1.0), ("top", "bottom"), strict=True):
            axes.text(x, y, text, ha="center", va=side, fontsize=7)
    axes.set_xticks(range(len(parameters)), list(parameters), fontsize=7)
    axes.set_yticks([])
    axes.set_ylim(-0.12, 1.3)
    return as_markdown(figure, title)


def landscape(
    x: Floats, y: Floats, value: Floats, *, names: tuple[str, str], metric: str, title: str
) -> str:
    """Draw the trials' values over two numeric parameters, a colour a value."""
    figure, axes = canvas(title, *names)
    if not len(value):
        return nothing(figure, axes, "no trial completed with two numeric parameters")
    dots = axes.scatter(x, y, c=value, cmap=_COLORS, s=18)
    for values, set_scale in ((x, axes.set_xscale), (y, axes.set_yscale)):
        if _is_wide(values):
            set_scale("log")
    figure.colorbar(dots, label=metric)
    return as_markdown(figure, title)


def front(x: Floats, y: Floats, on_front: Bools, *, metrics: tuple[str, str], title: str) -> str:
    """Draw the complete trials over two objectives, the Pareto front on top."""
    figure, axes = canvas(title, *metrics)
    if not len(x):
        return nothing(figure, axes, "no trial completed")
    axes.plot(x[~on_front], y[~on_front], ".", color=LIGHT, markersize=4, label="trial")
    axes.plot(x[on_front], y[on_front], "o", color=DEEP, markersize=5, label="front")
    axes.legend(frameon=False, fontsize=8)
    return as_markdown(figure, title)


def in_and_out_of_sample(
    windows: Sequence[str], train: Floats, test: Floats, *, metric: str, title: str
) -> str:
    """Draw the best trial of each window on the days it was chosen on, and on those held back.

    Both in the same unit; NaN where a window has no best, or nothing was held back.
    """
    figure, axes = canvas(title, "window", metric)
    if not (np.isfinite(train).any() or np.isfinite(test).any()):
        return nothing(figure, axes, "no window has a best trial")
    place = np.arange(len(windows))
    for values, shift, color, label in (
        (train, -0.2, LIGHT, "in sample"),
        (test, 0.2, DEEP, "out of sample"),
    ):
        axes.bar(place + shift, np.nan_to_num(values), 0.38, color=color, label=label)
    axes.axhline(0.0, color=RULE, linewidth=0.8)
    axes.set_xticks(place, list(windows), fontsize=7)
    axes.set_xlim(-0.6, max(len(windows), _LEAST_WINDOWS) - 0.4)
    axes.margins(y=0.2)
    axes.legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
    return as_markdown(figure, title)


def _places(choices: Choices) -> Floats:
    """Height of each choice on its axis, 0 to 1; NaN where there is none."""
    numbers = _numbers(choices)
    if numbers is None:
        names = sorted({str(choice) for choice in choices if choice is not None})
        numbers = np.array(
            [np.nan if choice is None else names.index(str(choice)) for choice in choices]
        )
    return _scaled(np.log(numbers) if _is_wide(numbers) else numbers)


def _numbers(choices: Choices) -> Floats | None:
    """The choices as numbers, None if they are categories."""
    if any(isinstance(choice, str | bool) for choice in choices):
        return None
    return np.array([np.nan if choice is None else choice for choice in choices], np.float64)


def _ends(choices: Choices) -> tuple[str, str]:
    numbers = _numbers(choices)
    if numbers is None:
        names = sorted({str(choice) for choice in choices if choice is not None})
        return names[0], names[-1]
    if np.isnan(numbers).all():
        return "", ""
    return f"{np.nanmin(numbers):.4g}", f"{np.nanmax(numbers):.4g}"


def _is_wide(numbers: Floats) -> bool:
    known = numbers[~np.isnan(numbers)]
    return bool(len(known) and known.min() > 0 and known.max() > _LOG_SPAN * known.min())


def _scaled(numbers: Floats) -> Floats:
    """Map the least to 0 and the greatest to 1; a half if all are one."""
    if np.isnan(numbers).all():
        return numbers
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    if low == high:
        return np.where(np.isnan(numbers), np.nan, 0.5)
    scaled: Floats = (numbers - low) / (high - low)
    return scaled
