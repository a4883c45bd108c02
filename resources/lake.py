"""The lake as a resource: what an asset asks for as ``lake`` is the engine's own ``Lake``."""

import dagster as dg

from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import load_settings


class LakeResource(dg.ConfigurableResource[Lake]):
    """Opens the lake that the settings name; ``home`` overrides ``ARB_HOME`` for tests."""

    home: str | None = None

    def create_resource(self, context: dg.InitResourceContext) -> Lake:
        """Make the lake of this installation; connections are opened on use."""
        overrides = {} if self.home is None else {"home": self.home}
        return Lake(load_settings(**overrides))
