"""Files that run code when their loader reads them, proven by that loader in a child process, are never served."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from modelyard.domain.formats import BytesSource
from modelyard.domain.scanning import FileScan, Skim, Verdict, needs_scan, scan
from modelyard.registry.scan.hdf5 import read_hdf5
from modelyard.registry.scan.process import ScanProcess
from tests.support.harmful_files import Harmful, harmful_files, run_all
from tests.support.services import ServiceMissing, skip_or_fail

HELD = (Verdict.UNKNOWN, Verdict.NOT_SCANNED, Verdict.DANGEROUS)


def found_in(data: bytes) -> FileScan:
    return scan(BytesSource(data), read_hdf5)


@pytest.fixture(scope="module")
def files() -> list[Harmful]:
    if sys.platform == "win32":
        pytest.skip("the payloads are commands of a POSIX shell")
    return harmful_files()


def test_each_one_runs_code_in_its_loader(files: list[Harmful], tmp_path: Path) -> None:
    found = run_all(files, tmp_path)
    assert {name: state for name, state in found.items() if state == "did not run"} == {}
    assert sum(state == "ran" for state in found.values()) >= 200


def test_none_is_missed(files: list[Harmful]) -> None:
    missed = {}
    for file in files:
        verdict = found_in(file.data).verdict
        if verdict not in HELD or not needs_scan(Skim.of(BytesSource(file.data))):
            missed[file.name] = verdict
    assert missed == {}
    if importlib.util.find_spec("keras") is None:
        skip_or_fail(ServiceMissing("Keras is not installed, and the count includes its files"))
    page = Path(__file__).parents[4] / "docs/how-to/scan.md"
    assert f"{len(files)} harmful files" in page.read_text()


def test_none_is_missed_when_it_comes_in_chunks(files: list[Harmful]) -> None:
    """As an upload sees it."""
    missed = []
    for file in files:
        skim = Skim()
        for at in range(0, len(file.data), 1000):
            skim.feed(file.data[at : at + 1000])
        whole = Skim.of(BytesSource(file.data))
        assert (skim.head, skim.tail, skim.places) == (whole.head, whole.tail, whole.places)
        if not needs_scan(skim):
            missed.append(file.name)
    assert missed == []


def test_the_limited_process_misses_none_of_those_that_need_a_library(files: list[Harmful]) -> None:
    scanner = ScanProcess()
    try:
        for file in files:
            if file.loader.startswith(("keras", "npz", "torch")):
                assert scanner.scan(BytesSource(file.data), 60).verdict in HELD, file.name
    finally:
        scanner.stop()
