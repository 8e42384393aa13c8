"""picklescan, modelscan and fickling as second opinions: what one of them calls dangerous, we do not call clean."""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.formats import BytesSource
from modelyard.domain.scanning import Verdict, scan
from modelyard.registry.scan.hdf5 import read_hdf5
from tests.support import model_files
from tests.support.bad_files import HARMLESS, library_traps, traps
from tests.support.harmful_files import harmful_files
from tests.support.libraries import library

EXPLAINED = {"unknown.unknown": "named by numbers instead of texts, which every unpickler refuses"}
"""Globals that a second opinion calls dangerous and we allow, each with the reason."""


def every_file() -> dict[str, bytes]:
    found = {f"harmful {file.name}": file.data for file in harmful_files()}
    for group in (traps(), library_traps(), HARMLESS, model_files.every_file()):
        found |= group
    return found


def picklescan_names(path: Path) -> Iterator[str]:
    scanner = library("picklescan.scanner")
    result = scanner.scan_file_path(str(path))
    for found in result.globals:
        if found.safety == scanner.SafetyLevel.Dangerous:
            yield f"{found.module}.{found.name}"


def modelscan_names(path: Path) -> Iterator[str]:
    result = library("modelscan.modelscan").ModelScan().scan(path)
    for issue in result["issues"]:
        if issue["severity"] in ("CRITICAL", "HIGH"):
            yield f"{issue.get('module')}.{issue.get('operator')}"


def fickling_names(path: Path) -> Iterator[str]:
    """It finds nearly every pickle unsafe: only its two gravest verdicts count."""
    fickle, analysis = library("fickling.fickle"), library("fickling.analysis")
    pickled = fickle.Pickled.load(io.BytesIO(path.read_bytes()))
    severity = analysis.check_safety(pickled).severity
    if severity in (analysis.Severity.OVERTLY_MALICIOUS, analysis.Severity.LIKELY_OVERTLY_MALICIOUS):
        yield severity.name


@pytest.mark.parametrize("opinion", [picklescan_names, modelscan_names, fickling_names])
@pytest.mark.filterwarnings("ignore")
def test_what_another_scanner_calls_dangerous_is_not_served(
    opinion: Callable[[Path], Iterator[str]], tmp_path: Path
) -> None:
    wrong: dict[str, Any] = {}
    dangerous = 0
    for number, (name, data) in enumerate(every_file().items()):
        # The others choose by the name, which we do not.
        suffix = Path(name).suffix if name in model_files.every_file() else _suffix(data)
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(data)
        names: list[str] = []
        # They raise on much of what is hostile here, which is no opinion.
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            names = list(opinion(path))
        names = [found for found in names if found not in EXPLAINED]
        dangerous += bool(names)
        verdict = scan(BytesSource(data), read_hdf5).verdict
        if names and verdict in (Verdict.NO_CODE, Verdict.ALLOWLISTED):
            wrong[name] = (verdict, names)
    assert wrong == {}
    assert dangerous > 20


def _suffix(data: bytes) -> str:
    if data[:4] == b"PK\x03\x04":
        return ".zip"
    return ".npy" if data[:6] == b"\x93NUMPY" else ".pkl"


def test_a_plain_pickle_is_dangerous_for_each_of_them(tmp_path: Path) -> None:
    """So that a change of their interfaces does not empty the test above."""
    path = tmp_path / "m.pkl"
    path.write_bytes(traps()["protocol 2"])
    for opinion in (picklescan_names, modelscan_names, fickling_names):
        assert list(opinion(path))
    path.write_bytes(pickle.dumps({"a": 1}))
    assert list(picklescan_names(path)) == list(modelscan_names(path)) == []
