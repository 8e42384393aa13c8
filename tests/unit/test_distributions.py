"""The two distributions: the client's, and the server's rooms of the same package (decision record 0039)."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest

import modelyard
from modelyard.sdk.own_wheel import write_own_wheel

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
MISSING = 'pip install "modelyard[server]"'
"""What a command of the server says where only the client is installed."""
OF_SERVER = (
    "sqlalchemy alembic starlette uvicorn jinja2 argon2 prometheus_client h5py nh3 cmarkgfm cronsim".split()
)
"""Modules of packages that the client does not bring."""
FRAMEWORKS = "torch transformers sklearn xgboost lightgbm onnx onnxruntime skops safetensors".split()


def project(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())
    return found


def build(source: Path, kind: str, folder: Path) -> Path:
    """Build a distribution as pip does, and return its file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


def files_of(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels, built of the source."""
    folder = tmp_path_factory.mktemp("wheels")
    projects = {"client": ROOT, "server": ROOT / "server"}
    return {name: build(place, "wheel", folder / name) for name, place in projects.items()}


@pytest.fixture(scope="module")
def client_alone(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of an environment in which the client's wheel hides the source of the other rooms."""
    folder = tmp_path_factory.mktemp("client")
    with zipfile.ZipFile(wheels["client"]) as archive:
        archive.extractall(folder)
    return {**os.environ, "PYTHONPATH": str(folder), "MODELYARD_HOME": str(folder / "home")}


def run(environment: Mapping[str, str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def test_the_wheels_have_all_files_and_none_twice(wheels: dict[str, Path]) -> None:
    client, server = files_of(wheels["client"]), files_of(wheels["server"])
    source = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert client & server == set()
    assert client | server == source
    assert {"modelyard/web/templates/activity.html", "modelyard/db/migrations/env.py"} <= server


def test_a_source_distribution_of_the_server_gives_the_same_wheel(
    wheels: dict[str, Path], tmp_path: Path
) -> None:
    archive = build(ROOT / "server", "sdist", tmp_path / "sdist")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert files_of(build(source, "wheel", tmp_path / "again")) == files_of(wheels["server"])


def test_one_release_has_one_number(wheels: dict[str, Path]) -> None:
    needed: dict[str, list[str]] = {}
    for name, wheel in wheels.items():
        with zipfile.ZipFile(wheel) as archive:
            (path,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
            metadata = message_from_string(archive.read(path).decode())
        assert metadata["Version"] == modelyard.__version__
        needed[name] = metadata.get_all("Requires-Dist", [])
    assert f"modelyard-server=={modelyard.__version__}; extra == 'server'" in needed["client"]
    assert f"modelyard[audit,scorer]=={modelyard.__version__}" in needed["server"]


def test_both_projects_have_the_same_license() -> None:
    assert (ROOT / "server" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    ours, theirs = project(ROOT)["project"], project(ROOT / "server")["project"]
    assert (ours["license"], ours["requires-python"]) == (theirs["license"], theirs["requires-python"])


def test_every_module_of_the_client_imports_without_the_server(
    client_alone: dict[str, str], tmp_path: Path
) -> None:
    code = f"""
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys({[*OF_SERVER, *FRAMEWORKS]!r}))
import modelyard
names = [each.name for each in pkgutil.walk_packages(modelyard.__path__, "modelyard.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names), *sorted({{name.split(".")[1] for name in names}}))
"""
    done = run(client_alone, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    count, *rooms = done.stdout.split()
    assert int(count) > 300
    assert rooms == ["__main__", "agent", "cli", "domain", "scorer", "sdk", "settings", "wire"]


@pytest.mark.parametrize(
    "words",
    [
        ["serve", "--port", "0"],
        ["backup", "kept"],
        ["restore", "."],
        ["rescue", "ann"],
        ["doctor", "--data", "."],
    ],
    ids=lambda words: words[0],
)
def test_a_command_of_the_server_names_the_extra(
    words: list[str], client_alone: dict[str, str], tmp_path: Path
) -> None:
    done = run(client_alone, tmp_path, "-m", "modelyard", *words)
    assert done.returncode == 2
    assert "needs the package modelyard-server, which is not installed" in done.stderr
    assert MISSING in done.stderr
    assert "Traceback" not in done.stderr


def test_help_needs_no_server(client_alone: dict[str, str], tmp_path: Path) -> None:
    code = """
import click
from modelyard.cli.main import COMMANDS, cli
context = click.Context(cli)
for name in COMMANDS:
    cli.get_command(context, name).get_help(click.Context(cli.get_command(context, name)))
print(len(COMMANDS), "--public-url" in cli.get_command(context, "serve").get_help(context))
"""
    done = run(client_alone, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    count, has_settings = done.stdout.split()
    assert int(count) > 50
    assert has_settings == "True"


def test_a_server_of_another_release_is_refused(client_alone: dict[str, str], tmp_path: Path) -> None:
    about = tmp_path / "modelyard_server-0.0.9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: modelyard-server\nVersion: 0.0.9\n")
    path = os.pathsep.join([str(tmp_path), client_alone["PYTHONPATH"]])
    done = run({**client_alone, "PYTHONPATH": path}, tmp_path, "-m", "modelyard", "serve", "--port", "0")
    assert done.returncode == 2
    assert f"modelyard-server 0.0.9 is installed next to modelyard {modelyard.__version__}" in done.stderr
    assert f'pip install "modelyard[server]=={modelyard.__version__}"' in done.stderr


def test_images_get_the_files_of_the_client(wheels: dict[str, Path], tmp_path: Path) -> None:
    """Also where the server's rooms are installed next to them, as here."""
    own = files_of(write_own_wheel(tmp_path))
    assert own == {name for name in files_of(wheels["client"]) if name.startswith("modelyard/")}
