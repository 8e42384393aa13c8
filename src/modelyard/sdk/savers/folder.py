"""Save a live model into a folder and load it again; what `my.push(object)` and `my.load` stand on."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from modelyard.domain.errors import Invalid, NoSaver
from modelyard.sdk.savers.base import SavedModel, Saver, Trust, versions_of, write_loader
from modelyard.sdk.savers.checked import with_checked_predict
from modelyard.sdk.savers.discovery import find_loader, find_saver
from modelyard.sdk.savers.pickle import PickleSaver


def save_model(obj: object, folder: Path, *, example: Any = None, allow_pickle: bool = False) -> SavedModel:
    """Write the model and its `modelyard.json` into an empty or new folder.

    example: a few input rows (DataFrame, array or dict of arrays); the signature is taken from it.
    allow_pickle: fall back to pickle for an object that no saver can write; loading it needs trust.
    Raises NoSaver; Invalid when the folder is not empty or the example is no data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Invalid(reason=f"the folder {folder} is not empty", fix="Save into a new folder")
    saver, saved = _save(obj, folder, example, allow_pickle)
    write_loader(folder, saver.name, saved)
    for loss in saved.extra.get("not_restored", ()):
        warnings.warn(f"a later my.load will not restore {loss}", stacklevel=2)
    return saved


def _save(obj: object, folder: Path, example: Any, allow_pickle: bool) -> tuple[Saver, SavedModel]:
    saver: Saver
    try:
        saver = find_saver(obj)
        return saver, saver.save(obj, folder, example=example)
    except NoSaver:
        if not allow_pickle:
            raise
    for left_over in folder.iterdir():
        left_over.unlink()
    saver = PickleSaver()
    return saver, saver.save(obj, folder, example=example)


def load_model(folder: Path, *, trust: Trust = False, check: bool = True, **options: Any) -> Any:
    """Load the object that was saved into the folder. Warns when a framework's version differs much.

    check: `predict` refuses data that does not fit the signature, where there is one (see `checked`).
    options: `into=module` (PyTorch) fills a given module; `as_session=True` (ONNX) gives a session.
    Raises NoSaver, UntrustedModel, Invalid, InvalidPath.
    """
    saver, spec = find_loader(folder)
    for package, installed in versions_of(*spec.versions).items():
        saved_with = spec.versions[package]
        if _release(saved_with) != _release(installed):
            warnings.warn(f"saved with {package} {saved_with}, loaded with {installed}", stacklevel=2)
    loaded = saver.load(folder, spec, trust=trust, options=options)
    return with_checked_predict(loaded, spec.signature) if check else loaded


def _release(version: str) -> list[str]:
    """Major and minor."""
    return version.split("+")[0].split(".")[:2]
