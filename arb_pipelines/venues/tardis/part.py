"""A download that has begun: bytes on disk that no reader ever sees half of.

The bytes lie in ``.<name>.part`` beside their final place, and ``.<name>.part.json``
says which version of the file they are of. Only when all are there and the gzip
is whole do they take the final name, in one rename.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

_CHUNK = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS


class PartFile:
    """The begun download of ``target``; it survives the process."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.part")
        self._facts = target.with_name(f".{target.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def validator(self) -> str | None:
        """Strong ETag (or date) of the version they are of; without one they are useless."""
        known = self._read().get("validator")
        return known if isinstance(known, str) else None

    @property
    def length(self) -> int | None:
        """Bytes that there will be, where the server said."""
        known = self._read().get("length")
        return known if isinstance(known, int) else None

    def begin(self, validator: str | None, length: int | None) -> None:
        """Start anew. The bytes go first, so that they are never taken for another version's."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(b"")
        self.describe(validator, length)

    def describe(self, validator: str | None, length: int | None) -> None:
        """Note which version the bytes are of, and how many there will be."""
        facts = self._facts.with_suffix(".new")
        facts.write_text(json.dumps({"validator": validator, "length": length}))
        facts.replace(self._facts)

    def discard(self) -> None:
        """Forget what was downloaded."""
        self.path.unlink(missing_ok=True)
        self._facts.unlink(missing_ok=True)

    def finish(self) -> int:
        """Give the bytes their final name, on disk for good; return how many."""
        size = self.size
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.target)
        self._facts.unlink(missing_ok=True)
        return size

    def content_size(self) -> int | None:
        """Decompress the whole; return the size of the content, ``None`` if it is not whole."""
        size, inflate = 0, zlib.decompressobj(_GZIP)
        try:
            with self.path.open("rb") as file:
                while raw := file.read(_CHUNK):
                    while raw:
                        if inflate.eof:
                            inflate = zlib.decompressobj(_GZIP)
                        size += len(inflate.decompress(raw))
                        raw = inflate.unused_data
        except zlib.error:
            return None
        return size if inflate.eof else None

    def _read(self) -> dict[str, object]:
        try:
            facts = json.loads(self._facts.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}
