"""Modes and thread models: defaults, and refusals that say what to use."""

from __future__ import annotations

import pytest

from arb_pipelines.containers.modes import Mode, ThreadModel, allowed_models, thread_model
from arb_pipelines.errors import ConfigError

DEFAULTS = {
    Mode.BACKTEST_SINGLE: ThreadModel.SINGLE_THREADED,
    Mode.BACKTEST_PARALLEL: ThreadModel.PROCESS_PARALLEL,
    Mode.OPTIMIZATION: ThreadModel.PROCESS_PARALLEL,
    Mode.LIVE_TRADING: ThreadModel.ASYNC_SINGLE,
    Mode.PAPER_TRADING: ThreadModel.ASYNC_SINGLE,
    Mode.REPLAY: ThreadModel.SINGLE_THREADED,
}


@pytest.mark.parametrize("mode", list(Mode))
def test_a_mode_has_a_default_and_runs_what_it_allows(mode: Mode) -> None:
    """Without a wish it is the default; a wish that makes sense is granted."""
    assert thread_model(mode) is DEFAULTS[mode]
    for model in allowed_models(mode):
        assert thread_model(mode, model) is model


@pytest.mark.parametrize("mode", list(Mode))
def test_what_makes_no_sense_is_refused_with_what_would(mode: Mode) -> None:
    """Each refusal names the mode, the model, and every model that would do."""
    for model in set(ThreadModel) - set(allowed_models(mode)):
        with pytest.raises(
            ConfigError, match=f"thread_model: {mode} cannot run {model}"
        ) as refusal:
            thread_model(mode, model)
        told = str(refusal.value).partition("; use ")[2]
        assert told.split(" or ") == [str(allowed) for allowed in allowed_models(mode)]


def test_every_thread_model_has_a_mode() -> None:
    """No thread model is just a name."""
    assert {model for mode in Mode for model in allowed_models(mode)} == set(ThreadModel)
