"""The examples for CI run for real: the shell commands they contain, against a server, in a folder of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.registry import unique
from tests.support.server import RunningServer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "ci"
POLICY = """\
version: 1
promote:
  - {to: development, rules: []}
  - {to: staging, rules: [{card: {sections: [purpose, limitations]}}]}
  - to: production
    from: [staging]
    rules: [{check: {name: unit-tests, by: [BOT]}}, {metric: {name: f1, min: LEAST, split: test}}]
"""


def github_commands() -> list[str]:
    """Every `run` of the workflow, in order; $GITHUB_ENV becomes the environment of the steps after."""
    steps = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())["jobs"]["model"]["steps"]
    return [f"[ -f env ] && set -a && . ./env && set +a\n{step['run']}" for step in steps if "run" in step]


def gitlab_commands() -> list[str]:
    """before_script and script: one shell."""
    job = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())["model"]
    return ["\n".join([*job["before_script"], *job["script"]])]


def run_pipeline(
    server: RunningServer, folder: Path, commands: list[str], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """As a runner does: each in a shell that stops at the first error. Returns the last one that ran."""
    shutil.copytree(EXAMPLES, folder, dirs_exist_ok=True)
    programs = folder / "bin"
    programs.mkdir()
    (programs / "modelyard").write_text(f'#!/bin/sh\nexec {sys.executable} -m modelyard "$@"\n')
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    # The package is installed already; a test does not install it from elsewhere.
    (programs / "pip").write_text('#!/bin/sh\n[ "$*" = "install modelyard pytest" ]\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    done = None
    for command in commands:
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", command],
            cwd=folder,
            env={
                **server.environment,
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                "GITHUB_ENV": str(folder / "env"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            break
    assert done is not None
    return done


@pytest.mark.parametrize("commands", [github_commands(), gitlab_commands()], ids=["github", "gitlab"])
@pytest.mark.parametrize(("least", "code"), [(0.5, 0), (0.999, 3)], ids=["good enough", "not good enough"])
def test_train_push_report_promote(
    server: RunningServer, tmp_path: Path, commands: list[str], least: float, code: int
) -> None:
    admin = server.client()
    namespace, bot = unique("team"), unique("ci-bot")
    admin.namespaces.create(namespace)
    admin.accounts.create(bot, kind="service")
    admin.namespaces.grant(namespace, bot, "maintainer")
    admin.policies.set(namespace, POLICY.replace("LEAST", str(least)).replace("BOT", bot))
    environment = {
        "MODELYARD_URL": server.url,
        "MODELYARD_TOKEN": admin.tokens.create("ci", owner=bot).token,
        "MODEL": f"{namespace}/scorer",
        "RUN_URL": "https://ci.example.org/7",
        "CI_JOB_URL": "https://ci.example.org/7",
    }
    done = run_pipeline(server, tmp_path / "work", commands, environment)
    assert done.returncode == code, done.stdout + done.stderr
    stages = {s.name: s.primary for s in admin.promotions.stages(f"{namespace}/scorer").items}
    assert stages == {"development": None, "staging": 1, "production": 1 if code == 0 else None}
    check = admin.checks.list(f"{namespace}/scorer:1")[0]
    assert (check.name, check.state, check.by) == ("unit-tests", "pass", bot)


def test_every_variable_of_the_examples_is_explained_or_set() -> None:
    for name in ("github-actions.yml", "gitlab-ci.yml"):
        text = (EXAMPLES / name).read_text()
        for variable in ("MODELYARD_URL", "MODELYARD_TOKEN"):
            assert variable in text.partition("\n\n")[0] or re.search(rf"{variable}:", text)
