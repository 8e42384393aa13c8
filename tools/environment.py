"""Makes a virtual environment of this project; needs Python 3.11 or newer and nothing else."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVER = ROOT / "server"


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def program_of(folder: Path, name: str) -> Path:
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / name


def make_environment(name: str, extras: str, groups: Sequence[str] = (), first: Sequence[str] = ()) -> Path:
    """The environment's folder, made or brought up to date when a pyproject.toml has changed.

    extras: of this project, comma-separated; groups: its dependency groups; first: what is installed before
    all else, as arguments of pip.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 - this file runs before anything is installed
        raise SystemExit("Modelyard needs Python 3.11 or newer")
    folder = ROOT / name
    stamp = folder / "modelyard-ready"
    projects = b"".join((place / "pyproject.toml").read_bytes() for place in (ROOT, SERVER))
    asked = projects + repr((extras, groups, first)).encode()
    wanted = hashlib.sha256(asked).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return folder
    print(f"making the virtual environment {name} (once; takes a minute or two) …", flush=True)
    venv.create(folder, with_pip=True)
    # Compiling all packages takes longer than installing them, and most of their modules are never imported.
    quiet = ["--quiet", "--disable-pip-version-check", "--no-compile"]
    pip = [str(python_of(folder)), "-m", "pip", "install", *quiet]
    _run([*pip, "--upgrade", "pip>=25.1"])
    if first:
        _run([*pip, *first])
    # Without the second, pip would look for this release of the server in an index. pip before 23.3 needs this order.
    own = ["--editable", f"{ROOT}[{extras}]", "--editable", str(SERVER)]
    _run([*pip, *own, *[word for group in groups for word in ("--group", group)]])
    stamp.write_text(wanted)
    return folder


def _run(command: Sequence[str]) -> None:
    """Run a command that may take long and print a line every ten seconds that it goes on."""
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT)
    while True:
        try:
            code = process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            print(f"  still installing, {time.monotonic() - started:.0f} s …", flush=True)
        else:
            break
    if code:
        raise SystemExit(f"this failed: {' '.join(command)}")
