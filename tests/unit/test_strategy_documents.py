"""The documents of a strategy's file say what the model says, field by field."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.strategy import load_strategy
from arb_pipelines.trading.strategy_fields import FieldRow, as_yaml, field_rows, given_values

ROOT = Path(__file__).resolve().parents[2]
FULL = ROOT / "strategies" / "full.yaml"
PAGE = ROOT / "docs" / "strategies.md"
BEGIN, END = "<!-- fields: begin -->\n", "<!-- fields: end -->\n"


def rows() -> dict[str, FieldRow]:
    """All fields of the model by name."""
    return {row.name: row for row in field_rows(Strategy)}


def other_forms() -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The lines of full.yaml that begin with #~: where each stands, and what it says."""
    above: list[tuple[int, str]] = []
    for line in FULL.read_text(encoding="utf-8").splitlines():
        indent = len(line) - len(line.lstrip())
        if line.strip().startswith("#~"):
            parents = tuple(name for at, name in above if at < indent)
            yield parents, yaml.safe_load(line.strip().removeprefix("#~"))
        elif found := re.match(r"\s*(\w+):", line):
            above = [(at, name) for at, name in above if at < indent] + [(indent, found[1])]


def names_in(said: Any, prefix: str, known: dict[str, FieldRow]) -> Iterator[str]:
    """The dotted names that a part of the file has; keys of a mapping as the model has them."""
    if isinstance(said, dict):
        for key, value in said.items():
            name = f"{prefix}{key}"
            if name not in known and any(one.startswith(f"{prefix}<key>.") for one in known):
                name = f"{prefix}<key>"
            yield name
            yield from names_in(value, f"{name}.", known)


def test_the_full_file_names_every_field() -> None:
    """As it stands, or in a line that begins with #~."""
    known = rows()
    named = set(names_in(yaml.safe_load(FULL.read_text(encoding="utf-8")), "", known))
    for parents, form in other_forms():
        named |= set(names_in(form, "".join(f"{parent}." for parent in parents), known))
    assert known.keys() - named == set()


def test_the_full_file_has_every_default() -> None:
    """What stands there without #~ is what a file without it would have."""
    known = rows()
    values = {name: as_yaml(value) for name, value, _ in given_values(load_strategy(FULL))}
    compared = {
        name: (values[name], row.default)
        for name, row in known.items()
        if name in values and row.default not in ("required", "")
    }
    assert len(compared) > 60
    differing = {name: pair for name, pair in compared.items() if pair[0] != pair[1]}
    assert differing == {}, "full.yaml and the model differ"


@pytest.mark.parametrize("form", list(other_forms()), ids=lambda form: str(form)[:60])
def test_every_other_form_of_the_full_file_is_valid(
    form: tuple[tuple[str, ...], dict[str, Any]],
) -> None:
    """Uncommented in the place of the line above it, each line is read."""
    parents, said = form
    whole = yaml.safe_load(FULL.read_text(encoding="utf-8"))
    data = copy.deepcopy(whole)
    at = data
    for parent in parents:
        at = at[parent]
    at.update(said)
    if "trading_pairs_file" in said:
        data["trading_pairs"] = ["BTC-USDT", "ETH-BTC", "ETH-USDT"]
    if said.keys() & {"trading_pairs", "trading_pairs_file"}:
        data["universe"] = None
    assert Strategy.model_validate(data) != Strategy.model_validate(whole)


def test_every_line_of_the_full_file_says_its_unit_or_meaning() -> None:
    """No parameter stands there without a remark, but the sections' kinds and flags."""
    bare = {
        line.strip()
        for line in FULL.read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.strip().startswith("#") and "  # " not in line
    }
    assert bare <= {"capital_allocation:", "start_currency: false", "session:", "risk:"}


def table() -> str:
    """The model's fields as the page has them."""
    lines = ["| parameter | default | unit or choices | |", "| --- | --- | --- | --- |"]
    for row in rows().values():
        default = f"`{row.default}`" if row.default not in ("", "required") else row.default
        cells = (f"`{row.name}`", default, row.unit.replace("|", "\\|"), row.meaning)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def test_the_page_has_the_fields_of_the_model() -> None:
    """docs/strategies.md has the table that the model gives, to the letter."""
    page = PAGE.read_text(encoding="utf-8")
    there = page[page.index(BEGIN) + len(BEGIN) : page.index(END)]
    assert there == table(), f"put this between the marks of {PAGE}:\n{table()}"
