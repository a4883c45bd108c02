"""The maintenance job as Dagster runs it."""

from __future__ import annotations

from arb_pipelines.definitions import build_defs
from arb_pipelines.lake.schemas import CYCLES
from arb_pipelines.lake.store import Lake


def test_the_maintenance_job_tells_what_it_did(lake: Lake) -> None:
    """The job runs on this home's lake, and the lake can be read after it."""
    lake.commit(lambda tx: tx.append(CYCLES, CYCLES.frame()))
    job = build_defs(home=lake.root).resolve_job_def("maintenance")
    result = job.execute_in_process()
    assert result.success
    (done,) = [e for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
    assert set(done.step_output_data.metadata) >= {"merged_files", "expired_snapshots"}
    assert lake.query("SELECT count(*) FROM cycles").item() == 0
