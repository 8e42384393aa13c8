"""Uncommitted code that a program read: its script, its own modules, its settings.

Files that git tracks are in the commit, or in the difference to it. All other files that the program read from its own
folder are kept with the run, so that the code can be read again; credentials are masked first.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from modelyard.sdk.secret_files import is_secret_file

MAX_FILES = 500
MAX_FILE_BYTES = 1024 * 1024
_SUFFIXES = (
    ".py", ".pyx", ".ipynb", ".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".sql", ".sh", ".r", ".jl",
)  # fmt: skip
_GIT_SECONDS = 10.0
_NOT_OWN = frozenset(
    {"site-packages", "dist-packages", "node_modules", "__pycache__", ".git", ".venv", "venv", ".tox"}
)
_read: set[str] = set()
_watching = False


class KeepsSources(Protocol):
    """The part of a run that keeps code."""

    def keep_source(self, source: bytes, name: str) -> str | None: ...

    def add_facts(self, facts: dict[str, Any]) -> None: ...

    def note(self, text: str) -> None: ...


def watch() -> None:
    """Record from now on the files of code and settings that this process opens for reading."""
    global _watching
    if not _watching:
        _watching = True
        sys.addaudithook(_note_open)


def _note_open(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not isinstance(arguments[0], str) or not arguments[0].endswith(_SUFFIXES):
        return
    if arguments[1] is None or "r" in str(arguments[1]):
        with suppress(OSError):
            _read.add(str(Path.cwd() / arguments[0]))


def read_so_far() -> list[str]:
    """Return the files that this process has read: modules, and files that `watch` saw."""
    modules = [getattr(module, "__file__", None) for module in [*sys.modules.values()]]
    return sorted({*_read, *(name for name in modules if isinstance(name, str) and name.endswith(_SUFFIXES))})


def unkept(
    files: Iterable[str | Path], folders: Iterable[str | Path | None], top: str | None
) -> dict[str, Path]:
    """Return the program's own uncommitted files, by their path in its folder.

    folders: the top of the repository, the working folder, the folder of the program, as far as they are known.
    """
    bases = [Path(folder).resolve() for folder in folders if folder is not None]
    found: dict[str, Path] = {}
    for name in files:
        path = Path(name)
        with suppress(OSError, RuntimeError):
            path = path.resolve()
        base = next((base for base in bases if path.is_relative_to(base)), None)
        if base is not None and _is_own(path, base) and path.is_file():
            found.setdefault(path.relative_to(base).as_posix(), path)
    tracked = _tracked(
        top, [path for path in found.values() if top and path.is_relative_to(Path(top).resolve())]
    )
    return {name: path for name, path in sorted(found.items()) if path not in tracked}


def _is_own(path: Path, base: Path) -> bool:
    if _NOT_OWN.intersection(path.relative_to(base).parts) or any(
        path.is_relative_to(place) for place in _libraries()
    ):
        return False
    return not path.is_relative_to(Path(__file__).resolve().parents[1])


def _libraries() -> list[Path]:
    """Return the folders of Python's own modules and installed packages."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return [Path(place).resolve() for name in names if (place := sysconfig.get_path(name))]


def _tracked(top: str | None, paths: list[Path]) -> set[Path]:
    git = shutil.which("git")
    if not top or not paths or git is None:
        return set()
    try:
        done = subprocess.run(
            [git, "-C", top, "ls-files", "-z", "--", *map(str, paths)],
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "1"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return {(Path(top) / os.fsdecode(name)).resolve() for name in done.stdout.split(b"\0") if name}


def keep(run: KeepsSources, files: dict[str, Path], commit: bool) -> None:
    """Keep files with the run, and list them in its fact `code`. commit: there is one, so the folder is dirty."""
    kept: dict[str, str] = {}
    left: list[str] = []
    for name, path in files.items():
        digest = None
        with suppress(OSError):
            if len(kept) < MAX_FILES and path.stat().st_size <= MAX_FILE_BYTES and not is_secret_file(path):
                digest = run.keep_source(path.read_bytes(), name)
        if digest is None:
            left.append(name)
        else:
            kept[name] = digest
    if not files:
        return
    code: dict[str, Any] = {"untracked": left}
    if kept:
        code["files"] = kept
    if commit:
        code["dirty"] = True
    if left:
        run.note(f"Uncommitted code was not kept: {', '.join(left[:10])}")
    run.add_facts({"code": code})


def leave_list(folder: Path) -> None:
    """Write the list of files that this process has read, for the command that started it."""
    place = folder / str(os.getpid())
    place.mkdir(parents=True, exist_ok=True)
    (place / "read.json").write_text(json.dumps(read_so_far()))


def left_lists(folder: Path) -> list[str]:
    """Return the files that all processes of the program have read."""
    found: set[str] = set()
    for told in folder.glob("*/read.json"):
        with suppress(OSError, ValueError):
            found.update(map(str, json.loads(told.read_text())))
    return sorted(found)
