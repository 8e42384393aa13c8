"""Whole builds on clusters: a running server, and agents on a node that reaches it through a line of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.sdk.client import Client
from modelyard.wire import builds as wire
from tests.support.cluster_pools import lacking, server_with_cluster, write_pools
from tests.support.kubernetes_emulator import emulated_kubernetes
from tests.support.registry import unique
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


@pytest.fixture(scope="module", params=["slurm", "ray", "kubernetes-emulator"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with a pool `cluster`, whose agents reach it at a port of their own network."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "kubernetes-emulator":
        with emulated_kubernetes(folder) as emulator:
            own = ['image = "an/image"', 'namespace = "ml"', f'address = "{emulator.address}"']
            own.append(f'token_file = "{emulator.token_file}"')
            (port,) = free_ports(1)
            file = write_pools(folder, "kubernetes", port, own)
            with running_server(port=port, build_pools=file) as running:
                yield running
        return
    why = lacking(request.param)
    if why:
        pytest.skip(f"no whole builds on {request.param} here: {why}")
    with server_with_cluster(request.param, folder) as (running, _):
        yield running


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
