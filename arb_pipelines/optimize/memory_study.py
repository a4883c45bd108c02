"""Optuna's studies as we use them: in memory, without a word on the console."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's notices and experimental warnings of this block to ourselves."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def maximising_study(
    objectives: int, sampler: optuna.samplers.BaseSampler | None = None
) -> optuna.Study:
    """Make a study in memory that maximises each of its objectives."""
    with quiet():
        return optuna.create_study(directions=["maximize"] * objectives, sampler=sampler)
