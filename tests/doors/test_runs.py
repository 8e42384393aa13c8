"""Runs of real programs against a real server: nothing is lost and nothing doubled, whatever happens to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.errors import ExperimentNotFound
from modelyard.sdk.client import Client
from tests.support.registry import unique
from tests.support.server import RunningServer, running_server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "work"
    place.mkdir()
    return place


@pytest.fixture
def home(tmp_path: Path, server: RunningServer) -> Path:
    """A MODELYARD_HOME of its own, signed in to the server."""
    place = tmp_path / "home"
    place.mkdir()
    (place / "credentials.json").write_bytes((server.home / "credentials.json").read_bytes())
    return place


class Programs:
    """Python programs as a user of the server runs them."""

    def __init__(self, server: RunningServer, folder: Path, home: Path) -> None:
        self.server, self.folder, self.home = server, folder, home
        self.experiment = f"{unique('team')}/trees"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **self.server.environment,
            "MODELYARD_HOME": str(self.home),
            "MODELYARD_EXPERIMENT": self.experiment,
        }

    def start(self, code: str, **extra: str) -> subprocess.Popen[str]:
        script = self.folder / "train.py"
        script.write_text(code)
        return subprocess.Popen(
            [sys.executable, str(script)],
            cwd=self.folder,
            env={**self.environment, **extra},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def run(self, code: str, expect: int = 0, **extra: str) -> subprocess.CompletedProcess[str]:
        process = self.start(code, **extra)
        out, err = process.communicate(timeout=120)
        assert process.returncode == expect, err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.server.run(*arguments, env={"MODELYARD_HOME": str(self.home)}, cwd=self.folder)

    def runs(self, client: Client) -> list[Any]:
        """Oldest first; none where nothing made the experiment yet."""
        try:
            found = list(client.runs.list(experiment=self.experiment))
        except ExperimentNotFound:
            return []
        return [client.runs.get(run.id) for run in found][::-1]

    @property
    def spooled(self) -> list[str]:
        return sorted(str(path.relative_to(self.home)) for path in (self.home / "spool").glob("*/*"))


@pytest.fixture
def programs(server: RunningServer, folder: Path, home: Path) -> Programs:
    return Programs(server, folder, home)


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with server.client() as opened:
        yield opened


PLAIN = """
import modelyard as my
my.log_param("depth", 6)
my.log_params({"rate": 0.1, "größe": [1, 2], "none": None})
for step in range(100):
    my.log_metric("loss", 1 / (step + 1))
my.log_metrics({"f1": 0.91, "auc": float("nan")}, step=99)
my.set_tag("team", "fraud")
open("note.txt", "w").write("before")
my.log_artifact("note.txt", "notes/first.txt")
open("note.txt", "w").write("after")
"""


def test_a_plain_script_with_one_line_each(programs: Programs, client: Client, folder: Path) -> None:
    programs.run(PLAIN)
    (run,) = programs.runs(client)
    assert (run.name, run.status, run.experiment) == ("train", "finished", programs.experiment)
    assert run.params == {"depth": 6, "rate": 0.1, "größe": [1, 2], "none": None}
    assert run.metrics == {"loss": 0.01, "f1": 0.91, "auc": "NaN"}
    assert run.tags == {"team": "fraud"}
    found = client.runs.series(run.id, "loss")
    assert found.steps == list(range(100))
    assert found.values == [1 / (step + 1) for step in range(100)]
    # The file as it was when it was logged, and the code that ran.
    target = client.runs.pull(run.id, folder / "pulled")
    assert (target / "notes/first.txt").read_text() == "before"
    assert (target / "code/train.py").read_text() == PLAIN
    assert run.facts["code"]["entry_point"] == "train.py"
    assert "numpy" in run.facts["environment"]["packages"]
    assert programs.spooled == []


def test_context_decorator_nesting_and_how_runs_end(programs: Programs, client: Client) -> None:
    programs.run(
        """
import modelyard as my, threading

@my.run(tags={"how": "decorator"})
def train(depth):
    my.log_param("depth", depth)
    my.log_metric("f1", depth)

with my.run("outer", params={"a": 1}) as outer:
    for depth in (1, 2):
        train(depth)
    thread = threading.Thread(target=lambda: my.log_metric("from a thread", 1.0))
    thread.start(); thread.join()
    my.log_metric("own", 5)
try:
    with my.run("breaks"):
        raise RuntimeError("no data")
except RuntimeError:
    pass
try:
    with my.run("stopped"):
        raise KeyboardInterrupt
except KeyboardInterrupt:
    pass
with my.run("again", id=outer.id):
    my.log_metric("own", 6)
