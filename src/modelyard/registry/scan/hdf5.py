"""Read HDF5 files with h5py, in the process with limits, since the library is written in C and files may be hostile.

Only text or bytes in a file could be code: Keras's description of a model, and PyTables' pickles.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from modelyard.domain.formats.ranged import MIB, Malformed, OverBudget

_MAX_VALUE_BYTES = 64 * MIB
_MAX_OBJECTS = 100_000
_BYTE_KINDS = "SOV"
"""NumPy's kinds for texts, values of variable length, and raw bytes."""


def read_hdf5(file: IO[bytes]) -> Iterator[tuple[str, str, bytes]]:
    """Yield (path, attribute or '', bytes) of each value that is text or bytes.

    Raises Malformed if h5py refuses the file or one of its parts, OverBudget if it contains too much.
    """
    try:
        import h5py
    except ImportError:
        raise OverBudget("HDF5 is not read: h5py is not installed") from None
    try:
        with h5py.File(file, "r") as opened:
            yield from _values(h5py, opened)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, RecursionError, AttributeError) as error:
        raise Malformed(f"the HDF5 file is broken ({type(error).__name__})") from None


def _values(h5py: Any, root: Any) -> Iterator[tuple[str, str, bytes]]:
    waiting = [("", root)]
    seen = {root.id.__hash__()}
    while waiting:
        path, node = waiting.pop()
        for name in node.attrs:
            for data in _bytes_of(node.attrs[name]):
                yield path, name, data
        if isinstance(node, h5py.Dataset):
            yield from ((path, "", data) for data in _dataset_bytes(node))
            continue
        if not isinstance(node, h5py.Group):
            continue
        for name in node:
            if not isinstance(node.get(name, getlink=True), h5py.HardLink):
                # A link names an object elsewhere, in this file or another, which is read in its own place.
                continue
            child = node[name]
            key = child.id.__hash__()
            if key not in seen:
                seen.add(key)
                waiting.append((f"{path}/{name}", child))
        if len(seen) > _MAX_OBJECTS:
            raise OverBudget(f"it holds more than {_MAX_OBJECTS} objects")


def _dataset_bytes(dataset: Any) -> Iterator[bytes]:
    if dataset.shape is None or dataset.dtype.kind not in _BYTE_KINDS:
        return
    if dataset.size * max(dataset.dtype.itemsize, 1) > _MAX_VALUE_BYTES:
        raise OverBudget("a value in it is too large")
    yield from _bytes_of(dataset[()])


def _bytes_of(value: Any) -> Iterator[bytes]:
    """Yield each text or byte string in a value; numbers are skipped."""
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogateescape")
    elif isinstance(value, bytes):
        yield value
    elif hasattr(value, "dtype") and hasattr(value, "tobytes"):
        if value.dtype.kind == "O" or (value.dtype.kind == "S" and value.ndim):
            for part in value.flat if value.ndim else [value.item()]:
                yield from _bytes_of(part)
        elif value.dtype.kind in "SVU" or value.dtype.itemsize == 1:
            yield value.tobytes()
