"""What a study file may say: every setting, its unit and its default.

Settings of a part stand with the part: parameters in ``spaces``, samplers in
``samplers.settings``, targets in ``targets.settings``, and so on.
"""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any, Self

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from arb_pipelines.optimize.objectives import Constraint, Objective, Objectives
from arb_pipelines.optimize.pruning import PruningRule
from arb_pipelines.optimize.samplers.base import Sampler
from arb_pipelines.optimize.samplers.factory import check_sampler, open_sampler
from arb_pipelines.optimize.samplers.grid import count_cells
from arb_pipelines.optimize.samplers.settings import Grid, SamplerSettings
from arb_pipelines.optimize.scores import Scoring
from arb_pipelines.optimize.spaces import Space
from arb_pipelines.optimize.targets.settings import TargetSettings
from arb_pipelines.optimize.windows import Single, Window, Windows, windows_of
from arb_pipelines.yaml_files import read_model

#: No search of more would end.
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
    objectives: Objectives = Field(
        description="Metrics to be made large or small; the first decides which trial is best."
    )
    constraints: tuple[Constraint, ...] = Field(
        (), description="Bounds of metrics that the best trial has to keep."
    )
    scoring: Scoring = Field(
        Scoring(), description="Weights of profit_less_drawdown and composite."
    )
    sampler: SamplerSettings = Field(description="How parameters are chosen.")
    trials: int | None = Field(
        None,
        ge=1,
        le=MOST_TRIALS,
        validate_default=True,
        description="Trials a window; for a grid all its cells if unset, and no more than them.",
    )
    look_back: int = Field(
        8,
        ge=1,
        description="Trial k is chosen from the results of trials up to k - look_back, so that "
        "as many as look_back trials can run at once; more workers than that stand idle.",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of the sampler.")
    pruning: PruningRule | None = Field(
        None, description="When a trial is stopped between days; never if unset."
    )
    memory_limit_mib: int | None = Field(
        None,
        ge=1,
        description="Memory that one trial may add to its process, MiB; more ends that trial "
        "and no other.",
    )
    landscape: tuple[str, str] | None = Field(
        None,
        description="Two numeric parameters over which the trials' values are drawn; the two that "
        "matter most if unset.",
    )
    blocks: int = Field(
        24, ge=1, le=1440, description="Return blocks a day, of equal time: 24 are hours."
    )

    @field_validator("objectives", mode="after")
    @classmethod
    def _distinct(cls, objectives: Objectives) -> Objectives:
        metrics = [objective.metric for objective in objectives]
        for metric in metrics:
            if metrics.count(metric) > 1:
                raise ValueError(f"{metric} is given twice")
        return objectives

    @field_validator("windows", mode="after")
    @classmethod
    def _long_enough(cls, windows: Windows, info: ValidationInfo) -> Windows:
        if days := info.data.get("days"):
            windows_of(windows, days.first, days.last)
        return windows

    @field_validator("sampler", mode="after")
    @classmethod
    def _able(cls, sampler: SamplerSettings, info: ValidationInfo) -> SamplerSettings:
        space, objectives = info.data.get("parameters"), info.data.get("objectives")
        if space and objectives:
            check_sampler(space, sampler, objectives=len(objectives))
            if isinstance(sampler, Grid) and _cells(space, sampler) > MOST_TRIALS:
                raise ValueError(f"the grid has more than {MOST_TRIALS:,} cells")
        return sampler

    @field_validator("trials", mode="after")
    @classmethod
    def _countable(cls, trials: int | None, info: ValidationInfo) -> int | None:
        sampler, space = info.data.get("sampler"), info.data.get("parameters")
        if trials is None and sampler and not isinstance(sampler, Grid):
            raise ValueError(f"trials is needed with sampler {sampler.kind}")
        if trials and isinstance(sampler, Grid) and space and trials > _cells(space, sampler):
            cells = _cells(space, sampler)
            raise ValueError(f"the grid has {cells} cells; give no more trials, or none")
        return trials

    @field_validator("pruning", mode="after")
    @classmethod
    def _one_objective(cls, rule: PruningRule | None, info: ValidationInfo) -> PruningRule | None:
        if rule and len(info.data.get("objectives", ())) > 1:
            raise ValueError("a trial is judged by one objective; leave pruning out for several")
        return rule

    @field_validator("landscape", mode="after")
    @classmethod
    def _drawable(
        cls, names: tuple[str, str] | None, info: ValidationInfo
    ) -> tuple[str, str] | None:
        space = info.data.get("parameters")
        if names is None or space is None:
            return names
        for name in names:
            if name not in space.root or space.root[name].type == "categorical":
                raise ValueError(f"{name} is no numeric parameter of the study")
        return names

    @property
    def trial_count(self) -> int:
        """Trials of a window: ``trials``, or all cells of a grid."""
        if self.trials is not None:
            return self.trials
        assert isinstance(self.sampler, Grid)  # no other goes without a number
        return _cells(self.parameters, self.sampler)

    @property
    def digest(self) -> str:
        """SHA-256 of the settings with defaults filled in.

        Comments, order and layout of the file do not change it, nor does what is
        drawn. What the target refers to, such as the strategy's file, is not in it.
        """
        content = self.model_dump(mode="json", exclude={"landscape"})
        if is_file(str(content["target"].get("strategy"))):
            del content["target"]["strategy"]  # where it lies means nothing
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
    """Read and check one study file; the path of a strategy's file is made absolute.

    Raises:
        ConfigError: it is missing, is not YAML, or a setting is unknown, absent or
            out of range; names file, line and setting.
    """

    def place(data: dict[str, Any]) -> None:
        target = data.get("target")
        if not isinstance(target, dict):
            return
        strategy = target.get("strategy")
        if isinstance(strategy, str) and is_file(strategy):
            target["strategy"] = str((path.parent / strategy).resolve())

    return read_model(path, Study, place)


def is_file(strategy: str) -> bool:
    """Tell whether a target names its strategy's file instead of the strategy."""
    return "/" in strategy or strategy.endswith(".yaml")


def _cells(space: Space, grid: Grid) -> int:
    return count_cells(space, grid.points, most=MOST_TRIALS)