"""
    )
    outer, first, second, breaks, stopped = programs.runs(client)
    assert (outer.status, outer.params) == ("finished", {"a": 1})
    assert outer.metrics == {"from a thread": 1.0, "own": 6.0}
    assert client.runs.series(outer.id, "own").values == [5.0, 6.0]
    assert [(r.name, r.parent, r.params["depth"], r.tags) for r in (first, second)] == [
        ("train", outer.id, 1, {"how": "decorator"}),
        ("train", outer.id, 2, {"how": "decorator"}),
    ]
    assert (breaks.status, stopped.status) == ("failed", "killed")
    assert breaks.notes == ["It ended with RuntimeError: no data"]


def test_the_end_of_the_process_ends_the_run(programs: Programs, client: Client) -> None:
    programs.run("import modelyard as my\nmy.log_metric('x', 1)\nraise ValueError('bad data')", expect=1)
    programs.run("import modelyard as my, sys\nmy.log_metric('x', 1)\nsys.exit(3)", expect=3)
    waiting = programs.start(
        "import modelyard as my, time\nmy.log_metric('x', 1)\nprint('up', flush=True)\ntime.sleep(60)"
    )
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "up\n"
    waiting.send_signal(signal.SIGTERM)
    waiting.communicate(timeout=30)
    assert waiting.returncode == -signal.SIGTERM
    failed, _exited, killed = programs.runs(client)
    assert (failed.status, killed.status, killed.exit_code) == ("failed", "killed", 128 + signal.SIGTERM)


def test_offline_then_sync_once(programs: Programs, client: Client, folder: Path) -> None:
    programs.run(PLAIN, MODELYARD_OFFLINE="1")
    assert programs.runs(client) == []
    done = programs.command("sync", "--json")
    assert done.returncode == 0, done.stderr
    (synced,) = json.loads(done.stdout)
    assert synced["outcome"] == "sent"
    (run,) = programs.runs(client)
    assert (run.status, client.runs.series(run.id, "loss").count) == ("finished", 100)
    assert (client.runs.pull(run.id, folder / "p") / "notes/first.txt").read_text() == "before"
    assert programs.spooled == []
    assert "nothing" not in programs.command("sync").stdout


def test_a_sync_that_breaks_off_is_repeated_without_doubles(programs: Programs, client: Client) -> None:
    programs.run(PLAIN, MODELYARD_OFFLINE="1")
    (spool,) = (programs.home / "spool").iterdir()
    kept = {path.name: path.read_bytes() for path in spool.iterdir() if path.is_file()}
    assert programs.command("sync").returncode == 0
    # As if the answer, and the deletion after it, had been lost.
    spool.mkdir()
    for name, data in kept.items():
        (spool / name).write_bytes(data)
    done = programs.command("sync", "--json")
    assert json.loads(done.stdout)[0]["outcome"] == "sent", done.stdout
    (run,) = programs.runs(client)
    assert client.runs.series(run.id, "loss").values == [1 / (step + 1) for step in range(100)]


def test_a_server_nobody_reaches_does_not_stop_the_training(programs: Programs, client: Client) -> None:
    url = programs.server.url
    began = time.monotonic()
    done = programs.run(
        PLAIN, MODELYARD_URL="http://127.0.0.1:9", MODELYARD_TOKEN="mdy_x", MODELYARD_RUN_WAIT="1"
    )
    assert time.monotonic() - began < 30
    assert "modelyard sync" in done.stderr
    assert len(programs.spooled) >= 2
    refused = programs.command("sync")
    assert refused.returncode == 6
    assert programs.command("sync", "--server", url).returncode == 0
    (run,) = programs.runs(client)
    assert client.runs.series(run.id, "loss").count == 100


def test_two_processes_log_to_one_run(programs: Programs, client: Client) -> None:
    programs.run(
        """
import modelyard as my, multiprocessing as mp

def work(number):
    for step in range(200):
        my.log_metric(f"loss of {number}", step, step)
        my.log_metric("shared", number, step)

if __name__ == "__main__":
    my.log_metric("main", 1.0)
    for method in ("fork", "spawn"):
        context = mp.get_context(method)
        children = [context.Process(target=work, args=(f"{method} {n}",)) for n in range(2)]
        children = [context.Process(target=work, args=(n,)) for n in (range(2) if method == "fork" else range(2, 4))]
        import os
        os.environ["MODELYARD_RUN"] = my.active_run().id
        [child.start() for child in children]
        [child.join() for child in children]
        assert [child.exitcode for child in children] == [0, 0]
    my.log_metric("main", 2.0)
"""
    )
    (run,) = programs.runs(client)
    assert run.status == "finished"
    counts = {metric.name: metric.count for metric in run.series}
    assert counts == {"main": 2, "shared": 800, **{f"loss of {n}": 200 for n in range(4)}}
    for number in range(4):
        assert client.runs.series(run.id, f"loss of {number}").values == [float(s) for s in range(200)]


@pytest.mark.parametrize("how", ["fork", "process"])
def test_a_handle_that_a_fork_inherits_writes_to_the_same_run(
    programs: Programs, client: Client, how: str
) -> None:
    programs.run(
        f"""
