"""What ``arb_pipelines`` itself offers, and what it costs who wants none of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import arb_pipelines


def test_the_package_loads_nothing_until_it_is_asked() -> None:
    """Every command and process imports it first."""
    asked = "import sys, arb_pipelines; print(*(m for m in sys.modules if m.count('.') == 1))"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60
    )
    ours = {name for name in done.stdout.split() if name.startswith("arb_pipelines.")}
    assert ours == {"arb_pipelines.kernel_cache"}


def test_what_it_offers_is_there() -> None:
    """Each name, and no other."""
    for name in arb_pipelines.__all__:
        assert getattr(arb_pipelines, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'execute_cycles'"):
        getattr(arb_pipelines, "execute_cycles")  # noqa: B009 - a name that mypy would refuse
