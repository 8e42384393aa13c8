"""The contract of targets: the local one with a front that serves nothing, and Kubernetes with an emulated cluster."""

from __future__ import annotations

import base64
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelyard.domain.errors import TargetUnavailable
from modelyard.engines.kubernetes_target import KubernetesTarget
from modelyard.engines.local_target import LocalTarget
from modelyard.engines.targets import Sight, Target
from modelyard.wire.scorer import Wanted, WantedRevision
from tests.support.kubernetes_serving import ServingCluster, serving_cluster

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, str(ROOT / "tests" / "support" / "fake_front.py"))
DIGEST = "sha256:" + "a" * 64


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.02)


class Ground:
    """A target and the deployments in it."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def reopen(self) -> None:
        """As if the server had been started again, after it ended at a bad moment."""
        raise NotImplementedError

    def kill(self, name: str = "1") -> None:
        """End what serves, and wait until the target sees it."""
        raise NotImplementedError

    def freeze(self, name: str = "1") -> None:
        """Have what serves not listen to a polite request to end."""

    def token(self, name: str = "1") -> str:
        raise NotImplementedError

    def identity(self, name: str = "1") -> object:
        """Return something that differs after a new start."""
        raise NotImplementedError

    def is_empty(self) -> bool:
        raise NotImplementedError

    def end(self) -> None:
        """Leave nothing running."""

    def wanted(self, generation: int, serving: int, warm: int | None = None) -> Wanted:
        revisions = [self._revision(serving, "serving")]
        if warm is not None:
            revisions.append(self._revision(warm, "warm"))
        return Wanted(
            generation=generation,
            deployment="fraud/scorer",
            registry=None,
            cache=self.target.cache,
            revisions=revisions,
        )

    @staticmethod
    def _revision(number: int, role: str) -> WantedRevision:
        return WantedRevision(
            number=number,
            reference=f"fraud/scorer:{number}",
            digest=DIGEST,
            role=role,
            image=f"registry.example.com/scorer@{DIGEST}",
        )

    def sight(self, name: str = "1") -> Sight:
        return self.target.look(name)

    def await_serving(self, revision: int, generation: int, name: str = "1") -> Sight:
        def serves() -> bool:
            state = self.sight(name).state
            return state is not None and (state.serving, state.generation) == (revision, generation)

        until(serves)
        return self.sight(name)


class LocalGround(Ground):
    def __init__(self, folder: Path) -> None:
        # Longer than the address of a socket may be.
        self.folder = folder / ("a-long-name-" * 8) / "deployments"
        super().__init__(self._open())

    def _open(self) -> LocalTarget:
        return LocalTarget(self.folder, command=COMMAND, grace_seconds=0.2)

    def reopen(self) -> None:
        self.target = self._open()
        # It ended between the start and the note of it.
        (self.folder / "1" / "process").unlink()

    def kill(self, name: str = "1") -> None:
        state = self.sight(name).state
        assert state is not None
        os.kill(state.pid, signal.SIGKILL)
        until(lambda: not self.sight(name).runs)

    def freeze(self, name: str = "1") -> None:
        state = self.sight(name).state
        assert state is not None
        os.kill(state.pid, signal.SIGSTOP)

    def token(self, name: str = "1") -> str:
        token = self.folder / name / "token"
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700
        return token.read_text()

    def identity(self, name: str = "1") -> object:
        state = self.sight(name).state
        return None if state is None else state.pid

    def is_empty(self) -> bool:
        return not (self.folder / "1").exists()

    def end(self) -> None:
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            if folder.name.isdigit():
                self.target.stop(folder.name)

                def ended(name: str = folder.name) -> bool:
                    self.target.stop(name)
                    return not self.target.look(name).runs

                until(ended)


class KubernetesGround(Ground):
    def __init__(self, cluster: ServingCluster) -> None:
        self.cluster = cluster
        super().__init__(self._open())

    def _open(self) -> KubernetesTarget:
        return KubernetesTarget(
            "cluster",
            address=self.cluster.address,
            token_file=str(self.cluster.token_file),
            namespace="ml",
            quiet_seconds=0,
        )

    def reopen(self) -> None:
        self.target = self._open()

    def kill(self, name: str = "1") -> None:
        """Somebody deletes what the target made; pods that end by themselves are started again by the cluster."""
        for kind, own in [*self.cluster.objects]:
            if kind == "Deployment" and own.startswith(f"modelyard-{name}-"):
                del self.cluster.objects[kind, own]
        until(lambda: not self.sight(name).runs)

    def token(self, name: str = "1") -> str:
        secret = self.cluster.objects["Secret", f"modelyard-{name}-token"]
        return base64.b64decode(secret["data"]["token"]).decode()

    def identity(self, name: str = "1") -> object:
        found = self.cluster.objects.get(("Deployment", f"modelyard-{name}-r1"))
        return None if found is None else found["metadata"]["uid"]

    def is_empty(self) -> bool:
        return not self.cluster.objects and not self.cluster.pods


@pytest.fixture(params=["local", "kubernetes"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    if request.param == "local":
        made: Ground = LocalGround(tmp_path)
        yield made
        made.end()
        return
    with serving_cluster(tmp_path) as cluster:
        yield KubernetesGround(cluster)


@pytest.fixture
def cluster_ground(tmp_path: Path) -> Iterator[KubernetesGround]:
    with serving_cluster(tmp_path) as cluster:
        yield KubernetesGround(cluster)


def test_what_was_never_applied_is_unknown(ground: Ground) -> None:
    assert ground.sight() == Sight(runs=False)
    assert ground.target.log_tail("1", 5) == ""
    ground.target.stop("1")


def test_a_deployment_serves_swaps_and_ends(ground: Ground) -> None:
    ground.target.apply("1", ground.wanted(1, 1), "secret-1")
    first = ground.await_serving(1, 1)
    assert first.runs
    assert first.answers
    identity = ground.identity()
    assert ground.token() == "secret-1"
    ground.target.apply("1", ground.wanted(2, 2, warm=1))
    second = ground.await_serving(2, 2)
    assert second.state is not None
    assert not second.drift
    assert ground.token() == "secret-1"
    assert ground.identity() == identity
    assert [(s.before, s.after, s.dropped) for s in second.state.swaps] == [(None, 1, 0), (1, 2, 0)]
    assert {each.number: each.state for each in second.state.revisions} == {1: "warm", 2: "ready"}
    assert "the front serves" in ground.target.log_tail("1", 5)
    ground.target.stop("1")
    until(lambda: not ground.sight().runs)
    assert ground.sight().state is not None, "what it last said is kept"
    ground.target.clean("1")
    assert ground.sight() == Sight(runs=False)
    assert ground.is_empty()


def test_the_same_order_and_an_older_one_change_nothing(ground: Ground) -> None:
    ground.target.apply("1", ground.wanted(5, 2))
    ground.await_serving(2, 5)
    ground.target.apply("1", ground.wanted(5, 2))
    ground.target.apply("1", ground.wanted(4, 1))
    state = ground.await_serving(2, 5).state
    assert state is not None
    assert len(state.swaps) == 1
    ground.kill()
    ground.target.apply("1", ground.wanted(4, 1))
    ground.await_serving(2, 5)


def test_another_server_adopts_what_runs(ground: Ground) -> None:
    ground.target.apply("1", ground.wanted(1, 1))
    ground.await_serving(1, 1)
    identity = ground.identity()
    assert ground.sight().runs
    ground.reopen()
    ground.target.apply("1", ground.wanted(2, 2, warm=1))
    ground.await_serving(2, 2)
    assert ground.identity() == identity


def test_a_program_that_died_is_started_again_with_what_is_wanted(ground: Ground) -> None:
    ground.target.apply("1", ground.wanted(1, 1))
    ground.await_serving(1, 1)
    identity = ground.identity()
    ground.kill()
    kept = ground.sight().state
    assert kept is not None
    assert kept.serving == 1
    ground.target.apply("1", ground.wanted(1, 1))
    until(lambda: ground.sight().answers)
    ground.await_serving(1, 1)
    assert ground.identity() != identity


def test_deployments_are_apart(ground: Ground) -> None:
    ground.target.apply("1", ground.wanted(1, 1))
    ground.target.apply("2", ground.wanted(1, 7))
    one, two = ground.await_serving(1, 1).state, ground.await_serving(7, 1, "2").state
    assert one is not None
    assert two is not None
    assert (one.host, one.port) != (two.host, two.port)
    ground.kill()
    assert ground.sight("2").answers


def test_a_program_that_does_not_end_is_ended(ground: Ground) -> None:
    ground.target.apply("1", ground.wanted(1, 1))
    ground.await_serving(1, 1)
    ground.freeze()
    ground.target.stop("1")

    def ended() -> bool:
        ground.target.stop("1")
        return not ground.sight().runs

    until(ended)


# --- Kubernetes alone ------------------------------------------------------------------------------------


def test_a_revision_that_cannot_start_never_gets_a_request(cluster_ground: KubernetesGround) -> None:
    ground, cluster = cluster_ground, cluster_ground.cluster
    ground.target.apply("1", ground.wanted(1, 1))
    ground.await_serving(1, 1)
    cluster.fails["fraud/scorer:2"] = "its environment is broken"
    broken = ground.wanted(2, 2, warm=1)
    missing = ground.wanted(3, 3, warm=1)
    missing.revisions[0].image = f"nowhere/scorer@{DIGEST}"
    without = ground.wanted(4, 4, warm=1)
    without.revisions[0].image = None
    for wanted, words in (
        (broken, "its environment is broken"),
        (missing, "ImagePullBackOff: Back-off pulling image nowhere/"),
        (without, "has no image that a cluster can pull. Make one with: modelyard image build fraud/scorer:4"),
    ):
        ground.target.apply("1", wanted)

        def failed() -> bool:
            state = ground.sight().state
            assert state is not None
            return any(each.state == "failed" for each in state.revisions)

        until(failed)
        state = ground.sight().state
        assert state is not None
        assert state.serving == 1
        assert state.settled
        assert words in next(each.reason or "" for each in state.revisions if each.state == "failed")
        assert cluster.objects["Service", "modelyard-1"]["spec"]["selector"]["modelyard.org/revision"] == "1"
        assert len(state.swaps) == 1


def test_pods_get_requests_only_when_all_are_ready_and_the_others_stay_until_then(
    cluster_ground: KubernetesGround,
) -> None:
    ground, cluster = cluster_ground, cluster_ground.cluster
    ground.target.apply("1", ground.wanted(1, 1))
    ground.await_serving(1, 1)
    cluster.slow.add("fraud/scorer:2")
    # The one that serves is not wanted any more, and stays for as long as it is needed.
    ground.target.apply("1", ground.wanted(2, 2))
    for _ in range(3):
        state = ground.sight().state
        assert state is not None
        assert (state.serving, state.settled) == (1, False)
    assert ("Deployment", "modelyard-1-r1") in cluster.objects
    cluster.slow.clear()
    ground.await_serving(2, 2)
    until(lambda: ("Deployment", "modelyard-1-r1") not in cluster.objects)
    assert ("ConfigMap", "modelyard-1-r1") not in cluster.objects


def test_what_somebody_changed_is_shown_and_mended(cluster_ground: KubernetesGround) -> None:
    ground, cluster = cluster_ground, cluster_ground.cluster
    wanted = ground.wanted(1, 1)
    ground.target.apply("1", wanted)
    ground.await_serving(1, 1)
    assert ground.sight().drift == ()
    spec = cluster.objects["Deployment", "modelyard-1-r1"]["spec"]
    spec["template"]["spec"]["containers"][0]["image"] = "somebody/else:1"
    spec["template"]["spec"]["containers"].append({"name": "sidecar", "image": "proxy:1"})
    cluster.objects["Service", "modelyard-1"]["spec"]["selector"]["modelyard.org/revision"] = "9"
    del cluster.objects["ConfigMap", "modelyard-1-r1"]
    words = "; ".join(ground.sight().drift)
    assert "the ConfigMap modelyard-1-r1 was deleted" in words
    assert "spec.template.spec.containers.scorer.image of the Deployment modelyard-1-r1 was changed" in words
    assert "spec.selector.modelyard.org/revision of the Service modelyard-1 was changed" in words
    ground.target.apply("1", wanted)
    assert ground.sight().drift == ()
    assert len(spec["template"]["spec"]["containers"]) == 2, "what others added stays"
    assert cluster.objects["Service", "modelyard-1"]["spec"]["selector"]["modelyard.org/revision"] == "1"


def test_a_cluster_that_is_away_decides_nothing(cluster_ground: KubernetesGround) -> None:
    ground, cluster = cluster_ground, cluster_ground.cluster
    ground.target.apply("1", ground.wanted(1, 1))
    cluster.is_away = True
    for act in (lambda: ground.sight(), lambda: ground.target.apply("1", ground.wanted(2, 2))):
        with pytest.raises(TargetUnavailable, match="cluster target"):
            act()
    cluster.is_away = False
    ground.await_serving(1, 1)
    split = ground.wanted(2, 1)
    split.revisions.append(WantedRevision(number=2, reference="fraud/scorer:2", digest=DIGEST, role="canary"))
    with pytest.raises(TargetUnavailable, match="cannot split requests"):
        ground.target.apply("1", split)
