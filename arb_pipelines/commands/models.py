"""The `arb models` commands: list, build and test the SQL models."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from arb_pipelines.commands.output import JsonFlag, print_json, print_rows
from arb_pipelines.errors import ConfigError, DataError

models_app = typer.Typer(help="The SQL models in dbt_like_sql/.", no_args_is_help=True)

Venue = Annotated[str | None, typer.Option(help="Venue of the partition.")]
Strategy = Annotated[str | None, typer.Option(help="Strategy of the partition.")]
Day = Annotated[str | None, typer.Option(help="UTC day of the partition, YYYY-MM-DD.")]
Study = Annotated[str | None, typer.Option(help="Study of the partition.")]
Window = Annotated[str | None, typer.Option(help="Window of the study, such as w00.")]


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    app.add_typer(models_app, name="models")


@models_app.command("list")
def list_models(as_json: JsonFlag = False) -> None:
    """List the models: layer, what each reads, its grain. Example: arb models list"""
    from arb_pipelines.lake.models.files import load_models

    models = load_models().values()
    if as_json:
        names = ("name", "layer", "materialized", "description", "grain", "units", "reads")
        print_json([{name: getattr(model, name) for name in names} for model in models])
    else:
        rows = [(model.name, model.layer, ", ".join(model.reads), model.grain) for model in models]
        print_rows(("model", "layer", "reads", "a row is"), rows)


@models_app.command("run")
def run_models(
    venue: Venue = None,
    strategy: Strategy = None,
    day: Day = None,
    study: Study = None,
    window: Window = None,
    as_json: JsonFlag = False,
) -> None:
    """Build the models, of one partition or whole.

    Example: arb models run --venue demo --day 2026-01-05
    """
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.research.models import build_models
    from arb_pipelines.settings import load_settings

    built = build_models(Lake(load_settings()), _partition(venue, strategy, day, study, window))
    if as_json:
        print_json(built)
    else:
        rows = [(name, "view" if count is None else count) for name, count in built.items()]
        print_rows(("model", "rows"), rows)


@models_app.command("test")
def try_models(
    venue: Venue = None,
    strategy: Strategy = None,
    day: Day = None,
    study: Study = None,
    window: Window = None,
    as_json: JsonFlag = False,
) -> None:
    """Run the models' fixtures, tests and audits; exit code 2 if one finds a bad row.

    Example: arb models test --venue demo --day 2026-01-05
    """
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.research import models
    from arb_pipelines.settings import load_settings

    lake = Lake(load_settings(), read_only=True)
    fixtures, checks = models.try_models(lake, _partition(venue, strategy, day, study, window))
    broken = [f"{one.model}: {one.fixture}" for one in fixtures if one.differences]
    broken += [f"{one.check.name} ({one.bad} rows)" for one in checks if not one.passed]
    if as_json:
        print_json({"fixtures": len(fixtures), "checks": len(checks), "broken": broken})
    else:
        sys.stdout.write(f"{len(fixtures)} fixtures, {len(checks)} checks, {len(broken)} broken\n")
    if broken:
        raise DataError(f"the models' tests found: {'; '.join(broken)}")


def _partition(
    venue: str | None, strategy: str | None, day: str | None, study: str | None, window: str | None
) -> dict[str, Any] | None:
    from arb_pipelines.clock import parse_day

    if sum(map(bool, (venue, strategy, study))) > 1:
        raise ConfigError("a partition has a venue, a strategy or a study, and only one of them")
    if bool(venue or strategy) != bool(day):
        raise ConfigError("give --day together with --venue or --strategy, or none of them")
    if bool(study) != bool(window):
        raise ConfigError("give --study and --window together, or none of them")
    if study:
        return {"study": study, "window_name": window}
    if day is None:
        return None
    name, value = ("venue", venue) if venue else ("strategy", strategy)
    return {str(name): value, "day": parse_day(day)}