import modelyard as my, multiprocessing as mp, os, sys, time

def work(run, number):
    for step in range(50):
        run.log_metric("loss of %d" % number, step, step)
    run.log_param("param of %d" % number, number)
    assert run.flush()

with my.run("forked") as run:
    run.log_metric("main", 1.0)
    if {how!r} == "process":
        context = mp.get_context("fork")
        children = [context.Process(target=work, args=(run, n)) for n in range(2)]
        [child.start() for child in children]
        [child.join() for child in children]
        assert [child.exitcode for child in children] == [0, 0]
    else:
        for n in range(2):
            child = os.fork()
            if child == 0:
                work(run, n)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    silent = os.fork()
    if silent == 0:
        run.flush()
        sys.exit(0)
    assert os.waitpid(silent, 0)[1] == 0
    run.log_metric("main", 2.0)
"""
    )
    (run,) = programs.runs(client)
    assert run.status == "finished"
    counts = {metric.name: metric.count for metric in run.series}
    assert counts == {"main": 2, "loss of 0": 50, "loss of 1": 50}
    assert run.params == {"param of 0": 0, "param of 1": 1}


def test_strange_values_neither_fail_nor_get_lost_unsaid(programs: Programs, client: Client) -> None:
    done = programs.run(
        """
import modelyard as my, math
my.log_metric("gone", None)
my.log_metric("gone", "abc")
my.log_metric("huge", 10**400)
my.log_metric("inf", math.inf)
my.log_metric("back", 1.0, step=10)
my.log_metric("back", 2.0, step=3)
my.log_metric("far", 1.0, step=2**70)
my.log_param("nul\\0", "a\\0b\\ud800")
my.log_param("big", "x" * 50_000)
my.log_params({f"p{n}": n for n in range(10_000)})
my.log_artifact("nowhere.bin")
my.log_figure(object(), "figure")
my.log_figure(b"png", "plots/a.png")
print("reached the end")
"""
    )
    assert "reached the end" in done.stdout
    (run,) = programs.runs(client)
    assert run.status == "finished"
    assert run.metrics == {"inf": "Infinity", "back": 1.0, "far": 1.0}
    assert client.runs.series(run.id, "far").steps == [2**63 - 1]
    assert client.runs.series(run.id, "back").steps == [3, 10]
    assert len(run.params) == 10_002
    assert run.params["nul\N{REPLACEMENT CHARACTER}"] == "a\N{REPLACEMENT CHARACTER}b?"
    assert run.params["big"].startswith("xxx")
    notes = " ".join(run.notes)
    for words in ("'gone'", "'huge'", "'big' has 50000", "nowhere.bin", "The figure figure"):
        assert words in notes, notes
    assert "plots/a.png" in [artifact.path for artifact in run.artifacts]


def test_the_server_is_killed_while_a_training_goes_on(tmp_path: Path) -> None:
    """kill -9, twice, and started again: every point is there once, in order."""
    with running_server(folder=tmp_path / "server") as server:
        (tmp_path / "work").mkdir()
        programs = Programs(server, tmp_path / "work", server.home)
        training = programs.start(
            """
import modelyard as my, time
with my.run("long"):
    for step in range(3000):
        my.log_metric("loss", step * 0.5, step)
        if step % 500 == 0:
            my.log_artifact(__file__, f"checkpoints/{step}.py")
        time.sleep(0.001)
"""
        )
        for _ in range(2):
            time.sleep(0.8)
            server.kill()
            time.sleep(0.4)
            server.start()
        _, err = training.communicate(timeout=60)
        assert training.returncode == 0, err
        with server.client() as client:
            (run,) = programs.runs(client)
            assert (run.status, run.metrics) == ("finished", {"loss": 1499.5})
            found = client.runs.series(run.id, "loss", points=5000)
            assert found.steps == list(range(3000))
            assert found.values == [step * 0.5 for step in range(3000)]
            kept = [a.path for a in run.artifacts if a.path.startswith("checkpoints/")]
            assert len(kept) == 6
        assert programs.spooled == []


def test_a_training_killed_hard_keeps_what_it_said(programs: Programs, client: Client) -> None:
    training = programs.start(
        "import modelyard as my, time\n"
        "for step in range(100): my.log_metric('loss', step)\n"
        "time.sleep(0.5)\nprint('up', flush=True)\ntime.sleep(60)",
        MODELYARD_OFFLINE="1",
    )
    assert training.stdout is not None
    assert training.stdout.readline() == "up\n"
    training.kill()
    training.communicate()
    assert programs.command("sync").returncode == 0
    (run,) = programs.runs(client)
    assert (run.status, client.runs.series(run.id, "loss").count) == ("running", 100)


def test_a_run_that_goes_on_is_left_alone_by_sync(programs: Programs) -> None:
    training = programs.start(
        "import modelyard as my, time\nmy.log_metric('loss', 1)\ntime.sleep(0.3)\nprint('up', flush=True)\ntime.sleep(60)",
        MODELYARD_OFFLINE="1",
    )
    try:
        assert training.stdout is not None
        assert training.stdout.readline() == "up\n"
        (synced,) = json.loads(programs.command("sync", "--json").stdout)
        assert synced["outcome"] == "busy"
    finally:
        os.kill(training.pid, signal.SIGKILL)
        training.communicate()


def test_a_push_inside_of_a_run_carries_its_facts(programs: Programs, client: Client) -> None:
    model = f"{programs.experiment.partition('/')[0]}/scorer"
    programs.run(
        f"""
