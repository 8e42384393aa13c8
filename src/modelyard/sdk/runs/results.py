"""The result of a recorded program that can be registered: its fitted model, or the model files that it wrote."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.domain.errors import Invalid

_MODEL_SUFFIXES = frozenset(
    ".pkl .pickle .joblib .skops .onnx .safetensors .pt .pth .gguf .h5 .keras .ubj .cbm .bst .model".split()
)
_NOT_SEARCHED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__"})
_MOST_SEARCHED = 100_000


@dataclass(frozen=True, slots=True)
class Made:
    """The result of the program that can be registered."""

    path: Path
    learned: dict[str, Any]
    unsaved: str = ""
    """Why the model was kept in a form that only its author can read; empty: its saver could write it."""


def made_files(folder: Path, since: float, top: Path | None = None) -> Made:
    """Return the last fitted model, otherwise the model files written since then.

    folder: where the program left its model. top: its working folder; None: this process's.
    Raises Invalid if there is neither.
    """
    top = top or Path.cwd()
    left: list[tuple[int, Made]] = []
    errors: list[str] = []
    for told in folder.glob("*/learned.json"):
        value = json.loads(told.read_text())
        if value.get("kept"):
            left.append((value["at"], Made(told.parent / "kept", {}, value["error"])))
        elif "error" in value:
            errors.append(value["error"])
        else:
            left.append((value["at"], Made(told.parent / "model", value["facts"])))
    if left:
        return max(left, key=lambda pair: pair[0])[1]
    written = _written_models(top, since)
    if written:
        return Made(_together(written, folder, since, top), {})
    reason = (
        f"the model that was fitted cannot be saved ({errors[0]})"
        if errors
        else "no model was fitted or written"
    )
    raise Invalid(
        reason=f"{reason}, so there is nothing to register", fix="Name the files to register with --files PATH"
    )


def named_files(files: Path, since: float) -> tuple[Made, list[str]]:
    """Return the files that the caller named, after the program has ended, and notes on those older than the run.

    Raises Invalid if they do not exist.
    """
    if not files.exists():
        raise Invalid(
            reason=f"the program did not write {files}, so there is nothing to register",
            fix="Name the file or folder that the program writes with --files PATH",
        )
    every = [path for path in files.rglob("*") if path.is_file()] if files.is_dir() else [files]
    # File systems keep times less exactly than the clock does.
    older = sorted(str(path) for path in every if path.stat().st_mtime < since - 1)
    more = f" and {len(older) - 5} more" if len(older) > 5 else ""
    words = f"Also registered, although older than this run: {', '.join(older[:5])}{more}"
    return Made(files, {}), [words] if older else []


def _written_models(top: Path, since: float) -> list[Path]:
    found: list[Path] = []
    seen = 0
    for place, folders, names in os.walk(top):
        folders[:] = [name for name in folders if name not in _NOT_SEARCHED]
        seen += len(names)
        if seen > _MOST_SEARCHED:
            break
        for name in names:
            path = Path(place) / name
            with suppress(OSError):
                # File systems keep times less exactly than the clock does.
                if path.suffix.lower() in _MODEL_SUFFIXES and path.stat().st_mtime >= since - 1:
                    found.append(path)
    return sorted(found)


def _together(written: Sequence[Path], folder: Path, since: float, top: Path) -> Path:
    """Return the path to register: a separate folder that the program filled, or single files with their names."""
    if len(written) == 1 and written[0].parent == top:
        return written[0]
    parents = {path.parent for path in written}
    if len(parents) == 1:
        parent = parents.pop()
        with suppress(OSError):
            if parent != top and all(p.stat().st_mtime >= since - 1 for p in parent.rglob("*") if p.is_file()):
                return parent
    target = folder / "written"
    for path in written:
        place = target / path.relative_to(top)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return target
