"""What an attempt reads from reports, and what its steps see of the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from modelyard.agent.attempt import Attempt
from modelyard.agent.opening import Opening
from modelyard.agent.processes import Stop
from modelyard.agent.training import Training, read_metrics
from modelyard.agent.workplace import StepFailed, Workplace
from modelyard.sdk.session import Session
from modelyard.wire import builds as wire


def test_metrics_are_numbers_by_name(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text('{"f1": 0.5, "count": 3, "loss": NaN, "gain": -Infinity}')
    assert read_metrics(path) == {"f1": 0.5, "count": 3.0, "loss": "NaN", "gain": "-Infinity"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[1]", "must hold 1 to 1000 metrics"),
        ("{}", "must hold 1 to 1000 metrics"),
        ('{"f1": "0.5"}', "the metric 'f1' is '0.5', not a number"),
        ('{"f1": {"test": 0.5}}', "not a number"),
        ('{"ok": true}', "not a number"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_other_reports_are_refused_with_the_reason(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(StepFailed, match=words):
        read_metrics(path)


class _Here:
    url = "http://127.0.0.1:1"


def workplace(folder: Path, **plan: Any) -> Workplace:
    made = Workplace(
        cast(Session, _Here()), Opening(_Here.url, "b1", 1), folder, folder / "environments", Stop()
    )
    values: dict[str, Any] = {
        "build": "b1",
        "attempt": 1,
        "token": "t",
        "model": "fraud/scorer",
        "run": "r1",
        "bundle": None,
    }
    made.plan = wire.BuildPlan(**values | {"source": {}, "params": {}, "environment": {}} | plan)
    made.source.mkdir(exist_ok=True)
    return made


def test_steps_get_the_plans_variables_and_none_that_may_hold_a_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("MODELYARD_DATABASE_URL", "x")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("MODELYARD_TOKEN", "of the attempt")
    found = workplace(tmp_path, environment={"MODE": "fast", "HOME": "/root"}).variables()
    assert (found["MODE"], found["LC_ALL"], found["MODELYARD_TOKEN"]) == ("fast", "C.UTF-8", "of the attempt")
    assert found["HOME"] == str(tmp_path / "home")
    assert not {"AWS_SECRET_ACCESS_KEY", "MODELYARD_DATABASE_URL"} & set(found)


def test_the_code_is_that_of_the_bundle_with_its_program(tmp_path: Path) -> None:
    made = workplace(tmp_path, source={"commit": "abc", "dirty": True}, bundle="sha256:" + "0" * 64)
    (made.source / "train.py").write_text("1")
    training = Training(made)
    code = training._code_facts("python ./train.py --depth 6 --api-key s3cr3t")
    assert (code["commit"], code["dirty"], code["bundle"]) == ("abc", True, "sha256:" + "0" * 64)
    assert (code["entry_point"], code["arguments"]) == ("train.py", ["--depth", "6", "--api-key", "***"])
    assert "s3cr3t" not in str(code)
    assert training._code_facts("make 'unbalanced")["command"] == ["make", "'unbalanced"]


@pytest.mark.parametrize(
    ("cause", "status"), [("cancelled", "cancelled"), ("timed-out", "timed-out"), ("ended", "failed")]
)
def test_the_end_says_what_we_did(tmp_path: Path, cause: str, status: str) -> None:
    made = Attempt(workplace(tmp_path))
    assert made._asked_end() is None
    made._stop.ask(cause, "why")
    assert made._asked_end() == wire.AttemptEnd(status=status, reason="why")
