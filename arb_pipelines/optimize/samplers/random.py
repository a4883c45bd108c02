"""Independent draws: trial ``k`` depends on the seed and on ``k`` alone."""

from __future__ import annotations

import numpy as np

from arb_pipelines.optimize.parameters import Value
from arb_pipelines.optimize.samplers.ordered import BlindSampler
from arb_pipelines.optimize.spaces import Space


class RandomSampler(BlindSampler):
    """Uniform draws along each parameter's axis.

    Each parameter takes its own draw of the trial's stream, one that does not
    exist too, so that adding a condition does not change its neighbours.
    """

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__()
        self._space, self._seed = space, seed

    def choose(self, number: int) -> dict[str, Value]:
        """Draw from the stream of this trial's number."""
        stream = np.random.default_rng(np.random.SeedSequence((self._seed, number)))
        positions = stream.random(len(self._space.root)).tolist()
        chosen: dict[str, Value] = {}
        for (name, parameter), position in zip(self._space.root.items(), positions, strict=True):
            if parameter.exists(chosen):
                chosen[name] = parameter.value_at(position)
        return chosen
