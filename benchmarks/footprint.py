"""Sizes and starts: idle memory, cold start, the client's install and import."""

from __future__ import annotations

import compileall
import statistics
import subprocess
import sys
import time
import venv
from pathlib import Path

from tests.support.server import running_server

import modelyard
from benchmarks import peers
from benchmarks.table import Row, at_most


def measure(folder: Path) -> list[Row]:
    # As an installation leaves it: compiling the sources is no part of a start.
    compileall.compile_dir(Path(modelyard.__file__).parent, quiet=1)
    with running_server(folder=folder / "ours") as server:
        time.sleep(5)
        idle = peers.memory_mb(server.pid)
        starts = []
        for _ in range(5):
            server.restart()
            starts.append(server.started_in_seconds)
    with peers.mlflow(folder / "mlflow", 4) as other:
        time.sleep(10)
        default = peers.memory_mb(other.pid)
    with peers.mlflow(folder / "mlflow-1", 1) as other:
        time.sleep(10)
        single = peers.memory_mb(other.pid)
    mlflow = min(default, single)
    return [
        at_most("idle memory", idle, 100, "MB"),
        Row(
            "idle memory against MLflow",
            f"{idle:.0f} MB",
            f"{mlflow:.0f} MB MLflow",
            idle / mlflow,
            "≤ 0.05",
            idle / mlflow <= 0.05,
        ),
        at_most("cold start to ready", statistics.median(starts), 1.5, "s"),
        *client(folder),
    ]


def client(folder: Path) -> list[Row]:
    """The client alone in an environment of its own."""
    place = folder / "client"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    packages = next((place / "lib").glob("python*/site-packages"))
    before = size_mb(packages)
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(peers.ROOT)], check=True)
    installed = size_mb(packages) - before
    program = "import time; t = time.perf_counter(); import modelyard; print((time.perf_counter() - t) * 1000)"
    taken = []
    for _ in range(7):
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
        taken.append(float(done.stdout))
    return [
        at_most("client installed", installed, 15, "MB"),
        at_most("import modelyard", statistics.median(taken), 150, "ms"),
    ]


def size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1_000_000


if __name__ == "__main__":
    sys.exit("run: python -m benchmarks footprint")
