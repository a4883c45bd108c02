"""What a study file may say about its target, one model a kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class TriangleTarget(BaseModel):
    """A strategy's triangles on recorded books; parameters are fields of the strategy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["triangle"]
    strategy: str = Field(
        min_length=1,
        description="Name of a strategy in the strategies folder, or the path of a strategy file "
        "(with a slash or ending in .yaml), relative to the study file.",
    )


#: Every kind of target; a further one joins with ``|`` and a ``kind`` of its own.
TargetSettings = Annotated[TriangleTarget, Field(discriminator="kind")]
