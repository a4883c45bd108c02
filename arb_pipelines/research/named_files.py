"""A folder of checked YAML files, one thing each, found by the name written in them.

What a file may say belongs to the model that reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from arb_pipelines.errors import ConfigError


class Named(Protocol):
    """What a file describes."""

    @property
    def name(self) -> str:
        """Its name, unique in the folder."""
        ...


T = TypeVar("T", bound=Named)


def load_folder(
    folder: Path, load: Callable[[Path], T], kind: str
) -> tuple[dict[str, T], list[ConfigError]]:
    """Read every ``*.yaml`` in ``folder``: things by name, and what is wrong with the others.

    A broken file must not stop those beside it, so its error is a value. Of two
    files with the same name the second, by path, is the broken one.
    """
    found: dict[str, T] = {}
    errors: list[ConfigError] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            one = load(path)
        except ConfigError as error:
            errors.append(error)
            continue
        if one.name in found:
            reason = f"another file already has a {kind} named {one.name!r}"
            errors.append(ConfigError(reason, source=str(path)))
        else:
            found[one.name] = one
    return found, errors


def find_in_folder(folder: Path, name: str, load: Callable[[Path], T], kind: str) -> T:
    """Read the thing named ``name``.

    Raises:
        ConfigError: no file in ``folder`` has it; the message names those that there are, and the
            broken files, if any.
    """
    found, errors = load_folder(folder, load, kind)
    if name in found:
        return found[name]
    there = f"; there is {', '.join(sorted(found))}" if found else ""
    broken = "".join(f"; {error}" for error in errors)
    raise ConfigError(f"no {kind} is named {name!r}{there}{broken}", source=str(folder.absolute()))
