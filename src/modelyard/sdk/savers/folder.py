"""Save a live model into a folder and load it again; the base of `my.push(object)` and `my.load`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from modelyard.domain.errors import Invalid, NoSaver
from modelyard.sdk.savers.base import (
    UNSAFE,
    SavedModel,
    Saver,
    Trust,
    class_names,
    versions_of,
    write_loader,
)
from modelyard.sdk.savers.checked import with_checked_predict
from modelyard.sdk.savers.discovery import find_loader, find_saver
from modelyard.sdk.savers.own_code import carry
from modelyard.sdk.savers.pickle import PickleSaver


def save_model(obj: object, folder: Path, *, example: Any = None, allow_pickle: bool = False) -> SavedModel:
    """Write the model and its `modelyard.json` into an empty or new folder.

    example: a few input rows (DataFrame, array or dict of arrays); the signature is taken from it.
    allow_pickle: fall back to pickle for an object that no saver can write; loading it needs trust.
    Raises NoSaver; Invalid if the folder is not empty or the example is not data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Invalid(reason=f"the folder {folder} is not empty", fix="Save into a new folder")
    saver, saved = _save(obj, folder, example, allow_pickle)
    _write_loader(folder, saver, saved)
    for loss in saved.extra.get("not_restored", ()):
        warnings.warn(f"a later my.load will not restore {loss}", stacklevel=2)
    return saved


def keep_model(obj: object, folder: Path, example: Any = None) -> None:
    """Write as a pickle a model that its saver could not write, so that its author can save it later.

    Of a PyTorch module only the weights are kept. Raises NoSaver for objects that cannot be pickled either.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = dict(obj.state_dict()) if "torch.Module" in class_names(obj) else obj  # type: ignore[attr-defined]
    saver = PickleSaver()
    _write_loader(folder, saver, saver.save((state, example), folder))


def _write_loader(folder: Path, saver: Saver, saved: SavedModel) -> None:
    """Write the loader file, and next to it the program's own code that the model needs."""
    carried = carry(saved.uses, folder)
    write_loader(folder, saver.name, saved, carried.code)
    if carried.code:
        names = ", ".join(sorted({name for own in carried.code.values() for name in own.names}))
        warnings.warn(
            f"{names}: this code of yours goes with the model as source; where it is not defined, a later my.load "
            "needs trust='unsafe', which runs it",
            stacklevel=3,
        )
    if carried.problems:
        warnings.warn(
            f"a later my.load in another program will fail: {'; '.join(carried.problems)}. "
            "Move the function or class, and everything it uses, into a module of its own",
            stacklevel=3,
        )


def restore_model(folder: Path) -> tuple[Any, Any]:
    """Return (model, example) that `keep_model` wrote. It runs the pickle, so use it only on your own folder."""
    model, example = load_model(folder, trust=UNSAFE, check=False)
    return model, example


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

    check: `predict` refuses data that does not fit the signature, if there is one (see `checked`).
    options: `into=module` (PyTorch) fills a given module; `as_session=True` (ONNX) returns a session.
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
    """Return the major and minor numbers."""
    return version.split("+")[0].split(".")[:2]
