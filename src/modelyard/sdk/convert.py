"""Convert a version's torch files to safetensors on this machine, as a child version with the same tensors.

Files are read with torch's `weights_only` (2.6 or newer), which builds only tensors and plain containers and runs no
other code. The written files are read back and compared bit by bit before anything is pushed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.domain.errors import Invalid
from modelyard.sdk.files import PULLED_FOLDER
from modelyard.sdk.progress import Progress
from modelyard.sdk.pull import pull_version
from modelyard.sdk.push import push
from modelyard.sdk.savers.base import (
    LOADER_FILE,
    SavedModel,
    require,
    require_weights_only,
    versions_of,
    write_loader,
)
from modelyard.sdk.savers.pytorch import read_state, write_state
from modelyard.sdk.session import Session
from modelyard.sdk.views import Version

FORMATS = ("safetensors",)
_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
_STATE_KEYS = ("state_dict", "model_state_dict", "model", "module")


def convert(  # noqa: D417
    session: Session,
    /,
    ref: str,
    *,
    to: str = "safetensors",
    description: str = "",
    progress: Progress | None = None,
) -> Version:
    """Register a child version whose torch files are safetensors, with equal tensors bit by bit.

    This needs torch on this machine. The files are read with `weights_only`, so nothing in them runs.

    Args:
        ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the newest
            ready version.
        to: Target format: `safetensors`.
        description: Description of the child version; empty: one that names its parent.
        progress: Receives each phase and the bytes moved; None: no progress is reported.

    Returns:
        The child version.

    Raises:
        Invalid: A file holds more than tensors, or the version has no torch file.
        ExtraMissing: torch or safetensors is not installed.
        VersionNotFound: There is no such version, or you may not see it.

    Example:
        >>> client.convert("fraud/scorer:12").reference
        'fraud/scorer:13'
    """
    if to not in FORMATS:
        raise Invalid(reason=f"{to[:40]!r} is not a format to convert to", fix=f"Use {', '.join(FORMATS)}")
    what = "a conversion to safetensors"
    torch = require_weights_only(what)
    require("safetensors.torch", what)
    with tempfile.TemporaryDirectory(prefix="modelyard-convert-", ignore_cleanup_errors=True) as place:
        folder = Path(place) / "model"
        parent = pull_version(session, ref, folder, progress=progress).version
        converted = _convert_folder(torch, folder, parent.reference)
        loader = folder / LOADER_FILE
        loader.unlink(missing_ok=True)
        if len(converted) == 1:
            saved = SavedModel(
                "pytorch", "builtins.dict", tuple(converted), versions_of("torch", "safetensors")
            )
            write_loader(folder, "pytorch", saved)
        return push(
            session,
            folder,
            parent.model,
            description=description or f"The tensors of {parent.reference} as safetensors",
            facts={"parents": [{"ref": parent.reference, "digest": parent.digest, "relation": "conversion"}]},
            progress=progress,
        )


def _convert_folder(torch: Any, folder: Path, reference: str) -> list[str]:
    """Replace torch files by safetensors files, and return their names. Raises Invalid."""
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _SUFFIXES and PULLED_FOLDER not in path.relative_to(folder).parts
    ]
    if not found:
        raise Invalid(
            reason=f"{reference} has no torch file ({', '.join('*' + s for s in _SUFFIXES)})",
            fix=f"See its files with: modelyard show {reference} --files",
        )
    made = []
    for path in found:
        target = path.with_suffix(".safetensors")
        if target.exists():
            raise Invalid(reason=f"{target.name} already exists", fix="Use that file of the version instead")
        name = path.relative_to(folder).as_posix()
        state = _tensors_of(torch, path, name)
        write_state(state, target, name)
        _compare(torch, state, read_state(target), name)
        path.unlink()
        made.append(target.relative_to(folder).as_posix())
    return made


def _tensors_of(torch: Any, path: Path, name: str) -> dict[str, Any]:
    """Read the state dict, which must be the only content of the file. Raises Invalid."""
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises many kinds of errors for files that are not its own or would run code.
        raise Invalid(
            reason=f"{name} cannot be read as weights only: {str(error).splitlines()[0][:200]}",
            fix="Only files of tensors are converted; save model.state_dict() and push that",
        ) from error
    if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in _STATE_KEYS:
        value = next(iter(value.values()))
    others = (
        [
            str(key)
            for key, item in value.items()
            if not isinstance(item, torch.Tensor) or not isinstance(key, str)
        ]
        if isinstance(value, Mapping)
        else [type(value).__name__]
    )
    if others or not value:
        raise Invalid(
            reason=f"{name} holds more than tensors by name ({', '.join(others[:5]) or 'nothing'})",
            fix="A conversion must keep everything: save only model.state_dict() and push that",
        )
    return dict(value)


def _compare(torch: Any, before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> None:
    """Compare names, dtypes, shapes and every bit. Raises Invalid."""
    wrong = sorted(set(before) ^ set(after))
    for key in before.keys() & after.keys():
        one, two = before[key].detach().cpu(), after[key]
        is_same = one.dtype == two.dtype and one.shape == two.shape
        if not is_same or not torch.equal(_bits(torch, one), _bits(torch, two)):
            wrong.append(key)
    if wrong:
        raise Invalid(
            reason=f"the tensors of {name} are not equal after the conversion: {', '.join(wrong[:5])}",
            fix="Nothing was pushed; report it with the versions of torch and safetensors",
        )


def _bits(torch: Any, tensor: Any) -> Any:
    """Return a tensor's bytes, so that a NaN equals itself and -0.0 differs from 0.0."""
    return tensor.contiguous().reshape(-1).view(torch.uint8)
