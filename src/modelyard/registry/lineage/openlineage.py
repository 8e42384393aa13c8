"""Write the graph as run events of OpenLineage, for tools that gather lineage from many systems.

Each version is the output of one run: the run that its record names, or one derived from the record's digest, so that
a repeated export is the same. The datasets it came from, and its parent versions, are
the inputs. Source: OpenLineage specification, schema 2-0-2 (RunEvent and facets).
"""

from __future__ import annotations

import re
import uuid
from typing import Any

from modelyard.db.transaction import Transaction
from modelyard.domain.times import time_text
from modelyard.registry import edges
from modelyard.registry.lineage import queries
from modelyard.registry.lineage.usecases import Graph, Node

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
_SPACE = uuid.UUID("b7a6f0d4-3c53-4d9b-9a2e-6f6f2b0f9c11")
_HEX = re.compile(r"[0-9a-f]{32}\Z")


def run_events(tx: Transaction, graph: Graph, public_url: str, release: str) -> list[dict[str, Any]]:
    """Return the run events, oldest first, without hidden nodes."""
    nodes = graph.by_key
    shown = [node for node in graph.nodes if node.kind == edges.VERSION and not node.hidden]
    records = queries.list_records(tx, [int(node.key.partition(":")[2]) for node in shown]) if shown else {}
    writer = _Writer(public_url.rstrip("/"), release)
    shown.sort(key=lambda node: (node.created_at or 0, node.name))
    return [
        writer.event(
            node,
            records[int(node.key.partition(":")[2])],
            [nodes[edge.source] for edge in graph.edges if edge.target == node.key],
        )
        for node in shown
    ]


class _Writer:
    def __init__(self, public_url: str, release: str) -> None:
        self._url = public_url
        self._producer = f"urn:modelyard:{release}"

    def event(self, node: Node, record: dict[str, Any], sources: list[Node]) -> dict[str, Any]:
        model, _, number = node.name.partition(":")
        namespace, _, name = model.partition("/")
        inputs = [source for source in sources if not source.hidden and source.kind != edges.RUN]
        run: dict[str, Any] = {"runId": _run_id(node, record)}
        if facets := self._run_facets(record):
            run["facets"] = facets
        job: dict[str, Any] = {"namespace": namespace, "name": f"train.{name}"}
        if facets := self._job_facets(record):
            job["facets"] = facets
        entries = {str(entry.get("digest")): entry for entry in record.get("data", ())}
        return {
            "eventTime": time_text(node.created_at or 0),
            "eventType": "COMPLETE",
            "producer": self._producer,
            "schemaURL": SCHEMA,
            "run": run,
            "job": job,
            "inputs": [self._input(source, entries.get(str(source.digest), {})) for source in inputs],
            "outputs": [
                {
                    "namespace": self._url,
                    "name": model,
                    "facets": {"version": self._facet("DatasetVersionDatasetFacet", datasetVersion=number)},
                }
            ],
        }

    def _facet(self, kind: str, edition: str = "1-0-1", /, **fields: Any) -> dict[str, Any]:
        return {
            "_producer": self._producer,
            "_schemaURL": f"{_FACETS}/{edition}/{kind}.json#/$defs/{kind}",
            **fields,
        }

    def _input(self, source: Node, entry: dict[str, Any]) -> dict[str, Any]:
        if source.kind != edges.DATASET:
            return {"namespace": self._url, "name": source.name}
        facets: dict[str, Any] = {
            "version": self._facet("DatasetVersionDatasetFacet", datasetVersion=str(source.digest))
        }
        if columns := entry.get("columns"):
            facets["schema"] = self._facet(
                "SchemaDatasetFacet", "1-1-1", fields=[{"name": str(column)} for column in columns]
            )
        if isinstance(entry.get("source"), str):
            # The specification requires a URI; a path or a query is given only as a name.
            facets["dataSource"] = self._facet("DatasourceDatasetFacet", name=entry["source"][:1000])
        found: dict[str, Any] = {
            "namespace": self._url,
            "name": source.name.partition("@")[0],
            "facets": facets,
        }
        if isinstance(entry.get("rows"), int):
            found["inputFacets"] = {
                "inputStatistics": self._facet(
                    "InputStatisticsInputDatasetFacet", "1-0-0", rowCount=entry["rows"]
                )
            }
        return found

    def _run_facets(self, record: dict[str, Any]) -> dict[str, Any]:
        version = record.get("environment", {}).get("python")
        if not version:
            return {}
        return {
            "processing_engine": self._facet(
                "ProcessingEngineRunFacet", "1-1-1", version=str(version), name="python"
            )
        }

    def _job_facets(self, record: dict[str, Any]) -> dict[str, Any]:
        code = record.get("code", {})
        if not (code.get("repository") and code.get("commit")):
            return {}
        return {
            "sourceCodeLocation": self._facet(
                "SourceCodeLocationJobFacet",
                "1-0-1",
                type="git",
                url=str(code["repository"]),
                version=str(code["commit"]),
            )
        }


def _run_id(node: Node, record: dict[str, Any]) -> str:
    said = str(record.get("run", {}).get("id", "")).replace("-", "")
    if _HEX.match(said):
        return str(uuid.UUID(said))
    return str(uuid.uuid5(_SPACE, f"{node.name} {node.digest}"))
