"""Reading checked YAML files: text in, a pydantic model out, or an error with its line.

What a file may say belongs to the model; where such files lie, to the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from arb_pipelines.errors import ConfigError

M = TypeVar("M", bound=BaseModel)

_MAPPING = "should be a mapping of settings to values, such as {kind: …}"
_LIST = "should be a list, such as [a, b]"
#: What a person is told where Pydantic has a programmer's words.
_WORDS = {
    "extra_forbidden": "unknown parameter",
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "tuple_type": _LIST,
    "list_type": _LIST,
}


class MisplacedValue(ValueError):
    """A model's check found what stands at ``where``, below what it checks, to be wrong."""

    def __init__(self, reason: str, *where: str | int) -> None:
        super().__init__(reason)
        self.where = where


def read_model(
    path: Path, model: type[M], complete: Callable[[dict[str, Any]], None] = lambda _: None
) -> M:
    """Read and check one YAML file of parameters.

    ``complete`` may add to the mapping, before it is checked, what the file only
    refers to.

    Raises:
        ConfigError: it is missing, is not YAML, or a parameter is unknown,
            absent or out of range; names file, line and parameter.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _refuse_repeats(root, path)
            _refuse_impossible(root, path)
        data = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", source=str(path)) from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text", source=str(path)) from None
    except RecursionError:  # also of an alias that contains itself
        raise ConfigError("is nested too deeply", source=str(path)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        reason = f"is not YAML: {error.problem or error.context}"
        raise ConfigError(reason, source=str(path), line=mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"is not YAML: {error}", source=str(path)) from None
    if not isinstance(data, dict) or not isinstance(root, yaml.MappingNode):
        raise ConfigError("is not a mapping of parameters to values", source=str(path), line=1)
    complete(data)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _first_mistake(error, root, path) from None


def mistake_at(path: Path, where: tuple[str | int, ...], reason: str) -> ConfigError:
    """Make the error of what stands, or is missing, at ``where`` in a file that was read before.

    It names the place, without the parts that only pydantic knows, and the line of
    the deepest part that the file has.
    """
    root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    assert root is not None
    names, line, missing = _place(root, where)
    name = ".".join((*names, *missing))
    return ConfigError(f"{name}: {reason}" if name else reason, source=str(path), line=line)


def _first_mistake(error: ValidationError, root: yaml.Node, path: Path) -> ConfigError:
    # an unknown key explains a missing one: it is usually the same word, mistyped
    first, *others = sorted(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    cause = first.get("ctx", {}).get("error")
    deeper = cause.where if isinstance(cause, MisplacedValue) else ()
    where, line, missing = _place(root, (*first["loc"], *deeper))
    if first["type"] == "missing":
        where += missing
    reason = _WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))
    name = f"{'.'.join(where)}: " if where else ""
    more = f" (and {len(others)} more)" if others else ""
    return ConfigError(f"{name}{reason}{more}", source=str(path), line=line)


def _place(root: yaml.Node, loc: Iterable[str | int]) -> tuple[list[str], int, list[str]]:
    """Follow a place into a file: the parts that are there, the last one's line, the last if not.

    Pydantic also names union members, which no file has: they are passed over.
    """
    node: yaml.Node | None = root
    names, line, missing = [], root.start_mark.line, []
    for part in loc:
        key, child = _child(node, part)
        missing = [] if key or child else [str(part)]
        if not missing:
            node = child
            names.append(str(part))
            line = (key or child or root).start_mark.line
    return names, line + 1, missing


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return None, node.value[part]
    return None, None


def _refuse_repeats(node: yaml.Node, path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise ConfigError(f"{key.value}: given twice", source=str(path), line=line)
            seen.add(str(key.value))
    for child in _children(node):
        _refuse_repeats(child, path)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [value for _, value in node.value]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _refuse_impossible(node: yaml.Node, path: Path) -> None:
    """Find what looks like a date and is none, such as 2026-02-30: YAML's reader only fails."""
    if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:timestamp":
        try:
            yaml.safe_load(node.value)
        except ValueError as error:
            reason = f"{node.value}: {error}"
            raise ConfigError(reason, source=str(path), line=node.start_mark.line + 1) from None
    for child in _children(node):
        _refuse_impossible(child, path)
