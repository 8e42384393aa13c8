"""Container images of versions: the folder that they are made of, with a running server; builders are small programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.domain.errors import Conflict, Invalid
from modelyard.sdk.source_bundle import make_bundle
from tests.support.registry import unique
from tests.support.server import RunningServer, running_server

TRAIN = "import helper, pickle\nwith open('model.pkl', 'wb') as file:\n    pickle.dump([1, 2], file)\n"
MADE, PUSHED = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
BUILDER = f"""#!/bin/sh
echo "$@" >> "$0.calls"
for word; do
  case "$before" in --iidfile) echo {MADE} > "$word";; --digestfile) echo {PUSHED} > "$word";; esac
  before="$word"
done
echo made
"""
ENVIRONMENT = {"python": "3.11.7", "packages": {"numpy": "2.1.0"}, "system": "Linux", "machine": "x86_64"}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


@pytest.fixture
def builder(tmp_path: Path) -> Path:
    program = tmp_path / "bin" / "buildah"
    program.parent.mkdir()
    program.write_text(BUILDER)
    program.chmod(0o755)
    return program


def test_an_image_is_made_of_the_record_and_known_from_then_on(
    server: RunningServer, tmp_path: Path, builder: Path
) -> None:
    project, model = tmp_path / "project", f"{unique('team')}/scorer"
    project.mkdir()
    (project / "train.py").write_text(TRAIN)
    (project / "helper.py").write_text("x = 1\n")
    done = server.run("run", "--register", model, "--", sys.executable, "train.py", cwd=project)
    assert done.returncode == 0, done.stderr
    done = server.run("image", "build", f"{model}:1", "--builder", "none", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    folder = tmp_path / told["folder"]
    assert (folder.name, told["exact"], told["has_code"]) == ("scorer-1-image", False, True)
    assert (folder / "model" / "model.pkl").read_bytes() == (project / "model.pkl").read_bytes()
    assert {path.name for path in (folder / "code").iterdir()} == {"train.py", "helper.py"}
    packages = (folder / "requirements.txt").read_text()
    assert "\nscikit-learn==" in packages
    text = (folder / "Containerfile").read_text()
    assert f"ARG BASE=docker.io/library/python:{sys.version.split()[0]}-slim\nFROM ${{BASE}}\n" in text
    assert f'LABEL org.modelyard.version="{model}:1"' in text
    with server.client() as client:
        version = client.versions.get(f"{model}:1")
        assert json.loads((folder / "version.json").read_text())["digest"] == version.digest
        assert "image" in version.missing
        # A builder is called with the folder, and what it made is known.
        path = f"{builder.parent}:{os.environ['PATH']}"
        words = ("--to", "again", "--option=--network=host")
        done = server.run("image", "build", f"{model}:1", *words, cwd=tmp_path, env={"PATH": path})
        assert done.stdout.strip() == MADE, done.stderr
        assert "made" in done.stderr
        assert (tmp_path / "again" / "Containerfile").read_text() == text
        call = Path(f"{builder}.calls").read_text().strip()
        assert call.endswith(f"-f again/Containerfile -t {model}:1 --timestamp 0 --network=host again")
        version = client.versions.get(f"{model}:1")
        assert version.image is not None
        assert version.image.digest == MADE
        assert "image" not in version.missing
        pushed = ("--to", "third", "--tag", "registry.example.com/scorer:1", "--push")
        done = server.run("image", "build", f"{model}:1", *pushed, cwd=tmp_path, env={"PATH": path})
        assert done.stdout.strip() == PUSHED, done.stderr
        assert client.versions.get(f"{model}:1").image.reference == "registry.example.com/scorer:1"
    # A folder that has something in it is not touched.
    done = server.run("image", "build", f"{model}:1", "--to", "again", cwd=tmp_path)
    assert (done.returncode, "again is not empty" in done.stderr) == (1, True)


def test_a_source_must_be_the_one_that_was_built(server: RunningServer, tmp_path: Path) -> None:
    source, files = tmp_path / "source", tmp_path / "files"
    for folder in (source, files):
        folder.mkdir()
        (folder / "model.py").write_text("x = 1\n")
    bundle = make_bundle(source, tmp_path / "source.tar")
    model = f"{unique('team')}/scorer"
    with server.client() as client:
        facts = {"environment": ENVIRONMENT, "code": {"bundle": str(bundle.digest)}}
        version = client.push(files, model, facts=facts, capture=False)
        context = client.images.write(version.reference, tmp_path / "image", source=source)
        assert (context.folder / "code" / "model.py").read_text() == "x = 1\n"
        assert (context.folder / "requirements.txt").read_text() == "numpy==2.1.0\n"
        (source / "model.py").write_text("x = 2\n")
        with pytest.raises(Conflict, match="was built from sha256:"):
            client.images.write(version.reference, tmp_path / "other", source=source)
        with pytest.raises(Invalid, match=r"buildah (is not installed here|ended with exit code)"):
            client.images.build(context, builder="buildah", options=["--no-such-option"], log=lambda _: None)
        bare = client.push(files, f"{model}-bare", capture=False)
        with pytest.raises(Invalid, match="has no environment"):
            client.images.write(bare.reference, tmp_path / "bare")
