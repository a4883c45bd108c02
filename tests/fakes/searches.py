"""Studies, targets and executors for tests of the search itself: nothing here reads a market."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arb_pipelines.containers.executors import Done
from arb_pipelines.errors import ConfigError
from arb_pipelines.optimize.study import Study
from arb_pipelines.optimize.targets.base import Params, PeriodResult

SAMPLERS: dict[str, dict[str, object]] = {
    "grid": {"kind": "grid", "points": 6},
    "random": {"kind": "random"},
    "tpe": {"kind": "tpe", "startup_trials": 5},
    "cmaes": {"kind": "cmaes"},
    "nsga2": {"kind": "nsga2", "population": 6},
    "differential_evolution": {"kind": "differential_evolution", "population": 6},
}


def study(**changes: object) -> Study:
    """Make a study of two numbers over three train days and one test day."""
    content: dict[str, object] = {
        "name": "bowl",
        "target": {"kind": "triangle", "strategy": "none"},
        "days": {"first": "2025-01-01", "last": "2025-01-04"},
        "windows": {"kind": "rolling", "train_days": 3, "test_days": 1},
        "parameters": {
            "x": {"type": "float", "low": -2.0, "high": 3.0},
            "n": {"type": "int", "low": 0, "high": 20},
        },
        "objectives": ["net_profit"],
        "sampler": SAMPLERS["tpe"],
        "trials": 30,
        "look_back": 4,
        "seed": 5,
        "blocks": 4,
    }
    return Study.model_validate(content | changes)


@dataclass(frozen=True)
class Bowl:
    """Best at x = 1 and n = 7, a little differently each day; one that is flat earns nothing.

    Its measure ``distance`` is least at x = -1.

    Each evaluation adds a line with its parameters and period to ``log``. After
    ``gate_after`` of them every further one waits until the file ``gate`` is there.
    """

    log: Path | None = None
    gate: Path | None = None
    gate_after: int = 0
    fail_above: float = math.inf
    die_above: float = math.inf
    hoard_above: float = math.inf
    flat: bool = False

    def check(self, params: Params) -> None:
        """Refuse what is neither x nor n."""
        if unknown := params.keys() - {"x", "n"}:
            raise ConfigError(f"{unknown} unknown")

    def evaluate(self, params: Params, period: str) -> PeriodResult:
        """Measure one day."""
        self._note(f"{params} {period}\n")
        x, n = float(params["x"]), float(params["n"])
        if x > self.die_above:
            os._exit(3)
        if x > self.hoard_above:
            return bytearray(2**31)  # type: ignore[return-value]
        if x > self.fail_above:
            raise ConfigError(f"x is {x}, above {self.fail_above}")
        day = int(period[-2:])
        if self.flat:
            return PeriodResult(period, 1_000.0, 0.0, 1, 0, (0.0,) * 4)
        hours = [10 - (x - 1) ** 2 - (n - 7) ** 2 / 20 + math.sin(day * n + k) for k in range(4)]
        returns = tuple(profit / 1_000 for profit in hours)
        profit = math.fsum(hours)
        wins = sum(h > 0 for h in hours)
        return PeriodResult(period, 1_000.0, profit, 4, wins, returns, {"distance": abs(x + 1)})

    def _note(self, line: str) -> None:
        if self.log is None:
            return
        with self.log.open("a") as file:
            file.write(line)
        if self.gate is not None and len(self.log.read_text().splitlines()) > self.gate_after:
            while not self.gate.exists():
                time.sleep(0.01)


@dataclass
class ShufflingExecutor:
    """Runs calls here, and tells of them in an order that a seed decides."""

    slots: int
    seed: int
    _open: dict[int, tuple[Callable[[Any], Any], Any]] = field(default_factory=dict)

    def submit(self, number: int, call: Callable[[Any], Any], argument: Any) -> None:
        """Keep the call; one more than ``slots`` waits."""
        assert len(self._open) <= self.slots
        self._open[number] = call, argument

    def wait(self) -> list[Done]:
        """Run some of the calls, in any order."""
        chance = random.Random(f"{self.seed} {sorted(self._open)}")
        running = sorted(self._open)[: self.slots]
        numbers = chance.sample(running, chance.randint(1, len(running)))
        calls: Mapping[int, tuple[Callable[[Any], Any], Any]] = {
            number: self._open.pop(number) for number in numbers
        }
        return [Done(number, call(argument)) for number, (call, argument) in calls.items()]

    def close(self) -> None:
        """Forget the calls that wait."""
        self._open.clear()
