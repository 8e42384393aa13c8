"""What a real loader asks for is always listed by the scan, or the file is held: over files changed at random.

Seeded and bounded. `make fuzz` runs it longer: FUZZ_CASES=200000 FUZZ_SEED=1.
"""

from __future__ import annotations

import os
from pathlib import Path

from modelyard.domain.formats import BytesSource
from modelyard.domain.scanning import Skim, Verdict, needs_scan, scan
from modelyard.domain.scanning.globals import judge_global
from modelyard.domain.scanning.imports import can_be_imported, is_harmless_import, is_word
from modelyard.registry.scan.hdf5 import read_hdf5
from tests.support.mutations import cases
from tests.support.recording_loader import Names, RecordingLoader, StandIn

_CASES = int(os.environ.get("FUZZ_CASES", "1500"))
_SEED = int(os.environ.get("FUZZ_SEED", "1"))
_SERVED = (Verdict.NO_CODE, Verdict.ALLOWLISTED)


def _explained(asked: Names, ran: Names, changed: Names, verdict: Verdict) -> bool:
    """Why a file may be served: all is allowed, or imports that do nothing are all that happens.

    A line of a word list may give the next one to what a package that no one knows would have by that name. What stands
    in the place of a persistent id is data: `pickle` and joblib refuse such ids, and torch gives a storage or what the
    pickle itself holds, so that calling it ends the loading.
    """
    ran = [name for name in ran if name != StandIn.path]
    if verdict is Verdict.ALLOWLISTED:
        return all(judge_global(*name)[0] is Verdict.ALLOWLISTED for name in (*asked, *ran, *changed))
    if ran or not all(is_word(module) for module, _ in changed):
        return False
    return all(not can_be_imported(module) or is_harmless_import(module) for module, _ in asked)


def test_no_loader_asks_for_what_the_scan_did_not_see(tmp_path: Path) -> None:
    missed = []
    asked = 0
    loader = RecordingLoader(tmp_path)
    for name, kind, data in cases(_SEED, _CASES):
        names, ran, changed = loader.load(kind, data)
        asked += bool(names)
        source = BytesSource(data)
        verdict = scan(source, read_hdf5).verdict
        is_served = verdict in _SERVED or not needs_scan(Skim.of(source))
        if is_served and not _explained(names, ran, changed, verdict):
            missed.append((name, verdict, names, ran, changed, data[:300]))
    loader.close()
    assert missed == []
    # So that a loader that always fails does not empty this test.
    assert asked > _CASES / 10


def test_a_file_that_ends_the_interpreter_hides_nothing(tmp_path: Path) -> None:
    """The interpreter ends while a pickle is read, after it asked for a global."""
    loader = RecordingLoader(tmp_path)
    assert loader.load("end", b"cposix\nsystem\n.") == ([["posix", "system"]], [], [])
    assert loader.ended == 1
    assert loader.load("pickle", b"cposix\nsystem\n.")[0] == [["posix", "system"]]
    loader.close()
