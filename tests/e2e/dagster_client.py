"""A person at the Dagster UI, as a program: the few GraphQL calls the UI makes."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "arb_pipelines"}
FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}

#: What the UI shows of a run: its config and tags, and of each event all that has words.
_SHOWN_OF_RUN = """
query($id: ID!, $after: String) { runOrError(runId: $id) { __typename ... on Run {
  runConfigYaml tags { key value }
  eventConnection(afterCursor: $after) { cursor hasMore events {
    __typename
    ... on MessageEvent { message }
    ... on DisplayableEvent { label description metadataEntries { ...entry } }
    ... on ErrorEvent { error { ...error } }
    ... on ExecutionStepFailureEvent { failureMetadata { metadataEntries { ...entry } } }
    ... on AssetCheckEvaluationEvent {
      evaluation { description metadataEntries { ...entry } } } } } } } }
fragment error on PythonError { message stack causes { message stack } }
fragment entry on MetadataEntry { label description
  ... on TextMetadataEntry { text } ... on JsonMetadataEntry { jsonString }
  ... on MarkdownMetadataEntry { mdStr } ... on UrlMetadataEntry { url }
  ... on PathMetadataEntry { path } ... on NotebookMetadataEntry { path }
  ... on PythonArtifactMetadataEntry { module name }
  ... on TableMetadataEntry { table { records } } }
