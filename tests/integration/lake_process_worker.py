"""A process of the lake process's tests: has a child, says its id, and is killed."""

from __future__ import annotations

import sys
import time

from arb_pipelines.research.lake_process import LakeProcess
from arb_pipelines.settings import load_settings

if __name__ == "__main__":
    lake = LakeProcess(load_settings())
    with lake.running():
        sys.stdout.write(f"{lake.pid}\n")
        sys.stdout.flush()
        time.sleep(600)
