"""pickle, joblib and torch files: facts from their opcodes, never by loading them.

A torch file is a zip with `data.pkl` and raw storages, or (before torch 1.6) several pickles in a row.
A joblib file is a pickle with raw arrays in between, compressed or not.
"""

from __future__ import annotations

from typing import Any

from modelyard.domain.formats.facts import Draft
from modelyard.domain.formats.opcodes import Call, Global, Persistent, Walk, walk_pickle
from modelyard.domain.formats.ranged import (
    MIB,
    Budget,
    BytesSource,
    Cursor,
    Malformed,
    OverBudget,
    Source,
    compression_of,
    decompress_start,
    read_exactly,
)
from modelyard.domain.formats.zips import list_members, read_member

MAX_PICKLE_BYTES = 16 * MIB
_LEGACY_TORCH_MAGIC = 0x1950A86A20F9469CFC6C

_FRAMEWORKS = {
    "sklearn": "scikit-learn", "xgboost": "xgboost", "lightgbm": "lightgbm", "torch": "pytorch",
    "transformers": "transformers", "keras": "keras", "tensorflow": "tensorflow",
}  # fmt: skip
# A file whose top class is a user's own wrapper gets the framework of the first of these classes in it.
_BY_CONTENT = ("transformers", "torch", "keras", "tensorflow", "xgboost", "lightgbm", "sklearn")
_STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16",
    "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128",
}  # fmt: skip
_STATE_KEYS = ("state_dict", "model_state_dict", "model", "module", "net")


def read(source: Source, draft: Draft) -> None:
    head = read_exactly(source, 0, min(16, source.size_bytes))
    if head[:4] == b"PK\x03\x04":
        _read_torch_zip(source, draft)
        return
    draft.format = "joblib" if draft.details.get("suffix") == "joblib" else "pickle"
    compression = compression_of(head)
    if compression is None:
        _read_stream(source, draft)
        return
    draft.details["compression"] = compression
    data, whole = decompress_start(source, compression, MAX_PICKLE_BYTES)
    if not whole and len(data) < MAX_PICKLE_BYTES:
        draft.problems.append(f"the {compression} stream ends early")
    try:
        _read_stream(BytesSource(data), draft)
    except Malformed as error:
        if whole or len(data) < MAX_PICKLE_BYTES:
            raise
        raise OverBudget(f"reading stopped after {len(data)} decompressed bytes") from error


def _read_stream(source: Source, draft: Draft) -> None:
    cursor = Cursor(source, Budget())
    walk = Walk()
    try:
        walk_pickle(cursor, walk)
        if walk.top == _LEGACY_TORCH_MAGIC:
            draft.format = "torch-legacy"
            for _ in range(3):
                walk = Walk()
                walk_pickle(cursor, walk)
    finally:
        _take_walk(walk, draft)
    if draft.format != "torch-legacy" and cursor.position != cursor.end:
        draft.problems.append(f"{cursor.end - cursor.position} bytes follow the end of the pickle")


def _read_torch_zip(source: Source, draft: Draft) -> None:
    draft.format = "zip"
    members = {m.name: m for m in list_members(source)}
    pickles = [name for name in members if name == "data.pkl" or name.endswith("/data.pkl")]
    if not pickles:
        draft.not_this_format = True
        return
    draft.format, draft.framework = "torch", "pytorch"
    name = min(pickles, key=len)
    folder = name.removesuffix("data.pkl")
    if f"{folder}constants.pkl" in members:
        draft.format = "torchscript"
    data = read_member(source, members[name], MAX_PICKLE_BYTES)
    walk = Walk()
    try:
        walk_pickle(Cursor(BytesSource(data)), walk)
    finally:
        _take_walk(walk, draft)


