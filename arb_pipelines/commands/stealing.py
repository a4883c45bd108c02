"""The `arb stealing` command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arb_pipelines.commands.output import JsonFlag, print_facts, print_json, print_rows

#: Metrics of a policy that people are shown; JSON has all.
_SHOWN = (
    *("return_pct", "sharpe", "drawdown_pct", "win_rate", "trades", "steals", "blocks"),
    *("success_rate", "used", "held", "score", "return_pct_a_year"),
)


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""

    @app.command()
    def stealing(
        study: Annotated[Path, typer.Option(help="Study file (YAML) with an allocation target.")],
        worlds: Annotated[
            int, typer.Option(min=1, max=1_000, help="Generated worlds, with successive seeds.")
        ] = 1,
        best: Annotated[
            bool,
            typer.Option("--best", help="Compare what the study chose, on its test days alone."),
        ] = False,
        json: JsonFlag = False,
    ) -> None:
        """Measure what work stealing is worth against first come first served and against ranking.

        Every policy gets the same opportunities on the same terms. Differences are paired, with
        95 % confidence intervals: over blocks of days, or over worlds where there are several.
        With --best, run arb optimize on the study first.

        Example: arb stealing --study studies/work_stealing.yaml --worlds 20
        """
        from arb_pipelines.errors import ConfigError
        from arb_pipelines.lake.store import Lake
        from arb_pipelines.optimize.study import load_study
        from arb_pipelines.research.stealing import compare, compare_best, describe
        from arb_pipelines.settings import load_settings

        if best and worlds > 1:
            raise ConfigError("--best is of the study's own world; leave --worlds out")
        chosen, lake = load_study(study), Lake(load_settings())
        found = compare_best(lake, chosen) if best else compare(lake, chosen, worlds=worlds)
        if json:
            print_json(describe(found))
            return
        print_facts({"study": chosen.name, "days": found.days, "worlds": found.worlds})
        policies = list(found.metrics)
        known = [name for name in _SHOWN if name in found.metrics[policies[0]]]
        print_rows(
            ("", *(policy.replace("_", " ") for policy in policies)),
            [
                (name.replace("_", " "), *(f"{found.metrics[p][name]:,.2f}" for p in policies))
                for name in known
            ],
        )
        print_rows(
            (
                f"{policies[-1] if best else policies[0]} earned more than",
                "% of capital a year",
                "95 % low",
                "high",
            ),
            [
                (
                    name.replace("_", " "),
                    *(f"{value:+,.1f}" for value in (gain.mean, gain.low, gain.high)),
                )
                for name, gain in found.gains.items()
            ],
        )
