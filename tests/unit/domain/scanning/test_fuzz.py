"""What a real loader asks for is always listed by the scan, or the file is held: over files changed at random.

Seeded and bounded. `make fuzz` runs it longer: FUZZ_CASES=200000 FUZZ_SEED=1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from modelyard.domain.formats import BytesSource
from modelyard.domain.scanning import Skim, Verdict, needs_scan, scan
from modelyard.domain.scanning.globals import judge_global
from modelyard.domain.scanning.imports import can_be_imported, is_harmless_import, is_word
from modelyard.registry.scan.hdf5 import read_hdf5
from tests.support import recording_loader
from tests.support.mutations import cases

_CASES = int(os.environ.get("FUZZ_CASES", "1500"))
_SEED = int(os.environ.get("FUZZ_SEED", "1"))
_SERVED = (Verdict.NO_CODE, Verdict.ALLOWLISTED)


Names = list[list[str]]


def _explained(asked: Names, ran: Names, changed: Names, verdict: Verdict) -> bool:
    """Why a file may be served: all is allowed, or imports that do nothing are all that happens.

    A line of a word list may give the next one to what a package that no one knows would have by that name.
    """
    if verdict is Verdict.ALLOWLISTED:
        return all(judge_global(*name)[0] is Verdict.ALLOWLISTED for name in (*asked, *ran, *changed))
    if ran or not all(is_word(module) for module, _ in changed):
        return False
    return all(not can_be_imported(module) or is_harmless_import(module) for module, _ in asked)


def test_no_loader_asks_for_what_the_scan_did_not_see() -> None:
    program = [sys.executable, str(Path(recording_loader.__file__))]
    missed = []
    asked = 0
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as loader:
        assert loader.stdin is not None
        assert loader.stdout is not None
        for name, kind, data in cases(_SEED, _CASES):
            loader.stdin.write(json.dumps([kind, data.hex()]) + "\n")
            loader.stdin.flush()
            names, ran, changed = json.loads(loader.stdout.readline())
            asked += bool(names)
            source = BytesSource(data)
            verdict = scan(source, read_hdf5).verdict
            is_served = verdict in _SERVED or not needs_scan(Skim.of(source))
            if is_served and not _explained(names, ran, changed, verdict):
                missed.append((name, verdict, names, ran, changed, data[:300]))
        loader.stdin.close()
    assert missed == []
    # So that a loader that always fails does not empty this test.
    assert asked > _CASES / 10
