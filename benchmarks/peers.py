"""What Modelyard is compared with: an MLflow server, nginx, an empty route, a plain Python loop.

MLflow gets a virtual environment of its own (`.venv-mlflow`, made once, about 850 MB), with a driver for PostgreSQL. nginx and wrk come from
the system's packages.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parent.parent
MLFLOW = ("mlflow==3.17.2", "psycopg2-binary")


@dataclass(frozen=True)
class Server:
    url: str
    pid: int
    folder: Path


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(url: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@contextlib.contextmanager
def process(
    command: list[str], folder: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process group of its own, which is ended at the end."""
    with (folder / "server.log").open("ab") as log:
        started = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, 15)
        try:
            started.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, 9)
            started.wait()


def mlflow_program() -> Path:
    folder = ROOT / ".venv-mlflow"
    program = folder / "bin" / "mlflow"
    if not program.exists() or not any(folder.glob("lib/*/site-packages/psycopg2")):
        print(f"installing {' and '.join(MLFLOW)} into {folder.name} (once) …", file=sys.stderr)
        if not (folder / "bin" / "pip").exists():
            venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *MLFLOW], check=True)
    return program


@contextlib.contextmanager
def mlflow(folder: Path, workers: int, database_url: str | None = None) -> Iterator[Server]:
    """`mlflow server` on a folder, and on a PostgreSQL or, with None, on SQLite. Its tables are made at the first start."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    if database_url is None:
        store = f"sqlite:///{folder / 'mlflow.db'}"
    else:
        store = urlunsplit(urlsplit(database_url)._replace(scheme="postgresql+psycopg2"))
    command = [
        str(mlflow_program()),
        "server",
        "--backend-store-uri",
        store,
        "--artifacts-destination",
        str(folder / "artifacts"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        str(workers),
    ]
    path = f"{mlflow_program().parent}:{os.environ['PATH']}"
    with process(command, folder, {**os.environ, "PATH": path}) as started:
        wait_for(f"http://127.0.0.1:{port}/health")
        yield Server(f"http://127.0.0.1:{port}", started.pid, folder)


def fill_mlflow(folder: Path, models: int, versions: int) -> None:
    """Rows for `models` models and one named `big` that has half of all versions."""
    database = sqlite3.connect(folder / "mlflow.db")
    now = int(time.time() * 1000)
    workspaces = "workspace" in {row[1] for row in database.execute("PRAGMA table_info(registered_models)")}
    names = ["big", *(f"m{n:03}" for n in range(models))]
    each = versions // 2 // models
    numbers = {"big": versions // 2, **dict.fromkeys(names[1:], each)}
    extra, value = (", workspace", ", 'default'") if workspaces else ("", "")
    database.executemany(
        f"INSERT INTO registered_models (name, creation_time, last_updated_time, description{extra}) "
        f"VALUES (?, {now}, {now}, ''{value})",
        [(name,) for name in names],
    )
    database.executemany(
        "INSERT INTO model_versions (name, version, creation_time, last_updated_time, description, current_stage, source, "
        f"status{extra}) VALUES (?, ?, {now}, {now}, '', 'None', 's3://nowhere/x', 'READY'{value})",
        ((name, n) for name in names for n in range(1, numbers[name] + 1)),
    )
    database.commit()
    database.close()


@contextlib.contextmanager
def nginx(folder: Path, root: Path) -> Iterator[Server]:
    """nginx with sendfile, one worker, over the files in `root`."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"user {'root' if os.getuid() == 0 else ''};\n".replace("user ;\n", "")
        + "events {}\n"
        + f"http {{ access_log off; sendfile on; tcp_nopush on; server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with process([program, "-p", str(folder), "-c", str(folder / "nginx.conf")], folder) as started:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield Server(f"http://127.0.0.1:{port}", started.pid, folder)


_EMPTY = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def empty(request):
    return Response(b"{}", media_type="application/json")

uvicorn.run(Starlette(routes=[Route("/empty", empty)]), port=int(sys.argv[1]), log_level="error", access_log=False)
"""


@contextlib.contextmanager
def empty_route(folder: Path) -> Iterator[Server]:
    """The same server program with one route that does nothing: what the framework alone can do."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    with process([sys.executable, "-c", _EMPTY, str(port)], folder) as started:
        wait_for(f"http://127.0.0.1:{port}/empty")
        yield Server(f"http://127.0.0.1:{port}", started.pid, folder)


def plain_write(source: Path, target: Path) -> float:
    """Seconds that one plain Python process takes to hash, write and fsync the bytes of `source`."""
    started = time.perf_counter()
    digest = hashlib.sha256()
    with source.open("rb") as read, target.open("wb") as write:
        while block := read.read(1 << 20):
            digest.update(block)
            write.write(block)
        write.flush()
        os.fsync(write.fileno())
    elapsed = time.perf_counter() - started
    target.unlink()
    return elapsed


def memory_mb(pid: int) -> float:
    """Proportional memory of a process and all its children, in MB."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1000


_TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid: int) -> float:
    """Processor time of a process and all its descendants so far, also of those that have ended."""
    ticks = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


@contextlib.contextmanager
def alone(pid: int, pids: Iterable[int]) -> Iterator[None]:
    """Let only `pid` of all the servers run: those that idle next to it are stopped meanwhile."""
    others = [each for other in pids if other != pid for each in tree(other)]
    _signal(others, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(others, signal.SIGCONT)


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*"):
            with contextlib.suppress(OSError):
                found.extend(int(child) for child in (task / "children").read_text().split())
    return found
