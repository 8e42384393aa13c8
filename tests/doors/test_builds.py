"""Builds with a running server, its local executor and real agents."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.sdk.client import Client
from modelyard.wire import builds as wire
from tests.support.isolation import network_can_be_cut
from tests.support.registry import unique
from tests.support.server import RunningServer, running_server
from tests.support.wheels import make_wheel

TRAIN = """
import argparse, pickle
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = RandomForestClassifier(max_depth=parser.parse_args().depth, n_estimators=10, random_state=0)
model.fit(X_train, y_train)
pickle.dump(model, open("fitted.pickle", "wb"))
print("f1", f1_score(y_test, model.predict(X_test)))
"""
EVALUATE = """
import json, pickle
from sklearn.datasets import load_breast_cancer
X, y = load_breast_cancer(return_X_y=True, as_frame=True)
json.dump({"accuracy": pickle.load(open("fitted.pickle", "rb")).score(X, y)}, open("metrics.json", "w"))
"""
TEST = """
import pickle
def test_it_predicts():
    assert pickle.load(open("fitted.pickle", "rb")).n_features_in_ == 30
"""
POLICY = """
version: 1
stages: [{name: staging}]
promote:
  - to: staging
    complete: automatically
    rules:
      - metric: {name: accuracy, split: test, min: 0.9}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with server.client() as opened:
        yield opened


