"""Days and ranges of days as a person writes them."""

from __future__ import annotations

from datetime import date

import pytest

from arb_pipelines.clock import parse_days
from arb_pipelines.errors import ConfigError


def test_a_range_has_both_its_ends() -> None:
    """A range is inclusive; a day alone is a range of one."""
    days = [date(2025, 8, 31), date(2025, 9, 1)]
    assert parse_days("2025-08-31..2025-09-01") == days
    assert parse_days("2025-08-31") == days[:1]


@pytest.mark.parametrize(
    "text", ["", "..", "2025-08-31..", "..2025-08-31", "2025-09-01..2025-08-31", "2025-09-31"]
)
def test_half_a_range_is_no_range(text: str) -> None:
    """A forgotten end is not taken for a single day."""
    with pytest.raises(ConfigError):
        parse_days(text)
