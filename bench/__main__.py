"""Run the benchmarks: `python -m bench [NAME ...]`.

Each module of this folder with a ``run() -> list[dict]`` is run in a process of
its own, so that its peak memory is its own. Prints a table and writes
``build/bench.json``, a list of ``{"name", "ours", "peer", "ratio", "unit",
"bar", "holds", "peak_mib"}``.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

TOPICS = (
    "universe",
    "scanner",
    "ingest",
    "backtest",
    "bars",
    "containers",
    "optimize",
    "allocation",
    "live",
    "state",
    "risk",
    "panic",
    "recovery",
)
FIELDS = ("name", "ours", "peer", "ratio", "unit", "bar", "holds", "peak_mib")
OUTPUT = Path("build") / "bench.json"


def main(topics: list[str]) -> int:
    unknown = set(topics) - set(TOPICS)
    if unknown:
        sys.stderr.write(
            f"bench: no such benchmark {', '.join(unknown)}; there are {', '.join(TOPICS)}\n"
        )
        return 2
    rows: list[dict[str, object]] = []
    failed = []
    for topic in topics or TOPICS:
        sys.stderr.write(f"bench: {topic} ...\n")
        done = subprocess.run(
            [sys.executable, "-c", f"from bench.__main__ import one; one({topic!r})"],
            stdout=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            failed.append(topic)
        else:
            rows += json.loads(done.stdout.splitlines()[-1])
    show(rows)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(rows, indent=1) + "\n")
    sys.stdout.write(f"written to {OUTPUT}\n")
    if failed:
        sys.stderr.write(f"bench: failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def one(topic: str) -> None:
    """Run one topic in this process and print its rows as the last line."""
    rows = import_module(f"bench.{topic}").run()
    sys.stdout.write(json.dumps([{field: row[field] for field in FIELDS} for row in rows]) + "\n")


def show(rows: list[dict[str, object]]) -> None:
    packages = ("duckdb", "polars", "numpy", "numba", "aiohttp", "msgspec", "uvloop")
    title = (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in packages)
    )
    table = Table(*FIELDS, title=title)
    for row in rows:
        table.add_row(*(_cell(row[field]) for field in FIELDS))
    Console(width=150).print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
