"""Whole builds on clusters: a running server, and agents on a node that reaches it through a line of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.sdk.client import Client
from modelyard.wire import builds as wire
from tests.support import ray_cluster, slurm_cluster
from tests.support.kubernetes_emulator import emulated_kubernetes
from tests.support.registry import unique
from tests.support.relay import between_networks
from tests.support.server import RunningServer, running_server
from tests.support.services import free_ports

RECIPE = """\
version: 1
model: {model}
pool: {pool}
train: python train.py
test: python -c "print('tested')"
result: out
resources: {{cpu: 1, timeout: 10m}}
"""
TRAIN = """\
import os
os.mkdir("out")
open("out/model.txt", "w").write("x")
print("trained with", len(os.environ["MODELYARD_TOKEN"]) > 0)
"""


def agent_command() -> str:
    return f"{sys.executable} -m modelyard.agent"


@pytest.fixture(scope="module", params=["slurm", "ray", "kubernetes-emulator"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with a pool `cluster`, whose agents reach it at a port of their own network."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "kubernetes-emulator":
        with emulated_kubernetes(folder) as emulator:
            own = ['image = "an/image"', 'namespace = "ml"', f'address = "{emulator.address}"']
            own.append(f'token_file = "{emulator.token_file}"')
            (port,) = free_ports(1)
            file = pools_file(folder, "kubernetes", port, own)
            with running_server(port=port, build_pools=file) as running:
                yield running
        return
    if os.environ.get("MODELYARD_ENGINES") != "all":
        pytest.skip("whole builds on clusters take half a minute; run make engines")
    support = slurm_cluster if request.param == "slurm" else ray_cluster
    lacking = support.lacking()
    if lacking:
        pytest.skip(f"no {request.param} cluster can be started here: {lacking}")
    with support.cluster(folder / "cluster") as cluster:
        # The port of the server is not known before it starts, and its settings hold the line's.
        free = free_ports(1)[0]
        with between_networks(free, listen_in=cluster.pid) as port:
            if isinstance(cluster, slurm_cluster.Cluster):
                own = [f'programs = "{cluster.programs}"']
            else:
                own = [f'address = "{cluster.address}"', f'token_file = "{cluster.token_file}"']
            with running_server(port=free, build_pools=pools_file(folder, request.param, port, own)) as running:
                yield running


def pools_file(folder: Path, kind: str, port: int, own: list[str]) -> Path:
    lines = [
        "[pools.cluster]",
        f'kind = "{kind}"',
        f'url = "http://127.0.0.1:{port}"',
        f'command = "{agent_command()}"',
        f'folder = "{folder / "jobs"}"',
        'builds = "contributors"',
        *own,
    ]
    file = folder / "pools.toml"
    file.write_text("\n".join(lines))
    return file


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with server.client() as opened:
        yield opened


def project(client: Client, folder: Path, pool: str, train: str = TRAIN) -> str:
    space = unique("team")
    client.namespaces.create(space)
    (folder / "modelyard.yaml").write_text(RECIPE.format(model=f"{space}/scorer", pool=pool))
    (folder / "train.py").write_text(train)
    return f"{space}/scorer"


def end(client: Client, build: wire.Build) -> wire.BuildDetails:
    return [*client.builds.follow(build.id)][-1].build


def test_one_word_in_the_recipe_moves_a_build(server: RunningServer, client: Client, tmp_path: Path) -> None:
    for pool in ("local", "cluster"):
        model = project(client, tmp_path, pool)
        done = server.run("build", str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == f"{model}:1"
        assert "trained with True" in done.stderr
        (build,) = client.builds.list(model=model)
        assert (build.pool, build.status, build.attempt) == (pool, "succeeded", 1)
    shown = server.run("pool", "ls").stdout
    assert "cluster" in shown
    assert "builds of [pools.cluster] in build_pools" in shown


def test_a_build_on_a_cluster_is_cancelled(client: Client, tmp_path: Path) -> None:
    project(client, tmp_path, "cluster", "import time\nprint('long', flush=True)\ntime.sleep(600)\n")
    build = client.builds.submit(tmp_path)
    for news in client.builds.follow(build.id):
        if "long" in news.text:
            client.builds.cancel(build.id)
    assert client.builds.get(build.id).status == "cancelled"
