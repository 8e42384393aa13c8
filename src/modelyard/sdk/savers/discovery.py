"""Discovery of savers: all of them, the one for an object, and the one for a folder."""

from __future__ import annotations

import importlib
import warnings
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from modelyard.domain.errors import NoSaver
from modelyard.sdk.savers.base import LoaderSpec, Saver, class_path_of, read_loader

GROUP = "modelyard.savers"

# The same list as in pyproject.toml, for installations without metadata (zip files, frozen apps). These names always
# mean these classes: no other package can take them over.
BUILT_IN = {
    "lightgbm": "modelyard.sdk.savers.lightgbm:LightgbmSaver",
    "onnx": "modelyard.sdk.savers.onnx:OnnxSaver",
    "pickle": "modelyard.sdk.savers.pickle:PickleSaver",
    "pytorch": "modelyard.sdk.savers.pytorch:PytorchSaver",
    "scikit-learn": "modelyard.sdk.savers.sklearn:SklearnSaver",
    "transformers": "modelyard.sdk.savers.transformers:TransformersSaver",
    "xgboost": "modelyard.sdk.savers.xgboost:XgboostSaver",
}


@cache
def all_savers() -> tuple[Saver, ...]:
    """Return built-in and installed savers, by priority, then by name. They are searched once per process."""
    savers: dict[str, Saver] = {}
    for name, target in BUILT_IN.items():
        module, _, attribute = target.partition(":")
        savers[name] = getattr(importlib.import_module(module), attribute)()
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        if point.name not in BUILT_IN:
            saver = _build(point)
            if saver is not None:
                savers.setdefault(saver.name, saver)
    return tuple(sorted(savers.values(), key=lambda s: (-s.priority, s.name)))


def _build(point: EntryPoint) -> Saver | None:
    """Return the saver; None, with a warning, if it does not start, so that the others still work."""
    try:
        saver = point.load()()
    except Exception as error:  # noqa: BLE001 - a plugin's module can raise anything
        warnings.warn(f"the saver {point.name!r} ({point.value}) does not start: {error}", stacklevel=2)
        return None
    if not isinstance(saver, Saver):
        warnings.warn(f"the saver {point.name!r} ({point.value}) lacks parts of the protocol", stacklevel=2)
        return None
    return saver


def find_saver(obj: object) -> Saver:
    """Return the first saver that claims the object. Raises NoSaver."""
    for saver in all_savers():
        if saver.claims(obj):
            return saver
    known = ", ".join(sorted(s.name for s in all_savers() if s.name != "pickle"))
    raise NoSaver(
        what=f"an object of type {class_path_of(obj)}", reason=f"none of these savers knows it: {known}"
    )


def find_loader(folder: Path) -> tuple[Saver, LoaderSpec]:
    """Return the saver in `modelyard.json`, and the file's content. Raises NoSaver, Invalid, InvalidPath."""
    spec = read_loader(folder)
    for saver in all_savers():
        if saver.name == spec.saver:
            return saver, spec
    raise NoSaver(
        what=str(folder),
        reason=f"the saver {spec.saver!r} is not installed",
        fix="Install the package that brings it, or use my.pull to get the files",
    )
