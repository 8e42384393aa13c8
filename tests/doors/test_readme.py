"""The commands and the snippet of the README and the tutorial, run as they are written."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import RunningServer, running_server

ROOT = Path(__file__).resolve().parents[2]
# What these would do is done already, or is a server that the test starts itself.
_NOT_RUN = ("pip ", "python3 ", "modelyard serve")
TRAINING = """\
import sys
from sklearn.datasets import load_wine
from sklearn.metrics import accuracy_score
from sklearn.tree import DecisionTreeClassifier

data, labels = load_wine(return_X_y=True, as_frame=True)
depth = int(sys.argv[2]) if len(sys.argv) > 2 else 1
model = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(data, labels)
print(accuracy_score(labels, model.predict(data)))
"""


def blocks(page: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), flags=re.M | re.S)


def commands(page: str) -> list[list[str]]:
    lines = [line for block in blocks(page) for line in block.splitlines()]
    return [
        shlex.split(line, comments=True) for line in lines if line.strip() and not line.startswith(_NOT_RUN)
    ]


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[tuple[RunningServer, Path]]:
    """A fresh server, and an empty folder with the two models that the pages take as given."""
    place = tmp_path / "work"
    for name in ("model", "better-model"):
        (place / name).mkdir(parents=True)
        (place / name / "weights.bin").write_bytes(name.encode())
    (place / "train.py").write_text(TRAINING)
    with running_server() as server:
        yield server, place


def run(server: RunningServer, place: Path, command: list[str]) -> str:
    assert command[0] == "modelyard", command
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=place,
        env={**server.environment, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_five_minutes_of_the_readme(newcomer: tuple[RunningServer, Path]) -> None:
    server, place = newcomer
    written = commands("README.md")
    assert [command[1] for command in written] == [
        *("push", "show", "pull", "alias", "history", "search"),
        *("promote", "promote", "promote", "promote", "rollback", "history", "policy", "audit", "audit"),
        *("run", "run", "compare", "best", "lineage", "scan", "bom"),
    ]
    outputs: dict[str, str] = {}
    for command in written:
        if command[1] == "alias":
            # The page moves the pointer to a second version, which somebody else pushed meanwhile.
            run(server, place, ["modelyard", "push", "./better-model", "fraud/scorer", "--metric", "f1=0.95"])
        outputs[command[1]] = run(server, place, command)
    assert "fraud/scorer:1" in outputs["push"]
    assert (place / "here" / "weights.bin").read_bytes() == b"model"
    assert "fraud/scorer" in outputs["search"]
    with server.client() as client:
        assert client.resolve("fraud/scorer@champion").version == 2
        assert client.resolve("fraud/scorer@production").version == 1
    assert "6 of 6 facts are known" in outputs["run"]
    assert "demo/wine:2" in outputs["best"]


def test_the_snippet_of_the_readme(newcomer: tuple[RunningServer, Path]) -> None:
    """In a process of its own, without any address or token in the code."""
    server, place = newcomer
    (snippet,) = blocks("README.md", "python")
    last = snippet.strip().splitlines()[-1]
    check = f"\nassert list({last}) == list(model.predict(features[:3]))\n"
    done = subprocess.run(
        [sys.executable, "-c", snippet + check],
        cwd=place,
        env={**server.environment, "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with server.client() as client:
        assert client.resolve("demo/iris@champion").version == 1


def test_the_tutorial(newcomer: tuple[RunningServer, Path]) -> None:
    server, place = newcomer
    for command in commands("docs/tutorial/first-model.md"):
        run(server, place, [word for word in command if word != "&"])
    with server.client() as client:
        moves = [(m.from_version, m.to_version) for m in client.aliases.history("fraud/scorer", "champion")]
    assert moves == [(2, 1), (1, 2), (None, 1)]
