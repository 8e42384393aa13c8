"""Whole deployments on the Kubernetes target, through the native door, with an emulated cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.db.engine import Database
from modelyard.domain.errors import Invalid
from modelyard.registry.deployments.targets import Targets, open_targets
from tests.contract.test_deployments import Port
from tests.support.clock import Clock
from tests.support.door import open_door
from tests.support.kubernetes_serving import ServingCluster, serving_cluster
from tests.support.registry import Registry
from tests.support.targets import ScriptedTarget

IMAGES = [f"sha256:{letter * 64}" for letter in "abc"]


def targets_of(folder: Path, cluster: ServingCluster, **more: str) -> Targets:
    file = folder / "targets.toml"
    options = {"address": cluster.address, "token_file": str(cluster.token_file), "namespace": "ml", **more}
    lines = "".join(f'{name} = "{value}"\n' for name, value in options.items())
    file.write_text(f'[targets.cluster]\nkind = "kubernetes"\n{lines}')
    return open_targets(
        folder, local=False, url="http://here", file=str(file), public_url="https://models.example.com"
    )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ServingCluster]:
    with serving_cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def port(own_url: str, tmp_path: Path, cluster: ServingCluster) -> Iterator[Port]:
    clock = Clock()
    db = Database(own_url, clock=clock)
    registry = Registry(db)
    with open_door(registry) as door:
        targets = targets_of(tmp_path, cluster)
        door.services.targets = targets  # type: ignore[misc]
        yield Port(registry, door, clock, targets, ScriptedTarget())
    db.close()


def push(port: Port, number: int) -> None:
    port.push(promote=False)
    body = {"digest": IMAGES[number - 1], "reference": f"registry.example.com/scorer:{number}"}
    port.door.call("PUT", f"models/{port.model}/versions/{number}/image", json=body)
    port.promote(number)


def until_settled(port: Port) -> Any:
    """Look as the server's job does, until nothing is left to do."""
    for _ in range(10):
        port.work()
        shown = port.show()
        if shown["settled"]:
            return shown
    raise AssertionError(shown)


def test_deploy_promote_mend_and_roll_back(port: Port, cluster: ServingCluster) -> None:
    push(port, 1)
    made = port.deploy()
    assert made["target"] == "cluster"
    first = until_settled(port)
    assert (first["version"], first["state"]) == (f"{port.model}:1", "serving")
    assert first["url"].startswith("http://modelyard-")
    order = next(
        value for (kind, name), value in cluster.objects.items() if kind == "ConfigMap" and name.endswith("-r1")
    )
    assert '"https://models.example.com"' in order["data"]["wanted.json"]
    push(port, 2)
    assert until_settled(port)["version"] == f"{port.model}:2"
    service = next(value for (kind, _), value in cluster.objects.items() if kind == "Service")
    assert service["spec"]["selector"]["modelyard.org/revision"] == "2"
    # Somebody changes the cluster by hand: it is seen, mended, and in the event log.
    service["spec"]["selector"]["modelyard.org/revision"] = "1"
    port.watch()
    assert service["spec"]["selector"]["modelyard.org/revision"] == "2"
    items = port.door.get(f"models/{port.model}/history?limit=1000").json()["items"]
    (mended,) = [each for each in items if each["kind"] == "deployment.mended"]
    assert "spec.selector.modelyard.org/revision of the Service" in str(mended)
    port.rollback()
    back = until_settled(port)
    assert (back["version"], back["held"]) == (f"{port.model}:1", True)
    assert service["spec"]["selector"]["modelyard.org/revision"] == "1"
    assert back["last"]["milliseconds"] is not None


def test_a_promoted_version_without_an_image_changes_nothing(port: Port, cluster: ServingCluster) -> None:
    push(port, 1)
    port.deploy()
    until_settled(port)
    port.push()
    back = until_settled(port)
    assert (back["version"], back["held"]) == (f"{port.model}:1", True)
    assert "has no image that a cluster can pull" in back["held_reason"]
    refused = port.deploy(":2", expect=409)
    assert f"modelyard image build {port.model}:2 --tag" in refused["fix"]
    assert port.deploy(name="other", target="nowhere", expect=400)["fix"] == "It has cluster"
    assert port.deploy(":1", target="local", expect=409)["code"] == "conflict"
    tried = port.ask("trials", version=f"{port.model}:2", role="shadow")
    assert (tried.status_code, "cannot split requests" in tried.text) == (409, True), tried.text
    # Nothing stays of a removed deployment.
    assert port.ask("", method="DELETE").status_code == 204
    port.work()
    assert not cluster.objects


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"namespace": "Bad Name"}, "namespace"),
        ({"colour": "red"}, "colour"),
        ({"url": "nowhere"}, "must know where"),
    ],
)
def test_a_wrong_file_of_targets_is_named(
    tmp_path: Path, cluster: ServingCluster, more: Any, words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        targets_of(tmp_path, cluster, **more)
