"""Compiled kernels are never older than the sources."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from numba.core import config

from arb_pipelines import kernel_cache


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of three modules in place of this one, one with a kernel."""
    folder = tmp_path / "package"
    (folder / "inner").mkdir(parents=True)
    (folder / "kernel.py").write_text(
        "from numba import njit\n\nfrom package.inner import (\n    rule,\n)\n"
    )
    (folder / "inner" / "rule.py").write_text("from package.inner.base import base\n")
    (folder / "inner" / "base.py").write_text("base = 1\n")
    (folder / "aside.py").write_text("aside = 1\n")
    monkeypatch.setattr(kernel_cache, "_PACKAGE", folder)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(config, "CACHE_DIR", config.CACHE_DIR)  # put back at the end
    return folder


@pytest.mark.parametrize(
    ("changed", "moves"), [("inner/rule.py", True), ("inner/base.py", True), ("aside.py", False)]
)
def test_only_a_change_behind_a_kernel_leads_to_another_folder(
    package: Path, monkeypatch: pytest.MonkeyPatch, changed: str, moves: bool
) -> None:
    """A rule that a kernel calls from another file counts as the kernel's own source."""
    before = kernel_cache.use_fresh_kernels()
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    with (package / changed).open("a") as file:
        file.write("# changed\n")
    after = kernel_cache.use_fresh_kernels()
    assert after.parent == before.parent
    assert (after != before) is moves


def test_a_copy_shares_the_folder_s_name(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contents decide, not when or where the files were written."""
    here = kernel_cache.use_fresh_kernels()
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    copy = tmp_path / "copy" / "package"
    shutil.copytree(package, copy)
    monkeypatch.setattr(kernel_cache, "_PACKAGE", copy)
    assert kernel_cache.use_fresh_kernels().name == here.name


def test_a_child_process_uses_its_parent_s_folder(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was set from outside is a root; one that was inherited is kept."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(package / "cache"))
    parent = kernel_cache.use_fresh_kernels()
    assert parent.parent == package / "cache"
    assert kernel_cache.use_fresh_kernels() == parent
