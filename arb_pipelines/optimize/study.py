"""What a study file may say: every setting, its unit and its default.

Settings of a part stand with the part: parameters in ``spaces``, samplers in
``samplers.settings``, targets in ``targets.settings``, and so on.
"""

from __future__ import annotations

import hashlib
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from arb_pipelines.optimize.objectives import Constraint, Objective, Objectives
from arb_pipelines.optimize.pruning import PruningRule
from arb_pipelines.optimize.samplers.base import Sampler
from arb_pipelines.optimize.samplers.factory import check_sampler, open_sampler
from arb_pipelines.optimize.samplers.grid import grid_cells
from arb_pipelines.optimize.samplers.settings import Grid, SamplerSettings
from arb_pipelines.optimize.scores import Scoring
from arb_pipelines.optimize.spaces import Space
from arb_pipelines.optimize.targets.settings import TargetSettings
from arb_pipelines.optimize.windows import Single, Window, Windows, windows_of
from arb_pipelines.yaml_files import read_model

#: More cells than this are not counted, and no grid of them would end.
MOST_TRIALS = 1_000_000


class Days(BaseModel):
    """An inclusive range of UTC days."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: date = Field(description="First day, YYYY-MM-DD.")
    last: date = Field(description="Last day, YYYY-MM-DD, included.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first > self.last:
            raise ValueError("first is after last")
        return self


class Study(BaseModel):
    """One study: what is searched, where, how, and what counts as good."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="Names its rows in the lake."
    )
    target: TargetSettings = Field(description="What a trial measures.")
    days: Days = Field(description="UTC days of the data, train and test together.")
    windows: Windows = Field(
        Single(kind="single", gap_days=0, train_days=None, test_days=0),
        description="How the days are split into train and test; all are train if unset.",
    )
    parameters: Space = Field(description="What is chosen for each trial.")
    sampler: SamplerSettings = Field(description="How it is chosen.")
    trials: int | None = Field(
        None,
        ge=1,
        le=MOST_TRIALS,
        description="Trials a window; for a grid unset, all its cells, or at most as many.",
    )
    look_back: int = Field(
        8,
        ge=1,
        description="Trial k is chosen from the results of trials up to k - look_back, so that "
        "as many as look_back trials can run at once; more workers than that stand idle.",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of the sampler.")
    objectives: Objectives = Field(
        description="Metrics to be made large or small; the first decides which trial is best."
    )
    constraints: tuple[Constraint, ...] = Field(
        (), description="Bounds of metrics that the best trial has to keep."
    )
    scoring: Scoring = Field(
        Scoring(), description="Weights of profit_less_drawdown and composite."
    )
    pruning: PruningRule | None = Field(
        None, description="When a trial is stopped between days; never if unset."
    )
    blocks: int = Field(
        24, ge=1, le=1440, description="Return blocks a day, of equal time: 24 are hours."
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        windows_of(self.windows, self.days.first, self.days.last)
        if self.pruning and len(self.objectives) > 1:
            raise ValueError("pruning judges one objective; leave it out for several")
        check_sampler(self.parameters, self.sampler, objectives=self.objectives)
        if isinstance(self.sampler, Grid):
            cells = self._cells(MOST_TRIALS + 1)
            if cells > MOST_TRIALS:
                raise ValueError(f"the grid has more than {MOST_TRIALS:,} cells")
            if self.trials is not None and self.trials > cells:
                raise ValueError(f"trials is {self.trials}, but the grid has {cells} cells")
        elif self.trials is None:
            raise ValueError(f"trials is needed with sampler {self.sampler.kind}")
        return self

    def _cells(self, most: int) -> int:
        assert isinstance(self.sampler, Grid)
        return sum(1 for _ in islice(grid_cells(self.parameters, self.sampler.points), most))

    @property
    def trial_count(self) -> int:
        """Trials of a window: ``trials``, or all cells of a grid."""
        return self._cells(MOST_TRIALS) if self.trials is None else self.trials

    @property
    def digest(self) -> str:
        """SHA-256 of the settings with defaults filled in.

        Comments, order and layout of the file do not change it. What the target
        refers to, such as the strategy's file, is not in it.
        """
        content = self.model_dump(mode="json")
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def all_windows(self) -> tuple[Window, ...]:
        """The windows of the study, in order of time."""
        return windows_of(self.windows, self.days.first, self.days.last)

    @property
    def first_objective(self) -> Objective:
        """The objective that decides which trial is best."""
        return self.objectives[0]

    def open_sampler(self, seed: int | None = None) -> Sampler:
        """Make the sampler of one window; ``seed`` overrides the study's."""
        return open_sampler(
            self.parameters,
            self.sampler,
            seed=self.seed if seed is None else seed,
            look_back=self.look_back,
            objectives=len(self.objectives),
        )


def load_study(path: Path) -> Study:
    """Read and check one study file.

    Raises:
        ConfigError: it is missing, is not YAML, or a setting is unknown, absent or
            out of range; names file, line and setting.
    """
    return read_model(path, Study)
