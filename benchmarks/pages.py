"""Server time of each page at 10 000 models with 100 000 versions, and at 10⁶ versions."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.support.server import RunningServer, running_server

from benchmarks.load import interleaved, median_ms
from benchmarks.scale import fill
from benchmarks.table import Row, at_most

_MODELS, _VERSIONS, _MANY = 10_000, 100_000, 1_000_000
_TARGET_MS = 50.0
PATHS = {
    "home": "/",
    "models": "/models",
    "models by words": "/models?q=scorer",
    "model": "/models/bench/big",
    "version": "/models/bench/big/versions/40000",
    "compare": "/models/bench/big/compare?v=3&v=40000",
    "approvals": "/approvals",
    # Without the event that notes, in one body, all the rows that the benchmark wrote past the log.
    "audit": "/audit?kind=version.*",
    "measures": "/settings/measures",
}


def times(server: RunningServer) -> dict[str, float]:
    token = {"Authorization": f"Bearer {server.token}"}
    return interleaved(
        2, {name: partial(median_ms, server.url + path, token, 15) for name, path in PATHS.items()}
    )


def measure(folder: Path) -> list[Row]:
    with running_server(folder=folder / "few") as few, running_server(folder=folder / "many") as many:
        fill(few, _MODELS, _VERSIONS)
        fill(many, _MODELS, _MANY)
        found, large = times(few), times(many)
    rows = []
    for name, taken in found.items():
        rows.append(at_most(f"page {name}, 10 000 models and 100 000 versions", taken, _TARGET_MS, "ms"))
        rows.append(at_most(f"page {name}, 10⁶ versions", large[name], 2 * _TARGET_MS, "ms"))
    return rows