class Project:
    """A folder with a recipe, and a model in a namespace of its own."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client, self.folder = client, folder
        self.space = unique("team")
        self.model = f"{self.space}/scorer"
        client.namespaces.create(self.space)

    def write(self, recipe: str, **files: str) -> None:
        (self.folder / "modelyard.yaml").write_text(f"version: 1\nmodel: {self.model}\n{recipe}")
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(text)

    def end(self, build: wire.Build) -> wire.BuildDetails:
        return [*self.client.builds.follow(build.id)][-1].build

    def until(self, build: wire.Build, words: str) -> None:
        """Wait until the log has these words."""
        for news in self.client.builds.follow(build.id):
            if words in news.text:
                return
        raise AssertionError(f"the build ended without {words!r}: {self.client.builds.get(build.id)}")

    def versions(self) -> list[Any]:
        return [*self.client.versions.list(self.model)]


@pytest.fixture
def project(client: Client, tmp_path: Path) -> Project:
    return Project(client, tmp_path)


def test_an_unchanged_script_is_trained_tested_evaluated_registered_and_promoted(
    server: RunningServer, project: Project
) -> None:
    client = project.client
    client.models.create(project.model)
    client.policies.set(project.model, POLICY)
    recipe = (
        "params: {depth: 4}\ntrain: python train.py --depth {depth}\ntest: python -m pytest test_model.py\n"
    )
    recipe += "evaluate: python evaluate.py\npromote: {to: staging}\n"
    project.write(recipe, train=TRAIN, evaluate=EVALUATE, test_model=TEST)
    done = server.run("build", str(project.folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{project.model}:1"
    assert "train ok" in done.stderr
    assert "f1 0." in done.stderr
    (listed,) = client.builds.list(model=project.model)
    build = client.builds.get(listed.id)
    assert (build.status, build.version, build.promotion_state) == ("succeeded", f"{project.model}:1", "done")
    assert {step.state for step in build.steps} == {"ok"}
    version = client.versions.get(f"{project.model}:1")
    # The image is a recipe that was made from the environment, and nobody has built it.
    assert version.missing == ["image"]
    record = client.versions.record(version.reference)
    assert record["params"]["depth"] == 4
    assert record["code"]["bundle"] == build.bundle
    assert record["code"]["entry_point"] == "train.py"
    assert record["environment"]["packages"]["scikit-learn"]
    assert [data["name"] for data in record["data"]] == ["X_train"]
    (check,) = client.checks.list(version.reference)
    assert (check.name, check.state, check.summary) == ("tests", "pass", "1 passed, 0 failed, 0 skipped")
    (evaluation,) = client.evaluations.list(version.reference)
    assert (evaluation.split, [each["name"] for each in evaluation.metrics]) == ("test", ["accuracy"])
    assert client.resolve(f"{project.model}@staging").version == 1
    assert "f1 0." in "".join(client.runs.log(record["run"]["id"]))
    shown = dict(line.split("\t", 1) for line in server.run("show", version.reference).stdout.splitlines())
    assert {"code", "data", "python", "packages", "run", "size", "params", "card"} <= shown.keys()
    assert (shown["checks"], shown["scan"]) == ("tests pass", "no_code")
    assert shown["built by"].startswith(f"build {build.id}")
    assert shown["data"].startswith("X_train sha256:")
    # The gate refuses a worse one: it is stored, and the stage stays.
    (project.folder / "evaluate.py").write_text(
        "import json; json.dump({'accuracy': 0.5}, open('metrics.json', 'w'))"
    )
    worse = server.run("build", str(project.folder), "--param", "depth=1", "--json")
    assert worse.returncode == 3, worse.stderr
    assert "0.5" in worse.stderr
    assert client.versions.get(f"{project.model}:2").params["depth"] == 1
    assert client.resolve(f"{project.model}@staging").version == 1


def test_a_failing_test_registers_nothing_and_says_why(server: RunningServer, project: Project) -> None:
    project.write(
        "train: python train.py\ntest: python -m pytest test_model.py\n",
        train="import os\nopen('model.onnx', 'w').write('x')\nprint('x' + os.environ['MODELYARD_TOKEN'])",
        test_model="def test_it():\n    print('look here')\n    assert False\n",
    )
    done = server.run("build", str(project.folder))
    assert done.returncode == 1, done.stderr
    (listed,) = project.client.builds.list(namespace=project.space)
    build = project.client.builds.get(listed.id)
    assert (build.status, build.step, build.version) == ("failed", "test", None)
    assert "exit code 1: 0 passed, 1 failed, 0 skipped; first: test_model.test_it" in build.reason
    assert any("look here" in line for line in build.last_lines)
    assert [step.state for step in build.steps if step.name in ("package", "push")] == ["skipped", "skipped"]
    assert project.versions() == []
    # The token of the attempt is masked, whatever stands next to it.
    assert "".join(project.client.builds.log(build.id, "train")) == "x***\n"
    assert "".join(project.client.builds.follow_log(build.id, "train")) == "x***\n"
    # The build failed, so does the command that follows it.
    followed = server.run("builds", "log", build.id, "--step", "train", "--follow")
    assert (followed.returncode, followed.stdout) == (1, "x***\n")
    found = server.run("builds", "log", build.id, "--search", "LOOK HERE")
    assert (found.returncode, "test:" in found.stdout, "look here" in found.stdout) == (0, True, True)
    assert server.run("builds", "log", build.id, "--search", "nowhere").returncode == 1
    train = next(step for step in build.steps if step.name == "train")
    assert train.resources["peak_memory_bytes"] > 0


REACH = """
import os, socket, sys
import modelyard as my
print("registry", len([*my.Client().builds.list()]) > 0)
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20).close()
    print(sys.argv[2], "reached another server")
except OSError as error:
    print(sys.argv[2], "was refused")