def _take_walk(walk: Walk, draft: Draft) -> None:
    draft.details["protocol"] = walk.protocol
    draft.details["globals"] = sorted(g.path for g in walk.globals)
    if walk.globals_truncated:
        draft.note_truncated("globals")
    top = _class_of(walk.top)
    if top is not None:
        draft.details["class"] = top.path
        draft.architecture = top.name
    roots = {g.root for g in walk.globals}
    by_content = next((_FRAMEWORKS[r] for r in _BY_CONTENT if r in roots), None)
    draft.framework = draft.framework or (_FRAMEWORKS.get(top.root) if top else None) or by_content
    _take_estimator(walk.top, draft)
    if walk.tensors:
        _take_tensors(walk, draft)


def _class_of(value: Any) -> Global | None:
    """Return the class that an object would have; None for plain values."""
    if not isinstance(value, Call):
        return None
    target = value.target
    if isinstance(target, Global) and target.path in ("copyreg._reconstructor", "copy_reg._reconstructor"):
        target = value.arguments[0] if isinstance(value.arguments, tuple) and value.arguments else None
    if isinstance(target, Persistent) and isinstance(target.identity, tuple) and len(target.identity) > 1:
        # Old torch files name a module's class next to its source: ("module", class, file, source).
        target = target.identity[1]
    return target if isinstance(target, Global) and target.path != "collections.OrderedDict" else None


def _take_estimator(top: Any, draft: Draft) -> None:
    """Take the facts that a scikit-learn estimator keeps in its state."""
    state = top.state if isinstance(top, Call) else None
    if not isinstance(state, dict):
        return
    version, features = state.get("_sklearn_version"), state.get("n_features_in_")
    if isinstance(version, str):
        draft.details["framework_version"] = version
    if type(features) is int:
        draft.details["features"] = features


def _take_tensors(walk: Walk, draft: Draft) -> None:
    """Take the tensors of the state dict if there is one, otherwise every tensor of the file once."""
    chosen = _named_tensors(walk.top)
    if not chosen:
        chosen = {f"#{index}": call for index, call in enumerate(walk.tensors)}
    draft.tensor_count = draft.parameters = 0
    for name, call in chosen.items():
        facts = _tensor(call)
        if facts is None:
            draft.note_truncated("tensors")
        else:
            draft.add_tensor(name, *facts)


def _named_tensors(top: Any) -> dict[str, Call]:
    table = _table(top)
    for key in _STATE_KEYS:
        inner = _table(table.get(key))
        if any(_is_tensor(v) for v in inner.values()):
            table = inner
            break
    return {str(key): _unwrap(value) for key, value in table.items() if _is_tensor(value)}


def _table(value: Any) -> dict[Any, Any]:
    if isinstance(value, Call):
        return value.items or (value.state if isinstance(value.state, dict) else {})
    return value if isinstance(value, dict) else {}


def _unwrap(value: Any) -> Any:
    """Return the tensor of a parameter, which is pickled as a call around it."""
    if (
        isinstance(value, Call)
        and isinstance(value.target, Global)
        and value.target.name == "_rebuild_parameter"
    ):
        arguments = value.arguments
        return arguments[0] if isinstance(arguments, tuple) and arguments else None
    return value


def _is_tensor(value: Any) -> bool:
    value = _unwrap(value)
    return (
        isinstance(value, Call)
        and isinstance(value.target, Global)
        and value.target.root == "torch"
        and value.target.name.startswith("_rebuild_tensor")
    )


def _tensor(call: Call) -> tuple[str, tuple[int, ...]] | None:
    """Return dtype and shape from the arguments (storage, offset, size, stride, …); None if they are unreadable."""
    arguments = call.arguments
    if not isinstance(arguments, tuple) or len(arguments) < 4:
        return None
    storage, size = arguments[0], arguments[2]
    if not isinstance(size, tuple) or not all(type(x) is int and x >= 0 for x in size):
        return None
    dtype = "unknown"
    if call.target.name == "_rebuild_tensor_v3" and len(arguments) > 6 and isinstance(arguments[6], Global):
        dtype = arguments[6].name
    elif isinstance(storage, Persistent) and isinstance(storage.identity, tuple) and len(storage.identity) > 1:
        kind = storage.identity[1]
        dtype = _STORAGES.get(kind.name, "unknown") if isinstance(kind, Global) else "unknown"
    return dtype, size