import modelyard as my, numpy as np
with my.run("train"):
    my.log_param("depth", 6)
    my.log_metric("test:f1", 0.91)
    my.log_metric("loss", 0.2)
    entry = my.active_run().log_input(np.arange(12.0).reshape(4, 3), name="transactions", filter="a > 1")
    open("weights.bin", "w").write("weights")
    my.push("weights.bin", "{model}")
"""
    )
    (run,) = programs.runs(client)
    assert run.versions == [f"{model}:1"]
    record = client.versions.record(f"{model}:1")
    assert record["run"] == {"id": run.id, "name": "train"}
    assert record["params"] == {"depth": 6}
    assert record["metrics"] == [
        {"name": "f1", "split": "test", "value": 0.91},
        {"name": "loss", "value": 0.2},
    ]
    assert [entry["name"] for entry in record["data"]] == ["transactions"]
    # The machine that read it belongs to the run alone.
    assert [{**entry, "host": socket.gethostname()} for entry in record["data"]] == run.inputs


def test_an_input_that_is_not_what_was_expected_fails_the_run(programs: Programs, client: Client) -> None:
    programs.run(
        """
import modelyard as my, numpy as np
with my.run("train"):
    my.log_input(np.arange(4.0), name="rows", expect="sha256:" + "0" * 64)
""",
        expect=1,
    )
    (run,) = programs.runs(client)
    assert run.status == "failed"
    assert "DatasetMismatch" in run.notes[0]


def test_the_command_line_shows_runs(programs: Programs, client: Client) -> None:
    programs.run(PLAIN)
    (run,) = programs.runs(client)
    listed = programs.command("runs", "ls", "--experiment", programs.experiment)
    assert listed.stdout.split("\t")[:4] == [run.id[:12], "train", programs.experiment, "finished"]
    shown = programs.command("runs", "show", run.id[:10])
    assert "param depth\t6" in shown.stdout
    points = programs.command("runs", "series", run.id[:10], "loss", "--from", "98")
    assert [line.split("\t")[0] for line in points.stdout.splitlines()] == ["98", "99"]
    groups = programs.command("runs", "experiments", "--describe", programs.experiment, "--words", "All trees")
    assert "All trees" in groups.stdout
    pulled = programs.command("runs", "pull", run.id, "out", "notes/first.txt")
    assert pulled.returncode == 0
    assert programs.command("runs", "show", "0" * 32).returncode == 4
    assert programs.command("runs", "delete", run.id, "--yes").returncode == 0
    assert programs.command("runs", "show", run.id).returncode == 4


def test_logging_outside_of_every_run_says_how_to_name_one(server: RunningServer, programs: Programs) -> None:
    code = "import modelyard as my\nmy.log_metric('f1', 0.5)\nmy.log_metric('f1', 0.6)\n"
    done = programs.run(code, MODELYARD_EXPERIMENT="")
    assert done.stderr.count("No run was open") == 1
    assert "with my.run('first', experiment='namespace/experiment'):" in done.stderr
    for quiet in (
        programs.run(code),
        programs.run(
            f"import modelyard as my\nwith my.run('a', experiment='{programs.experiment}'):\n    my.log_metric('f1', 1)\n"
        ),
    ):
        assert "No run was open" not in quiet.stderr


def test_texts_and_tables_are_logged_at_the_top_level(programs: Programs) -> None:
    done = programs.run(
        "import modelyard as my\n"
        "my.log_text('fine', 'notes.txt')\n"
        "my.log_table([{'a': 1}, {'a': 2}], 'rows.csv')\n"
        "run = my.active_run()\n"
        "run.end()\n"
        "print(run.id)\n"
    )
    with programs.server.client() as client:
        found = client.runs.get(done.stdout.split()[-1])
    assert {"notes.txt", "rows.csv"} <= {file.path for file in found.artifacts}
