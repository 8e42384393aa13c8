"""Versions that are built once more from their record, with a running server and real agents."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.domain.errors import Invalid
from tests.support.registry import unique
from tests.support.server import RunningServer, running_server

TRAIN = """
import os, sys, pathlib, small
import modelyard as my
total = sum(int(line.split(",")[1]) for line in open(sys.argv[1]).read().split()[1:])
before = os.environ.get("MODELYARD_PARENT")
start = int(pathlib.Path(before, "model.txt").read_text().split()[0]) if before else 0
os.mkdir("out")
# The order of a set depends on PYTHONHASHSEED.
open("out/model.txt", "w").write(f"{start + total * small.factor} {set('abcdefgh')} {sys.argv[2]}")
my.log_metric("f1", total * small.factor / 1000)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that steps see wherever they run: /tmp may be their own."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="modelyard-test-"))
    yield folder
    shutil.rmtree(folder)


def install(folder: Path, version: str, factor: int) -> None:
    """Put a package into a folder, in place of any other version of it."""
    for old in folder.glob("small*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    (folder / "small.py").write_text(f"factor = {factor}")
    info = folder / f"small-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: small\nVersion: {version}\n")


def test_a_version_is_identical_then_different_by_a_package_then_impossible_without_its_data(
    server: RunningServer, outside: Path, tmp_path: Path
) -> None:
    space = unique("team")
    model = f"{space}/scorer"
    rows = outside / "rows.csv"
    rows.write_text("a,b\n1,2\n3,4\n")
    install(outside, "1.0", 10)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "modelyard.yaml").write_text(
        f"version: 1\nmodel: {model}\nparams: {{word: x}}\ntrain: python train.py {rows} {{word}}\nresult: out\n"
        f"environment: {{variables: {{PYTHONPATH: '{outside}', PYTHONDONTWRITEBYTECODE: '1'}}}}\n"
        f"data:\n  rows: {{ref: {space}/rows, path: {rows}}}\n"
    )
    with server.client() as client:
        client.namespaces.create(space)
        client.datasets.push(rows, f"{space}/rows")
        done = server.run("build", str(tmp_path))
        assert done.returncode == 0, done.stderr
        first = f"{model}:1"
        assert done.stdout.strip() == first
        (built,) = client.builds.list(model=model)
        assert client.versions.get(first).build == built.id

        same = server.run("reproduce", first)
        assert (same.returncode, same.stdout.strip()) == (0, "identical: 1 file and 1 metric compared"), (
            same.stderr
        )
        (check,) = client.checks.list(first)
        assert (check.name, check.state, check.details["verdict"]) == ("reproduced", "pass", "identical")
        shown = server.run("show", first).stdout
        assert f"build {built.id}" in shown
        assert "identical" in shown

        install(outside, "2.0", 20)
        other = server.run("reproduce", first)
        assert other.returncode == 1
        assert "; file model.txt was sha256:" in other.stdout
        assert "different: metric f1 was 0.06, it is 0.12" in other.stdout
        assert "package small was 1.0, it is 2.0" in other.stdout
        second, again = (client.builds.get(each.id) for each in client.builds.list(model=model, limit=2))
        assert (second.rerun_of, second.verdict) == (again.id, "different")

        child = server.run("retrain", first, "--param", "word=y", "--warm")
        assert child.stdout.strip() == f"{model}:2", child.stderr
        record = client.versions.record(f"{model}:2")
        assert record["parents"] == [{"ref": first, "relation": "finetune"}]
        assert record["params"]["word"] == "y"
        (path,) = client.pull(f"{model}:2", tmp_path / "pulled").glob("model.txt")
        assert path.read_text().startswith("180 ")
        with pytest.raises(Invalid, match=r"no data 'row'.*it has: rows"):
            client.builds.retrain(first, data={"row": f"{space}/rows"})

        rows.unlink()
        gone = server.run("reproduce", first)
        assert gone.returncode == 1
        assert gone.stdout.startswith("impossible: step data:")
        assert "rows.csv does not exist" in gone.stdout
        assert [(check.name, check.state) for check in client.checks.list(first)] == [
            ("reproduced", state) for state in ("error", "fail", "fail", "pass")
        ]
        assert [version.version for version in client.versions.list(model)] == [2, 1]
