"""What a build made that repeats a version, in the form in which the server compares it with that version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from modelyard.agent.tensors import SUFFIXES, compare_files
from modelyard.domain.errors import ModelyardError
from modelyard.domain.record import Record
from modelyard.domain.reproduction import named_metrics
from modelyard.sdk.files import find_files, hash_file
from modelyard.sdk.parallel import each
from modelyard.sdk.pull import pull
from modelyard.sdk.session import Session
from modelyard.sdk.versions import Versions
from modelyard.wire import builds as wire

_MOST_GAPS = 200


def result_of(
    session: Session,
    reference: str,
    made: Path,
    facts: Mapping[str, Any],
    evaluation: Iterable[Mapping[str, Any]],
    folder: Path,
) -> wire.AttemptResult:
    """Return the files, metrics, params and packages of a training, and how its tensors differ from those of a version.

    reference: of the version. made: the file or folder that would have been registered. facts: that it would have had.
    evaluation: metrics as in a record. folder: for files of the version. Raises ModelyardError, OSError.
    """
    files = find_files(made)
    digests = each(files, lambda file, stop: hash_file(file, stop, lambda _: None), session.parallel)
    found = {file.path: str(digest) for file, digest in zip(files, digests, strict=True)}
    record = Record.of(facts).facts
    result = wire.AttemptResult(
        files=found,
        metrics=named_metrics([*(record.get("metrics") or ()), *evaluation]),
        params=dict(record.get("params") or {}),
        packages=dict((record.get("environment") or {}).get("packages") or {}),
    )
    recorded = {entry.path: entry.digest for entry in Versions(session).files(reference)}
    paths = {file.path: file.source for file in files}
    changed = [
        path
        for path, digest in found.items()
        if path.endswith(SUFFIXES) and recorded.get(path, digest) != digest
    ]
    if not changed:
        return result
    try:
        pull(session, reference, folder)
    except ModelyardError:
        # It is not served any more: then the digests alone are compared.
        return result
    for path in changed:
        try:
            gaps, content = compare_files(folder / path, paths[path])
        except (
            ImportError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
            OSError,
            BadZipFile,
        ):
            continue
        result.contents[path] = content
        result.tensors[path] = [
            wire.TensorGap(name=gap.name[:300], gap=gap.gap, why=gap.why) for gap in gaps[:_MOST_GAPS]
        ]
    return result
