"""A trusted pickle runs what rebuilds data, and names of the caller's; anything else only by the word "unsafe"."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.errors import Invalid, NoSaver, UntrustedModel
from modelyard.sdk.savers import load_model, save_model
from modelyard.sdk.savers.base import require_weights_only
from tests.support import model_files
from tests.support.bad_files import Runs
from tests.support.libraries import library
from tests.unit.domain.scanning.test_names import NOT_ALLOWED, Ops


class Own:
    """Of a package that no list knows."""

    def __init__(self) -> None:
        self.value = 3


def folder_with(tmp_path: Path, data: bytes) -> Path:
    """A pushed pickle, whose bytes somebody changed."""
    folder = tmp_path / "model"
    save_model({1, 2}, folder, allow_pickle=True)
    (folder / "model.pkl").write_bytes(data)
    return folder


def marking(tmp_path: Path) -> tuple[Runs, Path]:
    marker = tmp_path / "ran"
    return Runs(os.mkdir, str(marker)), marker


def test_a_dangerous_call_is_refused_with_trust_and_runs_only_as_unsafe(tmp_path: Path) -> None:
    trap, marker = marking(tmp_path)
    folder = folder_with(tmp_path, pickle.dumps(trap))
    for trust in (False, True, ["posix.mkdir"], ["os.mkdir"]):
        with pytest.raises(UntrustedModel):
            load_model(folder, trust=trust)
    assert not marker.exists()
    load_model(folder, trust="unsafe")
    assert marker.exists()


def test_a_runner_of_our_own_client_is_refused(tmp_path: Path) -> None:
    from modelyard.sdk.runs.command import run_command

    marker = tmp_path / "ran"
    folder = folder_with(tmp_path, pickle.dumps(Runs(run_command, ["touch", str(marker)])))
    for trust in (True, ["modelyard.sdk.runs.command.run_command"]):
        with pytest.raises(UntrustedModel, match="run_command"):
            load_model(folder, trust=trust)
    assert not marker.exists()


@pytest.mark.parametrize("name", sorted(NOT_ALLOWED))
def test_another_use_of_an_allowed_name_is_refused(tmp_path: Path, name: str) -> None:
    opcodes: Ops = NOT_ALLOWED[name]
    with pytest.raises(UntrustedModel):
        load_model(folder_with(tmp_path, b"\x80\x04" + opcodes.data + b"."), trust=True)


def test_code_of_ones_own_is_trusted_by_name(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, pickle.dumps(Own()))
    path = f"{Own.__module__}.Own"
    with pytest.raises(UntrustedModel, match=path):
        load_model(folder, trust=True)
    assert load_model(folder, trust=[path]).value == 3
    with pytest.raises(Invalid, match="neither"):
        load_model(folder, trust=path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_models_load_with_trust(tmp_path: Path, protocol: int) -> None:
    model = model_files.pipeline()
    folder = folder_with(tmp_path, pickle.dumps(model, protocol))
    rows = model_files.training_data()[0]
    assert (load_model(folder, trust=True).predict(rows) == model.predict(rows)).all()


def test_tensors_in_a_pickle_are_read_as_weights_alone(tmp_path: Path) -> None:
    torch = library("torch")
    folder = folder_with(tmp_path, pickle.dumps({"w": torch.arange(5.0)}))
    assert torch.equal(load_model(folder, trust=True)["w"], torch.arange(5.0))
    trap, marker = marking(tmp_path)
    inner = pickle.dumps(trap)
    with pytest.raises(Exception, match=r"(?i)weights|unsupported"):
        load_model(
            folder_with(tmp_path / "second", pickle.dumps(Runs(torch.storage._load_from_bytes, inner))),
            trust=True,
        )
    assert not marker.exists()


def test_a_dangerous_type_of_skops_is_refused_with_trust(tmp_path: Path) -> None:
    preprocessing = library("sklearn.preprocessing")
    save_model(preprocessing.FunctionTransformer(os.getcwd).fit([[1.0]]), tmp_path / "model")
    for trust in (False, True, ["posix.getcwd"]):
        with pytest.raises(UntrustedModel, match="getcwd"):
            load_model(tmp_path / "model", trust=trust)
    assert load_model(tmp_path / "model", trust="unsafe").func is os.getcwd


def test_an_old_torch_is_not_asked_for_weights_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    torch: Any = library("torch")
    for version, is_safe in (
        ("2.5.1", False),
        ("1.13.0+cpu", False),
        ("2.6.0", True),
        ("2.13.0+cpu", True),
        ("3.0", True),
    ):
        monkeypatch.setattr(torch, "__version__", version)
        if is_safe:
            assert require_weights_only("a conversion") is torch
        else:
            with pytest.raises(NoSaver, match=r"2\.6"):
                require_weights_only("a conversion")
