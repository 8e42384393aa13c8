"""`--register` while the server is away: the model is kept with its run, and `modelyard sync` registers it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.sdk.client import Client
from tests.doors.test_run_command import TRAIN
from tests.support.registry import unique
from tests.support.server import RunningServer

AWAY = {"MODELYARD_URL": "http://127.0.0.1:9", "MODELYARD_TOKEN": "mdy_x", "MODELYARD_RUN_WAIT": "0.2"}


class Laptop:
    """A folder with a program, and a client's home of its own."""

    def __init__(self, server: RunningServer, top: Path) -> None:
        self.server, self.folder, self.home = server, top / "work", top / "home"
        self.folder.mkdir()
        self.space = unique("team")
        self.model = f"{self.space}/scorer"
        self.program("open('model.onnx', 'wb').write(b'weights')")

    def program(self, text: str) -> None:
        (self.folder / "train.py").write_text(text)

    def command(self, *words: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {"MODELYARD_HOME": str(self.home), "MODELYARD_URL": self.server.url}
        own["MODELYARD_TOKEN"] = self.server.token
        done = self.server.run(*words, cwd=self.folder, env={**own, **environment})
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done

    def train(self, *options: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        words = ["run", *options, "--register", self.model, "--", sys.executable, "train.py"]
        return self.command(*words, code=code, **environment)

    def sync(self, code: int = 0) -> list[dict[str, Any]]:
        done = self.command("sync", "--server", self.server.url, "--json", code=code)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    @property
    def spooled(self) -> list[Path]:
        return [path for path in (self.home / "spool").rglob("*") if path.is_file()]


@pytest.fixture
def laptop(server: RunningServer, tmp_path: Path) -> Laptop:
    return Laptop(server, tmp_path)


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with server.client() as opened:
        yield opened


def test_a_model_trained_while_the_server_was_away_is_registered_by_sync(
    laptop: Laptop, client: Client
) -> None:
    laptop.program(TRAIN)
    done = laptop.train(code=6, **AWAY)
    assert "f1 0." in done.stdout, "the training itself went on"
    assert f"No version of {laptop.model} was registered yet: http://127.0.0.1:9 does not answer" in done.stderr
    assert done.stderr.rstrip().endswith("Its files are kept; register them with: modelyard sync")
    laptop.command("sync", code=6, **AWAY)
    (laptop.folder / "train.py").unlink()
    synced = laptop.sync()
    assert [each["outcome"] for each in synced[:-1]] == ["sent"] * (len(synced) - 1)
    assert (synced[-1]["outcome"], synced[-1]["version"]) == ("registered", f"{laptop.model}:1")
    version = client.versions.get(f"{laptop.model}:1")
    record = client.versions.record(version.reference)
    assert version.missing == ["image"]
    assert {(m["name"], m.get("split")) for m in record["metrics"]} == {("accuracy", "train"), ("f1", "test")}
    assert record["loader"]["framework"] == "scikit-learn"
    (run,) = client.runs.list(experiment=laptop.model)
    assert client.runs.get(run.id).versions == [version.reference]
    assert record["run"] == {"id": run.id, "name": "train"}
    assert laptop.spooled == []
    assert laptop.sync() == []
    assert "does not answer" not in " ".join(client.runs.get(run.id).notes)


def test_what_is_registered_are_the_files_as_they_were(laptop: Laptop, client: Client, tmp_path: Path) -> None:
    made = laptop.folder / "made"
    (made / "sub").mkdir(parents=True)
    (made / "sub" / "weights.bin").write_bytes(b"then")
    (made / "left-out.txt").write_text("x")
    (made / ".modelyardignore").write_text("left-*\n")
    told = json.loads(laptop.train("--offline", "--files", "made", "--json").stdout)
    assert (told["version"], told["error"], told["kept"]) == (None, None, True)
    (made / "sub" / "weights.bin").write_bytes(b"now")
    laptop.sync()
    client.pull(f"{laptop.model}:1", tmp_path / "pulled")
    assert (tmp_path / "pulled" / "sub" / "weights.bin").read_bytes() == b"then"
    assert not (tmp_path / "pulled" / "left-out.txt").exists()


def test_a_registration_that_is_refused_waits_and_says_where(laptop: Laptop, client: Client) -> None:
    client.namespaces.create(laptop.space)
    client.models.create(laptop.model)
    client.models.edit(laptop.model, archived=True)
    done = laptop.train(code=1)
    assert "is archived and takes no changes" in done.stderr
    assert "modelyard sync" in done.stderr
    (kept,) = laptop.sync(code=6)
    assert kept["outcome"] == "kept"
    folder = Path(kept["reason"].rpartition("The files to register are in ")[2])
    assert [path.name for path in folder.iterdir()]
    client.models.edit(laptop.model, archived=False)
    assert [each["version"] for each in laptop.sync()] == [f"{laptop.model}:1"]
    assert laptop.spooled == []


def test_a_crash_after_the_registration_makes_no_second_version(laptop: Laptop, client: Client) -> None:
    laptop.train("--offline")
    (spool,) = (laptop.home / "spool").iterdir()
    kept = {path.relative_to(spool): path.read_bytes() for path in spool.glob("**/*") if path.is_file()}
    kept = {path: data for path, data in kept.items() if path.parts[0] in ("model", "register.pending")}
    laptop.sync()
    for path, data in kept.items():
        (spool / path).parent.mkdir(parents=True, exist_ok=True)
        (spool / path).write_bytes(data)
    assert [each["version"] for each in laptop.sync()] == [f"{laptop.model}:1"]
    (version,) = client.versions.list(laptop.model)
    (run,) = client.runs.list(experiment=laptop.model)
    assert client.runs.get(run.id).versions == [version.reference]


def test_a_spool_of_another_release_stops_nothing_else(laptop: Laptop) -> None:
    laptop.train("--offline")
    other = laptop.home / "spool" / ("0" * 32)
    for text, reason in (
        ("{", "does not describe a model"),
        ('{"format": 9, "run": "x", "server": null', "does not describe"),
    ):
        other.mkdir(exist_ok=True)
        (other / "register.pending").write_text(text)
        outcomes = {each["run"]: each for each in laptop.sync(code=6)}
        assert reason in outcomes["0" * 32]["reason"]
    newer = {"format": 9, "run": "0" * 32, "server": None, "model": "a/b", "facts": {}}
    (other / "register.pending").write_text(json.dumps(newer))
    (kept,) = laptop.sync(code=6)
    assert "has format 9" in kept["reason"]


def test_a_wrong_name_is_refused_before_anything_runs(laptop: Laptop) -> None:
    laptop.model = "Team/Scorer!"
    done = laptop.train(code=2)
    assert "not a valid" in done.stderr
    assert not (laptop.folder / "model.onnx").exists()


def test_a_script_keeps_its_model_too(laptop: Laptop, client: Client) -> None:
    (laptop.folder / "script.py").write_text(
        "import sys\nsys.argv = ['script.py']\nimport modelyard as my\nmy.autolog()\n"
        f"with my.run('night', experiment='{laptop.space}/trees', register='{laptop.model}'):\n"
        + "".join(f"    {line}\n" for line in TRAIN.splitlines() if line)
    )
    environment = {**laptop.server.environment, **AWAY, "MODELYARD_HOME": str(laptop.home)}
    for more in ({}, {"MODELYARD_OFFLINE": "1"}):
        done = subprocess.run(
            [sys.executable, "script.py"],
            cwd=laptop.folder,
            env={**environment, **more},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "Its files are kept; register them with: modelyard sync" in done.stdout
    assert [each["outcome"] for each in laptop.sync()].count("registered") == 2
    for number in (1, 2):
        version = client.versions.get(f"{laptop.model}:{number}")
        assert version.missing == ["image"]
        assert client.versions.record(version.reference)["run"]["name"] == "night"
