"""A booby-trapped version through the client and the command line of a running server."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from modelyard.domain.errors import FileQuarantined, VersionQuarantined
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


def unknown_file(place: Path) -> Path:
    data = b"\x80\x04cmy_corp.utils\nHelper\n)\x81X\x08\0\0\0" + unique("x").rjust(8, "_")[-8:].encode() + b"0."
    return folder_with(place, data, "model.pkl")


def test_the_command_that_a_refusal_prints_has_the_version_served(
    server: RunningServer, tmp_path: Path
) -> None:
    model = f"{unique('cli')}/scorer"
    namespace = model.partition("/")[0]
    with server.client() as client:
        made = client.push(unknown_file(tmp_path / "m"), model, capture=False)
        assert (made.scan, made.quarantined) == ("unknown", True)
        with pytest.raises(VersionQuarantined) as refused:
            client.pull(made.reference, tmp_path / "out")
    for said in (refused.value.fix, server.run("pull", made.reference, "--to", str(tmp_path / "out")).stderr):
        assert f'modelyard scan trust {namespace} my_corp.utils.Helper --reason "…"' in said
    command = shlex.split(refused.value.fix.partition("modelyard ")[2])
    done = server.run(*command)
    assert done.returncode == 0, done.stderr
    assert server.run("pull", made.reference, "--to", str(tmp_path / "out")).returncode == 0
    assert (tmp_path / "out/model.pkl").is_file()
    loose = server.run("scan", "serve-unknown", namespace, "on", "--reason", "a laboratory")
    assert loose.stdout.strip() == f"{namespace} serves unknown code"
    assert "serves versions that name unknown code" in server.run("scan", "trust", namespace).stderr


def test_a_release_without_a_second_person_says_so(server: RunningServer, tmp_path: Path) -> None:
    with server.client() as client:
        made = client.push(
            folder_with(tmp_path / "m", traps()["gzip"]), f"{unique('cli')}/scorer", capture=False
        )
    done = server.run("quarantine", "release", made.reference, "--reason", "looked at")
    assert "by the person who pushed it, because no one else has the right" in done.stderr
    assert "who also pushed it: no one else has that right" in server.run("scan", "show", made.reference).stdout


def test_a_file_of_a_run_is_scanned_held_and_released(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "bad.pkl").write_bytes(traps()["protocol 4"])
    benign = tmp_path / "good.pkl"
    benign.write_bytes(model_files.pickle_file(5))
    code = "import modelyard as my\nmy.log_artifact('bad.pkl')\nmy.log_artifact('good.pkl')\n"
    (tmp_path / "train.py").write_text(code)
    space = unique("runs")
    ran = server.run("run", "--experiment", f"{space}/t", "--", sys.executable, "train.py", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    with server.client() as client:
        (run,) = client.runs.list(experiment=f"{space}/t")
        pulled = client.runs.pull(run.id, tmp_path / "out", ["good.pkl"])
        assert (pulled / "good.pkl").read_bytes() == benign.read_bytes()
        with pytest.raises(FileQuarantined, match=r"posix\.system"):
            client.runs.pull(run.id, tmp_path / "out", ["bad.pkl"])
        assert not (tmp_path / "out/bad.pkl").exists()
        assert [f.path for f in client.scans.of_run(run.id).files if f.quarantined] == ["bad.pkl"]
        shown = server.run("scan", "show-run", run.id)
        assert (shown.returncode, "in quarantine" in shown.stdout) == (1, True)
        done = server.run("quarantine", "release-run", run.id, "--reason", "a test looks at it")
        assert done.stdout.strip() == "Released bad.pkl"
        client.runs.pull(run.id, tmp_path / "out", ["bad.pkl"])
        assert (tmp_path / "out/bad.pkl").is_file()
