"""The programs that the README's first command runs, against a server, in a folder outside of any repository."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.server import RunningServer

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def quickstart(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    spec = importlib.util.spec_from_file_location("quickstart", TOOLS / "quickstart.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_model_knows_its_data_and_predicts_elsewhere(
    server: RunningServer, quickstart: ModuleType, tmp_path: Path
) -> None:
    def run(program: str, given: str = "") -> dict[str, object]:
        script = tmp_path / "quickstart_step.py"
        script.write_text(program, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(script)], cwd=tmp_path, env=server.environment, input=given,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    trained = run(quickstart.TRAIN)
    assert run(quickstart.PREDICT, json.dumps(trained)) == trained["predicted"]
    with server.client() as client:
        version = client.versions.get(str(trained["reference"]))
    assert {metric["split"] for metric in version.metrics} == {"test"}
    assert set(version.missing) <= {"code", "image"}, "a script outside of a repository, and no container"


def test_long_steps_say_that_they_go_on(
    monkeypatch: pytest.MonkeyPatch, quickstart: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    environment = sys.modules["environment"]
    waited: list[int] = []

    class Slow:
        def __init__(self, *_: object, **__: object) -> None:
            return

        def wait(self, timeout: float) -> int:
            waited.append(1)
            if len(waited) < 4:
                raise subprocess.TimeoutExpired("pip", timeout)
            return 0

    monkeypatch.setattr(environment.subprocess, "Popen", Slow)
    environment._run(["pip"])
    assert capfd.readouterr().out.count("still installing") == 3
