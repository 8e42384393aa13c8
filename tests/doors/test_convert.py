"""Torch files become safetensors with the same bits, or nothing is pushed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.errors import Invalid
from tests.support.harmful_files import Runs
from tests.support.libraries import library
from tests.support.registry import unique
from tests.support.server import RunningServer


def pushed(server: RunningServer, folder: Path, value: Any, **options: Any) -> str:
    torch = library("torch")
    folder.mkdir()
    torch.save(value, folder / "model.pt", **options)
    (folder / "LICENSE").write_text("Apache License\nVersion 2.0, January 2004\n")
    with server.client() as client:
        return client.push(folder, f"{unique('convert')}/net", capture=False).reference


def weights() -> dict[str, Any]:
    torch = library("torch")
    tied = torch.randn(3, 4)
    return {
        "a.weight": tied,
        "b.weight": tied,
        "odd": torch.tensor([float("nan"), -0.0, 0.0, float("inf")]),
        "half": torch.randn(2, 5).to(torch.bfloat16),
        "count": torch.tensor(3),
        "view": torch.arange(12).reshape(3, 4).t(),
        "empty": torch.zeros(0, 2),
    }


@pytest.mark.parametrize("wrap", [None, "state_dict"])
@pytest.mark.parametrize("new", [True, False])
def test_the_tensors_are_equal_and_the_parent_is_named(
    server: RunningServer, tmp_path: Path, wrap: str | None, new: bool
) -> None:
    torch = library("torch")
    state = weights()
    ref = pushed(server, tmp_path / "m", {wrap: state} if wrap else state, _use_new_zipfile_serialization=new)
    with server.client() as client:
        made = client.convert(ref)
        assert made.scan == "no_code"
        assert {f.path for f in client.versions.files(made.reference)} == {
            "LICENSE", "model.safetensors", "modelyard.json",
        }  # fmt: skip
        (parent,) = client.versions.record(made.reference)["parents"]
        assert (parent["ref"], parent["relation"]) == (ref, "conversion")
        assert not {"data", "metrics", "params"} & set(made.missing)
        loaded = client.load(made.reference)
    assert list(loaded) == list(state)
    for name, tensor in state.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name].nan_to_num(7.0), tensor.nan_to_num(7.0))


def test_what_holds_more_than_tensors_is_refused(server: RunningServer, tmp_path: Path) -> None:
    ref = pushed(server, tmp_path / "m", {"w": library("torch").zeros(2), "epoch": 3})
    with server.client() as client:
        with pytest.raises(Invalid, match=r"more than tensors by name \(epoch\)"):
            client.convert(ref)
        with pytest.raises(Invalid, match="is not a format to convert to"):
            client.convert(ref, to="pickle")
        assert len([*client.versions.list(ref.partition(":")[0])]) == 1


def test_a_released_trap_runs_nothing_and_is_refused(server: RunningServer, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    ref = pushed(server, tmp_path / "m", {"w": Runs(os.system, f"touch {trace}")})
    with server.client() as client:
        client.quarantine.release(ref, reason="a test looks at it")
        with pytest.raises(Invalid, match="cannot be read as weights only"):
            client.convert(ref)
    assert not trace.exists()


def test_the_command_line(server: RunningServer, tmp_path: Path) -> None:
    ref = pushed(server, tmp_path / "m", weights())
    done = server.run("convert", ref)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{ref.partition(':')[0]}:2\t")
    again = server.run("convert", f"{ref.partition(':')[0]}:2")
    assert again.returncode != 0
    assert "has no torch file" in again.stderr
