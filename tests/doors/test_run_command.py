"""`modelyard run`: unchanged programs become runs, and versions with all six facts."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.errors import ExperimentNotFound
from modelyard.sdk.client import Client
from modelyard.sdk.environment import requirements_text
from tests.support.registry import unique
from tests.support.server import RunningServer

TRAIN = """
import argparse
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int, default=3)
parser.add_argument("--api-key")
depth = parser.parse_args().depth
X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = RandomForestClassifier(max_depth=depth, n_estimators=10, random_state=0).fit(X_train, y_train)
print("f1", f1_score(y_test, model.predict(X_test)))
"""


class Place:
    """A folder to work in, an experiment of its own, and the command."""

    def __init__(self, server: RunningServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.space = unique("team")
        self.experiment = f"{self.space}/trees"
        self.model = f"{self.space}/scorer"

    def command(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.server.run("run", "--experiment", self.experiment, *arguments, cwd=self.folder, **options)

    def python(self, code: str, *options: str, **more: Any) -> subprocess.CompletedProcess[str]:
        (self.folder / "program.py").write_text(code)
        return self.command(*options, "--", sys.executable, "program.py", **more)

    def run(self, client: Client) -> Any:
        (run,) = client.runs.list(experiment=self.experiment)
        return client.runs.get(run.id)


@pytest.fixture
def place(server: RunningServer, tmp_path: Path) -> Place:
    folder = tmp_path / "work"
    folder.mkdir()
    return Place(server, folder)


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with server.client() as opened:
        yield opened


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_an_unchanged_script_ends_as_a_complete_version(place: Place, client: Client) -> None:
    (place.folder / "train.py").write_text("# first\n" + TRAIN)
    git(place.folder, "init", "-q")
    git(place.folder, "add", ".")
    git(place.folder, "commit", "-qm", "first")
    git(place.folder, "remote", "add", "origin", "https://ann:pw@git.example/fraud.git")
    (place.folder / "train.py").write_text(TRAIN)
    done = place.command(
        "--register", place.model, "--", sys.executable, "train.py", "--depth", "4", "--api-key", "s3cr3t"
    )
    assert done.returncode == 0, done.stderr
    # The image is a recipe that was guessed from the environment, which nobody has built.
    assert "5 of 6 facts are known; not known: image" in done.stdout
    run = place.run(client)
    version = client.versions.get(f"{place.model}:1")
    assert (version.completeness, version.missing) == (0.8333, ["image"])
    record = client.versions.record(version.reference)
    code = record["code"]
    assert code["commit"] == git(place.folder, "rev-parse", "HEAD")
    assert code["repository"] == "https://git.example/fraud.git"
    assert code["dirty"] is True
    assert "-# first" in code["diff"]["text"]
    assert code["entry_point"] == "train.py"
    assert code["arguments"] == ["--depth", "4", "--api-key", "***"]
    assert "s3cr3t" not in json.dumps([record, run.facts])
    assert record["params"]["max_depth"] == 4
    assert {(m["name"], m.get("split")) for m in record["metrics"]} == {("accuracy", "train"), ("f1", "test")}
    assert [(d["name"], d["rows"], d["split"]) for d in record["data"]] == [("X_train", 426, "train")]
    assert record["environment"]["packages"]["scikit-learn"]
    assert record["run"] == {"id": run.id, "name": "train"}
    recipe = record["image"]["recipe"]
    assert recipe["base"].startswith(
        f"docker.io/library/python:{sys.version_info.major}.{sys.version_info.minor}"
    )
    # The lock is that of the recorded packages, so the image can be built from the record.
    assert (
        recipe["lock"]
        == f"sha256:{hashlib.sha256(requirements_text(record['environment']).encode()).hexdigest()}"
    )
    assert (run.status, run.exit_code, run.versions) == ("finished", 0, [version.reference])
    assert run.facts["resources"]["cpu_seconds"] > 0
    assert run.facts["resources"]["peak_memory_bytes"] > 20_000_000
    assert "f1 0." in "".join(client.runs.log(run.id))
    card = client.card(version.reference)
    assert "0.9" in card.text
    assert "X_train" in card.text
    assert card.by is not None
    # The version is found from its data, and its data from it.
    data = f"{place.space}/X_train@{record['data'][0]['digest']}"
    below = place.server.run("lineage", data, "--dataset", "--down", "--json")
    assert version.reference in below.stdout, below.stderr
    # And it works.
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    assert client.load(version.reference).score(X, y) > 0.9


def test_the_files_that_a_program_wrote_are_registered(place: Place, client: Client) -> None:
    done = place.python(
        "import modelyard as my\nmy.log_metric('f1', 0.5)\nopen('model.onnx', 'wb').write(b'onnx')\n"
        "open('notes.txt', 'w').write('x')",
        "--register",
        place.model,
    )
    assert done.returncode == 0, done.stderr
    version = client.versions.get(f"{place.model}:1")
    assert version.file_count == 1
    assert "data" in version.missing
    assert "not known: data" in done.stdout


def test_runs_inside_of_a_wrapped_program(place: Place, client: Client) -> None:
    """The first one it asks for is the wrapped run; others, and wrapped programs, are nested in it."""
    done = place.python(
        "import modelyard as my, subprocess, sys\n"
        "with my.run('own name', params={'a': 1}):\n"
        "    my.log_metric('first', 1)\n"
        "    with my.run('inner'): my.log_metric('inner', 1)\n"
        "with my.run('second'): my.log_metric('second', 1)\n"
        "subprocess.run([sys.executable, '-m', 'modelyard', 'run', '--name', 'wrapped', '--', 'true'], check=True)\n"
    )
    assert done.returncode == 0, done.stderr
    runs = {run.name: client.runs.get(run.id) for run in client.runs.list(namespace=place.space)}
    outer = runs.pop("program")
    assert (outer.metrics, outer.params, outer.parent) == ({"first": 1.0}, {"a": 1}, None)
    assert {name: run.metrics for name, run in runs.items()} == {
        "inner": {"inner": 1.0},
        "second": {"second": 1.0},
        "wrapped": {},
    }
    assert {run.parent for run in runs.values()} == {outer.id}


def test_files_can_be_named(place: Place, client: Client) -> None:
    done = place.python(
        "import os\nos.mkdir('out')\nopen('out/a.txt', 'w').write('a')",
        "--register",
        place.model,
        "--files",
        ".",
    )
    assert done.returncode == 0, done.stderr
    assert client.versions.get(f"{place.model}:1").file_count == 2


def test_a_folder_that_the_program_makes_can_be_named_and_older_files_are_told(
    place: Place, client: Client
) -> None:
    write = "import os\nos.makedirs('out', exist_ok=True)\nopen('out/new.txt', 'w').write('a')"
    missing = place.python("pass", "--register", place.model, "--files", "out")
    assert missing.returncode == 2
    assert "the program did not write out" in missing.stderr
    made = place.python(write, "--register", place.model, "--files", "out")
    assert made.returncode == 0, made.stderr
    assert "older than this run" not in made.stderr
    os.utime(place.folder / "out" / "new.txt", (1, 1))
    (place.folder / "out" / "new.txt").rename(place.folder / "out" / "old.txt")
    again = place.python(write, "--register", place.model, "--files", "out")
    assert again.returncode == 0, again.stderr
    assert f"older than this run: {Path('out') / 'old.txt'}" in again.stderr


def test_nothing_to_register_is_a_failure_that_says_so(place: Place, client: Client) -> None:
    done = place.python("print('hello')", "--register", place.model)
    assert done.returncode == 2
    assert "no model was fitted or written" in done.stderr
    run = place.run(client)
    assert run.status == "finished"
    assert "No version was registered" in run.notes[0]


def test_a_failed_program_registers_nothing_and_keeps_its_exit_code(place: Place, client: Client) -> None:
    done = place.python(
        "import sys\nopen('m.onnx', 'w').close()\nprint('oh', file=sys.stderr)\nsys.exit(7)",
        "--register",
        place.model,
    )
    assert done.returncode == 7
    assert "oh" in done.stderr
    run = place.run(client)
    assert (run.status, run.exit_code, run.versions) == ("failed", 7, [])
    assert "oh" in "".join(client.runs.log(run.id))


def test_programs_of_any_kind(place: Place, client: Client) -> None:
    done = place.command("--name", "shell", "--json", "--", "sh", "-c", "echo out; exit 3")
    assert done.returncode == 3
    assert json.loads(done.stdout)["status"] == "failed"
    assert "out" in done.stderr
    run = place.run(client)
    assert (run.name, run.facts["code"]["command"]) == ("shell", ["sh", "-c", "echo out; exit 3"])
    missing = place.command("--", "no-such-program")
    assert missing.returncode == 2
    assert "cannot be run" in missing.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_program_and_the_run_is_killed(place: Place, client: Client, number: int) -> None:
    (place.folder / "program.py").write_text(
        "import signal, sys, time\n"
        "def leave(number, frame):\n"
        "    print('told', number, flush=True)\n"
        "    sys.exit(9)\n"
        "signal.signal(signal.SIGTERM, leave); signal.signal(signal.SIGINT, leave)\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "modelyard",
            "run",
            "--experiment",
            place.experiment,
            "--",
            sys.executable,
            "program.py",
        ],
        cwd=place.folder,
        env=place.server.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=30)
    assert out == f"told {number}\n"
    assert process.returncode == 9
    run = place.run(client)
    assert (run.status, run.exit_code) == ("killed", 9)


def test_a_program_that_a_signal_ended_has_the_exit_code_of_a_shell(place: Place, client: Client) -> None:
    done = place.python("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == 128 + signal.SIGKILL
    assert place.run(client).status == "killed"


def test_gigantic_lines_and_logs_are_cut_and_it_is_said(place: Place, client: Client) -> None:
    done = place.python(
        "import sys\nprint('x' * 3_000_000)\nfor n in range(120_000): print(f'{n:09d}' * 10)\nprint('the end')"
    )
    assert done.returncode == 0
    assert len(done.stdout) > 13_000_000
    run = place.run(client)
    log = "".join(client.runs.log(run.id))
    assert len(log) < 9_000_000
    assert "(2980000 characters cut)" in log
    assert "characters of the log are left out here" in log
    assert log.endswith("the end\n")
    notes = " ".join(run.notes)
    assert "Lines of the log longer than" in notes
    assert "only its beginning and its end" in notes


def test_a_sitecustomize_that_was_there_is_still_run(place: Place, client: Client) -> None:
    own = place.folder / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import os\nos.environ['OWN_SITE'] = 'yes'\n")
    done = place.python("import os\nprint(os.environ.get('OWN_SITE'))", env={"PYTHONPATH": str(own)})
    assert done.stdout.startswith("yes")


def test_an_interpreter_without_modelyard_is_run_as_it_is(place: Place, client: Client) -> None:
    (place.folder / "program.py").write_text("print('plain')")
    done = place.command("--", sys.executable, "-S", "-I", "program.py")
    assert (done.returncode, done.stdout) == (0, "plain\n")
    assert place.run(client).status == "finished"


def test_offline_and_out_of_reach(place: Place, client: Client) -> None:
    done = place.python("import modelyard as my\nmy.log_metric('f1', 0.5)", "--offline")
    assert done.returncode == 0, done.stderr
    with pytest.raises(ExperimentNotFound):
        list(client.runs.list(experiment=place.experiment))
    assert place.server.run("sync").returncode == 0
    run = place.run(client)
    assert (run.status, run.metrics) == ("finished", {"f1": 0.5})


WITHOUT_SKOPS = "import sys; sys.modules['skops'] = None\n"


def test_a_missing_package_is_told_before_the_training_and_the_model_is_kept(
    place: Place, client: Client
) -> None:
    done = place.python(
        WITHOUT_SKOPS + TRAIN.replace("parser.parse_args().depth", "3") + "\nprint('trained', file=sys.stderr)",
        "--register",
        place.model,
    )
    assert done.returncode == 2, done.stderr
    before, trained, after = done.stderr.partition("trained")
    assert trained
    assert 'pip install "modelyard[sklearn]"' in before
    assert "modelyard sync" in after
    sent = place.server.run("sync")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert type(client.load(f"{place.model}:1")).__name__ == "RandomForestClassifier"


def test_a_block_that_cannot_save_its_model_keeps_it_too(
    place: Place, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELYARD_HOME", str(place.server.home))
    code = (
        WITHOUT_SKOPS
        + "import modelyard as my\nmy.autolog()\n"
        + f"with my.run('x', experiment='{place.experiment}', register='{place.model}'):\n"
        + "    from sklearn.linear_model import LogisticRegression as L\n"
        + "    L().fit([[0.0], [1.0]], [0, 1])\n"
    )
    (place.folder / "block.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "block.py"],
        cwd=place.folder,
        env=place.server.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "modelyard sync" in done.stdout
    assert place.server.run("sync").returncode == 0
    assert hasattr(client.load(f"{place.model}:1"), "predict")


READS_OWN_CODE = """
import json
import helper
from settings import loader
helper.run(loader.load())
import modelyard as my
my.log_metric("test:f1", 0.5)
open("model.onnx", "wb").write(b"onnx")
"""


def write_own_code(folder: Path) -> None:
    (folder / "train.py").write_text(READS_OWN_CODE)
    (folder / "helper.py").write_text("def run(options): ...\nTOKEN = 'mdy_user_abcdefghijklmnop'\n")
    (folder / "settings").mkdir()
    (folder / "settings" / "loader.py").write_text(
        "import json, pathlib\ndef load(): return json.load(open(pathlib.Path(__file__).parent / 'run.json'))\n"
    )
    (folder / "settings" / "run.json").write_text('{"depth": 3}')
    (folder / "unused.py").write_text("pass")


@pytest.mark.parametrize("repository", ["none", "all untracked", "only the script"])
def test_code_that_no_commit_holds_is_kept_and_can_be_read_again(
    place: Place, client: Client, repository: str
) -> None:
    write_own_code(place.folder)
    kept = {"train.py", "helper.py", "settings/loader.py", "settings/run.json"}
    if repository != "none":
        (place.folder / "readme.txt").write_text("x")
        git(place.folder, "init", "-q")
        git(
            place.folder,
            "add",
            *(["readme.txt"] if repository == "all untracked" else ["readme.txt", "train.py"]),
        )
        git(place.folder, "commit", "-qm", "first")
        kept -= set() if repository == "all untracked" else {"train.py"}
    done = place.command("--register", place.model, "--", sys.executable, "train.py")
    assert done.returncode == 0, done.stderr
    run = place.run(client)
    version = client.versions.get(f"{place.model}:1")
    code = client.versions.record(version.reference)["code"]
    assert set(code["files"]) == kept
    assert code.get("dirty") is (None if repository == "none" else True)
    assert "code" not in version.missing
    paths = {artifact.path: artifact.digest for artifact in run.artifacts}
    assert {f"code/{name}": digest for name, digest in code["files"].items()} == paths
    client.runs.pull(run.id, place.folder / "there")
    text = (place.folder / "there" / "code" / "helper.py").read_text()
    assert "def run" in text
    assert "abcdefghijklmnop" not in text


def test_a_push_from_a_run_names_the_code_that_the_run_kept(place: Place, client: Client) -> None:
    (place.folder / "weights.bin").write_bytes(b"w")
    (place.folder / "own.py").write_text("x = 1")
    (place.folder / "train.py").write_text(
        "import own\nimport modelyard as my\n"
        f"with my.run('r', experiment='{place.experiment}'):\n    my.push('weights.bin', '{place.model}')\n"
        f"my.push('weights.bin', '{place.space}/alone')\n"
    )
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=place.folder,
        env=place.server.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    record = client.versions.record(f"{place.model}:1")
    assert set(record["code"]["files"]) == {"own.py", "train.py"}
    assert "code" not in client.versions.get(f"{place.model}:1").missing
    # Without a run, a script outside of git is only named.
    alone = client.versions.get(f"{place.space}/alone:1")
    assert "code" in alone.missing


def test_a_model_that_was_loaded_and_trained_on_names_its_parent(place: Place, client: Client) -> None:
    first = place.python(
        "from sklearn.ensemble import RandomForestClassifier\n"
        "RandomForestClassifier(3, random_state=0, warm_start=True).fit([[0], [1]] * 9, [0, 1] * 9)",
        "--register",
        place.model,
    )
    assert first.returncode == 0, first.stderr
    again = place.python(
        f"import modelyard as my\nmodel = my.load('{place.model}:1')\n"
        "model.set_params(n_estimators=5).fit([[0], [1]] * 9, [0, 1] * 9)\n"
        f"my.push(my.load('{place.model}:1'), '{place.space}/copy')\n"
        "import sys\nassert 'torch' not in sys.modules, 'saving and loading an estimator needs no torch'",
        "--register",
        place.model,
    )
    assert again.returncode == 0, again.stderr
    parents = client.versions.record(f"{place.model}:2")["parents"]
    assert [(p["ref"], p["relation"]) for p in parents] == [(f"{place.model}:1", "finetune")]
    above = place.server.run("lineage", f"{place.model}:2", "--up", "--json")
    assert f'"{place.model}:1"' in above.stdout
