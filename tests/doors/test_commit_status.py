"""The CI action that reports a verdict as the status of a commit, run as CI runs it, against a recording server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.receiver import Receiver, running_receiver
from tests.support.registry import unique
from tests.support.server import RunningServer

ACTION = Path(__file__).resolve().parents[2] / "examples" / "ci" / "verdict"
POLICY = """\
version: 1
promote:
  - {to: development, rules: []}
  - {to: staging, rules: []}
  - to: production
    rules: [{metric: {name: f1, min: 0.7, split: test}}, {check: {name: unit-tests}}]
"""
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def model(server: RunningServer, tmp_path: Path) -> str:
    """Version 1 lacks a check, version 2 is too bad, version 3 passes."""
    name = f"{unique('ci')}/scorer"
    with server.client() as client:
        for number, f1 in enumerate((0.9, 0.5, 0.9), start=1):
            (tmp_path / "w.bin").write_bytes(f"{name} {number}".encode())
            client.push(tmp_path / "w.bin", name, metrics={"test:f1": f1}, capture=False)
        for number in (2, 3):
            client.checks.report(f"{name}:{number}", "unit-tests", "pass")
        client.policies.set(name.partition("/")[0], POLICY)
    return name


def run_action(
    server: RunningServer, tmp_path: Path, reference: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The action's own shell command."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "modelyard").write_text(f'#!/bin/sh\nexec {sys.executable} -m modelyard "$@"\n')
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    (step,) = yaml.safe_load((ACTION / "action.yml").read_text())["runs"]["steps"]
    return subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        env={
            **server.environment,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_ACTION_PATH": str(ACTION),
            "REFERENCE": reference,
            "STAGE": "production",
            "STATUS_TOKEN": "secret-token",
            "TARGET_URL": "https://ci.example.org/7",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def github(receiver: Receiver) -> dict[str, str]:
    base = receiver.url.removesuffix("/hook")
    return {
        "GITHUB_API_URL": base,
        "GITHUB_REPOSITORY": "acme/churn",
        "COMMIT_SHA": SHA,
        "GITHUB_SHA": "f" * 40,
    }


@pytest.mark.parametrize(
    ("number", "state", "words"),
    [
        (1, "pending", "not in production yet: check-unit-tests"),
        (2, "failure", "not in production yet: metric-f1"),
        (3, "success", "may enter production"),
        (9, "error", "has no version 9"),
    ],
)
def test_the_verdict_is_the_status_of_the_pull_requests_commit(
    server: RunningServer, model: str, tmp_path: Path, number: int, state: str, words: str
) -> None:
    with running_receiver() as receiver:
        done = run_action(server, tmp_path, f"{model}:{number}", **github(receiver))
        assert done.returncode == 0, done.stdout + done.stderr
        (message,) = receiver.messages
    assert message.path == f"/repos/acme/churn/statuses/{SHA}"
    assert message.headers["authorization"] == "Bearer secret-token"
    sent: dict[str, Any] = message.value
    assert (sent["state"], sent["context"]) == (state, "modelyard/production")
    assert words in sent["description"]
    assert len(sent["description"]) <= 140
    assert sent["target_url"] == "https://ci.example.org/7"
    with server.client() as client:
        assert {s.name: s.primary for s in client.promotions.stages(model).items}["production"] is None


def test_gitlab_gets_its_own_words(server: RunningServer, model: str, tmp_path: Path) -> None:
    with running_receiver() as receiver:
        base = receiver.url.removesuffix("/hook")
        there = {"CI_API_V4_URL": f"{base}/api/v4", "CI_PROJECT_ID": "acme/churn", "CI_COMMIT_SHA": SHA}
        assert run_action(server, tmp_path, f"{model}:2", **there).returncode == 0
        (message,) = receiver.messages
    assert message.path == f"/api/v4/projects/acme%2Fchurn/statuses/{SHA}"
    assert message.headers["private-token"] == "secret-token"
    assert (message.value["state"], message.value["name"]) == ("failed", "modelyard/production")


def test_a_registry_that_does_not_answer_is_an_error_of_the_commit(
    server: RunningServer, model: str, tmp_path: Path
) -> None:
    with running_receiver() as receiver:
        done = run_action(
            server, tmp_path, f"{model}:3", MODELYARD_URL="http://127.0.0.1:9", **github(receiver)
        )
        assert done.returncode == 0
        assert receiver.messages[0].value["state"] == "error"


def test_a_status_that_is_not_taken_makes_the_job_red(
    server: RunningServer, model: str, tmp_path: Path
) -> None:
    with running_receiver() as receiver:
        receiver.answer = lambda count, value: 422
        done = run_action(server, tmp_path, f"{model}:3", **github(receiver))
        assert done.returncode == 1
        assert "was not reported" in done.stderr
        assert "secret-token" not in done.stdout + done.stderr
    done = run_action(server, tmp_path, f"{model}:3", GITHUB_API_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "is not set" in done.stderr
