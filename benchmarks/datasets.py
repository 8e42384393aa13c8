"""What evidence costs: describing data, walking lineage, comparing versions.

    python benchmarks/datasets.py [--rows 1000000] [--nodes 10000] [--rounds 5]

Budgets: a million rows of 50 columns are described in 5 s of one core, in 200 kB; lineage of 10,000 nodes takes
200 ms and a comparison of 8 versions with profiles of 50 columns 100 ms on the server, both with warm profiles;
what the first comparison takes is printed too. Figures are medians of processor time, which a busy machine harms
less than the time on the wall; the database is SQLite, in this process.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow

from modelyard.blobs.filesystem import FilesystemStore
from modelyard.db.engine import Database
from modelyard.db.schema import ensure_schema
from modelyard.db.tables import lineage_edges
from modelyard.domain.actor import Actor
from modelyard.domain.digest import Digest
from modelyard.domain.manifest import File, Manifest
from modelyard.domain.names import ModelName, Ref
from modelyard.domain.record import Record
from modelyard.registry import edges
from modelyard.registry.access import usecases as access
from modelyard.registry.catalog.usecases import CatalogSettings
from modelyard.registry.comparison.usecases import compare_all
from modelyard.registry.lineage import usecases as lineage
from modelyard.registry.uploads import usecases as uploads
from modelyard.registry.versions import registering
from modelyard.registry.versions import usecases as versions
from modelyard.registry.versions.registering import Registration
from modelyard.sdk.datasets import Described, describe

MODEL = ModelName("bench", "model")
DESCRIBE_SECONDS, PROFILE_BYTES, LINEAGE_MS, COMPARE_MS = 5.0, 200_000, 200.0, 100.0


def table(rows: int, seed: int = 0, shift: float = 0.0) -> dict[str, Any]:
    """30 columns of doubles, 10 of whole numbers, 10 of texts."""
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {f"f{i}": rng.normal(shift, 10 ** (i % 5), rows) for i in range(30)}
    found |= {f"i{i}": rng.integers(0, 10 ** (i + 1), rows) for i in range(10)}
    for i in range(10):
        words = np.array([f"v{j}" for j in range(10 ** (i // 2 + 1))])
        found[f"s{i}"] = rng.choice(words, rows)
    return found


def processor_seconds(work: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)


def milliseconds(work: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """(the first, the median of the others)"""
    times = []
    for _ in range(rounds + 1):
        began = time.process_time()
        work()
        times.append((time.process_time() - began) * 1000)
    return times[0], statistics.median(times[1:])


class Bench:
    """A registry of one model in a folder."""

    def __init__(self, folder: Path) -> None:
        self.db = Database(f"sqlite:///{folder / 'bench.db'}")
        ensure_schema(self.db)
        self.blobs = FilesystemStore(folder / "blobs")
        self.db.write(lambda tx: access.create_first_owner(tx, "root", "bench"))
        found = self.db.read(lambda tx: access.account_queries.find_actor(tx, "root"))
        assert found is not None
        self.root: Actor = found.to_actor()

    def send(self, data: bytes) -> File:
        digest = Digest.of(data)
        uploads.receive_blob(self.db, self.blobs, self.root, digest, [data], len(data), 1 << 30)
        return File("weights.bin", digest, len(data))

    def register(self, number: int, data: Described) -> str:
        self.send(data.profile)
        facts = {
            "data": [data.entry],
            "params": {f"p{i}": i * number for i in range(50)},
            "metrics": {f"m{i}": i + number for i in range(50)},
            "environment": {"packages": {f"package-{i}": f"{number}.{i}" for i in range(200)}},
        }
        wanted = Registration(MODEL, Manifest.of([self.send(f"weights {number}".encode())]), Record.of(facts))
        view, _ = registering.register_version(self.db, self.blobs, self.root, CatalogSettings(), wanted)
        return str(view.ref)

    def grow(self, top: str, nodes: int) -> None:
        """A tree of runs below a version, a hundred wide."""

        def work(tx: Any) -> None:
            _, version = versions.find_version(tx, self.root, Ref.parse(top))
            rows, width = [], 100
            parents = [edges.node(edges.VERSION, version.id)]
            while len(rows) < nodes:
                children = [edges.node(edges.RUN, f"{len(rows) + i:032x}") for i in range(width)]
                rows += [(parents[i % len(parents)], child) for i, child in enumerate(children)]
                parents = children
            tx.execute(
                lineage_edges.insert(),
                [
                    {"source": source, "target": target, "relation": "read", "created_at": tx.now}
                    for source, target in rows[:nodes]
                ],
            )

        self.db.write(work)


def line(what: str, figure: str, target: str, holds: bool) -> bool:
    print(f"| {what} | {figure} | {target} | {'holds' if holds else 'falls short'} |", flush=True)
    return holds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("| what | Modelyard | target | |\n| --- | --- | --- | --- |")
    data = pyarrow.table(table(options.rows))
    profile = describe(data, name="bench").profile
    seconds = processor_seconds(lambda: describe(data, name="bench"), min(3, options.rounds))
    shape = f"{options.rows:,} rows × 50 columns"
    holds = line(
        f"describe {shape}, one core",
        f"{seconds:.2f} s",
        f"≤ {DESCRIBE_SECONDS:g} s",
        seconds <= DESCRIBE_SECONDS,
    )
    holds &= line(
        f"profile of {shape}",
        f"{len(profile) / 1000:.0f} kB",
        f"≤ {PROFILE_BYTES // 1000} kB",
        len(profile) <= PROFILE_BYTES,
    )
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        refs = [bench.register(n, describe(table(20_000, n, n / 10), name="train")) for n in range(1, 9)]
        bench.grow(refs[0], options.nodes)

        def walk() -> Any:
            return bench.db.read(lambda tx: lineage.trace(tx, bench.root, refs[0], direction="down"))

        assert len(walk().nodes) > options.nodes
        gc.freeze()  # as a server does when it has started
        _, often = milliseconds(walk, options.rounds)
        holds &= line(
            f"lineage of {options.nodes:,} nodes",
            f"{often:.0f} ms",
            f"≤ {LINEAGE_MS:g} ms",
            often <= LINEAGE_MS,
        )
        first, often = milliseconds(
            lambda: compare_all(bench.db, bench.blobs, bench.root, refs), options.rounds
        )
        line("compare 8 versions, profiles of 50 columns read again", f"{first:.0f} ms", "none", True)
        holds &= line("compare 8 versions", f"{often:.0f} ms", f"≤ {COMPARE_MS:g} ms", often <= COMPARE_MS)
        bench.db.close()
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
