"""Whole builds on every engine: a running server, and agents that on a cluster reach it through a line of their own.

One suite for the server's own machine, with and without bubblewrap, Slurm, Ray and an emulator of Kubernetes. `make engines`
starts the clusters; kills are in test_build_kills.py.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelyard.sdk.client import Client
from modelyard.wire import builds as wire
from tests.support.cluster_pools import POOL, lacking, server_with_cluster, write_pools
from tests.support.isolation import working_bwrap
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
resources: {{cpu: 1, timeout: {timeout}}}
"""
TRAIN = """\
import os
os.mkdir("out")
open("out/model.txt", "w").write("x")
print("trained with", len(os.environ["MODELYARD_TOKEN"]) > 0)
"""
LINES = 3000
PATIENCE_SECONDS = 60.0


@dataclass
class Place:
    """A server, and a pool of it."""

    server: RunningServer
    client: Client
    engine: str
    pool: str
    folder: Path
    """Holds the source."""

    def write(self, train: str = TRAIN, timeout: str = "10m", pool: str = "") -> str:
        """Write a project with a script and return its model."""
        space = unique("team")
        self.client.namespaces.create(space)
        model = f"{space}/scorer"
        recipe = RECIPE.format(model=model, pool=pool or self.pool, timeout=timeout)
        (self.folder / "modelyard.yaml").write_text(recipe)
        (self.folder / "train.py").write_text(train)
        return model

    def end(self, train: str, timeout: str = "10m", cancel_at: str = "") -> tuple[wire.BuildDetails, str]:
        """Build to the end, and return how it was and the log of the training. cancel_at: a word of the log at which it is
        cancelled."""
        self.write(train, timeout)
        build = self.client.builds.submit(self.folder)
        for news in self.client.builds.follow(build.id):
            if cancel_at and cancel_at in news.text:
                self.client.builds.cancel(build.id)
        return self.client.builds.get(build.id), "".join(self.client.builds.log(build.id, "train"))


@pytest.fixture(scope="module", params=["local", "bubblewrap", "slurm", "ray", "kubernetes-emulator"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningServer, str]]:
    """A server, and the name of its engine; the pool `cluster` is at a port of its own network."""
    folder, kind = tmp_path_factory.mktemp(request.param), request.param
    if kind == "kubernetes-emulator":
        with emulated_kubernetes(folder) as emulator:
            own = ['image = "an/image"', 'namespace = "ml"', f'address = "{emulator.address}"']
            own.append(f'token_file = "{emulator.token_file}"')
            (port,) = free_ports(1)
            file = write_pools(folder, "kubernetes", port, own)
            with running_server(port=port, build_pools=file) as running:
                yield running, kind
        return
    if kind in ("local", "bubblewrap"):
        if kind == "bubblewrap" and not (shutil.which("bwrap") and working_bwrap()):
            pytest.skip("bubblewrap does not work here")
        # A server that finds no bubblewrap does without it.
        environment = {"PATH": str(Path(sys.executable).parent)} if kind == "local" else {}
        with running_server(environment=environment) as running:
            yield running, kind
        return
    why = lacking(kind)
    if why:
        pytest.skip(f"no whole builds on {kind} here: {why}")
    with server_with_cluster(kind, folder) as (running, _):
        yield running, kind


@pytest.fixture
def place(engine: tuple[RunningServer, str], tmp_path: Path) -> Iterator[Place]:
    server, kind = engine
    with server.client() as client:
        is_local = kind in ("local", "bubblewrap")
        if is_local:
            assert [pool.isolated for pool in client.builds.pools()] == [kind == "bubblewrap"]
        yield Place(server, client, kind, "local" if is_local else POOL, tmp_path)


def running(word: str) -> list[int]:
    """The processes with a word in their command."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if word.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def wait_until_none_runs(word: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while left := running(word):
        assert time.monotonic() < until, f"left behind: {left}"
        time.sleep(0.05)


def test_one_word_in_the_recipe_moves_a_build(place: Place) -> None:
    for pool in {"local", place.pool}:
        model = place.write(pool=pool)
        done = place.server.run("build", str(place.folder))
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == f"{model}:1"
        assert "trained with True" in done.stderr
        (build,) = place.client.builds.list(model=model)
        assert (build.pool, build.status, build.attempt) == (pool, "succeeded", 1)
    if place.pool == POOL:
        shown = place.server.run("pool", "ls").stdout
        assert POOL in shown
        assert f"builds of [pools.{POOL}] in build_pools" in shown


def test_every_line_arrives_once_in_order_with_the_exit_code(place: Place) -> None:
    train = f"import sys\nfor each in range({LINES}): print('line', each)\nsys.exit(7)\n"
    build, log = place.end(train)
    assert log.splitlines() == [f"line {each}" for each in range(LINES)]
    assert (build.status, build.version) == ("failed", None)
    assert "step train: exit code 7" in build.reason
    assert [step.exit_code for step in build.steps if step.name == "train"] == [7]


def test_a_training_that_is_cancelled_may_save_its_work(place: Place) -> None:
    train = (
        "import signal, sys, time\n"
        "def save(*_):\n    time.sleep(1)\n    print('saved', flush=True)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\nprint('ready', flush=True)\ntime.sleep(600)\n"
    )
    build, log = place.end(train, cancel_at="ready")
    assert (build.status, log) == ("cancelled", "ready\nsaved\n")


@pytest.mark.product(3)
def test_a_training_that_ignores_a_cancellation_is_ended_by_force(place: Place) -> None:
    word = secrets.token_hex(8)
    train = (
        "import signal, subprocess, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', {word!r}], start_new_session=True, env={{}})\n"
        "print('ready', flush=True)\nwhile True: time.sleep(1)\n"
    )
    build, _ = place.end(train, cancel_at="ready")
    assert build.status == "cancelled"
    wait_until_none_runs(word)


@pytest.mark.product(3)
def test_a_build_that_takes_too_long_is_ended(place: Place) -> None:
    build, log = place.end("import time\nprint('begun', flush=True)\ntime.sleep(600)\n", timeout="20s")
    assert (build.status, log) == ("timed-out", "begun\n")
    assert "longer than" in build.reason


def test_what_a_training_left_running_ends_with_it(place: Place) -> None:
    word = secrets.token_hex(8)
    orphan = f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', {word!r}], start_new_session=True, env={{}})"
    build, _ = place.end(f"import subprocess, sys\n{orphan}\n{TRAIN}")
    assert build.status == "succeeded", build.reason
    wait_until_none_runs(word)
