"""A server whose pool `cluster` is a real cluster. Its agents reach it through a line of their own network."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.support import ray_cluster, slurm_cluster
from tests.support.relay import between_networks
from tests.support.server import RunningServer, running_server
from tests.support.services import free_ports

Cluster = slurm_cluster.Cluster | ray_cluster.Cluster
POOL = "cluster"


def lacking(kind: str) -> str:
    """Return why builds cannot run on a real cluster of this kind here; "": they can."""
    if os.environ.get("MODELYARD_ENGINES") != "all":
        return "it takes minutes; run make engines"
    return slurm_cluster.lacking() if kind == "slurm" else ray_cluster.lacking()


@contextmanager
def server_with_cluster(kind: str, folder: Path) -> Iterator[tuple[RunningServer, Cluster]]:
    """Start a cluster, `slurm` or `ray`, and a server that knows it. Builds work in FOLDER/jobs."""
    with _cluster(kind, folder / "cluster") as cluster:
        # The port of the server is not known before it starts, and its settings hold the line's.
        free = free_ports(1)[0]
        with between_networks(free, listen_in=cluster.pid) as port:
            if isinstance(cluster, slurm_cluster.Cluster):
                own = [f'programs = "{cluster.programs}"']
            else:
                own = [f'address = "{cluster.address}"', f'token_file = "{cluster.token_file}"']
            file = write_pools(folder, kind, port, own)
            with running_server(port=free, build_pools=file) as server:
                yield server, cluster


def _cluster(kind: str, folder: Path) -> AbstractContextManager[Cluster]:
    # The documentation asks for as much: an agent gives its steps ten seconds.
    return (
        slurm_cluster.cluster(folder, kill_wait_seconds=15) if kind == "slurm" else ray_cluster.cluster(folder)
    )


def write_pools(folder: Path, kind: str, port: int, own: Sequence[str]) -> Path:
    """Write the setting `build_pools`. port: at which agents reach the server. own: lines for this kind."""
    lines = [
        f"[pools.{POOL}]",
        f'kind = "{kind}"',
        f'url = "http://127.0.0.1:{port}"',
        f'command = "{sys.executable} -m modelyard.agent"',
        f'folder = "{folder / "jobs"}"',
        'builds = "contributors"',
        *own,
    ]
    file = folder / "pools.toml"
    file.write_text("\n".join(lines))
    return file
