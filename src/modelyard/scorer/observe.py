"""`python -m modelyard.scorer.observe FOLDER`: describe rows that a front has answered, and send what was observed.

Rows come as frames on standard input and stay in this process; their profile goes into the file of their part. Then all parts
that wait in the folder are sent, oldest first; what cannot be sent stays. Values of texts are never in a profile, only counts
by classes of a hash, since those of the training data may have been left out on purpose. Needs `modelyard[data]`; without it
only counts are sent.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec
import urllib3

from modelyard.scorer.frames import JSON, PREFIX, Tensor, lengths, read_head, read_tensors
from modelyard.scorer.observing import PARTS_FOLDER, store_part
from modelyard.sdk.locks import try_lock
from modelyard.wire.monitoring import MAX_PROFILE_BYTES, Observation
from modelyard.wire.scorer import TOKEN_FILE, WANTED_FILE, Wanted

OUTPUT = "output:"
"""The names of columns of outputs begin so."""
_LOCK = "observe.lock"
_MOST_PARTS_OF_A_COLUMN = 64
"""An array of more numbers a row, such as an image, has no columns."""
_NICE = 10
_TIMEOUT = urllib3.Timeout(connect=5.0, read=30.0)
_FORGOTTEN = (400, 404, 409, 413, 422)


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python -m modelyard.scorer.observe FOLDER", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    for head, tensors in _frames(sys.stdin.buffer):
        path = folder / PARTS_FOLDER / str(head["file"])
        part = msgspec.json.decode(path.read_bytes(), type=Observation)
        try:
            profile = describe_rows(head, tensors)
        except Exception as error:  # noqa: BLE001 - rows are whatever callers send; the counts are kept
            print(f"rows were not described: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        if profile is not None and len(profile) <= MAX_PROFILE_BYTES:
            rows = int(head["rows"])
            store_part(
                path,
                msgspec.structs.replace(
                    part, profile=profile, rows=rows, not_described=part.not_described - rows
                ),
            )
    # Two at a time would send parts twice, which does no harm, but is of no use.
    if try_lock(folder / _LOCK) is None:
        return 0
    return 0 if send_parts(folder) else 1


def _frames(stream: IO[bytes]) -> Iterator[tuple[dict[str, Any], list[Tensor]]]:
    while prefix := stream.read(PREFIX.size):
        head_bytes, body_bytes = lengths(prefix)
        head = read_head(stream.read(head_bytes))
        yield head, read_tensors(head.get("tensors", ()), stream.read(body_bytes))


# --- describing ------------------------------------------------------------------------------------------


def describe_rows(head: Mapping[str, Any], tensors: list[Tensor]) -> bytes | None:
    """Return the profile of the rows of a frame; None: the packages are missing, or there is nothing to describe."""
    try:
        import pyarrow as pa

        from modelyard.sdk.datasets.describing import describe
    except ImportError:
        return None
    groups: list[dict[str, Any]] = [{} for _ in head["groups"]]
    outputs = Counter(tensor.name.split(":", 2)[0] for tensor in tensors if ":o:" in tensor.name[:16])
    for tensor in tensors:
        number, side, name = tensor.name.split(":", 2)
        if side == "o":
            name = OUTPUT + (head["groups"][int(number)] if outputs[number] == 1 else name)
        groups[int(number)] |= _columns_of(tensor, name, head["names"], frozenset(head["times"]))
    tables = [pa.table(columns) for columns in groups if columns]
    if not tables:
        return None
    return describe(
        pa.concat_tables(tables, promote_options="permissive"), name="observed", keep_values=False
    ).profile


def _columns_of(tensor: Tensor, name: str, names: list[str], times: frozenset[str]) -> dict[str, Any]:
    """Return the columns of a tensor. A tensor without a name is a table whose columns are the ones of the signature."""
    import numpy as np
    import pyarrow as pa

    if tensor.dtype == JSON:
        if any(isinstance(value, list | dict) for value in tensor.data):
            return {}
        if name in times:
            return {name: pa.array([None if v is None else datetime.fromisoformat(v) for v in tensor.data])}
        return {name: pa.array(tensor.data)}
    values = np.frombuffer(tensor.data, np.dtype(tensor.dtype)).reshape(tensor.rows, -1)
    if tensor.dtype == "float16":
        values = values.astype(np.float32)
    width = values.shape[1]
    if not tensor.tail:
        return {name: pa.array(values[:, 0], from_pandas=True)}
    if not name and len(names) == width:
        return {column: pa.array(values[:, at], from_pandas=True) for at, column in enumerate(names)}
    if width > _MOST_PARTS_OF_A_COLUMN:
        return {}
    return {f"{name or 'input'}.{at}": pa.array(values[:, at], from_pandas=True) for at in range(width)}


# --- sending ---------------------------------------------------------------------------------------------


def send_parts(folder: Path) -> bool:
    """Send what waits, oldest first. Returns whether all of it was sent."""
    wanted = msgspec.json.decode((folder / WANTED_FILE).read_bytes(), type=Wanted)
    if wanted.registry is None:
        return False
    token = (folder / TOKEN_FILE).read_text(encoding="utf-8").strip()
    http = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    base = f"{wanted.registry.rstrip('/')}/api/v1/deployments/{wanted.deployment}/observations"
    for path in sorted((folder / PARTS_FOLDER).glob("*.json")):
        start, revision, part = path.stem.split(".")
        url = f"{base}/{revision}/{start}/{part}"
        try:
            answer = http.request("PUT", url, body=path.read_bytes(), headers=headers, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError):
            return False
        if answer.status >= 300:
            print(f"the registry answered {answer.status} to a part: {answer.data[:300]!r}", file=sys.stderr)
            if answer.status not in _FORGOTTEN:
                return False
        path.unlink(missing_ok=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
