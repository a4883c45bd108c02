"""docs/settings.md says of every setting what the model says, in the model's order."""

from __future__ import annotations

from pathlib import Path

from arb_pipelines.settings import Settings
from arb_pipelines.trading.strategy_fields import field_rows

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
PREFIX = Settings.model_config["env_prefix"]


def rows() -> list[str]:
    """The lines of the page's tables that the model gives."""
    lines = []
    for row in field_rows(Settings):
        default = "unset" if row.default == "null" else f"`{row.default}`"
        cells = (f"`{PREFIX}{row.name.upper()}`", default, row.unit, row.meaning)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return lines


def test_the_page_has_every_setting_of_the_model() -> None:
    """Name, default, unit and meaning to the letter; topics are the page's own."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    there = [line for line in lines if line.startswith(f"| `{PREFIX}")]
    expected = rows()
    assert there == expected, "the tables of docs/settings.md are:\n" + "\n".join(expected)


def test_every_setting_says_its_meaning_and_none_is_required() -> None:
    """An installation without any setting runs."""
    for row in field_rows(Settings):
        assert row.meaning.endswith("."), row.name
        assert row.default != "required", row.name


def test_no_topic_is_empty() -> None:
    """Each heading has a table with a setting in it."""
    _, *topics = PAGE.read_text(encoding="utf-8").split("\n## ")
    assert len(topics) > 5
    assert [topic.splitlines()[0] for topic in topics if f"\n| `{PREFIX}" not in topic] == []
