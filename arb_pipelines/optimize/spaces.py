"""What a search may choose from: parameters by name, and which exist when.

How values are chosen belongs to ``samplers``; whether a target has a parameter of
that name, to the target.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import ConfigDict, Field, RootModel, model_validator

from arb_pipelines.optimize.parameters import Float, Parameter, Value, listed

__all__ = ["Space", "Value"]


class Space(RootModel[Annotated[dict[str, Parameter], Field(min_length=1)]]):
    """The parameters of a study by name; a name may be dotted, ``capital_allocation.fraction``.

    The order in the file means nothing: next comes, again and again, the
    alphabetically first name whose parents have come.
    """

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, parameter in self.root.items():
            for parent, values in parameter.when.items():
                if parent not in self.root:
                    raise ValueError(f"{name}: when names {parent!r}, which is not a parameter")
                other = self.root[parent]
                if isinstance(other, Float):
                    raise ValueError(f"{name}: when names {parent!r}; a float cannot be asked for")
                for value in listed(values):
                    if not other.holds(value):
                        raise ValueError(f"{name}: {parent} is never {value!r}")
        ordered = {name: self.root[name] for name in _order(self.root)}
        self.root.clear()
        self.root.update(ordered)
        return self

    @property
    def conditional(self) -> bool:
        """Whether some parameter exists only beside certain values of others."""
        return any(parameter.when for parameter in self.root.values())

    def check(self, params: Mapping[str, Value]) -> None:
        """Refuse values that no sampler of this space could have chosen.

        Raises:
            ValueError: a parameter is missing, is one too many, or has a value
                outside its bounds.
        """
        for name, parameter in self.root.items():
            if parameter.exists(params) != (name in params):
                verb = "lacks" if name not in params else "should not have"
                raise ValueError(f"{dict(params)} {verb} {name}")
            if name in params and not parameter.holds(params[name]):
                raise ValueError(f"{name} cannot be {params[name]!r}")
        if unknown := sorted(params.keys() - self.root.keys()):
            raise ValueError(f"no parameter is named {unknown[0]!r}")


def _order(parameters: Mapping[str, Parameter]) -> list[str]:
    ordered: list[str] = []
    waiting = sorted(parameters)
    while waiting:
        ready = next((n for n in waiting if all(p in ordered for p in parameters[n].when)), None)
        if ready is None:
            raise ValueError(f"when goes in a circle among {', '.join(waiting)}")
        ordered.append(ready)
        waiting.remove(ready)
    return ordered
