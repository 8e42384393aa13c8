"""A booby-trapped version through the client and the command line of a running server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelyard.domain.errors import VersionQuarantined
from tests.support import model_files
from tests.support.bad_files import library_traps, traps
from tests.support.registry import unique
from tests.support.server import RunningServer


def folder_with(place: Path, data: bytes, name: str = "model.bin") -> Path:
    place.mkdir()
    (place / name).write_bytes(data)
    return place


@pytest.mark.parametrize(
    "trick", ["protocol 4", "gzip", "zip in a zip", "escaped STRING", "torch", "joblib, compressed"]
)
def test_a_trap_is_never_pulled_or_loaded(each_server: RunningServer, tmp_path: Path, trick: str) -> None:
    data = {**traps(), **library_traps()}[trick]
    model = f"{unique('traps')}/scorer"
    with each_server.client() as client:
        made = client.push(folder_with(tmp_path / "m", data), model, capture=False)
        assert (made.scan, made.quarantined) == ("dangerous", True)
        named = [f.name for file in client.scans.get(made.reference).files for f in file.findings]
        assert {"posix.system", "os.system"} & set(named)
        for verb in (
            lambda: client.pull(made.reference, tmp_path / "out"),
            lambda: client.load(made.reference, trust=True),
            lambda: client.aliases.set(made.reference, "champion"),
            lambda: client.promotions.promote(made.reference, "staging"),
        ):
            with pytest.raises(VersionQuarantined):
                verb()
        assert not (tmp_path / "out").exists() or not [*(tmp_path / "out").rglob("model.bin")]
        client.quarantine.release(made.reference, reason="a test looks at it")
        assert (client.pull(made.reference, tmp_path / "out") / "model.bin").read_bytes() == data


def test_a_benign_pickle_is_pulled_and_loaded(server: RunningServer) -> None:
    with server.client() as client:
        model = f"{unique('benign')}/scorer"
        made = client.push(model_files.pipeline(), model, allow_pickle=True, capture=False)
        assert made.scan in ("allowlisted", "no_code")
        rows = model_files.training_data()[0][:5]
        loaded = client.load(made.reference, trust=True)
        assert (loaded.predict(rows) == model_files.pipeline().predict(rows)).all()


def test_the_command_line_says_why_and_who_helps(server: RunningServer, tmp_path: Path) -> None:
    model = f"{unique('cli')}/scorer"
    namespace = model.partition("/")[0]
    with server.client() as client:
        made = client.push(folder_with(tmp_path / "m", traps()["tar.gz"]), model, capture=False)

    run = server.run
    shown = run("scan", "show", made.reference)
    assert shown.returncode == 1
    assert "posix.system" in shown.stdout
    assert "modelyard quarantine release" in shown.stderr
    listed = run("quarantine", "ls", namespace, "--json")
    assert [row["reference"] for row in json.loads(listed.stdout)] == [made.reference]
    assert run("pull", made.reference, "--to", str(tmp_path / "out")).returncode == 1
    assert run("scan", "trust", namespace, "my_corp.utils.Helper", "--reason", "ours").returncode == 0
    assert "my_corp.utils.Helper" in run("scan", "trust", namespace).stdout
    assert run("scan", "untrust", namespace, "my_corp.utils.Helper").returncode == 0
    assert run("scan", "run", made.reference).returncode == 1
    done = run("quarantine", "release", made.reference, "--reason", "reviewed")
    assert done.stdout.strip() == f"Released {made.reference}"
    assert run("pull", made.reference, "--to", str(tmp_path / "out")).returncode == 0