"""


@dataclass(frozen=True, slots=True)
class DagsterClient:
    """Talks to the webserver at ``address``; every wait has an end."""

    address: str

    def ask(self, query: str, **variables: Any) -> Any:
        """Send one operation; return its only field, and fail on any GraphQL error."""
        request = urllib.request.Request(
            f"{self.address}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        (field,) = answer["data"].values()
        assert "Error" not in field.get("__typename", ""), field
        return field

    def add_partition(self, definition: str, key: str) -> None:
        """Add a dynamic partition."""
        self.ask(
            """mutation($selector: RepositorySelector!, $definition: String!, $key: String!) {
              addDynamicPartition(repositorySelector: $selector, partitionsDefName: $definition,
                partitionKey: $key) { __typename } }""",
            selector=LOCATION,
            definition=definition,
            key=key,
        )

    def switch_sensor(self, name: str, *, on: bool) -> None:
        """Start or stop a sensor."""
        sensor = self.ask(
            """query($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) {
              __typename ... on Sensor { id } } }""",
            selector=LOCATION | {"sensorName": name},
        )
        if on:
            self.ask(
                """mutation($selector: SensorSelector!) { startSensor(sensorSelector: $selector) {
                  __typename } }""",
                selector=LOCATION | {"sensorName": name},
            )
        else:
            self.ask(
                "mutation($id: String!) { stopSensor(id: $id) { __typename } }", id=sensor["id"]
            )

    def ticks(self) -> dict[str, list[str]]:
        """What the ticks of each running sensor and schedule came to; a failed one, its error."""
        found = self.ask(
            """query($selector: RepositorySelector!) {
              repositoryOrError(repositorySelector: $selector) { __typename ... on Repository {
                sensors { name sensorState { ...state } }
                schedules { name scheduleState { ...state } } } } }
            fragment state on InstigationState { status ticks { status error { message } } }""",
            selector=LOCATION,
        )
        states = {one["name"]: one["sensorState"] for one in found["sensors"]}
        states |= {one["name"]: one["scheduleState"] for one in found["schedules"]}
        return {
            name: [
                tick["error"]["message"] if tick["error"] else tick["status"]
                for tick in state["ticks"]
            ]
            for name, state in states.items()
            if state["status"] == "RUNNING"
        }

    def try_schedule(self, name: str, at_s: float) -> Any:
        """Evaluate a schedule for a time without launching anything; give what it says."""
        tried = self.ask(
            """mutation($selector: ScheduleSelector!, $at: Float!) {
              scheduleDryRun(selectorData: $selector, timestamp: $at) { __typename
                ... on DryRunInstigationTick { evaluationResult {
                  skipReason error { message } runRequests { runKey } } } } }""",
            selector=LOCATION | {"scheduleName": name},
            at=at_s,
        )
        return tried["evaluationResult"]

    def launch(self, job: str, partition: str) -> str:
        """Launch one partition of a job; return the run id."""
        launched = self.ask(
            """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
              __typename ... on LaunchRunSuccess { run { runId } }
              ... on PythonError { message } } }""",
            params={
                "selector": LOCATION | {"jobName": job},
                "runConfigData": "{}",
                "executionMetadata": {"tags": [{"key": "dagster/partition", "value": partition}]},
            },
        )
        return str(launched["run"]["runId"])

    def backfill(self, job: str, partitions: list[str]) -> str:
        """Launch a backfill of a job over partitions; return its id."""
        launched = self.ask(
            """mutation($params: LaunchBackfillParams!) {
              launchPartitionBackfill(backfillParams: $params) { __typename
                ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
            params={
                "selector": {
                    "partitionSetName": f"{job}_partition_set",
                    "repositorySelector": LOCATION,
                },
                "partitionNames": partitions,
            },
        )
        return str(launched["backfillId"])

    def wait_for_run(self, run_id: str) -> str:
        """Wait until a run has finished; return its status."""
        return self._until(lambda: self.status(run_id), FINISHED.__contains__)

    def wait_for_backfill(self, backfill_id: str) -> str:
        """Wait until a backfill has finished; return its status."""
        query = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { __typename
          ... on PartitionBackfill { status } } }"""
        return self._until(
            lambda: self.ask(query, id=backfill_id)["status"],
            lambda status: status not in {"REQUESTED", "CANCELING"},
        )

    def runs(self, **filters: Any) -> list[dict[str, Any]]:
        """List the runs that match a filter, newest first, with their tags as a mapping."""
        found = self.ask(
            """query($filter: RunsFilter) { runsOrError(filter: $filter) { __typename
              ... on Runs { results { runId jobName status tags { key value } } } } }""",
            filter=filters,
        )["results"]
        return [run | {"tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

    def wait_for_requests(self, count: int, **filters: Any) -> list[dict[str, Any]]:
        """Wait until there are ``count`` runs that match a filter, in whatever state."""
        return self._until(lambda: self.runs(**filters), lambda runs: len(runs) >= count)

    def wait_for_runs(self, count: int, **filters: Any) -> list[dict[str, Any]]:
        """Wait until ``count`` runs that match a filter have finished; return them."""

        def finished() -> list[dict[str, Any]]:
            return [run for run in self.runs(**filters) if run["status"] in FINISHED]

        return self._until(finished, lambda runs: len(runs) >= count)

    def status(self, run_id: str) -> str:
        """Status of a run."""
        query = """query($id: ID!) { runOrError(runId: $id) { __typename
          ... on Run { status } } }"""
        return str(self.ask(query, id=run_id)["status"])

    def shown(self) -> Iterator[tuple[str, str]]:
        """Yield ``(place, text)`` for every text that the UI shows of any run.

        Config, tags, and events: their messages and errors, what runs and checks reported.
        """
        for run in self.runs():
            name, more, after = f"run {run['runId']}", True, None
            while more:
                seen = self.ask(_SHOWN_OF_RUN, id=run["runId"], after=after)
                yield f"{name}, config", seen["runConfigYaml"]
                for tag in seen["tags"]:
                    yield from ((f"{name}, tag {tag['key']}", text) for text in tag.values())
                page = seen["eventConnection"]
                for event in page["events"]:
                    place = f"{name}, {event['__typename']}"
                    yield from ((f"{place}.{field}", text) for field, text in _texts(event))
                more, after = page["hasMore"], page["cursor"]

    def terminate(self, run_id: str) -> None:
        """Press Terminate: ask a run to end in order."""
        self.ask(
            """mutation($id: String!) { terminateRun(runId: $id) { __typename
              ... on TerminateRunFailure { message } ... on PythonError { message } } }""",
            id=run_id,
        )

    def figures(self, asset: str, run_id: str) -> dict[str, Any]:
        """Numbers of the newest materialisation of an asset by a run; none before the first."""
        node = self.ask(
            """query($key: AssetKeyInput!) { assetOrError(assetKey: $key) { __typename
              ... on Asset { assetMaterializations(limit: 50) { runId metadataEntries { label
                ... on IntMetadataEntry { intValue }
                ... on MarkdownMetadataEntry { mdStr } } } } } }""",
            key={"path": [asset]},
        )
        for event in node.get("assetMaterializations", []):
            if event["runId"] == run_id:
                return {
                    entry["label"]: entry.get("intValue", entry.get("mdStr"))
                    for entry in event["metadataEntries"]
                }
        return {}

    def materialized_partitions(self, asset: str) -> int:
        """Number of partitions that the UI shows as materialised."""
        node = self.ask(
            """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { __typename
              ... on AssetNode { partitionStats { numMaterialized } } } }""",
            key={"path": [asset]},
        )
        return int(node["partitionStats"]["numMaterialized"])

    def until(self, look: Callable[[], T], good: Callable[[T], bool]) -> T:
        """Look again and again until what is seen is good; return it."""
        return self._until(look, good)

    @staticmethod
    def _until(look: Callable[[], T], good: Callable[[T], bool], timeout_s: float = 240.0) -> T:
        deadline = time.monotonic() + timeout_s
        while not good(seen := look()):
            assert time.monotonic() < deadline, f"gave up after {timeout_s} s on {seen}"
            time.sleep(0.25)  # between two looks at a condition, not in place of one
        return seen


def _texts(document: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Each text in a document, with the name of the field that has it."""
    match document:
        case str():
            yield field, document
        case list():
            for part in document:
                yield from _texts(part, field)
        case dict():
            for name, part in document.items():
                yield from _texts(part, name)
