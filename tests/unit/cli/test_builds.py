"""Builds from the command line: the first recipe, the steps as they happen, and the exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.cli import builds
from modelyard.cli.base import Session
from modelyard.registry.builds.recipe import parse_recipe
from modelyard.sdk.builds import BuildNews
from modelyard.wire import builds as wire


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "train", "test", "environment"),
    [
        ({}, "python train.py", None, (None, None, None)),
        ({"train.py": "", "uv.lock": ""}, "python train.py", None, ("uv.lock", None, None)),
        (
            {"src/train.py": "", "tests/test_a.py": "", "requirements.txt": "numpy"},
            "python src/train.py",
            "python -m pytest tests",
            (None, "requirements.txt", None),
        ),
        (
            {"main.py": "", "test_a.py": "", "requirements.txt": "a==1 --hash=sha256:0"},
            "python main.py",
            "python -m pytest .",
            ("requirements.txt", None, None),
        ),
        (
            {"fit.ipynb": "", "pyproject.toml": "[project]\nname='a'"},
            "jupyter nbconvert --to notebook --execute --stdout fit.ipynb > /dev/null",
            None,
            (None, None, "pyproject.toml"),
        ),
    ],
)
def test_the_first_recipe_is_valid_and_says_what_is_in_the_folder(
    tmp_path: Path, files: dict[str, str], train: str, test: str | None, environment: tuple[str | None, ...]
) -> None:
    recipe = parse_recipe(builds.first_recipe(write(tmp_path, **files), "fraud/scorer")).file
    assert (recipe.model, recipe.train, recipe.test) == ("fraud/scorer", train, test)
    found = recipe.environment
    assert (found.lock, found.requirements, found.project) == environment


def details(status: str, step: str = "ok", **more: Any) -> wire.BuildDetails:
    values: dict[str, Any] = {
        "id": "1f0a9c3e7d52aaaa",
        "model": "fraud/scorer",
        "status": status,
        "reason": "",
        "pool": "local",
        "attempt": 1,
        "params": {},
        "metrics": {},
        "version": None,
        "promotion": None,
        "promotion_state": None,
        "run": None,
        "requested_by": "ada",
        "created_at": "2026-11-30T10:00:00Z",
        "started_at": "2026-11-30T10:00:00Z",
        "ended_at": "2026-11-30T10:00:02.500000Z",
        "step": None,
        "revision": 1,
        "rerun_of": None,
        "recipe": "",
        "bundle": None,
        "source": {},
        "attempts": [],
        "steps": [
            wire.BuildStep(
                name="train",
                state=step,
                started_at="2026-11-30T10:00:00Z",
                ended_at="2026-11-30T10:00:01.500000Z",
            )
        ],
    }
    return wire.BuildDetails(**values | more)


@pytest.mark.parametrize(
    ("build", "code"),
    [
        (details("succeeded"), 0),
        (details("succeeded", promotion_state="done"), 0),
        (details("succeeded", promotion_state="open"), 0),
        (details("succeeded", promotion_state="withdrawn"), 3),
        (details("failed"), 1),
        (details("timed-out"), 1),
        (details("cancelled"), 1),
        (details("lost"), 1),
    ],
)
def test_exit_codes(build: wire.BuildDetails, code: int) -> None:
    assert builds.exit_code_of(build) == code


class Followed:
    """Stands for a client whose build sends this news; an exception is raised in its place."""

    def __init__(self, *news: BuildNews | BaseException) -> None:
        self.builds, self._news = self, news

    def follow(self, build: str) -> Iterator[BuildNews]:
        for each in self._news:
            if isinstance(each, BaseException):
                raise each
            yield each


def follow(*news: BuildNews | BaseException) -> int:
    session = Session(False, None)
    session.__dict__["client"] = Followed(*news)
    return builds._follow(session, "1f0a9c3e7d52aaaa")


def test_steps_and_log_are_told_as_they_happen(capfd: pytest.CaptureFixture[str]) -> None:
    running, ended = details("running", "running"), details("succeeded", version="fraud/scorer:3")
    news = [
        BuildNews(details("queued", reason="1 build is before it")),
        BuildNews(details("queued", reason="1 build is before it")),
        BuildNews(running, running.steps[0]),
        BuildNews(running, running.steps[0], "epoch 1\repoch 2\n"),
        BuildNews(ended, ended.steps[0]),
        BuildNews(ended),
    ]
    assert follow(*news) == 0
    told = capfd.readouterr()
    assert told.err.splitlines() == [
        "queued: 1 build is before it",
        "[1/1] train",
        "epoch 1",
        "epoch 2",
        "[1/1] train ok after 1.5 s",
        "build 1f0a9c3e7d52 succeeded after 2.5 s",
    ]
    assert told.out == "fraud/scorer:3\n"


def test_an_interrupt_detaches_and_names_the_next_commands(capfd: pytest.CaptureFixture[str]) -> None:
    assert follow(BuildNews(details("running")), KeyboardInterrupt()) == 130
    told = capfd.readouterr().err
    assert "the build goes on" in told
    assert "modelyard builds log 1f0a9c3e7d52 --follow" in told
    assert "modelyard builds cancel 1f0a9c3e7d52" in told
