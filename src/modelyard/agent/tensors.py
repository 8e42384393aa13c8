"""Compare the tensors of two files of weights: safetensors, npz and skops. numpy is needed; servers have it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.domain.reproduction import TensorGap

SUFFIXES = (".safetensors", ".npz", ".skops")
_SCHEMA = "schema.json"
_MOST_HEADER_BYTES = 100_000_000
_MOST_UNPACKED_BYTES = 8 << 30
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
_BFLOAT = "BF16"


def compare_files(recorded: Path, repeated: Path) -> tuple[list[TensorGap], str]:
    """Return (the tensors that differ, the digest of the repeated ones). Raises ImportError without numpy, and ValueError or
    OSError for a file that cannot be read."""
    old, new = _read(recorded), _read(repeated)
    gaps = []
    for name in sorted({*old, *new}):
        if name not in new:
            gaps.append(TensorGap(name, why="missing"))
        elif name not in old:
            gaps.append(TensorGap(name, why="new"))
        elif (gap := _gap(name, old[name], new[name])) is not None:
            gaps.append(gap)
    return gaps, _digest(new)


def _read(path: Path) -> dict[str, Any]:
    """Return the tensors by name, as (type, array)."""
    import numpy as np

    if path.suffix == ".npz":
        # Without pickles, so that nothing in the file is run.
        with np.load(path, allow_pickle=False) as archive:
            return {name: (str(archive[name].dtype), archive[name]) for name in archive.files}
    if path.suffix == ".skops":
        return _read_skops(path)
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > min(_MOST_HEADER_BYTES, path.stat().st_size):
            raise ValueError(f"{path.name} is not a safetensors file")
        header: Mapping[str, Any] = json.loads(file.read(size))
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        plain = _DTYPES.get(entry["dtype"])
        array = np.fromfile(path, dtype="u1", count=end - start, offset=8 + size + start)
        if plain is not None:
            array = array.view(plain).reshape(entry["shape"])
        if entry["dtype"] == _BFLOAT:
            # The upper half of a float of 32 bits.
            array = (array.astype("<u4") << 16).view("<f4")
        found[name] = (entry["dtype"], array)
    return found


def _read_skops(path: Path) -> dict[str, Any]:
    """Return the arrays of an object by their place in it, and the rest of it as "object".

    Names of members and ids of nodes are addresses in memory, which differ in every process. Two archives of one object
    differ in nothing else, and in the times of their members.
    """
    import numpy as np

    found: dict[str, Any] = {}
    seen: dict[int, int] = {}

    def plain(node: Any, place: str) -> Any:
        if isinstance(node, list):
            return [plain(each, f"{place}.{index}") for index, each in enumerate(node)]
        if not isinstance(node, dict):
            return node
        kept = dict(node)
        number = seen.setdefault(kept.pop("__id__", 0), len(seen))
        if kept.get("__loader__") == "CachedNode":
            kept["__id__"] = number
        if isinstance(member := kept.pop("file", None), str):
            raw = archive.read(member)
            is_array = member.endswith(".npy")
            array = np.load(io.BytesIO(raw), allow_pickle=False) if is_array else np.frombuffer(raw, "u1")
            found[place.strip(".")] = (str(array.dtype), array)
        return {key: plain(each, place if key == "content" else f"{place}.{key}") for key, each in kept.items()}

    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > _MOST_UNPACKED_BYTES:
            raise ValueError(f"{path.name} is too large to be compared")
        rest = json.dumps(plain(json.loads(archive.read(_SCHEMA)), ""), sort_keys=True)
    found["object"] = ("object", np.frombuffer(rest.encode(), "u1"))
    return found


def _gap(name: str, old: tuple[str, Any], new: tuple[str, Any]) -> TensorGap | None:
    """Return the difference of two tensors of one name; None: they are the same."""
    import numpy as np

    (old_type, before), (new_type, after) = old, new
    if old_type != new_type:
        return TensorGap(name, why=f"of the type {new_type}, not {old_type}")
    if before.shape != after.shape:
        if new_type == "object":
            return TensorGap(name, why="of other values")
        return TensorGap(name, why=f"of the shape {after.shape}, not {before.shape}")
    if before.tobytes() == after.tobytes():
        return None
    if before.dtype.kind not in "fc":
        return TensorGap(name, why="of other values")
    first, second = (each.astype("c16" if each.dtype.kind == "c" else "f8") for each in (before, after))
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    if same.all():
        return None
    with np.errstate(invalid="ignore"):
        difference = np.abs(first - second)[~same].max()
    largest = np.abs(first[np.isfinite(first)]).max(initial=0.0)
    gap = float(difference / largest) if largest else float("inf")
    if not np.isfinite(gap):
        return TensorGap(name, why="of other values, which are not finite or were all zero")
    return TensorGap(name, gap)


def _digest(tensors: Mapping[str, tuple[str, Any]]) -> str:
    hasher = hashlib.sha256()
    for name, (kind, array) in sorted(tensors.items()):
        hasher.update(json.dumps([name, kind, list(array.shape)]).encode())
        hasher.update(array.tobytes())
    return f"sha256:{hasher.hexdigest()}"
