"""Every combination of a space's values, in a documented order.

Parameters stand in the space's order (parents first, else alphabetical), and the
last one changes fastest. Values rise; choices come as the file lists them. A
parameter that does not exist beside the values before it takes no part, so no
combination comes twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np

from arb_pipelines.optimize.parameters import Categorical, Parameter, Value
from arb_pipelines.optimize.samplers.ordered import BlindSampler
from arb_pipelines.optimize.spaces import Space


def grid_cells(space: Space, points: int) -> Iterator[dict[str, Value]]:
    """Go through every combination; numbers without a step take at most ``points`` values."""
    parameters = list(space.root.items())
    axes = {name: _axis(parameter, points) for name, parameter in parameters}

    def below(depth: int, chosen: dict[str, Value]) -> Iterator[dict[str, Value]]:
        if depth == len(parameters):
            yield dict(chosen)
            return
        name, parameter = parameters[depth]
        if not parameter.exists(chosen):
            yield from below(depth + 1, chosen)
            return
        for value in axes[name]:
            yield from below(depth + 1, chosen | {name: value})

    return below(0, {})


def count_cells(space: Space, points: int, *, most: int) -> int:
    """Count the combinations; with conditions, no further than to ``most`` and one more."""
    if space.conditional:
        return sum(1 for _ in islice(grid_cells(space, points), most + 1))
    return math.prod(len(_axis(parameter, points)) for parameter in space.root.values())


def _axis(parameter: Parameter, points: int) -> list[Value]:
    if isinstance(parameter, Categorical) or parameter.step is not None:
        return [parameter.cell(index) for index in range(parameter.cells or 0)]
    spaced = np.geomspace if parameter.log else np.linspace
    values = spaced(parameter.low, parameter.high, points).tolist()
    values[0], values[-1] = parameter.low, parameter.high
    if parameter.type == "int":
        values = [round(value) for value in values]
    return list(dict.fromkeys(values))


class GridSampler(BlindSampler):
    """Trial ``k`` is the ``k``-th combination."""

    def __init__(self, space: Space, points: int) -> None:
        super().__init__()
        self._cells = grid_cells(space, points)

    def choose(self, number: int) -> dict[str, Value]:
        """Give the next combination."""
        return next(self._cells)
