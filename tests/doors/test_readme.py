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
_NOT_RUN = ("pip ", "python3 ", "modelyard serve", "mkdir ")


def blocks(page: str, language: str = "") -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(), flags=re.M | re.S)
    return [block for its_language, block in found if its_language == language]


def commands(page: str) -> list[list[str]]:
    lines = [line for block in blocks(page) for line in block.splitlines()]
    return [
        shlex.split(line, comments=True) for line in lines if line.strip() and not line.startswith(_NOT_RUN)
    ]


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[tuple[RunningServer, Path]]:
    """A fresh server, and an empty folder."""
    place = tmp_path / "work"
    place.mkdir()
    with running_server() as server:
        yield server, place


def prepare(page: str, place: Path) -> None:
    """What the page has its reader make before the first push."""
    (line,) = [line for block in blocks(page) for line in block.splitlines() if line.startswith("mkdir ")]
    subprocess.run(["sh", "-c", line], cwd=place, check=True)


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
    prepare("README.md", place)
    (place / "train.py").write_text(blocks("README.md", "python")[0])
    written = commands("README.md")
    assert [command[1] for command in written] == [
        *("push", "show", "pull", "push", "alias", "history", "search"),
        *("promote", "promote", "promote", "promote", "rollback", "history", "policy", "audit", "audit"),
        *("run", "run", "compare", "best", "lineage", "scan", "bom"),
    ]
    outputs: dict[str, str] = {}
    for command in written:
        outputs[command[1]] = run(server, place, command)
    assert "fraud/scorer:2" in outputs["push"]
    assert (place / "here" / "weights.bin").read_bytes() == b"first\n"
    assert "fraud/scorer" in outputs["search"]
    with server.client() as client:
        assert client.resolve("fraud/scorer@champion").version == 2
        assert client.resolve("fraud/scorer@production").version == 1
    assert "5 of 6 facts are known" in outputs["run"]
    assert "demo/wine:2" in outputs["best"]


def test_the_snippet_of_the_readme(newcomer: tuple[RunningServer, Path]) -> None:
    """In a process of its own, without any address or token in the code."""
    server, place = newcomer
    snippet = blocks("README.md", "python")[-1]
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
    prepare("docs/tutorial/first-model.md", place)
    for command in commands("docs/tutorial/first-model.md"):
        run(server, place, [word for word in command if word != "&"])
    with server.client() as client:
        moves = [(m.from_version, m.to_version) for m in client.aliases.history("fraud/scorer", "champion")]
    assert moves == [(2, 1), (1, 2), (None, 1)]
