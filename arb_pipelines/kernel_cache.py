"""Where numba keeps compiled kernels: a folder for each state of the sources behind them.

Numba notices a change of the file that defines a kernel, not of the functions
that the kernel calls from other files; it would go on with the old machine code
and say nothing. Keyed by everything that files with kernels import, a cache is
never stale, and a change anywhere else compiles nothing anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).parent
_VARIABLE = "NUMBA_CACHE_DIR"  # numba's own, read when numba is imported
_KERNELS = re.compile(rb"^from numba import|^import numba", re.MULTILINE)
_IMPORTS = re.compile(rb"^\s*(?:from|import) ([\w.]+)(?: import (\([^)]*\)|.*))?", re.MULTILINE)


def use_fresh_kernels() -> Path:
    """Point numba to the cache of these sources, below ``NUMBA_CACHE_DIR`` where that is set.

    Must run before the first kernel is defined. Processes started from here
    inherit the folder.
    """
    digest = _digest_of_sources()
    given = os.environ.get(_VARIABLE)
    folder = Path(given) if given else _PACKAGE / "__pycache__" / "kernels"
    if folder.name != digest:
        folder = folder / digest
    os.environ[_VARIABLE] = str(folder)
    config = sys.modules.get("numba.core.config")
    if config is not None:  # imported by somebody before us
        config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    return folder


def _digest_of_sources() -> str:
    """Digest the files that files with kernels import, directly or through others."""
    contents = {file: file.read_bytes() for file in _sources()}
    waiting = [
        file
        for file, content in contents.items()
        if b"numba" in content and _KERNELS.search(content)
    ]
    behind: set[Path] = set()
    while waiting:
        found = set(_imported(contents[waiting.pop()])) & contents.keys()
        waiting += found - behind
        behind |= found
    digest = hashlib.sha256()
    for file in sorted(behind):
        digest.update(file.relative_to(_PACKAGE).as_posix().encode() + b"\0" + contents[file])
    return digest.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    """Name all sources: what every process waits for at its start, so by the quicker way."""
    for folder, folders, names in os.walk(_PACKAGE):
        if "__pycache__" in folders:
            folders.remove("__pycache__")
        for name in names:
            if name.endswith(".py"):
                yield Path(folder, name)


def _imported(content: bytes) -> Iterator[Path]:
    """Name the files of this package that may stand behind the imports of a source."""
    for module, names in _IMPORTS.findall(content):
        package, *parts = module.decode().split(".")
        if package != _PACKAGE.name:
            continue
        path = _PACKAGE.joinpath(*parts)
        yield path.with_suffix(".py")
        yield path / "__init__.py"
        for name in re.findall(r"\w+", names.decode()):
            yield path / f"{name}.py"
