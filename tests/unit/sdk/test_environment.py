"""The environment: where packages are from, a lock that installs, accelerators, and images."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from modelyard.sdk import environment

COMMIT = "c" * 40
DIGEST = "d" * 64


class Distribution:
    def __init__(self, name: str, version: str, **files: str) -> None:
        text = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n\nName: of the description\n"
        self._files = {
            "METADATA": text,
            "RECORD": files.get("record"),
            "direct_url.json": files.get("direct"),
        }

    def read_text(self, name: str) -> str | None:
        return self._files[name]


def direct(**told: Any) -> str:
    return json.dumps(told)


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Distribution("Plain.Package", "1.0", record="a.py,sha256=aaa,1\nb.pyc,,\n"),
        Distribution("plain-package", "0.9"),
        Distribution(
            "cloned",
            "2.0",
            direct=direct(url="https://ann:pw@git.example/c", vcs_info={"vcs": "git", "commit_id": COMMIT}),
        ),
        Distribution(
            "archived",
            "3.0",
            direct=direct(url="https://files.example/a.whl", archive_info={"hashes": {"sha256": DIGEST}}),
        ),
        Distribution(
            "edited", "4.0", direct=direct(url="file:///home/ann/edited", dir_info={"editable": True})
        ),
        Distribution("copied", "5.0", direct=direct(url="file:///home/ann/copied", dir_info={})),
        Distribution("broken", "6.0", direct="{"),
        Distribution("", "7.0"),
    ]
    monkeypatch.setattr(environment, "distributions", lambda: found)


@pytest.mark.usefixtures("packages")
def test_where_packages_are_from() -> None:
    versions, origins = environment.installed_packages()
    assert versions == {
        "archived": "3.0",
        "broken": "6.0",
        "cloned": "2.0",
        "copied": "5.0",
        "edited": "4.0",
        "plain-package": "1.0",
    }
    # Of the list of files only those with a digest count, so that compiling changes nothing.
    other = Distribution("plain-package", "1.0", record="b.pyc,,\nc.pyc,,\na.py,sha256=aaa,1")
    assert origins.pop("plain-package") == environment._origin(other)  # type: ignore[arg-type]
    assert origins == {
        "archived": {"url": "https://files.example/a.whl", "digest": f"sha256:{DIGEST}"},
        "cloned": {"url": "https://git.example/c", "commit": COMMIT, "vcs": "git"},
        "copied": {"url": "file:///home/ann/copied", "local": True},
        "edited": {"url": "file:///home/ann/edited", "editable": True},
    }


@pytest.mark.usefixtures("packages")
def test_the_lock_is_a_requirements_file_and_the_recipe_names_it() -> None:
    facts = environment.environment_facts()
    text = environment.requirements_text(facts)
    assert text.splitlines() == [
        f"archived @ https://files.example/a.whl#sha256={DIGEST}",
        "broken==6.0",
        f"cloned @ git+https://git.example/c@{COMMIT}",
        "# copied==5.0 (local)",
        "# edited==4.0 (local)",
        "plain-package==1.0",
    ]
    from packaging.requirements import Requirement

    assert [Requirement(line).name for line in text.splitlines() if not line.startswith("#")] == [
        "archived",
        "broken",
        "cloned",
        "plain-package",
    ]
    recipe = environment.image_recipe(facts)["recipe"]
    assert recipe["base"] == f"docker.io/library/python:{facts['python']}-slim"
    # Through JSON, as a record carries it, the lock can be made again.
    again = environment.requirements_text(json.loads(json.dumps(facts)))
    assert recipe["lock"] == environment.image_recipe({**facts})["recipe"]["lock"]
    assert again == text


def test_lock_files_up_to_the_project_s_top(tmp_path: Path) -> None:
    inner = tmp_path / "project" / "src"
    inner.mkdir(parents=True)
    (tmp_path / "uv.lock").write_text("of another project")
    (tmp_path / "project" / "pyproject.toml").touch()
    (tmp_path / "project" / "uv.lock").write_text("")
    (inner / "requirements-dev.txt").write_text("")
    empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert environment.lock_files(inner) == {"requirements-dev.txt": empty, "uv.lock": empty}


def test_lock_files_of_nowhere_are_only_those_beside(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text("")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "poetry.lock").write_text("")
    assert list(environment.lock_files(tmp_path / "inner")) == ["poetry.lock"]


def fake_smi(folder: Path, body: str) -> None:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_accelerators_by_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_smi(
        tmp_path,
        'if [ $# -eq 0 ]; then echo "| Driver Version: 550.1  CUDA Version: 12.4 |"; else '
        'echo "NVIDIA A100, 550.1, 81920 MiB"; echo "NVIDIA A100, 550.1, 81920 MiB"; fi',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert environment._smi_facts() == {
        "devices": ["NVIDIA A100", "NVIDIA A100"],
        "driver": "550.1",
        "memory": ["81920 MiB", "81920 MiB"],
        "cuda_driver": "12.4",
    }


@pytest.mark.parametrize("body", ["exit 9", "echo nonsense", "exec sleep 30"])
def test_a_broken_or_slow_nvidia_smi_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    fake_smi(tmp_path, body)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(environment, "_SMI_SECONDS", 0.3)
    assert environment._smi_facts() == {}


def test_a_podman_container_names_its_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in environment._IMAGE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    file = tmp_path / "containerenv"
    file.write_text(f'engine="podman-4"\nimage="registry.example/train@sha256:{DIGEST}"\nimageid="{DIGEST}"\n')
    monkeypatch.setattr(environment, "_PODMAN_FILE", file)
    found = environment.image_facts()
    assert (found["digest"], found["image_id"]) == (f"sha256:{DIGEST}", f"sha256:{DIGEST}")
    file.write_text("")
    assert environment.image_facts() == {}


def test_every_field_of_an_origin_is_kept_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "vcs": "git",
        "commit_id": COMMIT,
        "requested_revision": "v1.2",
    }
    found = [
        Distribution(
            "one", "1", direct=direct(url="ssh://git@git.example/a.git", vcs_info=told, subdirectory="py")
        ),
        Distribution("two", "1", direct=direct(url="ssh://ann:hunter2@git.example/b.git", vcs_info=told)),
        Distribution("three", "1", direct=direct(url="https://token@git.example/c.git", vcs_info=told)),
    ]
    monkeypatch.setattr(environment, "distributions", lambda: found)
    _, origins = environment.installed_packages()
    same = {"commit": COMMIT, "vcs": "git", "requested_revision": "v1.2"}
    assert origins == {
        "one": {"url": "ssh://git@git.example/a.git", "subdirectory": "py", **same},
        "two": {"url": "ssh://git.example/b.git", **same},
        "three": {"url": "https://git.example/c.git", **same},
    }


def test_packages_of_conda_are_kept_with_their_builds(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "cudatoolkit-12.1-h1.json").write_text(
        '{"name": "cudatoolkit", "version": "12.1", "build": "h1", "url": "https://u:p@conda.example/x.conda", "md5": "a"}'
    )
    (tmp_path / "conda-meta" / "broken.json").write_text("{")
    (tmp_path / "conda-meta" / "history").write_text("==> x <==")
    assert environment.conda_packages(tmp_path) == {
        "cudatoolkit": {"version": "12.1", "build": "h1", "md5": "a", "url": "https://conda.example/x.conda"}
    }
    assert environment.conda_packages(tmp_path / "none") == {}
