"""The SQL models of ``dbt_like_sql`` as assets: dependencies and column lineage are parsed."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from arb_pipelines.lake.models.files import Model, load_models, partition_of
from arb_pipelines.lake.models.fixtures import relation_columns
from arb_pipelines.lake.models.lineage import ColumnLineage, Columns, column_lineage
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.models import build_models
from assets.partitions import CUTS, Cut
from assets.tables import OWNERS, asset_of


def spec(model: Model, columns: Columns, lineage: ColumnLineage) -> dg.AssetSpec:
    """Describe one model: what it reads, its columns, and where each comes from."""
    return dg.AssetSpec(
        model.name,
        deps=[asset_of(name) for name in model.reads],
        description=f"{model.description}\n\nOne row is {model.grain}. Units: {model.units}.",
        group_name=model.layer,
        owners=list(OWNERS),
        kinds={"duckdb", "sql", model.materialized},
        tags={"layer": model.layer},
        code_version=hashlib.sha256(model.sql.encode()).hexdigest()[:12],
        metadata={
            "dagster/table_name": f"lake.{model.name}",
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(name, kind) for name, kind in columns.items()]
            ),
            "dagster/column_lineage": dg.TableColumnLineage(
                {
                    name: [
                        dg.TableColumnDep(dg.AssetKey(asset_of(table)), column)
                        for table, column in made_of
                    ]
                    for name, made_of in lineage.items()
                }
            ),
            "query": dg.MetadataValue.md(f"```sql\n{model.sql}\n```"),
        },
    )


def models_of(name: str, specs: Sequence[dg.AssetSpec], cut: Cut) -> dg.AssetsDefinition:
    """Make the step that builds the models of one kind of partition, a transaction a partition."""

    @dg.multi_asset(
        name=name,
        specs=specs,
        partitions_def=cut.partitions,
        backfill_policy=cut.backfill,
    )
    def models(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        parts = cut.read_keys(context.partition_keys)
        for part in parts:
            built = build_models(lake, part._asdict())
            for asset in specs:
                if (rows := built[asset.key.to_user_string()]) is not None:
                    context.add_asset_metadata(
                        {"dagster/partition_row_count": rows}, asset.key, partition_key=part.key
                    )
        yield from (dg.MaterializeResult(asset_key=asset.key) for asset in specs)

    return models


def _assets() -> list[dg.AssetsDefinition]:
    models = load_models()
    columns, lineage = relation_columns(models), column_lineage(models)
    specs = defaultdict[str, list[dg.AssetSpec]](list)
    for name, model in models.items():
        owner, _ = partition_of(models, name)
        specs[owner].append(spec(model, columns[name], lineage[name]))
    return [models_of(f"models_by_{owner}", specs[owner], CUTS[owner]) for owner in specs]


model_assets = _assets()