open("model.pickle", "wb").write(b"x")
"""


def test_steps_reach_the_registry_alone_unless_the_recipe_asks_for_the_network(project: Project) -> None:
    client = project.client
    with socket.create_server(("127.0.0.1", 0)) as another:
        run = f"python reach.py {another.getsockname()[1]}"
        own = f"steps: [{{name: fetch, run: {run} fetch, network: true}}]\nresult: model.pickle\n"
        project.write(f"train: {run} train\n{own}", reach=REACH)
        build = project.end(client.builds.submit(str(project.folder)))
    log = "".join(client.builds.log(build.id))
    assert build.status == "succeeded", log
    assert "fetch reached another server" in log
    assert log.count("registry True") == 2
    if not network_can_be_cut():
        assert "train reached another server" in log
        assert "the network was not cut" in build.network
        return
    assert "train was refused" in log
    assert build.network == "fetch had the network, for which the recipe asks; the other steps had none"


def test_an_environment_is_made_of_the_lock_once_and_other_data_is_refused(
    project: Project,
) -> None:
    wheels = project.folder / "wheels"
    wheels.mkdir()
    digest = make_wheel(wheels, "small", "words = 'from the lock'")
    lock = f"--no-index\n--find-links wheels\nsmall==1.0 --hash=sha256:{digest}\n"
    rows = project.folder / "rows.csv"
    rows.write_text("a,b\n1,2\n")
    project.write(
        f"environment: {{lock: lock.txt}}\ndata:\n  rows: {{ref: {project.space}/rows, path: rows.csv}}\n"
        "train: python train.py\nresult: out\n",
        train="import os, small\nprint(small.words)\nos.mkdir('out'); open('out/model.txt', 'w').write('x')\n",
    )
    (project.folder / "lock.txt").write_text(lock)
    client = project.client
    client.datasets.push(rows, f"{project.space}/rows")
    first = project.end(client.builds.submit(project.folder))
    assert first.status == "succeeded", (first.reason, first.last_lines)
    assert "from the lock" in "".join(client.builds.log(first.id, "train"))
    (version,) = project.versions()
    record = client.versions.record(version.reference)
    # The environment is that of the lock: our client and its dependencies are not among its packages.
    assert record["environment"]["packages"]["small"] == "1.0"
    assert "msgspec" not in record["environment"]["packages"]
    assert [(data["name"], data["rows"]) for data in record["data"]] == [(f"{project.space}/rows", 1)]
    again = project.end(client.builds.rerun(first.id))
    assert again.status == "succeeded", again.reason
    states = {step.name: step.state for step in again.steps}
    assert (states["environment"], again.rerun_of) == ("reused", first.id)
    rows.write_text("a,b\n1,3\n")
    other = project.end(client.builds.submit(project.folder))
    assert (other.status, other.step) == ("failed", "data")
    assert record["data"][0]["digest"] in other.reason


STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    print("child", os.getpid(), flush=True)
    time.sleep(1000)
time.sleep(1000)
"""


def test_a_cancelled_training_is_gone_with_everything_that_it_started(project: Project) -> None:
    project.write("train: python train.py\n", train=STUBBORN)
    client = project.client
    build = client.builds.submit(project.folder, model=project.model)
    project.until(build, "child ")
    assert len(_processes_in(build.id)) >= 2
    assert client.builds.cancel(build.id).status == "cancelling"
    ended = project.end(build)
    assert (ended.status, ended.version) == ("cancelled", None)
    assert next(step.state for step in ended.steps if step.name == "train") == "failed"
    assert not _processes_in(build.id)


def _processes_in(build: str) -> list[str]:
    """Return the trainings that run with this build's variable."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"MODELYARD_BUILD={build}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found += [command] if "train.py" in command else []
        except OSError:
            continue
    return found


WAITING = """
import os, time
print("waiting", flush=True)
while not os.path.exists("gate"): time.sleep(0.05)
open("model.onnx", "w").write("x")
"""


def test_a_build_survives_the_end_of_its_server(tmp_path: Path) -> None:
    with running_server() as server:
        with server.client() as client:
            project = Project(client, tmp_path)
            project.write("train: python train.py\n", train=WAITING)
            build = client.builds.submit(project.folder)
            project.until(build, "waiting")
        server.kill()
        # The only folder that an agent which is kept apart shares with everybody else.
        (source,) = (server.data / "builds").glob(f"{build.id}-1/work/source")
        (source / "gate").touch()
        server.start()
        with server.client() as client:
            project.client = client
            ended = project.end(build)
            assert (ended.status, ended.attempt) == ("succeeded", 1), ended.reason
            assert [version.version for version in project.versions()] == [1]
