"""Where numba keeps compiled kernels: a folder for each state of this package's sources.

Numba notices a change of the file that defines a kernel, not of the functions
that the kernel calls from other files; it would go on with the old machine code
and say nothing. Keyed by all the sources a kernel can reach, a cache is never stale.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).parent
#: No kernel imports from these rooms; the import rules keep it so.
_ABOVE_KERNELS = ("commands", "research", "venues")
_VARIABLE = "NUMBA_CACHE_DIR"  # numba's own, read when numba is imported


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
    digest = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        name = file.relative_to(_PACKAGE)
        if name.parts[0] not in _ABOVE_KERNELS:
            digest.update(name.as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
